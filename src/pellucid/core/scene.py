"""The contract between `visualize` and the views: a `ViewMethod` looks at a `Scene` and gives back what it `Shown`.

As with methods, a view is a frozen dataclass: its fields are its settings, its class attributes say what it needs, what it answers and where it comes from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from pellucid.core.method import Progress
from pellucid.core.model import Layer, Model
from pellucid.core.preprocessing import Preprocessing
from pellucid.core.view import Finding

Array = np.ndarray
SAMPLES, DATA, NONE = "samples", "data", "none"
"""What a view looks at: a few samples, which its record keeps; a data set of any length, which comes in batches and is not kept; or the network alone."""

RECORD, NETWORK = "record", "network"
FILES = {
    RECORD: "the record of a training (pellucid train NETWORK DATASET --out FILE.keras --record FILE.safetensors --snapshots)",
    NETWORK: "a network's file",
}
"""What a setting's file may be, in words."""


class Data(Protocol):
    """A data set that comes in batches (rows, *shape), checked, each time it is gone through from its beginning. `count` is None where a stream does not know
    its length. Going through a generator a second time is an error that says so."""

    count: int | None

    def __iter__(self) -> Iterator[Array]:
        """The batches, in order."""


@dataclass(frozen=True)
class Scene:
    """Everything a view is given.

    `inputs` (samples, *shape) for a view of samples; of a view of data the first batch at most, to be looked at but not to be counted on; (0,) where nothing
    was given. `data` is there for a view of data alone. `layers` are the names that were asked for, None where the view chooses. `labels` (samples,) are true
    classes, None where they are not known; of a stream they are in its order. `class_names` are those of the output, as far as they are known.
    `preprocessing` made the inputs of what a person gave, where there is one.
    """

    model: Model
    inputs: Array
    layers: tuple[str, ...] | None = None
    seed: int = 0
    progress: Progress = lambda fraction: None
    labels: Array | None = None
    class_names: tuple[str, ...] = ()
    data: Data | None = None
    preprocessing: Preprocessing | None = None

    def chosen(self, default: Sequence[Layer]) -> list[Layer]:
        """The layers that were asked for, an unknown one being an error that lists those there are; the view's own choice where none was."""
        return list(default) if self.layers is None else [self.model.layer(name) for name in self.layers]

    def class_name(self, number: int) -> str:
        """A class by its name; by its number where it has none."""
        return self.class_names[number] if 0 <= number < len(self.class_names) else str(number)


@dataclass(frozen=True)
class Shown:
    """What a view gives back; the fields are those of `View`. `resolved` says what it chose by itself. `inputs`, where given, are those that the record keeps
    in place of the scene's: such as the data-set samples that excite a unit most."""

    values: Mapping[str, Array]
    axes: Mapping[str, tuple[str, ...]]
    resolved: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    detail_axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    inputs: Array | None = None


class ViewMethod(ABC):
    """One way to look inside. Settings are the dataclass fields of a subclass."""

    title: ClassVar[str]
    answers: ClassVar[str]
    citation: ClassVar[str] = ""
    looks_at: ClassVar[str] = SAMPLES
    """`SAMPLES`, `DATA` or `NONE`."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """Of "gradients", "weights", "recurrent layer" and "labels"."""
    several_inputs: ClassVar[bool] = True
    """Whether it serves networks with several inputs."""
    opens: ClassVar[Mapping[str, frozenset[str]]] = {}
    """Settings that may name a file, and whether it may be `RECORD` (the record of a training), `NETWORK`, or either. A view opens no file: it is given what
    is in it."""

    @abstractmethod
    def show(self, scene: Scene) -> Shown:
        """Read the inside of the network."""

    @classmethod
    def refuses(cls, model: Model) -> str:
        """Why this view cannot serve the model; empty where it can."""
        framework = model.traits.framework
        if not model.layers():
            return f"needs a network with layers; {framework} shows none"
        if "gradients" in cls.needs and not model.traits.gradients:
            return f"needs gradients, which {framework} does not give"
        if "weights" in cls.needs and not model.has_weights:
            return f"needs the network's weights, which {framework} does not show"
        if "recurrent layer" in cls.needs and not any(layer.sequential for layer in model.layers()):
            return "needs a recurrent layer; this network has none"
        names = model.packing.names if model.packing is not None else model.traits.needed
        if len(names) > 1 and not cls.several_inputs:
            return f"serves one input; this network takes {len(names)}: {', '.join(names)}"
        return ""
