"""Training: what happened while a network was trained, as a recorder saw it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.model import Model
from pellucid.core.scene import NONE, Scene, Shown, ViewMethod
from pellucid.core.view import View

Array = np.ndarray
BACKWARDS = (
    "cannot look back in time; record the training while it runs: recorder = pellucid.Recorder(model, probe), then "
    "model.fit(…, callbacks=[recorder.callback()]) or, in a loop of your own, with recorder: … recorder.epoch(loss=…); then recorder.view"
)


@dataclass(frozen=True)
class Training(ViewMethod):
    """How a network learned: its loss, weights, gradients, units and chosen features, epoch by epoch.

    Use it to see whether and when a training goes wrong (a loss that is no number or stands still, overfitting, dying units, layers that do not move or are
    thrown about), which layers learn when, and how a feature forms. The record is made by `pellucid.Recorder` while the network is trained; asked of a
    network that is trained already, the view says how to make one.

    Shapes: `values["network"]` the training loss, `values[LAYER]` the update-to-weight ratio, ‖W_t − W_{t−1}‖ / ‖W_{t−1}‖ over all weights of the layer, both
    (epochs,); their first entry is the network before training (NaN: nothing has changed yet). `details["network"]` holds `epoch`, `step`, every curve that was
    told (`loss`, `val_loss`, `accuracy`, `learning_rate`, …; infinite where it was no finite number) and `probe`, the first samples that the units answer to.
    `details[LAYER]` holds `weight_norm`, `update_norm`, `gradient_norm` (in PyTorch the mean over the training's own steps; else, where labels of the probe are
    given, of the probe's mean loss), and over the probe `mean` and `sd` of all values and the shares of units that are `dead` and `saturated`.
    Frames of a film: `maps` (frame, probe, row, column, channel), `states` (frame, probe, time, unit) or `units` (frame, probe, unit) of a pictured layer, the
    numbers of its channels in `channels`, and of the first convolution `filters` (frame, row, column, input_channel, filter); of which epoch a frame is says
    `details["network"]["frame_epoch"]`. Snapshots, where asked for: `weights` (snapshot, weight), flat, and `snapshot_epoch`; `snapshots_of` gives them shapes.
    All in the network's own units. Does not say why a network learns what it learns, nor what would have happened with other settings.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> weights = np.eye(2)
    >>> with pellucid.Recorder(NumpyModel([Dense(weights, np.zeros(2), "relu")], (2,)), np.ones((4, 2))) as recorder:
    ...     for epoch in range(3):
    ...         weights *= 0.5
    ...         recorder.epoch(loss=float(np.square(weights).sum()))
    >>> recorder.view.details["network"]["loss"], recorder.view.values["dense_0"]
    (array([    nan, 0.5    , 0.125  , 0.03125]), array([nan, 0.5, 0.5, 0.5]))
    """

    title: ClassVar[str] = "Training"
    answers: ClassVar[str] = "What happened inside while the network was trained?"
    citation: ClassVar[str] = "Smilkov et al. 2017, arXiv:1708.03788 (watching a network learn)"
    looks_at: ClassVar[str] = NONE

    @classmethod
    def refuses(cls, model: Model) -> str:
        return BACKWARDS

    def show(self, scene: Scene) -> Shown:
        raise SettingError(f"view 'training' {BACKWARDS}.")


def snapshots(view: View) -> int:
    """How many snapshots of weights a record of a training holds."""
    return len(view.details["network"]["snapshot_epoch"]) if view.provenance.get("resolved", {}).get("weight_shapes") else 0


def snapshots_of(view: View) -> list[tuple[float, dict[str, tuple[Array, ...]]]]:
    """The path that the weights took, of a record with snapshots: (epoch, layer → arrays, as `Model.weights` gives them) for each that was kept."""
    shapes = view.provenance.get("resolved", {}).get("weight_shapes")
    if view.view != "training":
        raise SettingError(f"a record of the view '{view.view}' was given, expected that of a training: pellucid.Recorder(…, snapshots=True).view.")
    if not shapes:
        raise SettingError(
            "the record of the training holds no snapshots of weights; record it again with pellucid train … --record FILE.safetensors --snapshots, or "
            "pellucid.Recorder(…, snapshots=True)."
        )
    found = []
    for place, epoch in enumerate(view.details["network"]["snapshot_epoch"]):
        parts: dict[str, tuple[Array, ...]] = {}
        for layer, sizes in shapes.items():
            ends = np.cumsum([int(np.prod(size)) for size in sizes])[:-1]
            flat = view.details[layer]["weights"][place]
            parts[layer] = tuple(array.reshape(size) for array, size in zip(np.split(flat, ends), sizes, strict=True))
        found.append((float(epoch), parts))
    return found
