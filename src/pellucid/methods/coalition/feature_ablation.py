"""Feature ablation: what the score loses when one feature is taken away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.method import Attribution, Method, Task
from pellucid.methods.coalition import _removal
from pellucid.methods.coalition._game import padded

Array = np.ndarray


@dataclass(frozen=True)
class FeatureAblation(Method):
    """What the score loses when one feature is taken away, all others staying.

    Use it for a first look at any model: one evaluation a feature. values_j = f(x) − mean_r f(x with feature j from fill row r). Where a feature equals the
    fill, nothing is lost and nothing evaluated.

    Shapes: values (samples, features), in units of the score; exact (error 0). Costs at most features × fill rows evaluations a sample.
    Source: "leave one covariate out", Lei et al. 2018, doi:10.1080/01621459.2017.1307116; as feature ablation in Kokhlikyan et al. 2020, arXiv:2009.07896.
    Does not see features that stand in for each other: of two that say the same, neither is missed. Does not add up to the score; shap does.

    >>> import numpy as np, pellucid
    >>> model = lambda x: x[:, :1] * x[:, 1:2] + x[:, 2:]
    >>> pellucid.explain(model, np.array([[2.0, 3.0, 1.0]]), "feature_ablation", features="columns").values
    array([[6., 6., 1.]])
    """

    title: ClassVar[str] = "Feature ablation"
    answers: ClassVar[str] = "What does the score lose when one feature is taken away?"
    family: ClassVar[str] = "coalition"
    promises: ClassVar[frozenset[str]] = frozenset({"symmetry", "dummy"})
    unit: ClassVar[str] = "score"
    accepts: ClassVar[frozenset[str]] = frozenset({"background", "features", "fill"})
    several_inputs: ClassVar[bool] = True
    error_kind: ClassVar[str] = "exact"
    default_tolerance: ClassVar[float] = 0.0
    default_max_evaluations: ClassVar[int] = 50_000
    citation: ClassVar[str] = "Lei et al. 2018, doi:10.1080/01621459.2017.1307116; Kokhlikyan et al. 2020, arXiv:2009.07896"

    def explain(self, task: Task) -> Attribution:
        if task.features is None:
            raise ValueError("feature ablation needs features")
        width = int(task.features.counts.max())

        def one_each(part: slice) -> Array:
            hidden = np.zeros((part.stop - part.start, width), dtype=np.uint8)
            hidden[np.arange(len(hidden)), np.arange(part.start, part.stop)] = 1
            return hidden

        found = _removal.losses(task, _removal.Regions(task.features.labels, width, width, one_each), "features")
        return _removal.attribution(found.values, found, padded(task.features))
