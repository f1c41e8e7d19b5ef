"""LIME: a linear surrogate around one input, with the standard errors of its weights and the share of variance it explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.method import Attribution, Method, Task
from pellucid.core.outcome import Check
from pellucid.maths.coalitions import random_pairs
from pellucid.maths.regression import Fit, lime_kernel, weighted_regression
from pellucid.maths.statistics import covariance_quantile, unbiased_square
from pellucid.methods import _stopping
from pellucid.methods.coalition._game import Game, Player, padded

Array = np.ndarray
FIRST_PAIRS = 64


@dataclass(frozen=True)
class Lime(Method):
    """The weights of a linear model that imitates the network on inputs with some features absent.

    Use it for any model when one wants a simple local stand-in; look at `statistics["r_squared"]` before believing it. Masks z keep each feature with
    probability ½ (drawn in complementary pairs) and are weighted by π(z) = √exp(−d²/kernel_width²), d the cosine distance to the full mask; values are the
    coefficients of the weighted least squares of f on z, with intercept. `ridge` adds a penalty (the lime package uses 1; 0 is the limit of many samples).
    Features equal to their fill are dropped first.

    Shapes: values and error (samples, features), in units of the score; `error` is the sandwich standard error, clustered by pair. `tolerance` bounds
    the 95 % quantile of ‖error‖₂/‖values‖₂ per sample. The outcome warns where the weighted R² is below `enough`.
    Source: Ribeiro, Singh, Guestrin 2016, arXiv:1602.04938. Does not describe the network where the surrogate fits poorly, and depends on the kernel.

    >>> import numpy as np, pellucid
    >>> model = lambda x: 2 * x[:, :1] - 3 * x[:, 1:2]
    >>> pellucid.explain(model, np.array([[1.0, 1.0]]), "lime", features="columns").values.round(6)
    array([[ 2., -3.]])
    """

    kernel_width: float = 0.25
    ridge: float = 0.0
    enough: float = 0.7

    title: ClassVar[str] = "LIME"
    answers: ClassVar[str] = "Which features drive the score in a linear stand-in for the network around this input?"
    family: ClassVar[str] = "coalition"
    accepts: ClassVar[frozenset[str]] = frozenset({"background", "features", "fill"})
    error_kind: ClassVar[str] = "standard_error"
    default_tolerance: ClassVar[float] = 0.1
    default_max_evaluations: ClassVar[int] = 10_000
    citation: ClassVar[str] = "Ribeiro, Singh, Guestrin 2016, arXiv:1602.04938"

    def __post_init__(self) -> None:
        if not self.kernel_width > 0 or self.ridge < 0 or not 0 <= self.enough <= 1:
            raise SettingError(f"lime needs kernel_width > 0, ridge ≥ 0 and 0 ≤ enough ≤ 1; got {self.kernel_width}, {self.ridge}, {self.enough}.")

    def explain(self, task: Task) -> Attribution:
        game = Game(task)
        runs = [_Run(self, game, player) for player in game.players]
        active = [run for run in runs if run.stop is None]
        while active:
            scored = game.score([run.draw() for run in active])
            for run, scores in zip(active, scored, strict=True):
                run.take(scores)
            active = [run for run in active if run.stop is None]
            task.progress(1 - len(active) / len(runs))
        return self._attribution(game, runs)

    def _attribution(self, game: Game, runs: list[_Run]) -> Attribution:
        return Attribution(
            values=np.stack([run.player.spread(run.fit.coefficients, game.width) for run in runs]),
            error=np.stack([run.player.spread(np.sqrt(np.maximum(np.diag(run.fit.covariance), 0)), game.width) for run in runs]),
            error_kind=self.error_kind,
            axes=padded(game.features),
            evaluations=np.array([run.player.evaluations for run in runs]),
            gradients=np.zeros(len(runs), dtype=int),
            stops=[run.stop for run in runs if run.stop is not None],
            degrees=np.array([run.fit.degrees for run in runs]),
            statistics={
                "r_squared": np.array([run.fit.r_squared for run in runs]),
                "intercept": np.array([run.fit.intercept for run in runs]),
                "enough": np.full(len(runs), self.enough),
                "relative_error": np.array([run.estimate for run in runs]),
            },
        )


class _Run:
    """The surrogate of one sample, refitted as masks come in."""

    def __init__(self, settings: Lime, game: Game, player: Player) -> None:
        self.settings, self.game, self.player = settings, game, player
        self.live = len(player.live)
        self.generator = np.random.default_rng(game.task.seed)
        self.masks, self.scores = np.zeros((0, self.live), np.uint8), np.zeros(0)
        _stopping.require(game.task.max_evaluations, 4 * self.live + 4, f"a fit of {self.live} weights")
        self.next_pairs = min(max(FIRST_PAIRS, 2 * self.live + 2), game.task.max_evaluations // 2)
        self.fit = Fit(np.zeros(self.live), np.zeros((self.live, self.live)), player.full, 1.0, np.inf)
        self.estimate = np.inf if self.live else 0.0
        self.stop: Check | None = None if self.live else _stopping.nothing("every feature equals its fill")
        self._drawn = self.masks

    def draw(self) -> tuple[Player, Array, Array]:
        """The next pairs; the fill's rows are taken in turn, a mask and its complement sharing one."""
        self._drawn = random_pairs(self.generator, self.next_pairs, self.live)
        first = len(self.masks) // 2
        fills = np.repeat(np.arange(first, first + self.next_pairs) % self.game.rows, 2)
        return self.player, self._drawn, fills

    def take(self, scores: Array) -> None:
        """Refit, and end or plan the next pairs from how the error falls, at most doubling."""
        task = self.game.task
        self.masks = np.concatenate([self.masks, self._drawn])
        self.scores = np.concatenate([self.scores, scores])
        self.fit = weighted_regression(self.masks, self.scores, lime_kernel(self.masks, self.settings.kernel_width), 2, self.settings.ridge)
        norm = unbiased_square(float(np.square(self.fit.coefficients).sum()), float(np.trace(self.fit.covariance)))
        self.estimate = _stopping.relative(covariance_quantile(self.fit.covariance, self.fit.degrees), float(np.sqrt(norm)), 0.0)
        used, pairs = self.player.evaluations, len(self.masks) // 2
        if self.estimate <= task.tolerance and pairs >= _stopping.MIN_PAIRS:
            self.stop = _stopping.converged(self.estimate, task.tolerance, used, "evaluations")
            return
        growth = min((self.estimate / task.tolerance) ** 2 * 1.05, 2.0) if task.tolerance > 0 else 2.0
        self.next_pairs = min(max(8, int(pairs * (growth - 1))), (task.max_evaluations - used) // 2)
        if self.next_pairs < 1 or pairs >= 4 * task.max_evaluations:
            self.stop = _stopping.exhausted(self.estimate, task.tolerance, used, "evaluations", 0.5)
