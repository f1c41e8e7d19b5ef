"""RISE: how the score goes with what a random smooth mask leaves in sight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.method import Attribution, Method, Task
from pellucid.core.model import batches
from pellucid.maths.blocks import BlockMoments
from pellucid.maths.ridge import cross_validated_ridge
from pellucid.maths.smooth_masks import SmoothMasks
from pellucid.maths.statistics import unbiased_square
from pellucid.methods import _stopping
from pellucid.methods.coalition import _masks, _rounds
from pellucid.methods.coalition._masks import Request

Array = np.ndarray

WORTH_ENUMERATING = 4096
"""Up to this many evaluations all masks are scored."""
MOST_BLOCKS = 16
"""Blocks along an axis that the stand-in for the network reads."""
MOST_COLUMNS = 256
"""The same where there is only one axis."""


@dataclass(frozen=True)
class Rise(Method):
    """How much higher the score is where a random smooth mask leaves a place in sight.

    Use it to find where an image, or when in a series, something matters, with any model, without choosing a window. A mask keeps each cell of a coarse grid,
    `cells` along an axis, with probability `keep`; it is interpolated bilinearly to the input and shifted at random by less than a cell (an axis of fewer
    elements, and columns of a table, are cells by themselves). With f(M) the score of M·x + (1 − M)·fill:

        values(λ) = E[f(M) · M(λ)] / keep − E[f(M)]

    The paper has only the first term, which lies everywhere near the mean score: `centred=False`. Masks are drawn in antithetic pairs; a linear stand-in for
    the network, fitted to earlier masks, takes the part of the noise that it explains (its own values are known exactly), without bias.

    Shapes: values and error (samples, rows, columns) of an image's places, else those of the input, in units of the score; `error` is the standard error.
    `tolerance` bounds the 95 % quantile of ‖error‖₂ / ‖values − their mean‖₂ per sample. Where there are few masks, all are scored: exact.
    `statistics["mean_score"]` is E[f(M)].
    Source: Petsiuk, Das, Saenko 2018, arXiv:1806.07421. Does not resolve what is smaller than a cell, and shows the network on inputs it was not made for.

    >>> import numpy as np, pellucid
    >>> model = lambda x: x[:, :1] * x[:, 1:2]
    >>> pellucid.explain(model, np.array([[2.0, 3.0, 1.0]]), "rise").values
    array([[1.5, 1.5, 0. ]])
    """

    cells: int = 7
    keep: float = 0.5
    centred: bool = True

    title: ClassVar[str] = "RISE"
    answers: ClassVar[str] = "How does the score go with what random smooth masks leave in sight?"
    family: ClassVar[str] = "coalition"
    accepts: ClassVar[frozenset[str]] = frozenset({"background", "fill"})
    error_kind: ClassVar[str] = "standard_error"
    default_tolerance: ClassVar[float] = 0.2
    default_max_evaluations: ClassVar[int] = 8000
    citation: ClassVar[str] = "Petsiuk, Das, Saenko 2018, arXiv:1806.07421"

    def __post_init__(self) -> None:
        if self.cells < 1 or not 0 < self.keep < 1:
            raise SettingError(f"rise needs cells ≥ 1 and 0 < keep < 1; got cells={self.cells}, keep={self.keep}.")

    def explain(self, task: Task) -> Attribution:
        plan = _Plan(self, task)
        if plan.enumerable:
            return _enumerated(plan)
        runs = [_Run(plan, sample) for sample in range(len(task.inputs))]
        _rounds.go_through(task, runs, _rounds.first_look(plan.rows), lambda together, start, stop: _advance(plan, together, start, stop))
        return _attribution(plan, runs)


class _Plan:
    """What all samples share: masks over the places, and how the input follows them."""

    def __init__(self, settings: Rise, task: Task) -> None:
        self.settings, self.task = settings, task
        self.rows = _masks.task_fills(task).shape[1]
        shape, channels = task.inputs.shape[1:], _masks.channel_axis(task)
        self.places = tuple(size for axis, size in enumerate(shape) if axis != channels)
        table = len(shape) == 1
        cells = shape if table else tuple(settings.cells for _ in self.places)
        blocks = (MOST_COLUMNS,) if len(self.places) == 1 else tuple(min(MOST_BLOCKS, count + 1) for count in cells)
        self.masks = SmoothMasks(self.places, cells, float(settings.keep), blocks)
        labels = np.arange(self.masks.width).reshape(self.places)
        self.labels = (labels if channels is None else np.expand_dims(labels, channels))[None]
        self.of_round = 2 * self.rows * _rounds.draws_a_row(self.rows)

    @property
    def enumerable(self) -> bool:
        return self.masks.possible * self.rows <= min(WORTH_ENUMERATING, self.task.max_evaluations)

    @property
    def axes(self) -> tuple[str, ...]:
        images = self.task.inputs.ndim == 4
        return ("sample", "row", "column") if images else ("sample", *(f"input_{i}" for i in range(len(self.places))))


class _Run(_rounds.Run):
    """The sums of one sample.

    With r = f − c − β·(b − keep), b the block means of a mask and (c, β) fitted to earlier rounds, a pair gives (r M + r′ M′)/(2 keep), and the stand-in's own
    value c + β·Cov(b, M)/keep is added. β is fitted to differences within pairs, in which what is common to both is gone.
    """

    def __init__(self, plan: _Plan, sample: int) -> None:
        self.plan, self.sample = plan, sample
        blocks, task = plan.masks.coarse_width, plan.task
        self.moments = BlockMoments(plan.masks.width, blocks)
        self.gram, self.moment, self.shift = np.zeros((blocks, blocks)), np.zeros(blocks), np.zeros(blocks)
        self.square = self.even = 0.0
        self.slopes, self.level = np.zeros(blocks), float(task.scores[sample])
        self.affordable = task.max_evaluations // plan.of_round
        least = _rounds.first_look(plan.rows) * plan.of_round
        _stopping.require(task.max_evaluations, least, f"{_stopping.MIN_PAIRS} pairs of masks, {plan.rows} rows of the fill in turn,")
        if _masks.blank(task, sample):
            self.stop = _stopping.nothing("the input equals its fill everywhere")
        if task.state:
            self._restore({name: array[sample] for name, array in task.state.items()})

    @property
    def used(self) -> int:
        return self.rounds * self.plan.of_round

    @property
    def mean_score(self) -> float:
        return self.even / self.moments.draws if self.moments.draws else self.level

    @property
    def offset(self) -> Array:
        """The stand-in's own values."""
        own = self.plan.masks.covariance_with(self.slopes) / self.plan.settings.keep
        return own if self.plan.settings.centred else own + self.level

    def add(self, scores: Array, masks: Array, coarse: Array, offset: Array) -> None:
        """Blocks of pairs, each block with one row of the fill: scores (blocks, pairs, 2), masks and their block means with one axis more."""
        keep, centre = self.plan.settings.keep, self.plan.settings.keep if self.plan.settings.centred else 0.0
        left = (scores - self.level - (coarse - keep) @ self.slopes) / (2 * keep)
        common = centre * left.sum(axis=2)[..., None]
        self.moments.add(np.einsum("bpi,bpim->bpm", left, masks) - common, np.einsum("bpi,bpim->bpm", left, coarse) - common, offset)
        apart = (scores[..., 0] - scores[..., 1]).ravel() / 2
        beside = (coarse[:, :, 0] - coarse[:, :, 1]).reshape(len(apart), -1) / 2
        self.gram += beside.T @ beside
        self.moment += apart @ beside
        self.square += float(apart @ apart)
        self.even += float(scores.mean(axis=2).sum())
        self.shift += (coarse.mean(axis=2) - keep).sum(axis=(0, 1))

    def refit(self) -> None:
        """The stand-in anew, from all rounds so far, for those to come."""
        self.slopes = cross_validated_ridge(self.gram, self.moment, self.square, self.moments.draws)
        self.level = (self.even - float(self.shift @ self.slopes)) / self.moments.draws

    def estimate(self) -> float:
        values = self.moments.mean
        contrast = unbiased_square(float(np.square(values - values.mean()).sum()), float(self.moments.variance.sum()))
        return _stopping.relative(self.moments.quantile(), float(np.sqrt(contrast)), float(self.plan.task.scores[self.sample]) - self.mean_score)

    def state(self) -> dict[str, Array]:
        fit = {"fit_gram": self.gram, "fit_moment": self.moment, "fit_shift": self.shift, "fit_even": self.even, "fit_square": self.square}
        now = {"slopes": self.slopes, "level": self.level, "rounds": self.rounds}
        return self.moments.state() | {name: np.asarray(value) for name, value in (fit | now).items()}

    def _restore(self, state: Mapping[str, Array]) -> None:
        self.moments.restore(state)
        self.gram, self.moment, self.shift = state["fit_gram"].copy(), state["fit_moment"].copy(), state["fit_shift"].copy()
        self.even, self.square, self.level = float(state["fit_even"]), float(state["fit_square"]), float(state["level"])
        self.slopes, self.rounds = state["slopes"].copy(), int(state["rounds"])


