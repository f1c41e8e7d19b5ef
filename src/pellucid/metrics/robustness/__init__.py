"""Metrics of robustness: whether an explanation stays where input and prediction stay."""
