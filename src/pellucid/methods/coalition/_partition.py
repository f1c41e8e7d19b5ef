"""The engine of Owen values: which hierarchy the features have, every coalition it allows, or orders that keep its groups together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.features import FeatureMap
from pellucid.core.method import Task
from pellucid.core.packing import Packing
from pellucid.maths.coalitions import permutation_contributions, prefixes
from pellucid.maths.hierarchy import Contexts, Hierarchy, Nested, by_correlation, by_place, from_linkage, from_nested, joined
from pellucid.methods import _stopping
from pellucid.methods.coalition._game import Game, Player
from pellucid.methods.coalition._orders import Answer, Scheme

Array = np.ndarray

LEAST_ROWS = 10
"""Rows of a background from which correlations of its columns are taken."""
NUMBERS_AT_ONCE = 2_000_000
"""Numbers of the coalitions that are scored together."""


def hierarchies(task: Task, game: Game, given: Any) -> tuple[dict[int, Hierarchy], str]:
    """The hierarchy of each player's live features, by its sample, and where it comes from in words."""
    known: dict[tuple[int, int], Hierarchy] = {}
    table, correlated = task.inputs.ndim == 2, game.rows >= LEAST_ROWS
    found = {}
    for player in game.players:
        which = (min(player.sample, len(game.features.labels) - 1), min(player.sample, len(game.fills) - 1) if table and correlated else 0)
        if which not in known:
            labels = game.features.of(player.sample)
            if given is not None:
                known[which] = read(given, game.features, player.features)
            elif task.packing is not None:
                known[which] = _input_by_input(task.packing, labels, game.fills[which[1]] if correlated else None, player.features)
            elif table and correlated:
                columns = np.broadcast_to(labels, task.inputs.shape[1:])
                groups = [np.flatnonzero(columns == feature) for feature in range(player.features)]
                known[which] = by_correlation(game.fills[which[1]].astype(np.float64), groups)
            else:
                known[which] = by_place(_centres(labels, player.features))
        found[player.sample] = known[which].restricted(player.live)
    if given is None and task.packing is not None:
        return found, "inputs, and in each its columns' correlation or its places"
    return found, "given" if given is not None else "correlation of the background's columns" if table and correlated else "places, halved"


def _input_by_input(packing: Packing, labels: Array, rows: Array | None, count: int) -> Hierarchy:
    """The inputs at the top, below each its own features: of a table by their correlation where there are rows for it, else by their places."""
    parts, taken = [], np.zeros(count, bool)
    for (name, own), part in zip(packing.unpack(np.broadcast_to(labels, (packing.total,))).items(), packing.slices.values(), strict=True):
        own = np.atleast_1d(own)
        features = np.unique(own[own >= 0])
        features = features[~taken[features]]  # one that covers elements of several inputs stands with the first
        taken[features] = True
        place = np.full(count + 1, -1)
        place[features] = np.arange(len(features))
        mine = place[own]
        if rows is not None and own.ndim == 1 and name not in packing.tokens:
            tree = by_correlation(rows[:, part].astype(np.float64), [np.flatnonzero(mine == feature) for feature in range(len(features))])
        else:
            tree = by_place(_centres(mine, len(features)))
        parts += [(tree, features)] if len(features) else []
    return joined(parts, count)


def _centres(labels: Array, features: int) -> Array:
    """The middle of each feature on its map, (features, axes)."""
    flat = labels.ravel()
    inside = flat >= 0
    counts = np.maximum(np.bincount(flat[inside], minlength=features), 1)
    places = np.indices(labels.shape).reshape(labels.ndim, -1)
    return np.stack([np.bincount(flat[inside], place[inside], features) / counts for place in places], axis=1)


