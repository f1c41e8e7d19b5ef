"""What the score loses when one region of the input is taken away: the engine of methods that ask each region once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pellucid.core.method import Attribution, Task
from pellucid.core.model import batches
from pellucid.core.outcome import Check
from pellucid.methods import _stopping
from pellucid.methods.coalition._masks import Request, rows_at_once, scores, task_fills, touched

Array = np.ndarray


@dataclass(frozen=True)
class Regions:
    """`count` regions, each a set of labels of the map `labels` (1 or samples, *map), of which there are `width`. `hidden(part)` tells which labels each
    region of a slice takes away, (n, width), of ones and zeros."""

    labels: Array
    width: int
    count: int
    hidden: Callable[[slice], Array]

    def parts(self) -> Iterator[slice]:
        """Slices whose masks can be held at once."""
        return batches(self.count, rows_at_once(self.width))


@dataclass(frozen=True)
class Losses:
    """Per sample and region what the score loses (samples, regions), and per sample the evaluations and how it ended."""

    values: Array
    evaluations: Array
    stops: list[Check]


def losses(task: Task, regions: Regions, words: str) -> Losses:
    """f(x) − mean over the fill's rows of f(x without the region). Where nothing in a region differs from the fill, that is 0 and costs nothing.

    `words` names the regions: "windows", "features".
    """
    rows = task_fills(task).shape[1]
    differing = [touched(task, regions.labels, sample, regions.width) for sample in range(len(task.inputs))]
    evaluations = np.array([sum(int(_matters(of, regions.hidden(part)).sum()) for part in regions.parts()) for of in differing])
    _stopping.require(task.max_evaluations, int(evaluations.max()), f"each of {regions.count:,} {words} with {rows} rows of the fill")
    values, done = np.zeros((len(task.inputs), regions.count)), 0
    for request, found in scores(task, regions.labels, _asked(regions, differing)):
        np.add.at(values[request.sample], request.note, (task.scores[request.sample] - found) / rows)
        done += len(request)
        task.progress(done / max(int(evaluations.sum()), 1))
    stops = [
        _stopping.exact(f"{words} taken away one at a time, {spent:,} evaluations") if spent else _stopping.nothing("the input equals its fill everywhere")
        for spent in evaluations
    ]
    return Losses(values, evaluations, stops)


def _matters(differing: Array, hidden: Array) -> Array:
    """Which regions touch something that differs from each row of the fill, (rows, n)."""
    return np.asarray(differing.astype(np.float32) @ hidden.T.astype(np.float32) > 0)


def _asked(regions: Regions, differing: list[Array]) -> Iterator[Request]:
    """What to score, with the note which region each of its rows takes away."""
    for part in regions.parts():
        hidden = regions.hidden(part)
        for sample, of in enumerate(differing):
            fill, region = np.nonzero(_matters(of, hidden))
            for piece in batches(len(fill), rows_at_once(regions.width)):
                yield Request(sample, 1 - hidden[region[piece]], fill[piece], region[piece] + part.start)


def attribution(values: Array, losses: Losses, axes: tuple[str, ...]) -> Attribution:
    """What a method without numerical error gives back."""
    return Attribution(
        values=values,
        error=np.zeros_like(values),
        error_kind="exact",
        axes=axes,
        evaluations=losses.evaluations,
        gradients=np.zeros(len(values), dtype=int),
        stops=losses.stops,
    )
