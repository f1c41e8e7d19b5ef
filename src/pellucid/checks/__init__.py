"""Explanation tests: what reasons must hold, checked like any other test; one file = one expectation.

An expectation looks at explanations, gives a number with its interval for each sample, and compares it with a bound. An interval on one side of the bound
passes or fails; one that straddles it is undecided, so that no test passes or fails by luck.
"""

from __future__ import annotations

from pathlib import Path

from pellucid.core.catalogue import Catalogue
from pellucid.core.errors import UnknownPartError

CHECKS = Catalogue("expectation", "pellucid.checks", Path(__file__).parent, UnknownPartError)
