"""The one place where the recipes get Keras and TensorFlow, with one clear error where they are missing."""

from __future__ import annotations

from typing import Any

from pellucid.adapters import start_keras
from pellucid.core.errors import MissingExtraError


def keras() -> Any:
    """Keras, on whatever backend it runs or can run; `MissingExtraError` with the line to install it."""
    return start_keras()


def keras_and_tensorflow() -> tuple[Any, Any]:
    """Keras, and TensorFlow, whose pipeline feeds the training on every backend."""
    found = keras()
    try:
        import tensorflow
    except ImportError as error:
        raise MissingExtraError(f"training networks needs tensorflow, which cannot be imported ({error}); run: pip install 'pellucid[tensorflow]'") from error
    return found, tensorflow
