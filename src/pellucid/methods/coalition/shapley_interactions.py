"""Shapley interactions of pairs: what two features bring together beyond what each brings alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.method import Attribution, Method, Task
from pellucid.methods.coalition import _interactions, _orders
from pellucid.methods.coalition._game import Game


@dataclass(frozen=True)
class ShapleyInteractions(Method):
    """What each pair of features brings together beyond what each brings alone, and what is left to each by itself.

    Use it where shares hide how a score comes about: a product of two features gives each a half, here it stands at the pair. Off the diagonal,
    values_ij = Σ_S |S|!(n−|S|−2)!/(n−1)! (v(S∪ij) − v(S∪i) − v(S∪j) + v(S)), the Shapley interaction index, v as in `shap`; on it, the main effect
    values_ii = φ_i − ½ Σ_j values_ij, φ the Shapley values (2-SII). So a feature's main effect and half of its pairs make its Shapley value
    (`explanation.shares`), and main effects and pairs, each counted once, f(x) − v(∅).

    Features equal to their fill are dropped first. Of up to about 14 others all 2^n coalitions are scored, and the values are exact. More are put on a circle
    in random order, and all arcs of it are scored, n(n−1) a draw: between two features lie two arcs, of every length alike, so that each draw tells of every
    pair; the fill's rows are taken in turn, in whole rounds. Where drawing would come to cost as much as all coalitions, and the budget allows those,
    they are scored instead.

    Shapes: values and error (samples, features, features), symmetric, in units of the score; `error` is the standard error. `tolerance` bounds the 95 %
    quantile of ‖error‖₂/‖values‖₂ (of the whole matrix) per sample; no stop before 30 draws.
    Source: Grabisch & Roubens 1999, doi:10.1007/s001820050125; Bordt & von Luxburg 2023, arXiv:2209.04012 (main effects). Does not tell three features
    that act together from pairs: what they bring is divided among their pairs.

    >>> import numpy as np, pellucid
    >>> model = lambda x: x[:, :1] * x[:, 1:2] + x[:, 2:]
    >>> pellucid.explain(model, np.array([[2.0, 3.0, 1.0]]), "shapley_interactions").values[0]
    array([[0., 6., 0.],
           [6., 0., 0.],
           [0., 0., 1.]])
    """

    title: ClassVar[str] = "Shapley interactions"
    answers: ClassVar[str] = "Which pairs of features act together, and how much?"
    family: ClassVar[str] = "coalition"
    promises: ClassVar[frozenset[str]] = frozenset({"efficiency", "symmetry", "dummy"})
    accepts: ClassVar[frozenset[str]] = frozenset({"background", "features", "fill"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "standard_error"
    default_tolerance: ClassVar[float] = 0.1
    default_max_evaluations: ClassVar[int] = 200_000
    citation: ClassVar[str] = "Grabisch & Roubens 1999, doi:10.1007/s001820050125; Bordt & von Luxburg 2023, arXiv:2209.04012"

    def explain(self, task: Task) -> Attribution:
        game = Game(task)
        answers = _interactions.explain(game)
        kinds = {"circular orders" if answer.state is not None else "exact" for answer in answers.values()}
        kind = game.features.kind
        return _orders.attribution(task, game, answers, ("sample", kind, f"other {kind}"), {"estimator": " and ".join(sorted(kinds, reverse=True))})
