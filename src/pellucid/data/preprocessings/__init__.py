"""What becomes of samples before a network takes them: one file a kind of data."""
