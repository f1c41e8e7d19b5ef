"""Models that stand before another one while a method runs: for targets that are functions, and for several targets at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pellucid.core.errors import UnsupportedError
from pellucid.core.model import INPUT, Gradients, MaskRows, Model, PathRows, batches
from pellucid.core.scoring import checked_scores, slopes
from pellucid.core.target import Target
from pellucid.core.wrapped import Wrapped

Array = np.ndarray
KEPT = 64_000_000
"""Bytes of scores of masked inputs that are kept for the targets that still come to them."""
BYTES_A_KEY = 150
"""What a row costs beside its scores."""


class OfFunction(Wrapped):
    """A model whose target is a function of its outputs. Outputs come back to the host; the function's slope there, by differences, is the cotangent that
    the network's own backward pass begins with, so that each gradient costs a forward pass more."""

    def gradients(self, inputs: Array, target: Target, wrt: Sequence[str] = (INPUT,)) -> Gradients:
        if target.function is None:
            return self.inner.gradients(inputs, target, wrt)
        function, given = target.function, target.given(self.inner.predict(inputs, logits=target.reads_logits))
        weights = slopes(function, given).astype(np.float32)
        linear = replace(target, weights=weights, function=None, head=None if target.head == "sigmoid" else target.head)
        found = self.inner.gradients(inputs, linear, wrt)
        return replace(found, scores=checked_scores(function, given))

    def path_gradients(self, rows: PathRows, target: Target) -> tuple[Array, Array]:
        return Model.path_gradients(self, rows, target)

    def masked_scores(self, rows: MaskRows, target: Target) -> Array:
        return Model.masked_scores(self, rows, target)


class OfSeveral(Wrapped):
    """A model that explains each sample by `count` targets: row i · count + k of what it is given is sample i with target k. A masked input is sent through
    the network once, whichever of the targets asks for it; what the others have not asked for yet is kept, up to a bound."""

    def __init__(self, inner: Model, target: Target, count: int) -> None:
        super().__init__(inner)
        self.target, self.count = replace(target, origin=None), count
        self.spared = np.zeros(len(target.weights) // count, dtype=np.int64)
        self._known: dict[bytes, Array] = {}
        self._most = KEPT // (8 * count + BYTES_A_KEY)

    def masked_scores(self, rows: MaskRows, target: Target) -> Array:
        if target.origin is None:
            raise UnsupportedError("a method that masks must take its target from the task; this one made its own, which is served for one target at a time.")
        found, origin = np.empty(len(rows)), target.origin[rows.sample]
        sample, which = origin // self.count, (origin % self.count).tolist()
        maps = self._maps(rows)
        for part in batches(len(rows), self.rows_at_once(rows.inputs)):
            keys = self._keys(rows, part, sample[part], maps)
            fresh: dict[bytes, int] = {}
            for row, key in enumerate(keys, part.start):
                if key not in self._known and key not in fresh:
                    fresh[key] = row
            chosen = np.fromiter(fresh.values(), dtype=int, count=len(fresh))
            if fresh:
                self._known |= dict(zip(fresh, self._scored(rows, chosen, sample[chosen]), strict=True))
            np.add.at(self.spared, sample[part], 1)
            np.subtract.at(self.spared, sample[chosen], 1)
            found[part] = [self._known[key][k] for key, k in zip(keys, which[part], strict=True)]
            self._forget()
        return found

    def _maps(self, rows: MaskRows) -> list[bytes]:
        """What tells one feature map from another, for each sample of the rows."""
        told = [hashlib.blake2b(f"{labels.shape}{rows.masks.dtype}".encode() + labels.tobytes(), digest_size=16).digest() for labels in rows.labels]
        return told if len(told) > 1 else told * len(rows.inputs)

    def _keys(self, rows: MaskRows, part: slice, sample: Array, maps: list[bytes]) -> list[bytes]:
        """What tells one masked input from another."""
        masks = np.ascontiguousarray(rows.masks[part])
        place = np.stack([sample, rows.fill[part]], axis=1).astype(np.int64)
        if masks.dtype.kind in "bu":
            masks = np.packbits(masks != 0, axis=1)
        told = [one.tobytes() + maps[which] + mask.tobytes() for one, which, mask in zip(place, rows.sample[part].tolist(), masks, strict=True)]
        return told if masks[:1].nbytes <= BYTES_A_KEY else [hashlib.blake2b(one, digest_size=24).digest() for one in told]

    def _scored(self, rows: MaskRows, chosen: Array, sample: Array) -> Array:
        """The scores of some rows for all targets, (rows, targets), by one pass."""
        picked = replace(rows, masks=rows.masks[chosen], sample=rows.sample[chosen], fill=rows.fill[chosen])
        outputs = self.inner.predict(picked.compose(slice(None)), logits=self.target.reads_logits)
        return np.stack([self.target.unnamed(sample * self.count + k).of(outputs) for k in range(self.count)], axis=1)

    def _forget(self) -> None:
        """Let the oldest go."""
        for key in list(self._known)[: max(len(self._known) - self._most, 0)]:
            del self._known[key]
