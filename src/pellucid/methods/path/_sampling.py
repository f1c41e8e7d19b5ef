"""The engine of gradients at random points: independent draws in rounds, per sample until their mean is precise enough.

What a round is, its method says: it gives the sum of a round's draws and what tells their spread. Round k draws from a stream of its own, keyed by seed and
k, so that work can be gone on with from the sums alone, and every sample meets the same draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pellucid.core.layout import from_last, to_last
from pellucid.core.method import Attribution, Task
from pellucid.core.model import PathRows
from pellucid.core.outcome import Check
from pellucid.core.packing import Packing
from pellucid.core.target import Target
from pellucid.maths.statistics import norm_quantile, unbiased_square
from pellucid.methods import _stopping

Array = np.ndarray

PAIRS_A_ROUND, LEAST_ROUNDS = 16, 2
FLOATS_AT_ONCE = 4_000_000
"""Numbers of a round's draws that are held at once."""
MOST_STATE = 200_000
"""Numbers a sample up to which the sums are kept for going on."""


@dataclass(frozen=True)
class Rounds:
    """What a round is. `sums(samples, round)` gives, for the chosen samples (an index array), the sum over a round's `draws` independent draws and the sum of
    their squares. `cost` counts a round's gradients."""

    draws: int
    cost: int
    sums: Callable[[Array, int], tuple[Array, Array]]


@dataclass(frozen=True)
class Sampled:
    """Per sample: mean, standard error, degrees of freedom, relative error, gradients taken, how it ended, and the sums to go on from."""

    mean: Array
    error: Array
    degrees: Array
    estimate: Array
    gradients: Array
    stops: list[Check]
    state: Mapping[str, Array]


class _Moments:
    """Sums over rounds of a chunk of samples, and what tells how many directions the error has.

    The differences of the means of rounds 2k and 2k+1 are independent of one another; E(d_k · d_{k+1})² = tr((2Σ)²), Σ the covariance of a round's mean.
    """

    def __init__(self, shape: tuple[int, ...], rounds: Rounds, state: Mapping[str, Array]) -> None:
        self.draws = rounds.draws
        fields = {"first": shape, "second": shape, "last": shape, "difference": shape, "products": shape[:1]}
        self.held = {name: np.array(state[name]) if state else np.zeros(size) for name, size in fields.items()}
        self.held |= {name: np.array(state[name]) if state else np.zeros(shape[0], dtype=np.int64) for name in ("rounds", "count")}

    @property
    def rounds(self) -> Array:
        return self.held["rounds"]

    def add(self, active: Array, first: Array, second: Array) -> None:
        """One round, the same for all active samples."""
        held, number, mean = self.held, int(self.rounds[active[0]]), first / self.draws
        held["first"][active] += first
        held["second"][active] += second
        if number % 2:
            difference = mean - held["last"][active]
            if number > 2:
                product = (difference * held["difference"][active]).reshape(len(active), -1).sum(axis=1)
                held["products"][active] += np.square(product)
                held["count"][active] += 1
            held["difference"][active] = difference
        held["last"][active] = mean
        held["rounds"][active] += 1

    def mean(self, i: int) -> Array:
        mean: Array = self.held["first"][i] / (self.draws * self.rounds[i])
        return mean

    def variance(self, i: int) -> Array:
        """Variance of the mean, per element."""
        count, second = self.draws * self.rounds[i], self.held["second"][i]
        spread: Array = np.maximum(second / count - np.square(self.mean(i)), 0)
        return spread / (count - 1)

    def degrees(self, i: int) -> float:
        return float(self.draws * self.rounds[i] - 1)

    def estimate(self, i: int) -> float:
        """The 95 % quantile of the relative L2 error of the mean."""
        trace = float(self.variance(i).sum())
        seen = self.held["products"][i] / 4 / self.rounds[i] ** 2
        square = (seen + trace**2) / (self.held["count"][i] + 1)  # one direction, the most cautious, counts as one observation more
        square = float(np.clip(square, trace**2 / (self.draws * self.rounds[i]), trace**2))
        norm = unbiased_square(float(np.square(self.mean(i)).sum()), trace)
        return _stopping.relative(norm_quantile(trace, square, self.degrees(i)), float(np.sqrt(norm)), 0.0)


