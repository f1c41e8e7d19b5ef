"""HSIC: how strongly the score depends on whether each feature is in sight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.method import Attribution, Method, Task
from pellucid.core.outcome import Check
from pellucid.maths.coalitions import all_coalitions
from pellucid.maths.dependence import Dependence, estimated_dependence, exact_dependence
from pellucid.maths.statistics import covariance_quantile, unbiased_square
from pellucid.methods import _stopping
from pellucid.methods.coalition import _rounds
from pellucid.methods.coalition._game import Game, Player, padded

Array = np.ndarray

WORTH_ENUMERATING = 4096
"""Up to this many evaluations all masks are scored."""


@dataclass(frozen=True)
class Hsic(Method):
    """How strongly the score depends on whether a feature is in sight, in any way that changes its distribution.

    Use it to find what matters with few evaluations: one set of masks serves all features. Masks keep each feature with probability ½. With s_j = ±1 for
    feature j kept or not, y the score and l a normal kernel of standard deviation σ, values_j = HSIC = ½ E[s_j s_j′ l(y, y′)], (s, y) and (s′, y′) two
    independent masks; an eighth of the squared distance (MMD) between the scores with and without the feature. σ is `bandwidth` standard deviations of the
    score over masks, so that neither its unit nor its zero matters (the paper takes the median of the scores). A row of the fill, where there are several, is
    drawn besides. Features equal to their fill are dropped first. Few masks are all scored (exact); otherwise they come in antithetic pairs.

    Shapes: values and error (samples, features), without unit, between 0 and ¼; `error` is the standard error; the estimate is unbiased, so that one near 0 may
    be negative. For a feature without influence the error is stated about 1.7 times too large; 95 % intervals of one of weak influence cover as little as 88 %,
    since they are symmetric and the estimate is not.
    `tolerance` bounds the 95 % quantile of ‖error‖₂/‖values‖₂ per sample. `statistics["bandwidth"]` is σ.
    Source: Novello, Fel, Vigouroux 2022, arXiv:2206.06219. Does not say in which direction a feature moves the score, nor see one that works only together with
    others (with two of which either alone tells nothing, both get 0; sobol sees them).

    >>> import numpy as np, pellucid
    >>> model = lambda x: x[:, :1] + 0 * x[:, 1:2]
    >>> pellucid.explain(model, np.array([[1.0, 1.0]]), "hsic", features="columns").values.round(4)
    array([[0.2162, 0.    ]])
    """

    bandwidth: float = 1.0

    title: ClassVar[str] = "HSIC"
    answers: ClassVar[str] = "How strongly does the score depend on whether each feature is in sight?"
    family: ClassVar[str] = "coalition"
    promises: ClassVar[frozenset[str]] = frozenset({"symmetry", "dummy"})
    directed: ClassVar[bool] = False
    accepts: ClassVar[frozenset[str]] = frozenset({"background", "features", "fill"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "standard_error"
    default_tolerance: ClassVar[float] = 0.2
    default_max_evaluations: ClassVar[int] = 10_000
    citation: ClassVar[str] = "Novello, Fel, Vigouroux 2022, arXiv:2206.06219"

    def __post_init__(self) -> None:
        if not 0 < self.bandwidth < np.inf:
            raise SettingError(f"hsic needs a bandwidth above 0, in standard deviations of the score; got {self.bandwidth}.")

    def explain(self, task: Task) -> Attribution:
        plan = _Plan(task, float(self.bandwidth))
        runs = [_Run(plan, player) for player in plan.game.players]
        _rounds.go_through(task, runs, _rounds.first_look(plan.game.rows), lambda together, start, stop: _advance(plan, together, start, stop))
        return _attribution(plan, runs)


class _Plan:
    """What all samples share: for each number of live features the masks of every round."""

    def __init__(self, task: Task, width: float) -> None:
        self.task, self.width, self.game = task, width, Game(task)
        self.of_row = _rounds.draws_a_row(self.game.rows)
        self.pairs = self.game.rows * self.of_row
        self._signs: dict[int, list[Array]] = {}

    def signs(self, live: int, rounds: int) -> Array:
        """Signs of the first masks of all pairs of the first rounds, (pairs, live), int8."""
        drawn = self._signs.setdefault(live, [])
        for number in range(len(drawn), rounds):
            drawn.append(2 * _rounds.generator(self.task.seed, number).integers(0, 2, (self.pairs, live), dtype=np.int8) - 1)
        return np.concatenate([np.zeros((0, live), np.int8), *drawn[:rounds]])

    def rows(self, rounds: int) -> Array:
        """The row of the fill of each of these pairs."""
        return np.tile(np.repeat(np.arange(self.game.rows), self.of_row), rounds)

    def asked(self, live: int, start: int, stop: int) -> tuple[Array, Array]:
        """The masks of some rounds, each followed by its complement, and their rows."""
        signs = self.signs(live, stop)[start * self.pairs :]
        masks = (np.stack([signs, -signs], axis=1).reshape(-1, live) > 0).astype(np.uint8)
        return masks, np.repeat(self.rows(stop - start), 2)


class _Run(_rounds.Run):
    """One sample's scores, in the order of the stream."""

    def __init__(self, plan: _Plan, player: Player) -> None:
        self.plan, self.player, self.sample = plan, player, player.sample
        self.live, budget = len(player.live), plan.task.max_evaluations
        self.affordable = budget // (2 * plan.pairs)
        self.scores = np.zeros((0, 2))
        self.found = Dependence(np.zeros(self.live), np.zeros((self.live, self.live)), np.inf, 0.0)
        self.stop: Check | None = None
        if not self.live:
            self.stop = _stopping.nothing("every feature equals its fill")
        elif 2.0**self.live * plan.game.rows <= min(WORTH_ENUMERATING, budget):
            self._enumerate()
        else:
            least = 2 * plan.pairs * _rounds.first_look(plan.game.rows)
            _stopping.require(budget, least, f"{_stopping.MIN_PAIRS} pairs of masks, {plan.game.rows} rows of the fill in turn,")
            if plan.task.state:
                self._restore()

    def _enumerate(self) -> None:
        game, masks = self.plan.game, all_coalitions(self.live)
        (scores,) = game.score([(self.player, np.repeat(masks, game.rows, axis=0), np.tile(np.arange(game.rows), len(masks)))])
        self.found = exact_dependence(2.0 * masks - 1, scores.reshape(len(masks), game.rows), self.plan.width)
        self.stop = _stopping.exact(f"all {len(masks):,} masks of {self.live} features that differ from the fill")

    def _restore(self) -> None:
        """Take up the scores of an earlier time; what they were of is drawn again."""
        state = self.plan.task.state
        rounds = int(state["rounds"][self.sample])
        kept = state["scores"][self.sample, : 2 * rounds * self.plan.pairs]
        if rounds:
            masks, rows = self.plan.asked(self.live, 0, rounds)
            self.plan.game.learn([(self.player, masks, rows)], [kept])
            self.take(kept, rounds)

    @property
    def used(self) -> int:
        return self.player.evaluations

    def take(self, scores: Array, rounds: int) -> None:
        """The scores of further rounds, up to `rounds` in all."""
        self.scores = np.concatenate([self.scores, scores.reshape(-1, 2)])
        self.rounds = rounds
        self.found = estimated_dependence(self.plan.signs(self.live, rounds), self.scores, self.plan.rows(rounds), self.plan.width)

    def estimate(self) -> float:
        covariance = self.found.covariance
        norm = unbiased_square(float(np.square(self.found.values).sum()), float(np.trace(covariance)))
        return _stopping.relative(covariance_quantile(covariance, self.found.degrees), float(np.sqrt(norm)), 0.0)


