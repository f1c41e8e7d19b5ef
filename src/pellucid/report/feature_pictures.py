"""Pictures of what a network's features look for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pellucid.core.language import said as _
from pellucid.core.view import View


def of_features(view: View, row: int) -> Iterator[tuple[str, str, Mapping[str, Any], str]]:
    """All images of a layer together; they are of the network, and of no sample."""
    for layer, images in view.values.items():
        text = _("{layer}: {count} inputs made by the network, each for one class, channel or direction").format(layer=layer, count=len(images))
        yield layer, "feature_visualization", {"layer": layer}, text
