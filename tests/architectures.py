"""The architectures of the contract grid: what each takes, what a target of it is called, and what cannot be served, with the error that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """One architecture. `shape` and `torch` are what the network takes, channels last and, where that differs, as PyTorch has them; `tokens` the size of a
    vocabulary. `target` names one output, again with `torch_target` where axes lie otherwise; `output` is the one of several that is explained. `refused`
    maps what is not served ("layer NAME", "read NAME", "gradients", "torch: layer NAME") to the words of the one error that says so. `loose` says that the
    network computes in few digits, `jumps` that it is not continuous at an input of zeros."""

    shape: tuple[int, ...]
    target: Any = 1
    torch: tuple[int, ...] | None = None
    torch_target: Any = None
    tokens: int = 0
    output: str = ""
    loose: float = 0.0
    jumps: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)

    def inputs(self, framework: str, samples: int = 5) -> Array:
        """Inputs, some of them padded with zeros where they are tokens or a series."""
        generator = np.random.default_rng(7)
        shape = self.torch if framework == "torch" and self.torch else self.shape
        if self.tokens:
            found = generator.integers(1, self.tokens, (samples, *shape)).astype(np.float32)
            found[1, -2:] = 0
            return found
        return generator.normal(size=(samples, *shape)).astype(np.float32)

    def named(self, framework: str) -> Any:
        return self.torch_target if framework == "torch" and self.torch_target is not None else self.target


IMAGE = {"shape": (8, 8, 2), "torch": (2, 8, 8)}
SERIES = {"shape": (7, 3)}
ROUND = np.ones((8, 8), bool)
ROUND[:, :3] = False

CASES: dict[str, Case] = {
    "sequential": Case((6,)),
    "functional": Case((6,)),
    "subclassed": Case((6,)),
    "nested": Case(**IMAGE),
    "used twice": Case((6,), refused={"layer shared": "used more than once"}),
    "several outputs": Case((6,), output="kind"),
    "embedding": Case((7,), tokens=20),
    "embedding bag": Case((7,), tokens=20, refused={"gradients": "none of .* gives one; name one"}),
    "masked tokens": Case((7,), tokens=20),
    "lstm": Case(**SERIES),
    "gru": Case(**SERIES),
    "bidirectional": Case(**SERIES),
    "stacked": Case(**SERIES),
    "last state": Case(**SERIES, refused={"layer lstm": "last state, "}),
    "cells": Case(**SERIES, refused={"layer cell": "used more than once"}),
    "padded": Case(**SERIES, jumps=True, refused={"torch: layer lstm": "last state, |packed sequence"}),
    "conv1d": Case((9, 2), torch=(2, 9)),
    "conv2d": Case(**IMAGE),
    "conv3d": Case((6, 6, 6, 2), torch=(2, 6, 6, 6)),
    "depthwise": Case(**IMAGE),
    "transposed": Case((9, 9, 2), torch=(2, 9, 9)),
    "normalised": Case(**IMAGE),
    "residual": Case(**IMAGE),
    "in place": Case(**IMAGE),
    "functional activations": Case((6,)),
    "attention": Case((5, 6)),
    "encoder": Case((5, 6)),
    "encoder, normalised first": Case((5, 6)),
    "token encoder": Case((7,), tokens=20, refused={"torch: read places": "gave .1, 7, 6. for 5 samples", "torch: layer places": "gave"}),
    "vision transformer": Case(**IMAGE),
    "regression": Case((6,), target=0),
    "several numbers": Case((6,), target=3),
    "binary": Case((6,), target=0),
    "multi-label": Case((6,), target=2),
    "logarithms": Case((6,)),
    "segmentation": Case(**IMAGE, target=(3, 4, 2)),
    "segmentation of logits": Case(**IMAGE, target=(..., 1)),
    "class per step": Case(**SERIES, target=(4, (1, 0))),
    "class per step, classes first": Case((9, 3), torch=(3, 9), target=(4, 2)),
    "autoencoder": Case((8, 8, 1), torch=(1, 8, 8), target=(ROUND, 1)),
    "float16": Case((6,), loose=3e-2),
    "bfloat16": Case((6,), loose=2e-1),
    "float64": Case((6,)),
    "autocast": Case((6,), loose=2e-1),
    "batch of one": Case((6,)),
}
