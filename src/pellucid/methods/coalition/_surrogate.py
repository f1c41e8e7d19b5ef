"""The engine of LIME: pairs of masks drawn in one stream for all samples, the sums a linear fit needs, controls that take out noise, and when to stop.

Samples with as many live features meet the same masks, so they go in step: masks, their numbers and their part of the regression are made once for all.
Pair number p of a stream depends on the seed, p and the number of features alone; a later run draws the same masks again and needs only the scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.maths.coalitions import random_pairs
from pellucid.maths.pair_control import PairControl, elsewhere, product_line
from pellucid.maths.ranking import Ranking, rank
from pellucid.maths.regression import Design, Fit, Line, PairSandwich, Response, Solver, lime_kernel
from pellucid.maths.statistics import covariance_quantile, unbiased_square
from pellucid.methods import _stopping
from pellucid.methods.coalition._game import Game, Player, Request

Array = np.ndarray

FIRST_PAIRS = 64
"""Pairs before the first look; twice as many where the tolerance is below `LOOSE`, which so few hardly meet."""
LOOSE = 0.1
BLOCK = 128
"""Pairs that one generator draws."""
NUMBERS_AT_ONCE = 32_768
"""Numbers of the masks that are held at once."""
HEAD = 256
"""Pairs that interactions are fitted to."""
WORTH = 0.1
"""A control that takes out less than this share of the variance is dropped after the head."""
STEPS = 8
"""Places for a look in each doubling: few, so that samples that stop at different times still go in step."""
REPEATED = 32
"""With a background the first so many pairs of masks come twice, with different rows, which tells what rows do from what the line misses."""
REPEATS = 4
"""Draws per evaluation of the budget, at most, where most masks are met again."""


@dataclass(frozen=True)
class Settings:
    """What the user chose: the kernel's width, the ridge, whether controls are used, how many features are ranked and how surely."""

    kernel_width: float
    ridge: float
    adjusted: bool
    top: int
    confidence: float


@dataclass(frozen=True)
class Answer:
    """One sample's surrogate: its fit, ranking of live features, relative error, and whether it converged before the budget was spent."""

    fit: Fit
    ranking: Ranking
    estimate: float
    converged: bool
    evaluations: int


