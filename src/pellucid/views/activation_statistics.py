"""Activation statistics: what each unit gives over a whole data set, and which units are dead or saturated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.language import later
from pellucid.core.model import Layer, Model, batches
from pellucid.core.scene import DATA, Scene, Shown, ViewMethod
from pellucid.core.view import FAULT, Finding
from pellucid.maths.streams import AT_ONCE, Histogram, Moments, column_sums
from pellucid.views._units import Span, by_place, is_head, not_finite, read, span_of, told

Array = np.ndarray
MOST_BYTES = 48e6
"""What the layers may give at a time."""
ENOUGH = 8
"""Of fewer samples nothing is said of units that are always the same."""
SAME = 1e-6
"""A unit is constant where its values differ by less, as a share of their size: a compiler may add up in another order for another batch."""


@dataclass(frozen=True)
class ActivationStatistics(ViewMethod):
    """How each unit of a layer behaves over a data set: its distribution, how sparse it is, and whether it is dead or saturated.

    Use it on a trained network to find units that do nothing, and on a young one to see whether activations vanish, explode or stick at the ends of their
    range. The data set is gone through once and not kept. Without `layers`, all layers with weights or an activation are read.

    A unit is dead when it is zero everywhere for every sample, in a layer that ends in a ReLU; in another layer, when it never changes. A unit is saturated
    when more than `most` of its values lie so near an end of its range (sigmoid, tanh, softsign, a recurrent state) that the slope there is below 4 % of the
    steepest; the network's own head is left out, which is meant to be sure. Channels over a grid or over time are pooled. A layer that is used several times
    is read where it is used last.

    Shapes: per layer the mean of each unit (units,), in the layer's own units. Details: "deviation", "low", "high" (units,); "zero", the share of values that
    are 0, and "saturated", the share at an end (units,); "dead" (units,); "histogram" (bins + 2,), all units together, the first and last number being those
    below and above all bins, and "edges" (bins + 1,), which the first batch sets; "samples" (1,). Moments are merged exactly (Chan, Golub & LeVeque 1979).
    Does not say what a unit answers to, nor whether the network would miss it.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.array([[1.0, -1.0]]), np.zeros(2), "relu")], (1,))
    >>> view = pellucid.visualize(model, np.arange(1.0, 10.0)[:, None], "activation_statistics")
    >>> view.values["dense_0"], view.details["dense_0"]["zero"]
    (array([5., 0.]), array([0., 1.]))
    >>> print(view.worst.told)
    1 of the 2 units of dense_0 (50.0%) give zero everywhere, for each of 9 inputs.
    """

    title: ClassVar[str] = "Activation statistics"
    answers: ClassVar[str] = "How does each unit behave over a data set: is it sparse, dead or saturated?"
    citation: ClassVar[str] = "Glorot & Bengio 2010, AISTATS 9:249; Chan, Golub & LeVeque 1979, STAN-CS-79-773"
    looks_at: ClassVar[str] = DATA

    bins: int = 60
    most: float = 0.9

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise SettingError(f"bins is {self.bins}; give at least 2.")
        if not 0 < self.most <= 1:
            raise SettingError(f"most is {self.most}; give a share between 0 and 1.")

    def show(self, scene: Scene) -> Shown:
        model = scene.model
        chosen = scene.chosen(_default(model))
        tallies: dict[str, _Tally] = {}
        samples = 0
        for part in _parts(scene, chosen):
            values = read(model, part, chosen)
            for layer in chosen:
                if layer.name not in tallies:
                    tallies[layer.name] = _Tally(by_place(values[layer.name]).shape[-1], span_of(layer), self.bins)
                tallies[layer.name].add(by_place(values[layer.name]))
            samples += len(part)
            scene.progress(samples / scene.data.count if scene.data is not None and scene.data.count else 0.0)
        findings = self._found(model, chosen, tallies, samples)
        details = {name: tally.details() | {"samples": np.array([samples])} for name, tally in tallies.items()}
        axes = dict.fromkeys(("deviation", "low", "high", "zero", "saturated", "dead"), ("unit",)) | {"histogram": ("bin",), "edges": ("edge",)}
        kinds = {f"kind of {layer.name}": layer.kind for layer in chosen}
        means = {name: tally.moments.mean for name, tally in tallies.items()}
        return Shown(means, dict.fromkeys(means, ("unit",)), kinds | {"samples": samples}, details, axes | {"samples": ("total",)}, findings)

    def _found(self, model: Model, chosen: list[Layer], tallies: dict[str, _Tally], samples: int) -> list[Finding]:
        """Layer by layer; of layers that follow a dead one and are constant because of it, how many there are."""
        found: list[Finding] = []
        for layer in chosen:
            tally, units = tallies[layer.name], len(tallies[layer.name].zero)
            if tally.not_finite:
                found.append(not_finite(layer.name, tally.not_finite))
                continue
            dead = int(tally.dead.sum()) if samples >= ENOUGH else 0
            first = next((i for i, one in enumerate(found) if one.code == "dead layer"), None)
            if dead == units and first is not None:
                found[first] = _one_more(found[first])
                continue
            saturated = 0 if is_head(model, layer) else int(((tally.saturated > self.most) & ~tally.dead).sum())
            found += told(layer.name, units, samples, dead=dead, saturated=saturated, floor=tally.span.floor)
        return found


class _Tally:
    """What is known of a layer so far."""

    def __init__(self, units: int, span: Span, bins: int) -> None:
        self.span, self.moments = span, Moments(units)
        self.histogram = Histogram(bins, *(_ends(span)))
        self._zero, self._at_end, self.not_finite = np.zeros(units, np.int64), np.zeros(units, np.int64), 0

    def add(self, placed: Array) -> None:
        """Take in values (samples, places, units)."""
        rows = placed.reshape(-1, placed.shape[-1])
        self.histogram.add(rows)
        step = max(1, AT_ONCE // max(rows.shape[1], 1))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            finite = np.isfinite(part)
            if not finite.all():
                self.not_finite += int((~finite).sum())
                part = np.where(finite, part, 0)
            self.moments.add(part)
            self._zero += _counts(part == 0)
            if self.span.ends and self.span.may_be_at_end(part):
                self._at_end += _counts(self.span.at_end(part))

    @property
    def zero(self) -> Array:
        return self._zero / max(self.moments.count, 1)

    @property
    def saturated(self) -> Array:
        return self._at_end / max(self.moments.count, 1)

    @property
    def dead(self) -> Array:
        """Units that are always zero where a ReLU makes it so, that never change elsewhere; one that never leaves an end of its range is saturated."""
        if self.span.floor:
            return self._zero == self.moments.count
        low, high = self.moments.low, self.moments.high
        found: Array = (high - low <= SAME * np.maximum(np.abs(low), np.abs(high))) & (self._at_end == 0)
        return found

    def details(self) -> dict[str, Array]:
        counted = {"zero": self.zero, "dead": self.dead, "histogram": self.histogram.counts, "edges": self.histogram.edges}
        moments = {"deviation": self.moments.deviation, "low": self.moments.low, "high": self.moments.high}
        return moments | counted | ({"saturated": self.saturated} if self.span.ends else {})


def _counts(flags: Array) -> Array:
    """How often each column is true."""
    return column_sums(flags.astype(np.float32)).astype(np.int64)


def _ends(span: Span) -> tuple[float | None, float | None]:
    """Between what the histogram's bins lie, as far as the activation says."""
    return 0.0 if span.floor else span.low, span.high


def _one_more(finding: Finding) -> Finding:
    """The finding of a dead layer, with one more layer that is constant because of it."""
    text = later("{layer} gives the same for each of {samples} inputs, all of its {units} units; so do {after} layers after it: nothing passes.")
    return replace(finding, text=text, numbers={**finding.numbers, "after": finding.numbers.get("after", 0) + 1}, severity=FAULT)


def _parts(scene: Scene, chosen: list[Layer]) -> Iterator[Array]:
    """The data set in parts of which the layers do not give more than is allowed at a time."""
    size = 4.0 * sum(float(np.prod([number or 1 for number in layer.shape or ()])) for layer in chosen)
    rows = max(1, int(MOST_BYTES // max(size, 1.0)))
    for batch in scene.data or (scene.inputs,):
        for part in batches(len(batch), rows):
            yield batch[part]


def _default(model: Model) -> list[Layer]:
    """Layers that make something of what they are given, with weights or an activation of their own; those that give no row for each sample are left out,
    as far as shapes are known."""
    known = [layer for layer in model.layers() if layer.shape is not None] or list(model.layers())
    return [layer for layer in known if layer.parameters or layer.sequential or span_of(layer) != Span()] or known
