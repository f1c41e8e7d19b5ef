"""TensorFlow greets on standard error while it is imported; here it is imported with that kept back."""

from __future__ import annotations

import contextlib
import sys

from pellucid.core.errors import MissingExtraError
from pellucid.core.quiet import held_back
from pellucid.recipes import frameworks


def start_framework() -> None:
    """Import Keras without a greeting, and TensorFlow where it is installed: whatever Keras runs on, it asks for it when it opens a file."""
    if "keras" in sys.modules and "tensorflow" in sys.modules:
        return
    with held_back():
        frameworks.keras()
        with contextlib.suppress(MissingExtraError):
            frameworks.keras_and_tensorflow()
