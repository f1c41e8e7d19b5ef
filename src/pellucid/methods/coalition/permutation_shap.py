"""Shapley values from antithetic permutations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.method import Attribution, Method, Task
from pellucid.methods.coalition import _gradients, _permutations, _shapley
from pellucid.methods.coalition._game import Game


@dataclass(frozen=True)
class PermutationShap(Method):
    """Shapley values drawn as random orders, each with its reverse, until their standard error meets the tolerance.

    Use it when the number of features forbids enumeration; see `shap` for the definition. An order and its reverse make one draw (antithetic), with one
    row of the fill; each draw adds up to f(x) − f(row) exactly, and so does the answer to f(x) − v(∅). Rows far from the sample, on which draws differ
    most, get more of them; only the spread within rows is error. With more than 30 rows an answer may come before all have been drawn with: what a row gives
    is then regressed on what is known of it, and the rows drawn with, weighted by the chance that they were, correct the regression.
    `control`: "none", "gradients" at the rows as a further regressor (they count as two evaluations each), or "auto": where they pay.

    Shapes: values and error (samples, features), in units of the score; `error` is the standard error. `tolerance` bounds the 95 % quantile of
    ‖error‖₂/‖values‖₂ per sample; no stop before 30 draws.
    Source: Castro, Gómez, Tejada 2009; Mitchell et al. 2022, arXiv:2104.12199. Does not serve where fewer than two features differ from the fill: then there is
    nothing to draw, and the answer is exact.

    >>> import numpy as np, pellucid
    >>> model = lambda x: x[:, :1] * x[:, 1:2]
    >>> pellucid.explain(model, np.array([[2.0, 3.0]]), "permutation_shap", features="columns").values
    array([[3., 3.]])
    """

    control: str = "auto"

    title: ClassVar[str] = "Permutation SHAP"
    answers: ClassVar[str] = "What is each feature's fair share of the score, estimated over random orders?"
    family: ClassVar[str] = "coalition"
    promises: ClassVar[frozenset[str]] = frozenset({"efficiency", "symmetry", "dummy"})
    unit: ClassVar[str] = "score"
    accepts: ClassVar[frozenset[str]] = frozenset({"background", "features", "fill"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "standard_error"
    default_tolerance: ClassVar[float] = 0.05
    default_max_evaluations: ClassVar[int] = 50_000
    citation: ClassVar[str] = "Castro, Gómez, Tejada 2009, doi:10.1016/j.cor.2008.04.004; Mitchell et al. 2022, arXiv:2104.12199"

    def __post_init__(self) -> None:
        _permutations.check_control(self.control)

    def explain(self, task: Task) -> Attribution:
        game = Game(task)
        solved = {player.sample: _shapley.enumerate_exactly(game, player) for player in game.players if len(player.live) < 2}
        many = [player for player in game.players if player.sample not in solved]
        return _shapley.attribution(task, game, solved | _gradients.sample(game, many, self.control), self.error_kind)
