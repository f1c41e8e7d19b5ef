"""Figures draw images with channels last; a record keeps them as its network takes them."""

from __future__ import annotations

from dataclasses import replace

from pellucid.core.errors import UnsupportedError
from pellucid.core.layout import channels_of, to_last
from pellucid.core.records import Explanation
from pellucid.core.view import View


def check_one_input(record: Explanation | View) -> None:
    """Raise for a record of several inputs, which have no picture in common."""
    packing = record.packing if isinstance(record, Explanation) else None
    if packing is not None:
        chosen = f"explanation.by_input[{packing.names[0]!r}]"
        raise UnsupportedError(f"this explanation is of {len(packing)} inputs, {', '.join(packing.names)}; draw one of them: {chosen}.")


def channels_last(record: Explanation) -> Explanation:
    """The same explanation with the inputs, and whatever lies over them, channels last; of several inputs one must be chosen first."""
    check_one_input(record)
    channels = channels_of(record)
    if channels == "last":
        return record
    provenance = dict(record.provenance) | {"takes": dict(record.provenance["takes"]) | {"channels": "last"}}
    features, baseline = record.features, record.baseline
    over = record.values.shape == record.inputs.shape
    return replace(
        record,
        inputs=to_last(record.inputs, channels),
        values=to_last(record.values, channels) if over else record.values,
        error=to_last(record.error, channels) if over else record.error,
        baseline=None if baseline is None else to_last(baseline, channels),
        features=None if features is None else replace(features, labels=to_last(features.labels, channels)),
        provenance=provenance,
    )
