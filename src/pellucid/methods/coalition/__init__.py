"""Estimators on scores of masked inputs: feature × fill × coalitions × estimator × stopping rule."""
