"""Several inputs of a network as one array: every algorithm works on that, and an adapter takes it apart just before it calls the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from pellucid.core.errors import DtypeError, InputError, ShapeError, unknown
from pellucid.core.inputs import check_inputs, on_host
from pellucid.core.layout import from_last, to_last

Array = np.ndarray


@dataclass(frozen=True)
class InputSpec:
    """What a network says of one of its inputs. `shape` has no axis of samples, None where a length is free, None as a whole where it is unknown. `dtype` is
    empty where the network takes what it is given. An `optional` one may be left out."""

    name: str
    shape: tuple[int | None, ...] | None = None
    dtype: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Packing:
    """Where each input of a network lies in an array (samples, total): one after the other, flattened as the network takes them.

    `whole` holds for each input the type of its whole numbers ("int64": tokens, a mask) or "" for numbers, which have gradients. `channels` says where each
    one's channels lie, "last" or "first". `keyed`: the inputs were given by name, which tells how a callable takes them, and no more than that.

    >>> packing = Packing.of({"image": np.zeros((5, 2, 2, 1)), "ids": np.array([[1, 2, 3]] * 5)})
    >>> packing.names, packing.shapes, packing.whole, packing.slices["ids"]
    (('image', 'ids'), ((2, 2, 1), (3,)), ('', 'int64'), slice(4, 7, None))
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    whole: tuple[str, ...]
    channels: tuple[str, ...]
    keyed: bool = field(default=False, compare=False)

    @classmethod
    def of(cls, x: Any, specs: Sequence[InputSpec] = ()) -> Packing:
        """The packing of arrays (samples, *shape) given by name or in the network's order; `specs` is what the network says of its inputs, if anything."""
        given = dict(x) if isinstance(x, Mapping) else dict(zip(_names(specs, len(x)), x, strict=True))
        known = {spec.name: spec for spec in specs}
        names = [name for name in known if name in given] + [name for name in given if name not in known]
        arrays = {name: _array(given[name], name) for name in names}
        whole = tuple(_whole(known[name].dtype if name in known and known[name].dtype else str(arrays[name].dtype)) for name in names)
        shapes = tuple(array.shape[1:] for array in arrays.values())
        return cls(tuple(str(name) for name in names), shapes, whole, ("last",) * len(names), isinstance(x, Mapping))

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Name → which columns of the packed array."""
        edges = np.cumsum([0, *(prod(shape) for shape in self.shapes)]).tolist()
        return {name: slice(start, stop) for name, (start, stop) in zip(self.names, pairwise(edges), strict=True)}

    @property
    def total(self) -> int:
        """Numbers a sample."""
        return sum(prod(shape) for shape in self.shapes)

    @property
    def tokens(self) -> tuple[str, ...]:
        """Names of the inputs that hold whole numbers."""
        return tuple(name for name, kind in zip(self.names, self.whole, strict=True) if kind)

    def pack(self, x: Any, what: str = "x") -> Array:
        """Arrays by name, or in this order, as one (samples, total); one that is packed already is only checked. Everything but float64 becomes float32."""
        if not isinstance(x, (Mapping, list, tuple)):
            return check_inputs(x, (self.total,), what)
        arrays = self.listed(x, what)
        checked = {name: check_inputs(arrays[name], shape, name) for name, shape in zip(self.names, self.shapes, strict=True)}
        counts = {name: len(array) for name, array in checked.items()}
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise ShapeError(f"the inputs of {what} have different numbers of samples ({told}); give as many of each.")
        for name, array in checked.items():
            self.check_whole(name, array, arrays[name])
        return np.concatenate([array.reshape(len(array), -1) for array in checked.values()], axis=1)

    def listed(self, x: Any, what: str, *, all_of: bool = True) -> dict[str, Any]:
        """What is given for each input, by name or in this order; `all_of`: nothing may be missing."""
        given = dict(x) if isinstance(x, Mapping) else dict(zip(self.names, x, strict=False))
        for name in given:
            if name not in self.names:
                raise InputError(f"{what}: {unknown('input', name, self.names)}")
        missing = [name for name in self.names if name not in given]
        if (all_of and missing) or len(x) > len(self.names):
            raise InputError(f"{what} holds {len(x)} of the {len(self)} inputs {', '.join(self.names)}; give all of them, by name: {self.example}.")
        return given

    @property
    def example(self) -> str:
        """How the inputs are written in Python."""
        return "{" + ", ".join(f"'{name}': …" for name in self.names) + "}"

    def check_whole(self, name: str, array: Array, given: Any = None) -> None:
        """Raise where what stands for a token is no whole number, or one that float32 cannot hold."""
        if name not in self.tokens:
            return
        if not np.array_equal(array, np.rint(array)):
            raise DtypeError(f"'{name}' holds whole numbers, and what is given for it others; where it is no token but a number, give it as float32.")
        if given is not None and not np.array_equal(array, on_host(given)):
            raise DtypeError(f"'{name}' holds whole numbers above 16,777,216, which are not kept exactly; number its tokens anew, from 0 on.")

    def name_of(self, number: int) -> str:
        """What to call one number of the packed array.

        >>> Packing.of({"image": np.zeros((1, 2, 2, 1)), "meta": np.zeros((1, 3))}).name_of(6)
        'meta: 2'
        """
        name, part = next((name, part) for name, part in self.slices.items() if number < part.stop)
        place = ", ".join(str(int(i)) for i in np.unravel_index(number - part.start, self.shapes[self.names.index(name)] or (1,)))
        return f"{name}: ({place})" if "," in place else f"{name}: {place}"

    def unpack(self, packed: Array) -> dict[str, Array]:
        """Name → its part of arrays (..., total), with its own shape (..., *shape)."""
        lead = packed.shape[:-1]
        return {name: packed[..., part].reshape(*lead, *shape) for (name, part), shape in zip(self.slices.items(), self.shapes, strict=True)}

    def split(
        self,
        x: Any,
        cut: Callable[[Any, list[int]], Sequence[Any]],
        reshape: Callable[[Any, tuple[int, ...]], Any],
        number: Callable[[Any], Any],
        whole: Callable[[Any, str], Any],
    ) -> list[Any]:
        """The inputs of a batch (rows, total) of any framework, as the network takes them: `cut` cuts its columns at some places, `number` makes an input's
        numbers, `whole` its whole ones of a type."""
        pieces = cut(x, [part.stop for part in self.slices.values()][:-1])
        parts = [reshape(piece, (-1, *shape)) for piece, shape in zip(pieces, self.shapes, strict=True)]
        return [whole(part, kind) if kind else number(part) for part, kind in zip(parts, self.whole, strict=True)]

    @cached_property
    def order(self) -> Array:
        """Where each number of the packed array stands in one whose images have their channels last: (total,)."""
        found = []
        for part, shape, channels in zip(self.slices.values(), self.shapes, self.channels, strict=True):
            last = to_last(np.empty((1, *shape)), channels).shape
            found.append(from_last(np.arange(part.start, part.stop).reshape(last), channels).ravel())
        return np.concatenate(found)


def takes_several(specs: Sequence[InputSpec], x: Any) -> bool:
    """Whether `x` is several inputs rather than the samples of one: by name, or as many arrays as the network says it takes.

    >>> one, two = [InputSpec("x", (4,))], [InputSpec("image"), InputSpec("meta")]
    >>> rows = [np.zeros(4), np.ones(4)]
    >>> takes_several(one, rows), takes_several(two, rows), takes_several((), {"a": rows[0], "b": rows[1]})
    (False, True, True)
    """
    needed = sum(not spec.optional for spec in specs)
    if isinstance(x, Mapping):
        return len(x) > 1 or needed > 1
    if not isinstance(x, (list, tuple)) or needed > 1:
        return needed > 1 and isinstance(x, (list, tuple))
    if (needed == 1 and specs[0].shape is not None) or len(x) < 2 or not all(len(getattr(one, "shape", ())) for one in x):
        return False
    ragged = len({tuple(one.shape[1:]) for one in x}) > 1 and len({one.shape[0] for one in x}) == 1
    return ragged or (needed == 0 and isinstance(x, tuple))


def _names(specs: Sequence[InputSpec], count: int) -> list[str]:
    """The network's own names in its order, or numbers."""
    needed = [spec for spec in specs if not spec.optional]
    if len(needed) > 1 and not len(needed) <= count <= len(specs):
        raise InputError(f"{count} inputs were given, the network takes {len(needed)}: {', '.join(spec.name for spec in needed)}.")
    return [spec.name for spec in specs[:count]] if len(specs) >= count else [f"input_{i}" for i in range(count)]


def _array(value: Any, name: str) -> Array:
    array = np.asarray(on_host(value))
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"'{name}' holds {array.dtype}, expected numbers; convert it, e.g. to float32.")
    if not array.ndim:
        raise ShapeError(f"'{name}' is a single number, expected an array of samples.")
    return array


def _whole(dtype: str) -> str:
    """The type, where it is one of whole numbers; bytes are the shades of an image."""
    return dtype if dtype.startswith(("int", "uint", "bool")) and dtype != "uint8" else ""
