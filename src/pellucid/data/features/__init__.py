"""How an input is cut into features: one file, one way."""
