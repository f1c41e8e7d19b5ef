"""Which of several methods the panel of metrics believes most on this network and these inputs."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pellucid.core.evaluation import Evaluation
from pellucid.core.verdict import MIXED, NOT_SUPPORTED, SUPPORTED


@dataclass(frozen=True)
class Recommendation:
    """Methods, best first, with what each was measured at: `evaluations` by method, `ranks` (mean over the metrics and samples that compare methods, 1 the
    best), `cost` in evaluations a sample, explaining and measuring. `left_out` says which methods were not tried, and why."""

    methods: tuple[str, ...]
    ranks: Mapping[str, float]
    evaluations: Mapping[str, Evaluation]
    cost: Mapping[str, float]
    left_out: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def best(self) -> str:
        """The method to take."""
        return self.methods[0]

    @property
    def columns(self) -> tuple[str, ...]:
        metrics = dict.fromkeys(name for one in self.evaluations.values() for name in one.scores)
        return ("method", "mean rank", "verdicts", *metrics, "evaluations a sample")

    def rows(self) -> list[tuple[str, ...]]:
        """The table: a row a method, best first."""
        found: list[tuple[str, ...]] = []
        for name in self.methods:
            one = self.evaluations[name]
            words = ", ".join(f"{one.words[word]} {word}" for word in (SUPPORTED, MIXED, NOT_SUPPORTED) if word in one.words)
            metrics = [f"{one.scores[metric].mean:.3g}" if metric in one.scores else "–" for metric in self.columns[3:-1]]
            found.append((name, f"{self.ranks[name]:.2f}", words, *metrics, f"{self.cost[name]:,.0f}"))
        return found

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows())
        left = "".join(f"<li>{html.escape(name)}: {html.escape(reason)}</li>" for name, reason in self.left_out.items())
        return f"<b>Recommended: {html.escape(self.best)}</b><table><tr>{head}</tr>{rows}</table>" + (f"<ul>{left}</ul>" if left else "")

    def __repr__(self) -> str:
        return f"Recommendation({self.best!r}, methods={list(self.methods)})"
