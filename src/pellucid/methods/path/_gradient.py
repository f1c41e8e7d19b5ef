"""Methods that need one gradient at the input itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pellucid.core.method import Attribution, Task
from pellucid.core.model import INPUT
from pellucid.methods import _stopping

Array = np.ndarray


def plain_gradient(task: Task, value: Callable[[Array, Array], Array]) -> Attribution:
    """`value(gradient, inputs)`, exact, one gradient a sample."""
    found = task.model.gradients(task.inputs, task.target)
    values = value(found.gradients[INPUT], task.inputs)
    task.progress(1.0)
    once = np.ones(len(values), dtype=int)
    return Attribution(
        values=values,
        error=np.zeros_like(values),
        error_kind="exact",
        axes=("sample", *(f"input_{i}" for i in range(values.ndim - 1))),
        evaluations=once,
        gradients=once,
        outputs=found.outputs,
        stops=[_stopping.exact("one gradient, no approximation")] * len(values),
    )
