"""`make test-alone`: a process in which one framework is installed and the others are not, though all of them lie in the same environment.

Python imports this file by itself as it starts, in every process that finds the folder on PYTHONPATH, so that it holds in the processes that tests start,
too. PELLUCID_ALONE names the framework, or "none": what an extra of pyproject.toml brings is kept, whatever else a framework needs is not found, neither by
`import` nor by `importlib.util.find_spec` nor by `importlib.metadata`, as where it was never installed. Without PELLUCID_ALONE nothing is hidden.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import Distribution, DistributionFinder
from typing import Any

EXTRAS: dict[str, tuple[str, ...]] = {
    "none": (),
    "tensorflow": ("tensorflow", "keras"),
    "jax": ("jax", "jaxlib", "keras"),
    "torch": ("torch",),
    "onnx": ("onnx", "onnxruntime"),
}
TABLES = ("sklearn", "pandas", "pyarrow")
"""Hidden with "none": what `pip install pellucid` does not bring."""
DISTRIBUTIONS = {"tensorflow": ("tensorflow", "tensorflow-cpu"), "sklearn": ("scikit-learn",)}


def absent(alone: str) -> frozenset[str]:
    """The packages that are not there when this framework is alone."""
    if alone not in EXTRAS:
        sys.exit(f"PELLUCID_ALONE={alone} is none of {', '.join(EXTRAS)}")
    known = {package for kept in EXTRAS.values() for package in kept}
    return frozenset(known - set(EXTRAS[alone])).union(() if alone != "none" else TABLES)


class Without(PathFinder):
    """Python's own finder, which does not find some packages."""

    hidden = frozenset[str]()
    unlisted = frozenset[str]()

    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return None if fullname.partition(".")[0] in cls.hidden else super().find_spec(fullname, path, target)

    @classmethod
    def find_distributions(cls, context: Any = DistributionFinder.Context()) -> Iterable[Distribution]:  # noqa: B008 - Python's own signature
        return (found for found in super().find_distributions(context) if re.sub(r"[-_.]+", "-", found.name or "").lower() not in cls.unlisted)


if alone := os.environ.get("PELLUCID_ALONE"):
    Without.hidden = absent(alone)
    Without.unlisted = frozenset(name for package in Without.hidden for name in DISTRIBUTIONS.get(package, (package,)))
    sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
