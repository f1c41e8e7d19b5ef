"""What the record of a training says about it: each criterion with the numbers behind it, made to survive the noise of short runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.stats import kendalltau

from pellucid.core.language import later
from pellucid.core.view import FAULT, NOTE, WARNING, Finding

Array = np.ndarray
Details = Mapping[str, Mapping[str, Array]]
LEVEL = 0.01
"""How unlikely a trend (Kendall's τ against the epochs) must be by chance."""
AFTER = 5
"""Epochs after the best one that are needed to speak of a trend."""
RISE, SIGMAS = 0.05, 3.0
"""A validation loss has risen by as large a share of its best at least, and by so many times its own noise."""
STILL, LEARNT = 0.01, 0.1
"""A loss stands still that falls by less than so much of itself over the last two thirds of a training, and by less than so much in all."""
GROWN = 1.5
"""A training loss this many times that of its first epoch has grown."""
MORE, MANY, MOST = 0.1, 0.3, 0.9
"""A share of dead or saturated units that has grown by so much; from so much on it is a warning, and from so much on a fault."""
EXPLODED, GREW, VANISHED = 5.0, 100.0, 1e-3
"""An update so many times as large as the weights, weights that have grown to so many times their size, and an update-to-weight ratio so much below the
median layer's."""


def find(details: Details) -> list[Finding]:
    """All that is found, first of the whole network, then layer by layer. `details` are those of the view "training"."""
    curves, layers = details["network"], {name: one for name, one in details.items() if name != "network"}
    whole = np.flatnonzero((curves["epoch"] > 0) & (curves["epoch"] == np.round(curves["epoch"])) & np.isfinite(curves["loss"]))
    epochs, loss = curves["epoch"][whole], curves["loss"][whole]
    found = list(_not_finite(curves, layers))
    lost = bool(found)  # what units give then says nothing
    if not lost and len(loss):
        validation = curves["val_loss"][whole] if "val_loss" in curves else np.full(len(loss), np.nan)
        found += [*_grows(loss), *_still(loss), *_overfits(epochs, loss, validation)]
    if len(curves["epoch"]) > 1:
        found += _updates(layers)
    return found + [one for name, part in layers.items() if not lost for one in _units(name, part, curves["epoch"])]


def _not_finite(curves: Mapping[str, Array], layers: Details) -> Iterator[Finding]:
    """The first moment at which the loss, or the weights of a layer, are no finite numbers."""
    for name, text in (
        ("loss", later("The loss is no finite number from epoch {epoch} on.")),
        ("val_loss", later("The validation loss is no finite number from epoch {epoch} on.")),
    ):
        bad = np.flatnonzero(np.isinf(curves.get(name, np.zeros(0))))
        if len(bad):
            yield Finding("loss not finite", "", text, DIVERGED, {"epoch": float(curves["epoch"][bad[0]])}, FAULT)
            break
    lost = {name: np.flatnonzero(~np.isfinite(one["weight_norm"])) for name, one in layers.items() if "weight_norm" in one}
    first = min((places[0] for places in lost.values() if len(places)), default=None)
    for name, places in lost.items():
        if len(places) and places[0] == first:
            text = later("Weights of {layer} are no finite numbers from epoch {epoch} on.")
            yield Finding("weights not finite", name, text, DIVERGED, {"epoch": float(curves["epoch"][first])}, FAULT)
            break


def _grows(loss: Array) -> Iterator[Finding]:
    """A training loss that ends above its beginning."""
    last = float(np.median(loss[-max(len(loss) // 3, 1) :]))
    if len(loss) > 1 and loss[0] > 0 and last > GROWN * loss[0]:
        text = later("The training loss has grown from {first} in the first epoch to {last} at the end.")
        yield Finding("loss grows", "", text, DIVERGED, {"first": float(loss[0]), "last": last}, FAULT)


def _still(loss: Array) -> Iterator[Finding]:
    """A training loss that does not fall: neither in all, nor, beyond its noise, over the last two thirds."""
    if len(loss) < AFTER:
        return
    rest = loss[len(loss) // 3 :]
    size, last = float(np.abs(loss).max()) or 1.0, float(np.median(loss[-max(len(loss) // 3, 1) :]))
    falls = len(rest) >= AFTER and kendalltau(np.arange(len(rest)), rest, alternative="less").pvalue < LEVEL
    if abs(loss[0] - last) < LEARNT * size and rest[0] - last < STILL * size and not falls:
        text = later("The training loss stands still: {first} in the first epoch, {last} at the end of {epochs}.")
        advice = later(
            "Where it is not as low as it can be: look whether labels belong to their inputs, and, by the view gradient_flow, whether gradients reach the "
            "first layers; raise the learning rate; try to fit ten samples alone."
        )
        yield Finding("loss stands still", "", text, advice, {"first": float(loss[0]), "last": last, "epochs": len(loss)}, WARNING)


def _overfits(epochs: Array, loss: Array, validation: Array) -> Iterator[Finding]:
    """A validation loss that has risen since its best epoch while the training loss fell. The best epoch is that of the running median of three, so that one
    lucky epoch is none; the rise must be a trend, large, and beyond what neighbouring epochs differ by."""
    told = np.isfinite(validation)
    epochs, loss, validation = epochs[told], loss[told], validation[told]
    if len(validation) <= AFTER:
        return
    smooth = np.median(np.stack([validation[[0, *range(len(validation) - 1)]], validation, validation[[*range(1, len(validation)), -1]]]), axis=0)
    best = int(smooth.argmin())
    after = validation[best + 1 :]
    if len(after) < AFTER:
        return
    low, high = float(smooth[best]), float(np.median(after[len(after) // 2 :]))
    noise = float(np.median(np.abs(np.diff(validation, 2)))) * 1.4826 / np.sqrt(6)
    trend = kendalltau(np.arange(len(after)), after, alternative="greater").pvalue < LEVEL
    falls = float(np.median(loss[-(len(after) // 2) :])) < loss[best]
    if trend and falls and high - low > max(RISE * abs(low), SIGMAS * noise):
        text = later("Overfitting since epoch {epoch}: the validation loss has risen from {low} to {high} while the training loss fell from {was} to {now}.")
        advice = later("Keep the weights of that epoch (early stopping), give more or augmented data, or regularise: dropout, weight decay, a smaller network.")
        numbers = {"epoch": float(epochs[best]), "low": low, "high": float(validation[-1]), "was": float(loss[best]), "now": float(loss[-1])}
        yield Finding("overfitting", "", text, advice, numbers, WARNING)


def _updates(layers: Details) -> Iterator[Finding]:
    """Layers whose weights are thrown about, and layers whose weights hardly move."""
    ratios = {name: one["update_ratio"][1:] for name, one in layers.items() if "update_ratio" in one}
    usual = {name: float(np.median(ratio[np.isfinite(ratio)])) for name, ratio in ratios.items() if np.isfinite(ratio).any()}
    median = float(np.median(list(usual.values()))) if usual else 0.0
    for name in usual:
        ratio, norm = ratios[name], layers[name]["weight_norm"]
        largest = float(np.nanmax(np.where(np.isfinite(ratio), ratio, np.nan)))
        finite = norm[np.isfinite(norm)]
        growth = float(finite.max() / finite[0]) if finite[0] > 0 else 0.0
        if largest > EXPLODED or growth > GREW:
            text = later("The weights of {layer} are thrown about: from one moment to the next they changed by up to {largest} times their size.")
            grew = later("The weights of {layer} grew to {growth} times their size.")
            yield Finding("exploding updates", name, text if largest > EXPLODED else grew, DIVERGED, {"largest": largest, "growth": growth}, FAULT)
        elif median > 0 and not ratio.any():
            text = later("The weights of {layer} did not change at all.")
            advice = later("Where the layer is not frozen on purpose, no gradient reaches it: look at the layers after it for dead units.")
            yield Finding("layer does not move", name, text, advice, {}, NOTE)
        elif len(usual) > 2 and usual[name] < VANISHED * median:
            text = later("The weights of {layer} hardly move: {ratio} of their size from one moment to the next, where the median layer changes by {median}.")
            advice = later("Too little gradient reaches it: use ReLU-like activations, normalisation, residual connections or He-scaled weights.")
            yield Finding("vanishing updates", name, text, advice, {"ratio": usual[name], "median": median}, WARNING)


def _units(layer: str, one: Mapping[str, Array], epochs: Array) -> Iterator[Finding]:
    """Shares of dead and of saturated units that have grown."""
    dead = later("Units of {layer} died while it was trained: {share_before} were dead at first, {share_after} at the end, most of them by epoch {epoch}.")
    saturated = later("Units of {layer} became saturated: {share_before} at first, {share_after} at the end, most of them by epoch {epoch}.")
    smaller = later("Lower the learning rate or warm it up, and normalise what the layer is given.")
    for quantity, code, text in (("dead", "dead units grow", dead), ("saturated", "saturated units grow", saturated)):
        share = one.get(quantity, np.zeros(0))
        if len(share) > 1 and share[-1] - share[0] >= MORE:
            by = int(np.argmax(share >= (share[0] + share[-1]) / 2))
            numbers = {"share_before": float(share[0]), "share_after": float(share[-1]), "epoch": float(epochs[by])}
            yield Finding(code, layer, text, smaller, numbers, FAULT if share[-1] >= MOST else WARNING if share[-1] >= MANY else NOTE)


DIVERGED = later("Lower the learning rate, at least tenfold at first, or warm it up; clip gradients; look for inputs or labels that are no numbers.")
