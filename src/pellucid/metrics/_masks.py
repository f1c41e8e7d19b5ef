"""Scores of inputs from which units are taken away: one queue for the samples, maps and steps of a metric, in pieces of bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from pellucid.core.metric import Trial
from pellucid.core.model import MaskRows, Model
from pellucid.core.target import Target
from pellucid.core.wrapped import Wrapped

Array = np.ndarray
MASK_BYTES = 32e6
"""What the masks of one piece of the queue may take."""


@dataclass(frozen=True)
class Removal:
    """Masks of one sample: `kept` (masks, units) is True where a unit stays; numbers between 0 and 1 blend. `fill` (masks,) says which row of the fill stands
    for what is taken away; without it each of them does, and the score is the mean."""

    sample: int
    kept: Array
    fill: Array | None = None


def row_by_row(sample: int, kept: Array, rows: int) -> Removal:
    """Masks each of which meets every row of the fill by itself: scores (masks · rows,)."""
    return Removal(sample, np.repeat(kept, rows, axis=0), np.tile(np.arange(rows), len(kept)))


def removed_scores(trial: Trial, removals: Iterable[Removal], total: int) -> Iterator[Array]:
    """The scores of each removal in turn, (masks,); `total` is how many removals there are."""
    done = 0
    for queue in _pieces(removals, trial.fills.shape[1]):
        yield from _scored(trial, queue)
        done += len(queue)
        trial.progress(min(done / max(total, 1), 1.0))


def _pieces(removals: Iterable[Removal], fills: int) -> Iterator[list[Removal]]:
    """Removals in lists whose masks fit `MASK_BYTES`."""
    queue: list[Removal] = []
    waiting = 0
    for removal in removals:
        queue.append(removal)
        waiting += removal.kept.nbytes * (fills if removal.fill is None else 1)
        if waiting >= MASK_BYTES:
            yield queue
            queue, waiting = [], 0
    if queue:
        yield queue


def _scored(trial: Trial, queue: list[Removal]) -> list[Array]:
    fills = trial.fills.shape[1]
    samples = np.unique([removal.sample for removal in queue])
    each = [fills if removal.fill is None else 1 for removal in queue]
    counts = np.array([len(removal.kept) * rows for removal, rows in zip(queue, each, strict=True)])
    rows = MaskRows(
        trial.inputs[samples],
        trial.fills[samples] if len(trial.fills) > 1 else trial.fills,
        trial.units.labels[samples] if len(trial.units.labels) > 1 else trial.units.labels,
        np.concatenate([removal.kept if rows == 1 else np.repeat(removal.kept, rows, axis=0) for removal, rows in zip(queue, each, strict=True)]),
        np.repeat(np.searchsorted(samples, [removal.sample for removal in queue]), counts),
        np.concatenate([np.tile(np.arange(fills), len(removal.kept)) if removal.fill is None else removal.fill for removal in queue]),
    )
    found = np.split(_scores_of(trial.model, rows, trial.target.take(samples)), np.cumsum(counts)[:-1])
    return [scores.reshape(-1, rows).mean(axis=1) for scores, rows in zip(found, each, strict=True)]


def _scores_of(model: Model, rows: MaskRows, target: Target) -> Array:
    """Where each element of the input is a unit, a mask is laid over it on the host, which costs nothing beside a pass, and a device would gather what is
    in place already. A target that is a function reads outputs on the host."""
    elements = len(rows.labels) == 1 and np.array_equal(rows.labels.ravel(), np.arange(rows.labels.size))
    on_host = (elements or target.function is not None) and not isinstance(model, Wrapped)  # what stands before a network may compose in its own way
    return Model.masked_scores(model, rows, target) if on_host else model.masked_scores(rows, target)


def order_of(importance: Array, present: Array) -> Array:
    """The units that a sample has, most important first; of equals, the first in the input first."""
    units = np.flatnonzero(present)
    return units[np.argsort(-importance[units], kind="stable")]


def kept_after(order: Array, width: int, counts: Array) -> Array:
    """Masks (counts, width): in each the first so many of the units in `order` are gone."""
    gone_at = np.full(width, len(order))
    gone_at[order] = np.arange(len(order))
    kept: Array = gone_at[None] >= counts[:, None]
    return kept


def area(curves: Array) -> Array:
    """The area under curves over the share from 0 to 1, by trapezoids, (…, points) → (…)."""
    return np.asarray((curves[..., 1:] + curves[..., :-1]).sum(axis=-1) / (2 * (curves.shape[-1] - 1)))
