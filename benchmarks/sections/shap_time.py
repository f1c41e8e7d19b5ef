"""Time of Shapley values over the bare passes they make: the same MLP and background as for the errors. Pellucid explains it as a NumPy black box and as a
torch module; the peers get the NumPy function. Every input that goes through the model is counted, with those that a library passes more than once. One bare
evaluation of this MLP takes a tenth of a microsecond or so: whatever a library does for each of them is seen. The last lines have a wider network."""

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
CASES: tuple[tuple[str, float, int], ...] = (("early", 0.05, 200_000), ("early", 0.0, 200_000), ("wide", 0.0, 50_000))
"""Which network, tolerance, evaluations a row at most; the last shows what is left of the overhead where a network is not tiny."""
MANY = 200_000
SIZES = (512, 1024, 2048, 4096, 8192, 16384)


def measure(report: Report) -> None:
    data = table.table()
    rows = data.rows[:ROWS]
    ours: dict[str, list[float]] = {}
    peers: dict[str, float] = {}

    def own() -> Iterator[tuple[object, ...]]:
        for stage, tolerance, most in CASES:
            hidden = " × ".join(str(width) for width in table.STAGES[stage][1])
            for name, evaluations, gradients, over in _own(stage, rows, data.background, {"tolerance": tolerance, "max_evaluations": most}):
                ours.setdefault(stage, []).append(over)
                yield f"{name}, hidden layers {hidden}", f"{tolerance:g}", f"{evaluations / ROWS:,.0f}", f"{gradients / ROWS:,.0f}", f"{over:.2f}"

    report.table(("pellucid, shap", "tolerance", "evaluations a row", "of them gradients", "time over bare passes"), own())
    box = table.Mlp(table.weights("early"))
    bare = Bare(data.rows, box, sizes=SIZES)

    def others() -> Iterator[tuple[object, ...]]:
        for name, peer in shapley.PEERS.items():
            peers[name], evaluations = _peer(peer, box, bare, rows, data.background)
            yield name, f"{evaluations:,.0f}", f"{peers[name]:.1f}"

    report.table(("peer", "evaluations a row", "time over bare passes"), others())
    words = "; ".join(f"{library} {_range([over for name, over in peers.items() if name.startswith(library + ' ')])}" for library in ("shap", "shapiq"))
    here = f"{_range(ours['early'])}; {_range(ours['wide'])} where hidden layers are 512 wide"
    report.bar("SHAP, same: time over bare passes", "≤ 1.5", here, words, max(ours["early"]) <= 1.5)


def _own(stage: str, rows: np.ndarray, background: np.ndarray, options: dict[str, Any]) -> Iterator[tuple[str, int, int, float]]:
    """The network as a NumPy function and as a torch module: evaluations, gradients among them, time over as many bare passes."""
    weights = table.weights(stage)
    box, network = table.Mlp(weights), networks.table_mlp(weights)
    model = pellucid.adapt(network)

    def explain(subject: Any, score: str) -> Any:
        return pellucid.explain(subject, rows, "shap", background=background, target=0, score=score, **options)

    counting_box, through = counting(box)
    explain(counting_box, "output")
    yield "black box", through.count, 0, ratio(lambda: explain(box, "output"), Bare(rows, box, sizes=SIZES).passes(through.count), PAIRS)
    with counted(network) as passed:
        gradients = int(explain(model, "probability").cost.gradients.sum())
    passes = bare_torch(network, rows, sizes=SIZES).passes(passed.count - gradients, gradients)
    yield "torch module", passed.count, gradients, ratio(lambda: explain(model, "probability"), passes, PAIRS)


def _peer(peer: shapley.Peer, box: table.Mlp, bare: Bare, rows: np.ndarray, background: np.ndarray) -> tuple[float, float]:
    model, through = counting(box)
    job: Callable[[], object] = lambda: peer(model, rows, background, MANY, 0)  # noqa: E731
    job()
    count = through.count
    return ratio(job, bare.passes(count), 3), count / len(rows)


def _range(values: list[float]) -> str:
    return f"{min(values):.1f}–{max(values):.1f}"
