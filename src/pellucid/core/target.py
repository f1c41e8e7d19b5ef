"""What is explained: which output, and which score of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pellucid.core.errors import SettingError, ShapeError, UnknownClassError, unknown

Array = np.ndarray
TargetLike = str | int | Sequence[str | int] | tuple[str, str] | tuple[int, ...] | Array

SCORES = ("logit", "centered_logit", "log_probability", "probability", "output")


@dataclass(frozen=True)
class Target:
    """A score per sample: a weighted sum over the network's outputs, after `score` has chosen their scale.

    `weights` has shape (samples, *output). `score` is one of `SCORES`: `logit` and `centered_logit` (minus the mean over
    classes) read the network before its softmax or sigmoid, `probability` and `log_probability` after it, `output` reads
    what the network returns. A logit is known only up to a shift common to all classes.
    `labels` names what is explained, one per sample. Where `follows_prediction`, the weights are not known before the network
    has run: one on the class with the highest output; only `Model.gradients` takes such a target, which saves a pass.
    """

    weights: Array
    score: str
    labels: tuple[str, ...]
    follows_prediction: bool = False

    def take(self, samples: Array) -> Target:
        """The target of chosen samples, with repetition."""
        return replace(self, weights=self.weights[samples], labels=tuple(self.labels[int(i)] for i in samples))

    def unnamed(self, samples: Array) -> Target:
        """The same without labels, for many rows."""
        return replace(self, weights=self.weights[samples], labels=())

    def settled(self, outputs: Array) -> Target:
        """The target once the outputs are known."""
        if not self.follows_prediction:
            return self
        weights = np.eye(outputs.shape[-1], dtype=np.float32)[outputs.argmax(axis=-1)]
        return replace(self, weights=weights, follows_prediction=False)

    @property
    def reads_logits(self) -> bool:
        return self.score in ("logit", "centered_logit")

    @property
    def effective_weights(self) -> Array:
        """`weights`, with the mean over classes taken out for `centered_logit`."""
        if self.score != "centered_logit":
            return self.weights
        mean: Array = self.weights.sum(axis=-1, keepdims=True) / self.weights.shape[-1]
        return self.weights - mean

    def of(self, outputs: Array) -> Array:
        """Scores, shape (samples,), of outputs that are already on the right side of the softmax."""
        values = outputs.astype(np.float64)
        if self.score == "log_probability":
            values = np.log(np.maximum(values, 1e-30))
        weights = self.effective_weights
        weighted: Array = np.einsum("nk,nk->n", values.reshape(len(values), -1), weights.reshape(len(weights), -1))
        return weighted


def resolve_score(score: str | None, head: str | None) -> str:
    """The score meant: `None` becomes `logit` where the network ends in softmax or sigmoid, else `output`."""
    if score is None:
        return "logit" if head in ("softmax", "sigmoid") else "output"
    if score not in SCORES:
        raise SettingError(unknown("score", score, SCORES))
    if head is None and score in ("logit", "centered_logit"):
        raise SettingError(f"score '{score}' needs a network that ends in softmax or sigmoid; this one does not show one. Use score='output'.")
    return score


def class_index(name: str | int, names: Sequence[str]) -> int:
    """The number of a class given by number or name."""
    if isinstance(name, str):
        if name in names:
            return list(names).index(name)
        raise UnknownClassError(unknown("class", name, names))
    index = int(name)
    if not -len(names) <= index < len(names):
        raise UnknownClassError(f"unknown class {index}: the network has {len(names)} classes, 0 to {len(names) - 1}.")
    return index % len(names)


def _default_names(classes: int, given: Sequence[str] | None) -> list[str]:
    if given is None:
        return [str(i) for i in range(classes)]
    if isinstance(given, str):
        raise SettingError(f"class_names is the text {given!r}, expected a list of names, one per output.")
    if len(given) != classes:
        raise SettingError(f"class_names has {len(given)} names, the network {classes} outputs; give one name per output.")
    return [str(name) for name in given]


def _predicted(outputs: Array) -> list[int]:
    if outputs.ndim != 2:
        raise SettingError(f"target='predicted' is ambiguous for outputs of shape {outputs.shape[1:]}; say which position and class, e.g. target=(0, 1).")
    return [int(i) for i in outputs.argmax(axis=1)]


def _one(item: str | int | tuple[int | str, ...], shape: tuple[int, ...], names: Sequence[str]) -> tuple[Array, str]:
    """Weights and label of one sample's target."""
    weights = np.zeros(shape, dtype=np.float32)
    if isinstance(item, tuple) and len(item) == 2 and all(isinstance(part, str) for part in item):
        first, second = (class_index(part, names) for part in item)
        if first == second:
            raise SettingError(f"a contrast needs two different classes, got {item}.")
        weights[..., first], weights[..., second] = 1, -1
        return weights, f"{names[first]} − {names[second]}"
    where = tuple(item) if isinstance(item, tuple) else (item,)
    if len(where) != len(shape):
        raise SettingError(f"target {item!r} names {len(where)} axes, the output has {len(shape)}: {shape}; give (position, class).")
    last = class_index(where[-1], names)
    position = tuple(int(part) for part in where[:-1])
    weights[(*position, last)] = 1
    label = names[last] if not position else f"{names[last]} at {position if len(position) > 1 else position[0]}"
    return weights, label


def _items(target: TargetLike | Callable[..., object], outputs: Array) -> list[str | int | tuple[int | str, ...]]:
    """One target per sample."""
    samples = len(outputs)
    if isinstance(target, str) and target == "predicted":
        return list(_predicted(outputs))
    if callable(target):
        raise SettingError("a callable target is not served yet; give a class, a name, a list of them or a pair of names.")
    if isinstance(target, (list, np.ndarray)):
        if len(target) != samples:
            raise SettingError(f"target has {len(target)} entries for {samples} samples; give one per sample.")
        return [item if isinstance(item, (str, tuple)) else int(item) for item in target]
    if isinstance(target, (str, tuple)):
        return [target] * samples
    if isinstance(target, (int, np.integer)) and not isinstance(target, bool):
        return [int(target)] * samples
    raise SettingError(f"target must be 'predicted', a class number or name, a list, or a pair of names; got {target!r}.")


def following_target(samples: int, output_shape: tuple[int | None, ...], score: str) -> Target:
    """The target "predicted" of samples that have not been seen by the network yet; the output must be (classes,)."""
    if len(output_shape) != 1:
        _predicted(np.zeros((samples, *(size or 1 for size in output_shape))))
    return Target(np.zeros((samples, output_shape[0] or 1), np.float32), score, ("predicted",) * samples, follows_prediction=True)


def resolve_target(target: TargetLike, score: str, outputs: Array, class_names: Sequence[str] | None = None) -> Target:
    """The `Target` for these outputs, shape (samples, *output)."""
    if outputs.ndim < 2:
        raise ShapeError(f"the model must return scores of shape (samples, classes); got shape {outputs.shape}. Return scores[:, None].")
    names = _default_names(outputs.shape[-1], class_names)
    pairs = [_one(item, outputs.shape[1:], names) for item in _items(target, outputs)]
    return Target(np.stack([weights for weights, _ in pairs]), score, tuple(label for _, label in pairs))
