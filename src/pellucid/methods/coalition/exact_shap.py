"""Shapley values from every coalition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.errors import UnsupportedError
from pellucid.core.method import Attribution, Method, Task
from pellucid.methods.coalition import _shapley
from pellucid.methods.coalition._game import Game


@dataclass(frozen=True)
class ExactShap(Method):
    """Shapley values without sampling: every coalition of the features that differ from the fill is scored.

    Use it for up to about 16 such features; see `shap` for the definition. Costs (2^features − 1) × fill rows evaluations a sample.

    Shapes: values (samples, features), in units of the score; exact (error 0).
    Source: Shapley 1953; Lundberg & Lee 2017, arXiv:1705.07874. Does not fall back on sampling: more coalitions than `max_evaluations` is an error.

    >>> import numpy as np, pellucid
    >>> model = lambda x: x[:, :1] * x[:, 1:2]
    >>> pellucid.explain(model, np.array([[2.0, 3.0]]), "exact_shap", features="columns").values
    array([[3., 3.]])
    """

    title: ClassVar[str] = "Exact SHAP"
    answers: ClassVar[str] = "What is each feature's fair share of the score, counted over every coalition?"
    family: ClassVar[str] = "coalition"
    promises: ClassVar[frozenset[str]] = frozenset({"efficiency", "symmetry", "dummy"})
    unit: ClassVar[str] = "score"
    accepts: ClassVar[frozenset[str]] = frozenset({"background", "features", "fill"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "exact"
    default_tolerance: ClassVar[float] = 0.0
    default_max_evaluations: ClassVar[int] = 70_000
    citation: ClassVar[str] = "Shapley 1953; Lundberg & Lee 2017, arXiv:1705.07874"

    def explain(self, task: Task) -> Attribution:
        game = Game(task)
        for player in game.players:
            cost = _shapley.enumeration_cost(game, player)
            if cost > task.max_evaluations:
                raise UnsupportedError(
                    f"sample {player.sample} has {len(player.live)} features that differ from the fill: {cost:,.0f} evaluations, "
                    f"max_evaluations is {task.max_evaluations:,}. Use method 'shap', coarser features, or raise max_evaluations."
                )
        solved = {}
        for done, player in enumerate(game.players):
            solved[player.sample] = _shapley.enumerate_exactly(game, player)
            task.progress((done + 1) / len(game.players))
        return _shapley.attribution(task, game, solved, self.error_kind)
