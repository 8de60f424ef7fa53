"""What is answered: the BentoML service, its messages, the live state and the commands that start it."""
