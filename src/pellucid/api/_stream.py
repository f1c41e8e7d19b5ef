"""Samples that come batch by batch, from a generator or a data loader: what counts as one, and its samples, one after the other."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.adapters import adapt
from pellucid.api import _parts
from pellucid.api._held import Held
from pellucid.api._progress import progress_after_patience
from pellucid.api._resume import of_rows
from pellucid.core.errors import EmptyError, InputError, SettingError, StrictError
from pellucid.core.inputs import check_shape, on_host
from pellucid.core.model import Model, Traits
from pellucid.core.packing import Packing
from pellucid.core.records import Continuation, Explanation, concat

Array = np.ndarray
MOST_TOGETHER, BYTES_TOGETHER = 100, 8e6
"""Samples that are explained together: so many, fewer where they are large. A fixed function of their shape, for predictions differ in their last bits
with the batch."""


def is_stream(x: Any) -> bool:
    """Whether `x` gives its samples by iterating: a generator, a PyTorch data loader or data set, a tf.data.Dataset, a Keras sequence; never an array."""
    if isinstance(x, (str, bytes, list, tuple, Mapping)) or hasattr(x, "__array__") or hasattr(x, "shape"):
        return False
    return hasattr(x, "__iter__") or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))


class Stream:
    """Iterates over single samples (*shape); of a network with several inputs they are packed, as `packing` says once the first has been read. `fraction` is
    how much of it has been read, None where its length is not known."""

    def __init__(self, source: Any, model: Model) -> None:
        self.source, self.traits = source, model.traits
        self.batches, self.read = _length(source), 0
        self.packing: Packing | None = None

    def __iter__(self) -> Iterator[Array]:
        for number, batch in enumerate(self._batches()):
            named = _named(batch, self.traits)
            if len(named) > 1:
                self.packing = self.packing or Packing.of(named, self.traits.inputs)
                yield from packed_rows(self.packing, named)
            else:
                yield from samples_of(next(iter(named.values()), batch), self.traits.input_shape, number)
            self.read = number + 1

    def _batches(self) -> Iterator[Any]:
        """A data set that only takes numbers, as PyTorch's and Keras's may, is asked for each; Keras's would otherwise never end."""
        counted = self.batches is not None and hasattr(self.source, "__getitem__")
        return (self.source[i] for i in range(self.batches or 0)) if counted else iter(self.source)

    @property
    def fraction(self) -> float | None:
        return None if not self.batches else min(self.read / self.batches, 1.0)


def _length(source: Any) -> int | None:
    """How many batches there are, where the stream knows."""
    for ask in (len, lambda stream: stream.num_batches):
        with contextlib.suppress(TypeError, NotImplementedError, AttributeError):
            return int(ask(source))
    return None


def _named(batch: Any, traits: Traits) -> dict[str, Any]:
    """The inputs that a batch gives by name, as the network names them, what else it holds left out; of several inputs also those given in order, as the
    first part of (x, y). Empty where they cannot all be told so."""
    given = batch[0] if isinstance(batch, (list, tuple)) and batch and isinstance(batch[0], (Mapping, list, tuple)) else batch
    if isinstance(given, Mapping):
        named = {spec.name: given[spec.name] for spec in traits.inputs if spec.name in given}
    elif given is not batch and len(traits.needed) > 1:
        named = dict(zip((spec.name for spec in traits.inputs), given, strict=False))
    else:
        return {}
    return named if all(name in named for name in traits.needed) else {}


def packed_rows(packing: Packing, given: Mapping[str, Any]) -> Array:
    """Several inputs as one array, (samples, total), as `packing.pack` makes it, but with NaN and infinity where there are any."""
    found = []
    for name, shape in zip(packing.names, packing.shapes, strict=True):
        array = np.asarray(on_host(given[name]))
        check_shape(array, shape, name)
        numbers = array.astype(array.dtype if array.dtype == np.float64 else np.float32)
        packing.check_whole(name, numbers, array)
        found.append(numbers.reshape(len(array), -1))
    if len({len(rows) for rows in found}) > 1:
        told = ", ".join(f"{name} {len(rows)}" for name, rows in zip(packing.names, found, strict=True))
        raise InputError(f"the inputs have different numbers of samples ({told}); give as many of each.")
    return np.concatenate(found, axis=1)


def samples_of(batch: Any, expected: tuple[int | None, ...] | None, number: int = 0) -> Iterable[Array]:
    """The samples of one batch: of an array (samples, *shape), of the first part of (x, y), of a list of samples; a single sample (*shape) is one.

    >>> x = np.zeros((3, 4))
    >>> [len(list(samples_of(batch, (4,)))) for batch in (x, (x, [0, 1, 2]), x[0], [x[0], x[1]])]
    [3, 3, 1, 2]
    """
    if isinstance(batch, Mapping):
        names = ", ".join(repr(name) for name in list(batch)[:5])
        raise InputError(f"batch {number} is a mapping with {names}; give the arrays alone, e.g. (batch[{next(iter(batch), 'x')!r}] for batch in loader).")
    if isinstance(batch, (list, tuple)) and batch and hasattr(batch[0], "shape"):
        alone = expected is not None and len(batch[0].shape) == len(expected)
        if alone and isinstance(batch, list):
            return [np.asarray(on_host(sample)) for sample in batch]
        batch = batch[0]
    array = np.asarray(on_host(batch))
    if array.ndim == 0:
        raise InputError(f"batch {number} is {batch!r}, expected an array of samples.")
    return [array] if expected is not None and array.ndim == len(expected) else array


