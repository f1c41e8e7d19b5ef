"""The pictures of a training in a report: curves and layers over epochs, then the frames of each layer that was pictured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pellucid.core.language import number as in_figures
from pellucid.core.language import said as _
from pellucid.core.view import View
from pellucid.figures.film import pictured


def of_training(view: View, _row: int) -> Iterator[tuple[str, str, Mapping[str, Any], str]]:
    """What `SHOWS` asks for."""
    loss = view.details["network"]["loss"]
    told = loss[np.isfinite(loss)]
    epochs = in_figures(float(np.floor(view.details["network"]["epoch"].max())))
    if len(told):
        text = _("Curves over {epochs} epochs; the training loss went from {first} to {last}.")
        text = text.format(epochs=epochs, first=in_figures(float(told[0])), last=in_figures(float(told[-1])))
    else:
        text = _("Curves over {epochs} epochs.").format(epochs=epochs)
    yield "curves", "training", {}, text
    for layer, kinds in pictured(view).items():
        for kind in kinds:
            filters = kind == "filters"
            title = _("{layer}, its filters").format(layer=layer) if filters else layer
            text = _("Filters of {layer}, epoch by epoch, on one scale.") if filters else _("What {layer} answered, epoch by epoch, on one scale.")
            yield f"{kind}-{layer}", "film", {"layer": layer, "what": kind, "title": title}, text.format(layer=layer)
