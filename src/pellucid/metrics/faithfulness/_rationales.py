"""What comprehensiveness and sufficiency share: the most important units as a rationale, of several lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.metric import Measurement, Trial
from pellucid.metrics.faithfulness._steps import measured, scores_after

RATIOS = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Lengths of rationales, as shares of the units: those of the ERASER benchmark."""


def checked(ratios: Sequence[float], metric: str) -> None:
    """Raise unless these are shares, ascending."""
    if not ratios or not all(0 < ratio <= 1 for ratio in ratios) or list(ratios) != sorted(ratios):
        raise SettingError(f"ratios of {metric} must be shares from 0 to 1, ascending, e.g. (0.1, 0.5); got {tuple(ratios)}.")


def fall(trial: Trial, ratios: Sequence[float], *, alone: bool) -> Measurement:
    """The fall of the probability when rationales are taken away, or when they are `alone` left: the mean over their lengths, the empty one included.
    Lengths are rounded up."""
    trial, shares = trial.as_probability(), np.array([0.0, *ratios])
    found = scores_after(trial, shares, insert=alone, up=True)
    return measured(trial, trial.scores[:, None] - found.mean(axis=-1), shares, found)
