"""What absent features hold: one file, one way."""
