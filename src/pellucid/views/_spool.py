"""Rows that are read more than once, and of which there may be too many for memory: they lie in a temporary file that goes when they go."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np

from pellucid.core.errors import OutputError

Array = np.ndarray


class Spool:
    """A matrix (rows, columns) that grows row by row and is read in slices. Its pages are read, never mapped, so that the process holds none of them."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="pellucid-")  # noqa: SIM115 - it is open as long as the rows are wanted
        self._dtype: np.dtype[Any] = np.dtype(np.float32)
        self.shape: tuple[int, int] = (0, 0)

    def add(self, rows: Array) -> None:
        """Put rows (some, columns) at the end; the first say how wide and of which kind of number all are."""
        if not self.shape[0]:
            self._dtype = np.dtype(np.float64 if rows.dtype == np.float64 else np.float32)
            self.shape = (0, rows.shape[1])
        try:
            self._file.seek(0, 2)
            self._file.write(np.ascontiguousarray(rows, dtype=self._dtype).tobytes())
        except OSError as error:
            raise OutputError(
                f"the representation of {self.shape[0] + len(rows):,} samples is put into a temporary file in {tempfile.gettempdir()}, which failed: {error}. "
                "Free some room there, or set TMPDIR to a folder that has it."
            ) from error
        self.shape = (self.shape[0] + len(rows), self.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, part: slice) -> Array:
        start, stop, _ = part.indices(len(self))
        width = self.shape[1]
        self._file.seek(start * width * self._dtype.itemsize)
        count = max(stop - start, 0) * width
        return np.frombuffer(self._file.read(count * self._dtype.itemsize), self._dtype).reshape(-1, width)

    def of(self, numbers: Iterable[int]) -> Spool:
        """Some of the rows, in a file of their own."""
        found = Spool()
        for number in numbers:
            found.add(self[number : number + 1])
        return found

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()


def flat(array: Array) -> Array:
    """Samples as rows, (samples, everything else)."""
    return array.reshape(len(array), prod(array.shape[1:]))
