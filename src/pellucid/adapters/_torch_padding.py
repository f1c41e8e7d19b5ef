"""`nn.TransformerEncoder` lays padded sequences end to end (nested tensors) where nothing asks for gradients: these have no shape, and no layer of it could be
read. Here it keeps them padded while a module is borrowed; what it computes for tokens that are no padding is the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn


@contextlib.contextmanager
def kept(parts: Iterable[Any]) -> Iterator[None]:
    """The encoders among the parts of a module keep their padding; put back afterwards."""
    nesting = [part for part in parts if isinstance(part, nn.TransformerEncoder) and getattr(part, "use_nested_tensor", False)]
    try:
        for part in nesting:
            part.use_nested_tensor = False
        yield
    finally:
        for part in nesting:
            part.use_nested_tensor = True
