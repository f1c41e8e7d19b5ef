"""Metrics of localisation: whether an explanation lies where the reason is known to lie."""
