"""Whether a map's five strongest features are the right ones."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
TOP = 5
WITHIN = 2.0
"""Standard errors of a difference below which two features of the reference count as tied."""


def sure(values: Array, error: Array) -> Array:
    """The reference's five strongest features, less those that the sixth may equal: whose lead over it is within two standard errors of the difference."""
    order = np.argsort(-np.abs(values))
    top, sixth = order[:TOP], order[TOP]
    lead = np.abs(values[top]) - np.abs(values[sixth])
    return top[lead > WITHIN * np.hypot(error[top], error[sixth])]


def found(values: Array, wanted: Array) -> float:
    """The share of these features that are among the five strongest of `values`; NaN where all were tied."""
    if not len(wanted):
        return float("nan")
    return float(np.isin(wanted, np.argsort(-np.abs(values))[:TOP]).mean())
