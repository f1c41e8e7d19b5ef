"""Time of Shapley values over the bare passes they make: the same MLP and background as for the errors. Pellucid explains it as a NumPy black box and as a
torch module; the peers get the NumPy function. Every input that goes through the model is counted, with those that a library passes more than once. One bare
evaluation of this MLP takes a tenth of a microsecond or so: whatever a library does for each of them is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import networks
import pellucid
import shapley
import table
from reporting import Report
from timing import Bare, bare_torch, counted, counting, ratio

TITLE = "SHAP: time over bare passes"
PACKAGES = ("shap", "shapiq", "torch")
ROWS = 8
PAIRS = 5
SETTINGS: tuple[dict[str, Any], ...] = ({"tolerance": 0.05, "max_evaluations": 200_000}, {"tolerance": 0.0, "max_evaluations": 200_000})
MANY = 200_000
SIZES = (512, 1024, 2048, 4096, 8192, 16384)


def measure(report: Report) -> None:
    data, weights = table.table(), table.weights("early")
    rows, box, network = data.rows[:ROWS], table.Mlp(weights), networks.table_mlp(weights)
    bare, bare_module = Bare(data.rows, box, sizes=SIZES), bare_torch(network, data.rows, sizes=SIZES)
    model = pellucid.adapt(network)
    ours: list[float] = []
    peers: dict[str, float] = {}

    def explain(subject: Any, score: str, options: dict[str, Any]) -> Any:
        return pellucid.explain(subject, rows, "shap", background=data.background, target=0, score=score, **options)

    def own() -> Iterator[tuple[object, ...]]:
        for options in SETTINGS:
            counting_box, through = counting(box)
            explain(counting_box, "output", options)
            over = ratio(lambda options=options: explain(box, "output", options), bare.passes(through.count), PAIRS)
            ours.append(over)
            yield "black box", f"{options['tolerance']:g}", f"{through.count / ROWS:,.0f}", 0, f"{over:.2f}"
            with counted(network) as passed:
                gradients = int(explain(model, "probability", options).cost.gradients.sum())
            passes = bare_module.passes(passed.count - gradients, gradients)
            over = ratio(lambda options=options: explain(model, "probability", options), passes, PAIRS)
            ours.append(over)
            yield "torch module", f"{options['tolerance']:g}", f"{passed.count / ROWS:,.0f}", f"{gradients / ROWS:,.0f}", f"{over:.2f}"

    report.table(("pellucid, shap", "tolerance", "evaluations a row", "of them gradients", "time over bare passes"), own())

    def others() -> Iterator[tuple[object, ...]]:
        for name, peer in shapley.PEERS.items():
            peers[name], evaluations = _peer(peer, box, bare, rows, data.background)
            yield name, f"{evaluations:,.0f}", f"{peers[name]:.1f}"

    report.table(("peer", "evaluations a row", "time over bare passes"), others())
    words = "; ".join(f"{library} {_range([over for name, over in peers.items() if name.startswith(library + ' ')])}" for library in ("shap", "shapiq"))
    report.bar("SHAP, same: time over bare passes", "≤ 1.5", f"{min(ours):.2f}–{max(ours):.2f}", words, max(ours) <= 1.5)


def _peer(peer: shapley.Peer, box: table.Mlp, bare: Bare, rows: np.ndarray, background: np.ndarray) -> tuple[float, float]:
    model, through = counting(box)
    job: Callable[[], object] = lambda: peer(model, rows, background, MANY, 0)  # noqa: E731
    job()
    count = through.count
    return ratio(job, bare.passes(count), 3), count / len(rows)


def _range(values: list[float]) -> str:
    return f"{min(values):.1f}–{max(values):.1f}"
