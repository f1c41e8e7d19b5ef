"""How layers hang together: connections seen through what is left out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from pellucid.core.model import INPUT, Call, Layer


def contracted(connections: Mapping[str, Iterable[str]], kept: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The same connections between some of the nodes alone: what reaches one of them through others that are left out reaches it straight away. `INPUT` is
    always kept.

    >>> contracted({"conv": ("input",), "norm": ("conv",), "sum": ("norm", "conv"), "dense": ("sum",)}, ["conv", "dense"])
    {'conv': ('input',), 'dense': ('conv',)}
    """
    return {name: tuple(dict.fromkeys(_reaching(connections, kept, name))) for name in connections if name in kept}


def _reaching(connections: Mapping[str, Iterable[str]], kept: Collection[str], name: str) -> Iterable[str]:
    waiting, seen = list(connections[name])[::-1], set()
    while waiting:
        source = waiting.pop()
        if source == INPUT or source in kept:
            yield source
        elif source not in seen:
            seen.add(source)
            waiting += list(connections.get(source, ()))[::-1]


def joined(into: dict[str, tuple[str, ...]], name: str, sources: Iterable[str]) -> None:
    """Note further sources of a node, each once."""
    into[name] = tuple(dict.fromkeys((*into.get(name, ()), *sources)))


def uses_joined(calls: Mapping[str, Call]) -> dict[str, tuple[str, ...]]:
    """The connections of layers, whatever feeds one of its uses feeding the layer.

    >>> uses_joined({"a": Call("a", ("input",)), "relu": Call("relu", ("a",)), "b": Call("b", ("relu",)), "relu (2)": Call("relu", ("b",))})
    {'a': ('input',), 'relu': ('a', 'b'), 'b': ('relu',)}
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, call in calls.items():
        joined(found, call.layer or name, (calls[source].layer or source if source in calls else source for source in call.inputs))
    return found


def with_inputs(layers: Iterable[Layer], connections: Mapping[str, Iterable[str]]) -> tuple[Layer, ...]:
    """The layers, each with the layers whose output reaches it."""
    layers = tuple(layers)
    found = contracted(connections, {layer.name for layer in layers})
    return tuple(replace(layer, inputs=found.get(layer.name, ())) for layer in layers)
