"""Metrics of complexity: how much a reader has to take in."""
