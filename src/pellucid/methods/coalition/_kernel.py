"""Shapley values by a regression on pairs of complementary coalitions, one regression with each row of the fill where the budget allows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb

import numpy as np

from pellucid.maths.coalitions import permutation_ranks
from pellucid.maths.paired_kernel import PairedRegression
from pellucid.maths.strata import Estimate
from pellucid.methods import _stopping
from pellucid.methods.coalition._game import Game, Player, Request
from pellucid.methods.coalition._shapley import Run, Solved, enumerate_exactly, enumeration_cost, go_through

Array = np.ndarray

PAIRS_A_ROUND = 16
FIRST = 2
"""Pairs a feature and regression before the error is looked at for the first time."""
LEAST = 3
"""A budget that leaves less than this many pairs beyond the number of features is refused."""
GROWTH, HOPE, FURTHEST = 1.07, 0.7, 3.0
"""As for permutations: rounds between two looks, how far the error is thought to have fallen at the next, and how far off that is at most."""
SPARE = 4
"""Rows have regressions of their own where the budget is this many times what the first look needs."""
INFORMATION_AT_ONCE = 4_000_000
"""Numbers of the regressions of one player, at most, for rows to have their own."""
MANY = 2000
"""Coalitions of one size from which on two draws are taken never to meet."""
REPEATS = 4
"""Draws per evaluation of the budget, at most, where most coalitions are met again."""
NUMBERS_KEPT = 16_000_000
"""Coalitions are kept up to so many numbers, and drawn again beyond."""
UNIT = "evaluations of paired coalitions"


class Draws:
    """The coalitions that all players with as many live features share. A round has some pairs with each row of the fill; within a row sizes follow one another
    so that each comes once in every live − 1 pairs."""

    def __init__(self, seed: int, rows: int, live: int) -> None:
        self.seed, self.rows, self.live = seed, rows, live
        self.pairs = max(1, PAIRS_A_ROUND // rows)
        generator = np.random.default_rng((seed, 0))
        self.order = generator.permutation(np.arange(1, live))
        self.offsets = generator.integers(0, live - 1, rows)
        self._known: dict[int, Array] = {}

    def coalitions(self, start: int, stop: int) -> Array:
        """The first halves of the pairs of some rounds, (rows, pairs, live), uint8."""
        return np.concatenate([self._round(number) for number in range(start, stop)], axis=1)

    def _round(self, number: int) -> Array:
        if number in self._known:
            return self._known[number]
        generator = np.random.default_rng((self.seed, number + 1))
        place = self.offsets[:, None] + number * self.pairs + np.arange(self.pairs)
        sizes = self.order[place % (self.live - 1)]
        ranks = permutation_ranks(generator, self.rows * self.pairs, self.live).reshape(self.rows, self.pairs, self.live)
        found: Array = (ranks < sizes[..., None]).astype(np.uint8)
        if (number + 1) * found.size <= NUMBERS_KEPT:
            self._known[number] = found
        return found


def sample(game: Game, players: Sequence[Player]) -> dict[int, Solved]:
    """Shapley values of each player, drawn until the tolerance or the budget is met."""
    draws = {live: Draws(game.task.seed, game.rows, live) for live in {len(player.live) for player in players}}
    runs = [KernelRun(game, player, draws[len(player.live)]) for player in players]
    fresh = [run for run in runs if not run.resumed]
    for run, empty in zip(fresh, game.empty([run.player for run in fresh]), strict=True):
        run.empty = empty
    return go_through(game, runs, max((run.regression.information.size for run in runs), default=0))


class KernelRun(Run):
    """The pairs of one player. Their differences are kept, and the coalitions drawn again when the error is asked for."""

    estimator = "kernel regression"

    def __init__(self, game: Game, player: Player, draws: Draws) -> None:
        super().__init__(game, player)
        self.draws, self.rows, budget = draws, game.rows, game.task.max_evaluations
        needed = 2 * FIRST * self.live * self.rows
        self.apart = self.rows == 1 or (SPARE * needed <= budget and self.rows * self.live**2 <= INFORMATION_AT_ONCE)
        self.regression = PairedRegression(self.rows if self.apart else 1, self.live)
        self.of_round = 2 * self.rows * draws.pairs
        self.rounds, self.asked, self.waiting = 0, (0, 0), 0
        self.differences = np.zeros((self.rows, 0))
        cost = enumeration_cost(game, player)
        self.worth_enumerating = cost if cost <= budget else np.inf
        self.resumed = self._resume(self.earlier())
        strata = len(self.regression.moment)
        self.first = max(-(-FIRST * self.live * strata // (self.rows * draws.pairs)), -(-_stopping.MIN_PAIRS // (self.rows * draws.pairs)))
        self.goal: float = self.rounds or self.first
        least = min(self.worth_enumerating, 2.0 * strata * (self.live + LEAST) + self.rows)
        _stopping.require(budget, int(least), f"a regression on {self.live} features" + (f" with each of {self.rows} rows of the fill" if strata > 1 else ""))

    def draw(self, numbers: int) -> tuple[Request, Request] | None:
        if self.waiting <= self.rounds:
            return None
        stop = min(self.waiting, self.rounds + max(1, numbers // (self.of_round * self.live)))
        self.asked = self.rounds, stop
        halves = self.draws.coalitions(*self.asked)
        pairs = np.stack([halves, 1 - halves], axis=2).reshape(-1, self.live)
        fills = np.repeat(np.arange(self.rows), 2 * halves.shape[1])
        known = self._met(pairs)
        return (self.player, pairs[known], fills[known]), (self.player, pairs[~known], fills[~known])

    def _met(self, pairs: Array) -> Array:
        """Which coalitions are of sizes so few that they may have been met before; all of them where an enumeration may follow."""
        if np.isfinite(self.worth_enumerating):
            return np.ones(len(pairs), bool)
        few = np.array([comb(self.live, size) < MANY for size in range(self.live + 1)])
        return np.asarray(few[pairs.sum(axis=1, dtype=np.int64)])

    def take(self, met: Array, new: Array) -> None:
        halves = self.draws.coalitions(*self.asked)
        known = self._met(np.stack([halves, 1 - halves], axis=2).reshape(-1, self.live))
        scores = np.empty(len(known))
        scores[known], scores[~known] = met, new
        both = scores.reshape(self.rows, -1, 2)
        self._add(halves, (both[..., 0] - both[..., 1]) / 2)
        self.rounds = self.asked[1]

    def _add(self, halves: Array, differences: Array) -> None:
        self.regression.add(*self._shaped(halves, differences))
        self.differences = np.concatenate([self.differences, differences], axis=1)

    def _shaped(self, halves: Array, differences: Array) -> tuple[Array, Array, Array]:
        """By strata: the rows of the fill, or all of them as one."""
        totals = (self.player.full - self.empty)[:, None]
        if self.apart:
            return halves, differences, totals
        return halves.reshape(1, -1, self.live), differences.reshape(1, -1), np.broadcast_to(totals, differences.shape).reshape(1, -1)

    def look(self) -> None:
        if self.waiting > self.rounds:
            return
        tolerance = self.game.task.tolerance
        if self.rounds >= self.goal and tolerance > 0:
            relative = self.converges(self.estimate(), UNIT)
            if self.solved:
                return
            self.goal = self._next_look(self.rounds * min((HOPE * relative / tolerance) ** 2, FURTHEST))
        due = self.goal if tolerance > 0 else 2.0 * max(self.rounds, self.first)
        if self.rows + due * self.of_round >= self.worth_enumerating:
            self.solved = enumerate_exactly(self.game, self.player, self.before)
            return
        self.waiting = int(min(due, self.rounds + self.left // self.of_round))
        if self.waiting <= self.rounds or self.rounds * self.of_round > REPEATS * self.game.task.max_evaluations:
            self.waiting = self.rounds
            self.converges(self.estimate(), UNIT, last=True)

    def _next_look(self, wish: float) -> int:
        """The first place for a look after where we are that lies at the wish or beyond; places do not depend on the tolerance."""
        look = self.first
        while look <= self.rounds or look < wish:
            look = max(look + 1, int(look * GROWTH))
        return look

    def estimate(self) -> Estimate:
        solved = self.regression.solve()
        square, fourth = np.zeros((self.live, self.live)), np.zeros(self.live)
        step = max(1, NUMBERS_KEPT // (8 * self.of_round * self.live))
        for start in range(0, self.rounds, step):
            stop = min(start + step, self.rounds)
            pairs = slice(start * self.draws.pairs, stop * self.draws.pairs)
            more = self.regression.spread(solved, *self._shaped(self.draws.coalitions(start, stop), self.differences[:, pairs]))
            square, fourth = square + more[0], fourth + more[1]
        return self.regression.estimate(solved[0], square, fourth, self.player.full - float(self.empty.mean()))

    def state(self) -> Mapping[str, Array]:
        return {
            "evaluations": np.array([self.evaluations]),
            "rounds": np.array([self.rounds]),
            "empty": self.empty,
            "differences": self.differences,
        }

    def _resume(self, state: Mapping[str, Array]) -> bool:
        """Go on from an earlier run; False where there was none."""
        if not state:
            return False
        self.empty, self.before, rounds = state["empty"], int(state["evaluations"][0]), int(state["rounds"][0])
        step = max(1, NUMBERS_KEPT // (8 * self.of_round * self.live))
        for start in range(0, rounds, step):
            stop = min(start + step, rounds)
            pairs = slice(start * self.draws.pairs, stop * self.draws.pairs)
            self._add(self.draws.coalitions(start, stop), state["differences"][:, pairs])
        self.rounds = self.waiting = rounds
        return True
