"""Whether values add up to the change of the score: what completeness and efficiency share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pellucid.core.errors import UnsupportedError
from pellucid.core.metric import Measurement, Trial
from pellucid.metrics._masks import Removal, removed_scores

Array = np.ndarray
ROUNDING = 1e-6
"""Relative difference of scores below which nothing changed."""


def gap(trial: Trial) -> Measurement:
    """|Σ values − (f(x) − f(reference))| / |f(x) − f(reference)|, f read from the network now; NaN where the score does not change."""
    explanation = trial.explanation
    total = np.asarray(explanation.shares, dtype=np.float64).reshape(len(explanation), -1).sum(axis=1)
    start, passes = _at_reference(trial)
    change = trial.scores - start
    moved = np.abs(change) > ROUNDING * np.maximum(np.abs(trial.scores), np.abs(start))
    values = np.divide(np.abs(total - change), np.abs(change), out=np.full(len(total), np.nan), where=moved)[:, None]
    return Measurement(values, np.zeros(values.shape), passes, np.zeros(len(values), int), {"sum": total, "change": change})


def _at_reference(trial: Trial) -> tuple[Array, Array]:
    """The score at the baseline, or its mean over the rows of the fill, (samples,), and what it cost each sample; what the record holds where the method makes
    its own start, or starts at a layer."""
    explanation, samples = trial.explanation, len(trial.inputs)
    at_layer = explanation.layer or explanation.provenance.get("resolved", {}).get("embedding")
    rows = None if at_layer else trial.again.reference(trial.model)
    if rows is None:
        if explanation.baseline_score is None:
            raise UnsupportedError("needs the score that values are counted from, and the record holds none; explain again")
        return np.asarray(explanation.baseline_score, dtype=np.float64), np.zeros(samples, int)
    if explanation.features is not None:  # elements of no feature stay
        trial = replace(trial, fills=rows, units=explanation.features)
        width = len(explanation.features.names)
        found = removed_scores(trial, [Removal(sample, np.zeros((1, width), dtype=bool)) for sample in range(samples)], samples)
        return np.concatenate(list(found)), np.full(samples, rows.shape[1])
    outputs = trial.model.predict(rows.reshape(-1, *rows.shape[2:]), logits=trial.target.reads_logits)
    outputs = np.broadcast_to(outputs.reshape(*rows.shape[:2], *outputs.shape[1:]), (samples, rows.shape[1], *outputs.shape[1:]))
    scores = [trial.target.take(np.full(rows.shape[1], sample)).of(outputs[sample]).mean() for sample in range(samples)]
    return np.array(scores), np.full(samples, rows.shape[1])
