"""The network as a graph: layers, what feeds them, shapes, parameters and cost."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pellucid.core.connections import contracted, uses_joined
from pellucid.core.errors import UnsupportedError
from pellucid.core.language import later
from pellucid.core.model import INPUT, Call, Layer
from pellucid.core.scene import NONE, Scene, Shown, ViewMethod
from pellucid.core.view import NOTE, Finding
from pellucid.views._cost import multiply_adds

Array = np.ndarray
QUANTITIES = ("parameters", "multiply_adds", "bytes", "share")
FLOAT = 4
"""Bytes of one number of an output, float32."""
MUCH, FEW = 0.5, 4
"""Share from which one layer's cost or parameters are told, where a network has at least so many layers."""
SHARED = 4
"""Times that a layer with weights is used at most in a network whose uses are shown one by one."""


@dataclass(frozen=True)
class Graph(ViewMethod):
    """How the layers of a network hang together, and what each holds and costs.

    Use it to see the way from input to output: branches, blocks and skips; where the parameters are, and where the time goes. It needs no samples; a PyTorch
    module that has not met its input, and a network whose lengths are free, show shapes and cost once one is given. With `layers`, what lies between these is
    left out and its connections are seen through.

    Shapes: per layer (4,): parameters; multiply-adds for one sample, of convolutions, dense and recurrent layers and attention; bytes of the output for one
    sample in float32; the share of the network's multiply-adds. `details`: "inputs", what feeds the layer, "input" for the network's own; "shape" of the
    output, −1 where a length is free; "kind" and "activation"; "unknown", which of the numbers are not known and stand as 0. A sum or another joint that is
    no layer is an entry too.
    A layer of a PyTorch module that is used again has an entry for each use, "relu (2)" the second: a use costs what the layer does, its parameters are
    counted once. Elsewhere, and where a module goes step by step, it has one entry and is counted once.
    Does not say how long a layer takes, which depends on the machine.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.ones((3, 4)), np.zeros(4), "relu"), Dense(np.ones((4, 2)), np.zeros(2))], (3,))
    >>> view = pellucid.visualize(model, view="graph")
    >>> view.values["dense_1"][:2], view.details["dense_1"]["inputs"].tolist()
    (array([10.,  8.]), ['dense_0'])
    """

    title: ClassVar[str] = "The network as a graph"
    answers: ClassVar[str] = "How do the layers hang together, and what does each hold and cost?"
    looks_at: ClassVar[str] = NONE

    def show(self, scene: Scene) -> Shown:
        calls = scene.model.calls()  # first: a module may meet its input by it
        layers, given = _shaped(scene)
        kernels: Mapping[str, Sequence[tuple[int, ...]]] = scene.model.kernel_shapes()
        connections = uses_joined(calls)
        kept = layers if scene.layers is None else [replace(scene.model.layer(name), shape=_shape_of(layers, name)) for name in scene.layers]
        if _apart(layers, calls):
            layers, kept = _uses(layers, calls), _uses(kept, calls)
            kernels, connections = _of_uses(kernels, calls), {name: call.inputs for name, call in calls.items()}
        cost = multiply_adds(layers, kernels, contracted(connections, {layer.name for layer in layers}), given)
        known = bool(connections)
        if known and scene.layers is not None:
            connections = contracted(connections, {layer.name for layer in kept})
        feeds = connections if known else _chain(kept)
        nodes = _nodes(kept, feeds, given)
        total = sum(value for name in nodes if math.isfinite(value := cost.get(name, 0.0)))
        numbers = {name: _numbers(node, cost.get(name, 0.0), total) for name, node in nodes.items()}
        values = {name: np.nan_to_num(found) for name, found in numbers.items()}
        details = {name: _told(node, feeds.get(name, ()), numbers[name]) for name, node in nodes.items()}
        return Shown(
            values,
            dict.fromkeys(values, ("quantity",)),
            {"quantities": list(QUANTITIES), "connections": "known" if known else "order of calls"},
            details,
            {"inputs": ("place",), "shape": ("axis",), "kind": ("word",), "activation": ("word",), "unknown": ("word",)},
            list(_findings(kept, cost, total, known)),
        )


def _shaped(scene: Scene) -> tuple[list[Layer], tuple[int | None, ...] | None]:
    """The layers and the shape of the input; free lengths as the first sample has them, where one is given."""
    layers, given = list(scene.model.layers()), scene.model.traits.input_shape
    if not len(scene.inputs):
        return layers, given
    free = [layer.name for layer in layers if layer.shape is not None and None in layer.shape]
    found = _read(scene, free) if free else {}
    return [replace(layer, shape=found[layer.name].shape[1:]) if layer.name in found else layer for layer in layers], scene.inputs.shape[1:]


def _apart(layers: Sequence[Layer], calls: Mapping[str, Call]) -> bool:
    """Whether every use of a layer is shown by itself: not of a network that goes step by step, where a layer with weights is used many times."""
    uses = Counter(call.layer for call in calls.values())
    return all(uses[layer.name] <= SHARED for layer in layers if layer.parameters)


