"""ONNX files through onnxruntime: predictions, the inside of the graph, and masked inputs in batches; no gradients."""

from __future__ import annotations

import copy
import os
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.adapters._numbers import wide
from pellucid.core.connections import with_inputs
from pellucid.core.errors import DamagedModelError, InputError, MissingExtraError, PellucidError, SettingError, ShapeError, UnsupportedError, unknown
from pellucid.core.model import Layer, Model, Traits, batches, power_of_two_batch
from pellucid.core.packing import Packing
from pellucid.core.recurrence import Recurrence
from pellucid.core.target import several_outputs

Array = np.ndarray
BATCH_BUDGET = 64e6
"""Bytes of all nodes' outputs a batch; from one image of 224 × 224 to 64, EfficientNet-Lite0 takes the same time for each within a tenth."""
SESSIONS = 4
"""Sessions that are kept, each with its own copy of the weights; the one that was used longest ago goes first."""
PROCESSOR = ("CPUExecutionProvider",)


class OnnxModel(Model):
    """An ONNX graph, samples first, with one output of scores, run by onnxruntime.

    `graph` is a file, or a `ModelProto`. `output` names the output to explain where there are several, `held` gives fixed values to inputs that are not
    explained; their axis of samples, where they have one, is as long as the graph says. Each node that computes numbers from the inputs is a layer.
    Sessions have onnxruntime's default options, all its optimisations and all the cores that the process may use, and run on the processor unless `providers`
    names others. A batch size that the graph fixes is kept, short batches being filled up. Nothing but operators that onnxruntime brings is run. Does not give
    gradients: coalition methods serve it.
    """

    suffixes = (".onnx",)
    rank = 40

    def __init__(
        self,
        graph: Any,
        *,
        output: str | None = None,
        held: Mapping[str, Any] | None = None,
        batch_size: int | None = None,
        providers: Sequence[str] = PROCESSOR,
    ) -> None:
        self.runtime, self._help = _onnx()
        path = Path(graph) if isinstance(graph, (str, Path)) else None
        proto = graph if path is None else self._help.read(path)
        self._made_with = {"graph": graph, "held": held, "batch_size": batch_size, "providers": providers}
        self._several = several if len(several := self._help.score_outputs(proto)) > 1 else {}
        self._unsaid = output is None and bool(self._several)
        self.graph = self._help.understood(proto, path.parent if path is not None else None, output, tuple(held or ()))
        self.held = {one.name: self._numbers(np.asarray((held or {})[one.name]), one.elements) for one in self.graph.held}
        self.providers = tuple(providers)
        self._sessions: dict[tuple[Any, ...], Any] = {}
        self.cut: str | None = None
        self._given_batch_size, self._own_batch_size, self._one_by_one = batch_size, 1, False
        self._met: tuple[int | None, ...] | None = None
        inputs = self.graph.inputs
        self.traits = Traits(
            "ONNX",
            inputs[0].shape if len(inputs) == 1 else None,
            head=None if self._unsaid else self.graph.head,
            tokens=all(one.elements not in self._help.FLOATS for one in inputs),
            class_names=self.graph.class_names,
            fingerprint=self.graph.fingerprint,
            versions={"onnx": self._help.onnx.__version__, "onnxruntime": self.runtime.__version__},
            inputs=tuple(one.spec for one in inputs),
        )
        self._look({one.name: one.shape for one in inputs})
        self._session((self.graph.output, self.graph.logits))

    @classmethod
    def recognises(cls, candidate: Any) -> bool:
        onnx = sys.modules.get("onnx")
        return onnx is not None and isinstance(candidate, onnx.ModelProto)

    @classmethod
    def open(cls, candidate: Any, *, allow_unsafe: bool) -> OnnxModel:
        return cls(candidate)

    @property
    def batch_size(self) -> int:
        """What the graph fixes, or the number that was set, or else what suits the shapes."""
        return 1 if self._one_by_one else self.graph.samples or self._given_batch_size or self._own_batch_size

    @batch_size.setter
    def batch_size(self, rows: int) -> None:
        self._given_batch_size = rows

    def reading(self, output: str) -> Model:
        found = OnnxModel(output=output, **self._made_with)
        found.traits = replace(found.traits, output=output)
        return found

    def packed(self, packing: Packing) -> Model:
        for name in packing.names:
            if name not in {one.name for one in self.graph.inputs}:
                raise InputError(unknown("input", name, [one.name for one in self.graph.inputs]))
        found = copy.copy(self)
        found.packing, found._met = packing, None
        found.traits = replace(self.traits, input_shape=(packing.total,))
        return found

    def meet(self, inputs: Array) -> None:
        if self._unsaid:
            raise several_outputs(self.traits.outputs)
        shape = tuple(inputs.shape[1:])
        if shape == self._met:
            return
        shapes = {self.graph.inputs[0].name: shape} if self.packing is None else dict(zip(self.packing.names, self.packing.shapes, strict=True))
        self._look(shapes)
        self._met = shape
        pair = np.repeat(inputs[:1], 2, axis=0)
        if self.graph.samples is None:
            try:
                self._run(pair, (self.graph.output,))
            except PellucidError:  # a graph whose insides are fixed to one sample, though its input is not
                self._one_by_one = True
        output = self._run(pair[:1], (self.graph.output,))[0]
        self.traits = replace(self.traits, output_shape=output.shape[1:] or (1,))

    def layers(self) -> tuple[Layer, ...]:
        return self._table

    def kernel_shapes(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        found: dict[str, tuple[tuple[int, ...], ...]] = self._help.kernel_shapes(self.graph, self._places)
        return found

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        self.meet(inputs)
        both = (self.graph.output, self.graph.logits)
        found = self._batched(inputs, both, (both[bool(logits)],))[0]
        return found if found.ndim > 1 else found[:, None]

    def rows_at_once(self, inputs: Array) -> int:
        self.meet(inputs)
        return self.batch_size

    def activations(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        self.meet(inputs)
        places = [self._places[self.layer(name).name] for name in layers]
        tensors = tuple(dict.fromkeys(place.tensor for place in places))
        found = dict(zip(tensors, self._batched(inputs, tensors, tensors, {place.tensor: place.axes for place in places}), strict=True))
        return {name: found[place.tensor] for name, place in zip(layers, places, strict=True)}

    def states(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        for name in layers:
            if not self.layer(name).sequential:
                raise UnsupportedError(f"layer '{name}' is a {self.layer(name).kind}, not a recurrent layer; it has no states over time.")
        return self.activations(inputs, layers)

    def recurrence(self, layer: str) -> Recurrence:
        from pellucid.adapters import _onnx_recurrence

        return _onnx_recurrence.recurrence(layer, self._node(layer), self.graph.proto.graph.initializer)

    def layer_inputs(self, inputs: Array, layers: Sequence[str]) -> dict[str, tuple[Array, ...]]:
        from pellucid.adapters import _onnx_recurrence

        self.meet(inputs)
        held = {one.name: one for one in self.graph.proto.graph.initializer}
        kept = (*held, *(one.name for one in self.graph.held))
        given = {name: _onnx_recurrence.given(name, _onnx_recurrence.zero_states_left_out(self._node(name), held), kept) for name in layers}
        axes = {tensor: way for tensors in given.values() for tensor, way in tensors.items()}
        own = self.graph.inputs[0].name
        wanted = tuple(tensor for tensor in axes if tensor != own or self.packing is not None)
        found = dict(zip(wanted, self._batched(inputs, wanted, wanted, axes), strict=True)) if wanted else {}
        found |= {own: wide(inputs)} if own in axes and own not in found else {}
        return {name: tuple(found[tensor] for tensor in tensors) for name, tensors in given.items()}

    def _node(self, layer: str) -> Any:
        """The node of a layer."""
        tensor = self._places[self.layer(layer).name].tensor
        return next(node for node in self.graph.proto.graph.node if tensor in node.output)

    def above(self, layer: str, context: Array) -> Model:
        return _Above(self, layer, context)

    def below(self, layer: str) -> Model:
        return _Below(self, layer)

    # ---- inside onnxruntime -----------------------------------------------------------------------------------------

    def _look(self, shapes: Mapping[str, tuple[int | None, ...] | None]) -> None:
        """Learn the layers, the output's shape, where channels lie and the batch size for inputs of these shapes."""
        known = self._help.inferred(self.graph, shapes)
        channels = {name: self._help.channels_of(self.graph, name, shape) if shape else "last" for name, shape in shapes.items()}
        table, self._places = self._help.layers_of(self.graph, known, channels)
        fed_by = self._help.connections([one.name for one in self.graph.inputs], self.graph, self._places)
        self._table = with_inputs(table, fed_by)
        row = 4.0 * sum(float(np.prod([size or 1 for size in one])) for one in (*shapes.values(), *(layer.shape for layer in self._table)) if one)
        self._own_batch_size = power_of_two_batch(row, BATCH_BUDGET)
        shape = known.get(self.graph.output, (0, None))[1]
        if self.packing is not None:
            self.packing = replace(self.packing, channels=tuple(channels[name] for name in self.packing.names))
        where = channels[self.graph.inputs[0].name] if self.packing is None and len(channels) == 1 else "last"
        outputs = {name: sizes[1:] if (sizes := known.get(tensor, (0, None))[1]) else None for name, tensor in self._several.items()}
        self.traits = replace(self.traits, channels=where, output_shape=(shape[1:] or (1,)) if shape else None, outputs=outputs)

    def _batched(self, inputs: Array, tensors: tuple[str, ...], wanted: tuple[str, ...], axes: Mapping[str, str] | None = None) -> list[Array]:
        """The wanted tensors for all inputs, samples first."""
        parts = [self._run(inputs[part], wanted, tensors, axes) for part in batches(len(inputs), self.batch_size)]
        return [np.concatenate(pieces) if len(pieces) > 1 else pieces[0] for pieces in zip(*parts, strict=True)]

    def _run(self, rows: Array, wanted: Iterable[str], tensors: tuple[str, ...] = (), axes: Mapping[str, str] | None = None) -> list[Array]:
        """One batch, filled up where the graph fixes its size."""
        wanted = tuple(wanted)
        count, size = len(rows), 1 if self._one_by_one else self.graph.samples
        if size is not None and count < size:
            rows = np.concatenate([rows, np.repeat(rows[-1:], size - count, axis=0)])
        quiet = self.runtime.RunOptions()
        quiet.log_severity_level = 4
        try:
            found = self._session(tensors or (self.graph.output, self.graph.logits)).run(list(wanted), self._feed(rows), quiet)
        except PellucidError:
            raise
        except Exception as error:
            raise self._cannot_take(rows, error) from error
        values = [self._help.samples_first(value, (axes or {}).get(name, "")) for name, value in zip(wanted, found, strict=True)]
        for name, value in zip(wanted, values, strict=True):
            if value.shape[:1] != (len(rows),):
                raise UnsupportedError(f"'{name}' gave {value.shape} for {len(rows)} samples; only what has its samples along the first axis can be read.")
        return [wide(value)[:count] for value in values]

    def _feed(self, rows: Array) -> dict[str, Array]:
        if self.packing is None and len(self.graph.inputs) > 1:
            raise InputError(
                f"the graph takes {', '.join(one.name for one in self.graph.inputs)}; give all of them by name, or fix some: held={{'name': array}}."
            )
        parts = {self.graph.inputs[0].name: rows} if self.packing is None else self.packing.unpack(rows)
        return {one.name: self._numbers(parts[one.name], one.elements) for one in self.graph.inputs} | self.held

    def _cannot_take(self, rows: Array, error: Exception) -> PellucidError:
        shape = tuple(rows.shape[1:])
        advice = ""
        if len(shape) == 3 and shape[-1] in (1, 3, 4) and shape[0] not in (1, 3, 4):
            advice = " Most ONNX graphs read images as (samples, channels, rows, columns): use x.transpose(0, 3, 1, 2)."
        return ShapeError(f"the ONNX graph cannot take {len(rows)} inputs of shape {shape} ({self._help.first_line(error)}).{advice}")

    def _numbers(self, array: Array, elements: int) -> Array:
        """An array as an input takes it; whole numbers are rounded to."""
        kind = self._help.onnx.helper.tensor_dtype_to_np_dtype(elements)
        return np.ascontiguousarray((np.rint(array) if kind.kind in "iu" else array).astype(kind))

    def _session(self, tensors: tuple[str, ...]) -> Any:
        """A session whose outputs are these tensors; made once."""
        key = (self.cut, tensors)
        session = self._sessions.pop(key, None)
        self._sessions[key] = self._opened(tensors) if session is None else session
        while len(self._sessions) > SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        return self._sessions[key]

    def _opened(self, tensors: tuple[str, ...]) -> Any:
        options = self.runtime.SessionOptions()
        options.log_severity_level = 4
        allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        if allowed != os.cpu_count():  # onnxruntime counts cores that the process may not use, and its threads then wait for each other
            options.intra_op_num_threads = allowed or 1
        if any(True for _ in self._help.outside(self.graph.proto)):
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", str((self.graph.folder or Path()).resolve()))
        for provider in self.providers:
            if provider not in self.runtime.get_available_providers():
                raise SettingError(f"onnxruntime has no {provider} here; it has {', '.join(self.runtime.get_available_providers())}.")
        whole = self._help.with_outputs(self.graph, tuple(dict.fromkeys(tensors)), self.cut)
        try:
            return self.runtime.InferenceSession(whole, options, providers=list(self.providers))
        except Exception as error:
            text = self._help.first_line(error)
            if "NOT_IMPLEMENTED" in text or "not a registered function/op" in text or "Unsupported model IR version" in text:
                raise UnsupportedError(f"onnxruntime {self.runtime.__version__} cannot run this graph ({text}); a newer one may.") from error
            raise DamagedModelError(f"the ONNX graph cannot be run ({text}); export the model again.") from error


class _Above(OnnxModel):
    """The graph from a layer's output on; what goes round the layer is computed from one input, as many times as there are rows."""

    def __init__(self, whole: OnnxModel, layer: str, context: Array) -> None:
        self.__dict__ |= whole.__dict__
        place = whole._places[whole.layer(layer).name]
        if place.tensor in (whole.graph.output, whole.graph.logits) and whole.layer(layer).name == whole.layers()[-1].name:
            raise UnsupportedError(f"layer '{layer}' is the last one: its output is the network's own. Choose an earlier layer.")
        if place.axes:
            raise UnsupportedError(f"layer '{layer}' is recurrent; nothing can be attributed to its steps in an ONNX graph yet.")
        value = whole.activations(context, (layer,))[layer]
        self.cut, self.context = place.tensor, context
        axis = whole.layer(layer).channel_axis
        self.traits = replace(whole.traits, input_shape=value.shape[1:], tokens=False, channels="first" if axis == 0 and value.ndim > 2 else "last")
        self._sessions = {}

    def meet(self, inputs: Array) -> None:
        """The whole graph has met its data."""

    def _feed(self, rows: Array) -> dict[str, Array]:
        return {**super()._feed(np.repeat(self.context, len(rows), axis=0)), str(self.cut): np.ascontiguousarray(rows, dtype=np.float32)}


class _Below(OnnxModel):
    """The graph up to a layer."""

    def __init__(self, whole: OnnxModel, layer: str) -> None:
        self.__dict__ |= whole.__dict__
        known, place = whole.layer(layer), whole._places[whole.layer(layer).name]
        if known.shape is None or None in known.shape:
            raise UnsupportedError(f"layer '{layer}' has an output of shape {known.shape}; a unit of it needs a fixed one.")
        self.graph = replace(whole.graph, output=place.tensor, logits=place.tensor, head=None)
        self.axes = {place.tensor: place.axes}
        self.traits = replace(whole.traits, output_shape=known.shape, head=None)
        self._sessions = {}

    def meet(self, inputs: Array) -> None:
        """The whole graph has met its data."""

    def _run(self, rows: Array, wanted: Iterable[str], tensors: tuple[str, ...] = (), axes: Mapping[str, str] | None = None) -> list[Array]:
        return super()._run(rows, wanted, tensors, self.axes)


def _onnx() -> tuple[Any, types.ModuleType]:
    """onnxruntime and what this adapter reads of graphs, or what to do where they are not there."""
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(f"ONNX files need onnx and onnxruntime ({error}): pip install 'pellucid[onnx]'") from error
    from pellucid.adapters import _onnx

    return onnxruntime, _onnx
