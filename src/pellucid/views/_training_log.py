"""What a recorder of a training keeps: moment by moment curves, norms, what units answer to a probe, and pictures, thinned out where they grow too many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.loss import Loss
from pellucid.core.model import Model
from pellucid.core.scene import Shown
from pellucid.views import _training_findings
from pellucid.views._training_look import kernels_last, looked_at, norm_of, readable, telling_pictures, tells

Array = np.ndarray
Weights = Mapping[str, tuple[Array, ...]]
NETWORK, LOSS, RATE = "network", "loss", "learning_rate"
"""The subject of the curves, and the names of two of them."""
MAPS = {3: "maps", 2: "states", 1: "units"}
"""The name of the pictures of a layer whose values have so many axes beside that of samples."""
SHOWN, CHANNELS = 2, 8
"""Pictures are of so many samples of the probe, and of so many channels of a layer."""
UNITS, FILTERS = 64, 32
"""Of a layer without a grid so many units are pictured, and so many of the first convolution's filters."""
PICTURE_BYTES, SNAPSHOT_BYTES = 64e6, 256e6
"""What pictures and snapshots of weights may take in all."""
PICTURE_AXES = {
    "maps": ("frame", "probe", "row", "column", "channel"),
    "states": ("frame", "probe", "time", "unit"),
    "units": ("frame", "probe", "unit"),
    "filters": ("frame", "row", "column", "input_channel", "filter"),
    "channels": ("channel",),
    "weights": ("snapshot", "weight"),
    "frame_epoch": ("frame",),
    "snapshot_epoch": ("snapshot",),
}
ROWS_OF_UNITS = 32
"""Samples of the probe that are pictured where a layer gives one number a unit."""


@dataclass
class Kept:
    """Things kept moment by moment: every one of them while they fit `budget` bytes, then every second, every fourth; the first and the latest always."""

    budget: float
    stride: int = 1
    offered: int = 0
    kept: list[tuple[int, Any, int]] = field(default_factory=list)
    latest: tuple[int, Any] | None = None

    def offer(self, moment: int, thing: Any, size: int) -> None:
        self.latest = moment, thing
        if self.offered % self.stride == 0:
            self.kept.append((moment, thing, size))
        self.offered += 1
        while len(self.kept) > 2 and sum(size for *_, size in self.kept) > self.budget:
            self.kept, self.stride = self.kept[::2], 2 * self.stride

    def all(self) -> list[tuple[int, Any]]:
        found = [(moment, thing) for moment, thing, _ in self.kept]
        return [*found, self.latest] if self.latest is not None and self.latest[0] != found[-1][0] else found


