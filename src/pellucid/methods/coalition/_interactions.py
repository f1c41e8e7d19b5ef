"""The engine of pairwise interactions: every coalition, or the arcs of circular orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from pellucid.maths.coalitions import all_coalitions
from pellucid.maths.interactions import arc_interactions, arcs, exact_interactions
from pellucid.methods import _stopping
from pellucid.methods.coalition import _orders
from pellucid.methods.coalition._game import Game, Player
from pellucid.methods.coalition._orders import Answer, Scheme

Array = np.ndarray

WORTH_ENUMERATING = 16_384
"""Up to this many evaluations an enumeration is taken at once: sampling to the default tolerance may cost as much."""
ENUMERABLE = 20
"""Above this many live features no budget is worth an enumeration."""


def cost(game: Game, live: int) -> float:
    """Evaluations that all coalitions need: the full one is known."""
    return float(game.rows * (2**live - 1)) if live <= ENUMERABLE else float("inf")


def explain(game: Game) -> dict[int, Answer]:
    """Each player's answer, by its sample. What is too many coalitions to begin with is drawn, at most until enumerating would have cost as much: then it is
    enumerated, what was drawn being known already."""
    budget = game.task.max_evaluations
    alike: dict[int, list[Player]] = {}
    for player in game.players:
        alike.setdefault(len(player.live), []).append(player)
    costs = {live: cost(game, live) for live in alike}
    few = {live for live in alike if costs[live] <= budget and costs[live] <= max(WORTH_ENUMERATING, 2 * _orders.least(game, CircularOrders(live)))}
    answers: dict[int, Answer] = {}
    for live in few:
        answers |= solve(game, alike[live])
    drawn = [player for player in game.players if player.sample not in answers]
    limits = {player.sample: costs[len(player.live)] for player in drawn if costs[len(player.live)] <= budget}
    answers |= _orders.sample(game, {player.sample: CircularOrders(len(player.live)) for player in drawn}, limits)
    for live in set(alike) - few:
        unmet = [player for player in alike[live] if answers[player.sample].stop.code == "budget_exhausted"]
        left = [player for player in unmet if costs[live] + answers[player.sample].evaluations - player.evaluations <= budget]
        before = {player.sample: answers[player.sample].evaluations - player.evaluations for player in left}
        for sample, answer in (solve(game, left) if left else {}).items():
            answers[sample] = replace(answer, evaluations=answer.evaluations + before[sample])
    return answers


def solve(game: Game, players: Sequence[Player]) -> dict[int, Answer]:
    """Interactions of players with as many live features, from every coalition, averaged over the fill's rows."""
    live = len(players[0].live)
    if live == 0:
        stop = _stopping.nothing("every feature equals its fill")
        return {player.sample: Answer(np.zeros((0, 0)), np.zeros((0, 0)), player.evaluations, stop, player.full) for player in players}
    coalitions = all_coalitions(live)[:-1]
    total = {player.sample: np.zeros(2**live) for player in players}
    for row in range(game.rows):
        fill = np.full(len(coalitions), row)
        for player, scores in zip(players, game.score([(player, coalitions, fill) for player in players]), strict=True):
            total[player.sample][:-1] += scores / game.rows
    stop = _stopping.exact(f"all {2**live:,} coalitions of {live} features that differ from the fill")
    found = {}
    for player in players:
        scores = total[player.sample]
        scores[-1] = player.full
        values = exact_interactions(scores, live) if live > 1 else np.diff(scores)[None]
        found[player.sample] = Answer(values, np.zeros((live, live)), player.evaluations, stop, float(scores[0]))
    return found


@dataclass(frozen=True)
class CircularOrders(Scheme):
    """Features on a circle in random order: its arcs tell of every pair at once.

    A vector holds the main effects and then the pairs, these times √2, since each stands in the matrix twice.
    """

    live: int
    unit: ClassVar[str] = "circular orders"

    @property
    def width(self) -> int:
        return self.live * (self.live + 1) // 2

    @property
    def evaluations(self) -> int:
        return self.live * (self.live - 1)

    @cached_property
    def _pairs(self) -> tuple[Array, Array]:
        first, second = np.triu_indices(self.live, 1)
        return first, second

    def draw(self, generator: np.random.Generator, count: int) -> Array:
        return generator.permuted(np.tile(np.arange(self.live), (count, 1)), axis=1)

    def coalitions(self, ranks: Array) -> Array:
        return arcs(ranks).reshape(-1, self.live)

    def vectors(self, ranks: Array, scores: Array, empty: Array, full: float) -> Array:
        found = arc_interactions(ranks, scores.reshape(len(ranks), self.live - 1, self.live), empty, full)
        first, second = self._pairs
        return np.concatenate([np.diagonal(found, axis1=1, axis2=2), np.sqrt(2) * found[:, first, second]], axis=1)

    def unpacked(self, vector: Array) -> Array:
        first, second = self._pairs
        matrix = np.diag(vector[: self.live])
        matrix[first, second] = matrix[second, first] = vector[self.live :] / np.sqrt(2)
        return matrix
