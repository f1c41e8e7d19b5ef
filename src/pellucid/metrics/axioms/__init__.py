"""Metrics of axioms: whether an explanation keeps on this network what its method promises."""