class Log:
    """The record in the making.

    `probe` (samples, *shape) is what the units answer to, `truth` its loss, where the gradients of the weights are to be those of the probe. `layers` are those
    whose units are looked at, `maps` the layers that are pictured and which of their channels, both None for a choice of their own.
    """

    def __init__(
        self,
        model: Model,
        probe: Array,
        *,
        layers: Sequence[str] | None = None,
        maps: Sequence[str] | Mapping[str, Sequence[int]] | None = None,
        snapshots: bool = False,
        truth: Loss | None = None,
    ) -> None:
        self.model, self.probe, self.truth, self.snapshots = model, probe, truth, snapshots
        known = model.layers()
        found = [layer for layer in known if tells(layer)] if layers is None else [model.layer(name) for name in layers]
        self.looked = readable(model, probe, found) if layers is None and found else found
        chosen = telling_pictures(known) if maps is None else [model.layer(name) for name in maps]
        self.pictured = [layer for layer in chosen if layer in self.looked] if layers is None and maps is None else chosen
        self.channels = {name: np.asarray(chosen, int).ravel() for name, chosen in maps.items()} if isinstance(maps, Mapping) else {}
        self.whole: list[bool] = []
        self.steps: list[int] = []
        self.curves: list[dict[str, float]] = []
        self.layers: list[dict[str, dict[str, float]]] = []
        self.pictures, self.weights_kept = Kept(PICTURE_BYTES), Kept(SNAPSHOT_BYTES)
        self.before: Weights = {}
        self.shapes: dict[str, list[list[int]]] = {}

    def add(self, step: int, curves: Mapping[str, float], gradients: Mapping[str, float] | None = None, *, whole: bool = True) -> None:
        """Look at the network as it is now, at the end of an epoch where `whole`, else within one. What is said again of the same step within an epoch adds
        its curves alone."""
        curve = {name: float(value) if np.isfinite(value) else np.inf for name, value in curves.items()}
        if self.whole and not self.whole[-1] and self.steps[-1] == step:
            self.curves[-1] |= curve
            self.whole[-1] = whole
            return
        weights = self.model.weights() if self.model.has_weights else {}
        with np.errstate(all="ignore"):
            found = self._norms(weights)
            for layer, norm in (self._gradients(weights) if gradients is None else gradients).items():
                found.setdefault(layer, {})["gradient_norm"] = norm
            told, values = looked_at(self.model, self.probe, self.looked, self.pictured, ROWS_OF_UNITS)
            for name, answers in told.items():
                found.setdefault(name, {}).update(answers)
        moment = len(self.steps)
        pictures = self._pictures(weights, values)
        self.pictures.offer(moment, pictures, sum(array.nbytes for array in pictures.values()))
        if self.snapshots:
            flat = {name: np.concatenate([array.ravel() for array in arrays]).astype(np.float32) for name, arrays in weights.items()}
            self.weights_kept.offer(moment, flat, sum(array.nbytes for array in flat.values()))
        self.shapes = {name: [list(array.shape) for array in arrays] for name, arrays in weights.items()}
        self.before = weights
        self.whole.append(whole)
        self.steps.append(step)
        self.curves.append(curve)
        self.layers.append(found)

    @property
    def epochs(self) -> Array:
        """Epochs that were over at each moment; within one, by its steps or, while it lasts, by those of the one before."""
        ends, found = np.flatnonzero(self.whole), np.zeros(len(self.whole))
        for moment in range(len(found)):
            done = int(np.searchsorted(ends, moment, side="right")) - 1
            found[moment] = done
            if not self.whole[moment]:
                begun = self.steps[ends[done]]
                length = self.steps[ends[done + 1]] - begun if done + 1 < len(ends) else begun - self.steps[ends[done - 1]] if done else 0
                found[moment] += min((self.steps[moment] - begun) / length, 0.999) if length else 0.5
        return found

    def _norms(self, weights: Weights) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for layer, arrays in weights.items():
            found[layer] = {"weight_norm": norm_of(arrays)}
            if layer in self.before:
                update, was = norm_of([now - then for now, then in zip(arrays, self.before[layer], strict=True)]), norm_of(self.before[layer])
                found[layer] |= {"update_norm": update, "update_ratio": update / was if was else np.nan}
        return found

    def _gradients(self, weights: Weights) -> dict[str, float]:
        """Norms of the gradients of the probe's mean loss."""
        if self.truth is None or not weights:
            return {}
        found = self.model.weight_gradients(self.probe, self.truth)
        return {layer: norm_of(arrays) / len(self.probe) for layer, arrays in found.items()}

    def _pictures(self, weights: Weights, read: Mapping[str, Array]) -> dict[tuple[str, str], Array]:
        """(layer, kind) → what a picture shows of it now."""
        found: dict[tuple[str, str], Array] = {}
        for layer, values in read.items():
            if values.ndim - 1 in MAPS:
                chosen = self._chosen(layer, values.shape[-1], values.ndim)
                rows = values if values.ndim == 2 else values[:SHOWN]
                found[layer, MAPS[values.ndim - 1]] = rows[..., chosen].astype(np.float32)
        first = next((layer for layer in self.model.layers() if "Conv" in layer.kind and layer.name in weights), None)
        kernels = None if first is None else kernels_last(weights[first.name][0], first)
        if first is not None and kernels is not None:
            found[first.name, "filters"] = kernels[..., :FILTERS].astype(np.float32)
        return found

    def _chosen(self, layer: str, channels: int, axes: int) -> Array:
        """The channels of a layer that are pictured: those asked for, or some spread evenly over all."""
        if layer not in self.channels:
            most = CHANNELS if axes == 4 else UNITS
            self.channels[layer] = np.arange(channels) if channels <= most else np.linspace(0, channels - 1, most).round().astype(int)
        outside = [int(number) for number in self.channels[layer] if not 0 <= number < channels]
        if outside:
            raise SettingError(f"maps: layer '{layer}' has channels 0 to {channels - 1}, and {outside[0]} was asked for.")
        return self.channels[layer]

    def shown(self) -> Shown:
        """What there is by now, as a view shows it."""
        details: dict[str, dict[str, Array]] = {NETWORK: {"epoch": self.epochs, "step": np.array(self.steps, np.int64)}}
        names = list(dict.fromkeys(name for curves in self.curves for name in curves))
        curves = {name: np.array([one.get(name, np.nan) for one in self.curves], float) for name in (LOSS, *names)}
        details[NETWORK] = curves | details[NETWORK] | {"probe": self.probe[: max(SHOWN, ROWS_OF_UNITS if self._of_units else 0)]}
        order = dict.fromkeys(layer.name for layer in self.model.layers())
        for layer in [name for name in order if any(name in one for one in self.layers)] + [
            name for one in self.layers[:1] for name in one if name not in order
        ]:
            quantities = dict.fromkeys(name for one in self.layers for name in one.get(layer, {}))
            details[layer] = {name: np.array([one.get(layer, {}).get(name, np.nan) for one in self.layers]) for name in quantities}
        axes = {name: ("epoch",) for found in details.values() for name in found} | {"probe": ("probe", *(f"axis_{i}" for i in range(self.probe.ndim - 1)))}
        self._add_pictures(details)
        self._add_snapshots(details)
        nothing = np.full(len(self.steps), np.nan)
        values = {name: found.get("update_ratio", nothing) for name, found in details.items() if name != NETWORK}
        resolved: dict[str, Any] = {"curves": names, "gradients": "of the probe" if self.truth is not None else "of the training"}
        resolved |= {"weight_shapes": self.shapes} if self.snapshots else {}
        findings = _training_findings.find(details)
        return Shown({NETWORK: curves[LOSS], **values}, dict.fromkeys((NETWORK, *values), ("epoch",)), resolved, details, axes | PICTURE_AXES, findings)

    @property
    def _of_units(self) -> bool:
        return self.pictures.latest is not None and any(kind == "units" for _, kind in self.pictures.latest[1])

    def _add_pictures(self, details: dict[str, dict[str, Array]]) -> None:
        frames = self.pictures.all()
        if frames and frames[0][1]:
            details[NETWORK]["frame_epoch"] = self.epochs[[moment for moment, _ in frames]]
            for layer, kind in frames[0][1]:
                found = details.setdefault(layer, {})
                found[kind] = np.stack([one[layer, kind] for _, one in frames])
                if kind != "filters":
                    found["channels"] = self.channels[layer]

    def _add_snapshots(self, details: dict[str, dict[str, Array]]) -> None:
        kept = self.weights_kept.all() if self.snapshots else []
        if kept:
            details[NETWORK]["snapshot_epoch"] = self.epochs[[moment for moment, _ in kept]]
            for layer in kept[0][1]:
                details[layer]["weights"] = np.stack([one[layer] for _, one in kept])
