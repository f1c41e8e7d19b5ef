"""Every layer of a network, all it gives kept: time of `activation_map` over the bare network passing as many inputs at its best batch size, beside plain
forward hooks that keep each output, TorchLens, and a Keras model with every layer as an output. And peak memory of `activation_statistics` above the ready
model, from 1,000 to 10,000 digits, each in a process of its own, with an allocator that gives back at once what is freed ("held")."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import digits
import pellucid
import placeholders
from memory import above_ready, in_own_process
from reporting import Report
from timing import Bare, bare_tensorflow, bare_torch, ratio

TITLE = "Activations of all layers: time over the bare network, and memory over a data set"
PACKAGES = ("torch", "torchlens", "keras", "tensorflow-cpu")
NETWORKS = {"digit CNN": 64, "ResNet-20": 32, "ResNet-18's size": 8, "EfficientNet-Lite0": 8, "digit CNN, Keras on TensorFlow": 64}
"""And how many images are shown."""
SIZES = dict.fromkeys(("ResNet-18's size", "EfficientNet-Lite0"), (1, 2, 4, 8, 16))
PAIRS, PEER_PAIRS = 21, 3
MOST, GROWTH = 1.10, 1.10
SAMPLES = (1000, 10_000)
PROMPT = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
Array = np.ndarray
Job = Callable[[], object]


def measure(report: Report) -> None:
    found: dict[str, dict[str, Any]] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for title, count in NETWORKS.items():
            one = found[title] = in_own_process("views_activations", "time", title, count)
            yield title, count, one["layers"], f"{one['megabytes']:.0f}", f"{one['ours']:.2f}", f"{one['kept']:.2f}", one["peer"]

    report.table(("", "images", "layers", "MB kept", "activation_map", "outputs kept by hand", "peer"), rows())
    worst = max(found, key=lambda title: found[title]["ours"])
    over = found[worst]["ours"]
    peers = ", ".join(f"{title}: {one['peer']}" for title, one in found.items())
    report.bar("activation_map of all layers: time over the bare network", f"≤ {MOST:.2f}", f"at most {over:.2f} ({worst})", peers, over <= MOST)

    few, many = (in_own_process("views_activations", "memory", "", count, environment=PROMPT) for count in SAMPLES)
    report.say(f"\n`activation_statistics` of all layers of the digit CNN held {few:.0f} MB over {SAMPLES[0]:,} digits and {many:.0f} MB over {SAMPLES[1]:,}.")
    report.bar("activation_statistics: peak memory, from 1,000 to 10,000 samples", "flat within 10 %", f"×{many / few:.2f}", "–", many / few <= GROWTH)


def case(kind: str, title: str, count: int) -> Any:
    return _memory(count) if kind == "memory" else _time(title, count)


def _time(title: str, count: int) -> dict[str, Any]:
    network, inputs, bare = _keras(count) if "Keras" in title else _torch(title, count)
    model, passes = pellucid.adapt(network), bare.passes(count)
    model.meet(inputs[:1])
    names = [layer.name for layer in model.layers()]
    ours = ratio(lambda: pellucid.visualize(model, inputs, "activation_map", layers=names), passes, PAIRS)
    kept, (peer, job) = _by_hand(title, network, inputs), _peer(title, network, inputs)
    view = pellucid.visualize(model, inputs, "activation_map", layers=names)
    return {
        "layers": len(names),
        "megabytes": sum(array.nbytes for array in view.values.values()) / 1e6,
        "ours": ours,
        "kept": ratio(kept, passes, PAIRS),
        "peer": f"{peer} {ratio(job, passes, PEER_PAIRS):.1f}",
    }


def _torch(title: str, count: int) -> tuple[Any, Array, Bare]:
    import networks

    if title == "digit CNN":
        network, inputs = networks.digit_cnn(digits.weights()), digits.held_out(count, channels_first=True)
    elif title == "ResNet-20":
        network, inputs = networks.resnet20(), networks.cifar_images(count)[0]
    else:
        network, inputs = networks.efficientnet_lite0() if "Efficient" in title else networks.resnet18(), networks.photographs(count)
    return network, inputs, bare_torch(network, inputs, sizes=SIZES.get(title, (16, 32, 64, 128)))


def _keras(count: int) -> tuple[Any, Array, Bare]:
    network, inputs = digits.keras_network(), digits.held_out(count)
    return network, inputs, bare_tensorflow(network, inputs)


def _by_hand(title: str, network: Any, inputs: Array) -> Job:
    """The least that can be done: the outputs as the framework has them, in one pass of the layout that the network is given."""
    if "Keras" in title:
        return _every_output(network, inputs, lambda tensor: tensor)
    import torch

    x = torch.from_numpy(np.ascontiguousarray(inputs, np.float32)).contiguous(memory_format=torch.channels_last)
    parts = [part for part in network.modules() if not list(part.children())]

    def job() -> object:
        found: list[Any] = []
        handles = [part.register_forward_hook(lambda _part, _given, output: found.append(output)) for part in parts]
        with torch.inference_mode():
            network(x)
        for handle in handles:
            handle.remove()
        return found

    return job


def _every_output(network: Any, inputs: Array, taken: Callable[[Any], object]) -> Job:
    import keras
    import tensorflow as tf

    every = keras.Model(network.inputs, [layer.output for layer in network.layers])
    function, x = tf.function(lambda x: every(x, training=False)), tf.constant(inputs)
    return lambda: [taken(tensor) for tensor in function(x)]


def _peer(title: str, network: Any, inputs: Array) -> tuple[str, Job]:
    if "Keras" in title:
        return "Keras multi-output model", _every_output(network, inputs, lambda tensor: tensor.numpy())
    import torch

    lens, x = placeholders.torchlens(), torch.from_numpy(np.ascontiguousarray(inputs, np.float32))
    return "TorchLens", lambda: lens.trace(network, x)


def _memory(count: int) -> float:
    """Megabytes above the ready model."""
    import networks

    network, few = networks.digit_cnn(digits.weights()), digits.held_out(500, channels_first=True)
    inputs = np.ascontiguousarray(np.resize(few, (count, *few.shape[1:])))
    bare_torch(network, few, sizes=(16,), repeats=1).passes(16)()
    model = pellucid.adapt(network)
    return above_ready(lambda: pellucid.visualize(model, inputs, "activation_statistics"))