def _uses(layers: Sequence[Layer], calls: Mapping[str, Call]) -> list[Layer]:
    """The uses of these layers in their order, each with the shape that it gave; the parameters are the first use's."""
    known, counts = {layer.name: layer for layer in layers}, Counter(call.layer for call in calls.values())
    again = {name: call for name, call in calls.items() if counts[call.layer] > 1 and call.layer in known}
    found = [replace(known[call.layer], name=name, shape=call.shape, parameters=known[name].parameters if name in known else 0) for name, call in again.items()]
    order = {name: place for place, name in enumerate(calls)}
    return sorted([*(layer for layer in layers if layer.name not in again), *found], key=lambda layer: order.get(layer.name, len(order)))


def _of_uses(kernels: Mapping[str, Sequence[tuple[int, ...]]], calls: Mapping[str, Call]) -> dict[str, Sequence[tuple[int, ...]]]:
    """Shapes of weights also under the names of a layer's further uses."""
    again = {name: call.layer for name, call in calls.items() if call.layer and name != call.layer}
    further = {
        f"{name}{key.removeprefix(layer)}": found
        for name, layer in again.items()
        for key, found in kernels.items()
        if key == layer or key.startswith(f"{layer}.")
    }
    return dict(kernels) | further


def _read(scene: Scene, names: Sequence[str]) -> dict[str, Array]:
    """The outputs of layers for the first sample, together, or one by one without those that cannot be read."""
    try:
        return scene.model.activations(scene.inputs[:1], names)
    except UnsupportedError:
        found: dict[str, Array] = {}
        for name in names:
            with contextlib.suppress(UnsupportedError):
                found |= scene.model.activations(scene.inputs[:1], [name])
        return found


def _shape_of(layers: Sequence[Layer], name: str) -> tuple[int | None, ...] | None:
    return next((layer.shape for layer in layers if layer.name == name), None)


def _chain(layers: Sequence[Layer]) -> dict[str, tuple[str, ...]]:
    """Each layer fed by the one before, where nothing better is known."""
    return {layer.name: (layers[place - 1].name if place else INPUT,) for place, layer in enumerate(layers)}


def _nodes(layers: Sequence[Layer], feeds: Mapping[str, Sequence[str]], given: tuple[int | None, ...] | None) -> dict[str, Layer]:
    """The input, the layers and the joints, each after what feeds it as far as there is no circle."""
    known = {layer.name: layer for layer in layers}
    found = {INPUT: Layer(INPUT, "Input", given)} if any(INPUT in sources for sources in feeds.values()) else {}

    def joints(name: str) -> Iterator[str]:
        for source in feeds.get(name, ()):
            if source != INPUT and source not in known and source not in found and source in feeds:
                found[source] = Layer(source, source.rpartition("_")[0].title() or source.title(), None)
                yield from joints(source)
                found[source] = found.pop(source)

    for layer in layers:
        list(joints(layer.name))
        found[layer.name] = layer
    return found


def _numbers(node: Layer, cost: float, total: float) -> Array:
    size = math.nan if node.shape is None or None in node.shape else FLOAT * math.prod(length or 0 for length in node.shape)
    return np.array([node.parameters, cost, size, cost / total if total else math.nan])


def _told(node: Layer, sources: Sequence[str], numbers: Array) -> dict[str, Array]:
    shape = () if node.shape is None else tuple(-1 if size is None else size for size in node.shape)
    unknown = [name for name, value in zip(QUANTITIES, numbers, strict=True) if not math.isfinite(value)]
    words = {"inputs": sources, "kind": [node.kind], "activation": [node.activation], "unknown": unknown}
    return {"shape": np.array(shape, np.int64)} | {name: np.array(list(texts), dtype=str) for name, texts in words.items()}


def _findings(layers: Sequence[Layer], cost: Mapping[str, float], total: float, known: bool) -> Iterator[Finding]:
    if not known:
        yield Finding(
            "connections not known",
            "",
            later("What feeds each layer is not known here; the layers are drawn in the order in which they are called."),
            later("Give a sample, by which the network can be run, or the network in the framework that made it."),
            severity=NOTE,
        )
    unknown = [layer.name for layer in layers if not math.isfinite(cost[layer.name])]
    if unknown:
        yield Finding(
            "cost not known",
            "",
            later("The multiply-adds of {count} of {layers} layers are not known; shares are of those that are."),
            later("Give a sample where lengths are free; what a layer of one's own does is not looked into."),
            {"count": len(unknown), "layers": len(layers)},
            NOTE,
        )
    if len(layers) < FEW:
        return
    dearest = max(layers, key=lambda layer: np.nan_to_num(cost[layer.name]))
    if total and cost[dearest.name] > MUCH * total:
        text = later("{layer} makes {share} of the network's multiply-adds, {count} for one sample.")
        yield Finding("one layer costs most", dearest.name, text, "", {"share": cost[dearest.name] / total, "count": cost[dearest.name]}, NOTE)
    held = sum(layer.parameters for layer in layers)
    largest = max(layers, key=lambda layer: layer.parameters)
    if held and largest.parameters > MUCH * held:
        text = later("{layer} holds {share} of the network's parameters, {count}.")
        advice = later("Where it follows a flattened grid, a mean over the grid before it would need far fewer.") if largest.kind in ("Dense", "Linear") else ""
        yield Finding("one layer holds most", largest.name, text, advice, {"share": largest.parameters / held, "count": largest.parameters}, NOTE)
