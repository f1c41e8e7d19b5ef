"""Outputs for inputs that a metric changes by more than taking units away: one queue for all of them, in pieces of bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from pellucid.core.metric import Trial

Array = np.ndarray
CHANGED_BYTES = 32e6
"""What the inputs of one piece of the queue may take."""


@dataclass(frozen=True)
class Changed:
    """Inputs (n, *shape) that stand for one sample."""

    sample: int
    inputs: Array


def changed_outputs(trial: Trial, changes: Iterable[Changed], total: int) -> Iterator[Array]:
    """The network's outputs for each of the changes in turn, (n, *output), on the target's side of the softmax; `total` is how many inputs there are."""
    queue: list[Changed] = []
    waiting = done = 0
    for change in changes:
        queue.append(change)
        waiting += change.inputs.nbytes
        if waiting >= CHANGED_BYTES:
            yield from _outputs(trial, queue)
            done += sum(len(one.inputs) for one in queue)
            trial.progress(min(done / max(total, 1), 1.0))
            queue, waiting = [], 0
    if queue:
        yield from _outputs(trial, queue)
    trial.progress(1.0)


def _outputs(trial: Trial, queue: list[Changed]) -> list[Array]:
    inputs = np.concatenate([change.inputs for change in queue]).astype(trial.inputs.dtype, copy=False)
    outputs = trial.model.predict(inputs, logits=trial.target.reads_logits)
    return np.split(outputs, np.cumsum([len(change.inputs) for change in queue])[:-1])


def scores_of(trial: Trial, sample: int, outputs: Array) -> Array:
    """The target's scores of outputs that stand for one sample, (n,)."""
    return trial.target.unnamed(np.full(len(outputs), sample)).of(outputs)
