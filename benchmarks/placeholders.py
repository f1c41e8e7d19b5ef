"""Peers that import at start what this comparison does not use: an empty module stands in for it where it is not installed or does not fit."""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any


def xplique_attributions() -> Any:
    """`xplique.attributions`; its HSIC estimators import TensorFlow Probability."""
    _stand_in("tensorflow_probability")
    return importlib.import_module("xplique.attributions")


def pytorch_grad_cam() -> Any:
    """`pytorch_grad_cam`; its image utilities import torchvision, whose compiled part must fit torch to the letter."""
    _stand_in("torchvision")
    _stand_in("torchvision.transforms", Compose=object, Normalize=object, ToTensor=object)
    _stand_in("torchvision.transforms.functional", resize=None)
    return importlib.import_module("pytorch_grad_cam")


def lucent() -> Any:
    """`lucent.optvis.render`; it imports torchvision for normalising, which is not asked for here, and IPython for showing. kornia and decorator it needs, the
    former under names that have since moved."""
    _stand_in("torchvision")
    _stand_in("torchvision.transforms", Normalize=object)
    _stand_in("IPython")
    _stand_in("IPython.display", display=None, Image=object, HTML=object)
    kornia, moved = importlib.import_module("kornia"), importlib.import_module("kornia.geometry.transform")
    for name in ("get_rotation_matrix2d", "warp_affine"):
        if not hasattr(kornia, name):
            setattr(kornia, name, getattr(moved, name))
    return importlib.import_module("lucent.optvis.render")


def torchlens() -> Any:
    """`torchlens`; its drawings import graphviz."""
    _stand_in("graphviz", Digraph=object, Graph=object)
    return importlib.import_module("torchlens")


def _stand_in(name: str, **names: object) -> None:
    try:
        importlib.import_module(name)
    except Exception:  # noqa: BLE001 - whatever keeps it from being imported
        module = types.ModuleType(name)
        module.__dict__.update(names)
        sys.modules[name] = module
