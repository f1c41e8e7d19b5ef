"""What the tests of the whole catalogue choose by what each method declares, so that a new method needs no line here."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.methods import METHODS


def needed(method: str, background: np.ndarray) -> dict[str, Any]:
    """The options without which a method cannot run."""
    takes = METHODS.load(method).accepts
    return {"background": background} if "background" in takes and "fill" not in takes else {}


def serves(modality: str) -> list[str]:
    """Methods for images, series or tables."""
    return [name for name in METHODS if modality in METHODS.load(name).modalities]
