"""The vocabulary of Pellucid: records, contracts, errors. NumPy only; imports no other room."""
