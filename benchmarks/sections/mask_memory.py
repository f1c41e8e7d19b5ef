"""Coalition methods on one image at 224 × 224, a thin network: peak memory above the ready model with 500 and with 5,000 masks, each case in a process of its
own. The network costs next to nothing, so that what a method holds of its masks is what is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import networks
import pellucid
from memory import above_ready, in_own_process
from pellucid.methods import METHODS
from placeholders import xplique_attributions
from reporting import Report
from timing import bare_tensorflow, bare_torch

TITLE = "Coalition methods: peak memory from 500 to 5,000 masks"
PACKAGES = ("lime", "captum", "xplique", "torch", "keras", "tensorflow-cpu")
FEW, MANY = 500, 5000
PATCH = 32
PATCHES = np.kron(np.arange(49).reshape(7, 7), np.ones((PATCH, PATCH), int))
CUT = {"features": f"patches:{PATCH}", "fill": 0}
OURS: dict[str, dict[str, Any]] = {
    "lime": CUT,
    "kernel_shap": CUT,
    "permutation_shap": CUT,
    "shap": CUT,
    "partition_shap": CUT,
    "rise": {},
    "sobol": CUT,
    "hsic": CUT,
}
PEERS = ("lime", "captum Lime", "captum KernelShap", "xplique Rise")
GROWTH = 1.10


def measure(report: Report) -> None:
    worst: dict[str, float] = {}

    def rows() -> Iterator[tuple[object, ...]]:
        cases = [("pellucid", name) for name in OURS if name in METHODS] + [("peer", name) for name in PEERS]
        for side, name in cases:
            few, many = (in_own_process("mask_memory", side, name, count) for count in (FEW, MANY))
            title = name if side == "peer" else f"pellucid, {name}"
            worst[title] = many / few
            yield title, f"{few:.0f}", f"{many:.0f}", f"{many / few:.2f}"

    report.table(("", f"MB, {FEW} masks", f"MB, {MANY} masks", "ratio"), rows())
    ours = {name: ratio for name, ratio in worst.items() if name.startswith("pellucid")}
    name = max(ours, key=lambda one: ours[one])
    peers = ", ".join(f"{name} ×{ratio:.1f}" for name, ratio in worst.items() if name not in ours)
    report.bar(
        "any coalition method: peak memory from 500 to 5000 masks", "flat within 10 %", f"at most ×{ours[name]:.2f} ({name[10:]})", peers, ours[name] <= GROWTH
    )


def case(side: str, name: str, masks: int) -> float:
    if name.startswith("xplique"):
        return above_ready(_xplique(masks))
    network, image = networks.thin_network(), networks.photographs(1)
    bare_torch(network, image, sizes=(64,), repeats=1).passes(64)()
    if side == "pellucid":
        model = pellucid.adapt(network)
        return above_ready(lambda: pellucid.explain(model, image, name, target=0, tolerance=0.0, max_evaluations=masks, **OURS[name]))
    jobs: dict[str, Callable[[], object]] = {"lime": lambda: _lime(network, image, masks)}
    return above_ready(jobs.get(name, lambda: _captum(name, network, image, masks)))


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
    bare_tensorflow(network, image, sizes=(64,), repeats=1).passes(64)()
    return lambda: peer.Rise(network, nb_samples=masks).explain(image, np.eye(10, dtype=np.float32)[:1])
