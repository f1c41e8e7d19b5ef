"""What all ways to Shapley values share: enumeration, the loop over samples of which each draws until it is done, and the answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pellucid.core.method import Attribution, Task
from pellucid.core.outcome import Check
from pellucid.maths.coalitions import all_coalitions, exact_shapley
from pellucid.maths.statistics import covariance_quantile, unbiased_square
from pellucid.maths.strata import Estimate
from pellucid.methods import _stopping
from pellucid.methods.coalition._game import Game, Player, Request, padded

Array = np.ndarray

MASKS_AT_ONCE = 2_000_000
"""Numbers of one step's coalitions, all players together."""
SUMS_AT_ONCE = 20_000_000
"""Numbers of the sums of the players that draw at the same time."""
KEPT = 200_000
"""Numbers of state a sample, at most; beyond, none is kept."""
ENUMERABLE = 20
"""Above this many live features no budget is worth an enumeration."""


@dataclass(frozen=True)
class Solved:
    """One sample's answer: values and standard errors of its live features, degrees of freedom, relative error, ending, estimator used, evaluations and
    gradients in all, the score with all features absent, and what going on needs."""

    values: Array
    error: Array
    degrees: float
    estimate: float
    stop: Check
    estimator: str
    evaluations: int
    gradients: int
    empty: float
    state: Mapping[str, Array] = field(default_factory=dict)


def enumeration_cost(game: Game, player: Player) -> float:
    """Evaluations that all coalitions need: the full one is known, and does not depend on the fill."""
    live = len(player.live)
    return float(game.rows * (2**live - 1)) if live <= ENUMERABLE else float("inf")


def enumerate_exactly(game: Game, player: Player, before: int = 0) -> Solved:
    """Shapley values from every coalition, averaged over the fill's rows; `before` evaluations were made in earlier work."""
    live = len(player.live)
    earlier = _remembered(game.task, player)
    if earlier is not None:
        return earlier
    if live == 0:
        return Solved(np.zeros(0), np.zeros(0), np.inf, 0.0, _stopping.nothing("every feature equals its fill"), "exact", before, 0, player.full)
    coalitions = all_coalitions(live)[:-1]
    total = np.zeros(2**live)
    total[-1] = player.full * game.rows
    for row in range(game.rows):
        (scores,) = game.score([(player, coalitions, np.full(len(coalitions), row))])
        total[:-1] += scores
    return _exact(player, exact_shapley(total / game.rows, live), before + player.evaluations, float(total[0] / game.rows))


def _exact(player: Player, values: Array, evaluations: int, empty: float) -> Solved:
    live = len(values)
    stop = _stopping.exact(f"all {2**live:,} coalitions of {live} features that differ from the fill")
    state = {"exact": np.ones(1, np.uint8), "values": values, "evaluations": np.array([evaluations]), "empty": np.array([empty])}
    return Solved(values, np.zeros(live), np.inf, 0.0, stop, "exact", evaluations, 0, empty, state)


def _remembered(task: Task, player: Player) -> Solved | None:
    """What an earlier enumeration found."""
    if "exact" not in task.state or not task.state["exact"][player.sample].any():
        return None
    state = {name: array[player.sample] for name, array in task.state.items()}
    return _exact(player, state["values"][: len(player.live)], int(state["evaluations"][0]), float(np.mean(state["empty"][:1])))


