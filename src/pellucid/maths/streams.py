"""Statistics of numbers that come in batches, exact and in one pass: moments are merged, nothing is kept."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
AT_ONCE = 1 << 17
"""Numbers that are looked at together, so that what is made of them stays in a processor's cache."""
SIDE_BY_SIDE = 512
"""Numbers of a row from which on its length no longer matters."""
BYTE = 256


def column_sums(rows: Array) -> Array:
    """Sums of columns, (..., columns) of (..., rows, columns), as a product of matrices: several times as fast as NumPy's sum where there are few columns.

    >>> column_sums(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [4.0, 6.0]
    """
    with np.errstate(over="ignore", invalid="ignore"):
        found: Array = np.matmul(np.ones((1, rows.shape[-2]), rows.dtype), rows)[..., 0, :]
    return found


def column_ends(rows: Array) -> tuple[Array, Array]:
    """The least and the greatest number of each column of (rows, columns); several rows side by side, for a step over few columns costs as much as over many.

    >>> [ends.tolist() for ends in column_ends(np.array([[1.0, 5.0], [3.0, 4.0]]))]
    [[1.0, 4.0], [3.0, 5.0]]
    """
    together = max(1, SIDE_BY_SIDE // max(rows.shape[1], 1))
    whole = len(rows) - len(rows) % together
    parts = [rows[whole:]] if whole < len(rows) else []
    if whole:
        folded = rows[:whole].reshape(-1, together * rows.shape[1])
        parts += [ends(axis=0).reshape(together, -1) for ends in (folded.min, folded.max)]
    return np.minimum.reduce([part.min(axis=0) for part in parts]), np.maximum.reduce([part.max(axis=0) for part in parts])


class Moments:
    """Count, mean, standard deviation, minimum and maximum of each column, merged batch by batch (Chan, Golub & LeVeque 1979, STAN-CS-79-773).

    >>> moments = Moments(1)
    >>> moments.add(np.array([[1.0], [2.0]])); moments.add(np.array([[6.0]]))
    >>> moments.mean, moments.deviation, moments.low, moments.high
    (array([3.]), array([2.1602469]), array([1.]), array([6.]))
    """

    def __init__(self, columns: int) -> None:
        self.count = 0
        self.mean, self._squares = np.zeros(columns), np.zeros(columns)
        self.low, self.high = np.full(columns, np.inf), np.full(columns, -np.inf)

    def add(self, rows: Array) -> None:
        """Take in rows (numbers, columns)."""
        step = max(1, AT_ONCE // max(rows.shape[1], 1))
        for start in range(0, len(rows), step):
            self._add(rows[start : start + step])

    def _add(self, rows: Array) -> None:
        low, high = column_ends(rows)
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        wide = rows.astype(np.float64)
        count = len(wide)
        mean = column_sums(wide) / count
        wide -= mean
        away, total = mean - self.mean, self.count + count
        self._squares += column_sums(np.square(wide, out=wide)) + away**2 * (self.count * count / total)
        self.mean += away * (count / total)
        self.count = total

    @property
    def deviation(self) -> Array:
        """The standard deviation of all that came, not of a population that it was drawn from."""
        found: Array = np.sqrt(self._squares / max(self.count, 1))
        return found


def _counted(places: Array, bins: int) -> Array:
    """How many whole numbers below `bins` there are of each; where they fit a byte, two are counted at a time, as a pair."""
    if bins > BYTE:
        return np.bincount(places.astype(np.intp), minlength=bins)
    small = places.astype(np.uint8)
    pairs = np.bincount(small[: len(small) // 2 * 2].view(np.uint16), minlength=BYTE * BYTE).reshape(BYTE, BYTE)
    found: Array = (pairs.sum(axis=0) + pairs.sum(axis=1))[:bins]
    if len(small) % 2:
        found[small[-1]] += 1
    return found


class Histogram:
    """How many numbers lie in each of equal bins, and below and above all of them.

    The bins are those of `low` and `high` where these are given; of the first batch, and a margin, where not, so that they are the same for the same data.

    >>> histogram = Histogram(4, 0.0, 4.0)
    >>> histogram.add(np.array([-1.0, 0.0, 0.5, 3.9, 4.0, 9.0])); histogram.counts
    array([1, 2, 0, 0, 2, 1])
    """

    def __init__(self, bins: int, low: float | None = None, high: float | None = None) -> None:
        self.bins, self._low, self._high = bins, low, high
        self.counts = np.zeros(bins + 2, np.int64)
        """Those below all bins, those of each, those above all."""
        self.edges: Array = np.zeros(0)

    def add(self, numbers: Array) -> None:
        """Take in numbers, of any shape; what is not finite is left out."""
        if not len(self.edges):
            self.edges = self._edges(numbers)
        flat = numbers.reshape(-1)
        for start in range(0, len(flat), AT_ONCE):
            self._add(flat[start : start + AT_ONCE])

    def _add(self, part: Array) -> None:
        low, high = self.edges[0], self.edges[-1]
        most = part.max()
        if not (np.isfinite(most) and np.isfinite(part.min())):
            part = part[np.isfinite(part)]
        place = np.subtract(part, low, dtype=np.float64)
        place *= self.bins / (high - low)
        place += 1
        np.clip(place, 0, self.bins + 1, out=place)
        if not most < high:
            place[part == high] = self.bins
        self.counts += _counted(place, self.bins + 2)

    def _edges(self, numbers: Array) -> Array:
        finite = numbers[np.isfinite(numbers)]
        least, most = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        margin = 0.25 * (most - least) or 0.5 * abs(most) or 0.5
        low = least - margin if self._low is None else self._low
        high = most + margin if self._high is None else self._high
        return np.linspace(low, high if high > low else low + 1.0, self.bins + 1)
