"""Columns or channels that belong together: the columns of one category, the leads of one electrode."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.errors import CombinationError, SettingError
from pellucid.core.features import FeatureMap, Features

Array = np.ndarray
Members = int | Sequence[int]
GroupsLike = Mapping[str, Members] | list[Members] | tuple[Members, ...]

_EXAMPLE = "groups:0-3,4,5-9, or groups:age=0,place=1-3+7"
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True)
class Groups(Features):
    """Columns of a table, or channels of images and series, joined to features; those that are not named stay features by themselves.

    Use it where one quantity was spread over several columns (a category in one-hot columns), or for the channels of a sensor. `groups` is a mapping
    name → numbers, a list of lists of numbers, or text: "0-3,4,5-9", with names "age=0,place=1-3+7". Named groups come first, in their order. A table
    (samples, columns) gives a label map (1, columns); images and series one of (1, 1, …, channels), the last axis being the channels, all places together.
    Does not put a column into two groups.

    >>> Groups({"place": [1, 2], "age": 0}).label(np.zeros((8, 4), np.float32)).names
    ('place', 'age', 'column 3')
    >>> Groups("0-1,3").label(np.zeros((8, 4), np.float32)).labels.tolist()
    [[0, 0, 2, 1]]
    """

    groups: str | GroupsLike

    def __post_init__(self) -> None:
        members = [number for _, numbers in self._named() for number in numbers]
        twice = sorted({number for number in members if members.count(number) > 1})
        if twice:
            raise SettingError(f"features 'groups': {twice} stand in more than one group; name each column or channel once.")

    def _named(self) -> list[tuple[str | None, tuple[int, ...]]]:
        """Each group's name, where it has one, and its members."""
        if isinstance(self.groups, str):
            return [_read(part) for part in self.groups.split(",")]
        if isinstance(self.groups, Mapping):
            return [(str(name), _numbers(members)) for name, members in self.groups.items()]
        if isinstance(self.groups, (list, tuple)):
            return [(None, _numbers(members)) for members in self.groups]
        raise SettingError(f"features 'groups': got {self.groups!r}, expected names and numbers, e.g. {{'place': [1, 2], 'age': [0]}}, or {_EXAMPLE}.")

    def label(self, inputs: Array) -> FeatureMap:
        """One map for all samples; `CombinationError` where a group names what the inputs do not have."""
        count, word = inputs.shape[-1], "column" if inputs.ndim == 2 else "channel"
        named = self._named()
        highest = max((number for _, numbers in named for number in numbers), default=-1)
        if inputs.ndim < 2 or highest >= count:
            raise CombinationError(
                f"features 'groups' name {word} {highest}, inputs of shape {inputs.shape} have {word}s 0 to {count - 1}; numbers run along the last axis."
            )
        taken = {number for _, numbers in named for number in numbers}
        named += [(None, (number,)) for number in range(count) if number not in taken]
        labels = np.empty(count, dtype=np.intp)
        for feature, (_, numbers) in enumerate(named):
            labels[list(numbers)] = feature
        names = tuple(name or _in_words(word, numbers) for name, numbers in named)
        return FeatureMap(labels.reshape(1, *(1,) * (inputs.ndim - 2), count), names, "groups")


def _read(part: str) -> tuple[str | None, tuple[int, ...]]:
    """One group as it is written: `4`, `0-3`, `0-3+7`, `place=0-3`."""
    name, _, written = part.rpartition("=")
    numbers: list[int] = []
    for piece in written.split("+"):
        found = _RANGE.fullmatch(piece.strip())
        if found is None:
            raise SettingError(f"features 'groups': {part!r} cannot be read; write numbers and ranges of columns or channels, e.g. {_EXAMPLE}.")
        first, last = int(found[1]), int(found[2] or found[1])
        numbers += range(min(first, last), max(first, last) + 1)
    return name.strip() or None, tuple(numbers)


def _numbers(members: Members) -> tuple[int, ...]:
    """The members of one group, checked."""
    listed = [members] if isinstance(members, (int, np.integer)) else list(members) if isinstance(members, (Sequence, np.ndarray, range)) else []
    whole = [isinstance(number, (int, np.integer)) and not isinstance(number, bool) and number >= 0 for number in listed]
    if isinstance(members, (str, bool)) or not listed or not all(whole):
        raise SettingError(f"features 'groups': a group is {members!r}, expected whole numbers from 0 on, e.g. [0, 1, 2].")
    return tuple(int(number) for number in listed)


def _in_words(word: str, numbers: tuple[int, ...]) -> str:
    """A group without a name: `column 4`, `columns 0 to 3`, `columns 0, 2, 7`."""
    if len(numbers) == 1:
        return f"{word} {numbers[0]}"
    runs = numbers == tuple(range(numbers[0], numbers[0] + len(numbers)))
    return f"{word}s {numbers[0]} to {numbers[-1]}" if runs else f"{word}s {', '.join(map(str, numbers))}"
