"""LIME on digits, 49 patches, black where absent, at the logit, 500 evaluations: the share of the reference's five strongest patches that are found among the
five strongest, ties left out (a patch whose lead over the sixth is within two standard errors of the difference). The reference has 64,000 evaluations and
another seed. The lime package is held against a reference by its own definition, in which patches that are black anyway count in the distance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import digits
import lime_peer
import networks
import pellucid
import ranks
from reporting import Report

TITLE = "LIME: the five strongest patches"
PACKAGES = ("lime", "torch")
DIGITS = 20
SEEDS = 4
MANY = 64_000
BUDGETS = (250, 500, 1000)
Array = np.ndarray


def measure(report: Report) -> None:
    import torch

    inputs, network = digits.held_out(DIGITS, channels_first=True), networks.digit_cnn(digits.weights())
    model = pellucid.adapt(network)
    with torch.inference_mode():
        targets = network(networks.tensor(inputs)).argmax(dim=1).numpy()

    def lime(budget: int, seed: int) -> pellucid.Explanation:
        return pellucid.explain(model, inputs, "lime", features="patches:4", fill=0, tolerance=0.0, max_evaluations=budget, seed=seed)

    best = lime(MANY, 99)
    wanted = [ranks.sure(values, error) for values, error in zip(best.values, best.error, strict=True)]
    classify = lime_peer.torch_classifier(network)
    theirs = []
    for image, target in zip(inputs[:, 0], targets, strict=True):
        theirs.append(ranks.sure(*lime_peer.reference(image, lambda x, target=target: classify(x[..., None])[:, target], MANY, 99)))
    at_500: list[float] = []

    def rows() -> Iterator[tuple[object, ...]]:
        for budget in BUDGETS:
            found = [lime(budget, seed) for seed in range(SEEDS)]
            shares = [ranks.found(values, sure) for one in found for values, sure in zip(one.values, wanted, strict=True)]
            at_500.extend([float(np.nanmean(shares))] * (budget == 500))
            used = np.mean([one.cost.evaluations.mean() for one in found])
            yield "pellucid", f"{used:.0f}", f"{np.nanmean(shares):.3f}"
        for budget in BUDGETS[1:]:
            shares = [
                ranks.found(lime_peer.digit(image, classify, int(target), budget, seed), sure)
                for image, target, sure in zip(inputs[:, 0], targets, theirs, strict=True)
                for seed in range(SEEDS)
            ]
            at_500.extend([float(np.nanmean(shares))] * (budget == 500))
            yield "lime", budget, f"{np.nanmean(shares):.3f}"

    left = np.mean([len(sure) for sure in wanted]), np.mean([len(sure) for sure in theirs])
    report.say(f"{DIGITS} digits, {SEEDS} seeds; of five patches, {left[0]:.1f} are no ties in Pellucid's reference, {left[1]:.1f} in lime's.\n")
    report.table(("", "evaluations a digit", "share of the five found"), rows())
    ours, peer = at_500
    report.bar("LIME, 20 digits, 49 patches, logit, 500 evaluations: top 5 against an own reference", "≥ .95", f"{ours:.3f}", f"lime {peer:.3f}", ours >= 0.95)
