"""Occlusion: what the score loses when a window that slides over the input is covered."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.method import Attribution, Method, Task
from pellucid.methods.coalition import _removal
from pellucid.methods.coalition._masks import channel_axis

Array = np.ndarray
WINDOWS_AN_AXIS = 7
"""Windows that lie side by side along an axis, where no window is given."""


@dataclass(frozen=True)
class Occlusion(Method):
    """What the score loses when a window of the input is covered, for windows that slide over it.

    Use it to find where an image, or when in a series, something matters, with any model. A window W covers what it holds with the fill's row r:
    loss(W) = f(x) − mean_r f(x with W from row r); values are the mean loss of the windows that hold an element (they overlap where `stride` is smaller than
    `window`). Both are a number for every axis of the grid, or one for each (rows, columns; with channels as a further axis, which is covered as a whole
    otherwise). A window that reaches over the edge is cut there. By default a window is a seventh of each axis or one column, and the stride half of it.

    Shapes: values (samples, *input), in units of the score; exact (error 0). Costs at most windows × fill rows evaluations a sample.
    Source: Zeiler & Fergus 2014, arXiv:1311.2901; overlapping windows averaged as in Captum, arXiv:2009.07896.
    Does not resolve what is smaller than a window, nor see what two windows would only lose together.

    >>> import numpy as np, pellucid
    >>> model = lambda x: 2 * x[:, :1] + x[:, 1:2] * x[:, 2:3]
    >>> pellucid.explain(model, np.array([[1.0, 2.0, 3.0]]), "occlusion", window=2, stride=1).values
    array([[8., 7., 6.]])
    """

    window: int | tuple[int, ...] | None = None
    stride: int | tuple[int, ...] | None = None

    title: ClassVar[str] = "Occlusion"
    answers: ClassVar[str] = "What does the score lose where a sliding window covers the input?"
    family: ClassVar[str] = "coalition"
    accepts: ClassVar[frozenset[str]] = frozenset({"background", "fill"})
    error_kind: ClassVar[str] = "exact"
    default_tolerance: ClassVar[float] = 0.0
    default_max_evaluations: ClassVar[int] = 50_000
    citation: ClassVar[str] = "Zeiler & Fergus 2014, arXiv:1311.2901"

    def __post_init__(self) -> None:
        for name, value in (("window", self.window), ("stride", self.stride)):
            numbers = () if value is None else (value,) if isinstance(value, (int, np.integer)) else value
            whole = isinstance(numbers, Sequence) and all(isinstance(one, (int, np.integer)) and not isinstance(one, bool) and one > 0 for one in numbers)
            if not whole or (value is not None and not numbers):
                raise SettingError(f"occlusion: {name} is {value!r}, expected a whole number above 0, or one for each axis, e.g. {name}=(8, 8).")

    def explain(self, task: Task) -> Attribution:
        windows = self._windows(task.inputs.shape[1:], channel_axis(task))
        regions = _removal.Regions(windows.labels[None], windows.cells, windows.count, windows.hidden)
        found = _removal.losses(task, regions, "windows")
        total, times = np.zeros((len(task.inputs), windows.cells)), np.zeros(windows.cells)
        for part in regions.parts():
            hidden = windows.hidden(part).astype(float)
            total += found.values[:, part] @ hidden
            times += hidden.sum(axis=0)
        values = np.broadcast_to((total / times)[:, windows.labels], task.inputs.shape)
        return _removal.attribution(np.ascontiguousarray(values), found, ("sample", *(f"input_{i}" for i in range(task.inputs.ndim - 1))))

    def _windows(self, shape: tuple[int, ...], channels: int | None) -> _Windows:
        """Size and stride of the window along each axis of a sample, checked."""
        sizes = self._along("window", [size if len(shape) > 1 else WINDOWS_AN_AXIS for size in shape], shape, channels)
        strides = self._along("stride", sizes, shape, channels)
        for axis, (size, window, stride) in enumerate(zip(shape, sizes, strides, strict=True)):
            if window > size:
                raise SettingError(f"occlusion: the window is {window} along axis {axis}, inputs of shape {shape} have {size} there; give a smaller window.")
            if stride > window < size:
                raise SettingError(
                    f"occlusion: a stride of {stride} along axis {axis} passes over what a window of {window} does not reach; give a smaller one."
                )
        return _Windows(shape, tuple(sizes), tuple(strides))

    def _along(self, name: str, lengths: Sequence[int], shape: tuple[int, ...], channels: int | None) -> list[int]:
        """A setting for each axis; where none is given, a part of `lengths`: a seventh for a window, half for a stride."""
        given: int | tuple[int, ...] | None = getattr(self, name)
        grid = [axis for axis in range(len(shape)) if axis != channels]
        if isinstance(given, tuple) and len(given) == len(shape):
            return [int(one) for one in given]
        chosen = list(shape)
        if isinstance(given, tuple) and len(given) != len(grid):
            raise SettingError(f"occlusion: {name}={given} names {len(given)} axes, inputs of shape {shape} take {len(grid)}; give as many, or one number.")
        for place, axis in enumerate(grid):
            if isinstance(given, tuple):
                chosen[axis] = int(given[place])
            elif given is None:
                chosen[axis] = max(1, round(lengths[axis] / WINDOWS_AN_AXIS) if name == "window" else lengths[axis] // 2)
            else:
                chosen[axis] = min(int(given), shape[axis])
        return chosen


@dataclass(frozen=True)
class _Windows:
    """Where the windows lie over inputs of `shape`, in cells: the pieces into which all windows' borders cut each axis."""

    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    strides: tuple[int, ...]

    def _borders(self, axis: int) -> tuple[Array, Array]:
        """First and last element (exclusive) of each window along an axis."""
        size, window, stride = self.shape[axis], self.sizes[axis], self.strides[axis]
        starts = stride * np.arange(-(-(size - window) // stride) + 1)
        return starts, np.minimum(starts + window, size)

    @functools.cached_property
    def _held(self) -> list[Array]:
        """For each axis, which cells each window holds, (windows, cells)."""
        held = []
        for axis in range(len(self.shape)):
            starts, stops = self._borders(axis)
            cells = np.unique(np.concatenate([starts, stops]))[:-1]
            held.append((cells >= starts[:, None]) & (cells < stops[:, None]))
        return held

    @property
    def count(self) -> int:
        return math.prod(len(of) for of in self._held)

    @property
    def cells(self) -> int:
        return math.prod(of.shape[1] for of in self._held)

    @functools.cached_property
    def labels(self) -> Array:
        """Which cell each element lies in; of length one along an axis that no window divides."""
        along = []
        for axis, size in enumerate(self.shape):
            starts, stops = self._borders(axis)
            places = np.searchsorted(np.unique(np.concatenate([starts, stops])), np.arange(size), side="right") - 1
            along.append(places if len(starts) > 1 else places[:1])
        return np.asarray(np.ravel_multi_index(np.ix_(*along), [of.shape[1] for of in self._held]), dtype=np.intp)

    def hidden(self, part: slice) -> Array:
        """Which cells each of some windows covers, (n, cells)."""
        places = np.unravel_index(np.arange(part.start, part.stop), [len(of) for of in self._held])
        covered = np.ones((len(places[0]), 1), dtype=np.uint8)
        for place, of in zip(places, self._held, strict=True):
            covered = (covered[:, :, None] & of[place].astype(np.uint8)[:, None, :]).reshape(len(covered), -1)
        return covered
