"""Networks on disk: a `.keras` file, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from pellucid.core.errors import OutputError, SettingError
from pellucid.core.files import write_whole


def check_goal(path: str | os.PathLike[str]) -> Path:
    """The path, if a network can be written there; ask before training, so that no work is lost.

    `SettingError` for a suffix other than `.keras`, `OutputError` where the folder is missing or must not be written to.
    """
    goal = Path(path)
    if goal.suffix != ".keras":
        raise SettingError(f"networks are written as .keras files, got '{goal}'; write e.g. {goal.stem}.keras.")
    folder = goal.absolute().parent
    if not folder.is_dir():
        raise OutputError(f"cannot write '{goal}': the folder {folder} does not exist. Make it first: mkdir -p '{folder}'")
    if goal.is_dir() or not os.access(folder, os.W_OK):
        reason = "it is a folder" if goal.is_dir() else f"the folder {folder} must not be written to"
        raise OutputError(f"cannot write '{goal}': {reason}. Give a path in a folder that exists and that you may write to.")
    return goal


def save(model: Any, path: str | os.PathLike[str]) -> Path:
    """Write a Keras model as `path`; an existing file is replaced in one step, a failure leaves nothing behind."""
    goal = check_goal(path)
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / "model.keras"
        try:
            model.save(temporary)
            content = temporary.read_bytes()
        except OSError as error:
            raise OutputError(f"cannot write '{goal}': {error}. Is the disk full?") from error
    return write_whole(goal, content)
