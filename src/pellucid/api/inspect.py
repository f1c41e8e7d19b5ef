"""`inspect`: what a network is, and what serves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid.adapters import adapt
from pellucid.core.records import Inspection
from pellucid.methods import METHODS
from pellucid.views import VIEWS


def inspect(model: Any, *, allow_unsafe: bool = False, input_shape: Sequence[int] | None = None) -> Inspection:
    """The layers of a model, and which methods and views serve it, and why not the others.

    `input_shape`, without the axis of samples, lets a PyTorch module show shapes and the order of its layers; it is run once on zeros.

    >>> import pellucid
    >>> pellucid.inspect(lambda x: x).methods["grad_cam"]
    'needs gradients, which a black box does not give'
    """
    adapted = adapt(model, allow_unsafe=allow_unsafe, input_shape=input_shape)
    traits = adapted.traits
    return Inspection(
        framework=traits.framework,
        input_shape=traits.input_shape if input_shape is None else tuple(input_shape),
        head=traits.head,
        layers=adapted.layers(),
        methods={name: METHODS.load(name).refuses(adapted) for name in METHODS},
        views={name: VIEWS.load(name).refuses(adapted) for name in VIEWS},
        fingerprint=traits.fingerprint,
        inputs=tuple(spec for spec in traits.inputs if not spec.optional),
        outputs=traits.outputs or {traits.output: traits.output_shape},
    )
