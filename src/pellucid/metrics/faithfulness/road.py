"""ROAD, remove and debias: how much sooner the prediction goes with what is called important than with what is called unimportant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.layout import channels_of, from_last, to_last
from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.core.model import Model
from pellucid.core.records import Explanation
from pellucid.core.target import Target
from pellucid.maths.imputation import imputed
from pellucid.metrics._changed import Changed, changed_outputs, scores_of
from pellucid.metrics._draws import key_of
from pellucid.metrics._masks import kept_after, order_of

Array = np.ndarray
STREAM = 14
"""Keeps these draws apart from those of random importances, which have the same seed."""
READS = ("probability", "accuracy")


@dataclass(frozen=True)
class Road(Metric):
    """How much more is left when the least important pixels are removed first (LeRF) than when the most important are (MoRF).

    The value is the mean, over `percentages` of the pixels, of LeRF less MoRF. Of probabilities from −1 to 1; by chance 0.

    A removed pixel is no hole that could tell the class by its shape: it becomes the weighted mean of its eight neighbours (direct ones 1/6, diagonal ones
    1/12, removed neighbours included, one linear system for all) and a little normal noise, of `noise` times the deviation of the image's own numbers. So
    the fill plays no part.

    read: "probability" of the explained class, or "accuracy", as in the paper: whether the network still predicts it, 1 or 0 for each image, so that the mean
    over images is the difference of two accuracies. `curves` hold both, by percentage: "morf" and "lerf" the probabilities, "morf_right" and "lerf_right"
    whether the class is predicted, where the target is a class.

    `error` is the standard error of the noise, by `repeats` draws of it for each image; random importances get one. Costs 2 · `repeats` evaluations for each
    percentage. Units are removed whole; of equal ones the first in the image goes first, in both orders, so that a constant importance gets 0. For images
    alone. Quantus 0.6 gives the MoRF accuracy alone, and its noise is 0.01 whatever the scale of the image.

    >>> Road(percentages=(10, 50, 90), read="accuracy").better
    'higher'
    """

    percentages: tuple[float, ...] = (10, 20, 30, 40, 50, 60, 70, 80, 90)
    read: str = "probability"
    noise: float = 0.01
    repeats: int = 2
    title: ClassVar[str] = "ROAD"
    asks: ClassVar[str] = (
        "How much sooner does the prediction go with the important pixels than with the unimportant ones, where nothing tells what was removed?"
    )
    group: ClassVar[str] = "faithfulness"
    better: ClassVar[str] = "higher"
    cost = "2 · `repeats` evaluations for each percentage"
    citation: ClassVar[str] = "Rong et al. 2022, arXiv 2202.00449"

    def __post_init__(self) -> None:
        if not self.percentages or not all(0 < one < 100 for one in self.percentages):
            raise SettingError(f"percentages of road must lie between 0 and 100, both left out, got {tuple(self.percentages)}.")
        if self.read not in READS or self.noise < 0 or self.repeats < 1:
            raise SettingError(f"road needs read 'probability' or 'accuracy', noise ≥ 0 and repeats ≥ 1; got {self.read!r}, {self.noise}, {self.repeats}.")

    def refuses(self, model: Model, explanation: Explanation) -> str:
        if explanation.inputs.ndim != 4 or explanation.packing is not None:
            return f"imputes pixels of images, and an input here has shape {explanation.inputs.shape[1:]}; use deletion, or comprehensiveness for text"
        return super().refuses(model, explanation)

    def measure(self, trial: Trial) -> Measurement:
        trial = trial.as_probability()
        (samples, maps), points = trial.importance.shape[:2], len(self.percentages)
        repeats = self.repeats if self.noise else 1
        pixels = _Pixels(trial, self)
        of_class = pixels.of_class
        if self.read == "accuracy" and not of_class:
            raise UnsupportedError("asks whether the network still predicts the explained class, and the target is no class; use read='probability'")

        def changes() -> Iterator[Changed]:
            for sample in range(samples):
                noise = pixels.noise(sample, repeats)
                for k in range(maps):
                    yield Changed(sample, pixels.removed(sample, k, noise[: 1 if k else repeats]))

        found = np.full((2, samples, maps, repeats, 2, points), np.nan)
        total = samples * (repeats + maps - 1) * 2 * points
        for (sample, k), outputs in zip(np.ndindex(samples, maps), changed_outputs(trial, changes(), total), strict=True):
            shape = (-1, 2, points)
            drawn = 1 if k else repeats
            found[0, sample, k, :drawn] = scores_of(trial, sample, outputs).reshape(shape)
            if of_class:
                found[1, sample, k, :drawn] = _predicted(trial.target, sample, outputs).reshape(shape)
        read = found[READS.index(self.read)]
        lead = np.nanmean(read[..., 1, :] - read[..., 0, :], axis=(2, 3))
        error = np.zeros((samples, maps))
        if repeats > 1:
            error[:, 0] = np.sqrt((read[:, 0].var(axis=1, ddof=1) / repeats).sum(axis=(1, 2))) / points
        return Measurement(lead, error, np.full(samples, repeats * 2 * points), np.zeros(samples, int), self._curves(found[:, :, 0].mean(axis=2), of_class))

    def _curves(self, found: Array, of_class: bool) -> dict[str, Array]:
        """By name, of (probability or right, samples, MoRF or LeRF, percentages)."""
        share = np.broadcast_to(np.array(self.percentages) / 100, found.shape[1::2])
        curves = {"share": share, "morf": found[0, :, 0], "lerf": found[0, :, 1]}
        return curves | ({"morf_right": found[1, :, 0], "lerf_right": found[1, :, 1]} if of_class else {})


@dataclass(frozen=True)
class _Pixels:
    """Images with pixels removed by the importances of a trial."""

    trial: Trial
    metric: Road

    @property
    def of_class(self) -> bool:
        """Whether the target is one class of each sample."""
        target = self.trial.target
        weights = target.weights.reshape(len(target.weights), -1)
        one = target.function is None and target.weights.ndim == 2 and (np.count_nonzero(weights, axis=1) == 1).all()
        return bool(one and (target.of_two or (weights.shape[1] > 1 and (weights.max(axis=1) > 0).all())))

    def noise(self, sample: int, repeats: int) -> Array:
        """(repeats, 2 · percentages, rows, columns, channels), the same for each importance."""
        image = to_last(self.trial.inputs[sample][None], channels_of(self.trial.explanation))[0]
        deviation, key = self.metric.noise * float(image.astype(np.float64).std()), key_of(self.trial, sample)
        streams = [np.random.default_rng((*key, repeat, STREAM)) for repeat in range(repeats)]
        shape = (2 * len(self.metric.percentages), *image.shape)
        return np.stack([deviation * stream.standard_normal(shape, dtype=np.float32) for stream in streams]).astype(image.dtype)

    def removed(self, sample: int, k: int, noise: Array) -> Array:
        """The sample without its pixels, (repeats · 2 · percentages, *shape): the most important first, then the least important first."""
        trial, channels = self.trial, channels_of(self.trial.explanation)
        importance, present, labels = trial.importance[sample, k], trial.present[sample], self._labels(sample)
        masks = []
        for sign in (1, -1):
            order = order_of(sign * importance, present)
            counts = np.minimum(np.round(np.array(self.metric.percentages) / 100 * len(order)), len(order) - 1)
            gone = ~kept_after(order, len(importance), counts)
            masks.append(gone[:, np.maximum(labels, 0)] & (labels >= 0))
        mask = np.concatenate(masks)
        image = to_last(trial.inputs[sample][None], channels)[0]
        images = imputed(image, mask).astype(image.dtype) + mask[..., None] * noise
        return from_last(images.reshape(-1, *image.shape), channels)

    def _labels(self, sample: int) -> Array:
        """The unit of each pixel, (rows, columns)."""
        labels = to_last(self.trial.units.of(sample)[None], channels_of(self.trial.explanation))[0]
        if not (labels == labels[..., :1]).all():
            raise UnsupportedError("removes whole pixels, and these features hold channels apart; give features that do not, or none")
        return np.broadcast_to(labels[..., 0], to_last(self.trial.inputs[:1], channels_of(self.trial.explanation)).shape[1:3])


def _predicted(target: Target, sample: int, outputs: Array) -> Array:
    """Whether each output, (n, classes), puts the class of a sample first."""
    weights = target.weights[sample]
    if target.of_two:
        return np.asarray((outputs[:, 0] > 0) == (weights[0] > 0))
    return np.asarray(outputs.argmax(axis=1) == weights.argmax())