def read(given: Any, features: FeatureMap, count: int) -> Hierarchy:
    """A hierarchy that a user wrote: nested lists of names or numbers, or a SciPy linkage."""
    if isinstance(given, np.ndarray):
        if given.shape != (count - 1, 4):
            raise SettingError(f"hierarchy is a linkage of shape {given.shape}, expected ({count - 1}, 4) for {count} features; use scipy.cluster.hierarchy.")
        tree = from_linkage(given)
        if not all(0 <= child < tree.leaves + i for i, pair in enumerate(tree.children) for child in pair) or not (tree.members[-1] == 1).all():
            raise SettingError("hierarchy is no linkage: each row must join two clusters that came before it, each once; use scipy.cluster.hierarchy.")
        return tree
    numbers = {name: number for number, name in enumerate(features.names[:count])}
    leaves: list[int] = []

    def nested(part: Any) -> Nested:
        if isinstance(part, (list, tuple)) and len(part):
            return tuple(nested(one) for one in part)
        number = numbers.get(part) if isinstance(part, str) else part
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
            raise SettingError(f"hierarchy holds {part!r}, expected numbers or names of features in nested lists, e.g. [[0, 1], [2, [3, 4]]].")
        leaves.append(int(number))
        return int(number)

    whole = nested(given)
    if sorted(leaves) != list(range(count)):
        missing, extra = sorted(set(range(count)) - set(leaves)), sorted(one for one in set(leaves) if leaves.count(one) > 1 or not 0 <= one < count)
        raise SettingError(f"hierarchy must hold each of the {count} features once; missing are {missing[:8]}, twice or unknown {extra[:8]}.")
    return from_nested(whole)


def cost(game: Game, tree: Hierarchy) -> float:
    """Evaluations that the exact values need: the full coalition is known."""
    return game.rows * (tree.coalitions - 1)


def solve(game: Game, players: Sequence[Player], tree: Hierarchy) -> dict[int, Answer]:
    """Owen values of players with one hierarchy, from every coalition that it allows."""
    if tree.leaves == 0:
        nothing = _stopping.nothing("every feature equals its fill")
        return {player.sample: Answer(np.zeros(0), np.zeros(0), player.evaluations, nothing, player.full) for player in players}
    empty = {player.sample: float(scores.mean()) for player, scores in zip(players, game.empty(players), strict=True)}
    values = {player.sample: (player.full - empty[player.sample]) * tree.portions[tree.root] for player in players}
    for parts in _pooled(tree):
        coalitions = np.concatenate([part.coalitions for part in parts])
        ends = np.cumsum([len(part.coalitions) for part in parts])[:-1]
        total = {player.sample: np.zeros(len(coalitions)) for player in players}
        for row in range(game.rows):
            fill = np.full(len(coalitions), row)
            for player, scores in zip(players, game.score([(player, coalitions, fill) for player in players]), strict=True):
                total[player.sample] += scores
        for found, scores in total.items():
            values[found] += sum(part.shares(piece) for part, piece in zip(parts, np.split(scores / game.rows, ends), strict=True))
    stop = _stopping.exact(f"all {tree.coalitions:,.0f} coalitions that the hierarchy of {tree.leaves} features allows")
    return {player.sample: Answer(values[player.sample], np.zeros(tree.leaves), player.evaluations, stop, empty[player.sample]) for player in players}


def _pooled(tree: Hierarchy) -> Iterator[list[Contexts]]:
    """The coalitions in lists that are worth a request."""
    parts: list[Contexts] = []
    for part in tree.contexts(NUMBERS_AT_ONCE):
        parts.append(part)
        if sum(one.coalitions.size for one in parts) >= NUMBERS_AT_ONCE:
            yield parts
            parts = []
    if parts:
        yield parts


@dataclass(frozen=True)
class HierarchicalOrders(Scheme):
    """An order that keeps every group of the hierarchy together, and its reverse: what each feature adds when it joins."""

    tree: Hierarchy
    unit: ClassVar[str] = "pairs of orders"

    @property
    def live(self) -> int:  # type: ignore[override]
        return self.tree.leaves

    @property
    def width(self) -> int:
        return self.tree.leaves

    @property
    def evaluations(self) -> int:
        return 2 * (self.tree.leaves - 1)

    def draw(self, generator: np.random.Generator, count: int) -> Array:
        return self.tree.ranks(generator, count)

    def coalitions(self, ranks: Array) -> Array:
        return prefixes(ranks).reshape(-1, self.tree.leaves)

    def vectors(self, ranks: Array, scores: Array, empty: Array, full: float) -> Array:
        return permutation_contributions(ranks, scores.reshape(len(ranks), 2, -1), empty, full)

    def unpacked(self, vector: Array) -> Array:
        return vector