class Stream:
    """Pairs of masks of `live` features, by number, and the row of the fill that each pair takes; rows come in turn."""

    def __init__(self, seed: int, live: int, rows: int, repeated: int) -> None:
        self.seed, self.live, self.rows, self.repeated = seed, live, rows, repeated
        self._latest = (-1, np.zeros(0, np.uint8))

    def masks(self, start: int, stop: int) -> Array:
        """Pairs start to stop, (2 · pairs, live), uint8."""
        parts = []
        for number in range(start // BLOCK, -(-stop // BLOCK)):
            low, high = max(start - number * BLOCK, 0), min(stop - number * BLOCK, BLOCK)
            parts.append(self._block(number)[2 * low : 2 * high])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _block(self, number: int) -> Array:
        if self._latest[0] != number:
            self._latest = (number, random_pairs(np.random.default_rng((self.seed, number)), BLOCK, self.live))
            if number == 0 and self.repeated:
                self._latest[1][2 * self.repeated : 4 * self.repeated] = self._latest[1][: 2 * self.repeated]
        return self._latest[1]

    def fills(self, start: int, stop: int) -> Array:
        """Rows of the fill, (2 · pairs,); a pair that comes again gets another row."""
        pairs = np.arange(start, stop)
        again = (pairs >= self.repeated) & (pairs < 2 * self.repeated) & (self.repeated % self.rows == 0)
        return np.repeat((pairs + again) % self.rows, 2)


@dataclass(frozen=True)
class Piece:
    """Some pairs with all that a fit needs of them: weights (2 · pairs,), columns of the design (2 · pairs, columns) and these times the weights."""

    rows: slice
    weights: Array
    columns: Array
    weighted: Array

    def joined(self, other: Piece) -> Piece:
        """This and the pairs that follow it."""
        arrays = [np.concatenate(both) for both in ((self.weights, other.weights), (self.columns, other.columns), (self.weighted, other.weighted))]
        return Piece(slice(self.rows.start, other.rows.stop), *arrays)


class Run:
    """One sample on its way: `scores` (2 · pairs,) and `control` so far, the sums of its regression, and at how many pairs it is looked at next.

    `stored` are scores from an earlier time, which took `spent` evaluations.
    """

    def __init__(self, player: Player, stored: Array, spent: int) -> None:
        self.player, self.stored, self.spent = player, stored, spent
        self.scores, self.control = np.zeros(0), np.zeros(0)
        self.controlled = False
        self.strengths: Array | None = None
        self.sums: Response | None = None
        self.plan = 0
        self.answer: Answer | None = None

    def keep(self, rows: slice, scores: Array) -> None:
        """Scores of the next pairs."""
        if rows.stop > len(self.scores):
            more = np.zeros(max(rows.stop, 3 * len(self.scores) // 2) - len(self.scores))
            self.scores, self.control = np.concatenate([self.scores, more]), np.concatenate([self.control, more])
        self.scores[rows] = scores

    def response(self, piece: Piece) -> Response:
        """The sums over a piece of the scores, less the full one, and of the control where there is one."""
        columns = [self.scores[piece.rows] - self.player.full, self.control[piece.rows]]
        return Response.of(piece.weighted, piece.weights, np.stack(columns[: 1 + self.controlled], axis=1))


class Group:
    """Samples that meet the same masks, in step: all that are not done hold the same number of pairs."""

    def __init__(self, game: Game, runs: Sequence[Run], settings: Settings) -> None:
        self.game, self.task, self.settings = game, game.task, settings
        self.runs, self.live = list(runs), len(runs[0].player.live)
        background = game.rows > 1 and settings.adjusted
        self.stream = Stream(game.task.seed, self.live, game.rows, REPEATED if background else 0)
        self.shifts = row_shifts(game, runs[0].player) if background else np.zeros((1, 0))
        pairwise = settings.adjusted and game.rows == 1 and self.live > 1
        self.line = product_line(lime_kernel(np.tri(self.live + 1, self.live, -1), settings.kernel_width)) if pairwise else None
        self.head: Piece | None = None
        self.design = Design(self.live + self.shifts.shape[1])
        self.pairs = self._next = 0
        self._masks = np.zeros((0, self.live), np.uint8)
        first, budget = FIRST_PAIRS * (1 if self.task.tolerance >= LOOSE else 2), self.task.max_evaluations // 2
        for run in self.runs:  # at a tolerance of nought the budget is spent, and a look before that has nothing to decide
            run.plan = min(max(first, 2 * self.live + 2), budget) if self.task.tolerance > 0 else budget

    @property
    def active(self) -> list[Run]:
        return [run for run in self.runs if run.answer is None]

    def requests(self) -> list[tuple[Run, Request]]:
        """The next masks, for every active run whose scores are not stored: up to the next look, as far as memory goes."""
        active = self.active
        ends = [self.pairs + self._room, HEAD, *(run.plan for run in active), *(len(run.stored) // 2 for run in active)]
        self._next = min(end for end in ends if end > self.pairs)
        masks, rows = self.stream.masks(self.pairs, self._next), slice(2 * self.pairs, 2 * self._next)
        self._masks = masks
        fills = self.stream.fills(self.pairs, self._next)
        stored = [run for run in active if len(run.stored) >= rows.stop]
        self.game.learn([(run.player, masks, fills) for run in stored], [run.stored[rows] for run in stored])
        for run in stored:
            run.keep(rows, run.stored[rows])
        return [(run, (run.player, masks, fills)) for run in active if len(run.stored) < rows.stop]

    def advance(self, scored: Sequence[tuple[Run, Array]]) -> None:
        """Take the scores of the requests, then look at whoever has come so far."""
        start, self.pairs = self.pairs, self._next
        for run, scores in scored:
            run.keep(slice(2 * start, 2 * self.pairs), scores)
        active = self.active
        due = [run for run in active if run.plan == self.pairs]
        piece = self._piece(start, self._masks)
        self.design.add(piece.weighted, piece.columns, piece.weights)
        if start >= HEAD:
            self._follow(active, piece)
        else:
            self.head = piece if self.head is None else self.head.joined(piece)
            if self.pairs == HEAD or due:
                self._begin(active if self.pairs == HEAD else due, self.head)
        if due:
            self._look(due)
        if self.pairs >= HEAD:
            self.head = None

    @property
    def _room(self) -> int:
        """Pairs that are held at once."""
        return max(BLOCK, NUMBERS_AT_ONCE // (2 * self.live) // BLOCK * BLOCK)

    def _piece(self, start: int, masks: Array) -> Piece:
        """What a fit needs of the pairs from `start` on."""
        columns = masks.astype(np.float64)
        if self.shifts.size:
            rows = self.stream.fills(start, start + len(masks) // 2)
            columns = np.concatenate([columns, (1 - columns) * self.shifts[rows]], axis=1)
        weights = lime_kernel(masks, self.settings.kernel_width)
        return Piece(slice(2 * start, 2 * start + len(masks)), weights, columns, columns * weights[:, None])

    def _pieces(self) -> Iterator[Piece]:
        """All pairs so far: while they are few they are kept, later drawn again in parts that bound the memory."""
        if self.head is not None:
            yield self.head
            return
        for start in range(0, self.pairs, self._room):
            yield self._piece(start, self.stream.masks(start, min(self.pairs, start + self._room)))

    def _begin(self, runs: Sequence[Run], head: Piece) -> None:
        """The sums of all pairs so far, with controls that are fitted to them; at the head's end each control is kept or dropped."""
        products = None if self.line is None else PairControl(head.columns[::2], self.line)
        if products is not None:
            controls = products.without_self(np.stack([run.scores[head.rows] for run in runs], axis=1))
            for run, control in zip(runs, controls.T, strict=True):
                run.controlled, run.control[head.rows] = True, control
        for run in runs:
            run.sums = run.response(head)
        if products is not None and self.pairs == HEAD:
            solver = Solver(self.design, self.live, self.live)
            for run in runs:
                if run.sums is not None and solver.line(run.sums).gain >= WORTH:
                    run.strengths = products.strengths(run.scores[head.rows])
                else:
                    run.controlled = False
                    run.sums = run.response(head)

    def _follow(self, runs: Sequence[Run], piece: Piece) -> None:
        """Add pairs after the head to the sums."""
        for run in runs:
            if run.strengths is not None and self.line is not None:
                run.control[piece.rows] = elsewhere(piece.columns[::2], run.strengths, self.line)
            found = run.response(piece)
            run.sums = found if run.sums is None else run.sums + found

    def _look(self, runs: Sequence[Run]) -> None:
        """Fit, then stop or plan."""
        columns = self.design.centre.size if self.pairs > 2 * self.design.centre.size else self.live
        solver = Solver(self.design, self.live, columns, self.settings.ridge)
        lines = [solver.line(run.sums) for run in runs if run.sums is not None]
        shares = self._shares(runs, lines, solver)
        clusters = self.pairs - min(max(self.pairs - self.stream.repeated, 0), self.stream.repeated)
        for run, line, meat, share in zip(runs, lines, self._meats(runs, lines), shares, strict=True):
            covariance, degrees = solver.covariance(meat, clusters, columns + 1 + run.controlled)
            self._conclude(run, Fit(line.coefficients, covariance, line.intercept + run.player.full, share, degrees))

    def _left(self, runs: Sequence[Run], lines: Sequence[Line], piece: Piece) -> Array:
        """What fits leave of the scores, (runs, rows)."""
        slopes = np.stack([np.concatenate([line.coefficients, line.nuisance]) for line in lines])
        left = slopes @ piece.columns[:, : slopes.shape[1]].T
        for run, line, row in zip(runs, lines, left, strict=True):
            np.subtract(run.scores[piece.rows] - (line.intercept + run.player.full), row, out=row)
            if line.share:
                row -= line.share * run.control[piece.rows]
        return left

    def _meats(self, runs: Sequence[Run], lines: Sequence[Line]) -> list[Array]:
        """The middles of the sandwiches, for which all masks are gone through once more; masks that come twice are one cluster."""
        middles = [PairSandwich(self.live) for _ in runs]
        twice = self.stream.repeated
        for piece in self._pieces():
            first = np.ascontiguousarray(piece.columns[::2, : self.live])
            left = self._left(runs, lines, piece) * piece.weights
            for row, middle in zip(left, middles, strict=True):
                weighted = row.reshape(-1, 2)
                if twice and not piece.rows.start:
                    again = weighted[twice : 2 * twice]
                    weighted[: len(again)] += again
                    again[:] = 0
                middle.add(first, weighted)
        return [middle.meat(self.design.centre[: self.live]) for middle in middles]

    def _shares(self, runs: Sequence[Run], lines: Sequence[Line], solver: Solver) -> list[float]:
        """R² of the mean over the fill's rows. What the line misses is told from what rows do by the masks that came twice: with m = E[e²] and
        q = E[e e'] for the two rows' residuals, the line misses (m + (R − 1) q)/R of R rows' mean. What is left of single scores is a bound."""
        twice, rows, least = self.stream.repeated, self.game.rows, [line.r_squared for line in lines]
        if not twice or self.pairs < 2 * twice:
            return least
        piece = self._piece(0, self.stream.masks(0, 2 * twice))
        left, weights = self._left(runs, lines, piece).reshape(len(runs), 2, -1), piece.weights[: 2 * twice]
        own, both = (product @ weights / weights.sum() for product in (np.square(left).mean(axis=1), left[:, 0] * left[:, 1]))
        missed = np.maximum((own + (rows - 1) * both) / rows, 0)
        slopes, information = np.stack([line.coefficients for line in lines]), solver.information[: self.live, : self.live]
        explained = np.einsum("rj,jk,rk->r", slopes, information, slopes) / self.design.total
        whole = np.maximum(explained + missed, np.finfo(float).tiny)
        return [max(bound, float(share)) for bound, share in zip(least, explained / whole, strict=True)]

    def _conclude(self, run: Run, fit: Fit) -> None:
        """Stop where the error is small enough and the order of the strongest settled, or where the budget is spent; else plan the next look."""
        task, used = self.task, run.player.evaluations
        norm = float(np.sqrt(unbiased_square(float(np.square(fit.coefficients).sum()), float(np.trace(fit.covariance)))))
        estimate = _stopping.relative(covariance_quantile(fit.covariance, fit.degrees), norm, 0.0)
        precise = estimate <= task.tolerance and self.pairs >= _stopping.MIN_PAIRS
        wanted = (estimate / task.tolerance) ** 2 if task.tolerance > 0 else np.inf
        ranking = rank(fit.coefficients, fit.covariance, fit.degrees, self.settings.top, self.settings.confidence, task.tolerance * norm)
        growth = float(np.clip(1.05 * max(wanted, ranking.factor()), 1 + 1 / STEPS, 2.0))
        step = max(8, 2 ** (self.pairs.bit_length() - 1) // STEPS)
        run.plan = min(-(-int(self.pairs * growth) // step) * step, self.pairs + (task.max_evaluations - used) // 2)
        spent = run.plan <= self.pairs or self.pairs >= REPEATS * task.max_evaluations
        converged = precise and not ranking.unsettled.any()
        if not converged and not spent:
            return
        run.answer = Answer(fit, ranking, estimate, converged, max(used, run.spent))
        run.scores = run.stored if len(run.stored) > 2 * self.pairs else run.scores[: 2 * self.pairs].copy()
        run.control = np.zeros(0)
        run.player.forget()


def go_through(game: Game, groups: Sequence[Group]) -> None:
    """All groups in one queue, until every run has its answer."""
    number = sum(len(group.runs) for group in groups)
    active = [group for group in groups if group.active]
    while active:
        asked = [group.requests() for group in active]
        found = iter(game.score([request for requests in asked for _, request in requests]))
        for group, requests in zip(active, asked, strict=True):
            group.advance([(run, next(found)) for run, _ in requests])
        active = [group for group in groups if group.active]
        game.task.progress(1 - sum(len(group.active) for group in active) / number)


def row_shifts(game: Game, player: Player) -> Array:
    """How each row of the fill departs from their mean in each live feature (the mean over its elements), in standard deviations: (rows, live).

    (1 − z_j) times this is a control: over all rows it is nothing whatever z, and a score depends on it where it depends on what stands for the absent.
    """
    fills = game.fills[player.sample if len(game.fills) > 1 else 0]
    labels = np.broadcast_to(game.features.of(player.sample), fills.shape[1:]).ravel() + 1
    elements = np.bincount(labels, minlength=game.width + 1)
    sums = np.stack([np.bincount(labels, weights=row.ravel(), minlength=game.width + 1) for row in fills])
    means = (sums / np.maximum(elements, 1))[:, 1 + player.live]
    apart = means - means.mean(axis=0)
    spread = apart.std(axis=0)
    return np.asarray(apart / np.where(spread > 0, spread, 1.0))
