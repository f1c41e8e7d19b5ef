"""See what a deep network does inside, explain what it decided, and know how far each explanation can be trusted.

    view = pellucid.visualize(model, x, "activation_map")
    explanation = pellucid.explain(model, x, "integrated_gradients", tolerance=0.02)
    pellucid.report([view, explanation], "report.html")

Names are loaded when they are first used: importing the package loads no framework.
"""

from __future__ import annotations

import random
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.adapters import adapt
    from pellucid.adapters.jax_function import JaxFunction
    from pellucid.api.compare import compare
    from pellucid.api.evaluate import evaluate
    from pellucid.api.explain import explain
    from pellucid.api.inspect import inspect
    from pellucid.api.recommend import recommend
    from pellucid.api.record import Recorder
    from pellucid.api.visualize import visualize
    from pellucid.core.comparison import Comparison
    from pellucid.core.errors import PellucidError
    from pellucid.core.evaluation import Evaluation
    from pellucid.core.records import Explanation, Inspection, concat
    from pellucid.core.target import Several
    from pellucid.core.view import View
    from pellucid.data.preprocessing import load_preprocessing, save_preprocessing
    from pellucid.data.preprocessings.audio import Audio
    from pellucid.data.preprocessings.image import Image
    from pellucid.data.preprocessings.series import Series
    from pellucid.data.preprocessings.table import Table
    from pellucid.data.preprocessings.text import Text
    from pellucid.data.typical import typical
    from pellucid.plans import Explanations, Plan
    from pellucid.report import report
    from pellucid.report.inside import inside
    from pellucid.store import load, save

_HOMES = {
    "Comparison": "pellucid.core.comparison",
    "Evaluation": "pellucid.core.evaluation",
    "Explanation": "pellucid.core.records",
    "Explanations": "pellucid.plans",
    "Audio": "pellucid.data.preprocessings.audio",
    "Image": "pellucid.data.preprocessings.image",
    "Inspection": "pellucid.core.records",
    "JaxFunction": "pellucid.adapters.jax_function",
    "PellucidError": "pellucid.core.errors",
    "Recorder": "pellucid.api.record",
    "Plan": "pellucid.plans",
    "Series": "pellucid.data.preprocessings.series",
    "Several": "pellucid.core.target",
    "Table": "pellucid.data.preprocessings.table",
    "Text": "pellucid.data.preprocessings.text",
    "View": "pellucid.core.view",
    "adapt": "pellucid.adapters",
    "compare": "pellucid.api.compare",
    "concat": "pellucid.core.records",
    "evaluate": "pellucid.api.evaluate",
    "explain": "pellucid.api.explain",
    "inside": "pellucid.report.inside",
    "inspect": "pellucid.api.inspect",
    "load": "pellucid.store",
    "load_preprocessing": "pellucid.data.preprocessing",
    "recommend": "pellucid.api.recommend",
    "report": "pellucid.report",
    "save": "pellucid.store",
    "save_preprocessing": "pellucid.data.preprocessing",
    "typical": "pellucid.data.typical",
    "visualize": "pellucid.api.visualize",
}

__version__ = "0.1.0"
__all__ = [
    "Audio",
    "Comparison",
    "Evaluation",
    "Explanation",
    "Explanations",
    "Image",
    "Inspection",
    "JaxFunction",
    "PellucidError",
    "Plan",
    "Recorder",
    "Series",
    "Several",
    "Table",
    "Text",
    "View",
    "__version__",
    "adapt",
    "compare",
    "concat",
    "evaluate",
    "explain",
    "inside",
    "inspect",
    "load",
    "load_preprocessing",
    "recommend",
    "report",
    "save",
    "save_preprocessing",
    "typical",
    "visualize",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(sys.modules.get(_HOMES[name]) or _imported(_HOMES[name]), name)
    raise AttributeError(f"module 'pellucid' has no attribute '{name}'")


def _imported(module: str) -> Any:
    """The module; the user's random numbers go on as if nothing had been imported (rich draws from Python's generator while it is)."""
    state = random.getstate()
    try:
        return import_module(module)
    finally:
        random.setstate(state)


def __dir__() -> list[str]:
    return list(__all__)
