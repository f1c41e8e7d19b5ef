"""PyTorch modules: hooks for layers, autograd for gradients, path sums and masked inputs made on the module's device."""

from __future__ import annotations

import contextlib
import copy
import functools
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.adapters import _losses, _torch_read
from pellucid.adapters._arguments import Arguments, call_with, specs_of
from pellucid.adapters._layer_inputs import one_after_another
from pellucid.core.connections import uses_joined
from pellucid.core.errors import MissingExtraError, ModelError, PellucidError, ShapeError, UnknownLayerError, UnsafeModelError, UnsupportedError, unknown
from pellucid.core.loss import LOSSES
from pellucid.core.model import INPUT, Call, Gradients, Layer, MaskRows, Model, PathRows, Traits, batches, checked_weights, power_of_two_batch
from pellucid.core.packing import Packing
from pellucid.core.recurrence import Recurrence, StateGradients
from pellucid.core.target import Target

Array = np.ndarray
BATCH_BUDGET, LARGEST_TENSOR = 140e6, 16e6
"""Bytes a batch may make in all, and in one tensor. Networks from 28 × 28 to 224 × 224 are within a few per cent of their best rate there; larger tensors are
slower, the system having to give fresh pages for each."""
CACHED, MOST = 8e6, 4096
"""Where as much as this many rows make fits a processor's cache, larger batches than 512 are taken, so that calls do not outweigh a tiny network."""
FORWARD, ENOUGH = 2, 512
"""Times as many rows, up to so many and as far as no tensor gets too large, where no gradient keeps what a pass makes."""


