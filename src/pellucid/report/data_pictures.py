"""Pictures of views that show a network's data: embeddings, similarities of layers and decision boundaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pellucid.core.language import number, percent
from pellucid.core.language import said as _
from pellucid.core.view import View

Figure = tuple[str, str, Mapping[str, Any], str]


def of_embedding(view: View, row: int) -> Iterator[Figure]:
    """Each layer by class, or by prediction, and, where labels are known, by error."""
    for layer, found in view.details.items():
        colours: list[str] = [one for one, detail in (("label", "label"), ("prediction", "predicted")) if detail in found][:1] + ["error"] * ("error" in found)
        for colour in colours or [""]:
            text = _("{layer}: {count} samples as points; trustworthiness {trust}, continuity {continuity}, mean share of neighbours alike {share}")
            share = percent(float(np.nanmean(found["agreement"]))) if "agreement" in found else "–"
            trust, continuity = (number(float(found[name])) for name in ("trustworthiness", "continuity"))
            shown = int(np.isfinite(view.values[layer]).all(axis=1).sum())
            text = text.format(layer=layer, count=number(shown), trust=trust, continuity=continuity, share=share)
            yield f"{layer}-{colour}" if colour else layer, "embedding", {"layer": layer, "colour": colour or None}, text


def of_similarity(view: View, row: int) -> Iterator[Figure]:
    """One picture of all pairs."""
    told, values = view.provenance.get("resolved", {}), view.values["network"]
    text = _("CKA of {rows} × {columns} layers, from {low} to {high}, on {samples} samples in {batches} minibatches; standard errors up to {error}")
    error = view.details["network"]["error"]
    largest = float(np.nanmax(error)) if np.isfinite(error).any() else float("nan")
    counts = {"samples": number(told.get("samples", 0)), "batches": number(told.get("minibatches", 0)), "error": number(largest, 2)}
    low, high = (number(float(end)) for end in (values.min(), values.max()))
    yield "network", "similarity", {}, text.format(rows=values.shape[0], columns=values.shape[1], low=low, high=high, **counts)


def of_boundary(view: View, row: int) -> Iterator[Figure]:
    """One picture of the slice."""
    found = view.details["network"]
    seen = found["boundary"][np.isfinite(found["boundary"])]
    away = number(float(np.max(found["away"])))
    if len(seen):
        text = _("The nearest of the samples to another class is {nearest} away from it along the slice; the slice goes up to {away} away from any sample.")
        text = text.format(nearest=number(float(seen.min())), away=away)
    else:
        text = _("No other class is seen on the slice, which goes up to {away} away from any sample.").format(away=away)
    yield "network", "decision_boundary", {}, text
