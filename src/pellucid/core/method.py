"""The contract between the verbs and the methods: a `Method` explains. (What visualizes is in `core.scene`.)

A method is a frozen dataclass: its fields are its settings, its class attributes say what it needs, what it gives and where it comes from.
Lists, documentation, command line and test grid are made from them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from pellucid.core.features import FeatureMap
from pellucid.core.model import Model
from pellucid.core.outcome import Check
from pellucid.core.packing import Packing
from pellucid.core.target import Target

Array = np.ndarray
Progress = Callable[[float], None]
"""Called with the fraction of the work that is done."""


OPTIONS = ("layer", "baseline", "background", "features", "fill")
"""Keywords of `explain` that some methods accept; the others are common to all."""


@dataclass(frozen=True)
class Task:
    """Everything a method is given. `scores` (samples,) are the target's at the inputs. `baseline` is (1 or samples, *shape), `fills`
    (1 or samples, rows, *shape); both and `features` are there only for a method that accepts them. `state` is what the method's own
    `Attribution.state` held for the same samples, where an earlier explanation is to be refined; empty otherwise. `packing` says where each of several inputs
    lies in `inputs`."""

    model: Model
    inputs: Array
    target: Target
    scores: Array
    tolerance: float
    max_evaluations: int
    seed: int
    progress: Progress = lambda fraction: None
    layer: str | None = None
    baseline: Array | None = None
    features: FeatureMap | None = None
    fills: Array | None = None
    state: Mapping[str, Array] = field(default_factory=dict)
    packing: Packing | None = None


@dataclass(frozen=True)
class Attribution:
    """Everything a method gives back.

    `values` and `error` are (samples, *feature); `error_kind` is "standard_error", "bound", "exact" or "none"; `degrees` are the degrees
    of freedom behind each sample's error (infinite for a known one). `evaluations` counts inputs that went forward for each sample and
    `gradients` those among them that also went backward; where the work went on from `Task.state`, both count all of it. `statistics` holds further
    arrays, one row a sample. `state` holds the sufficient statistics, one row a sample, from which the method can go on. `resolved` says what the
    method chose by itself. `outputs` are the network's at the inputs, on the target's side of the softmax; only a method with
    `single_pass` gives them.
    """

    values: Array
    error: Array
    error_kind: str
    axes: tuple[str, ...]
    evaluations: Array
    gradients: Array
    stops: Sequence[Check]
    degrees: Array | None = None
    baseline_score: Array | None = None
    outputs: Array | None = None
    statistics: Mapping[str, Array] = field(default_factory=dict)
    resolved: Mapping[str, str | float | int] = field(default_factory=dict)
    state: Mapping[str, Array] = field(default_factory=dict)


class Method(ABC):
    """One way to explain. Settings are the dataclass fields of a subclass."""

    title: ClassVar[str]
    answers: ClassVar[str]
    family: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()
    """Of "gradients" and "spatial layer"."""
    accepts: ClassVar[frozenset[str]] = frozenset()
    """Which of `OPTIONS` it takes."""
    error_kind: ClassVar[str]
    unit: ClassVar[str] = ""
    """"score" where the values are parts of the score: figures give such methods one colour scale. Empty for a scale of its own."""
    directed: ClassVar[bool] = True
    """Whether the sign of a value says for or against the target."""
    promises: ClassVar[frozenset[str]] = frozenset()
    """What the definition keeps, for the metrics of axioms to test: of "completeness" and "efficiency" (values add up to the change of the score from the
    baseline, or from the fill), "symmetry" (what changes the score alike between there and the input gets the same), "dummy" (what changes no score there gets
    nothing) and "insensitivity" (what changes no score anywhere gets nothing)."""
    default_tolerance: ClassVar[float] = 0.05
    default_max_evaluations: ClassVar[int] = 10_000
    modalities: ClassVar[tuple[str, ...]] = ("image", "series", "table")
    several_inputs: ClassVar[bool] = False
    """It serves networks with several inputs: it asks of an input no more than numbers, or features."""
    single_pass: ClassVar[bool] = False
    """It runs the network once at the inputs themselves and gives the outputs back, so that no prediction is made beforehand; its
    target may follow the prediction."""
    citation: ClassVar[str]

    @abstractmethod
    def explain(self, task: Task) -> Attribution:
        """Attribute the target's score to the features."""

    @classmethod
    def refuses(cls, model: Model) -> str:
        """Why this method cannot serve the model; empty where it can."""
        if "gradients" in cls.needs and not model.traits.gradients:
            return f"needs gradients, which {model.traits.framework} does not give"
        if "spatial layer" in cls.needs and not any(layer.spatial for layer in model.layers()):
            none = "this network has none" if model.layers() else f"{model.traits.framework} shows no layers"
            return f"needs a layer with channels over a grid (a convolution); {none}"
        names = model.packing.names if model.packing is not None else model.traits.needed
        if len(names) > 1 and not cls.several_inputs:
            return f"serves one input; this network takes {len(names)}: {', '.join(names)}"
        return ""
