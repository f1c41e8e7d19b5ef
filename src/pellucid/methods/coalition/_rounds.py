"""Sampling in numbered rounds: every sample meets the same ones, each stops when its own error is small enough, and can go on later.

Round k draws from a generator of its own, so that the sums of the rounds so far are all that going on needs. The error is looked at after numbers of rounds
that do not depend on the tolerance: stopping and going on gives what going through would have given.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from pellucid.core.method import Task
from pellucid.core.outcome import Check
from pellucid.methods import _stopping

Array = np.ndarray

PAIRS_A_BLOCK = 16
"""Independent draws of one round where the fill has a single row."""
GROWTH = 1.15
"""Rounds between two looks at the error, as a share of those before."""


def draws_a_row(rows: int) -> int:
    """Independent draws that a round makes with each row of the fill: two at least, since only their difference is error."""
    return max(2, PAIRS_A_BLOCK // rows)


def next_look(rounds: int, first: int) -> int:
    """Rounds at which the error is looked at next, the first time after `first`."""
    look = first
    while look <= rounds:
        look = max(look + 1, int(look * GROWTH))
    return look


def first_look(rows: int) -> int:
    """Rounds until there are enough independent draws to look at the error."""
    return max(1, -(-_stopping.MIN_PAIRS // (rows * draws_a_row(rows))))


def generator(seed: int, number: int) -> np.random.Generator:
    """The random numbers of one round."""
    return np.random.default_rng((seed, number))


class Run(ABC):
    """One sample's sampling. `rounds` are done, `affordable` fit the budget in all, `used` are the evaluations so far."""

    sample: int
    rounds: int = 0
    affordable: int
    stop: Check | None = None

    @property
    @abstractmethod
    def used(self) -> int:
        """Evaluations so far."""

    @abstractmethod
    def estimate(self) -> float:
        """The 95 % quantile of the relative error."""

    def conclude(self, task: Task, estimate: float) -> None:
        """End where the error is small enough or the budget is spent."""
        if estimate <= task.tolerance:
            self.stop = _stopping.converged(estimate, task.tolerance, self.used, "evaluations")
        elif self.rounds >= self.affordable:
            self.stop = _stopping.exhausted(estimate, task.tolerance, self.used, "evaluations", 0.5)


OneRun = TypeVar("OneRun", bound=Run)


def go_through(task: Task, runs: Sequence[OneRun], first: int, advance: Callable[[list[OneRun], int, int], None]) -> None:
    """Let every run advance from look to look, the first after `first` rounds, until it ends. `advance` is given runs that stand at the same round, that round,
    and the one before which they must stop; it sets their `rounds`, each no further than it can afford."""
    for run in runs:
        if run.stop is None and run.rounds >= first:
            run.conclude(task, run.estimate())
    active = [run for run in runs if run.stop is None]
    while active:
        start = min(run.rounds for run in active)
        together = [run for run in active if run.rounds == start]
        advance(together, start, next_look(start, first))
        for run in together:
            run.conclude(task, run.estimate())
        active = [run for run in active if run.stop is None]
        task.progress(1 - len(active) / len(runs))
