"""What `visualize` returns: arrays by layer with named axes, and what was found out about them."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pellucid.core.language import number, percent
from pellucid.core.language import said as _
from pellucid.core.rows import as_rows, told_of

Array = np.ndarray
NOTE, WARNING, FAULT = 0, 1, 2
SEVERITIES = ("note", "warning", "fault")


@dataclass(frozen=True)
class Finding:
    """What a view found out about one layer (or, where `layer` is empty, about the whole network).

    `code` names it ("dead units", "exploding gradient"), `severity` is `NOTE`, `WARNING` or `FAULT`. `text` and `advice` are English sentences with names of
    `numbers` in braces, and `{layer}`; numbers whose name begins with "share" are written as percentages, and "sample" is a sample's place, from 0. They are
    filled in when they are read, in the language spoken then, so they are literals marked with `pellucid.core.language.later`.
    """

    code: str
    layer: str
    text: str
    advice: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    severity: int = WARNING

    def _filled(self, text: str) -> str:
        shown = {name: percent(value) if name.startswith("share") else number(value) for name, value in self.numbers.items()}
        shown |= {"sample": str(int(self.numbers["sample"]))} if "sample" in self.numbers else {}
        return _(text).format(layer=self.layer, **shown) if text else ""

    @property
    def told(self) -> str:
        """What was found, in the language spoken now."""
        return self._filled(self.text)

    @property
    def advised(self) -> str:
        """What to do about it, in the language spoken now; empty where there is nothing to do."""
        return self._filled(self.advice)

    def __str__(self) -> str:
        return f"{self.told} {self.advised}".strip()


@dataclass(frozen=True)
class View:
    """What happens inside a network.

    `values` holds the main array of each layer (or of another subject: "network"), `axes` the names of its axes; where the first is "sample", there is an entry
    for each of `inputs`. `details` holds further arrays by layer and by the name of the quantity ("mean", "histogram"), and `detail_axes` their axes by that
    name. `findings` say what is wrong or worth a look. `inputs` (samples, *shape) is empty where a view needs none, or is of more samples than a record keeps.
    """

    view: str
    values: Mapping[str, Array]
    axes: Mapping[str, tuple[str, ...]]
    inputs: Array
    provenance: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    detail_axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def layers(self) -> list[str]:
        """The layers, or other subjects, that were looked at."""
        return list(self.values)

    @property
    def worst(self) -> Finding | None:
        """The gravest finding, the first of equals; None where nothing was found."""
        return max(self.findings, key=lambda finding: finding.severity, default=None)

    def of(self, layer: str) -> tuple[Finding, ...]:
        """What was found out about one layer."""
        return tuple(finding for finding in self.findings if finding.layer == layer)

    def by_sample(self, layer: str) -> bool:
        """Whether a layer's main array has an entry for each input."""
        return self.axes.get(layer, ("sample",))[:1] == ("sample",)

    @property
    def numbers(self) -> list[int]:
        """The number of each sample in the data that it was taken from, where that is known, else its place in the record; both from 0."""
        known = self.provenance.get("indices")
        return [int(row) for row in known] if isinstance(known, list) and len(known) == len(self) else list(range(len(self)))

    def __getitem__(self, index: int | slice | Sequence[int] | Array) -> View:
        """The view of some samples; the sample axis stays, and what has none is kept as it is."""
        rows = as_rows(index, len(self))
        apart = {name for name, axes in self.detail_axes.items() if axes[:1] == ("sample",)}
        return replace(
            self,
            values={name: array[rows] if self.by_sample(name) else array for name, array in self.values.items()},
            inputs=self.inputs[rows],
            provenance=told_of(self.provenance, np.arange(len(self))[rows], len(self)),
            details={layer: {name: array[rows] if name in apart else array for name, array in found.items()} for layer, found in self.details.items()},
        )

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{array.shape}</td></tr>" for name, array in self.values.items())
        found = "".join(f"<li>{html.escape(str(finding))}</li>" for finding in self.findings)
        found = f"<ul>{found}</ul>" if found else ""
        return f"<b>View</b> {html.escape(self.view)}<table><tr><th>layer</th><th>shape</th></tr>{rows}</table>{found}"

    def __repr__(self) -> str:
        worst = self.worst
        found = f", findings={len(self.findings)}, worst={worst.code!r}" if worst is not None else ""
        return f"View({self.view!r}, samples={len(self)}, layers={list(self.values)}{found})"
