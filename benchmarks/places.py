"""Where data and networks are found: the folder of shared data, and the folder of networks trained for this run."""

from __future__ import annotations

import os
from pathlib import Path

SHARED = "PELLUCID_DATA"
NETWORKS = "BENCH_NETWORKS"


class MissingDataError(Exception):
    """A section needs data that are not there; the text says which."""


def shared(name: str) -> Path:
    """A file of the folder that PELLUCID_DATA names."""
    folder = os.environ.get(SHARED)
    if not folder:
        raise MissingDataError(f"{SHARED} is not set; it names the folder that holds {name}")
    path = Path(folder).expanduser() / name
    if not path.is_file():
        raise MissingDataError(f"{name} is not in the folder that {SHARED} names")
    return path


def networks() -> Path:
    """What `run.py` had trained for this run."""
    return Path(os.environ[NETWORKS])
