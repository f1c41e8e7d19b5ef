"""LIME on a table of 30 columns, 5,000 samples a row, the MLP as a NumPy function: time a row. Pellucid explains 200 rows at once, absent columns taking the
values of the background's rows or its mean; lime's LimeTabularExplainer explains one row after the other, with its defaults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import pellucid
import table
from reporting import Report
from timing import Bare, median_seconds

TITLE = "LIME: a table, time a row"
PACKAGES = ("lime",)
ROWS, LIME_ROWS = 200, 10
SAMPLES = 5000
REPEATS = 3
BAR = 5.0


def measure(report: Report) -> None:
    data, box = table.table(), table.Mlp(table.weights("early"))
    rows = np.resize(data.rows, (ROWS, data.rows.shape[1]))
    bare = Bare(data.rows, box, sizes=(512, 1024, 2048, 4096, 8192)).passes(SAMPLES * LIME_ROWS)
    base = median_seconds(bare) / LIME_ROWS * 1000
    cases: dict[str, dict[str, Any]] = {
        "background of 100 rows": {"background": data.background},
        "the background's mean": {"fill": data.background.mean(axis=0)},
    }
    found: dict[str, float] = {}

    def tabled() -> Iterator[tuple[object, ...]]:
        for name, options in cases.items():

            def explain(options: dict[str, Any] = options) -> pellucid.Explanation:
                return pellucid.explain(box, rows, "lime", target=0, tolerance=0.0, max_evaluations=SAMPLES, **options)

            used = explain().cost.evaluations.mean()
            found[name] = median_seconds(explain, REPEATS) / ROWS * 1000
            yield f"pellucid, {name}", f"{used:.0f}", f"{found[name]:.2f}", f"{found[name] / base * SAMPLES / used:.2f}"
        found["lime"] = median_seconds(_lime(data, box), REPEATS) / LIME_ROWS * 1000
        yield "lime", SAMPLES, f"{found['lime']:.1f}", f"{found['lime'] / base:.1f}"

    report.table(("", "evaluations a row", "ms a row", "time over bare passes"), tabled())
    worst = max(found[name] for name in cases)
    report.bar("LIME, 30 columns, 5000 samples a row, 200 rows: time a row", f"≤ {BAR:g} ms", f"{worst:.2f} ms", f"lime {found['lime']:.0f} ms", worst <= BAR)


def _lime(data: table.Table, box: table.Mlp) -> Any:
    from lime.lime_tabular import LimeTabularExplainer

    explainer = LimeTabularExplainer(data.trained, random_state=0)

    def probabilities(x: Any) -> Any:
        right = box(x)
        return np.concatenate([1 - right, right], axis=1)

    def job() -> None:
        for row in data.rows[:LIME_ROWS]:
            explainer.explain_instance(row, probabilities, num_samples=SAMPLES)

    return job
