"""What is known: schemas, sources, cleaning, emptyings, sensor health, history, store and a simulated city."""