class TorchModule(Model):
    """A `torch.nn.Module` that takes one tensor, samples first, or several, and returns one, or several of which the target names one.

    It computes on the device of its parameters and in their precision. Shapes, the order of layers and the head are known once it has met data. Layers are
    named by their dotted path (`layer4.1.conv2`); a part that holds layers (`layer4.1`) can be named too. The module is touched only while a verb runs, and
    left as it was: mode, hooks, gradients, random state. Several inputs come as its `forward` takes them: one after the other, by keywords, or in one mapping;
    those that are given as whole numbers as such. Sequences that it packs are shown padded again, zero past the end of each. Two threads must not explain one
    module at once.
    """

    suffixes: tuple[str, ...] = (".pt2",)
    rank = 20
    arguments: Arguments

    def __init__(self, module: Any, *, input_shape: tuple[int | None, ...] | None = None, batch_size: int | None = None) -> None:
        self.torch, self._help = _torch()
        self.module = getattr(module, "_orig_mod", module)  # what torch.compile wraps: hooks do not reach into compiled code
        self._help.check_module(self.module)
        self._met: tuple[int, ...] | None = None
        self._sample: Array | None = None
        self._meeting, self._output = self._help.before_meeting(self.module), ""
        self._given_batch_size, self._own_batch_size = batch_size, 1
        kinds = {self._help.kind_of(part) for part in self.module.modules()}
        self.traits = Traits(
            framework="PyTorch",
            input_shape=input_shape,
            gradients=True,
            scales_input=bool(kinds & {"Normalize", "Normalization", "Rescaling"}),
            tokens=self._help.reads_tokens(self.module),
            channels=self._meeting.channels,
            fingerprint=self._help.fingerprint(self.module),
            versions={"torch": self.torch.__version__},
            inputs=specs_of(self._help.forward_of(self.module)),
        )

    @classmethod
    def recognises(cls, candidate: Any) -> bool:
        torch = sys.modules.get("torch")
        return torch is not None and isinstance(candidate, torch.nn.Module)

    @classmethod
    def open(cls, candidate: Any, *, allow_unsafe: bool) -> Model:
        if not isinstance(candidate, Path):
            return cls(candidate)
        if not allow_unsafe:
            raise UnsafeModelError(
                f"'{candidate}' is opened by torch.export, which may run code from it. If you trust its origin: allow_unsafe=True, or --allow-unsafe."
            )
        module, specs, outputs, samples = _torch()[1].open_exported(candidate)
        shape = specs[0].shape if len(specs) == 1 else None
        found = cls(module, input_shape=shape, batch_size=samples)
        found.traits = replace(found.traits, inputs=specs, outputs=outputs if len(outputs) > 1 else {})
        if shape is not None and None not in shape and len(outputs) == 1:
            found.meet(np.zeros((1, *(size or 1 for size in shape)), np.float32))
        return found

    def packed(self, packing: Packing) -> Model:
        found = copy.copy(self)
        exported = bool(self.traits.inputs) and bool(self.traits.inputs[0].dtype)
        found.packing, found._met = packing, None
        found.arguments = (lambda arrays: (list(arrays), {})) if exported else call_with(self._help.forward_of(self.module), packing)
        found.traits = replace(self.traits, input_shape=(packing.total,), tokens=all(packing.whole), channels="last")
        return found

    def reading(self, output: str) -> Model:
        found = copy.copy(self)
        found._output, found._met = output, None
        found.traits = replace(self.traits, output=output)
        return found

    def meet(self, inputs: Array) -> None:
        shape = tuple(inputs.shape[1:])
        if shape == self._met:
            return
        if self.packing is None:
            self._help.check_one_input(self.module)
        with self._borrowed(gradients=False):
            self._meeting = self._first_meeting(self._tensor(inputs[:1]))
        if self.packing is not None:
            self.packing = replace(self.packing, channels=self._help.channels_apart(self.packing.shapes, self._meeting.convolutions))
        self._met, self._sample = shape, inputs[:1].copy()
        row = max(self._meeting.bytes, self._meeting.largest * BATCH_BUDGET / LARGEST_TENSOR)
        self._own_batch_size = max(power_of_two_batch(row, BATCH_BUDGET), power_of_two_batch(row, CACHED, MOST))
        learned = self._meeting
        self.traits = replace(self.traits, output_shape=learned.output_shape, head=learned.head, channels=learned.channels, class_axis=learned.class_axis)

    def _first_meeting(self, one: Any) -> Any:
        """What the module shows of itself on two samples, or on one where it takes no more at a time."""
        call = None if self._takes_as_it_is else self._called
        two = self._twice(one)
        try:
            return self._help.meet(self.module, two, self._output, call)
        except (ShapeError, ModelError):
            if self._given_batch_size is None:
                with contextlib.suppress(PellucidError):
                    found = self._help.meet(self.module, one, self._output, call)
                    self._given_batch_size = 1
                    return found
            raise

    def _twice(self, one: Any) -> Any:
        """A sample as often as a batch may hold it, two times at most."""
        return one.repeat(min(self._given_batch_size or 2, 2), *(1,) * (one.ndim - 1))

    @property
    def _takes_as_it_is(self) -> bool:
        """Whether the module is given a batch as it comes."""
        return self.packing is None

    @property
    def batch_size(self) -> int:
        """The number that was set, or else what suits the shapes once they are known."""
        return self._given_batch_size or self._own_batch_size

    @batch_size.setter
    def batch_size(self, rows: int) -> None:
        self._given_batch_size = rows

    @property
    def forward_batch_size(self) -> int:
        """Rows of a batch that keeps nothing for a gradient of the input."""
        own, more = self._own_batch_size, FORWARD * self._own_batch_size
        small = more * self._meeting.largest <= LARGEST_TENSOR
        return self._given_batch_size or (more if small and more <= ENOUGH else own)

    def rows_at_once(self, inputs: Array) -> int:
        self.meet(inputs)
        return self.forward_batch_size

    def layers(self) -> tuple[Layer, ...]:
        found: tuple[Layer, ...] = self._meeting.layers
        return found

    def layer(self, name: str) -> Layer:
        known: Mapping[str, Layer] = self._meeting.known
        if name not in known:
            raise UnknownLayerError(unknown("layer", name, {layer.name: layer for layer in self.layers()}))
        return known[name]

    def connections(self) -> dict[str, tuple[str, ...]]:
        return uses_joined(self.calls())

    def calls(self) -> dict[str, Call]:
        shape = self._met or self.traits.input_shape
        if shape is None or None in shape or not self.layers():
            return {}
        one = np.zeros((1, *(size or 1 for size in shape)), np.float32) if self._met is None or self._sample is None else self._sample
        self.meet(one)
        from pellucid.adapters import _torch_graph

        parts = self._help.named(self.module)
        listed = {layer.name: parts[layer.name] for layer in self.layers()}
        with self._borrowed(gradients=True):
            return _torch_graph.calls(lambda x: self._called(x, self._meeting.format), self._twice(self._tensor(one)), listed, self._meeting.length)

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        self.meet(inputs)
        with self._borrowed(gradients=False):
            found = [self._numpy(self._outputs(self._tensor(inputs[part]), logits)) for part in batches(len(inputs), self.forward_batch_size)]
        return np.concatenate(found)

    def activations(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        self.meet(inputs)
        return _torch_read.read(self, inputs, layers, every=False)

    def states(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        self.meet(inputs)
        for name in layers:
            if not self.layer(name).sequential:
                raise UnsupportedError(f"layer '{name}' is a {self.layer(name).kind}, not a recurrent layer; it has no states over time.")
        return _torch_read.read(self, inputs, layers, every=True)

    def layer_inputs(self, inputs: Array, layers: Sequence[str]) -> dict[str, tuple[Array, ...]]:
        self.meet(inputs)
        from pellucid.adapters import _torch_layer_inputs  # with torch, as all that needs it

        return _torch_layer_inputs.layer_inputs(self, inputs, self._named(layers))

    def recurrence(self, layer: str) -> Recurrence:
        from pellucid.adapters import _torch_recurrence

        found: Recurrence = _torch_recurrence.recurrence(layer, self._named([layer])[layer])
        return found

    def state_gradients(self, inputs: Array, target: Target, layers: Sequence[str]) -> dict[str, StateGradients]:
        self.meet(inputs)
        from pellucid.adapters import _torch_recurrence

        probed = functools.partial(_torch_recurrence.probed, length=self._meeting.length)
        return _torch_recurrence.state_gradients(self, inputs, target, self._named(layers), probed, _torch_recurrence.of_layer)

    def gradients(self, inputs: Array, target: Target, wrt: Sequence[str] = (INPUT,)) -> Gradients:
        self.meet(inputs)
        chosen = self._named([name for name in wrt if name != INPUT])
        weights = target.effective_weights
        found = []
        with self._borrowed(gradients=True):
            for part in batches(len(inputs), self.batch_size if INPUT in wrt else self.forward_batch_size):
                x, w = self._tensor(inputs[part]), self._tensor(weights[part])
                scores, outputs, gradients, values = self._score_and_gradients(x, w, target, wrt, chosen)
                found.append((self._numpy(scores), self._numpy(outputs), [self._numpy(one) for one in gradients], [self._numpy(one) for one in values]))
        return Gradients(
            np.concatenate([scores for scores, *_ in found]).astype(np.float64),
            np.concatenate([outputs for _, outputs, _, _ in found]),
            {name: one_after_another(name, [gradients[i] for *_, gradients, _ in found]) for i, name in enumerate(wrt)},
            {name: one_after_another(name, [values[i] for *_, values in found]) for i, name in enumerate(wrt)},
        )

    def path_gradients(self, rows: PathRows, target: Target) -> tuple[Array, Array]:
        shape = (rows.groups, *rows.starts.shape[1:])
        first, second = np.zeros(shape), np.zeros(shape)
        if not len(rows):
            return first, second
        self.meet(rows.starts)
        torch, reach = self.torch, len(rows.stencil) - 1
        starts, ends, weights = self._tensor(rows.starts), self._tensor(rows.ends), self._tensor(target.effective_weights)
        tail = starts.new_zeros((reach, starts[0].numel()))
        with self._borrowed(gradients=True):
            for part in batches(len(rows), self.batch_size):
                path, group = self._index(rows.path[part]), rows.group[part]
                start = starts[path]
                displacement = ends[path] - start
                position = self._tensor(rows.position[part]).reshape(-1, *(1,) * (start.ndim - 1))
                points = torch.addcmul(start, position, displacement)
                _, _, (found,), _ = self._score_and_gradients(points, weights[self._index(group)], target, (INPUT,), {})
                found = (found * displacement if rows.displace else found).flatten(1)
                chain = torch.cat([tail, found]) if reach else found
                mixed = sum(c * chain[reach - j : len(chain) - j] for j, c in enumerate(rows.stencil))
                tail = chain[len(found) :]
                low, high = int(group[0]), int(group[-1]) + 1
                member = (np.arange(low, high)[:, None] == group[None]).astype(np.float64)
                first[low:high] += self._numpy(self._tensor(member * rows.weight[part]) @ found).reshape(-1, *shape[1:])
                second[low:high] += self._numpy(self._tensor(member * rows.square[part]) @ mixed.square()).reshape(-1, *shape[1:])
        return first, second

    def masked_scores(self, rows: MaskRows, target: Target) -> Array:
        self.meet(rows.inputs)
        torch, shared = self.torch, len(rows.labels) == 1
        inputs, weights = self._tensor(rows.inputs), self._tensor(target.effective_weights)
        absent = self._tensor(rows.fills.reshape(-1, *rows.fills.shape[2:]))
        of_sample = rows.fills.shape[1] if len(rows.fills) > 1 else 0
        labels = self._index(np.where(rows.labels < 0, rows.masks.shape[1], rows.labels).reshape(len(rows.labels), -1))
        scores = np.empty(len(rows))  # filled in place: a small tensor kept of each batch would pin torch's freed blocks, and the process would grow
        with self._borrowed(gradients=False):
            for part in batches(len(rows), self.forward_batch_size):
                sample = self._index(rows.sample[part])
                masks = self._tensor(rows.masks[part])
                masks = torch.cat([masks, torch.ones_like(masks[:, :1])], dim=1)
                keep = masks.index_select(1, labels[0]) if shared else masks.gather(1, labels[sample])
                hidden = absent[self._index(_once(rows.sample[part] * of_sample + rows.fill[part]))]
                present = inputs[self._index(_once(rows.sample[part]))]
                points = torch.lerp(hidden, present, keep.reshape(-1, *rows.labels.shape[1:]))
                scores[part] = self._numpy(self._scores(points, weights[sample], target)[0])
        return scores

    def weight_gradients(self, inputs: Array, target: Target) -> dict[str, tuple[Array, ...]]:
        self.meet(inputs)
        leaves = self._leaves()
        flat = [leaf for found in leaves.values() for leaf in found]
        weights = target.effective_weights

        def made() -> Iterator[list[Array]]:
            for part in batches(len(inputs), self.batch_size):
                scores, _ = self._scores(self._tensor(inputs[part]), self._tensor(weights[part]), target)
                found = self.torch.autograd.grad(scores.sum(), flat, allow_unused=True) if scores.requires_grad else [None] * len(flat)
                yield [self._numpy(self.torch.zeros_like(leaf) if one is None else one) for leaf, one in zip(flat, found, strict=True)]

        with self._borrowed(gradients=True), _losses.tracked(flat):
            return _losses.named(leaves, _losses.summed(made()))

    def _leaves(self) -> dict[str, list[Any]]:
        """Layer → the tensors that training changes, as `weights` orders them."""
        return self._parameters()

    has_weights = True

    def weights(self) -> dict[str, tuple[Array, ...]]:
        return {name: tuple(self._help.on_host(one).copy() for one in found) for name, found in self._parameters().items()}

    def kernel_shapes(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        return {name: tuple(tuple(one.shape) for one in found) for name, found in self._parameters().items()}

    def replaced_weights(self, weights: Mapping[str, Sequence[Array]]) -> contextlib.AbstractContextManager[Model]:
        parameters = self._parameters()
        given = checked_weights({name: [tuple(one.shape) for one in found] for name, found in parameters.items()}, weights)
        changed = [pair for name, arrays in given.items() for pair in zip(parameters[name], arrays, strict=True)]
        found: contextlib.AbstractContextManager[Model] = self._help.replaced(changed, self)
        return found

    def _parameters(self) -> dict[str, list[Any]]:
        """Layer → its own parameters, those of no layer first, layers in the order they are called; one that several layers share is the first one's."""
        parts = {name: part for name, part in self.module.named_modules() if "parametrizations" not in name.split(".")}
        first = {type(self.module).__name__.lower(): parts.pop("")}
        called = {layer.name: parts[layer.name] for layer in self.layers() if layer.name in parts}
        found: dict[str, list[Any]] = {}
        seen: set[int] = set()
        for name, part in (first | called | parts).items():
            own = [one for one in self._help.own_parameters(part) if id(one) not in seen]
            seen |= {id(one) for one in own}
            if own:
                found[name] = own
        return found

    def above(self, layer: str, context: Array) -> Model:
        self.meet(context)
        from pellucid.adapters._torch_parts import Above  # it builds on this file

        return Above(self, layer, context)

    def below(self, layer: str) -> Model:
        from pellucid.adapters._torch_parts import Below

        return Below(self, layer)

    # ---- inside torch -----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _borrowed(self, *, gradients: bool) -> Iterator[None]:
        from pellucid.adapters import _torch_padding  # with torch, as all that needs it

        with self._help.borrowed(self.module, gradients=gradients) as parts, _torch_padding.kept(parts):
            yield

    def _outputs(self, x: Any, logits: bool) -> Any:
        """What the network gives for a batch, shape (samples, *output)."""
        return self._run(x, logits, len(x))

    def _run(self, x: Any, logits: bool, samples: int) -> Any:
        """What the module returns, or what its last softmax or sigmoid was given."""
        without = self._help.WithoutHead(self._meeting.place) if logits and self._meeting.head else None
        with without or contextlib.nullcontext():
            outputs = self._help.one_output(self._called(x, self._meeting.format), self._output)
        if without is not None and outputs is not without.logits:
            raise UnsupportedError("the network's last softmax or sigmoid is not the same in every pass, so there is no logit; use score='probability'.")
        return self._checked(outputs, samples)

    def _checked(self, outputs: Any, samples: int) -> Any:
        """An output with its first axis counting samples, and another one."""
        self._help.check_samples(outputs, samples)
        return outputs if outputs.ndim > 1 else outputs.reshape(samples, 1)

    def _called(self, x: Any, memory_format: Any, call: Callable[..., Any] | None = None) -> Any:
        """What the module, or a `call` like it, makes of a batch, images in this order in memory; of several inputs, of each of them as it takes it."""
        call = call or self.module
        if self.packing is None:
            return call(x.contiguous(memory_format=memory_format) if x.ndim == 4 else x)

        def shaped(part: Any, shape: tuple[int, ...]) -> Any:
            part = part.reshape(shape)
            return part.contiguous(memory_format=memory_format) if part.ndim == 4 else part

        def whole(part: Any, kind: str) -> Any:
            return part > 0.5 if kind == "bool" else part.round().long()

        dtype = self._dtype
        positional, keywords = self.arguments(
            self.packing.split(x, lambda x, places: x.tensor_split(places, dim=1), shaped, lambda part: part.to(dtype), whole)
        )
        return call(*positional, **keywords)

    def _scores(self, x: Any, weights: Any, target: Target) -> tuple[Any, Any]:
        """Scores and outputs; the weights follow the prediction where asked."""
        read = self._outputs(x, target.reads_logits)
        weights = weights.to(read.device)  # the parts of a network may lie on several devices
        if target.follows_prediction:
            weights = self.torch.nn.functional.one_hot(read.argmax(dim=-1), read.shape[-1]).to(read.dtype)
            weights = weights - 1 / read.shape[-1] if target.score == "centered_logit" else weights
        if target.scale in LOSSES:
            return _losses.in_torch(self.torch, target.scale, read, weights, self.traits.class_axis), read
        outputs, weights = self._help.on_scale(read, weights, target.scale)
        return (outputs * weights).flatten(1).sum(dim=1), read

    def _score_and_gradients(self, x: Any, weights: Any, target: Target, wrt: Sequence[str], chosen: dict[str, Any]) -> Any:
        """Scores, outputs, gradients and values; a layer's gradient is that of a zero probe added to its output, so that nothing below is differentiated."""
        probes: dict[str, Any] = {}
        values: dict[str, Any] = {INPUT: x}

        def probe(name: str, value: Any) -> Any:
            if name in probes:
                raise UnsupportedError(f"layer '{name}' is used more than once; its gradient is not served yet.")
            if len(value) != len(x):
                raise UnsupportedError(f"layer '{name}' gave {tuple(value.shape)} for {len(x)} samples; its first axis must count them for a gradient of each.")
            values[name], probes[name] = value.detach(), self.torch.zeros_like(value, requires_grad=True)
            return value + probes[name]

        if INPUT in wrt:
            probes[INPUT] = x.requires_grad_()
            x = x.clone(memory_format=self._meeting.format if x.ndim == 4 else self.torch.preserve_format)  # what the module may change in place
        with self._help.hooked(chosen, probe, self._meeting.length):
            scores, outputs = self._scores(x, weights, target)
        leaves = [probes[name] for name in wrt]
        found = self.torch.autograd.grad(scores.sum(), leaves, allow_unused=True) if scores.requires_grad else [None] * len(leaves)
        gradients = [self._connected(name, leaf) if one is None else one for name, leaf, one in zip(wrt, leaves, found, strict=True)]
        return scores, outputs, gradients, [values[name] for name in wrt]

    def _connected(self, name: str, leaf: Any) -> Any:
        """Zeros where the score does not depend on what was asked for; an error where it may depend in a way that is not differentiated."""
        if name == INPUT and self.traits.tokens:
            raise UnsupportedError("the network reads tokens, which have no gradient; name the embedding as the layer, or use a coalition method.")
        if name != INPUT and self.layer(name).sequential:
            raise UnsupportedError(
                f"the score does not depend on what layer '{name}' gives at each step but on its last state, whose gradient is not served yet."
            )
        return self.torch.zeros_like(leaf)

    # ---- small parts ------------------------------------------------------------------------------------------------

    def _named(self, names: Sequence[str]) -> dict[str, Any]:
        parts = self._help.named(self.module)
        return {name: parts[self.layer(name).name] for name in names}

    @property
    def device(self) -> Any:
        return next((tensor.device for tensor in self._weights()), self.torch.device("cpu"))

    def _weights(self) -> Iterator[Any]:
        yield from self.module.parameters()
        yield from self.module.buffers()

    @property
    def _dtype(self) -> Any:
        return next((tensor.dtype for tensor in self._weights() if tensor.is_floating_point()), self.torch.get_default_dtype())

    def _tensor(self, array: Array) -> Any:
        """A tensor of its own, in the module's precision; of several inputs, which may hold tokens, in one that is exact for whole numbers."""
        dtype = self._dtype if self.packing is None or self._dtype.itemsize > 2 else self.torch.float32
        flat = self.torch.tensor(np.ascontiguousarray(array).reshape(-1), dtype=dtype, device=self.device)
        return flat.reshape(array.shape)  # strides of its own: NumPy's may look like another memory format, which a module that calls `view` cannot take

    def _index(self, array: Array) -> Any:
        return self.torch.tensor(np.ascontiguousarray(array, dtype=np.int64), device=self.device)

    def _numpy(self, tensor: Any) -> Array:
        found: Array = self._help.on_host(tensor)
        return found


def _torch() -> tuple[Any, types.ModuleType]:
    """torch and what this adapter does with it, or what to do where it is not there."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(f"PyTorch modules need torch ({error}): pip install torch") from error
    from pellucid.adapters import _torch

    return torch, _torch


def _once(index: Array) -> Array:
    """One entry where all are the same, so that what is taken is broadcast and not copied: half of what composing a large image costs."""
    return index[:1] if len(index) and (index == index[0]).all() else index
