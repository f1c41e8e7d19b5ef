"""Running numbers for coalitions, so that none is scored twice: a look-up in sorted arrays, thousands of rows at a time."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
FULL = 0
"""The number of the coalition of all features, whatever the fill: the fill has no part in it."""
WORD = 64


class CoalitionIndex:
    """Gives each distinct pair of a coalition and a row of the fill a number: 0 for the full coalition, then 1, 2, … as they are met.

    A pair is packed into one 64-bit word where features and rows fit; longer ones are mixed down to it, so that two of n different pairs share a number
    with probability n²/2⁶⁵ (1e-9 for 200,000). Names lie in a few sorted runs that are merged as they grow; a run is never changed, so that a copy is
    cheap. Needs about 16 bytes a pair.
    """

    def __init__(self, features: int, rows: int) -> None:
        self.features, self.rows = features, rows
        full = names(np.ones((1, features), np.uint8), np.zeros(1, int), rows)
        self._runs: list[tuple[Array, Array]] = [(full, np.array([FULL]))]
        self._count = 1

    def __len__(self) -> int:
        return self._count

    def copy(self) -> CoalitionIndex:
        """One that knows the same and goes on by itself."""
        other = CoalitionIndex(self.features, self.rows)
        other._runs, other._count = list(self._runs), self._count
        return other

    def numbers(self, coalitions: Array, fills: Array) -> tuple[Array, Array]:
        """The numbers (n,) of coalitions (n, features) with fill rows (n,), new ones given in the order of rows; and one row of each that is met (n,)."""
        named = names(coalitions, fills, self.rows)
        order = np.argsort(named)
        ordered = named[order]
        starts = np.ones(len(named), bool)
        np.not_equal(ordered[1:], ordered[:-1], out=starts[1:])
        distinct, rows = ordered[starts], order[starts]
        first = np.zeros(len(named), bool)
        first[rows] = True
        found = self._found(distinct)
        new = np.flatnonzero(found < 0)
        found[new] = self._count + _ranks(rows[new], len(named))
        self._add(distinct[new], found[new])
        numbers = np.empty(len(named), np.intp)
        numbers[order] = found if len(found) == len(named) else found[np.cumsum(starts) - 1]
        return numbers, first

    def _found(self, ordered: Array) -> Array:
        """The numbers of distinct names in ascending order, −1 for unknown ones."""
        found = np.full(len(ordered), -1, np.intp)
        for keys, numbers in self._runs:
            place = np.minimum(np.searchsorted(keys, ordered), len(keys) - 1)
            hit = keys[place] == ordered
            found[hit] = numbers[place[hit]]
        return found

    def _add(self, keys: Array, numbers: Array) -> None:
        """Take in new names, ascending, with their numbers."""
        if not len(keys):
            return
        self._count += len(keys)
        self._runs.append((keys, numbers))
        while len(self._runs) > 1 and 2 * len(self._runs[-1][0]) > len(self._runs[-2][0]):
            both = [np.concatenate(parts) for parts in zip(self._runs.pop(), self._runs.pop(), strict=True)]
            order = np.argsort(both[0])
            self._runs.append((both[0][order], both[1][order]))


def _ranks(rows: Array, count: int) -> Array:
    """The rank of each of some distinct rows among them."""
    marks = np.zeros(count, np.intp)
    marks[rows] = 1
    return np.asarray(np.cumsum(marks)[rows]) - 1


def names(coalitions: Array, fills: Array, rows: int) -> Array:
    """A 64-bit name for each coalition (n, features) with its fill row (n,), `rows` being how many there are; the full coalition has one for all of them."""
    features = coalitions.shape[1]
    words = _words(coalitions)
    fills = np.where((words == _words(np.ones((1, features), np.uint8))).all(axis=1), 0, fills).astype(np.uint64)
    if features + (rows - 1).bit_length() <= WORD:
        return words[:, 0] | fills << np.uint64(features) if features < WORD else words[:, 0]
    mixed = _mixed(fills)
    for word in words.T:
        mixed = _mixed(mixed ^ word)
    return mixed


def _words(coalitions: Array) -> Array:
    """Zeros and ones as bits, lowest first: (n, features) → (n, words)."""
    count, features = coalitions.shape
    octets = -(-features // 8)
    padded = np.zeros((count, 8 * octets), np.uint8)
    padded[:, :features] = coalitions
    packed = np.zeros((count, 8 * max(1, -(-octets // 8))), np.uint8)
    packed[:, :octets] = np.packbits(padded, bitorder="little").reshape(count, octets)
    return packed.view("<u8")


def _mixed(numbers: Array) -> Array:
    """A bijection of 64-bit words that leaves no pattern: the finaliser of splitmix64 (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195)."""
    numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ numbers >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ numbers >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return numbers ^ numbers >> np.uint64(31)
