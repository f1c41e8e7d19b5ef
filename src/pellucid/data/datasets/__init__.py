"""Data sets by name: one file, one data set, a function from the split to a `Dataset`."""
