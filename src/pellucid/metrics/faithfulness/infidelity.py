"""Infidelity: how far the change of the score is from the change that the explanation foretells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.layout import channels_of, from_last, to_last
from pellucid.core.metric import Measurement, Metric, Trial
from pellucid.core.model import Model, batches
from pellucid.core.records import Explanation
from pellucid.metrics._changed import Changed, changed_outputs, scores_of
from pellucid.metrics._draws import key_of, subsets
from pellucid.metrics._explained import movable

Array = np.ndarray
STREAM = 13
"""Keeps these draws apart from those of random importances, which have the same seed."""
AT_ONCE = 2**18
"""Elements of inputs that are changed at a time."""
PERTURBATIONS = ("noisy_baseline", "square", "gaussian")
VALUES = ("contributions", "sensitivities")
SMALLEST = 1e-30


@dataclass(frozen=True)
class Infidelity(Metric):
    """The mean square difference between how the score changes under a perturbation I of the input and how it should by the explanation Φ:

        E_I ( β · Iᵀ Φ − (f(x) − f(x − I)) )²

    in units of the score squared; 0 is perfect. β is 1, or, where `scaled`, the factor that makes it least, so that the unit of Φ does not matter (Yeh et
    al.). `runs` perturbations are drawn, the same for all importances that are tried; `error` is the standard error over them. Costs `runs` evaluations.

    perturbation:
    - "square" (images; the default there): a square of the image, of random place and side (up to half of the shorter side), is replaced by the fill;
    - "noisy_baseline" (the default elsewhere): a random `share` of the units is replaced by the fill plus noise;
    - "gaussian": noise is added everywhere; asks for `values="sensitivities"`.
    Noise is normal; its deviation is `noise` times that of the sample's own numbers. Of several rows of the fill one is taken after the other.

    values: "contributions", what a unit adds to the score by being there (SHAP, Integrated Gradients, masks of importance): I is then the share of each
    unit that is replaced, the binary I of the authors' code. "sensitivities", the score per unit of input (saliency with its sign, SmoothGrad): I is x − x'
    itself; of units that are cut from the input (patches, words), the importance is laid over their elements evenly.

    Quantus 0.6 differs: it takes contributions for sensitivities, scales nothing, and goes on from one square to the next without putting the last one back.

    >>> Infidelity(runs=500, scaled=False).better
    'lower'
    """

    perturbation: str | None = None
    runs: int = 200
    share: float = 0.2
    noise: float = 0.2
    values: str = "contributions"
    scaled: bool = True
    title: ClassVar[str] = "Infidelity"
    asks: ClassVar[str] = "Does the score change under perturbations as the explanation foretells?"
    group: ClassVar[str] = "faithfulness"
    better: ClassVar[str] = "lower"
    cost = "`runs` evaluations"
    citation: ClassVar[str] = "Yeh et al. 2019, arXiv 1901.09392"

    def __post_init__(self) -> None:
        if self.perturbation not in (None, *PERTURBATIONS) or self.values not in VALUES:
            raise SettingError(
                f"infidelity knows the perturbations {', '.join(PERTURBATIONS)} and the values {', '.join(VALUES)}; got {self.perturbation!r}, {self.values!r}."
            )
        if self.runs < 2 or not 0 < self.share <= 1 or self.noise < 0:
            raise SettingError(f"infidelity needs runs ≥ 2, 0 < share ≤ 1 and noise ≥ 0, got {self.runs}, {self.share}, {self.noise}.")
        if self.perturbation == "gaussian" and self.values == "contributions":
            raise SettingError('perturbation "gaussian" changes units a little, which contributions say nothing of; use values="sensitivities" or another one.')

    def refuses(self, model: Model, explanation: Explanation) -> str:
        kind = self._kind(explanation)
        if self.noise and kind != "square" and model.traits.tokens and np.array_equal(explanation.inputs, np.round(explanation.inputs)):
            return "adds noise, and the inputs are whole numbers to a network that may read them as tokens; use noise=0 with perturbation='noisy_baseline'"
        if kind == "square" and not _is_image(explanation):
            return f"replaces squares of images, and an input here has shape {explanation.inputs.shape[1:]}; use perturbation='noisy_baseline'"
        return super().refuses(model, explanation)

    def _kind(self, explanation: Explanation) -> str:
        return self.perturbation or ("square" if _is_image(explanation) else "noisy_baseline")

    def measure(self, trial: Trial) -> Measurement:
        samples, maps, _ = trial.importance.shape
        values, error = np.zeros((samples, maps)), np.zeros((samples, maps))
        perturbed = _Perturbed(self, trial, self._kind(trial.explanation))
        told: list[Array] = []

        def changes() -> Iterator[Changed]:
            for sample in range(samples):
                for inputs, foretold in perturbed.of_sample(sample):
                    told.append(foretold)
                    yield Changed(sample, inputs)

        outputs = changed_outputs(trial, changes(), samples * self.runs)
        for sample in range(samples):
            scores = np.concatenate([scores_of(trial, sample, next(outputs)) for _ in perturbed.parts])
            foretold = np.concatenate([told.pop(0) for _ in perturbed.parts])
            values[sample], error[sample] = infidelity_of(foretold, trial.scores[sample] - scores, scaled=self.scaled)
        return Measurement(values, error, np.full(samples, self.runs), np.zeros(samples, int), resolved={"perturbation": perturbed.kind})


def infidelity_of(foretold: Array, fall: Array, *, scaled: bool) -> tuple[Array, Array]:
    """Infidelity (maps,) and its standard error, of what is foretold under each perturbation, (runs, maps), and how far the score falls, (runs,)."""
    factor = (foretold * fall[:, None]).sum(axis=0) / np.maximum(np.square(foretold).sum(axis=0), SMALLEST) if scaled else 1.0
    squares = np.square(factor * foretold - fall[:, None])  # to first order the best factor's own error does not move the minimum
    return squares.mean(axis=0), squares.std(axis=0, ddof=1) / np.sqrt(len(squares))


def _is_image(explanation: Explanation) -> bool:
    return explanation.inputs.ndim == 4 and explanation.packing is None


@dataclass(frozen=True)
class _Perturbed:
    """Perturbed inputs, and what each importance foretells of them."""

    metric: Infidelity
    trial: Trial
    kind: str

    @property
    def parts(self) -> list[slice]:
        return list(batches(self.metric.runs, max(1, AT_ONCE // self.trial.inputs[0].size)))

    def of_sample(self, sample: int) -> Iterator[tuple[Array, Array]]:
        """Inputs (n, *shape) of some of the runs, and the fall that each map foretells, (n, maps), until there have been all."""
        trial, metric = self.trial, self.metric
        places, noise = (np.random.default_rng((*key_of(trial, sample), STREAM, k)) for k in range(2))
        fills, x = trial.fills[sample if len(trial.fills) > 1 else 0], trial.inputs[sample].astype(np.float64)
        deviation = metric.noise * self._deviation(x) if self.kind != "square" else np.zeros(())
        labels = np.broadcast_to(trial.units.of(sample), x.shape)
        spread = self._spread(sample, labels) if metric.values == "sensitivities" else trial.importance[sample]
        for part in self.parts:
            count = part.stop - part.start
            replaced = np.broadcast_to(self._replaced(sample, labels, count, places), (count, *x.shape))
            changed = np.where(replaced, fills[np.arange(part.start, part.stop) % len(fills)], x)
            if deviation.any():
                changed += deviation * self._noise(changed.shape, noise) * (replaced | (self.kind == "gaussian"))
            moved = x - changed if metric.values == "sensitivities" else _shares(replaced, labels, trial.importance.shape[2])
            yield changed, moved.reshape(count, -1) @ spread.reshape(len(spread), -1).T

    def _deviation(self, x: Array) -> Array:
        """The deviation of a sample's own numbers; of several inputs of each by itself, 0 where numbers are whole and cannot be moved a little."""
        packing = self.trial.model.packing
        if packing is None:
            return np.asarray(float(x.std()) or 1.0)
        found = np.zeros(x.shape)
        for place in packing.slices.values():
            found[place] = float(x[place].std()) or 1.0
        return np.where(movable(self.trial), found, 0.0)

    def _replaced(self, sample: int, labels: Array, count: int, generator: np.random.Generator) -> Array:
        """Which elements are replaced by the fill, (count, …) that broadcasts to (count, *shape)."""
        if self.kind == "gaussian":
            return np.zeros((count, *(1,) * labels.ndim), dtype=bool)
        if self.kind == "square":
            channels = channels_of(self.trial.explanation)
            squares = _squares(to_last(labels[None], channels).shape[1:3], generator.random((count, 3)))
            return from_last(squares[..., None], channels) & (labels >= 0)
        present = self.trial.present[sample]
        chosen = subsets(present, max(round(self.metric.share * int(present.sum())), 1), count, generator)
        chosen = np.concatenate([chosen, np.zeros((count, 1), bool)], axis=1)  # the last is label −1
        return np.asarray(chosen[:, labels.ravel()].reshape(count, *labels.shape))

    def _noise(self, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
        """Drawn with channels last, so that a network that reads them first meets the same."""
        channels = channels_of(self.trial.explanation)
        return from_last(generator.standard_normal(to_last(np.broadcast_to(0.0, shape), channels).shape), channels)

    def _spread(self, sample: int, labels: Array) -> Array:
        """The importance of each map over the elements of the input, (maps, *shape)."""
        trial, importance = self.trial, self.trial.importance[sample]
        if trial.explanation.features is not None or trial.units.kind not in ("pixels", "elements"):
            sizes = np.bincount(labels[labels >= 0], minlength=importance.shape[1])
            return np.where(labels >= 0, (importance / np.maximum(sizes, 1))[:, np.maximum(labels, 0)], 0)
        own = np.asarray(trial.explanation.to_input()[sample], dtype=np.float64).ravel()
        places = np.argsort(labels.ravel(), kind="stable").reshape(importance.shape[1], -1)  # the elements (its channels) of each unit
        ranked = np.argsort(importance, axis=1, kind="stable")
        found = np.zeros((len(importance), own.size))
        for k in range(len(importance)):  # a random importance gave the values of one unit to another: of equal ones it does not matter which
            found[k, places[ranked[k]]] = own[places[ranked[0]]]
        return found.reshape(-1, *labels.shape)


def _squares(grid: tuple[int, ...], drawn: Array) -> Array:
    """Squares on a grid, (n, rows, columns), by numbers from 0 to 1 (n, 3): of sides up to half of the shorter side, anywhere within."""
    sides = 1 + (drawn[:, 0] * max(1, min(grid) // 2)).astype(int)
    inside = []
    for axis, size in enumerate(grid):
        first = (drawn[:, 1 + axis] * (size - sides + 1)).astype(int)
        inside.append((np.arange(size) >= first[:, None]) & (np.arange(size) < (first + sides)[:, None]))
    return np.asarray(inside[0][:, :, None] & inside[1][:, None, :])


def _shares(replaced: Array, labels: Array, width: int) -> Array:
    """Which share of each unit is replaced, (n, units)."""
    flat, count = labels.ravel(), len(replaced)
    if flat.size == width and np.array_equal(flat, np.arange(width)):
        return replaced.reshape(count, width).astype(np.float64)
    inside = flat >= 0
    places = flat[inside] + width * np.arange(count)[:, None]
    found = np.bincount(places.ravel(), replaced.reshape(count, -1)[:, inside].ravel(), count * width).reshape(count, width)
    return found / np.maximum(np.bincount(flat[inside], minlength=width), 1)
