"""Values that random orders of the features tell: drawn in numbered rounds, with the error that their spread shows, until the tolerance is met.

A scheme says how orders are drawn, which coalitions an order meets, and what their scores say; the fill's rows are taken in turn and in whole rounds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.method import Attribution, Task
from pellucid.core.outcome import Check
from pellucid.maths.blocks import BlockMoments
from pellucid.maths.statistics import unbiased_square
from pellucid.methods import _stopping
from pellucid.methods.coalition import _rounds
from pellucid.methods.coalition._game import Game, Player

Array = np.ndarray

NUMBERS_AT_ONCE = 2_000_000
"""Numbers of the coalitions that are made at once for one player."""
REPEATS = 4
"""Scores looked up or made per evaluation of the budget, at most, where most coalitions are met again."""
SKETCH = 64
"""Numbers that stand for a longer vector where only the shape of its error is asked for."""


class Scheme(ABC):
    """How one random order of `live` features becomes `width` numbers whose mean is wanted, from `evaluations` scores besides those of all and none.

    Two schemes that are equal draw the same orders, so that players share them.
    """

    unit: ClassVar[str]
    live: int

    @property
    @abstractmethod
    def width(self) -> int:
        """Numbers that an order tells."""

    @property
    @abstractmethod
    def evaluations(self) -> int:
        """Coalitions that an order meets."""

    @abstractmethod
    def draw(self, generator: np.random.Generator, count: int) -> Array:
        """Random orders as ranks (count, live): when each feature joins."""

    @abstractmethod
    def coalitions(self, ranks: Array) -> Array:
        """What the orders meet, (count · evaluations, live)."""

    @abstractmethod
    def vectors(self, ranks: Array, scores: Array, empty: Array, full: float) -> Array:
        """(count, width) from the scores (count, evaluations) of what was met and of none (count,) and all. The norm of the vectors is that of `tolerance`."""

    @abstractmethod
    def unpacked(self, vector: Array) -> Array:
        """A vector as values of the live features; of standard errors, as their errors."""


@dataclass(frozen=True)
class Answer:
    """One sample's answer: values and standard errors of its live features, evaluations, degrees of freedom, relative error, ending, and what it keeps."""

    values: Array
    error: Array
    evaluations: int
    stop: Check
    empty: float
    estimate: float = 0.0
    degrees: float = np.inf
    state: Mapping[str, Array] | None = None


def least(game: Game, scheme: Scheme) -> int:
    """Evaluations until the error of a sample is looked at for the first time."""
    return game.rows * (1 + _rounds.first_look(game.rows) * _rounds.draws_a_row(game.rows) * scheme.evaluations)


def sample(game: Game, schemes: Mapping[int, Scheme], limits: Mapping[int, float] | None = None) -> dict[int, Answer]:
    """Each player's answer (by its sample), drawn until the tolerance or the budget is met; players of one scheme meet the same draws. `limits` are budgets
    that are below the task's, for those that have one."""
    players = [player for player in game.players if player.sample in schemes]
    if not players:
        return {}
    budget, limits = game.task.max_evaluations, limits or {}
    runs = [
        _Run(game, player, schemes[player.sample], empty, int(min(budget, limits.get(player.sample, budget))))
        for player, empty in zip(players, game.empty(players), strict=True)
    ]

    def advance(together: list[_Run], start: int, stop: int) -> None:
        groups: dict[Scheme, list[_Run]] = {}
        for run in together:
            groups.setdefault(run.scheme, []).append(run)
        for scheme, alike in groups.items():
            for number in range(start, stop):
                _one_round(game, scheme, [run for run in alike if number < run.affordable], number)

    _rounds.go_through(game.task, runs, _rounds.first_look(game.rows), advance)
    return {run.sample: run.answer() for run in runs}


