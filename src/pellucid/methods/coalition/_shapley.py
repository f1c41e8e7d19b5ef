"""The engine of Shapley values: enumeration, or antithetic permutations with the background taken in turn, in whole rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.features import FeatureMap
from pellucid.core.method import Attribution, Task
from pellucid.core.outcome import Check
from pellucid.maths.coalitions import all_coalitions, exact_shapley, permutation_contributions, permutation_ranks, prefixes
from pellucid.maths.statistics import StratifiedMoments, covariance_quantile, unbiased_square
from pellucid.methods import _stopping
from pellucid.methods.coalition._game import Game, Player, padded

Array = np.ndarray

MASKS_AT_ONCE = 4_000_000
"""Numbers of one step's permutations, all players together."""
REPEATS = 4
"""Draws per evaluation of the budget, at most, where most coalitions are met again."""
ENUMERABLE = 20
"""Above this many live features no budget is worth an enumeration."""


@dataclass(frozen=True)
class Solved:
    """One sample's answer: values and standard errors of its live features, degrees of freedom, relative error, ending, estimator used."""

    values: Array
    error: Array
    degrees: float
    estimate: float
    stop: Check
    estimator: str


def enumeration_cost(game: Game, player: Player) -> float:
    """Evaluations that all coalitions need: the full one is known, and does not depend on the fill."""
    live = len(player.live)
    return float(game.rows * (2**live - 1)) if live <= ENUMERABLE else float("inf")


def enumerate_exactly(game: Game, player: Player) -> Solved:
    """Shapley values from every coalition, averaged over the fill's rows."""
    live = len(player.live)
    if live == 0:
        return Solved(np.zeros(0), np.zeros(0), np.inf, 0.0, _stopping.nothing("every feature equals its fill"), "exact")
    coalitions = all_coalitions(live)[:-1]
    total = np.zeros(2**live)
    total[-1] = player.full * game.rows
    for row in range(game.rows):
        (scores,) = game.score([(player, coalitions, np.full(len(coalitions), row))])
        total[:-1] += scores
    values = exact_shapley(total / game.rows, live)
    stop = _stopping.exact(f"all {2**live:,} coalitions of {live} features that differ from the fill")
    return Solved(values, np.zeros(live), np.inf, 0.0, stop, "exact")


def sample_permutations(game: Game, players: Sequence[Player]) -> dict[int, Solved]:
    """Shapley values of each player, drawn until the tolerance or the budget is met; every player meets the same stream of draws."""
    runs = {player.sample: _Run(game, player, empty) for player, empty in zip(players, game.empty(players), strict=True)}
    active = list(runs.values())
    solved: dict[int, Solved] = {}
    while active:
        share = MASKS_AT_ONCE // len(active)
        drawn = [run.draw(share) for run in active]
        scores = game.score([request for request, _ in drawn])
        for run, (_, ranks), found in zip(active, drawn, scores, strict=True):
            run.take(ranks, found)
        for run in active:
            stop = run.stop()
            if stop is not None:
                solved[run.player.sample] = run.solved(stop)
        active = [run for run in active if run.player.sample not in solved]
        game.task.progress(1 - len(active) / len(runs))
    return solved


