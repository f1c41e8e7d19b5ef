"""Arrays in, arrays out: quadrature rules, coalitions, regressions, error statistics. Knows no model."""
