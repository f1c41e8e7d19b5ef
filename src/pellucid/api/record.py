"""`Recorder`: what happens inside a network while it is trained."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from pellucid.adapters import adapt, gradient_meter, network_fingerprint, training_watch
from pellucid.api import _parts
from pellucid.api._inputs import gather
from pellucid.api._provenance import describe
from pellucid.api._stream import is_stream
from pellucid.core import loss
from pellucid.core.errors import OutputError, PellucidError, SettingError, SeveralOutputsError
from pellucid.core.model import Model
from pellucid.core.view import View
from pellucid.store import save
from pellucid.views._training_log import LOSS, RATE, Log
from pellucid.views.training import Training

Array = np.ndarray
WRITING = 20
"""A file is written again once so many times as long has passed as the last writing took."""


class Recorder:
    """Watches a network while it is trained, without changing a bit of the training, and gives the view "training".

    Keras, on every backend:

        recorder = pellucid.Recorder(model, x_probe)
        model.fit(x, y, validation_data=…, callbacks=[recorder.callback()])

    PyTorch, or any loop of your own:

        with pellucid.Recorder(module, x_probe, optimizer=optimizer) as recorder:
            for epoch in range(epochs):
                for x, y in loader:
                    …; loss.backward(); optimizer.step()
                    recorder.step(loss)
                recorder.epoch(val_loss=…, accuracy=…)

    Then `recorder.view`, `recorder.save("training.safetensors")`, `pellucid.report(recorder.view, "training.html")`. What there is when a training is broken
    off is kept. After each epoch the network is run on the probe, in the mode of inference, and its weights are read; nothing of it is changed.

    Parameters
    ----------
    network: a Keras model, a PyTorch module, or a `Model` whose weights change in place; None for Keras, whose callback knows it.
    probe: samples that the units answer to after each epoch, 64 to 256 of them, as the network takes them; the first are pictured.
    labels: true classes of the probe: outside PyTorch, gradients of the weights are then those of the probe's mean loss.
    optimizer: in PyTorch, by whose steps gradients are read, so that `step` need not be called before they are cleared; its learning rate is recorded too. A
        list of several, of which each tells of the weights it moves; the rate is the first one's.
    layers: whose units are looked at; None takes all that have weights or are activations.
    maps: layers that are pictured, or layer → numbers of channels; None chooses three, () none.
    every: also look within an epoch, after each so many steps; slower, above all on JAX.
    snapshots: keep the weights of each moment (float32), for the path in a loss landscape; thinned out beyond 256 MB.
    file: where the record is written (.safetensors), whole or not at all, again and again while the training runs, so that it outlives a crash.
    """

    def __init__(
        self,
        network: Any = None,
        probe: Any = None,
        *,
        labels: Sequence[int] | Array | None = None,
        optimizer: Any = None,
        layers: Sequence[str] | None = None,
        maps: Sequence[str] | Mapping[str, Sequence[int]] | None = None,
        every: int | None = None,
        snapshots: bool = False,
        file: str | os.PathLike[str] | None = None,
    ) -> None:
        if every is not None and (isinstance(every, bool) or not isinstance(every, (int, np.integer)) or every < 1):
            raise SettingError(f"every is {every!r}, expected a number of steps from 1 on, or None.")
        if isinstance(layers, str) or isinstance(maps, str):
            raise SettingError("layers and maps are lists of names; write layers=['conv2d'].")
        self.network, self.probe, self.labels, self.optimizer = network, probe, labels, optimizer
        self.layers, self.maps, self.every, self.snapshots = layers, maps, every, snapshots
        self.file = None if file is None else _checked(Path(file))
        self._log: Log | None = None
        self._model: Model | None = None
        self._meter: Any = None
        self._watching = self._warned = self._felt = False
        self._steps, self._told, self._before, self._earlier = 0, 0, 0, 0
        self._loss: Any = None
        self._written, self._took = 0.0, 0.0

    def __getattr__(self, name: str) -> Any:
        if name == "set_model" or name.startswith("on_"):  # what Keras asks of a callback
            raise AttributeError("a Recorder is no callback by itself; give model.fit(…, callbacks=[recorder.callback()]).")
        raise AttributeError(f"a Recorder has no '{name}'.")

    # ---- Keras ------------------------------------------------------------------------------------------------------

    def callback(self, network: Any = None, probe: Any = None, labels: Any = None) -> Any:
        """A callback for `model.fit(…, callbacks=[…])`. Network, probe and labels may be given here as well; what the recorder was made with is kept."""
        self._given(network, probe, labels)
        return training_watch(self)

    def fit_begins(self, network: Any) -> None:
        """Told by the callback."""
        self._given(network, None, None)
        if self.network is not network:
            raise SettingError("this recorder was made for another network than the one that is trained; give that one, or none.")
        self._before = self._steps
        self.begin()

    def fit_steps(self, steps: int, curves: Mapping[str, float]) -> None:
        """Told by the callback within an epoch."""
        self._steps = self._before + steps
        self._add(curves, whole=False)

    def fit_epoch(self, steps: int, curves: Mapping[str, float]) -> None:
        """Told by the callback after an epoch."""
        self._steps = self._before + steps
        self._add(curves)

    def fit_ends(self) -> None:
        """Told by the callback: the record is written where a file was asked for."""
        if self.file is not None and self._log is not None:
            self._write()

    def _given(self, network: Any, probe: Any, labels: Any) -> None:
        self.network = network if self.network is None else self.network
        self.labels = labels if self.labels is None and self.probe is None else self.labels
        self.probe = probe if self.probe is None else self.probe

    # ---- loops ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Recorder:
        self.begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()

    def begin(self) -> None:
        """Look at the network before it is trained. Called by `with` and by the callback; a second time it does nothing."""
        if self._log is not None and self._model is not None:
            self._meter = self._meter if self._watching else gradient_meter(self._model, self.optimizer)
            self._watching = True
            return
        if self.network is None or self.probe is None:
            raise SettingError("a recorder needs a network and a probe, samples that its units answer to: pellucid.Recorder(model, x_probe).")
        if is_stream(self.probe):
            raise SettingError(
                f"the probe is a {type(self.probe).__name__}, and a recorder looks at the same samples again and again; give it 64 to 256 of them as an array, "
                "e.g. the first batch: next(iter(loader))[0]."
            )
        model, probe = gather(adapt(self.network), self.probe)
        model = _met(model, probe)
        labels = _parts.check_labels(self.labels, len(probe))
        self._model, self._meter, self._watching = model, gradient_meter(model, self.optimizer), True
        truth = None if labels is None or self._meter is not None else _truth(model, probe, np.array(labels))
        log = Log(model, probe, layers=self.layers, maps=self.maps, snapshots=self.snapshots, truth=truth)
        log.add(0, {})
        self._log = log

    def end(self) -> None:
        """Take the hooks off, and write the record where a file was asked for. Called by `with`, also when the training is broken off by an error."""
        if self._meter is not None and self._watching:
            self._meter.close()
            self._earlier += self._meter.steps
        self._watching = False
        self.fit_ends()

    def step(self, loss: Any = None) -> None:
        """One step of the training has been made: its loss, a number or a tensor of one, is added to the epoch's mean."""
        self._begun()
        self._steps += 1
        if self._meter is not None and self.optimizer is None:
            self._meter.note()
        if loss is not None:
            one = loss.detach() if hasattr(loss, "detach") else loss
            self._loss = one if self._loss is None else self._loss + one
            self._told += 1
        if self.every is not None and self._steps % self.every == 0:
            self._add({}, whole=False)

    def epoch(self, loss: float | None = None, **curves: float) -> None:
        """An epoch is over: its loss, where it is not that of the steps, and whatever else is to be followed, such as val_loss=… and accuracy=…"""
        self._begun()
        self._add({name: _as_number(value) for name, value in (curves if loss is None else {LOSS: loss} | curves).items()})
        self._loss, self._told = None, 0

    # ---- what there is ----------------------------------------------------------------------------------------------

    @property
    def view(self) -> View:
        """The record as it is by now."""
        self._begun()
        model, log = self._model, self._log
        if model is None or log is None:
            raise SettingError("nothing was recorded yet.")
        shown = log.shown()
        settings = {"every": self.every, "snapshots": self.snapshots, "probe": len(log.probe)}
        about = describe(model, view="training", title=Training.title, citation=Training.citation, settings=settings, resolved=dict(shown.resolved))
        about["fingerprint"] = network_fingerprint(self.network)  # as it is now, so that reports put it together with what else is said of the trained network
        empty = np.zeros(0, np.float32)
        return View("training", shown.values, shown.axes, empty, about, shown.details, shown.detail_axes, tuple(shown.findings))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the record as it is by now, whole or not at all; `pellucid.load` gives it back."""
        return save(self.view, path)

    def _begun(self) -> None:
        if self._log is None:
            raise SettingError("nothing was recorded yet: with recorder: … recorder.epoch(loss=…), or model.fit(…, callbacks=[recorder.callback()]).")

    def _add(self, curves: Mapping[str, float], *, whole: bool = True) -> None:
        if self._log is None:
            return
        told = dict(curves)
        if LOSS not in told and self._loss is not None:
            told[LOSS] = float(self._loss) / self._told
        if self._meter is not None and self._meter.rate is not None:
            told.setdefault(RATE, self._meter.rate)
        gradients = None if self._meter is None else self._meter.taken()
        made = self._earlier + (self._meter.steps if self._meter is not None and self._watching else 0)
        self._felt = self._felt or bool(gradients and any(gradients.values()))
        if whole and self._meter is not None and self._steps and not (self._felt or self._warned):
            self._warn_of_gradients()
        self._log.add(max(self._steps, made), told, gradients, whole=whole)
        if self.file is not None and time.monotonic() - self._written >= WRITING * self._took:
            self._write()

    def _warn_of_gradients(self) -> None:
        """Once, where steps were made and no gradient was there to be read: else it would be missed only when the training is over."""
        self._warned = True
        if self.optimizer is not None and not self._meter.steps:
            what = "the optimizer that the recorder was given has made no step, so that no gradients are recorded; give it the one that trains the network."
        else:
            what = "no gradient was there after the steps, so that none is recorded; call recorder.step(loss) before gradients are cleared, or give optimizer=."
        warnings.warn(what, UserWarning, stacklevel=4)

    def _write(self) -> None:
        """A disk that is full must not end a training: it is warned of."""
        start = time.monotonic()
        try:
            self.save(self.file or "")
        except OutputError as error:
            warnings.warn(f"the record of the training could not be written, and the training goes on: {error}", UserWarning, stacklevel=2)
        self._written = time.monotonic()
        self._took = self._written - start


def _as_number(value: Any) -> float:
    """A number, or a tensor of one, also one that gradients go through."""
    return float(value.detach() if hasattr(value, "detach") else value)


def _checked(path: Path) -> Path:
    """A file that can be written, as far as can be seen before a training."""
    if path.suffix.lower() != ".safetensors":
        raise SettingError(f"'{path}' should end in .safetensors; reports and films are made of such a file afterwards.")
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise OutputError(f"cannot write '{path}': give a path in a folder that exists and that you may write to.")
    return path


def _met(model: Model, probe: Array) -> Model:
    """The model, having met the probe; of several outputs, which are all the same to weights and layers, read at the first."""
    names = list(model.traits.outputs)
    try:
        model.meet(probe)
    except SeveralOutputsError as several:
        names = list(several.shapes)
    if names and not model.traits.output:
        model = model.reading(names[0])
        model.meet(probe)
    return model


def _truth(model: Model, probe: Array, labels: Array) -> loss.Loss | None:
    """The probe's loss, where the network tells one class a sample and gives gradients of its weights."""
    if model.traits.output:
        return None
    shape = model.traits.output_shape or model.predict(probe[:1]).shape[1:]
    output = tuple(size for size in shape if size is not None)
    if len(output) != 1 or len(shape) != 1:
        return None
    head, axis = model.traits.head, model.traits.class_axis
    truth = loss.of_classes(labels, output, loss.kind_for(head, output, axis, labels), head, axis)
    try:
        model.weight_gradients(probe[:1], loss.of_classes(labels[:1], output, truth.score, head, axis))
    except PellucidError:
        return None
    return truth
