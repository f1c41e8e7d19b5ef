"""SHAP: Shapley values by the cheapest way: enumeration, a regression on coalitions, or permutations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.method import Attribution, Method, Task
from pellucid.methods.coalition import _gradients, _kernel, _permutations, _shapley
from pellucid.methods.coalition._game import Game

WORTH_ENUMERATING = 4096
"""Up to this many evaluations an enumeration is taken: sampling to the default tolerance costs as much."""
ROWS_FOR_REGRESSION = 8
"""Up to this many rows of the fill a regression with each of them needs fewer evaluations than permutations."""


@dataclass(frozen=True)
class Shap(Method):
    """Each feature's fair share of the score: its contribution averaged over every order in which features can join.

    Use it for any model, black boxes included, when shares must add up. With v(S) the mean score over the fill's rows when the features outside S take
    the fill's values, values_j = Σ_S |S|!(n−|S|−1)!/n! (v(S∪j) − v(S)), and Σ_j values_j = f(x) − v(∅) to rounding.

    Features equal to their fill are dropped first (their share is 0). Samples whose remaining coalitions are few are enumerated (exact). Others are estimated
    by a regression on coalitions where the fill has up to 8 rows (`kernel_shap`), else by permutations (`permutation_shap`, whose `control` this is). The
    outcome and `provenance["resolved"]["estimator"]` say which.

    Shapes: values and error (samples, features), in units of the score; `error` is the standard error. `tolerance` bounds the 95 % quantile of
    ‖error‖₂/‖values‖₂ per sample.
    Source: Shapley 1953; Lundberg & Lee 2017, arXiv:1705.07874; see `kernel_shap` and `permutation_shap`. Does not say what the network would do on inputs
    that can occur: masked inputs may be unlike any real one.

    >>> import numpy as np, pellucid
    >>> model = lambda x: x[:, :1] * x[:, 1:2]
    >>> pellucid.explain(model, np.array([[2.0, 3.0]]), "shap", features="columns").values
    array([[3., 3.]])
    """

    control: str = "auto"

    title: ClassVar[str] = "SHAP"
    answers: ClassVar[str] = "What is each feature's fair share of the score, against a background?"
    family: ClassVar[str] = "coalition"
    promises: ClassVar[frozenset[str]] = frozenset({"efficiency", "symmetry", "dummy"})
    unit: ClassVar[str] = "score"
    accepts: ClassVar[frozenset[str]] = frozenset({"background", "features", "fill"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "standard_error"
    default_tolerance: ClassVar[float] = 0.05
    default_max_evaluations: ClassVar[int] = 50_000
    citation: ClassVar[str] = "Lundberg & Lee 2017, arXiv:1705.07874; Mitchell et al. 2022, arXiv:2104.12199; Musco & Witter 2025, arXiv:2410.01917"

    def __post_init__(self) -> None:
        _permutations.check_control(self.control)

    def explain(self, task: Task) -> Attribution:
        game = Game(task)
        limit = min(task.max_evaluations, WORTH_ENUMERATING)
        few = [player for player in game.players if len(player.live) < 2 or _shapley.enumeration_cost(game, player) <= limit]
        solved = {player.sample: _shapley.enumerate_exactly(game, player) for player in few}
        many = [player for player in game.players if player.sample not in solved]
        regression = game.rows <= ROWS_FOR_REGRESSION and self.control != "gradients"
        drawn = _kernel.sample(game, many) if regression else _gradients.sample(game, many, self.control)
        return _shapley.attribution(task, game, solved | drawn, self.error_kind)
