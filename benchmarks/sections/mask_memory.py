"""Coalition methods on one image at 224 × 224, a small network: peak memory above the ready model with 500 masks and with ten times as many, each case in a
process of its own; a method that asks for more than 500 begins higher. "Held" is with an allocator that gives back at once what is freed (Linux's
MALLOC_MMAP_THRESHOLD_): what the method keeps. "Resident" is with the allocator's defaults, where freed pieces of batches may stay with the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import networks
import pellucid
from memory import above_ready, in_own_process
from pellucid.core.errors import SettingError
from pellucid.methods import METHODS
from placeholders import xplique_attributions
from reporting import Report
from timing import bare_tensorflow, bare_torch

TITLE = "Coalition methods: peak memory from 500 to 5,000 masks"
PACKAGES = ("lime", "captum", "xplique", "torch", "keras", "tensorflow-cpu")
STARTS, TIMES = (500, 1000, 2000, 4000, 8000), 10
PATCH, WINDOW = 32, 32
PATCHES = np.kron(np.arange(49).reshape(7, 7), np.ones((PATCH, PATCH), int))
LARGER_PATCH = {"shapley_interactions": 56}
FEWER_TIMES = {"shapley_interactions": 4}
"""What counts pairs of features gets sixteen of them, and four times the masks: it begins with many."""
WITHOUT_FEATURES = ("rise", "occlusion")
OURS = ("lime", "kernel_shap", "permutation_shap", "shap", "partition_shap", "shapley_interactions", "rise", "sobol", "hsic", "occlusion")
PEERS = ("lime", "captum Lime", "xplique Rise")
LOOP = "plain loop over masked inputs"
RESIDENT = (LOOP, "lime", "permutation_shap")
"""Cases that are measured with the allocator's defaults too."""
PROMPT = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
GROWTH = 1.10


def measure(report: Report) -> None:
    held: dict[str, float] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        for side, name in [("peer", LOOP), *(("pellucid", name) for name in OURS if name in METHODS), *(("peer", name) for name in PEERS)]:
            title = name if side == "peer" else f"pellucid, {name}"
            few, masks = next((found for masks in STARTS if (found := (_held(side, name, masks), masks))[0] is not None), (None, 0))
            if few is None:
                yield title, f"asks for more than {STARTS[-1]:,}", "–", "–", "–"
                continue
            counts = masks, masks * FEWER_TIMES.get(name, TIMES)
            many = _held(side, name, counts[1])
            held[title] = many / few
            plain = "–"
            if name in RESIDENT:
                plain = " → ".join(f"{in_own_process('mask_memory', side, name, count):.0f}" for count in counts)
            yield title, f"{counts[0]:,} → {counts[1]:,}", f"{few:.0f} → {many:.0f}", f"{many / few:.2f}", plain

    report.table(("", "masks", "MB held", "ratio", "MB resident"), rows())
    ours = {name: ratio for name, ratio in held.items() if name.startswith("pellucid")}
    worst = max(ours, key=lambda one: ours[one])
    report.bar(
        "any coalition method: peak memory held, from 500 to 5000 masks",
        "flat within 10 %",
        f"at most ×{ours[worst]:.2f} ({worst.split()[1]})",
        ", ".join(f"{name} ×{ratio:.1f}" for name, ratio in held.items() if name in PEERS),
        ours[worst] <= GROWTH,
    )


def _held(side: str, name: str, masks: int) -> Any:
    return in_own_process("mask_memory", side, name, masks, environment=PROMPT)


def case(side: str, name: str, masks: int) -> float | None:
    """Megabytes above the ready model; None where the method asks for more masks."""
    if name.startswith("xplique"):
        return above_ready(_xplique(masks))
    network, image = networks.thin_network(), networks.photographs(1)
    bare_torch(network, image, sizes=(16,), repeats=1).passes(16)()
    if side == "pellucid":
        model, options = pellucid.adapt(network), _options(name, masks)
        try:
            return above_ready(lambda: pellucid.explain(model, image, name, target=0, **options))
        except SettingError:
            return None
    jobs: dict[str, Callable[[], object]] = {"lime": lambda: _lime(network, image, masks), LOOP: lambda: _loop(network, image, masks)}
    return above_ready(jobs.get(name, lambda: _captum(name, network, image, masks)))


def _options(name: str, masks: int) -> dict[str, Any]:
    """Settings that make a method take about so many masks; Occlusion by the stride of its windows."""
    if name == "occlusion":
        return {"window": WINDOW, "stride": max(1, round((224 - WINDOW) / (masks**0.5 - 1)))}
    limits = {"tolerance": 0.0, "max_evaluations": masks}
    return limits if name in WITHOUT_FEATURES else limits | {"features": f"patches:{LARGER_PATCH.get(name, PATCH)}", "fill": 0}


def _loop(network: Any, image: np.ndarray, masks: int) -> object:
    """Masked inputs composed sixteen at a time and passed, nothing kept but the scores."""
    import torch

    x, labels, scores = networks.tensor(image), torch.from_numpy(PATCHES).reshape(-1), []
    with torch.inference_mode():
        for _ in range(masks // 16):
            keep = torch.rand(16, 49).round()[:, labels].reshape(16, 1, 224, 224)
            inputs = torch.lerp(torch.zeros_like(x), x, keep).contiguous(memory_format=torch.channels_last)
            scores.append(network(inputs).numpy()[:, 0].copy())
    return scores


def _lime(network: Any, image: np.ndarray, masks: int) -> object:
    import torch
    from lime.lime_image import LimeImageExplainer

    def classify(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(networks.tensor(images.transpose(0, 3, 1, 2))).numpy()

    rgb = image[0].transpose(1, 2, 0).astype(np.double)
    return LimeImageExplainer(random_state=0).explain_instance(
        rgb, classify, labels=(0,), top_labels=None, hide_color=0, num_samples=masks, segmentation_fn=lambda _: PATCHES
    )


def _captum(name: str, network: Any, image: np.ndarray, masks: int) -> object:
    import captum.attr
    import torch

    method = getattr(captum.attr, name.split()[1])(network)
    return method.attribute(networks.tensor(image), target=0, feature_mask=torch.from_numpy(PATCHES)[None, None], n_samples=masks, perturbations_per_eval=16)


def _xplique(masks: int) -> Callable[[], object]:
    import keras_networks

    peer, network = xplique_attributions(), keras_networks.thin_network()
    image = np.ascontiguousarray(networks.photographs(1).transpose(0, 2, 3, 1))
    bare_tensorflow(network, image, sizes=(16,), repeats=1).passes(16)()
    return lambda: peer.Rise(network, nb_samples=masks).explain(image, np.eye(10, dtype=np.float32)[:1])
