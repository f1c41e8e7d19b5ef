"""Sobol indices: how much of the score's variance under random masks goes back to each feature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.method import Attribution, Method, Task
from pellucid.core.outcome import Check
from pellucid.maths.designs import MOST_DIMENSIONS, RotatedSobol, total_indices
from pellucid.maths.statistics import covariance_quantile, unbiased_square
from pellucid.methods import _stopping
from pellucid.methods.coalition import _masks, _rounds
from pellucid.methods.coalition._game import padded
from pellucid.methods.coalition._masks import Request

Array = np.ndarray

REPLICATES = 32
"""Independent designs; their spread is the error."""
FIRST_POINTS = 2
"""Points of each design before the error is looked at."""


@dataclass(frozen=True)
class Sobol(Method):
    """The share of the score's variance under random masks that goes back to each feature, interactions with others included.

    Use it to see which features matter at all, also where they work only together: a feature with index 0 can be fixed without loss. Each feature is blended,
    m_j·x + (1 − m_j)·fill, with m uniform on [0, 1]^features; values_j = E[Var(f | all m but m_j)] / Var f, the total-order index S_T (Jansen's estimator,
    ½ E(f(A) − f(A with m_j anew))²). Indices sum to 1 where features do not interact and to more where they do. A row of the fill, where there are several, is
    drawn as one more input. Features of tokens, between which nothing lies, are there or not, with equal chance. Features equal to their fill have index 0.
    Points are 32 Sobol' sequences, each shifted at random.

    Shapes: values and error (samples, features), shares without unit; `error` is the standard error over the 32 designs. `tolerance` bounds the 95 % quantile
    of ‖error‖₂/‖values‖₂ per sample. Costs (features + 1) evaluations a point.
    Source: Fel et al. 2021, arXiv:2111.04138; Jansen 1999, doi:10.1016/S0010-4655(98)00154-4. Does not say in which direction a feature moves the score.

    >>> import numpy as np, pellucid
    >>> model = lambda x: 2 * x[:, :1] + x[:, 1:2]
    >>> pellucid.explain(model, np.array([[1.0, 1.0, 5.0]]), "sobol", features="columns", tolerance=0.05).values.round(1)
    array([[0.8, 0.2, 0. ]])
    """

    title: ClassVar[str] = "Sobol indices"
    answers: ClassVar[str] = "How much of the score's variance under random masks goes back to each feature?"
    family: ClassVar[str] = "coalition"
    directed: ClassVar[bool] = False
    accepts: ClassVar[frozenset[str]] = frozenset({"background", "features", "fill"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "standard_error"
    default_tolerance: ClassVar[float] = 0.2
    default_max_evaluations: ClassVar[int] = 20_000
    citation: ClassVar[str] = "Fel, Cadène, Chalvidal, Cord, Vigouroux, Serre 2021, arXiv:2111.04138"

    def explain(self, task: Task) -> Attribution:
        if task.features is None:
            raise ValueError("Sobol indices need features")
        plan = _Plan(task)
        runs = [_Run(plan, sample) for sample in range(len(task.inputs))]
        _rounds.go_through(task, runs, FIRST_POINTS, lambda together, start, stop: _advance(plan, together, start, stop))
        states = [run.state() for run in runs]
        return Attribution(
            values=np.stack([run.solved()[0] for run in runs]),
            error=np.stack([np.sqrt(np.diag(run.solved()[1])) for run in runs]),
            error_kind=self.error_kind,
            axes=padded(task.features),
            evaluations=np.array([run.used for run in runs]),
            gradients=np.zeros(len(runs), dtype=int),
            stops=[run.stop for run in runs if run.stop is not None],
            degrees=np.array([REPLICATES - 1.0 if run.rounds else np.inf for run in runs]),
            statistics={"relative_error": np.array([run.estimate() if run.rounds else 0.0 for run in runs])},
            state={name: np.stack([state[name] for state in states]) for name in states[0]},
        )


class _Plan:
    """What all samples share: for each number of live features its designs."""

    def __init__(self, task: Task) -> None:
        self.task, self.features = task, task.features
        self.labels = task.features.labels if task.features is not None else np.zeros(0)
        self.width = int(task.features.counts.max()) if task.features is not None else 0
        self.rows = _masks.task_fills(task).shape[1]
        self.whole = _whole(task, self.width)
        self._designs: dict[int, RotatedSobol] = {}

    def points(self, live: int, number: int) -> tuple[Array, Array]:
        """Point `number` of every design: masks A and, of each, the copies in which one feature is drawn anew, (replicates, 1 + live, live); and rows."""
        if live not in self._designs:
            self._designs[live] = RotatedSobol(2 * live + 1, REPLICATES, _rounds.generator(self.task.seed, 0))
        point = self._designs[live].points(number, number + 1)[0]
        masks = np.repeat(point[:, None, 1 : live + 1], live + 1, axis=1)
        each = np.arange(live)
        masks[:, each + 1, each] = point[:, live + 1 :]
        return masks, (point[:, 0] * self.rows).astype(int)


class _Run(_rounds.Run):
    """The sums of one sample's designs; scores are taken less that of the input, so that squares keep their digits."""

    def __init__(self, plan: _Plan, sample: int) -> None:
        task = plan.task
        self.plan, self.sample = plan, sample
        self.live = np.flatnonzero(_masks.touched(task, plan.labels, sample, plan.width).any(axis=0))
        self.of_round = REPLICATES * (len(self.live) + 1)
        self.affordable = task.max_evaluations // self.of_round
        self.differences = np.zeros((REPLICATES, plan.width))
        self.squares, self.means = np.zeros(REPLICATES), np.zeros(REPLICATES)
        if not len(self.live):
            self.stop: Check | None = _stopping.nothing("every feature equals its fill")
            return
        why = f"{FIRST_POINTS} points of {REPLICATES} designs over {len(self.live)} features"
        _stopping.require(task.max_evaluations, FIRST_POINTS * self.of_round, why)
        if 2 * len(self.live) + 1 > MOST_DIMENSIONS:
            raise SettingError(f"sobol: {len(self.live):,} features are too many, {(MOST_DIMENSIONS - 1) // 2:,} can be; use coarser features.")
        if task.state:
            self._restore({name: array[sample] for name, array in task.state.items()})

    @property
    def used(self) -> int:
        return self.rounds * self.of_round

    def add(self, replicates: Array, scores: Array) -> None:
        """Scores (replicates, 1 + live) of one point of some designs."""
        away = scores - self.plan.task.scores[self.sample]
        self.differences[np.ix_(replicates, self.live)] += np.square(away[:, :1] - away[:, 1:]) / 2
        self.squares[replicates] += np.square(away).mean(axis=1)
        self.means[replicates] += away.mean(axis=1)

    def solved(self) -> tuple[Array, Array]:
        """Indices of all features and their covariance."""
        done = max(self.rounds, 1)
        return total_indices(self.differences / done, self.squares / done, self.means / done)

    def estimate(self) -> float:
        values, covariance = self.solved()
        norm = unbiased_square(float(np.square(values).sum()), float(np.trace(covariance)))
        return _stopping.relative(covariance_quantile(covariance, REPLICATES - 1), float(np.sqrt(norm)), 0.0)

    def state(self) -> dict[str, Array]:
        return {"differences": self.differences, "squares": self.squares, "means": self.means, "rounds": np.asarray(self.rounds)}

    def _restore(self, state: Mapping[str, Array]) -> None:
        self.differences, self.squares, self.means = (state[name].copy() for name in ("differences", "squares", "means"))
        self.rounds = int(state["rounds"])