def _advance(plan: _Plan, together: list[_Run], start: int, stop: int) -> None:
    """Rounds `start` to `stop` of samples that stand at the same round; the masks of a round are made once for all of them."""
    offsets = {run.sample: run.offset for run in together}
    runs = {run.sample: run for run in together}
    for request, found in _masks.scores(plan.task, plan.labels, _requests(plan, together, start, stop)):
        blocks, coarse = request.note
        shape = (blocks, len(request) // blocks // 2, 2)
        runs[request.sample].add(found.reshape(shape), request.masks.reshape(*shape, -1), coarse.reshape(*shape, -1), offsets[request.sample])
    for run in together:
        run.rounds = min(stop, run.affordable)
        if run.rounds == stop:
            run.refit()


def _requests(plan: _Plan, together: list[_Run], start: int, stop: int) -> Iterator[Request]:
    """The masks of some rounds, with the note how many blocks they are and what their block means are."""
    of_block = 2 * _rounds.draws_a_row(plan.rows)
    at_once = max(1, _masks.rows_at_once(plan.masks.width) // of_block)
    for number in range(start, stop):
        going = [run for run in together if number < run.affordable]
        if not going:
            return
        draws = plan.masks.pairs(_rounds.generator(plan.task.seed, number), plan.of_round // 2)
        for first in range(0, plan.rows, at_once):
            rows = np.arange(first, min(first + at_once, plan.rows))
            some = draws[first * of_block : (first + len(rows)) * of_block]
            masks, coarse = plan.masks.masks(some), plan.masks.coarse(some)
            for run in going:
                yield Request(run.sample, masks, np.repeat(rows, of_block), (len(rows), coarse))


def _attribution(plan: _Plan, runs: list[_Run]) -> Attribution:
    """All samples' answers, on the places' axes."""
    values, errors, states = [run.moments.mean for run in runs], [np.sqrt(run.moments.variance) for run in runs], [run.state() for run in runs]
    return Attribution(
        values=np.stack(values).reshape(len(runs), *plan.places),
        error=np.stack(errors).reshape(len(runs), *plan.places),
        error_kind="standard_error",
        axes=plan.axes,
        evaluations=np.array([run.used for run in runs]),
        gradients=np.zeros(len(runs), dtype=int),
        stops=[run.stop for run in runs if run.stop is not None],
        degrees=np.array([run.moments.degrees if run.moments.degrees else np.inf for run in runs]),
        statistics={
            "relative_error": np.array([run.estimate() if run.rounds else 0.0 for run in runs]),
            "mean_score": np.array([run.mean_score for run in runs]),
        },
        state={name: np.stack([state[name] for state in states]) for name in states[0]},
    )


def _enumerated(plan: _Plan) -> Attribution:
    """Every mask there is, with every row of the fill."""
    task, keep = plan.task, plan.settings.keep
    draws, chance = plan.masks.all_masks()
    live = np.array([not _masks.blank(task, sample) for sample in range(len(task.inputs))])
    mean = np.where(live, 0.0, task.scores)
    weighted = keep * np.repeat(mean[:, None], plan.masks.width, axis=1)

    def requests() -> Iterator[Request]:
        for part in batches(len(draws), _masks.rows_at_once(plan.masks.width)):
            masks = plan.masks.masks(draws[part])
            for sample in np.flatnonzero(live).tolist():
                for row in range(plan.rows):
                    yield Request(sample, masks, np.full(len(masks), row), chance[part])

    for request, found in _masks.scores(task, plan.labels, requests()):
        share = request.note * found / plan.rows
        weighted[request.sample] += share @ request.masks
        mean[request.sample] += share.sum()
    values = weighted / keep - (mean[:, None] if plan.settings.centred else 0.0)
    spent = live * len(draws) * plan.rows
    return Attribution(
        values=values.reshape(len(values), *plan.places),
        error=np.zeros((len(values), *plan.places)),
        error_kind="exact",
        axes=plan.axes,
        evaluations=spent,
        gradients=np.zeros(len(values), dtype=int),
        stops=[_stopping.exact(f"all {used:,} masks") if used else _stopping.nothing("the input equals its fill everywhere") for used in spent.tolist()],
        statistics={"relative_error": np.zeros(len(values)), "mean_score": mean},
    )
