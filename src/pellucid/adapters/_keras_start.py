"""How Keras is started and its files opened: on the backend that the process runs, or else on one that is installed."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pellucid.core.errors import DamagedModelError, MissingExtraError, ModelError, UnsafeModelError, UnsupportedError

SUFFIXES = (".keras", ".h5", ".hdf5")
INSTALL = {"tensorflow": "pip install 'pellucid[tensorflow]'", "jax": "pip install 'pellucid[jax]'", "torch": "pip install 'pellucid[torch]' keras"}
"""Backends, the first installed one being taken where nobody has chosen, and how to get them."""
CHOICE = "KERAS_BACKEND"


def start() -> Any:
    """Keras, imported. `KERAS_BACKEND` decides on what it runs, then its own settings, then what is installed; a process that has Keras keeps its backend."""
    chosen = None if "keras" in sys.modules else os.environ.get(CHOICE) or _installed()
    try:
        with _environment(chosen):
            import keras
    except ImportError as error:
        raise missing(chosen or os.environ.get(CHOICE) or "tensorflow", error) from error
    if keras.config.backend() not in INSTALL:
        raise UnsupportedError(f"Keras runs on {keras.config.backend()} here; it is served on {', '.join(INSTALL)}. Set {CHOICE} before Keras is imported.")
    return keras


def missing(backend: str, error: ImportError) -> MissingExtraError:
    """What to do where Keras cannot be imported with this backend."""
    lines = [INSTALL[backend]] if backend in INSTALL and os.environ.get(CHOICE) else list(INSTALL.values())
    return MissingExtraError(f"Keras models need Keras and {'the backend ' + backend if len(lines) == 1 else 'a backend'} ({error}): {', or '.join(lines)}")


def open_file(path: Path, allow_unsafe: bool) -> Any:
    """A Keras model from a file; nothing in it runs as code unless `allow_unsafe`."""
    keras = start()
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise DamagedModelError(f"'{path}' is not a readable .keras file (damaged or cut short); save the model again.")
    try:
        return keras.models.load_model(path, compile=False, safe_mode=not allow_unsafe)
    except Exception as error:
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if not allow_unsafe and ("unsafe" in str(error).lower() or "safe_mode" in str(error)):
            raise UnsafeModelError(
                f"'{path}' holds code of its own (a Lambda layer), which is not run. If you trust its origin: allow_unsafe=True, or --allow-unsafe."
            ) from error
        if "Could not locate class" in str(error) or "Unknown layer" in str(error):
            raise ModelError(f"'{path}' holds a class that is not known here ({text}); load it yourself with custom_objects and pass the model.") from error
        raise DamagedModelError(f"'{path}' cannot be read as a Keras model ({text}); save it again.") from error


def _installed() -> str | None:
    """The backend in Keras's own settings, or else the first there is."""
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    set_by_user = ""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        set_by_user = json.loads((folder / "keras.json").read_text(encoding="utf-8")).get("backend", "")
    order = sorted(INSTALL, key=lambda backend: backend != set_by_user)
    return next((backend for backend in order if _is_there(backend)), None)


def _is_there(package: str) -> bool:
    """Whether a package can be found, without importing it; a process may have forbidden it, `sys.modules[package] = None`."""
    if package in sys.modules:
        return sys.modules[package] is not None
    return importlib.util.find_spec(package) is not None


@contextlib.contextmanager
def _environment(backend: str | None) -> Iterator[None]:
    """Keras reads its backend from the environment when it is imported; the user's environment is as before afterwards."""
    before = os.environ.get(CHOICE)
    if backend is not None:
        os.environ[CHOICE] = backend
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(CHOICE, None)
        else:
            os.environ[CHOICE] = before
