"""Writing a file whole or not at all: a reader never meets half a report, and a failure leaves nothing behind."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from pellucid.core.errors import OutputError


def write_whole(path: str | os.PathLike[str], content: bytes, *, durable: bool = False) -> Path:
    """Write `content` under a temporary name beside `path`, then rename; an existing file is replaced in one step.

    Missing folders are not made: a mistyped path is an `OutputError`. `durable` waits until the content is on the disk before it is renamed, so that a
    power cut leaves no empty file under the name either.
    """
    goal = Path(path)
    temporary = None
    try:
        if goal.is_dir():
            raise IsADirectoryError("it is a folder")
        handle, temporary = tempfile.mkstemp(prefix=f".{goal.name[:100]}.", suffix=".part", dir=goal.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, goal)
    except BaseException as error:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, (OSError, ValueError)):
            raise OutputError(f"cannot write {str(goal)!r}: {_reason(error)}. Give a path in a folder that exists and that you may write to.") from error
        raise
    return goal


def made(folder: str | os.PathLike[str]) -> Path:
    """The folder, made with those above it where it is missing; `OutputError` where that cannot be."""
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {str(place)!r}: {_reason(error)}. Give a folder that you may write to.") from error
    return place


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
