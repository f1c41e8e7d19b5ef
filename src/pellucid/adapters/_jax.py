"""What the adapter of Keras on JAX does with arrays: batches of few sizes, so that little is compiled, and small functions compiled once for all models."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

Array = np.ndarray
Result = TypeVar("Result")
STEP = 8
"""Each batch size is an eighth of the next larger one: to compile a backward pass takes as long as to run it hundreds of times."""
FULL = 0.75
"""From this share on a batch is filled up with rows that count nothing; below it is cut into smaller ones."""


def pieces(rows: int, most: int) -> Iterator[tuple[slice, int]]:
    """Consecutive slices of rows, and the batch size at which each is sent; only the last may have fewer rows than that.

    >>> [(part.stop - part.start, size) for part, size in pieces(77, 32)]
    [(32, 32), (32, 32), (4, 4), (4, 4), (4, 4), (1, 4)]
    """
    start, sizes = 0, [most]
    while sizes[-1] >= STEP:
        sizes.append(sizes[-1] // STEP)
    while start < rows:
        size = next((size for size in sizes if rows - start >= FULL * size), sizes[-1])
        stop = min(start + size, rows)
        yield slice(start, stop), size
        start = stop


def filled(array: Array, rows: int, dtype: Any = np.float32) -> Array:
    """The array with its last row repeated until there are so many."""
    array = np.asarray(array, dtype)
    if len(array) == rows:
        return array
    return np.concatenate([array, np.broadcast_to(array[-1:], (rows - len(array), *array.shape[1:]))])


def lengthened(array: Array, rows: int) -> Array:
    """Numbers with zeros behind them until there are so many."""
    return np.concatenate([array, np.zeros(rows - len(array))]).astype(np.float32)


def table(index: Array, size: int) -> tuple[Array, Array, int]:
    """The rows that are named, each once; which of them each entry means; and how many rows a table of them is given: one, or as many as the batch has."""
    if (index == index[0]).all():
        return index[:1], np.zeros(size, np.int32), 1
    named, place = np.unique(index, return_inverse=True)
    return named, filled(place, size, np.int32), size


def late(results: Iterable[Result]) -> Iterator[Result]:
    """The same, each one step later, so that the device has the next one to do while the host fetches this one."""
    waiting: list[Result] = []
    for result in results:
        waiting.append(result)
        if len(waiting) > 1:
            yield waiting.pop(0)
    yield from waiting


def by_parts(step: Callable[..., Any], size: int) -> Callable[..., Any]:
    """The step in one compiled loop over parts of a larger batch: as quick as they are one by one, without the host's work for each."""
    import jax

    def mapped(params: Any, *arrays: Any) -> Any:
        rows = len(arrays[0])
        if rows <= size:
            return step(params, *arrays)
        parts = [array.reshape(rows // size, size, *array.shape[1:]) for array in arrays]
        found = jax.lax.map(lambda part: step(params, *part), parts)
        return jax.tree.map(lambda array: array.reshape(rows, *array.shape[2:]), found)

    return mapped


def tracing_error(error: BaseException | None) -> str | None:
    """What JAX says where it was asked for the numbers of what it traces; Keras words errors anew and keeps the first one behind them."""
    from jax.errors import JAXTypeError

    while error is not None and not isinstance(error, JAXTypeError):
        error = error.__cause__ or error.__context__
    return None if error is None else str(error).strip().splitlines()[0]


@functools.cache
def on_paths() -> Callable[..., Any]:
    """Points on paths and what lies between the ends of each."""
    import jax

    def points(starts: Any, ends: Any, path: Any, position: Any) -> Any:
        start = starts[path]
        displacement = ends[path] - start
        return start + position.reshape(-1, *(1,) * (start.ndim - 1)) * displacement, displacement

    return jax.jit(points)


@functools.cache
def group_sums() -> Callable[..., Any]:
    """The sums of `PathRows` over a batch, by group, and the rows that the next batch's stencil reaches back to."""
    import jax
    from jax import numpy as jnp

    def sums(found: Any, displacement: Any, weight: Any, square: Any, group: Any, tail: Any, stencil: Any, displace: bool, groups: int) -> Any:
        rows = (found * displacement if displace else found).reshape(len(found), -1)
        reach = len(stencil) - 1
        chain = jnp.concatenate([tail, rows])
        mixed = sum(c * chain[reach - j : reach - j + len(rows)] for j, c in enumerate(stencil))
        member = (jnp.arange(groups)[:, None] == group[None]).astype(rows.dtype)
        first = jnp.matmul(member * weight, rows, precision="highest")
        second = jnp.matmul(member * square, mixed * mixed, precision="highest")
        return first, second, chain[len(rows) :]

    return jax.jit(sums, static_argnames=("stencil", "displace", "groups"))


@functools.cache
def composed() -> Callable[..., Any]:
    """Masked inputs."""
    import jax
    from jax import numpy as jnp

    def points(inputs: Any, absent: Any, labels: Any, masks: Any, sample: Any, fill: Any) -> Any:
        masks = jnp.concatenate([masks, jnp.ones_like(masks[:, :1])], axis=1)
        flat = labels.reshape(len(labels), -1)
        keep = masks[:, flat[0]] if len(flat) == 1 else jnp.take_along_axis(masks, flat[sample], axis=1)
        hidden = absent[fill]
        return hidden + keep.reshape(-1, *labels.shape[1:]) * (inputs[sample] - hidden)

    return jax.jit(points)
