"""The game: what is scored, once each, in any company, in bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from pellucid.adapters.black_box import BlackBox
from pellucid.core.features import FeatureMap
from pellucid.core.method import Task
from pellucid.core.target import Target
from pellucid.methods.coalition import _game
from pellucid.methods.coalition._game import Game

ROUNDING = 1e-6
FLAT = 1.1
"""Peak memory may differ by a tenth between 500 and 5000 masks."""


def rough(x: np.ndarray) -> np.ndarray:
    x = x.reshape(len(x), -1).astype(np.float64)
    return np.sin(x * np.arange(1, x.shape[1] + 1)).sum(axis=1) + np.prod(x[:, :3], axis=1)


def task(inputs: np.ndarray, fills: np.ndarray, labels: np.ndarray | None = None, score: Callable = rough) -> Task:
    labels = np.arange(inputs.shape[1])[None] if labels is None else labels
    target = Target(np.ones((len(inputs), 1)), "output", ("0",) * len(inputs))
    names = tuple(str(i) for i in range(labels.max() + 1))
    return Task(BlackBox(score), inputs, target, score(inputs), 0.1, 10**6, 0, features=FeatureMap(labels, names), fills=fills)


def expected(given: Task, sample: int, live: np.ndarray, coalition: np.ndarray, fill: int) -> float:
    """One masked score, element by element."""
    labels = given.features.of(sample)
    kept = {int(feature) for feature, member in zip(live, coalition, strict=True) if member}
    masked = given.inputs[sample].copy()
    absent = given.fills[sample if len(given.fills) > 1 else 0, fill]
    for place in np.ndindex(masked.shape):
        label = int(np.broadcast_to(labels, masked.shape)[place])
        if label >= 0 and label not in kept:
            masked[place] = absent[place]
    return float(rough(masked[None])[0])


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


CASES = {
    "columns": (normal(0, 4, 7), normal(1, 1, 3, 7), None),
    "features equal to their fill": (normal(8, 4, 7) * (np.arange(28).reshape(4, 7) % 3 > 0), np.zeros((1, 1, 7), np.float32), None),
    "float64": (normal(1, 2, 5).astype(float), np.zeros((1, 1, 5)), None),
    "fill per sample": (normal(2, 3, 4, 4, 2), normal(3, 3, 2, 4, 4, 2), np.arange(16).reshape(1, 4, 4, 1) // 3),
    "labels per sample": (normal(4, 3, 4, 4, 1), np.zeros((1, 1, 4, 4, 1), np.float32), np.random.default_rng(5).integers(-1, 4, (3, 4, 4, 1))),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("piece", [1, 5, 10_000])
def test_scores_are_those_of_inputs_masked_by_hand(name: str, piece: int) -> None:
    given = task(*CASES[name])
    game = Game(given)
    game.piece = piece
    generator = np.random.default_rng(6)
    requests = []
    for player in game.players:
        coalitions = generator.integers(0, 2, (12, len(player.live)), dtype=np.uint8)
        requests.append((player, coalitions, generator.integers(0, game.rows, 12)))
    for (player, coalitions, fills), scores in zip(requests, game.score(requests), strict=True):
        wanted = [expected(given, player.sample, player.live, z, int(k)) for z, k in zip(coalitions, fills, strict=True)]
        np.testing.assert_allclose(scores, wanted, atol=ROUNDING)


def test_features_equal_to_their_fill_in_every_row_are_dropped() -> None:
    inputs = np.array([[1.0, 0.0, 2.0, 5.0]])
    fills = np.array([[[0.0, 0.0, 2.0, 5.0], [0.0, 0.0, 2.0, 6.0]]])
    assert Game(task(inputs, fills)).players[0].live.tolist() == [0, 3]


class Counting:
    """A score that notes every input it is asked for."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.seen.extend(row.tobytes() for row in x)
        return rough(x)


def counted(inputs: np.ndarray, rows: int = 2) -> tuple[Game, Counting]:
    counting = Counting()
    fills = np.random.default_rng(9).normal(size=(len(inputs), rows, inputs.shape[1])).astype(inputs.dtype)  # no sample's masked inputs are another's
    game = Game(task(inputs, fills, score=counting))
    counting.seen.clear()
    return game, counting


