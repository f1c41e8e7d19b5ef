"""How alike two maps are, whatever their scale."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import rankdata
from skimage.metrics import structural_similarity

from pellucid.core.errors import SettingError, unknown
from pellucid.core.layout import channels_of, to_last
from pellucid.core.metric import Trial
from pellucid.core.model import Model
from pellucid.core.records import Explanation
from pellucid.maths.correlation import pearson

Array = np.ndarray
SIMILARITIES = ("spearman", "pearson", "ssim")
WINDOW = 7
"""Pixels that SSIM looks at together, a side."""


def check_similarity(name: str) -> None:
    if name not in SIMILARITIES:
        raise SettingError(unknown("similarity", name, SIMILARITIES))


def no_ssim(similarity: str, model: Model, explanation: Explanation) -> str:
    """Why maps cannot be compared by SSIM; empty where they can, or where that is not asked for."""
    shape = to_last(explanation.inputs, model.traits.channels).shape
    fits = model.packing is None and len(shape) == 4 and min(shape[1:3]) >= WINDOW
    return "" if similarity != "ssim" or fits else f"compares maps by SSIM, which takes images of at least {WINDOW} × {WINDOW}; use similarity='spearman'"


@dataclass(frozen=True)
class Likeness:
    """How alike the explanation's map is to others: 1 for the same order (spearman), the same up to scale and shift (pearson), the same picture up to scale
    (ssim), of absolute values where `absolute`. A map that is constant is like nothing: 0; NaN where the explanation itself is."""

    trial: Trial
    own: Array
    kind: str
    absolute: bool

    @cached_property
    def _prepared(self) -> Array:
        return self._prepare(self.own)

    def to(self, other: Array) -> Array:
        """Of the importances (samples, units) of another explanation of the same samples, sample by sample."""
        present = self.trial.present
        one, two = self._prepared, self._prepare(other)
        if self.kind == "ssim":
            found = _ssim(one, two)
        elif present.all():
            found = pearson(one, two)
        else:
            found = np.array([float(pearson(a[here], b[here])) for a, b, here in zip(one, two, present, strict=True)])
        shown = np.abs(self.own) if self.absolute else self.own
        flat = np.array([np.ptp(values[here]) == 0 for values, here in zip(shown, present, strict=True)])
        return np.where(flat, np.nan, np.nan_to_num(found, nan=0.0))

    def _prepare(self, importance: Array) -> Array:
        """What correlations or SSIM are of: ranks, values or pictures."""
        shown, present = np.abs(importance) if self.absolute else importance, self.trial.present
        if self.kind == "ssim":
            return _pictures(self.trial, shown)
        if self.kind == "pearson":
            return shown
        if present.all():
            return np.asarray(rankdata(shown, axis=-1))
        ranks = np.zeros(shown.shape)
        for row, here in enumerate(present):
            ranks[row, here] = rankdata(shown[row, here])
        return ranks


def _ssim(own: Array, other: Array) -> Array:
    """Of scaled pictures, over the range of both."""
    found = np.full(len(own), np.nan)
    for row, (a, b) in enumerate(zip(own, other, strict=True)):
        if np.ptp(a) and np.ptp(b) and np.isfinite(b).all():
            span = max(a.max(), b.max()) - min(a.min(), b.min())
            found[row] = structural_similarity(a, b, win_size=WINDOW, data_range=span)
    return found


def _pictures(trial: Trial, importance: Array) -> Array:
    """Importances painted over the image, channels added up, divided by the largest in size, (samples, rows, columns)."""
    painted = trial.units.spread(importance, trial.inputs.shape[1:])
    pictures = to_last(painted, channels_of(trial.explanation)).sum(axis=-1)
    largest = np.abs(pictures).max(axis=(1, 2), keepdims=True)
    return np.asarray(np.divide(pictures, largest, out=np.zeros_like(pictures), where=largest > 0))
