"""The game that coalition methods play: a score for each set of features that is kept, the others taking the fill's values.

Features that equal their fill in every row of it are dropped first: they cannot change the score. No coalition is scored twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pellucid.core.features import FeatureMap
from pellucid.core.method import Task
from pellucid.core.model import MaskRows
from pellucid.maths.coalitions import keys

Array = np.ndarray

NUMBERS_AT_ONCE = 8_000_000
"""Masks and composed inputs of one request are kept below this many numbers."""


@dataclass
class Player:
    """One sample's game. `live` are the features that can matter, `full` the score with all kept."""

    sample: int
    live: Array
    features: int
    full: float
    cache: dict[bytes, float] = field(default_factory=dict)
    evaluations: int = 0

    def spread(self, values: Array, width: int) -> Array:
        """Values of the live features among all, padded to `width`; the dropped ones get 0."""
        out = np.zeros(width)
        out[self.live] = values
        return out


class Game:
    """Scores coalitions of the live features of all samples of a task, in one queue."""

    def __init__(self, task: Task) -> None:
        if task.features is None or task.fills is None:
            raise ValueError("a coalition method needs features and fills")
        self.task, self.features, self.fills = task, task.features, task.fills
        self.width = int(self.features.counts.max())
        self.rows = self.fills.shape[1]
        self.players = [self._player(i) for i in range(len(task.inputs))]

    def _player(self, sample: int) -> Player:
        labels = self.features.of(sample)
        count = int(self.features.counts[sample if len(self.features.labels) > 1 else 0])
        differs = (self.task.inputs[sample] != self.fills[sample if len(self.fills) > 1 else 0]).any(axis=0)
        touched = np.broadcast_to(labels, differs.shape)[differs]
        return Player(sample, np.unique(touched[touched >= 0]), count, float(self.task.scores[sample]))

    def score(self, requests: Sequence[tuple[Player, Array, Array]]) -> list[Array]:
        """Scores of (player, coalitions of its live features (n, live), fill rows (n,)), each (n,)."""
        wanted: list[tuple[Player, list[bytes]]] = []
        fresh: list[tuple[Player, Array, Array, list[bytes]]] = []
        for player, coalitions, fill in requests:
            names = keys(coalitions, fill)
            unseen = {name: row for row, name in enumerate(names) if name not in player.cache}
            chosen = np.fromiter(unseen.values(), dtype=int, count=len(unseen))
            if len(chosen):
                fresh.append((player, coalitions[chosen], fill[chosen], list(unseen)))
            wanted.append((player, names))
        self._evaluate(fresh)
        return [np.array([player.cache[name] for name in names]) for player, names in wanted]

    def _evaluate(self, fresh: list[tuple[Player, Array, Array, list[bytes]]]) -> None:
        """Score what is new, in pieces that bound the memory."""
        per_row = self.width + 1
        piece = max(1, NUMBERS_AT_ONCE // per_row)
        pending: list[tuple[Player, Array, Array, list[bytes]]] = []
        held = 0
        for player, coalitions, fill, names in fresh:
            for start in range(0, len(names), piece):
                part = slice(start, start + piece)
                pending.append((player, coalitions[part], fill[part], names[part]))
                held += len(names[part])
                if held >= piece:
                    self._send(pending)
                    pending, held = [], 0
        if pending:
            self._send(pending)

    def _send(self, parts: list[tuple[Player, Array, Array, list[bytes]]]) -> None:
        masks = np.zeros((sum(len(names) for *_, names in parts), self.width), dtype=np.float32)
        start = 0
        for player, coalitions, _, names in parts:
            masks[start : start + len(names), player.live] = coalitions
            start += len(names)
        samples = sorted({player.sample for player, *_ in parts})
        place = {sample: i for i, sample in enumerate(samples)}
        rows = MaskRows(
            inputs=self.task.inputs[samples],
            fills=self.fills if len(self.fills) == 1 else self.fills[samples],
            labels=self.features.labels if len(self.features.labels) == 1 else self.features.labels[samples],
            masks=masks,
            sample=np.concatenate([np.full(len(names), place[player.sample]) for player, *_, names in parts]),
            fill=np.concatenate([fill for _, _, fill, _ in parts]).astype(int),
        )
        scores = self.task.model.masked_scores(rows, self.task.target.take(np.array(samples)))
        start = 0
        for player, _, _, names in parts:
            player.cache.update(zip(names, scores[start : start + len(names)].tolist(), strict=True))
            player.evaluations += len(names)
            start += len(names)

    def empty(self, players: Sequence[Player]) -> list[Array]:
        """Scores with every live feature absent, per player (fill rows,)."""
        fills = np.arange(self.rows)
        return self.score([(player, np.zeros((self.rows, len(player.live)), np.uint8), fills) for player in players])


def padded(features: FeatureMap) -> tuple[str, ...]:
    """Axes of what a coalition method gives."""
    return ("sample", features.kind)
