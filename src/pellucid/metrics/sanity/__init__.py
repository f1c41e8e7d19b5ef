"""Metrics of sanity: whether an explanation is of this network at all."""
