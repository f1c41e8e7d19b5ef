"""A data set of any length as a view goes through it: batch by batch, checked, never held as a whole."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from pellucid.api._inputs import gather
from pellucid.api._stream import Stream, is_stream
from pellucid.core.errors import EmptyError, InputError, SettingError
from pellucid.core.inputs import check_inputs, check_shape
from pellucid.core.model import Model
from pellucid.core.packing import Packing

Array = np.ndarray
BYTES_TOGETHER, MOST_TOGETHER = 16e6, 512
"""What is read at a time: so many samples, fewer where they are large. A fixed function of their shape."""


class Batches:
    """Batches of an array, a memory map, several of them by name, or a stream, as the network `model` takes them. `first` is the first batch."""

    def __init__(self, model: Model, x: Any) -> None:
        self.count: int | None = None
        self._given, self._gone_through = x, 0
        self._stream = is_stream(x)
        if self._stream:
            self.model, self.first, self._rest = self._opened(model, x)
        else:
            if isinstance(x, np.ndarray) and x.dtype.kind in "fiub" and x.size and model.packing is None and model.traits.input_shape is not None:
                check_shape(x, model.traits.input_shape)  # as it was given, so that an axis that is missing is told
            self.count = len(next(iter(x.values())) if isinstance(x, Mapping) else x)
            self.model, self.first = gather(model, _cut(x, slice(0, 1)))
            size = together(self.first[0])
            self.first = self._gathered(slice(0, size))
        self.model.meet(self.first)

    def __iter__(self) -> Iterator[Array]:
        self._gone_through += 1
        if not self._stream:
            size = together(self.first[0])
            for start in range(0, self.count or 0, size):
                yield self._gathered(slice(start, start + size))
            return
        if self._gone_through > 1:
            if iter(self._given) is self._given:
                raise SettingError("this view goes through the data more than once, and a generator can be read only once; give an array or a data loader.")
            self._rest = self._parts(iter(Stream(self._given, self.model)))
            yield from self._rest
        else:
            yield self.first
            yield from self._rest

    def _gathered(self, part: slice) -> Array:
        try:
            return gather(self.model, _cut(self._given, part))[1]
        except InputError as error:
            raise type(error)(f"samples {part.start} to {min(part.stop, self.count or 0) - 1}, here counted from 0: {error}") from error

    def _opened(self, model: Model, x: Any) -> tuple[Model, Array, Iterator[Array]]:
        """The model as it takes the stream, its first batch, and the batches that follow."""
        stream = Stream(x, model)
        samples = iter(stream)
        head = list(itertools.islice(samples, 1))
        if not head:
            raise EmptyError("x is a stream without a single sample; a generator can be read only once.")
        model = model if stream.packing is None else model.packed(stream.packing)
        parts = self._parts(itertools.chain(head, samples), model.traits.input_shape, stream.packing)
        return model, next(parts), parts

    def _parts(self, samples: Iterator[Array], shape: tuple[int | None, ...] | None = None, packing: Packing | None = None) -> Iterator[Array]:
        for head in samples:
            rows = [head, *itertools.islice(samples, together(head) - 1)]
            if len({row.shape for row in rows}) > 1:
                raise InputError(f"samples have different shapes, {' and '.join(sorted({str(row.shape) for row in rows}))}; give samples of one shape.")
            yield np.stack(rows) if packing is not None else check_inputs(np.stack(rows), shape)


def together(sample: Array) -> int:
    """How many samples like this one are read at a time.

    >>> together(np.zeros((28, 28, 1), np.float32)), together(np.zeros((224, 224, 3), np.float32))
    (512, 26)
    """
    return int(max(1, min(MOST_TOGETHER, BYTES_TOGETHER // max(sample.nbytes, 1))))


def _cut(x: Any, part: slice) -> Any:
    """Some samples of an array, or of each array of a mapping or tuple."""
    if isinstance(x, Mapping):
        return {name: array[part] for name, array in x.items()}
    take: Callable[[Any], Any] = lambda array: array[part]  # noqa: E731
    return tuple(take(array) for array in x) if isinstance(x, tuple) else take(x)


def picked(x: Any, index: Array) -> Any:
    """Some rows, by their numbers, of an array, of each array of a mapping or tuple, of a table or of a list of texts."""
    if isinstance(x, Mapping):
        return {name: picked(part, index) for name, part in x.items()}
    if isinstance(x, tuple):
        return tuple(picked(part, index) for part in x)
    if hasattr(x, "iloc"):
        return x.iloc[index]
    return [x[int(row)] for row in index] if isinstance(x, list) else np.asarray(x[index])
