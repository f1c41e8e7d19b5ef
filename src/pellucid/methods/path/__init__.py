"""Σ weight × gradient at chosen points: where the points lie × the rule × the stopping rule."""
