"""Lets the C library keep the memory of a pass for the next one, instead of asking the system for fresh pages each time."""

from __future__ import annotations

import numpy as np

LARGE = 33_000_000
"""Bytes; a little less than 32 MiB, above which glibc learns nothing."""


def keep_freed_pages() -> None:
    """Take one large block and give it back untouched.

    glibc maps every block anew, to be filled with fresh pages, that is not smaller than the largest mapped one it has been given back so far (128 kB at the
    start, 32 MiB at most), and gives back free memory at the heap's end beyond twice that. A network's passes make and let go the same large tensors again and
    again, so that each pass pays for its pages: half of its time for a small CNN. Having once seen a large block, the library keeps up to 64 MiB. Elsewhere
    this does nothing.
    """
    np.empty(LARGE, np.uint8)