def together(sample: Array) -> int:
    """How many samples like this one are explained together.

    >>> together(np.zeros((28, 28, 1), np.float32)), together(np.zeros((224, 224, 3), np.float32))
    (100, 13)
    """
    return int(max(1, min(MOST_TOGETHER, BYTES_TOGETHER // max(sample.nbytes, 1))))


def explain_stream(explain: Callable[..., Explanation], asked: dict[str, Any]) -> Explanation:
    """`explain` with the keywords `asked`, whose `x` is a stream: in bounded batches, joined to one explanation."""
    model = adapt(asked.pop("model"), allow_unsafe=asked["allow_unsafe"])
    stream, resume, progress = Stream(asked.pop("x"), model), asked.pop("resume"), asked.pop("progress")
    method, settings = asked.pop("method"), asked.pop("method_settings")
    rest, found, start, size = iter(stream), list[Explanation](), 0, 0
    with progress_after_patience(f"{method if isinstance(method, str) else type(method).__name__}, samples as they come", progress) as report:
        while rows := list(itertools.islice(rest, size or 1)):
            if not size:
                size = together(rows[0])
                model = model if stream.packing is None else model.packed(stream.packing)
                check_shared(asked, rows[0])
            rows += itertools.islice(rest, size - len(rows))
            place = slice(start, start + len(rows))
            given = _of_place(asked, place) | settings | {"resume": resume[place] if isinstance(resume, Explanation) else resume}
            try:
                found.append(explain(model, _stacked(rows), method, **given, progress=progress if stream.fraction is None else False))
            except (InputError, StrictError) as error:
                raise type(error)(f"samples {start} to {place.stop - 1} of the stream, here counted from 0: {error}") from error
            start = place.stop
            report(stream.fraction or 0.0)
    if not found:
        raise EmptyError("x is a stream without a single sample; a generator can be read only once.")
    _check_lengths(asked, resume, start)
    return replace(
        concat(found), continuation=Continuation(_going_on(explain, model, method, asked, settings), np.arange(start), network=Held.of(model, False))
    )


def check_shared(asked: Mapping[str, Any], sample: Array) -> None:
    """Raise where a baseline or a label map holds a row for each sample, which cannot be told from the length of a stream."""
    for name in ("baseline", "features"):
        value = on_host(asked.get(name))
        if isinstance(value, np.ndarray) and value.ndim and len(value) > 1 and not _fits_one(value.shape, sample.shape):
            raise SettingError(f"{name} has shape {value.shape}; a stream of samples {sample.shape} takes one that serves them all. Give an array of samples.")


def _fits_one(shape: tuple[int, ...], sample: tuple[int, ...]) -> bool:
    """Whether an array is of one sample: of its shape, or of that without channels."""
    return len(shape) <= len(sample) and all(have in (1, want) for have, want in zip(shape, sample, strict=False))


def _stacked(rows: list[Array]) -> Array:
    shapes = {row.shape for row in rows}
    if len(shapes) > 1:
        raise InputError(f"samples have different shapes, {' and '.join(str(shape) for shape in sorted(shapes))}; give samples of one shape.")
    return np.stack(rows)


def _per_sample(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of `explain` that hold one entry a sample of a stream: lists of targets and labels."""
    return {name: value for name in ("target", "labels") if isinstance(value := on_host(asked[name]), (list, np.ndarray)) and np.ndim(value)}


def _of_place(asked: Mapping[str, Any], place: slice) -> dict[str, Any]:
    """The keywords for some samples of a stream."""
    return dict(asked) | {name: value[place] for name, value in _per_sample(asked).items()}


def _check_lengths(asked: Mapping[str, Any], resume: Explanation | None, samples: int) -> None:
    for name, value in (_per_sample(asked) | ({} if resume is None else {"resume": resume})).items():
        if len(value) != samples:
            raise SettingError(f"{name} holds {len(value)} entries, the stream {samples} samples; give one entry a sample.")


def _going_on(
    explain: Callable[..., Explanation], model: Model, method: Any, asked: dict[str, Any], settings: dict[str, Any]
) -> Callable[[Explanation, Array, float | None, int | None], Explanation]:
    """The same call again for some of the samples, which the explanation itself holds."""

    def again(earlier: Explanation, rows: Array, tolerance: float | None, max_evaluations: int | None) -> Explanation:
        most = max(asked["max_evaluations"] or 0, _parts.find_method(method, settings)[1].default_max_evaluations)
        count = max((len(value) for value in _per_sample(asked).values()), default=len(rows))
        given = of_rows(asked, rows, count) | {"tolerance": tolerance, "max_evaluations": most if max_evaluations is None else max_evaluations}
        return explain(model, earlier.inputs, method, **given, **settings, resume=earlier)

    return again
