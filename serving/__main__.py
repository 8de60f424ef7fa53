from serving.commands import main

main()