def draw(task: Task, rounds_of: Callable[[slice], Rounds], numbers: int) -> Sampled:
    """Rounds until the mean of each sample is precise enough; `numbers` are those that one sample's round holds, `rounds_of` gives a chunk's rounds."""
    chunk = max(1, FLOATS_AT_ONCE // numbers)
    parts = [_chunk(task, rounds_of, slice(start, min(start + chunk, len(task.inputs)))) for start in range(0, len(task.inputs), chunk)]

    def joined(name: str) -> Array:
        return np.concatenate([getattr(part, name) for part in parts])

    state = {name: np.concatenate([part.state[name] for part in parts]) for name in parts[0].state}
    stops = [stop for part in parts for stop in part.stops]
    return Sampled(joined("mean"), joined("error"), joined("degrees"), joined("estimate"), joined("gradients"), stops, state)


def _chunk(task: Task, rounds_of: Callable[[slice], Rounds], samples: slice) -> Sampled:
    rounds = rounds_of(samples)
    _stopping.require(task.max_evaluations, LEAST_ROUNDS * rounds.cost, "a standard error")
    shape = task.inputs[samples].shape
    moments = _Moments(shape, rounds, {name: array[samples] for name, array in task.state.items()})
    active = np.arange(shape[0])
    ended: list[Check | None] = [None] * len(active)
    while len(active := _going(task, rounds, moments, active, ended)):
        behind = active[moments.rounds[active] == moments.rounds[active].min()]
        moments.add(behind, *rounds.sums(behind, int(moments.rounds[behind[0]])))
        task.progress((samples.start + shape[0] - len(active)) / len(task.inputs))
    rows = range(shape[0])
    kept = moments.held if 4 * int(np.prod(shape[1:])) <= MOST_STATE else {}
    return Sampled(
        np.stack([moments.mean(i) for i in rows]),
        np.sqrt(np.stack([moments.variance(i) for i in rows])),
        np.array([moments.degrees(i) for i in rows]),
        np.array([moments.estimate(i) for i in rows]),
        rounds.cost * moments.rounds,
        [stop for stop in ended if stop is not None],
        kept,
    )


def _going(task: Task, rounds: Rounds, moments: _Moments, active: Array, ended: list[Check | None]) -> Array:
    """Which samples go on; how the others ended is noted."""
    going = []
    for i in active.tolist():
        done = int(moments.rounds[i])
        if done < LEAST_ROUNDS:
            going.append(i)
            continue
        used, estimate = rounds.cost * done, moments.estimate(i)
        if done * rounds.draws >= _stopping.MIN_PAIRS and estimate <= task.tolerance:
            ended[i] = _stopping.converged(estimate, task.tolerance, used, "gradients")
        elif used + rounds.cost > task.max_evaluations:
            ended[i] = _stopping.exhausted(estimate, task.tolerance, used, "gradients", 0.5)
        else:
            going.append(i)
    return np.array(going, dtype=int)


def attribution(found: Sampled, values: Array) -> Attribution:
    """What a sampling method of this family gives."""
    return Attribution(
        values=values,
        error=found.error,
        error_kind="standard_error",
        axes=("sample", *(f"input_{i}" for i in range(values.ndim - 1))),
        evaluations=found.gradients,
        gradients=found.gradients,
        stops=found.stops,
        degrees=found.degrees,
        statistics={"relative_error": found.estimate},
        state=found.state,
    )


# ---- gradients under noise ------------------------------------------------------------------------------------------


def noise_scale(inputs: Array, noise: float, packing: Packing | None = None) -> Array:
    """σ of each sample: `noise` times its range, or `noise` itself where it is constant; broadcasts to the inputs. Of several inputs each has its own."""
    if packing is not None:
        scales = [np.broadcast_to(noise_scale(inputs[:, part], noise), inputs[:, part].shape) for part in packing.slices.values()]
        return np.concatenate(scales, axis=1)
    flat = inputs.reshape(len(inputs), -1)
    spread = noise * (flat.max(axis=1) - flat.min(axis=1))
    return np.where(spread > 0, spread, noise).reshape(-1, *(1,) * (inputs.ndim - 1)).astype(inputs.dtype)


def mean_gradient(task: Task, noise: float) -> Sampled:
    """E ∇f(x + σε), ε standard normal: a draw is the mean over ±ε."""

    def sums(inputs: Array, scale: Array, target: Target, number: int) -> tuple[Array, Array]:
        paths = _paths(inputs, scale, task, number, PAIRS_A_ROUND)
        path, sign = np.repeat(np.arange(len(paths[0])), 2), np.tile([1.0, -1.0], len(paths[0]))
        weight, square = np.full(len(path), 0.5), (sign < 0).astype(float)
        rows = PathRows(*paths, path, sign, weight, square, path // PAIRS_A_ROUND, len(inputs), stencil=(0.5, 0.5), displace=False)
        return task.model.path_gradients(rows, target)

    return _noisy(task, noise, PAIRS_A_ROUND, 2 * PAIRS_A_ROUND, sums)


def mean_square(task: Task, noise: float) -> Sampled:
    """E (∇f(x + σε))²: a draw is the mean over ±ε."""

    def sums(inputs: Array, scale: Array, target: Target, number: int) -> tuple[Array, Array]:
        paths = _paths(inputs, scale, task, number, PAIRS_A_ROUND)
        path, sign = np.repeat(np.arange(len(paths[0])), 2), np.tile([1.0, -1.0], len(paths[0]))
        rows = PathRows(*paths, path, sign, 0 * sign, np.full(len(path), 0.5), path, len(paths[0]), displace=False)
        return _over_draws(task, rows, target, len(inputs))

    return _noisy(task, noise, PAIRS_A_ROUND, 2 * PAIRS_A_ROUND, sums)


CHAIN = 8
"""Gradients whose successive differences make one draw of a variance: differences are taken before they are squared, so that no large numbers cancel."""
CHAINS_A_ROUND = 4


def variance(task: Task, noise: float) -> Sampled:
    """Var ∇f(x + σε): a draw is half the mean squared difference of successive gradients in a chain (von Neumann 1941), which is unbiased."""

    def sums(inputs: Array, scale: Array, target: Target, number: int) -> tuple[Array, Array]:
        paths = _paths(inputs, scale, task, number, CHAIN * CHAINS_A_ROUND)
        path = np.arange(len(paths[0]))
        square = np.where(path % CHAIN == 0, 0.0, 0.5 / (CHAIN - 1))
        ones, chains = np.ones(len(path)), len(path) // CHAIN
        rows = PathRows(*paths, path, ones, 0 * ones, square, path // CHAIN, chains, stencil=(1.0, -1.0), displace=False)
        return _over_draws(task, rows, target, len(inputs))

    return _noisy(task, noise, CHAINS_A_ROUND, CHAIN * CHAINS_A_ROUND, sums)


def _noisy(task: Task, noise: float, draws: int, cost: int, sums: Callable[[Array, Array, Target, int], tuple[Array, Array]]) -> Sampled:
    scale = noise_scale(task.inputs, noise, task.packing)

    def rounds_of(samples: slice) -> Rounds:
        numbers = np.arange(len(task.inputs))[samples]

        def of_round(active: Array, number: int) -> tuple[Array, Array]:
            chosen = numbers[active]
            return sums(task.inputs[chosen], scale[chosen], task.target.take(chosen), number)

        return Rounds(draws, cost, of_round)

    return draw(task, rounds_of, cost * int(np.prod(task.inputs.shape[1:])))


def _paths(inputs: Array, scale: Array, task: Task, number: int, draws: int) -> tuple[Array, Array]:
    """Starts and ends of paths from each sample to `draws` disturbed ones, (samples · draws, *shape). A pixel meets the same noise however images lie."""
    channels = task.model.traits.channels
    shape = to_last(inputs, channels).shape[1:]
    noise = from_last(np.random.default_rng((task.seed, number)).standard_normal((draws, *shape), dtype=np.float32), channels)
    noise = noise if task.packing is None else noise[:, task.packing.order]
    starts = np.repeat(inputs, draws, axis=0)
    return starts, starts + (scale[:, None] * noise[None]).reshape(starts.shape)


def _over_draws(task: Task, rows: PathRows, target: Target, samples: int) -> tuple[Array, Array]:
    """The sums over each sample's draws, and over their squares, of the second sums that each draw's group gives."""
    of_each = rows.groups // samples
    _, found = task.model.path_gradients(rows, target.take(np.repeat(np.arange(samples), of_each)))
    drawn = found.reshape(samples, of_each, *found.shape[1:])
    return drawn.sum(axis=1), np.square(drawn).sum(axis=1)
