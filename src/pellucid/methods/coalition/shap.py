"""SHAP: Shapley values, by enumeration where it is the cheaper way and by permutations elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.method import Attribution, Method, Task
from pellucid.methods.coalition import _permutations, _shapley
from pellucid.methods.coalition._game import Game

WORTH_ENUMERATING = 4096
"""Up to this many evaluations an enumeration is taken: sampling to the default tolerance costs as much."""


@dataclass(frozen=True)
class Shap(Method):
    """Each feature's fair share of the score: its contribution averaged over every order in which features can join.

    Use it for any model, black boxes included, when shares must add up. With v(S) the mean score over the fill's rows when the features outside S take
    the fill's values, values_j = Σ_S |S|!(n−|S|−1)!/n! (v(S∪j) − v(S)), and Σ_j values_j = f(x) − v(∅) to rounding.

    Features equal to their fill are dropped first (their share is 0). Samples whose remaining coalitions are few are enumerated (exact); the others are
    drawn as antithetic permutations, the background's rows in turn and in whole rounds. Which one was used stands in the outcome.

    Shapes: values and error (samples, features), in units of the score; `error` is the standard error. `tolerance` bounds the 95 % quantile of
    ‖error‖₂/‖values‖₂ per sample.
    Source: Shapley 1953; Lundberg & Lee 2017, arXiv:1705.07874; Mitchell et al. 2022, arXiv:2104.12199 (antithetic permutations). Does not say what the
    network would do on inputs that can occur: masked inputs may be unlike any real one.

    >>> import numpy as np, pellucid
    >>> model = lambda x: x[:, :1] * x[:, 1:2]
    >>> pellucid.explain(model, np.array([[2.0, 3.0]]), "shap", features="columns").values
    array([[3., 3.]])
    """

    control: str = "auto"

    title: ClassVar[str] = "SHAP"
    answers: ClassVar[str] = "What is each feature's fair share of the score, against a background?"
    family: ClassVar[str] = "coalition"
    unit: ClassVar[str] = "score"
    accepts: ClassVar[frozenset[str]] = frozenset({"background", "features", "fill"})
    error_kind: ClassVar[str] = "standard_error"
    default_tolerance: ClassVar[float] = 0.05
    default_max_evaluations: ClassVar[int] = 50_000
    citation: ClassVar[str] = "Lundberg & Lee 2017, arXiv:1705.07874; Mitchell et al. 2022, arXiv:2104.12199"

    def explain(self, task: Task) -> Attribution:
        game = Game(task)
        limit = min(task.max_evaluations, WORTH_ENUMERATING)
        few = [player for player in game.players if len(player.live) < 2 or _shapley.enumeration_cost(game, player) <= limit]
        solved = {player.sample: _shapley.enumerate_exactly(game, player) for player in few}
        many = [player for player in game.players if player.sample not in solved]
        return _shapley.attribution(task, game, solved | _permutations.sample(game, many, self.control), self.error_kind)
