"""Owen values: fair shares when features come in groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.core.method import Attribution, Method, Task
from pellucid.maths.hierarchy import Hierarchy
from pellucid.methods.coalition import _orders, _partition
from pellucid.methods.coalition._game import Game, Player, padded


@dataclass(frozen=True)
class PartitionShap(Method):
    """Each feature's share of the score when features of one group join together: Owen values over a hierarchy of the features.

    Use it where features belong together (neighbouring patches, correlated columns), and as the cheap exact way for many features: a balanced tree of n
    features needs about ⅔ n² evaluations a fill row where Shapley values need 2^n. values_j is the mean, over every order of the features in which the
    leaves of each node stand together, of v(those before and j) − v(those before), v as in `shap`; Σ_j values_j = f(x) − v(∅). A group's values add up
    to its share in the game of its siblings. A flat hierarchy gives Shapley values.

    `hierarchy` is nested lists of names or numbers, [["age", "sex"], [2, [3, 4]]], or a SciPy linkage; without it, columns are joined by average linkage on
    1 − |correlation| of a background of ten rows or more, and other features are halved by their places, the longer extent first. Where
    `max_evaluations` allows every coalition of the hierarchy, the values are exact; else orders are drawn, each with its reverse, the fill's rows in turn.

    Shapes: values and error (samples, features), in units of the score; `error` is the standard error. `tolerance` bounds the 95 % quantile of
    ‖error‖₂/‖values‖₂ per sample; no stop before 30 draws.
    Source: Owen 1977, doi:10.1007/978-3-642-45494-3_7; Winter 1989, Int. J. Game Theory 18:227–240 (levels); Lundberg's PartitionExplainer in the package shap.
    Does not give Shapley values, and another hierarchy gives other shares.

    >>> import numpy as np, pellucid
    >>> model = lambda x: x.min(axis=1, keepdims=True)
    >>> pellucid.explain(model, np.ones((1, 3)), "partition_shap", hierarchy=[[0, 1], 2]).values
    array([[0.25, 0.25, 0.5 ]])
    """

    hierarchy: Any = None

    title: ClassVar[str] = "Partition SHAP"
    answers: ClassVar[str] = "What is each feature's fair share of the score, when groups of features join together?"
    family: ClassVar[str] = "coalition"
    promises: ClassVar[frozenset[str]] = frozenset({"efficiency", "dummy"})
    unit: ClassVar[str] = "score"
    accepts: ClassVar[frozenset[str]] = frozenset({"background", "features", "fill"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "standard_error"
    default_tolerance: ClassVar[float] = 0.05
    default_max_evaluations: ClassVar[int] = 50_000
    citation: ClassVar[str] = "Owen 1977, doi:10.1007/978-3-642-45494-3_7; Winter 1989, Int. J. Game Theory 18:227–240"

    def explain(self, task: Task) -> Attribution:
        game = Game(task)
        trees, origin = _partition.hierarchies(task, game, self.hierarchy)
        alike: dict[Hierarchy, list[Player]] = {}
        for player in game.players:
            alike.setdefault(trees[player.sample], []).append(player)
        answers: dict[int, _orders.Answer] = {}
        for tree, players in alike.items():
            if _partition.cost(game, tree) <= task.max_evaluations:
                answers |= _partition.solve(game, players, tree)
                task.progress(len(answers) / len(game.players))
        schemes = {sample: _partition.HierarchicalOrders(tree) for sample, tree in trees.items() if sample not in answers}
        estimator = " and ".join([*(["exact"] if answers else []), *(["orders"] if schemes else [])])
        answers |= _orders.sample(game, schemes)
        return _orders.attribution(task, game, answers, padded(game.features), {"hierarchy": origin, "estimator": estimator})
