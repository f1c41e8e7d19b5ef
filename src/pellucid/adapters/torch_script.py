"""TorchScript modules, in memory or from a file: served like PyTorch modules as far as what runs outside Python can be, without layers."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.adapters.torch_module import TorchModule, _torch
from pellucid.core.errors import ModelError, ShapeError, UnsafeModelError, UnsupportedError
from pellucid.core.model import Layer, Model

Array = np.ndarray
CLOSE = 1e-4
"""Relative difference that two ways through a network may have in half the numbers of float32."""


class TorchScript(TorchModule):
    """What `torch.jit.script` or `torch.jit.trace` made of a module, and `torch.jit.save` may have written.

    Predictions, gradients of the input and masked inputs are as of any PyTorch module; its last softmax or sigmoid is found in the graph and the score read
    before it. Shows no layers, since TorchScript takes no hooks: methods and views that need one are for the module itself, or a file of `torch.export`.
    Inputs are numbers, or whole numbers where it takes nothing else. A file opens on the host; elsewhere: `torch.jit.load(file, map_location="cuda")`.
    """

    suffixes = (".pt", ".pth", ".ts", ".torchscript")
    rank = 19

    def __init__(self, module: Any, *, batch_size: int | None = None) -> None:
        self._script, self._whole = _script(), False
        if not module._c._has_method("forward"):
            raise ModelError("the TorchScript module has no method 'forward', by which a network is called; script a module that has one.")
        self._constants = tuple(self._script.constants_of(module))
        self._before_head: Callable[..., Any] | None = None
        shape = self._script.input_shape(module)
        super().__init__(module, input_shape=shape, batch_size=batch_size)
        self.traits = replace(self.traits, framework="TorchScript", channels="last" if shape is None else "first")

    @classmethod
    def recognises(cls, candidate: Any) -> bool:
        torch = sys.modules.get("torch")
        return torch is not None and isinstance(candidate, torch.jit.ScriptModule)

    @classmethod
    def open(cls, candidate: Any, *, allow_unsafe: bool) -> Model:
        if not isinstance(candidate, Path):
            return cls(candidate)
        script = _script()
        from pellucid.adapters import _torch_files

        _torch_files.check_script(candidate)
        if not allow_unsafe:
            raise UnsafeModelError(
                f"'{candidate}' is a TorchScript file, which may run code as it is opened. If you trust its origin: allow_unsafe=True, or --allow-unsafe."
            )
        return cls(script.load(candidate))

    def layer(self, name: str) -> Layer:
        raise UnsupportedError(
            f"TorchScript shows no layers, so that there is no '{name}'; give the module that it was made of, or a .pt2 file of torch.export. "
            "Without layers serve the gradients of the input (saliency, integrated_gradients, …) and masked inputs (shap, lime, rise, …)."
        )

    def meet(self, inputs: Array) -> None:
        super().meet(inputs)
        if self._whole:
            self.traits = replace(self.traits, tokens=True, gradients=False)

    # ---- inside torch -----------------------------------------------------------------------------------------------

    @property
    def _takes_as_it_is(self) -> bool:
        return self.packing is None and not self._whole

    def _first_meeting(self, one: Any) -> Any:
        self._whole = False
        try:
            found = super()._first_meeting(one)
        except ShapeError:
            if self.packing is not None:
                raise
            found = self._as_whole_numbers(one)
            if found is None:
                raise
        cut = self._script.before_head(self.module, self._output)
        if cut is None:
            return found
        kind, dim, self._before_head = cut
        x = self._twice(one)
        logits, outputs = (
            self._help.one_output(self._called(x, found.format, call), output) for call, output in ((self._before_head, ""), (None, self._output))
        )
        axis = dim % logits.ndim - 1
        if axis < 0 or not self._same(kind, logits, outputs, axis + 1):
            return found
        classes = axis if kind != "sigmoid" else found.class_axis
        return replace(found, head=kind, class_axis=-1 if classes == logits.ndim - 2 else classes)

    def _as_whole_numbers(self, one: Any) -> Any:
        """The meeting of a module that takes nothing but whole numbers; None where it takes these no more than others."""
        self._whole = True
        with contextlib.suppress(ShapeError, ModelError):
            return super()._first_meeting(one)
        self._whole = False
        return None

    def _same(self, kind: str, logits: Any, outputs: Any, dim: int) -> bool:
        """Whether the head of what was cut off is the network's output."""
        found = logits.sigmoid() if kind == "sigmoid" else getattr(logits, kind)(dim)
        return found.shape == outputs.shape and bool(self.torch.allclose(found.to(outputs.dtype), outputs, rtol=CLOSE, atol=CLOSE * float(outputs.abs().max())))

    def _called(self, x: Any, memory_format: Any, call: Callable[..., Any] | None = None) -> Any:
        return super()._called(x.round().long() if self._whole else x, memory_format, call)

    def _run(self, x: Any, logits: bool, samples: int) -> Any:
        if not logits or self._meeting.head is None:
            return super()._run(x, False, samples)
        return self._checked(self._help.one_output(self._called(x, self._meeting.format, self._before_head), ""), samples)

    def _weights(self) -> Iterator[Any]:
        yield from super()._weights()
        yield from self._constants  # what torch.jit.freeze made has no others

    def _connected(self, name: str, leaf: Any) -> Any:
        if self._whole:
            raise UnsupportedError("the network takes whole numbers, which have no gradient; use a coalition method.")
        return super()._connected(name, leaf)


def _script() -> Any:
    """What this adapter does with torch, or what to do where it is not there."""
    _torch()
    from pellucid.adapters import _torch_script

    return _torch_script