class _Run:
    """The sampling of one player."""

    def __init__(self, game: Game, player: Player, empty: Array) -> None:
        self.game, self.player, self.empty = game, player, empty
        self.live = len(player.live)
        self.generator = np.random.default_rng(game.task.seed)
        self.moments = StratifiedMoments(game.rows, self.live)
        of_round = game.rows * (2 * self.live - 1)
        _stopping.require(game.task.max_evaluations, 2 * of_round, f"two rounds over {self.live} features and {game.rows} rows of the fill")
        self.planned = min(max(2, -(-_stopping.MIN_PAIRS // game.rows)), game.task.max_evaluations // of_round)
        self.drawn = 0

    def draw(self, numbers: int) -> tuple[tuple[Player, Array, Array], Array]:
        """The coalitions of the next rounds, a permutation and its reverse for each row of the fill."""
        of_round = self.game.rows * 2 * (self.live - 1) * self.live
        rounds = int(np.clip(self.planned, 1, max(1, numbers // of_round)))
        ranks = permutation_ranks(self.generator, rounds * self.game.rows, self.live)
        coalitions = prefixes(ranks).reshape(-1, self.live)
        fills = np.repeat(np.tile(np.arange(self.game.rows), rounds), 2 * (self.live - 1))
        return (self.player, coalitions, fills), ranks

    def take(self, ranks: Array, scores: Array) -> None:
        rounds = len(ranks) // self.game.rows
        contributions = permutation_contributions(ranks, scores.reshape(len(ranks), 2, -1), np.tile(self.empty, rounds), self.player.full)
        self.moments.add(contributions.reshape(rounds, self.game.rows, self.live))
        self.planned -= rounds
        self.drawn += len(scores)

    def estimate(self) -> float:
        """The 95 % quantile of the relative L2 error."""
        if self.moments.rounds < 2:
            return float("inf")
        covariance = self.moments.covariance
        norm = unbiased_square(float(np.square(self.moments.mean).sum()), float(np.trace(covariance)))
        span = self.player.full - float(self.empty.mean())
        return _stopping.relative(covariance_quantile(covariance, self.moments.degrees), float(np.sqrt(norm)), span)

    def stop(self) -> Check | None:
        """How it ends, or None to go on; plans the next rounds from how the error falls, at most doubling."""
        if self.planned > 0:
            return None
        task, estimate = self.game.task, self.estimate()
        pairs = self.moments.rounds * self.game.rows
        if pairs >= _stopping.MIN_PAIRS and estimate <= task.tolerance:
            return _stopping.converged(estimate, task.tolerance, self.player.evaluations, "evaluations")
        done = self.moments.rounds
        wish = done * min((estimate / task.tolerance) ** 2 * 1.05, 2.0) if task.tolerance > 0 else 2.0 * done
        of_round = self.player.evaluations / done
        affordable = int((task.max_evaluations - self.player.evaluations) // max(of_round, 1.0))
        if self.drawn > REPEATS * task.max_evaluations:  # all coalitions are known and further draws are free, but not endless
            affordable = 0
        self.planned = min(max(1, int(np.ceil(wish)) - done), affordable)
        if self.planned < 1:
            return _stopping.exhausted(estimate, task.tolerance, self.player.evaluations, "evaluations", 0.5)
        return None

    def solved(self, stop: Check) -> Solved:
        error = np.sqrt(np.maximum(np.diag(self.moments.covariance), 0))
        return Solved(self.moments.mean, error, self.moments.degrees, self.estimate(), stop, "permutations")


def attribution(task: Task, game: Game, solved: dict[int, Solved], error_kind: str) -> Attribution:
    """All samples' answers as one, features padded to the largest count."""
    players, found = game.players, [solved[player.sample] for player in game.players]
    features: FeatureMap = game.features
    pairs = list(zip(players, found, strict=True))
    empty = np.array([float(np.mean(game.empty([player])[0])) if len(player.live) else player.full for player in players])
    estimators = sorted({one.estimator for one in found})
    return Attribution(
        values=np.stack([player.spread(one.values, game.width) for player, one in pairs]),
        error=np.stack([player.spread(one.error, game.width) for player, one in pairs]),
        error_kind="exact" if estimators == ["exact"] else error_kind,
        axes=padded(features),
        evaluations=np.array([player.evaluations for player in players]),
        gradients=np.zeros(len(players), dtype=int),
        stops=[one.stop for one in found],
        degrees=np.array([one.degrees for one in found]),
        baseline_score=empty,
        statistics={
            "relative_error": np.array([one.estimate for one in found]),
            "live_features": np.array([len(player.live) for player in players]),
        },
        resolved={"estimator": " and ".join(estimators)},
    )
