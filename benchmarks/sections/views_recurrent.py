"""What looking into a recurrent network costs: going through an LSTM again and back in NumPy (states, every gate, the score's gradient at each step, which no
framework gives out), and the whole view `recurrent_state`, over one bare forward and backward pass at the network's best batch size. An LSTM of 64 units over
the 28 rows of digits, in torch and in Keras on TensorFlow, the same weights; no peer shows gates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import digits
import pellucid
from memory import in_own_process
from pellucid.core.target import resolve_target
from pellucid.views._recurrence import back, forward
from reporting import Report
from timing import bare_tensorflow, bare_torch, ratio

TITLE = "States and gates over time: time over a bare pass"
PACKAGES = ("keras", "tensorflow-cpu", "torch")
FRAMEWORKS = ("PyTorch", "Keras on TensorFlow")
AGAIN, SAMPLES, UNITS, PAIRS = 2.0, 256, 64, 11
Array = np.ndarray


def measure(report: Report) -> None:
    found: dict[str, tuple[float, float]] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for framework in FRAMEWORKS:
            again, view, size = in_own_process("views_recurrent", framework)
            found[framework] = again, view
            yield framework, size, f"{again:.2f}", f"{view:.2f}"

    report.table(("", "best batch, forward and backward", "gone through again and back in NumPy", "the whole view"), rows())
    worst = max(found, key=lambda framework: found[framework][0])
    over = found[worst][0]
    what = f"`recurrent_state` of {SAMPLES} digits: gates and gradients in NumPy, over a bare forward and backward pass"
    report.bar(what, f"≤ {AGAIN:.1f}", f"at most {over:.2f} ({worst})", "–", over <= AGAIN)


def case(framework: str) -> tuple[float, float, int]:
    """The recurrence gone through again and back, and the whole view, over a bare pass; and the bare network's best batch size."""
    inputs = digits.held_out(SAMPLES)[..., 0]
    network = _torch() if framework == "PyTorch" else _keras()
    bare = (bare_torch if framework == "PyTorch" else bare_tensorflow)(network, inputs)
    model = pellucid.adapt(network)
    target = resolve_target("predicted", "logit", model.predict(inputs, logits=True), head="softmax")
    given, reached = model.layer_inputs(inputs, ["lstm"])["lstm"], model.state_gradients(inputs, target, ["lstm"])["lstm"]
    described = model.recurrence("lstm")
    whole_pass = bare.passes(0, SAMPLES)
    again = ratio(lambda: back(described, forward("lstm", described, given), reached), whole_pass, PAIRS)
    view = ratio(lambda: pellucid.visualize(model, inputs, "recurrent_state", progress=False), whole_pass, PAIRS)
    return again, view, bare.best["backward"][0]


def _weights() -> list[Array]:
    """An LSTM's, in Keras's order, and a dense layer's."""
    draw = np.random.default_rng(0)
    shapes = [(28, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,), (UNITS, 10), (10,)]
    return [draw.normal(scale=0.1, size=shape).astype(np.float32) for shape in shapes]


def _keras() -> Any:
    import keras

    made = keras.Sequential([keras.Input((28, 28)), keras.layers.LSTM(UNITS, name="lstm"), keras.layers.Dense(10, activation="softmax")])
    made.set_weights(_weights())
    return made


def _torch() -> Any:
    import torch
    from torch import nn

    class Reads(nn.Module):
        """The last state of an LSTM over the rows, through a dense layer."""

        def __init__(self) -> None:
            super().__init__()
            kernel, recurrent, bias, dense, offset = (torch.tensor(array) for array in _weights())
            self.lstm, self.out = nn.LSTM(28, UNITS, batch_first=True), nn.Linear(UNITS, 10)
            for parameter, array in zip(self.parameters(), (kernel.T, recurrent.T, bias, 0 * bias, dense.T, offset), strict=True):
                parameter.data.copy_(array)

        def forward(self, x: Any) -> Any:
            return torch.softmax(self.out(self.lstm(x)[0][:, -1]), dim=-1)

    return Reads().eval()
