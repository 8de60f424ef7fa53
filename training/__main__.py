from training.commands import main

main()