class _Run(_rounds.Run):
    """The sums of one sample."""

    def __init__(self, game: Game, player: Player, scheme: Scheme, empty: Array, budget: int) -> None:
        self.game, self.player, self.scheme, self.empty, self.sample = game, player, scheme, empty, player.sample
        self.moments = BlockMoments(scheme.width, min(scheme.width, SKETCH))
        self.earlier, self.budget = 0, budget
        self.of_round = game.rows * _rounds.draws_a_row(game.rows) * scheme.evaluations
        first = _rounds.first_look(game.rows) * game.rows * _rounds.draws_a_row(game.rows)
        _stopping.require(budget, least(game, scheme), f"a first look at {first} {scheme.unit} of {scheme.live} features")
        if game.task.state:
            self._restore({name: array[player.sample] for name, array in game.task.state.items()})
        self._afford()

    @property
    def used(self) -> int:
        return self.earlier + self.player.evaluations

    def add(self, vectors: Array) -> None:
        """One round, (rows, draws a row, width)."""
        self.moments.add(vectors, vectors if self.scheme.width <= SKETCH else vectors @ _sketch(self.scheme.width))
        self.rounds += 1
        self._afford()

    def _afford(self) -> None:
        """Coalitions that are met again cost nothing, so that more rounds may fit than seemed before; but not endlessly many."""
        self.affordable = min(self.rounds + max(self.budget - self.used, 0) // self.of_round, REPEATS * self.budget // self.of_round)

    def estimate(self) -> float:
        norm = unbiased_square(float(np.square(self.moments.mean).sum()), float(self.moments.variance.sum()))
        return _stopping.relative(self.moments.quantile(), float(np.sqrt(norm)), self.player.full - float(self.empty.mean()))

    def answer(self) -> Answer:
        values, error = self.scheme.unpacked(self.moments.mean), self.scheme.unpacked(np.sqrt(self.moments.variance))
        stop = self.stop if self.stop is not None else _stopping.nothing("no draw was made")
        return Answer(values, error, self.used, stop, float(self.empty.mean()), self.estimate(), float(self.moments.degrees), self._state())

    def _state(self) -> dict[str, Array]:
        return self.moments.state() | {"done": np.array([self.rounds, self.used])}

    def _restore(self, state: Mapping[str, Array]) -> None:
        """Go on from an earlier state, if that of this sample is one; arrays are padded to the largest of all samples."""
        rounds, used = (int(number) for number in state["done"])
        if rounds:
            own = self.moments.state()
            self.moments.restore({name: state[name][tuple(slice(size) for size in array.shape)] for name, array in own.items()})
            self.rounds, self.earlier = rounds, used - self.player.evaluations


def _one_round(game: Game, scheme: Scheme, runs: Sequence[_Run], number: int) -> None:
    """The same number of orders with each row of the fill, for all runs."""
    if not runs:
        return
    draws = _rounds.draws_a_row(game.rows)
    ranks = scheme.draw(_rounds.generator(game.task.seed, number), game.rows * draws)
    fill = np.repeat(np.arange(game.rows), draws)
    vectors = {run.sample: np.empty((len(ranks), scheme.width)) for run in runs}
    at_once = max(1, NUMBERS_AT_ONCE // (scheme.evaluations * scheme.live))
    for start in range(0, len(ranks), at_once):
        part = slice(start, start + at_once)
        coalitions, rows = scheme.coalitions(ranks[part]), np.repeat(fill[part], scheme.evaluations)
        scores = game.score([(run.player, coalitions, rows) for run in runs])
        for run, found in zip(runs, scores, strict=True):
            vectors[run.sample][part] = scheme.vectors(ranks[part], found.reshape(-1, scheme.evaluations), run.empty[fill[part]], run.player.full)
    for run in runs:
        run.add(vectors[run.sample].reshape(game.rows, draws, -1))


def _sketch(width: int) -> Array:
    """Random signs that shorten a vector and keep its squared length on average (Achlioptas 2003, doi:10.1016/S0022-0000(03)00025-4)."""
    return (2.0 * np.random.default_rng(width).integers(0, 2, (width, SKETCH)) - 1) / np.sqrt(SKETCH)


def attribution(task: Task, game: Game, answers: Mapping[int, Answer], axes: tuple[str, ...], resolved: Mapping[str, str]) -> Attribution:
    """All samples' answers as one; every axis but the first is padded to the largest number of features."""
    found = [answers[player.sample] for player in game.players]
    pairs = list(zip(game.players, found, strict=True))
    drawn = any(one.state is not None for one in found)
    return Attribution(
        values=np.stack([_spread(player, one.values, game.width, len(axes) - 1) for player, one in pairs]),
        error=np.stack([_spread(player, one.error, game.width, len(axes) - 1) for player, one in pairs]),
        error_kind="standard_error" if drawn else "exact",
        axes=axes,
        evaluations=np.array([one.evaluations for one in found]),
        gradients=np.zeros(len(found), dtype=int),
        stops=[one.stop for one in found],
        degrees=np.array([one.degrees for one in found]),
        baseline_score=np.array([one.empty for one in found]),
        statistics={
            "relative_error": np.array([one.estimate for one in found]),
            "live_features": np.array([len(player.live) for player in game.players]),
        },
        resolved=resolved,
        state=_padded([one.state for one in found]),
    )


def _spread(player: Player, values: Array, width: int, axes: int) -> Array:
    """Values of the live features among all; the dropped ones get 0."""
    out = np.zeros((width,) * axes)
    out[np.ix_(*(player.live,) * axes)] = values
    return out


def _padded(states: Sequence[Mapping[str, Array] | None]) -> dict[str, Array]:
    """States of samples with other numbers of features as arrays with one row a sample; zeros where a sample needed no draw."""
    kept = [state for state in states if state is not None]
    out = {}
    for name, one in kept[0].items() if kept else ():
        shape = np.max([state[name].shape for state in kept], axis=0) if one.ndim else ()
        out[name] = np.zeros((len(states), *shape), one.dtype)
        for row, state in enumerate(states):
            if state is not None:
                out[name][row][tuple(slice(size) for size in state[name].shape)] = state[name]
    return out
