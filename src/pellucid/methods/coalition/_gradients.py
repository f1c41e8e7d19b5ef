"""Shapley values with gradients as a control variate whose mean is drawn too: for many rows of the fill, of which few draws need to be made.

At a coalition S with a row of the fill one gradient tells for every feature at once about what it would add there: its slope g_j(S), gradient times difference.
Along an order, (1 − t) g_j(before j joins) + t g_j(after) comes so close to what j adds that what is left hardly depends on the row. The mean of that
control is the mean of w_j g_j(S) over S of all sizes equally often, and a draw of it costs two evaluations for all features. See
docs/theory/shapley-estimators.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pellucid.core.errors import UnsupportedError
from pellucid.core.method import Task
from pellucid.core.model import INPUT, batches
from pellucid.maths.strata import Estimate, Strata, mean_of_all, mean_of_some, regression
from pellucid.methods import _stopping
from pellucid.methods.coalition import _permutations
from pellucid.methods.coalition._game import Game, Player, Request
from pellucid.methods.coalition._permutations import FEW_ROWS, NUMBERS_AT_ONCE, UNIT, Draws, distances, known_of_rows, relative_sizes, visits_until
from pellucid.methods.coalition._shapley import Run, Solved, go_through

Array = np.ndarray

EVEN = 0.5
"""How much of t and w stays the same whatever the size of the coalition: chosen by measurement."""
PAIRS, ORDERS, PILOT = 32, 30, 12
"""Pairs of coalitions and orders before the error is looked at, and orders before the price of going on is told."""
GROWTH, HOPE, FURTHEST = 1.07, 0.85, 2.0
"""Draws at the next look, over those so far: at least, as a share of what is thought to be due, and at most."""
FITS = 5
"""How often a step is shortened to fit the budget."""
CANCELLED, ROWS_LEFT_OUT = 0.25, 1.4
"""The variance of an order and its reverse together, over that of one order, at the least that was measured; and how much more there is while rows are left
out."""
CLEARLY = 0.8
"""Permutations alone are told from little: they are taken where they seem to cost less than this share. Chosen by measurement."""
SPARE = 1.25
"""Gradients are begun with where the budget is this many times what a first look needs."""


def sample(game: Game, players: Sequence[Player], control: str) -> dict[int, Solved]:
    """Shapley values of each player, with gradients where the model gives them and they pay, by permutations alone elsewhere."""
    task, asked = game.task, control == "gradients"
    if asked and not task.model.traits.gradients:
        raise UnsupportedError(f"control='gradients' needs gradients, which {task.model.traits.framework} does not give; use control='auto' or 'none'.")
    if not asked and (control == "none" or game.rows <= FEW_ROWS or not _gives_gradients(task)):
        return _permutations.sample(game, players)
    runs = {player.sample: GradientRun(game, player, asked=asked) for player in players}
    begun = [run for run in runs.values() if run.resumed or (not run.strange and (asked or SPARE * run.least <= task.max_evaluations))]
    fresh = [run for run in begun if not run.resumed]
    for run, empty in zip(fresh, game.empty([run.player for run in fresh]), strict=True):
        run.empty = empty
    solved = go_through(game, begun, max((6 * game.rows * run.live + 2 * run.live**2 for run in begun), default=0))
    rest = [player for player in players if player.sample not in solved]
    return solved | _permutations.sample(game, rest, {run.player.sample: run for run in begun if run.given_up})


def _gives_gradients(task: Task) -> bool:
    """Whether the network does, and of what it is given: a network that embeds whole numbers itself has none of them."""
    if not task.model.traits.gradients or not task.model.traits.tokens:
        return task.model.traits.gradients
    try:
        task.model.gradients(task.inputs[:1], task.target.take(np.zeros(1, int)))
    except UnsupportedError:
        return False
    return True


class GradientRun(Run):
    """The draws of one player at two levels: pairs of complementary coalitions with every row, and orders with rows in proportion to their sizes."""

    estimator = "permutations with gradients"

    def __init__(self, game: Game, player: Player, *, asked: bool) -> None:
        super().__init__(game, player)
        self.asked, self.few = asked, game.rows <= FEW_ROWS
        seed = game.task.seed
        self.draws = Draws((seed, 1), game.rows, self.live), Draws((seed, 2), game.rows, self.live)
        self.pairs, self.orders = Strata(game.rows, self.live), Strata(game.rows, self.live)
        self.signed, distance = distances(game, player)
        self.size = relative_sizes(distance)
        self.chances, self.centre = np.zeros(game.rows), np.zeros((game.rows, self.live))
        self.reached = np.zeros(2)
        self.prices = 4, 2 * (self.live + 1)
        self.visits = 1 if not self.few else max(2, -(-PAIRS // game.rows))
        self.least = 4 * game.rows * self.visits + 2 * (self.live + 1) * ORDERS + game.rows
        self.slopes, self.plain = np.zeros((0, self.live)), 0.0
        earlier = self.earlier()
        self.reconsidered = False
        self.strange = bool(earlier) and "pairs_counts" not in earlier
        self.resumed = bool(earlier) and not self.strange and self._resume(earlier)
        if asked and not self.resumed:
            _stopping.require(
                game.task.max_evaluations, self.least, f"gradients at pairs of coalitions with {game.rows} rows of the fill and along {ORDERS} orders"
            )

    def draw(self, numbers: int) -> tuple[Request, Request] | None:
        """Nothing: gradients are asked for one player at a time."""
        return None

    def take(self, met: Array, new: Array) -> None:
        """Nothing was asked for."""

    def look(self) -> None:
        if not len(self.slopes):
            self.slopes = self._slopes_with_all()
        if not self.reached[0]:
            self._draw_pairs(float(self.game.rows * self.visits))
        elif self.reached[1] < ORDERS:
            self._draw_orders(float(PILOT if self.reached[1] < PILOT else ORDERS))
            self._reconsider()
        elif self.resumed and not self.reconsidered:
            self._reconsider()
        else:
            pairs, orders = self._levels()
            self.converges(self._sum(pairs, orders), UNIT)
            if self.solved is None and not self._grow(pairs, orders):
                self.converges(self._sum(pairs, orders), UNIT, last=True)

    def _reconsider(self) -> None:
        """Give up where permutations alone would come to the same error for clearly less than what gradients would still cost."""
        self.reconsidered = True
        due = self._due(*self._levels())
        self.given_up = not self.asked and self._alone() < CLEARLY * (float(due @ self.prices) - self.used)

    def _alone(self) -> float:
        """Evaluations of permutations alone for the variance that is due here, told from the contributions along single orders."""
        pairs, orders = self._levels()
        made = np.array([self.pairs.counts.sum(), self.orders.counts.sum()])
        variance = float((np.array([pairs.trace, orders.trace]) * made / np.maximum(self._due(pairs, orders), 1)).sum())
        if not variance:
            return np.inf
        draws = CANCELLED * self.plain / made[1] / variance
        return float(draws * 2 * (self.live - 1) * (ROWS_LEFT_OUT if draws < self.game.rows else 1) + self.game.rows)

    def _slopes_with_all(self) -> Array:
        """The slopes where all features are present, against each row."""
        task, sample = self.game.task, np.array([self.player.sample])
        gradient = task.model.gradients(task.inputs[sample], task.target.take(sample)).gradients[INPUT]
        self._count(1)
        parts = batches(self.game.rows, max(1, NUMBERS_AT_ONCE // gradient.size))
        return np.concatenate([self.game.by_feature(self.player, gradient * self.game.apart(self.player, part)) for part in parts])

    def _slopes_at(self, coalitions: Array, rows: Array) -> tuple[Array, Array]:
        """Scores and slopes at coalitions with rows of the fill; those with all features are known."""
        scores, slopes = np.full(len(rows), self.player.full), self.slopes[rows]
        here = np.flatnonzero(~coalitions.all(axis=1))
        scores[here], slopes[here] = self.game.slopes(self.player, coalitions[here], rows[here])
        self.gradients += len(here)
        return scores, slopes

    def _count(self, number: int) -> None:
        self.before += number
        self.gradients += number

    def _draw_pairs(self, reach: float) -> None:
        """Coalitions of random size and their complements. The first tell what each row gives about, and so the rows' sizes."""
        rows, visits = visits_until(reach, self.pairs.counts, self.size, self.draws[0].offsets, 0 if self.reached[0] else self.visits)
        for part in batches(len(rows), max(1, NUMBERS_AT_ONCE // self.live)) if self.reached[0] else [slice(None)]:
            self._add_pairs(rows[part], visits[part])
        self.reached[0] = reach

    def _add_pairs(self, rows: Array, visits: Array) -> None:
        sizes = self.draws[0].numbers(rows, visits)
        coalitions = (self.draws[0].ranks(rows, visits) < sizes[:, None]).astype(np.uint8)
        slopes = (self._slopes_at(coalitions, rows)[1] + self._slopes_at(1 - coalitions, rows)[1]) / 2
        own = np.where(coalitions > 0, sizes[:, None], self.live - sizes[:, None])
        weights = EVEN * (self.live + 1) / (2 * np.maximum(own, 1)) + 1 - EVEN
        if not self.reached[0]:
            self._tell(rows, slopes)
        self.pairs.add(rows, self.centre[rows] + weights * (slopes - self.centre[rows]), self.size)

    def _tell(self, rows: Array, slopes: Array) -> None:
        first = Strata(self.game.rows, self.live)
        first.add(rows, slopes, self.size)
        if self.few:
            self.centre = np.repeat(first.means.mean(axis=0)[None], self.game.rows, axis=0)
        else:
            self.centre = regression(first, self.size, self._known())[0]
            self.size = relative_sizes(np.linalg.norm(self.centre, axis=1))

    def _known(self) -> Array:
        return known_of_rows(self.size, self.signed, self.player.full - self.empty)

    def _draw_orders(self, reach: float) -> None:
        """Orders of joining, with gradients at every coalition on the way; what the control leaves of each feature's contribution."""
        least = 2 if self.few and self.game.rows > 1 else 0
        rows, visits = visits_until(reach, self.orders.counts, self.size, self.draws[1].offsets, least)
        for part in batches(len(rows), max(1, NUMBERS_AT_ONCE // (self.live + 1) ** 2)):
            ranks = self.draws[1].ranks(rows[part], visits[part])
            way = ranks[:, None, :] < np.arange(self.live + 1)[None, :, None]
            scores, slopes = self._slopes_at(way.reshape(-1, self.live).astype(np.uint8), np.repeat(rows[part], self.live + 1))
            scores, slopes = scores.reshape(len(ranks), -1), slopes.reshape(len(ranks), -1, self.live)
            before, after = (np.take_along_axis(slopes, ranks[:, None] + step, axis=1)[:, 0] for step in (0, 1))
            share = EVEN / 2 + (1 - EVEN) * (ranks + 1) / (self.live + 1)
            contributions = np.take_along_axis(np.diff(scores, axis=1), ranks, axis=1)
            self.plain += float(np.square((contributions - self.centre[rows[part]]) / self.size[rows[part], None]).sum())
            left = contributions - (1 - share) * before - share * after
            self.orders.add(rows[part], left, self.size, ranks / (self.live - 1) - 0.5)
        self.chances = np.maximum(self.chances, reach * self.size / self.game.rows)
        self.reached[1] = reach

    def _levels(self) -> tuple[Estimate, Estimate]:
        everywhere = np.ones(self.game.rows)
        if self.few or self.pairs.counts.min() > 1:
            pairs = mean_of_all(self.pairs, self.size)
        else:
            pairs = mean_of_some(self.pairs, self.size, everywhere, self._known())
        complete = bool(self.orders.counts.all())
        if self.orders.counts.min() > 1:
            return pairs, mean_of_all(self.orders, self.size)
        level = np.ones((self.game.rows, self.live, 1))
        return pairs, mean_of_some(self.orders, self.size, everywhere if complete else self.chances, level, beside=True)

    def _sum(self, pairs: Estimate, orders: Estimate) -> Estimate:
        """Of the two levels, whose draws are independent."""
        return pairs.plus(orders).held_to(self.player.full - float(self.empty.mean()))

    def _due(self, pairs: Estimate, orders: Estimate) -> Array:
        """Draws of each level that the tolerance will have taken, or that spend the budget, each level getting what helps most (Neyman)."""
        made = np.array([self.pairs.counts.sum(), self.orders.counts.sum()], dtype=float)
        spread, prices = np.array([pairs.trace, orders.trace]) * made, np.array(self.prices, dtype=float)
        if not spread.any():
            return made
        shares, tolerance = np.sqrt(spread / prices), self.game.task.tolerance
        if not tolerance:
            return np.asarray(shares * self.game.task.max_evaluations / (shares @ prices))
        allowed = (pairs.trace + orders.trace) * (tolerance / self.relative(self._sum(pairs, orders))) ** 2
        return np.asarray(shares * np.sqrt(spread * prices).sum() / allowed)

    def _grow(self, pairs: Estimate, orders: Estimate) -> bool:
        """More draws of the level or levels that are short of what is due; False where the budget does not allow them."""
        wish = np.clip(HOPE * self._due(pairs, orders) / (self.pairs.counts.sum(), self.orders.counts.sum()), 1, FURTHEST)
        if wish.max() < GROWTH:
            wish[np.argmax(wish)] = GROWTH
        for _ in range(FITS):
            needed = sum(price * len(self._missing(level, wish[level])) for level, price in enumerate(self.prices))
            if needed <= self.left:
                break
            wish = 1 + (wish - 1) * 0.95 * self.left / needed
        if needed > self.left or (not needed and wish.max() < GROWTH):
            return False
        for level, draw in enumerate((self._draw_pairs, self._draw_orders)):
            draw(float(self.reached[level] * wish[level]))
        return True

    def _missing(self, level: int, growth: float) -> Array:
        counts = (self.pairs, self.orders)[level].counts
        return visits_until(self.reached[level] * growth, counts, self.size, self.draws[level].offsets, 0)[0]

    def state(self) -> Mapping[str, Array]:
        held = {
            "evaluations": np.array([self.evaluations]),
            "gradients": np.array([self.gradients]),
            "reached": self.reached,
            "plain": np.array([self.plain]),
            "empty": self.empty,
        }
        rows = {"size": self.size, "chances": self.chances, "centre": self.centre}
        return held | rows | self.pairs.state("pairs_") | self.orders.state("orders_")

    def _resume(self, state: Mapping[str, Array]) -> bool:
        self.before, self.gradients = int(state["evaluations"][0]), int(state["gradients"][0])
        self.empty, self.size, self.chances, self.centre = state["empty"], state["size"], state["chances"], state["centre"][:, : self.live]
        self.reached, self.plain = state["reached"].copy(), float(state["plain"][0])
        self.pairs.restore(state, "pairs_")
        self.orders.restore(state, "orders_")
        return True
