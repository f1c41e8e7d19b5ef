"""Masked inputs without the words that are absent: what remains moves together, in the tokens and in whatever stands beside them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from pellucid.core.errors import CombinationError
from pellucid.core.model import MaskRows, Model
from pellucid.core.packing import Packing
from pellucid.core.target import Target
from pellucid.core.wrapped import Wrapped

Array = np.ndarray


@dataclass(frozen=True)
class Deleted(MaskRows):
    """Masked inputs in which absent elements are left out. `parts` are the stretches of a sample that move alike, of one length; the features of one of them
    say what is absent in all."""

    parts: tuple[slice, ...] = (slice(None),)

    def _composed(self, sample: int, fill: Array, masks: Array) -> Array:
        present = self.inputs[sample]
        absent = self.fills[sample if len(self.fills) > 1 else 0].take(fill if self.fills.shape[1] > 1 else np.zeros_like(fill), axis=0)
        labels = self.labels[sample if len(self.labels) > 1 else 0]
        chosen = np.unique(masks)
        if not np.isin(chosen, (0, 1)).all():
            raise CombinationError(
                f"a word is there or it is left out, and this method blends (a mask holds {float(chosen[(chosen > 0) & (chosen < 1)][0]):.3g}); "
                "use shap, lime, feature_ablation or sobol, or another fill, such as the padding's number."
            )
        kept = np.concatenate([masks != 0, np.ones((len(masks), 1), dtype=bool)], axis=1)[:, labels]  # label −1 is the last column
        together = np.logical_and.reduce([kept[:, part] for part in self.parts])
        order, count = np.argsort(~together, axis=1, kind="stable"), together.sum(axis=1, keepdims=True)
        out = np.repeat(present[None], len(masks), axis=0)
        for part in self.parts:
            moved = np.take_along_axis(out[:, part], order, axis=1)
            out[:, part] = np.where(np.arange(moved.shape[1]) < count, moved, absent[:, part])
        return out


class Deleting(Wrapped):
    """A model whose absent features are left out. It stands before all others, so that these compose what it has made of the masks."""

    def __init__(self, inner: Model, labels: Array, packing: Packing | None, *, gradients: bool = False) -> None:
        super().__init__(inner)
        self.traits = replace(inner.traits, gradients=gradients and inner.traits.gradients)
        self.parts = _parts(labels, packing)

    def masked_scores(self, rows: MaskRows, target: Target) -> Array:
        given = {field.name: getattr(rows, field.name) for field in fields(rows)}
        made = Deleted(**given | {"parts": self.parts})
        return self.inner.masked_scores(made, target) if isinstance(self.inner, Wrapped) else Model.masked_scores(self.inner, made, target)


def _parts(labels: Array, packing: Packing | None) -> tuple[slice, ...]:
    """The stretches that move alike: the tokens that have features, and what is as long beside them."""
    if packing is None:
        return (slice(0, labels.shape[-1]),)
    own = [name for name, part in packing.slices.items() if (labels[:, part] >= 0).any()]
    shapes = dict(zip(packing.names, packing.shapes, strict=True))
    if len(own) != 1 or len(shapes[own[0]]) != 1:
        raise CombinationError(f"fill 'deletion' serves one text, and features lie in {', '.join(own) or 'none'}; explain the words of one input at a time.")
    return tuple(packing.slices[name] for name in packing.names if shapes[name] == shapes[own[0]])