@pytest.mark.parametrize("shared", [True, False])
def test_no_coalition_is_scored_twice_whether_players_share_their_draws_or_not(shared: bool) -> None:
    game, counting = counted(np.random.default_rng(7).normal(size=(3, 8)))
    game.piece = 40
    for call in range(5):
        generator = np.random.default_rng(call % 3)
        draws = [(generator.integers(0, 2, (100, 8), dtype=np.uint8), generator.integers(0, 2, 100)) for _ in game.players]
        requests = [(player, *draws[0 if shared else i]) for i, player in enumerate(game.players)]
        before = [scores.copy() for scores in game.score(requests)]
        again = game.score(requests)
        assert all((one == two).all() for one, two in zip(before, again, strict=True))
    assert len(counting.seen) == len(set(counting.seen)) == sum(player.evaluations for player in game.players)
    assert len({player.index for player in game.players}) == (1 if shared else 3)


def test_a_player_asked_twice_in_one_call_is_scored_once() -> None:
    game, counting = counted(np.ones((1, 6)) * 2)
    coalitions, fills = np.random.default_rng(8).integers(0, 2, (30, 6), dtype=np.uint8), np.zeros(30, int)
    first, second = game.score([(game.players[0], coalitions, fills), (game.players[0], coalitions[::-1].copy(), fills)])
    np.testing.assert_array_equal(first, second[::-1])
    assert len(counting.seen) == len(set(counting.seen))


def test_the_full_coalition_is_known_from_the_start() -> None:
    game, counting = counted(np.ones((2, 6)), rows=3)
    found = game.score([(player, np.ones((3, 6), np.uint8), np.arange(3)) for player in game.players])
    np.testing.assert_array_equal(found, [[player.full] * 3 for player in game.players])
    assert not counting.seen


def test_a_player_that_begins_late_does_not_carry_what_others_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_game, "LARGE_INDEX", 50)
    game, _ = counted(np.random.default_rng(7).normal(size=(5, 12)))
    for player in game.players:
        game.score([(player, np.random.default_rng(player.sample).integers(0, 2, (100, 12), dtype=np.uint8), np.zeros(100, int))])
    assert max(len(player.known) for player in game.players) <= 160


def test_the_model_is_given_whole_batches() -> None:
    sizes: list[int] = []

    def noting(x: np.ndarray) -> np.ndarray:
        sizes.append(len(x))
        return rough(x)

    given = task(np.random.default_rng(0).normal(size=(6, 20)), np.zeros((1, 1, 20)), score=noting)
    given.model.batch_size = 64
    game = Game(given)
    sizes.clear()
    game.score([(player, np.random.default_rng(1).integers(0, 2, (500, 20), dtype=np.uint8), np.zeros(500, int)) for player in game.players])
    assert sum(size < 64 for size in sizes) <= 1


def peak(count: int, side: int, channels: int, request: int) -> int:
    """Bytes above the ready game while `count` masks of 49 patches are scored, `request` at a time."""
    image = np.random.default_rng(0).random((1, side, side, channels)).astype(np.float32)
    labels = (np.arange(side)[:, None] * 7 // side * 7 + np.arange(side) * 7 // side)[None, :, :, None]
    game = Game(task(image, np.zeros((1, 1, side, side, channels), np.float32), labels, score=lambda x: x[:, ::7, ::7].sum(axis=(1, 2, 3))))
    generator = np.random.default_rng(1)
    tracemalloc.start()
    for start in range(0, count, request):
        coalitions = generator.integers(0, 2, (min(request, count - start), 49), dtype=np.uint8)
        game.score([(game.players[0], coalitions, np.zeros(len(coalitions), int))])
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


@pytest.mark.parametrize(("side", "channels", "request_size"), [(28, 1, 500), (224, 3, 5000)])
def test_peak_memory_is_flat_from_500_to_5000_masks(side: int, channels: int, request_size: int) -> None:
    assert peak(5000, side, channels, request_size) <= FLAT * peak(500, side, channels, request_size)
