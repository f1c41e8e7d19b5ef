"""Infidelity: how far the change of the score is from the change that the explanation foretells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.layout import channels_of, from_last, to_last
from pellucid.core.metric import Measurement, Metric, Trial, elements_of
from pellucid.core.model import Model, batches
from pellucid.core.records import Explanation
from pellucid.metrics._changed import Changed, changed_outputs, scores_of
from pellucid.metrics._draws import key_of

Array = np.ndarray
STREAM = 13
"""Keeps these draws apart from those of random importances, which have the same seed."""
AT_ONCE = 32
"""Inputs that are changed at a time."""
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
        parts = list(batches(self.runs, AT_ONCE))
        told: list[Array] = []

        def changes() -> Iterator[Changed]:
            for sample in range(samples):
                for part in parts:
                    inputs, effect = perturbed.rows(sample, part)
                    told.append(effect)
                    yield Changed(sample, inputs)

        outputs = changed_outputs(trial, changes(), samples * self.runs)
        for sample in range(samples):
            scores = np.concatenate([scores_of(trial, sample, next(outputs)) for _ in parts])
            foretold, told = np.concatenate(told[: len(parts)]), told[len(parts) :]
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
    sizes: Array = field(init=False)
    keys: list[tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", [key_of(self.trial, sample) for sample in range(len(self.trial.inputs))])
        object.__setattr__(self, "sizes", elements_of(self.trial.units, self.trial.inputs.shape))

    def rows(self, sample: int, part: slice) -> tuple[Array, Array]:
        """Inputs (n, *shape) of some of the runs, and the fall that each map foretells, (n, maps). Each run has a stream of its own."""
        trial, x = self.trial, self.trial.inputs[sample].astype(np.float64)
        streams = [(run, np.random.default_rng((*self.keys[sample], run, STREAM))) for run in range(part.start, part.stop)]
        replaced = np.stack([self._replaced(sample, generator) for _, generator in streams])
        fills = trial.fills[sample if len(trial.fills) > 1 else 0]
        absent = np.stack([fills[run % len(fills)] for run, _ in streams])
        changed = np.where(replaced, absent, x)
        if self.kind != "square" and self.metric.noise:
            noise = np.stack([self._noise(x, generator) for _, generator in streams])
            changed = changed + noise * (replaced | (self.kind == "gaussian"))
        if self.metric.values == "sensitivities":
            spread = self._spread(sample)
            return changed, (x - changed).reshape(len(changed), -1) @ spread.reshape(len(spread), -1).T
        return changed, self._shares(sample, replaced) @ trial.importance[sample].T

    def _replaced(self, sample: int, generator: np.random.Generator) -> Array:
        """Which elements are replaced by the fill, (*shape)."""
        trial = self.trial
        shape, labels = trial.inputs.shape[1:], np.broadcast_to(trial.units.of(sample), trial.inputs.shape[1:])
        if self.kind == "gaussian":
            return np.zeros(shape, dtype=bool)
        if self.kind == "square":
            return _square(shape, channels_of(trial.explanation), generator) & (labels >= 0)
        units = np.flatnonzero(trial.present[sample])
        chosen = np.zeros(trial.present.shape[1] + 1, dtype=bool)  # the last is label −1
        chosen[generator.choice(units, max(round(self.metric.share * len(units)), 1), replace=False, shuffle=False)] = True
        return np.asarray(chosen[labels])

    def _noise(self, x: Array, generator: np.random.Generator) -> Array:
        """Drawn with channels last, so that a network that reads them first meets the same."""
        channels = channels_of(self.trial.explanation)
        deviation = self.metric.noise * (float(x.std()) or 1.0)
        shape = to_last(x[None], channels).shape[1:]
        return deviation * from_last(generator.standard_normal(shape)[None], channels)[0]

    def _shares(self, sample: int, replaced: Array) -> Array:
        """Which share of each unit is replaced, (n, units)."""
        labels = np.broadcast_to(self.trial.units.of(sample), replaced.shape[1:]).ravel()
        weight = np.where(labels >= 0, 1 / self.sizes[sample].ravel(), 0) * replaced.reshape(len(replaced), -1)
        width = self.trial.importance.shape[2]
        return np.stack([np.bincount(np.maximum(labels, 0), row, minlength=width) for row in weight])

    def _spread(self, sample: int) -> Array:
        """The importance of each map over the elements of the input, (maps, *shape)."""
        trial = self.trial
        importance, shape = trial.importance[sample], trial.inputs.shape[1:]
        labels = np.broadcast_to(trial.units.of(sample), shape)
        if trial.explanation.features is not None or trial.units.kind not in ("pixels", "elements"):
            return np.where(labels >= 0, importance[:, np.maximum(labels, 0)], 0) / self.sizes[sample]
        own = np.asarray(trial.explanation.to_input()[sample], dtype=np.float64).ravel()
        places = np.argsort(labels.ravel(), kind="stable").reshape(importance.shape[1], -1)  # the elements (its channels) of each unit
        ranked = np.argsort(importance, axis=1, kind="stable")
        found = np.zeros((len(importance), own.size))
        for k in range(len(importance)):  # a random importance gave the values of one unit to another: of equal ones it does not matter which
            found[k, places[ranked[k]]] = own[places[ranked[0]]]
        return found.reshape(-1, *shape)


def _square(shape: tuple[int, ...], channels: str, generator: np.random.Generator) -> Array:
    """A random square of an image, over all its channels."""
    mask: Array = np.zeros(to_last(np.empty((1, *shape)), channels).shape, dtype=bool)
    side = int(generator.integers(1, max(1, min(mask.shape[1:3]) // 2) + 1))
    top, left = (int(generator.integers(size - side + 1)) for size in mask.shape[1:3])
    mask[:, top : top + side, left : left + side] = True
    return from_last(mask, channels)[0]
