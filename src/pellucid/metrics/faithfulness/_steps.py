"""What deletion and insertion share: the score while units are taken away, or put in, in the order of their importance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pellucid.core.metric import Measurement, Trial
from pellucid.metrics._masks import Removal, area, kept_by_steps, order_of, removed_scores


def by_steps(trial: Trial, steps: int, *, insert: bool = False) -> Measurement:
    """The area under the score over the share of units taken away (or put in), the most important first."""
    trial = trial.as_probability()
    samples, maps, width = trial.importance.shape

    def removals() -> Iterator[Removal]:
        for sample, k in np.ndindex(samples, maps):
            kept = kept_by_steps(order_of(trial.importance[sample, k], trial.present[sample]), width, steps)
            yield Removal(sample, ~kept if insert else kept)

    found = np.array(list(removed_scores(trial, removals(), samples * maps))).reshape(samples, maps, steps + 1)
    passes = np.full(samples, (steps + 1) * trial.fills.shape[1])
    share = np.broadcast_to(np.linspace(0, 1, steps + 1), (samples, steps + 1))
    return Measurement(area(found), np.zeros((samples, maps)), passes, np.zeros(samples, int), {"share": share, "score": found[:, 0]})
