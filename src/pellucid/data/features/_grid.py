"""What features over a grid have in common: where the grid's axes are, and the error where there is none."""

from __future__ import annotations

import numpy as np

from pellucid.core.errors import CombinationError

Array = np.ndarray


def grid_of(inputs: Array, kind: str) -> tuple[int, int]:
    """Height and width of (samples, height, width, channels), (samples, height, width) or (samples, time, features)."""
    if inputs.ndim not in (3, 4):
        hint = "use features='columns' for a table" if inputs.ndim == 2 else "give a label map of your own, features=labels"
        raise CombinationError(
            f"features '{kind}' got inputs of shape {inputs.shape}, expected (samples, height, width, channels) or (samples, height, width); {hint}."
        )
    return int(inputs.shape[1]), int(inputs.shape[2])


def as_map(labels: Array, inputs: Array) -> Array:
    """Label maps (maps, height, width) with a channel axis of 1 where the inputs have channels."""
    return labels[..., None] if inputs.ndim == 4 else labels
