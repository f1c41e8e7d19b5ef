"""Metrics of faithfulness: whether what an explanation calls important is what the network uses."""
