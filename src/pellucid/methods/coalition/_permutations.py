"""Shapley values from antithetic permutations: an order of joining and its reverse, with one row of the fill, make a draw.

Rows in which the features are far from the sample get more draws than others, as they are rougher. Where there are many rows, an answer is given before all
have been drawn with: what a row that was left out would give is told from what is known of it. See docs/theory/shapley-estimators.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, comb, floor, log

import numpy as np

from pellucid.core.errors import SettingError, unknown
from pellucid.core.model import batches
from pellucid.maths.coalitions import permutation_contributions, permutation_ranks, prefixes
from pellucid.maths.strata import Estimate, Strata, mean_of_all, mean_of_some, regression
from pellucid.methods import _stopping
from pellucid.methods.coalition._game import Game, Player, Request
from pellucid.methods.coalition._shapley import Run, Solved, go_through

Array = np.ndarray

FIRST = 32
"""Draws before the error is looked at for the first time."""
ORDERS = 12
"""A budget for fewer draws is refused."""
GROWTH = 1.07
"""Draws between two looks; where they lie does not depend on the tolerance, so that going on later gives what going through would have."""
REFIT = 4
"""How many times as many draws lie between two estimates of which rows are rough."""
FEW_ROWS = 30
"""Up to so many rows each is drawn with at least twice and nothing is told from other rows."""
MANY = 2000
"""Coalitions of one size from which on two draws are taken never to meet."""
LEAST = 0.25
"""A row counts as at least so rough, over the mean."""
HOPE = 0.7
"""The error is looked at again once it could have come down to the tolerance if it were overestimated so far."""
FURTHEST = 3.0
"""Draws until the next look, over those so far, at most: an error that is wildly overestimated must not be acted on for long."""
HAIR = 1e-9
REPEATS = 4
"""Draws per evaluation of the budget, at most, where most coalitions are met again."""
NUMBERS_AT_ONCE = 4_000_000
"""Numbers of orders, or of differences between a sample and the fill's rows, that are held at once."""
UNIT = "evaluations along permutations"
CONTROLS = ("auto", "gradients", "none")


def check_control(control: str) -> None:
    """Raise for a word that is none of `CONTROLS`."""
    if control not in CONTROLS:
        raise SettingError(unknown("control", control, CONTROLS))


