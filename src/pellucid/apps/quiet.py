"""TensorFlow greets on standard error while it is imported; here it is imported with that kept back."""

from __future__ import annotations

import sys

from pellucid.core.quiet import held_back
from pellucid.recipes.frameworks import keras_and_tensorflow


def start_framework() -> None:
    """Import Keras and TensorFlow without their greeting."""
    if "tensorflow" in sys.modules:
        return
    with held_back():
        keras_and_tensorflow()
