"""What a layer cuts a PyTorch module into: the network above it, whose input is the layer's output, and the network below it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.adapters.torch_module import TorchModule
from pellucid.core.errors import PellucidError, UnsupportedError

Array = np.ndarray


class Part(TorchModule):
    """A piece of a network that a layer cuts in two."""

    def __init__(self, whole: TorchModule, layer: str, **traits: Any) -> None:
        self.__dict__ |= whole.__dict__
        self.cut = whole._named([layer])
        self.traits = replace(whole.traits, **traits)

    def meet(self, inputs: Array) -> None:
        """The whole network has met its data."""


class Above(Part):
    """The network from a layer's output on. What goes round the layer is computed from one input; where the module does not mix that with many outputs of
    the layer, from as many copies of it."""

    def __init__(self, whole: TorchModule, layer: str, context: Array) -> None:
        value = whole.activations(context, (layer,))[layer]
        known = whole.layer(layer)
        super().__init__(whole, layer, input_shape=value.shape[1:], scales_input=True, tokens=False, channels="first" if known.channel_axis == 0 else "last")
        if layer in whole._meeting.last:
            raise UnsupportedError(f"layer '{layer}' is the last one: its output is the network's own. Choose an earlier layer.")
        if whole._meeting.uses.get(layer, 0) > 1:
            raise UnsupportedError(f"layer '{layer}' is used more than once, so that nothing can be attributed to one output of it.")
        self.context, self.copies = whole._tensor(context), True
        if known.sequential and np.array_equal(self.predict(value), self.predict(value + 1)):
            raise UnsupportedError(
                f"the network does not read what layer '{layer}' gives at each step but its last state, to which nothing can be attributed yet."
            )
        twice = np.repeat(value, 2, axis=0)
        wanted = self.predict(twice)
        self.copies = False
        try:
            self.copies = not np.allclose(self.predict(twice), wanted, rtol=1e-4, atol=1e-6 * float(np.abs(wanted).max()))
        except (RuntimeError, ValueError, IndexError, TypeError, PellucidError):
            self.copies = True

    def _outputs(self, x: Any, logits: bool) -> Any:
        context = self.context.repeat(len(x), *(1,) * (self.context.ndim - 1)) if self.copies else self.context.clone()
        with self._help.hooked(self.cut, lambda name, value: x, self._meeting.length):
            return self._run(context, logits, len(x))


class Below(Part):
    """The network up to a layer."""

    def __init__(self, whole: TorchModule, layer: str) -> None:
        shape = whole.layer(layer).shape
        if shape is None or None in shape:
            raise UnsupportedError(f"layer '{layer}' has an output of shape {shape}; a unit of it needs a fixed one.")
        super().__init__(whole, layer, output_shape=shape, head=None)
        self.name, self.uses = layer, whole._meeting.uses[layer]

    def _outputs(self, x: Any, logits: bool) -> Any:
        seen: list[Any] = []

        def note(name: str, value: Any) -> None:
            seen.append(value.clone())
            if len(seen) == self.uses:
                raise self._help.Reached

        with self._help.hooked(self.cut, note, self._meeting.length), contextlib.suppress(self._help.Reached):
            self._run(x, False, len(x))
        self._help.check_samples(seen[-1], len(x))
        return seen[-1]
