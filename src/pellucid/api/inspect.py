"""`inspect`: what a network is, and what serves it."""

from __future__ import annotations

from typing import Any

from pellucid.adapters import adapt
from pellucid.core.records import Inspection
from pellucid.methods import METHODS
from pellucid.views import VIEWS


def inspect(model: Any, *, allow_unsafe: bool = False) -> Inspection:
    """The layers of a model, and which methods and views serve it, and why not the others.

    >>> import pellucid
    >>> pellucid.inspect(lambda x: x).methods["grad_cam"]
    'needs gradients, which a black box does not give'
    """
    adapted = adapt(model, allow_unsafe=allow_unsafe)
    traits = adapted.traits
    return Inspection(
        framework=traits.framework,
        input_shape=traits.input_shape,
        head=traits.head,
        layers=adapted.layers(),
        methods={name: METHODS.load(name).refuses(adapted) for name in METHODS},
        views={name: VIEWS.load(name).refuses(adapted) for name in VIEWS},
        fingerprint=traits.fingerprint,
    )
