"""Scores of masks that a method makes itself, in a stream: what is held at once is bounded, and batches are filled from many samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.method import Task
from pellucid.core.model import MaskRows
from pellucid.methods.coalition._game import check_finite

Array = np.ndarray

NUMBERS_AT_ONCE = 262_144
"""Numbers of the masks that are held at once: several batches of coarse masks. A single request may hold more, and is then sent by itself."""


@dataclass(frozen=True)
class Request:
    """Masks of one sample (n, labels) to be scored, each with the row of the fill (n,) that stands where it is 0; `note` is the method's own, for when the
    scores come."""

    sample: int
    masks: Array
    fill: Array
    note: Any = None

    def __len__(self) -> int:
        return len(self.masks)


def scores(task: Task, labels: Array, requests: Iterable[Request]) -> Iterator[tuple[Request, Array]]:
    """Each request with its scores (n,), in order. Requests are taken from the stream only as there is room for them.

    `labels` (1 or samples, *map) say which column of the masks each element of an input follows.
    """
    held: list[Request] = []
    numbers = 0
    for request in requests:
        if held and numbers + request.masks.size > NUMBERS_AT_ONCE:
            yield from zip(held, _sent(task, labels, held), strict=True)
            held, numbers = [], 0
        held.append(request)
        numbers += request.masks.size
        if numbers >= NUMBERS_AT_ONCE:  # gone before the next are made
            yield from zip(held, _sent(task, labels, held), strict=True)
            held, numbers = [], 0
    if held:
        yield from zip(held, _sent(task, labels, held), strict=True)


def rows_at_once(width: int) -> int:
    """Masks of so many numbers that make a good piece."""
    return max(1, NUMBERS_AT_ONCE // max(width, 1))


def _sent(task: Task, labels: Array, held: list[Request]) -> list[Array]:
    samples = sorted({one.sample for one in held})
    fills = task_fills(task)
    place = {sample: i for i, sample in enumerate(samples)}
    rows = MaskRows(
        inputs=task.inputs[samples],
        fills=fills if len(fills) == 1 else fills[samples],
        labels=labels if len(labels) == 1 else labels[samples],
        masks=held[0].masks if len(held) == 1 else np.concatenate([one.masks for one in held]),
        sample=np.repeat([place[one.sample] for one in held], [len(one) for one in held]),
        fill=np.concatenate([one.fill for one in held]).astype(int),
    )
    found = task.model.masked_scores(rows, task.target.take(np.array(samples)))
    check_finite(found)
    return np.split(found, np.cumsum([len(one) for one in held])[:-1])


def task_fills(task: Task) -> Array:
    """The fill's rows (1 or samples, rows, *shape) of a task that has some."""
    if task.fills is None:
        raise ValueError("a method that masks needs a fill")
    return task.fills


def channel_axis(task: Task) -> int | None:
    """Which axis of a sample counts channels: the last of an image, or the first where the network reads it so; None where there is none."""
    if task.inputs.ndim != 4:
        return None
    return 0 if task.model.traits.channels == "first" else 2


def blank(task: Task, sample: int) -> bool:
    """Whether the sample equals every row of its fill everywhere, so that no mask changes the score."""
    fills = task_fills(task)
    return bool((task.inputs[sample] == fills[sample if len(fills) > 1 else 0]).all())


def touched(task: Task, labels: Array, sample: int, width: int) -> Array:
    """Which labels of a sample differ from each row of its fill, (rows, width): the others cannot change the score."""
    fills = task_fills(task)
    differs = task.inputs[sample] != fills[sample if len(fills) > 1 else 0]
    own = np.broadcast_to(labels[sample if len(labels) > 1 else 0], differs.shape[1:])
    found = np.zeros((len(differs), width), dtype=bool)
    for row, there in enumerate(differs):
        found[row, own[there & (own >= 0)]] = True
    return found
