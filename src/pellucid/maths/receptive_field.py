"""Which part of an input a place of a layer sees, along one axis: from the layers in between, or from what was measured at some places."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Field:
    """Place p of a layer sees the input from `offset + stride · p` on, `size` elements of it, as far as these are there (Araujo, Norris & Sim 2019,
    doi:10.23915/distill.00021).

    >>> Field(5, 2.0, -2.0).window(3, 28), Field(5, 2.0, -2.0).window(0, 28)
    ((4, 9), (0, 3))
    """

    size: int
    stride: float
    offset: float

    def window(self, place: int, length: int) -> tuple[int, int]:
        """Where the part that a place sees begins, and where it has ended, within an input so long."""
        start = round(self.offset + self.stride * place)
        return min(max(start, 0), length), max(min(start + self.size, length), 0)


def whole(length: int) -> Field:
    """Every place sees all of an input so long."""
    return Field(length, 0.0, 0.0)


def composed(layers: Iterable[tuple[int, int, int]]) -> Field:
    """Of layers after another, each (kernel, stride, padding before), the input's side first.

    >>> composed([(3, 1, 0), (2, 2, 0), (3, 1, 0)])
    Field(size=8, stride=2.0, offset=0.0)
    """
    size, stride, offset = 1, 1, 0
    for kernel, step, padding in layers:
        size, offset, stride = size + (kernel - 1) * stride, offset - padding * stride, stride * step
    return Field(size, float(stride), float(offset))


def fitted(places: Sequence[int], seen: Array, length: int, count: int) -> tuple[Field, bool]:
    """The field of places of which each was seen to depend on seen (places, length) of the input; `count` places lie along the axis. Also whether it accounts
    for all that was seen and each place saw as much as it says: where it does not, the field is the smallest that holds everything.

    What ends at an edge of the input tells nothing of where it would end beyond, so strides come from the ends that lie within, or from the lengths where none
    does.
    """
    kept = [(place, np.flatnonzero(row)) for place, row in zip(places, seen, strict=True) if row.any()]
    if not kept:
        return whole(length), False
    starts = [(place, int(found[0])) for place, found in kept if found[0] > 0]
    stops = [(place, int(found[-1])) for place, found in kept if found[-1] < length - 1]
    stride = _stride([*_steps(starts), *_steps(stops)], length / max(count, 1))
    low = min((start - stride * place for place, start in starts), default=None)
    high = max((stop - stride * place for place, stop in stops), default=None)
    if low is None and high is None:
        field = whole(length)
    elif low is None or high is None:  # it reaches from an edge of the input, wherever the place lies
        field = Field(length, stride, high - length + 1 if high is not None else low or 0.0)
    else:
        field = Field(round(high - low) + 1, stride, low)
    exact = all((int(found[0]), int(found[-1]) + 1) == field.window(place, length) for place, found in kept)
    return field, exact


def _steps(ends: Sequence[tuple[int, int]]) -> list[float]:
    """How far the end of what is seen moves from place to place."""
    return [(second[1] - first[1]) / (second[0] - first[0]) for first, second in itertools.pairwise(ends) if second[0] != first[0]]


def _stride(steps: Sequence[float], otherwise: float) -> float:
    """The common step, whole where it is nearly so."""
    found = float(np.median(steps)) if len(steps) else otherwise
    return float(round(found)) if abs(found - round(found)) < 0.25 and round(found) > 0 else found
