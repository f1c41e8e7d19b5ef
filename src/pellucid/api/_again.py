"""Explains once more as an explanation was made: the same method, settings and classes, with another network, other inputs or another seed."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pellucid.api import _inputs, _parts
from pellucid.api._resume import axes_of, of_rows
from pellucid.api.explain import explain
from pellucid.core.catalogue import build, class_name
from pellucid.core.errors import SettingError
from pellucid.core.method import OPTIONS
from pellucid.core.metric import Again
from pellucid.core.model import Model
from pellucid.core.records import Explanation
from pellucid.core.target import predicted_classes, settled, target_of_record
from pellucid.data import FEATURES, FILLS

Array = np.ndarray
_ARRAY = re.compile(r"^array of shape ")
_CUT = re.compile(r"^\d+ \w+$")
"""What a record says of a feature map that was given, which it holds as a whole."""
AGAIN, LEAST = 2, 2000
"""Explaining once more may cost so many times what it did, and always so many evaluations a sample, as far as the budget allowed them in the first place."""
_OBJECT = re.compile(r"^\w+\(.*\)$")


@dataclass(frozen=True)
class AsBefore(Again):
    """The keywords of the call that made an explanation, its target being the classes that were explained then. `lacking` holds what a record says of those
    that it does not hold, `took` the most evaluations that a sample of the explanation, and of those beside it, took."""

    explanation: Explanation
    given: Mapping[str, Any] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)
    took: int = 1

    def __getitem__(self, rows: Array) -> AsBefore:
        given = self._of(rows)
        return replace(self, explanation=self.explanation[rows], given=given)

    @property
    def hindrance(self) -> str:
        """Why the explanation cannot be made again; empty where it can."""
        told = [f"{name}={value}, which a record does not hold; give it again: again={{'{name}': ...}}" for name, value in self.lacking.items()]
        return f"was made with {told[0]}" if told else ""

    def reference(self, model: Model) -> Array | None:
        for name in ("baseline", "fill", "background"):
            if name in self.lacking:
                raise SettingError(f"the explanation {self.hindrance}.")
        _, method = _parts.find_method(self.given["method"], {})
        inputs, features, packing = self.explanation.inputs, self.explanation.features, model.packing
        options = _inputs.named({name: self.given.get(name) for name in OPTIONS}, packing)
        baseline, fill = (0.0 if options[name] is None else options[name] for name in ("baseline", "fill"))
        if packing is not None:
            rows = _inputs.find_baseline(method, baseline, inputs, packing)
            fills = _inputs.find_fills(method, fill, options["background"], inputs, packing, features)
        else:
            rows = _parts.find_baseline(method, baseline, inputs, model.traits.channels)
            fills = _parts.find_fills(method, fill, options["background"], inputs, model.traits.channels, features)
        return fills if rows is None else rows[:, None]

    def __call__(self, model: Model, inputs: Array, rows: Array, seed: int | None = None) -> Explanation:
        if self.hindrance:
            raise SettingError(f"the explanation {self.hindrance}.")
        given = self._of(rows) | ({} if seed is None else {"seed": seed})
        return explain(model, inputs, **given | self._budget(), progress=False)

    def _of(self, rows: Array) -> dict[str, Any]:
        return of_rows(self.given, rows, len(self.explanation), axes_of(self.explanation.inputs, self.explanation.packing))

    def _budget(self) -> dict[str, int]:
        """Not many times what the explanation took: on a network of noise a sampling method would go on to the end of its budget."""
        may = self.given.get("max_evaluations")
        return {} if may is None else {"max_evaluations": min(int(may), max(AGAIN * self.took, LEAST))}


def as_before(explanation: Explanation, model: Model, changes: Mapping[str, Any]) -> AsBefore:
    """How the explanation was made; `changes` are keywords of `explain` that take the place of those that a record does not hold."""
    made, lacking = explanation.continuation, dict[str, str]()
    if made is not None and made.given:
        given = of_rows(made.given, made.rows, made.samples, axes_of(explanation.inputs, explanation.packing))
    else:
        given, lacking = _from_record(explanation, changes)
    given |= changes
    given.pop("labels", None)
    given.pop("network", None)
    given.pop("preprocessing", None)
    given["target"] = fixed_target(explanation, model, given.get("target", "predicted"))
    return AsBefore(explanation, given, lacking, int(explanation.cost.evaluations.max(initial=1)))


def fixed_target(explanation: Explanation, model: Model, target: Any) -> Any:
    """The target with every "predicted" made the class that the network predicted, one a sample."""
    classes = predicted_classes(np.asarray(explanation.prediction), model.traits.head, model.traits.class_axis)
    return target if classes is None else settled(target, [int(one) for one in classes])


def _from_record(explanation: Explanation, changes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The keywords that a stored record tells of, and what it says of those that it cannot hold."""
    said, lacking = explanation.provenance, dict[str, str]()
    given: dict[str, Any] = {"method": explanation.method, "score": said.get("score"), "seed": said.get("seed", 0)}
    given |= {name: said[name] for name in ("tolerance", "max_evaluations") if name in said}
    given["class_names"] = list(explanation.class_names) or None
    for name, value in said.get("settings", {}).items():
        if name in changes:
            continue
        part = explanation.features if name == "features" and _CUT.match(str(value)) else _part_of(name, value)
        if part is None and isinstance(value, str) and (_ARRAY.match(value) or _OBJECT.match(value)):
            lacking[name] = value
        else:
            given[name] = value if part is None else part
    given["target"] = changes.get("target", target_of_record(said.get("target", "predicted"), explanation.target.labels, explanation.class_names))
    return given, lacking


def _part_of(name: str, text: Any) -> Any:
    """The features or fill that a record describes, `Patches(size=4)`; None for what is none, or holds more than a record says."""
    catalogue = {"features": FEATURES, "fill": FILLS, "baseline": FILLS}.get(name)
    try:
        call = ast.parse(text, mode="eval").body if catalogue is not None and isinstance(text, str) else None
        if catalogue is None or not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            return None
        settings = {str(one.arg): ast.literal_eval(one.value) for one in call.keywords}
    except (SyntaxError, ValueError):
        return None
    known = {class_name(one): one for one in catalogue}
    return build(catalogue.kind, known[call.func.id], catalogue.load(known[call.func.id]), settings) if call.func.id in known else None
