"""What watching a training adds to it: the reference CNN trained on the 5,000 digits by its recipe, with and without a recorder by turns;
and the same network in PyTorch in a loop of its own. The recorder has 128 held-out digits as its probe, in Keras their labels too, and its usual pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import pellucid
from memory import in_own_process
from reporting import Report

TITLE = "Recorder: time over training alone"
PACKAGES = ("keras", "tensorflow-cpu", "jax", "torch")
FRAMEWORKS = {"Keras on TensorFlow": "tensorflow", "Keras on JAX": "jax", "PyTorch": ""}
"""Titles, and the backend that the process of each has."""
MOST = 1.10
PAIRS, EPOCHS, BATCH, PROBE = 3, 12, 64, 128
Train = Callable[[bool], list[bytes]]


def measure(report: Report) -> None:
    found: dict[str, float] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for title, backend in FRAMEWORKS.items():
            alone, wall, processor, same = in_own_process("training_recorder", backend, environment={"KERAS_BACKEND": backend or "tensorflow"})
            found[title] = wall
            yield title, f"{alone:.1f} s", f"{wall:.3f}", f"{processor:.3f}", "yes" if same else "no"

    report.table(("", "training alone", "time with the recorder", "processor time", "same weights to the byte"), rows())
    worst = max(found, key=lambda title: found[title])
    report.bar("any framework: time with the recorder over training alone", f"≤ {MOST:.2f}", f"at most {found[worst]:.2f} ({worst})", "–", found[worst] <= MOST)


def case(backend: str) -> tuple[float, float, float, bool]:
    """Seconds of a training alone; time with the recorder over it, by clock and by processor, medians of pairs by turns; whether weights are the same."""
    train = _keras() if backend else _torch()
    same = train(False) == train(True)  # warms up, too
    walls, processors, alone = [], [], []
    for pair in range(PAIRS):
        spent = {}
        for watched in (False, True) if pair % 2 else (True, False):
            wall, processor = time.perf_counter(), time.process_time()
            train(watched)
            spent[watched] = time.perf_counter() - wall, time.process_time() - processor
        walls.append(spent[True][0] / spent[False][0])
        processors.append(spent[True][1] / spent[False][1])
        alone.append(spent[False][0])
    return float(np.median(alone)), float(np.median(walls)), float(np.median(processors)), same


def _keras() -> Train:
    from pellucid.data.load import load
    from pellucid.recipes.train import train

    data = load("mnist5000:train"), load("mnist5000:test")

    def run(watched: bool) -> list[bytes]:
        trained = train("cnn", data, epochs=EPOCHS, recorder=pellucid.Recorder() if watched else None)
        return [array.tobytes() for array in trained.model.get_weights()]

    return run


def _torch() -> Train:
    import torch

    from pellucid.data.load import load

    torch.set_num_threads(1)
    data, held = load("mnist5000:train"), load("mnist5000:test")
    images, probe = (
        torch.tensor(np.ascontiguousarray(part.inputs.transpose(0, 3, 1, 2))) for part in (data, held.take(np.arange(0, len(held), len(held) // PROBE)))
    )
    labels = torch.tensor(np.asarray(data.labels))

    def run(watched: bool) -> list[bytes]:
        torch.manual_seed(0)
        network = _network()
        optimizer = torch.optim.Adam(network.parameters(), 2e-3)
        recorder = pellucid.Recorder(network, probe[:PROBE], optimizer=optimizer)
        if watched:
            recorder.begin()
        for _ in range(EPOCHS):
            order = torch.randperm(len(images))
            for start in range(0, len(images) - BATCH + 1, BATCH):
                rows = order[start : start + BATCH]
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(network(images[rows]), labels[rows])
                loss.backward()
                optimizer.step()
                if watched:
                    recorder.step(loss)
            if watched:
                recorder.epoch()
        recorder.end()
        return [tensor.numpy().tobytes() for tensor in network.state_dict().values()]

    return run


def _network() -> Any:
    """The reference CNN."""
    from torch import nn

    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(64, 64, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, 10)),
    )
