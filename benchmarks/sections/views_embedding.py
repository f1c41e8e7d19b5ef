"""Views of a data set on the reference CNN and MNIST's test digits: peak memory above the ready model with 1,000 and with 10,000 samples, each case in a
process of its own, and time over the bare forward passes. The peer is what one writes by hand: all representations at once, scikit-learn's PCA, its nearest
neighbours and its trustworthiness, which holds all distances and so is given 4,000 samples at most."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import digits
import pellucid
from memory import above_ready, in_own_process
from places import shared
from reporting import Report
from timing import bare_tensorflow, median_seconds

TITLE = "Embedding and similarity: memory and time from 1,000 to 10,000 samples"
PACKAGES = ("keras", "tensorflow-cpu", "scikit-learn", "umap-learn")
OURS = ("embedding", "similarity")
COUNTS, PEER_COUNTS = (1_000, 10_000), (1_000, 4_000)
GROWTH, REPEATS, K = 1.10, 3, 10
PROMPT = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""The allocator gives back at once what is freed, so that what a view keeps is seen."""
Array = np.ndarray


def measure(report: Report) -> None:
    growth: dict[str, float] = {}
    passes: dict[str, float] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for name, counts in [(name, COUNTS) for name in OURS] + [("scikit-learn", PEER_COUNTS)]:
            few, many = (in_own_process("views_embedding", "memory", name, count, environment=PROMPT) for count in counts)
            growth[name], passes[name] = many / few, in_own_process("views_embedding", "time", name, counts[1])
            yield name, f"{counts[0]:,} → {counts[1]:,}", f"{few:.0f} → {many:.0f}", f"{many / few:.2f}", f"{passes[name]:.2f}"

    report.table(("", "samples", "MB above the ready model", "ratio", "time over the bare passes, of the larger"), rows())
    peer = f"scikit-learn by hand, to 4,000: ×{growth['scikit-learn']:.1f}, {passes['scikit-learn']:.1f} passes"
    for name in OURS:
        report.bar(f"{name}: peak memory from 1,000 to 10,000 samples", "flat within 10 %", f"×{growth[name]:.2f}", peer, growth[name] <= GROWTH)
        report.bar(f"{name}: time of 10,000 samples over bare forward passes", "–", f"{passes[name]:.1f}", peer, None)


def case(what: str, name: str, count: int) -> float:
    """Megabytes above the ready model, or time over the bare passes."""
    with np.load(shared("mnist.npz"), allow_pickle=False) as stored:
        inputs = (stored["x_test"][:count, ..., None] / 255).astype(np.float32)
        labels = stored["y_test"][:count].astype(int)
    network = digits.keras_network()
    bare = bare_tensorflow(network, inputs[:512], sizes=(512,) if what == "memory" else (64, 128, 256, 512), repeats=3)
    bare.passes(512)()
    job = _job(name, network, inputs, labels)
    return above_ready(job) if what == "memory" else median_seconds(job, REPEATS) / median_seconds(bare.passes(count), REPEATS)


def _job(name: str, network: Any, inputs: Array, labels: Array) -> Callable[[], object]:
    if name == "scikit-learn":
        return lambda: _by_hand(network, inputs)
    model = pellucid.adapt(network)
    return lambda: pellucid.visualize(model, inputs, name, labels=labels, progress=False)


def _by_hand(network: Any, inputs: Array) -> object:
    import keras
    from sklearn.decomposition import PCA
    from sklearn.manifold import trustworthiness
    from sklearn.neighbors import NearestNeighbors

    hidden = keras.Model(network.inputs, network.layers[-2].output).predict(inputs, batch_size=512, verbose=0)
    plane = PCA(2).fit_transform(hidden)
    found = NearestNeighbors(n_neighbors=K).fit(hidden).kneighbors()
    return found, network.predict(inputs, batch_size=512, verbose=0), trustworthiness(hidden, plane, n_neighbors=K)
