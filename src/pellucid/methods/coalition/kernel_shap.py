"""Shapley values by weighted regression on coalitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.method import Attribution, Method, Task
from pellucid.methods.coalition import _kernel, _shapley
from pellucid.methods.coalition._game import Game


@dataclass(frozen=True)
class KernelShap(Method):
    """Shapley values as the additive model that fits the score of random coalitions best, until their standard error meets the tolerance.

    Use it where absent features take one fill, or few rows: it then needs fewer evaluations than `permutation_shap`, down to some pairs a feature; see `shap`
    for the definition. Coalitions S come with their complements; the differences (v(S) − v(∁S))/2 are regressed on membership with the weights
    1/(|S|(n − |S|)), held to Σ values = f(x) − v(∅). Sizes are drawn equally often (the leverage scores of that regression). Each row of the fill has a
    regression of its own where the budget allows it, and the values are their mean; else all rows, in turn, share one. Where an enumeration of all
    coalitions costs no more than what is still to be drawn, it is made, and the answer is exact.

    Shapes: values and error (samples, features), in units of the score; `error` is the regression's standard error (HC2, pairs being the draws).
    `tolerance` bounds the 95 % quantile of ‖error‖₂/‖values‖₂ per sample; no stop before 30 pairs. The bias of a regression falls like 1/pairs and stays
    well below its standard error.
    Source: Lundberg & Lee 2017, arXiv:1705.07874; Covert & Lee 2021, arXiv:2012.01536 (pairs, errors); Musco & Witter 2025, arXiv:2410.01917 (leverage).
    Does not need gradients or use them.

    >>> import numpy as np, pellucid
    >>> model = lambda x: x[:, :1] * x[:, 1:2]
    >>> pellucid.explain(model, np.array([[2.0, 3.0]]), "kernel_shap", features="columns").values
    array([[3., 3.]])
    """

    title: ClassVar[str] = "Kernel SHAP"
    answers: ClassVar[str] = "What is each feature's fair share of the score, estimated by a regression on coalitions?"
    family: ClassVar[str] = "coalition"
    promises: ClassVar[frozenset[str]] = frozenset({"efficiency", "symmetry", "dummy"})
    unit: ClassVar[str] = "score"
    accepts: ClassVar[frozenset[str]] = frozenset({"background", "features", "fill"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "standard_error"
    default_tolerance: ClassVar[float] = 0.05
    default_max_evaluations: ClassVar[int] = 50_000
    citation: ClassVar[str] = "Lundberg & Lee 2017, arXiv:1705.07874; Covert & Lee 2021, arXiv:2012.01536; Musco & Witter 2025, arXiv:2410.01917"

    def explain(self, task: Task) -> Attribution:
        game = Game(task)
        solved = {player.sample: _shapley.enumerate_exactly(game, player) for player in game.players if len(player.live) < 2}
        many = [player for player in game.players if player.sample not in solved]
        return _shapley.attribution(task, game, solved | _kernel.sample(game, many), self.error_kind)
