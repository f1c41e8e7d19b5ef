"""Outputs of a PyTorch module's layers: kept as they are where nothing writes over them, so that reading all layers costs little more than a forward pass."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.adapters._layer_inputs import check_alike
from pellucid.adapters._torch_walk import parts_of, tensors_of
from pellucid.core.errors import UnsupportedError
from pellucid.core.model import batches, rows_to_keep

Array = np.ndarray
Kept = dict[str, list[tuple[Any, int | None]]]
"""Of each layer the tensors that it gave, with their versions where they are the module's own and no copies."""
FEW = 2
"""Of no more samples nothing is tried before: going through them twice costs no more."""


def read(model: Any, inputs: Array, layers: Sequence[str], *, every: bool) -> dict[str, Array]:
    """The layers' outputs, of the last call of each; or of `every` call along a time axis, where a cell is called step by step."""
    found: dict[str, Array] = {}
    reading = _Reading(model, layers, every)
    parts = list(batches(len(inputs), _at_once(model, layers, len(inputs))))
    with model._borrowed(gradients=False), model._help.hooked(reading.chosen, reading.note, model._meeting.length):
        if len(inputs) > FEW and model._given_batch_size is None:
            reading.try_out(inputs[:1])
        for part in parts:
            kept = reading.batch(inputs[part])
            for name in layers:
                rows = reading.rows(name, kept.get(name, []), part.stop - part.start)
                if len(parts) == 1:
                    found[name] = rows.copy() if reading.held_elsewhere(name) else rows
                    continue
                if name not in found:
                    found[name] = np.empty_like(rows, shape=(len(inputs), *rows.shape[1:]))  # in the same order in memory
                check_alike(name, [found[name], rows])
                found[name][part] = rows
    return found


def _at_once(model: Any, layers: Sequence[str], samples: int) -> int:
    if model._given_batch_size is not None:
        return int(model.forward_batch_size)
    return rows_to_keep((model.layer(name).shape for name in layers), model._meeting.bytes, samples, model.forward_batch_size)


class _Reading:
    """Layers that are read. A module may write over what a layer has given (`inplace=True`, `out += x`), which the version of a tensor tells: such a layer is
    learnt once, on one sample, and what it gives is copied from then on."""

    def __init__(self, model: Any, layers: Sequence[str], every: bool) -> None:
        self.model, self.layers, self.every = model, layers, every
        self.chosen = model._named(layers)
        self._kept: Kept = {}
        self._left: dict[str, int] = {}
        self._awaited: set[str] = set()
        self._ours: Counter[int] = Counter()
        self.written: set[str] = vars(model).setdefault("_written", set())
        self.known: set[str] = vars(model).setdefault("_known_to_be_written", set())
        self._own = {tensor.untyped_storage().data_ptr() for tensor in tensors_of(parts_of(model.module).values())}

    def note(self, name: str, value: Any) -> None:
        before = self._kept.get(name, []) if self.every else []
        whose = name in self.written or value.is_inference() or value.untyped_storage().data_ptr() in self._own
        self._kept[name] = [*before, (value.clone(), None) if whose else (value, value._version)]
        self._left[name] -= 1
        if not self._left[name]:
            self._awaited.discard(name)
            if not self._awaited:
                raise self.model._help.Reached

    def try_out(self, sample: Array) -> None:
        """Learn on one sample which layers are written over, where that is not known yet."""
        if not self.known.issuperset(self.layers):
            self._run(sample)
            self._learn(self._kept)
            self.known |= set(self.layers)

    def batch(self, inputs: Array) -> Kept:
        """What the layers give for a batch; once more where one turns out to be written over."""
        self._run(inputs)
        if self._learn(self._kept):
            self._run(inputs)
        self._ours = Counter(id(value) for values in self._kept.values() for value, _ in values)
        return self._kept

    def _run(self, inputs: Array) -> None:
        self._kept = {}
        self._left = {name: self.model._meeting.uses.get(name, 0) for name in self.layers}
        self._awaited = {name for name, uses in self._left.items() if uses}
        with contextlib.suppress(self.model._help.Reached):
            self.model._outputs(self.model._tensor(inputs), logits=False)

    def _learn(self, kept: Kept) -> bool:
        """Whether a layer was written over of which that was not known."""
        changed = {name for name, values in kept.items() if any(version is not None and value._version != version for value, version in values)}
        self.written |= changed
        return bool(changed)

    def held_elsewhere(self, name: str) -> bool:
        """Whether the module, too, has kept what a layer gave, so that a later call may write over it."""
        ours = self._ours[id(self._kept[name][-1][0])]
        alone: Kept = {"": [(object(), None)]}
        return _holders(self._kept, name) - ours > _holders(alone, "") - 1

    def rows(self, name: str, kept: list[tuple[Any, int | None]], samples: int) -> Array:
        """What a layer gave, samples first."""
        values = [value for value, _ in kept]
        if not values or any(len(value) != samples for value in values):
            given = tuple(values[-1].shape) if values else "nothing"
            raise UnsupportedError(f"layer '{name}' gave {given} for {samples} samples; only a layer whose first axis counts samples can be shown.")
        torch = self.model.torch
        cell = isinstance(self.chosen[name], torch.nn.RNNCellBase)
        found: Array = self.model._numpy(torch.stack(values, dim=1) if cell and len(values) > 1 else values[-1])
        return found


def _holders(kept: Kept, name: str) -> int:
    """How many references there are to what a layer gave last, this function's own among them."""
    return sys.getrefcount(kept[name][-1][0])
