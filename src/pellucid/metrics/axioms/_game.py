"""The game that an explanation is of, for tests of what it promises: its own units against its own reference, on masks that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pellucid.core.errors import UnsupportedError
from pellucid.core.metric import Trial, summed
from pellucid.core.model import batches
from pellucid.metrics._masks import MASK_BYTES, Removal, removed_scores

Array = np.ndarray
ROUNDING = 1e-5
"""Difference of two scores, relative to the largest of a sample, that is none: float32 in batches of another size explains as much."""
STREAM = 7
"""Keeps these draws apart from those of random importances, which have the same seed."""
GROUP_BYTES = 64e6
"""What the masks and random inputs of the samples that are played together may take."""


@dataclass(frozen=True)
class Request:
    """Masks (rows, units) of one sample, all with one row of the fill."""

    sample: int
    kept: Array
    row: int


@dataclass(frozen=True)
class Draw:
    """One mask of a sample, (units,), what each unit is in it (`kept`) and what else it could be (`other`), and the row of the fill."""

    kept: Array
    other: Array
    row: int


@dataclass(frozen=True)
class Game:
    """Samples of a trial whose fill is what the method set them against. `blends`: units may be anything between there and the input, as on a path, instead of
    one of the two."""

    trial: Trial
    blends: bool

    def looked_at(self, sample: int, most: int) -> Array:
        """The units of a sample, or as many of them as may be, drawn."""
        units = np.flatnonzero(self.trial.present[sample])
        if len(units) <= most:
            return units
        return np.sort(np.random.default_rng((self.trial.seed, STREAM)).choice(units, most, replace=False))

    def draw(self, sample: int, number: int) -> Draw:
        """Mask `number` of a sample: 0 is the input, 1 the reference, those after them keep a share of the units that is itself drawn."""
        units = np.flatnonzero(self.trial.present[sample])
        generator = np.random.default_rng((self.trial.seed, number, STREAM))
        row, share = int(generator.integers(self.trial.fills.shape[1])), generator.random()
        some, others = generator.random((2, len(units)))
        if number < 2:
            some = np.full(len(units), 1.0 - number)
            share = 0.5
        empty: Array = np.zeros(self.trial.present.shape[1], np.float32 if self.blends else np.bool_)
        kept, other = empty.copy(), empty.copy()
        kept[units] = some if self.blends else some < share if number > 1 else some > 0
        other[units] = others if self.blends else ~kept[units]
        return Draw(kept, other, row)

    def touched(self, sample: int, row: int) -> Array:
        """Which units differ from the fill's row at all, (units,)."""
        trial = self.trial
        fill = trial.fills[sample if len(trial.fills) > 1 else 0, row]
        differs = (trial.inputs[sample] != fill).astype(float)
        units = trial.units if len(trial.units.labels) == 1 else trial.units[sample : sample + 1]
        return np.asarray(summed(differs[None], units)[0] > 0)

    def score(self, requests: Sequence[Request]) -> list[Array]:
        """The scores of each request, all in one queue."""

        def removals() -> Iterator[Removal]:
            for request in requests:
                at_once = max(1, int(MASK_BYTES // max(request.kept[:1].nbytes, 1)))
                for start in range(0, len(request.kept), at_once):
                    kept = request.kept[start : start + at_once]
                    yield Removal(request.sample, kept, np.full(len(kept), request.row))

        found, scores = [], removed_scores(replace(self.trial, progress=lambda done: None), removals(), 1)
        for request in requests:
            parts = [next(scores)]
            while sum(map(len, parts)) < len(request.kept):
                parts.append(next(scores))
            found.append(np.concatenate(parts))
        return found


def games(trial: Trial, *, anywhere: bool, masks: int, rows: int = 0) -> Iterator[tuple[slice, Game]]:
    """The samples of a trial in groups, each as the game that was explained, of which at most `masks` masks a sample are held at a time. `anywhere`: against
    `rows` random inputs around each sample, for a method that sets it against nothing."""
    explanation = trial.explanation
    place = explanation.layer or explanation.provenance.get("resolved", {}).get("embedding")
    if place:
        raise UnsupportedError(f"takes units of the input away, and the values are of layer '{place}'")
    own = explanation.features
    if own is not None and not (own.labels.shape == trial.units.labels.shape and np.array_equal(own.labels, trial.units.labels)):
        raise UnsupportedError("is about the features that were explained; leave features= out")
    blends = own is None
    packing = trial.model.packing
    if (blends or anywhere) and packing is not None and packing.tokens:
        raise UnsupportedError(f"needs values between a baseline and the input, which the whole numbers of {' and '.join(packing.tokens)} do not have")
    reference = None if anywhere else trial.again.reference(trial.model)
    if reference is None and not anywhere:
        raise UnsupportedError("needs what the input was set against, and the method knows nothing of the kind")
    bytes_each = masks * trial.importance.shape[2] * (4 if blends else 1) + (rows * trial.inputs[:1].nbytes if anywhere else 0)
    for part in batches(len(trial.inputs), max(1, int(GROUP_BYTES // bytes_each))):
        fills = _around(trial, part, rows) if reference is None else reference if len(reference) == 1 else reference[part]
        yield part, Game(replace(trial[part], fills=fills), blends)


def _around(trial: Trial, part: slice, rows: int) -> Array:
    """Random inputs, (samples, rows, *shape): normal noise about each sample, as wide as the sample's own values are spread."""
    inputs = trial.inputs[part]
    shape = inputs.shape[1:]
    noise = np.stack([np.random.default_rng((trial.seed, row, STREAM)).normal(size=shape) for row in range(rows)])
    spread = inputs.reshape(len(inputs), -1).std(axis=1)
    spread = np.where(spread > 0, spread, 1.0).reshape(-1, *(1,) * (len(shape) + 1))
    return np.asarray(inputs[:, None] + spread * noise, dtype=inputs.dtype)


def jackknifed(changed: Array, statistic: Callable[[Array], Array]) -> tuple[Array, Array]:
    """A statistic (maps,) of the items (items,) that no draw changed, and its standard error by leaving out one draw after the other; `changed` is
    (draws, items)."""
    times = changed.sum(axis=0)
    value = statistic(times == 0)
    draws = len(changed)
    alone = [bool((changed[k] & (times == 1)).any()) for k in range(draws)]
    left = np.stack([statistic(times == changed[k]) - value if alone[k] else np.zeros_like(value) for k in range(draws)])
    return value, np.sqrt((draws - 1) / draws * np.square(left - left.mean(axis=0)).sum(axis=0))


def ratio(part: Array, whole: Array) -> Array:
    """Σ part / Σ whole over the items of each map, (maps, items) → (maps,); 0 where the whole is nothing."""
    sums = whole.sum(axis=1)
    return np.divide(part.sum(axis=1), sums, out=np.zeros(len(sums)), where=sums > 0)


def of_some(part: Array, whole: Array, all_of: int) -> Array:
    """The variance of Σ part / Σ whole, (maps,), that comes of having drawn the items (maps, items) from `all_of`."""
    drawn, sums = part.shape[1], whole.sum(axis=1)
    if drawn >= all_of or drawn < 2:
        return np.zeros(len(part))
    residual = np.square(part - ratio(part, whole)[:, None] * whole).sum(axis=1)
    scale = np.divide(1.0, np.square(sums), out=np.zeros(len(part)), where=sums > 0)
    return np.asarray((1 - drawn / all_of) * drawn / (drawn - 1) * residual * scale)