class Draws:
    """The random numbers that all players with as many live features share: visit v of a row always goes by the same order. `sizes` are those of which
    there are few coalitions, and the others. `middle` (live,) tells how far from both ends a place in an order is, less its mean: contributions go with it."""

    def __init__(self, seed: tuple[int, ...], rows: int, live: int) -> None:
        counts = np.arange(1, live)
        many = np.array([comb(live, int(size)) for size in counts], dtype=float) >= MANY
        self.sizes = counts[~many], counts[many]
        place = np.arange(live) / (live - 1)
        self.middle = place * (1 - place) - np.mean(place * (1 - place))
        self.seed, self.rows, self.live = seed, rows, live
        self.visits = max(1, 16 * FIRST // rows)
        generator = np.random.default_rng((*seed, 0))
        self.offsets = (generator.permutation(rows) + generator.random(rows)) / rows
        self._tables: dict[int, Array] = {}

    def ranks(self, rows: Array, visits: Array) -> Array:
        """Orders as ranks (n, live) of the visits (n,) of rows (n,)."""
        return self._looked_up(rows, visits, self._orders, np.empty((len(rows), self.live), dtype=np.int64))

    def numbers(self, rows: Array, visits: Array) -> Array:
        """A random whole number (n,) from 0 to live for each of the visits (n,) of rows (n,)."""
        return self._looked_up(rows, visits, self._numbers, np.empty(len(rows), dtype=np.int64))

    def _looked_up(self, rows: Array, visits: Array, table: Callable[[int], Array], out: Array) -> Array:
        which = visits // self.visits
        for number in np.flatnonzero(np.bincount(which)).tolist():
            here = which == number
            out[here] = table(number)[visits[here] % self.visits, rows[here]]
        return out

    def _orders(self, number: int) -> Array:
        if number not in self._tables:
            size = self.visits * self.rows
            room = max(1, NUMBERS_AT_ONCE // (size * self.live))
            for oldest in sorted(self._tables)[: len(self._tables) - room + 1]:
                del self._tables[oldest]
            generator = np.random.default_rng((*self.seed, number + 1))
            self._tables[number] = permutation_ranks(generator, size, self.live).reshape(self.visits, self.rows, self.live)
        return self._tables[number]

    def _numbers(self, number: int) -> Array:
        return np.random.default_rng((*self.seed, number + 1, 1)).integers(0, self.live + 1, (self.visits, self.rows))


def sample(game: Game, players: Sequence[Player], earlier: Mapping[int, Run] | None = None) -> dict[int, Solved]:
    """Shapley values of each player, drawn until the tolerance or the budget is met; `earlier` are runs of another kind that were given up."""
    earlier = earlier or {}
    draws = {live: Draws((game.task.seed,), game.rows, live) for live in {len(player.live) for player in players}}
    runs = [PermutationRun(game, player, draws[len(player.live)], earlier.get(player.sample)) for player in players]
    fresh = [run for run in runs if not run.resumed and run.player.sample not in earlier]
    for run, empty in zip(fresh, game.empty([run.player for run in fresh]), strict=True):
        run.empty = empty
    return go_through(game, runs, max((2 * game.rows * run.live + run.live**2 for run in runs), default=0))


class PermutationRun(Run):
    """The draws of one player. Row b is visited for the v-th time once `reached` × size_b / rows ≥ v − offset_b, so that on average `reached` visits are made
    in all, in proportion to the rows' sizes."""

    estimator = "permutations"

    def __init__(self, game: Game, player: Player, draws: Draws, given_up: Run | None) -> None:
        super().__init__(game, player)
        self.draws = draws
        self.strata = Strata(game.rows, self.live)
        self.few = game.rows <= FEW_ROWS
        self.signed, distance = distances(game, player)
        self.size = relative_sizes(distance)
        self.chances = np.zeros(game.rows)
        self.columns: Array | None = None
        self.reached, self.refitted, self.drawn = 0.0, 0.0, 0
        self.waiting = np.zeros((0, 2), dtype=np.int64)
        self.asked = (np.zeros(0, np.int64), np.zeros((0, self.live), np.int64))
        self.least = 1 if game.rows == 1 else 2 if self.few else 0
        self.first = max(FIRST, self.least * game.rows)
        self.goal: float = self.first
        self.resumed = given_up is None and self._resume(self.earlier())
        if given_up is not None:
            self.empty, self.before, self.gradients = given_up.empty, given_up.before, given_up.gradients
        elif not self.resumed:
            orders = self.least * game.rows if self.few and game.rows > 1 else ORDERS
            needed = 2 * (self.live - 1) * orders + game.rows
            _stopping.require(game.task.max_evaluations, needed, f"{orders} orders of {self.live} features, their reverses and {game.rows} rows of the fill")

    def draw(self, numbers: int) -> tuple[Request, Request] | None:
        if not len(self.waiting):
            return None
        count = max(1, numbers // (2 * (self.live - 1) * self.live))
        now, self.waiting = self.waiting[:count], self.waiting[count:]
        rows, ranks = self.asked = now[:, 0], self.draws.ranks(now[:, 0], now[:, 1])
        met, new = ((prefixes(ranks, sizes).reshape(-1, self.live), np.repeat(rows, 2 * len(sizes))) for sizes in self.draws.sizes)
        return (self.player, *met), (self.player, *new)

    def take(self, met: Array, new: Array) -> None:
        rows, ranks = self.asked
        scores = np.empty((len(rows), 2, self.live - 1))
        for found, sizes in zip((met, new), self.draws.sizes, strict=True):
            scores[:, :, sizes - 1] = found.reshape(len(rows), 2, -1)
        contributions = permutation_contributions(ranks, scores, self.empty[rows], self.player.full)
        beside = self.draws.middle[ranks] if self.game.rows > 1 else None  # a single fill keeps what is exact: draws that add up, values linear in the model
        self.strata.add(rows, contributions, self.size, beside)
        self.drawn += len(met) + len(new)

    def look(self) -> None:
        if len(self.waiting):
            return
        tolerance = self.game.task.tolerance
        if self.reached >= max(REFIT * self.refitted, self.first) and not self.few:
            self.size, self.refitted = relative_sizes(np.linalg.norm(regression(self.strata, self.size, self._known())[0], axis=1)), self.reached
            self.columns = None
        if self.reached >= self.goal and tolerance > 0:
            relative = self.converges(self.estimate(), UNIT)
            if self.solved:
                return
            self.goal = self._next_look(self.reached * min((HOPE * relative / tolerance) ** 2, FURTHEST))
        refit = np.inf if self.few else self._next_look(REFIT * self.refitted - 1)
        if not self._plan(min(self.goal if tolerance > 0 else np.inf, refit, self._next_look(2 * self.reached))):
            self.converges(self.estimate(), UNIT, last=True)

    def _next_look(self, wish: float) -> float:
        """The first place for a look after where we are that lies at the wish or beyond."""
        done = floor(log(max(self.reached, 1.0) / self.first, GROWTH) + HAIR)
        wished = ceil(log(max(wish, 1.0) / self.first, GROWTH) - HAIR)
        return float(self.first * GROWTH ** max(done + 1, wished, 0))

    def _plan(self, reach: float) -> bool:
        """Let the visits wait that are due before `reach`, as far as the budget goes; False where it goes no further."""
        affordable = self.left // (2 * (self.live - 1))
        if affordable < 1 or self.drawn > REPEATS * self.game.task.max_evaluations:
            return False
        rate = self.size / self.game.rows
        rows, visits = visits_until(reach, self.strata.counts, self.size, self.draws.offsets, self.least)
        due = np.where(visits < self.least, 0.0, (visits + 1 - self.draws.offsets[rows]) / rate[rows])
        order = np.argsort(due, kind="stable")
        if len(order) > affordable:
            reach = max(self.reached, float(due[order[affordable - 1]]))
            order = order[:affordable]
        self.waiting = np.stack([rows[order], visits[order]], axis=1)
        self.chances = np.maximum(self.chances, reach * rate)
        self.reached = reach
        return True

    def estimate(self) -> Estimate:
        complete = bool(self.strata.counts.all())
        if self.few or self.strata.counts.min() > 1:
            found = mean_of_all(self.strata, self.size)
        else:
            found = mean_of_some(self.strata, self.size, np.ones(self.game.rows) if complete else self.chances, self._known(), beside=True)
        return found.held_to(self.player.full - float(self.empty.mean()))

    def _known(self) -> Array:
        if self.columns is None:
            self.columns = known_of_rows(self.size, self.signed, self.player.full - self.empty)
        return self.columns

    def state(self) -> Mapping[str, Array]:
        moving = {"reached": self.reached, "refitted": self.refitted, "drawn": self.drawn, "evaluations": self.evaluations, "gradients": self.gradients}
        rows = {"empty": self.empty, "size": self.size, "chances": self.chances}
        return {name: np.array([value]) for name, value in moving.items()} | rows | self.strata.state()

    def _resume(self, state: Mapping[str, Array]) -> bool:
        """Go on from an earlier run; False where there was none."""
        if not state or "counts" not in state:
            return False
        self.strata.restore(state)
        self.empty, self.size, self.chances = state["empty"], state["size"], state["chances"]
        self.reached, self.refitted = float(state["reached"][0]), float(state["refitted"][0])
        self.drawn, self.before, self.gradients = (int(state[name][0]) for name in ("drawn", "evaluations", "gradients"))
        self.goal = self.reached
        return True


def visits_until(reach: float, counts: Array, size: Array, offsets: Array, least: int) -> tuple[Array, Array]:
    """The visits of rows, and which of a row's they are, that are missing until `reach` have been made in all, in proportion to the rows' sizes; each row has
    at least `least`."""
    wanted = np.maximum(np.floor(reach * size / len(size) + offsets).astype(np.int64), least) - counts
    rows = np.repeat(np.arange(len(size)), np.maximum(wanted, 0))
    return rows, counts[rows] + np.arange(len(rows)) - np.searchsorted(rows, rows)


def known_of_rows(size: Array, signed: Array, rest: Array) -> Array:
    """What is known of each row of the fill before it is drawn with, (rows, live, 6): 1, its size, the rest of the score that the features share out, the
    sample's distance, and that times the rest and times its square."""
    alike = np.repeat(np.stack([np.ones_like(rest), size, rest], axis=1)[:, None], signed.shape[1], axis=1)
    return np.concatenate([alike, signed[..., None] * np.stack([np.ones_like(rest), rest, np.square(rest)], axis=1)[:, None]], axis=2)


def relative_sizes(sizes: Array) -> Array:
    """Over their mean, none too small."""
    mean = float(sizes.mean())
    sizes = np.maximum(sizes / mean, LEAST) if mean > 0 else np.ones(len(sizes))
    return np.asarray(sizes / sizes.mean())


def distances(game: Game, player: Player) -> tuple[Array, Array]:
    """Per live feature the difference of the sample from each row of the fill, summed over the feature, (rows, live); and how far a row is from it in all,
    (rows,): absolute differences, each feature's over its mean."""
    if game.rows == 1:
        return np.zeros((1, len(player.live))), np.ones(1)
    signed, absolute = np.empty((game.rows, len(player.live))), np.empty((game.rows, len(player.live)))
    for part in batches(game.rows, max(1, NUMBERS_AT_ONCE // game.task.inputs[0].size)):
        apart = game.apart(player, part)
        signed[part], absolute[part] = game.by_feature(player, apart), game.by_feature(player, np.abs(apart))
    means = absolute.mean(axis=0)
    return signed, (absolute / np.where(means > 0, means, 1)).sum(axis=1)
