from data.commands import main

main()
