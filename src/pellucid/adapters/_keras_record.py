"""What tells a recorder of the training that Keras carries out, on every backend."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Protocol

from pellucid.adapters import start_keras


class Told(Protocol):
    """What is told: that a training begins, each epoch, some steps within one where it asks for them, and the end. Steps are counted from the beginning."""

    every: int | None

    def fit_begins(self, network: Any) -> None: ...
    def fit_steps(self, steps: int, curves: Mapping[str, float]) -> None: ...
    def fit_epoch(self, steps: int, curves: Mapping[str, float]) -> None: ...
    def fit_ends(self) -> None: ...


def callback(recorder: Told) -> Any:
    """A Keras callback that tells a recorder.

    On JAX the network's variables are out of date within an epoch; they are brought up to date before they are read, which Keras provides for.
    """
    keras, every = start_keras(), recorder.every

    class Watch(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        """Passes on what Keras tells. Steps are those of the optimizer, which Keras counts anyway."""

        def on_train_begin(self, logs: Any = None) -> None:
            recorder.fit_begins(self.model)
            self.start = _iterations(self.model)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            recorder.fit_epoch(_iterations(self.model) - self.start, _numbers(self.model, logs))

        def on_train_end(self, logs: Any = None) -> None:
            recorder.fit_ends()

    class WatchSteps(Watch):
        """The same within an epoch too, by batches, of which an optimizer that accumulates gradients makes a step of several; a callback that asks for batches
        makes Keras wait for each."""

        def on_train_begin(self, logs: Any = None) -> None:
            super().on_train_begin(logs)
            self.done = self.batches = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            before, self.batches = self.batches, batch + 1  # of several batches a call the last is told
            if every is not None and self.batches // every > before // every:
                if hasattr(self.model, "jax_state_sync"):
                    self.model.jax_state_sync()
                recorder.fit_steps(self.done + self.batches, _numbers(self.model, logs))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.done, self.batches = self.done + self.batches, 0
            recorder.fit_epoch(self.done, _numbers(self.model, logs))

    return Watch() if every is None else WatchSteps()


def _iterations(network: Any) -> int:
    """Steps that the optimizer has made; 0 where there is none that counts."""
    made = getattr(getattr(network, "optimizer", None), "iterations", None)
    return 0 if made is None else int(start_keras().ops.convert_to_numpy(made))


def _numbers(network: Any, logs: Any) -> dict[str, float]:
    """What Keras tells that is a number, and the learning rate."""
    found = {}
    told = dict(logs or {}) | {"learning_rate": getattr(getattr(network, "optimizer", None), "learning_rate", None)}
    for name, value in told.items():
        with contextlib.suppress(TypeError, ValueError):
            found[str(name)] = float(start_keras().ops.convert_to_numpy(value)) if not isinstance(value, float) else value
    return found