def _advance(plan: _Plan, together: list[_Run], start: int, stop: int) -> None:
    """Points `start` to `stop` of samples that stand at the same point."""
    runs = {run.sample: run for run in together}
    for request, found in _masks.scores(plan.task, plan.labels, _requests(plan, together, start, stop)):
        run, replicates = runs[request.sample], request.note
        run.add(replicates, found.reshape(len(replicates), len(run.live) + 1))
    for run in together:
        run.rounds = min(stop, run.affordable)


def _requests(plan: _Plan, together: list[_Run], start: int, stop: int) -> Iterator[Request]:
    """The masks of some points, with the note which designs they are of."""
    for number in range(start, stop):
        for live in sorted({len(run.live) for run in together}):
            points, rows = plan.points(live, number)
            at_once = max(1, _masks.rows_at_once((live + 1) * plan.width))
            for run in together:
                if len(run.live) != live or number >= run.affordable:
                    continue
                for first in range(0, REPLICATES, at_once):
                    some = np.arange(first, min(first + at_once, REPLICATES))
                    masks = np.zeros((len(some) * (live + 1), plan.width), dtype=np.float32)
                    masks[:, run.live] = points[some].reshape(-1, live)
                    masks[:, plan.whole] = masks[:, plan.whole] >= 0.5
                    yield Request(run.sample, masks, np.repeat(rows[some], live + 1), some)


def _whole(task: Task, width: int) -> Array:
    """Which features hold whole numbers that stand for something else, (width,): tokens. A callable says nothing of what it reads."""
    features, packing, model = task.features, task.packing, task.model
    embeds = any("Embedding" in layer.kind for layer in model.layers()) or any(spec.dtype.startswith(("int", "uint")) for spec in model.traits.inputs)
    if features is None or features.kind == "words" or (packing is None and model.traits.tokens and embeds):
        return np.ones(width, dtype=bool)
    found = np.zeros(width, dtype=bool)
    for place in [packing.slices[name] for name in packing.tokens] if packing is not None else []:
        labels = features.labels.reshape(len(features.labels), -1)[:, place]
        found[np.unique(labels[labels >= 0])] = True
    return found
