"""The one place where the recipes import Keras and TensorFlow, with one clear error where they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from pellucid.core.errors import MissingExtraError


def keras_and_tensorflow() -> tuple[Any, Any]:
    """The two modules; `MissingExtraError` with the line to install them."""
    modules = []
    for name in ("tensorflow", "keras"):
        try:
            modules.append(importlib.import_module(name))
        except ImportError as error:
            raise MissingExtraError(
                f"building and training networks needs {name}, which cannot be imported ({error}); run: pip install 'pellucid[tensorflow]'"
            ) from error
    tensorflow, keras = modules
    return keras, tensorflow
