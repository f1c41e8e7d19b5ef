"""What metrics of axioms share: they test a method's own promise, and refuse a method that makes none."""

from __future__ import annotations

from typing import ClassVar

from pellucid.core.metric import Metric
from pellucid.core.model import Model
from pellucid.core.records import Explanation


class Axiom(Metric):
    """A metric of what a method promises by its definition (`Method.promises`)."""

    promise: ClassVar[str]
    """Which of the promises it tests."""
    says: ClassVar[str]
    """The promise in words."""

    group = "axioms"
    better = "lower"

    def promised(self, explanation: Explanation) -> bool:
        return self.promise in explanation.provenance.get("promises", ())

    def refuses(self, model: Model, explanation: Explanation) -> str:
        if "promises" not in explanation.provenance:
            return "tests what a method promises, which this record, of an earlier version, does not say; explain again"
        if not self.promised(explanation):
            return f"tests what '{explanation.method}' does not promise: {self.says}"
        return super().refuses(model, explanation)
