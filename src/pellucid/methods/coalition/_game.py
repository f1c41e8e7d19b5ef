"""The game that coalition methods play: a score for each set of features that is kept, the others taking the fill's values.

Features that equal their fill in every row of it are dropped first: they cannot change the score. No coalition is scored twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pellucid.core.errors import NonFiniteError
from pellucid.core.features import FeatureMap
from pellucid.core.method import Task
from pellucid.core.model import INPUT, MaskRows, batches
from pellucid.maths.coalition_index import FULL, CoalitionIndex

Array = np.ndarray
Request = tuple["Player", Array, Array]
"""A player, coalitions of its live features (n, live) as zeros and ones, and the fill's row of each (n,)."""

NUMBERS_AT_ONCE = 131_072
"""Masks of one request to the model are kept near this many numbers: enough for several batches, little beside one batch of images."""
LARGE_INDEX = 32_768
"""A player with no scores yet does not join an index with more coalitions than this: most of its own may be others."""


@dataclass(eq=False)
class Player:
    """One sample's game. `live` are the features that can matter, `full` the score with all kept.

    `index` numbers its coalitions; players with as many live features share one for as long as they are asked for the same coalitions. `known` holds the
    scores by these numbers, NaN where there is none yet.
    """

    sample: int
    live: Array
    features: int
    full: float
    index: CoalitionIndex
    known: Array = field(default_factory=lambda: np.full(64, np.nan))
    evaluations: int = 0

    def __post_init__(self) -> None:
        self.known[FULL] = self.full

    def spread(self, values: Array, width: int) -> Array:
        """Values of the live features among all, padded to `width`; the dropped ones get 0."""
        out = np.zeros(width)
        out[self.live] = values
        return out

    def reserve(self) -> None:
        """Room for every number of the index."""
        missing = len(self.index) - len(self.known)
        if missing > 0:
            self.known = np.concatenate([self.known, np.full(max(missing, len(self.known) // 2), np.nan)])

    def forget(self) -> None:
        """Let go of all scores, once no more are asked for."""
        self.index = CoalitionIndex(len(self.live), self.index.rows)
        self.known = np.full(64, np.nan)
        self.known[FULL] = self.full


class _Numbered(NamedTuple):
    """A request's arrays with the numbers of its coalitions and which rows are the first with theirs."""

    coalitions: Array
    fill: Array
    numbers: Array
    first: Array


class _Part(NamedTuple):
    """Coalitions of one player that are to be scored, and where in which array their scores go."""

    player: Player
    masks: Array
    fill: Array
    numbers: Array | slice
    into: Array


class Game:
    """Scores coalitions of the live features of all samples of a task, in one queue.

    Requests that share their arrays (the very same objects) are numbered once: every sample meets the same stream of draws, so a method does well to
    draw once for all players with as many live features.
    """

    def __init__(self, task: Task) -> None:
        if task.features is None or task.fills is None:
            raise ValueError("a coalition method needs features and fills")
        self.task, self.features, self.fills = task, task.features, task.fills
        self.width = int(self.features.counts.max())
        self.rows = self.fills.shape[1]
        batch = task.model.rows_at_once(task.inputs)
        self.piece = batch * max(1, NUMBERS_AT_ONCE // (self.width * batch))
        self._indices: dict[int, CoalitionIndex] = {}
        self.players = [self._player(i) for i in range(len(task.inputs))]

    def _player(self, sample: int) -> Player:
        labels = self.features.of(sample)
        count = int(self.features.counts[sample if len(self.features.labels) > 1 else 0])
        differs = (self.task.inputs[sample] != self.fills[sample if len(self.fills) > 1 else 0]).any(axis=0)
        touched = np.broadcast_to(labels, differs.shape)[differs]
        live = np.unique(touched[touched >= 0])
        if len(live) not in self._indices:
            self._indices[len(live)] = CoalitionIndex(len(live), self.rows)
        return Player(sample, live, count, float(self.task.scores[sample]), self._indices[len(live)])

    def score(self, requests: Sequence[Request]) -> list[Array]:
        """Scores of (player, coalitions of its live features (n, live), fill rows (n,)), each (n,)."""
        if len({player.sample for player, *_ in requests}) < len(requests):
            return [scores for request in requests for scores in self.score([request])]
        numbered = self._numbered(requests)
        pending: list[_Part] = []
        held = 0
        for (player, coalitions, fill), (*_, numbers, first) in zip(requests, numbered, strict=True):
            player.reserve()
            rows = np.flatnonzero(np.isnan(player.known[numbers]) & first)
            start = 0
            while start < len(rows):
                part = slice(start, start + self.piece - held)
                chosen = part if len(rows) == len(numbers) else rows[part]
                pending.append(_Part(player, coalitions[chosen], fill[chosen], numbers[chosen], player.known))
                start, held = part.stop, held + len(pending[-1].fill)
                if held == self.piece:
                    self._send(pending)
                    pending, held = [], 0
        if pending:
            self._send(pending)
        return [player.known[one.numbers] for (player, *_), one in zip(requests, numbered, strict=True)]

    def score_new(self, requests: Sequence[Request]) -> list[Array]:
        """The same for coalitions drawn from so many that none is met twice: they are neither looked up nor kept."""
        found = [np.empty(len(fill)) for _, _, fill in requests]
        pending: list[_Part] = []
        held = 0
        for (player, coalitions, fill), scores in zip(requests, found, strict=True):
            start = 0
            while start < len(fill):
                part = slice(start, min(start + self.piece - held, len(fill)))
                pending.append(_Part(player, coalitions[part], fill[part], part, scores))
                held += part.stop - start
                start = part.stop
                if held == self.piece:
                    self._send(pending)
                    pending, held = [], 0
        if pending:
            self._send(pending)
        return found

    def learn(self, requests: Sequence[Request], scores: Sequence[Array]) -> None:
        """Take scores (n,) of each request from an earlier time, as if they had been made now; they count as evaluations."""
        for (player, *_), one, given in zip(requests, self._numbered(requests), scores, strict=True):
            player.reserve()
            player.evaluations += int(np.count_nonzero(np.isnan(player.known[one.numbers]) & one.first))
            player.known[one.numbers] = given

    def _numbered(self, requests: Sequence[Request]) -> list[_Numbered]:
        """The numbers of all requests. Players that share an index but are asked for different coalitions part here."""
        latest: dict[CoalitionIndex, _Numbered] = {}
        found = []
        for player, coalitions, fill in requests:
            if not player.evaluations and len(player.index) > LARGE_INDEX:
                player.index = CoalitionIndex(len(player.live), self.rows)
            one = latest.get(player.index)
            if one is None or one.coalitions is not coalitions or one.fill is not fill:
                if one is not None:
                    player.index = player.index.copy()
                one = _Numbered(coalitions, fill, *player.index.numbers(coalitions, fill))
                latest[player.index] = one
            found.append(one)
        return found

    def _send(self, parts: list[_Part]) -> None:
        """Have the model score a piece, and keep the scores."""
        counts = [len(part.fill) for part in parts]
        samples = list(dict.fromkeys(part.player.sample for part in parts))
        chosen = slice(samples[0], samples[-1] + 1) if samples == list(range(samples[0], samples[-1] + 1)) else samples
        place = {sample: i for i, sample in enumerate(samples)}
        rows = MaskRows(
            inputs=self.task.inputs[chosen],
            fills=self.fills if len(self.fills) == 1 else self.fills[chosen],
            labels=self.features.labels if len(self.features.labels) == 1 else self.features.labels[chosen],
            masks=self._masks(parts, sum(counts)),
            sample=np.repeat([place[part.player.sample] for part in parts], counts),
            fill=np.concatenate([part.fill for part in parts]).astype(int, copy=False),
        )
        scores = self.task.model.masked_scores(rows, self.task.target.take(np.array(samples)))
        check_finite(scores)
        start = 0
        for part, count in zip(parts, counts, strict=True):
            part.into[part.numbers] = scores[start : start + count]
            part.player.evaluations += count
            start += count

    def _masks(self, parts: list[_Part], count: int) -> Array:
        """The parts' coalitions as masks of all features, uint8; dropped features count as absent."""
        if len(parts) == 1 and parts[0].masks.shape[1] == self.width:
            return parts[0].masks.astype(np.uint8, copy=False)
        masks = np.zeros((count, self.width), np.uint8)
        start = 0
        for part in parts:
            masks[start : start + len(part.fill), part.player.live] = part.masks
            start += len(part.fill)
        return masks

    def empty(self, players: Sequence[Player]) -> list[Array]:
        """Scores with every live feature absent, per player (fill rows,)."""
        fills = np.arange(self.rows)
        coalitions = {live: np.zeros((self.rows, live), np.uint8) for live in {len(player.live) for player in players}}
        return self.score([(player, coalitions[len(player.live)], fills) for player in players])

    def slopes(self, player: Player, coalitions: Array, fill: Array) -> tuple[Array, Array]:
        """Scores (n,) of coalitions (n, live) with fill rows (n,), and their gradients times what the sample differs from the row, summed over each live
        feature, (n, live). They count as evaluations; nothing is looked up or kept."""
        task, out = self.task, np.empty(coalitions.shape)
        scores = np.empty(len(fill))
        own = [player.sample]
        masks = self._masks([_Part(player, coalitions, fill, slice(None), scores)], len(fill))
        rows = MaskRows(
            inputs=task.inputs[own],
            fills=self.fills if len(self.fills) == 1 else self.fills[own],
            labels=self.features.labels if len(self.features.labels) == 1 else self.features.labels[own],
            masks=masks,
            sample=np.zeros(len(fill), int),
            fill=fill.astype(int, copy=False),
        )
        for part in batches(len(fill), task.model.rows_at_once(task.inputs)):
            found = task.model.gradients(rows.compose(part), task.target.unnamed(np.full(part.stop - part.start, player.sample)))
            scores[part] = found.scores
            out[part] = self.by_feature(player, found.gradients[INPUT] * self.apart(player, fill[part]))
        player.evaluations += len(fill)
        return scores, out

    def apart(self, player: Player, rows: slice | Array) -> Array:
        """How far the sample is from some rows of its fill, (rows, *shape), float64."""
        fills = self.fills[player.sample if len(self.fills) > 1 else 0, rows]
        return self.task.inputs[player.sample].astype(np.float64) - fills

    def by_feature(self, player: Player, inputs: Array) -> Array:
        """Sums of arrays like inputs (n, *shape) over each live feature, (n, live)."""
        labels = np.broadcast_to(self.features.of(player.sample), inputs.shape[1:]).ravel()
        flat = inputs.reshape(len(inputs), -1)
        order = np.argsort(labels, kind="stable")
        starts = np.searchsorted(labels[order], player.live)
        stops = np.searchsorted(labels[order], player.live, side="right")
        if (stops - starts == 1).all():
            return np.asarray(flat[:, order[starts]])
        pieces = np.stack([starts, stops], axis=1).ravel()
        return np.asarray(np.add.reduceat(np.pad(flat[:, order], ((0, 0), (0, 1))), pieces, axis=1)[:, ::2])


def check_finite(scores: Array) -> None:
    """Raise where a network gives no number for a masked input."""
    if not np.isfinite(scores).all():
        raise NonFiniteError(
            "the network gives NaN or infinity where features are absent; let them hold what it knows, fill=… or background=… (a mask of zeros hides every "
            "token: fill={'mask': 1})."
        )


def padded(features: FeatureMap) -> tuple[str, ...]:
    """Axes of what a coalition method gives."""
    return ("sample", features.kind)
