"""TensorFlow greets on standard error while it is imported; here it is imported with that kept back."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pellucid.adapters import SAVED_MODEL
from pellucid.core.errors import MissingExtraError
from pellucid.core.quiet import held_back
from pellucid.core.scene import ViewMethod
from pellucid.recipes import frameworks

KERAS_FILES = (".keras", ".h5", ".hdf5")
RETRACED = "triggered tf.function retracing"
"""TensorFlow's advice to write a program otherwise, which its user cannot follow: views look at layers after layers, and each is a function of its own."""


def start_for(model: Path) -> None:
    """Start what opens a model's file, without a greeting; only for a file that is there."""
    if (model.is_file() and model.suffix.lower() in KERAS_FILES) or (model / SAVED_MODEL).is_file():
        start_framework()


def start_for_settings(view: type[ViewMethod], settings: Mapping[str, Any]) -> None:
    """The same for networks whose files are settings of a view."""
    for name in view.opens:
        if isinstance(settings.get(name), str):
            start_for(Path(settings[name]))


def start_framework() -> None:
    """Import Keras without a greeting, and TensorFlow where it is installed: whatever Keras runs on, it asks for it when it opens a file."""
    if "keras" in sys.modules and "tensorflow" in sys.modules:
        return
    with held_back():
        frameworks.keras()
        with contextlib.suppress(MissingExtraError):
            frameworks.keras_and_tensorflow()
    logging.getLogger("tensorflow").addFilter(lambda record: RETRACED not in record.getMessage())