class Run(ABC):
    """The sampling of one player. `gradients` are those taken; `used` what counts towards the budget, a gradient twice. It ends `solved` or `given_up`."""

    estimator: str

    def __init__(self, game: Game, player: Player) -> None:
        self.game, self.player = game, player
        self.live = len(player.live)
        self.before = self.gradients = 0
        self.empty = np.zeros(game.rows)
        self.solved: Solved | None = None
        self.given_up = False

    @property
    def evaluations(self) -> int:
        """Inputs that went forward, in earlier work too."""
        return self.before + self.player.evaluations

    @property
    def used(self) -> int:
        return self.evaluations + self.gradients

    @property
    def left(self) -> int:
        """Evaluations that the budget still allows."""
        return self.game.task.max_evaluations - self.used

    @abstractmethod
    def draw(self, numbers: int) -> tuple[Request, Request] | None:
        """The next coalitions, of about so many numbers: those that may have been met before, and those that will not; None where none are due."""

    @abstractmethod
    def take(self, met: Array, new: Array) -> None:
        """Their scores."""

    @abstractmethod
    def look(self) -> None:
        """Once the planned draws are in: end, or plan the next."""

    @abstractmethod
    def state(self) -> Mapping[str, Array]:
        """What going on needs."""

    def earlier(self) -> dict[str, Array]:
        """What an earlier run of this sample left; empty where there was none."""
        task = self.game.task
        mine = {name: array[self.player.sample] for name, array in task.state.items()}
        return mine if mine and mine["evaluations"][0] > 0 and not mine.get("exact", np.zeros(1)).any() else {}

    def converges(self, found: Estimate, unit: str, *, last: bool = False) -> float:
        """The relative error; ends where that is within the tolerance, or where this was the last look."""
        relative, tolerance = self.relative(found), self.game.task.tolerance
        unit += f", {self.gradients} of them with a gradient, which counts twice" if self.gradients else ""
        if relative <= tolerance:
            self.conclude(found, _stopping.converged(relative, tolerance, self.evaluations, unit))
        elif last:
            self.conclude(found, _stopping.exhausted(relative, tolerance, self.evaluations, unit, 0.5, self.used))
        return relative

    def conclude(self, found: Estimate, stop: Check) -> None:
        self.solved = Solved(
            found.mean, np.sqrt(found.variance), found.degrees, self.relative(found), stop, self.estimator, self.evaluations, self.gradients,
            float(self.empty.mean()), self.state(),
        )  # fmt: skip

    def relative(self, found: Estimate) -> float:
        """The 95 % quantile of the relative L2 error."""
        norm = unbiased_square(float(np.square(found.mean).sum()), found.trace)
        quantile = covariance_quantile(found.covariance, found.degrees)
        return _stopping.relative(quantile, float(np.sqrt(norm)), self.player.full - float(self.empty.mean()))


def go_through(game: Game, runs: Sequence[Run], numbers_a_run: int) -> dict[int, Solved]:
    """Let every run draw until it is done, so many at a time that their sums can be held."""
    at_once = max(1, SUMS_AT_ONCE // max(numbers_a_run, 1))
    solved: dict[int, Solved] = {}
    for start in range(0, len(runs), at_once):
        active = list(runs[start : start + at_once])
        while active:
            requests = [(run, run.draw(MASKS_AT_ONCE // len(active))) for run in active]
            asked = [(run, request) for run, request in requests if request is not None]
            met, new = (ask([request[i] for _, request in asked]) for i, ask in enumerate((game.score, game.score_new)))
            for (run, _), *scores in zip(asked, met, new, strict=True):
                run.take(*scores)
            for run in active:
                run.look()
                if run.solved is not None:
                    solved[run.player.sample] = run.solved
                    run.player.forget()
            active = [run for run in active if run.solved is None and not run.given_up]
            game.task.progress(len(solved) / len(runs))
    return solved


def attribution(task: Task, game: Game, solved: dict[int, Solved], error_kind: str) -> Attribution:
    """All samples' answers as one, features padded to the largest count."""
    players, found = game.players, [solved[player.sample] for player in game.players]
    pairs = list(zip(players, found, strict=True))
    estimators = sorted({one.estimator for one in found})
    return Attribution(
        values=np.stack([player.spread(one.values, game.width) for player, one in pairs]),
        error=np.stack([player.spread(one.error, game.width) for player, one in pairs]),
        error_kind="exact" if estimators == ["exact"] else error_kind,
        axes=padded(game.features),
        evaluations=np.array([one.evaluations for one in found]),
        gradients=np.array([one.gradients for one in found]),
        stops=[one.stop for one in found],
        degrees=np.array([one.degrees for one in found]),
        baseline_score=np.array([one.empty for one in found]),
        statistics={
            "relative_error": np.array([one.estimate for one in found]),
            "live_features": np.array([len(player.live) for player in players]),
        },
        resolved={"estimator": " and ".join(estimators)},
        state=_kept([one.state for one in found]),
    )


def _kept(states: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """The samples' states, each array padded with zeros to the largest of its name; none where they are too large."""
    names = sorted({name for state in states for name in state})
    shapes = {name: np.max([np.atleast_1d(state[name]).shape for state in states if name in state], axis=0) for name in names}
    if sum(int(np.prod(shape)) for shape in shapes.values()) > KEPT:
        return {}
    kept = {}
    for name in names:
        dtype = next(state[name].dtype for state in states if name in state)
        kept[name] = np.zeros((len(states), *shapes[name]), dtype)
        for row, state in zip(kept[name], states, strict=True):
            if name in state:
                row[tuple(slice(size) for size in state[name].shape)] = state[name]
    return kept
