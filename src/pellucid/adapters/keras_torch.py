"""Keras 3 on torch: a Keras model is a PyTorch module there, and served like one, with Keras's own layers, names, head and layout of images."""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.adapters import _keras, _keras_recurrence, _layer_inputs, _torch_parts
from pellucid.adapters._keras_start import missing
from pellucid.adapters.torch_module import TorchModule
from pellucid.core.model import Layer, Model, batches, power_of_two_batch
from pellucid.core.recurrence import StateGradients
from pellucid.core.target import Target

Array = np.ndarray
BATCH_BUDGET = 40e6
"""Bytes of activations a batch: within a tenth of the best rate for the reference networks and for images of 224 × 224."""
CACHED, MOST = 2e6, 4096
"""Networks that make so little are given larger batches than 512, so that Keras's calls do not outweigh them."""


class KerasTorch(_keras.KerasModel, TorchModule):
    """A Keras 3 model while Keras runs on torch.

    It computes on the device of its weights; images keep Keras's layout. The model is touched only while a verb runs, and left as it was: mode, hooks,
    gradients, the states of its random layers, torch's random state. Two threads must not explain one model at once.
    """

    backend = "torch"
    title = "Keras on torch"

    def __init__(self, keras_model: Any) -> None:
        self.torch, self._help = _imported()
        self.module, self._place = keras_model, 0
        self._given_batch_size = _keras.fixed_batch(keras_model)
        self.introduce(keras_model, torch=self.torch.__version__)
        self._met = None

    def size_batches(self) -> None:
        row = self.bytes_of_one
        self._own_batch_size = max(power_of_two_batch(row, BATCH_BUDGET), power_of_two_batch(row, CACHED, MOST))

    def _find_output(self) -> None:
        super()._find_output()
        last = frozenset(name for name, layer in _keras.walk(self.network) if layer is self._final)
        self._meeting = self._help.Meeting(
            self._table, last=last, output_shape=self.traits.output_shape, head=self.traits.head, place=self._place, bytes=self.bytes_of_one
        )
        self._met = None

    def head_in_call(self, shape: tuple[int, ...]) -> str | None:
        zeros = self._tensor(np.zeros((self._given_batch_size or 2, *shape), np.float32))
        with self._borrowed(gradients=False), self.apart(False):
            found = self._help.meet(self.module, zeros, "", lambda x, memory_format: self.output_of(x))
        self._place = found.place
        return str(found.head) if found.head and found.class_axis == -1 else None

    def meet(self, inputs: Array) -> None:
        """Count how often each layer is called."""
        if self._met is not None:
            return
        uses: Counter[str] = Counter()
        with self._borrowed(gradients=False), self._help.hooked(dict(_keras.walk(self.network)), lambda name, _: uses.update([name])):
            self._run(self._tensor(inputs[:1]), False, 1)
        self._met = tuple(inputs.shape[1:])
        self._meeting = replace(self._meeting, uses=uses)

    def layer(self, name: str) -> Layer:
        return Model.layer(self, name)

    def states(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        chosen, found = self.recurrent(layers), []
        for part in batches(len(inputs), self.batch_size):
            seen: dict[str, Any] = {}
            with self._borrowed(gradients=False), _keras.wrapped_calls(chosen, functools.partial(_keras.record_states, seen)):
                self._run(self._tensor(inputs[part]), False, part.stop - part.start)
            found.append({name: self._numpy(seen[name]) for name in chosen})
        return {name: np.concatenate([part[name] for part in found]) for name in chosen}

    def layer_inputs(self, inputs: Array, layers: Sequence[str]) -> dict[str, tuple[Array, ...]]:
        chosen, record = self.named(layers), functools.partial(_layer_inputs.record_inputs, self.keras)

        def parts() -> Iterator[tuple[int, dict[str, list[Array]]]]:
            for part in batches(len(inputs), self.batch_size):
                seen: dict[str, Any] = {}
                with self._borrowed(gradients=False), _keras.wrapped_calls(chosen, functools.partial(record, seen)):
                    self._run(self._tensor(inputs[part]), False, part.stop - part.start)
                yield part.stop - part.start, {name: [self.keras.ops.convert_to_numpy(one) for one in seen[name]] for name in chosen}

        return _layer_inputs.joined(parts())

    def state_gradients(self, inputs: Array, target: Target, layers: Sequence[str]) -> dict[str, StateGradients]:
        from pellucid.adapters import _torch_recurrence as help_

        self.meet(inputs)

        def probed(chosen: Mapping[str, Any], calls: dict[str, list[list[Any]]]) -> contextlib.AbstractContextManager[None]:
            def wrap(name: str, layer: Any, call: Callable[..., Any]) -> Callable[..., Any]:
                def recorded(*args: Any, **kwargs: Any) -> Any:
                    calls[name].append([])
                    return help_.with_probes(call(*args, **kwargs), calls[name][-1])

                return recorded

            return _keras.wrapped_calls(chosen, wrap)  # within the layer's own call, so that Keras ties masks to what has been changed

        def read(name: str, layer: Any, calls: Sequence[Sequence[Any]]) -> StateGradients:
            outputs, *states = (self._numpy(one) for one in help_.once(name, calls))
            return StateGradients(outputs, _keras_recurrence.by_cell(states, self.recurrence(name)))

        return help_.state_gradients(self, inputs, target, self.recurrent(layers), probed, read)

    def above(self, layer: str, context: Array) -> Model:
        _keras.check_cut(self, layer)
        self.meet(context)
        return _Above(self, layer, context)

    def below(self, layer: str) -> Model:
        _keras.below_shape(self.layer(layer))
        return _Below(self, layer)

    def _run(self, x: Any, logits: bool, samples: int) -> Any:
        """What the network returns, or what its last softmax or sigmoid would be given."""
        without = self._help.WithoutHead(self._place) if logits and self.ends_in_call else None
        with self.apart(logits), without or contextlib.nullcontext():
            outputs = self.output_of(x)
        if without is not None:
            self.check_head(self.traits.head if outputs is without.logits else None)
        self._help.check_samples(outputs, samples)
        return outputs if outputs.dtype == self.torch.float64 else outputs.float()

    def _leaves(self) -> dict[str, list[Any]]:
        return {name: [variable.value for variable in found] for name, found in self._trained().items()}

    def _named(self, names: Sequence[str]) -> dict[str, Any]:
        return self.named(names)


class _Above(_torch_parts.Above, KerasTorch):
    """The network from a layer's output on."""


class _Below(_torch_parts.Below, KerasTorch):
    """The network up to a layer."""

    def __init__(self, whole: KerasTorch, layer: str) -> None:
        if not whole._meeting.uses:
            whole.meet(np.zeros((1, *(size or 1 for size in whole.traits.input_shape or ())), np.float32))
        super().__init__(whole, layer)


def _imported() -> tuple[Any, Any]:
    """torch and what this adapter does with it, or what to do where it is not there."""
    try:
        import torch
    except ImportError as error:
        raise missing("torch", error) from error
    from pellucid.adapters import _torch

    return torch, _torch