def _advance(plan: _Plan, together: list[_Run], start: int, stop: int) -> None:
    """Rounds `start` to `stop` of samples that stand at the same round."""
    ends = {run.sample: min(stop, run.affordable) for run in together}
    asked = {(run.live, ends[run.sample]): plan.asked(run.live, start, ends[run.sample]) for run in together}
    scored = plan.game.score([(run.player, *asked[run.live, ends[run.sample]]) for run in together])
    for run, scores in zip(together, scored, strict=True):
        run.take(scores, ends[run.sample])


def _attribution(plan: _Plan, runs: list[_Run]) -> Attribution:
    """All samples' answers as one, features padded to the largest count."""
    game = plan.game
    scores = np.full((len(runs), max(run.scores.size for run in runs)), np.nan)
    for row, run in zip(scores, runs, strict=True):
        row[: run.scores.size] = run.scores.ravel()
    return Attribution(
        values=np.stack([run.player.spread(run.found.values, game.width) for run in runs]),
        error=np.stack([run.player.spread(np.sqrt(np.maximum(np.diag(run.found.covariance), 0)), game.width) for run in runs]),
        error_kind="standard_error" if any(run.rounds for run in runs) else "exact",
        axes=padded(game.features),
        evaluations=np.array([run.used for run in runs]),
        gradients=np.zeros(len(runs), dtype=int),
        stops=[run.stop for run in runs if run.stop is not None],
        degrees=np.array([float(run.found.degrees) for run in runs]),
        statistics={
            "relative_error": np.array([run.estimate() if run.rounds else 0.0 for run in runs]),
            "bandwidth": np.array([run.found.bandwidth for run in runs]),
        },
        state={"scores": scores, "rounds": np.array([run.rounds for run in runs])},
    )
