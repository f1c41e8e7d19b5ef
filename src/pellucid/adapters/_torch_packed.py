"""Sequences that a PyTorch module packs to their own lengths (`pack_padded_sequence`): padded again, so that samples stand first and batches join.

A packed sequence does not know how long it was before: its padding is cut to the longest of its batch. That length is noted where a module packs, and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree

from pellucid.core.errors import UnsupportedError

Packed = nn.utils.rnn.PackedSequence
Length = Callable[[str, Any], int | None]
"""A layer's name and the packed sequence that it gives or is given → how many steps it is padded to; None for as many as the longest of a batch has."""


class Packings:
    """What a module's first pass shows of the sequences that it packs. `found` holds the length of those that each layer gives, and under "" the largest."""

    def __init__(self, samples: int) -> None:
        self.found: dict[str, int] = {}
        self._samples, self._shortened = samples, False
        self._given: list[int] = []
        self._packed: list[tuple[Any, int]] = []

    def begin(self, _: Any, args: Any, kwargs: Any) -> None:
        """Before the module's pass: the time steps of what it is given."""
        leaves = [one for one in _pytree.tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
        self._given = [one.shape[1] for one in leaves if one.ndim in (2, 3) and len(one) == self._samples]

    def note(self, name: str, args: Sequence[Any], result: Any) -> None:
        """After each function that the module calls."""
        if name == "_pack_padded_sequence":
            sequence, batch_first = args[0], bool(args[2])
            length = self._length(sequence.shape[1 if batch_first else 0], len(result[1]))
            self._packed.append((result[1], length))
            self.found[""] = max(length, self.found.get("", 0))
        elif name.endswith("1d") and isinstance(result, torch.Tensor) and isinstance(args[0], torch.Tensor):
            self._shortened |= result.ndim > 1 and result.shape[-1] < args[0].shape[-1]

    def _length(self, padded: int, longest: int) -> int:
        """How long sequences were that are padded to their longest: where nothing made them shorter on the way, the module has cut them to it, and it is the
        input's length that all batches share."""
        if padded > longest or self._shortened:
            return padded
        return next((one for one in self._given if one >= padded), padded)

    def length(self, name: str, packed: Any) -> int:
        """As `Length`; what is packed by hand is as long as its longest."""
        known = next((length for sizes, length in reversed(self._packed) if sizes is packed.batch_sizes), len(packed.batch_sizes))
        self.found[name] = max(known, self.found.get(name, 0))
        return known

    @staticmethod
    def steps_for_one(args: Sequence[Any]) -> float:
        """How many times as much a recurrence makes of full sequences as of these ones."""
        sizes = args[1] if len(args) > 1 else None
        if not isinstance(sizes, torch.Tensor) or sizes.ndim != 1 or sizes.is_floating_point():
            return 1.0
        return float(len(sizes) * sizes[0] / sizes.sum())


def padded(name: str, packed: Any, length: int | None) -> Any:
    """(samples, time, units), samples in the order in which they were packed, zero past the end of each."""
    longest = len(packed.batch_sizes)
    if length is not None and longest > length:
        raise UnsupportedError(
            f"layer '{name}' meets a packed sequence of {longest} steps, after ones of {length} at most; pad all batches to one length before they are packed."
        )
    return nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=length)[0]


def repacked(packed: Any, values: Any) -> Any:
    """The steps of a padded tensor (samples, time, units) in place of those of a packed sequence."""
    return Packed(values[_places(packed)], packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)


def mask(packed: Any, length: int | None) -> Any:
    """Which steps a sample has, (samples, time)."""
    sizes = packed.batch_sizes
    found = torch.zeros(int(sizes[0]), length or len(sizes), dtype=torch.bool, device=packed.data.device)
    found[_places(packed)] = True
    return found


def _places(packed: Any) -> tuple[Any, Any]:
    """The sample and the time step of each row of a packed sequence: all samples' first steps come first, longer samples before shorter ones."""
    sizes, device = packed.batch_sizes, packed.data.device
    steps = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    samples = (torch.arange(int(sizes.sum())) - torch.repeat_interleave(sizes.cumsum(0) - sizes, sizes)).to(device)
    return samples if packed.sorted_indices is None else packed.sorted_indices[samples], steps.to(device)


def known(lengths: Mapping[str, int]) -> Length:
    """The lengths that a module's first pass showed."""
    return lambda name, _: lengths.get(name, lengths.get(""))


LONGEST = known({})
"""Of modules that have met no data."""


def leaves_of(tree: Any) -> list[Any]:
    """Arguments or outputs one by one, a packed sequence as one of them."""
    found: list[Any] = _pytree.tree_leaves(tree, is_leaf=lambda one: isinstance(one, Packed))
    return found


def with_data(tree: Any, change: Callable[[Any], Any]) -> Any:
    """Arguments or outputs with each of their leaves changed; of a packed sequence its steps."""

    def changed(leaf: Any) -> Any:
        return Packed(change(leaf.data), *leaf[1:]) if isinstance(leaf, Packed) else change(leaf)

    return _pytree.tree_map(changed, tree, is_leaf=lambda one: isinstance(one, Packed))
