"""Where the channels of an image lie: the user's arrays stay as the network takes them; what cuts, blurs or draws an image sees channels last.

PyTorch's convolutions read (samples, channels, rows, columns), `channels="first"`; everything else here has `channels="last"`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray


def to_last(array: Array, channels: str, lead: int = 1) -> Array:
    """A view with channels last of an array whose first `lead` axes count samples or rows; one without a grid, (…, columns), is as it was.

    >>> to_last(np.zeros((5, 3, 28, 30)), "first").shape, to_last(np.zeros((5, 28, 30, 3)), "last").shape
    ((5, 28, 30, 3), (5, 28, 30, 3))
    """
    return np.moveaxis(array, lead, -1) if channels == "first" and array.ndim > lead + 1 else array


def from_last(array: Array, channels: str, lead: int = 1) -> Array:
    """The way back: a view as the network takes it.

    >>> from_last(np.zeros((5, 28, 30, 3)), "first").shape
    (5, 3, 28, 30)
    """
    return np.moveaxis(array, -1, lead) if channels == "first" and array.ndim > lead + 1 else array


def channels_of(record: Any) -> str:
    """How the inputs of a record lie, "first" or "last"."""
    takes = record.provenance.get("takes", {})
    return str(takes.get("channels", "last"))


def of_columns(record: Any) -> bool:
    """Whether the inputs of a record are rows of a table, which as a picture say nothing."""
    given = (record.provenance.get("preprocessing") or {}).get("kind")
    return record.inputs.ndim == 2 and record.packing is None and (given == "table" or not record.provenance.get("takes", {}).get("tokens"))
