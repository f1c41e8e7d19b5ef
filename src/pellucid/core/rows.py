"""Some samples of a record: any index as one that keeps the sample axis, and the provenance of those samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray
PER_SAMPLE = ("labels", "target", "indices", "given")
"""Entries of the provenance that hold one item per sample where they are lists."""


def as_rows(index: int | slice | Sequence[int] | Array, count: int) -> slice | Array:
    """Any index as one that keeps the sample axis."""
    if isinstance(index, slice):
        return index
    if isinstance(index, (int, np.integer)):
        if not -count <= index < count:
            raise IndexError(f"sample {index} of {count}")
        return np.array([int(index) % count])
    return np.asarray(index)


def told_of(provenance: Mapping[str, Any], rows: Array, count: int) -> dict[str, Any]:
    """The provenance of some samples."""
    lists = {name: provenance[name] for name in PER_SAMPLE if isinstance(provenance.get(name), list) and len(provenance[name]) == count}
    return dict(provenance) | {name: [items[i] for i in rows] for name, items in lists.items()}
