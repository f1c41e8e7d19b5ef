"""What the parts of the finance application share: the data, the network, and what was explained of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pellucid.applications._work import Work
from pellucid.applications.counterfactuals import Changes
from pellucid.core.records import Explanation
from pellucid.data.dataset import Dataset
from pellucid.data.preprocessings.table import Table

Array = np.ndarray
NETWORK, WITHOUT = "credit", "credit-without"
BAD = 1


@dataclass
class Bank:
    """The data and the network, and what was explained of them. Arrays are over held-out applicants; `explained` are the rows that `overall` is of."""

    work: Work
    training: Dataset
    held: Dataset
    table: Table
    risks: Array
    explained: list[int] = field(default_factory=list)
    overall: Explanation | None = None
    cases: list[tuple[int, str]] = field(default_factory=list)
    told: Explanation | None = None
    changes: dict[int, Changes] = field(default_factory=dict)
    typical: Array = field(default_factory=lambda: np.zeros(0))
    """The risk of every training applicant."""

    def risk(self, rows: Array) -> Array:
        """The estimated risk (n,) of reworded rows."""
        return self.work.outputs(NETWORK, Dataset("", "", rows), self.table)[:, BAD]
