"""What training makes small: losses with their derivative at the outputs, in NumPy; frameworks compute the same ones in a single pass with the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.errors import CombinationError, SettingError, ShapeError, UnknownClassError, unknown
from pellucid.core.target import Reading, Target, class_axis_of

Array = np.ndarray
CROSS_ENTROPY, BINARY, SQUARED = "cross_entropy", "binary_cross_entropy", "squared_error"
LOSSES = (CROSS_ENTROPY, BINARY, SQUARED)


@dataclass(frozen=True)
class Loss(Target):
    """A loss per sample, as a target: what gives scores and gradients of a target gives those of the loss.

    `score` is its kind, `weights` (samples, *output) the truth. Of outputs f and truth y, places being what is left of an output without its classes:

        cross_entropy         mean over places of Σₖ yₖ (log Σⱼ exp fⱼ − fₖ)    f before the softmax
        binary_cross_entropy  mean over outputs of log(1 + exp f) − y f         f before the sigmoid
        squared_error         mean over outputs of (f − y)²                     f as the network returns it

    A network without a softmax or sigmoid at its end is read as it is. Does not hold weights of classes or of samples, nor a regularisation.

    >>> loss = Loss(np.array([[0.0, 1.0]]), "cross_entropy", ())
    >>> loss.of(np.zeros((1, 2))), loss.cotangents(np.zeros((1, 2)))
    (array([0.69314718]), array([[ 0.5, -0.5]]))
    """

    @property
    def reads_logits(self) -> bool:
        return self.score != SQUARED

    @property
    def scale(self) -> str:
        return self.score

    @property
    def reading(self) -> Reading:
        return Reading(self.reads_logits, self.score, False)

    @property
    def effective_weights(self) -> Array:
        return self.weights

    def of(self, outputs: Array) -> Array:
        """The loss of each sample, (samples,), of outputs that are on the right side of the softmax; infinite where an output is."""
        values, truth = outputs.astype(np.float64), self.weights.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            each: Array = terms(self.score, values, truth, class_axis_of(self.class_axis), _Numpy)
        return each.reshape(len(each), -1).sum(axis=1) / places(self.score, truth.shape[1:], self.class_axis)

    def cotangents(self, outputs: Array) -> Array:
        """The derivative of each sample's loss with respect to the outputs, (samples, *output): as the weights of a `Target` of logits, or of outputs for a
        squared error, they give the gradients of the loss by every verb that takes one."""
        values, truth = outputs.astype(np.float64), self.weights.astype(np.float64)
        if self.score == CROSS_ENTROPY:
            axis = class_axis_of(self.class_axis)
            found = np.exp(values - _Numpy.logsumexp(values, axis)) * truth.sum(axis=axis, keepdims=True) - truth
        else:
            found = 2 * (values - truth) if self.score == SQUARED else (1 + np.tanh(values / 2)) / 2 - truth
        return np.asarray(found / places(self.score, truth.shape[1:], self.class_axis))


def terms(kind: str, outputs: Any, truth: Any, axis: int, ops: Any) -> Any:
    """What a loss adds up over each sample's outputs, in the framework whose `logsumexp(values, axis)`, which keeps the axis, and `softplus` `ops` has."""
    if kind == CROSS_ENTROPY:
        return truth * (ops.logsumexp(outputs, axis) - outputs)
    if kind == BINARY:
        return ops.softplus(outputs) - truth * outputs
    return (outputs - truth) * (outputs - truth)


def places(kind: str, output: tuple[int, ...], class_axis: int = -1) -> int:
    """By what the sum over a sample's outputs is divided: how many there are, or for cross-entropy how many places have classes.

    >>> places("cross_entropy", (4, 10)), places("squared_error", (4, 10))
    (4, 40)
    """
    count = int(np.prod(output))
    return max(count // output[class_axis], 1) if kind == CROSS_ENTROPY and output else max(count, 1)


def check_kind(kind: str, head: str | None) -> None:
    """Raise where there is no such loss, or where it does not fit what the network ends in."""
    if kind not in LOSSES:
        raise SettingError(unknown("loss", kind, ("auto", *LOSSES)))
    if (kind == BINARY and head in ("softmax", "log_softmax")) or (kind == CROSS_ENTROPY and head == "sigmoid"):
        other = CROSS_ENTROPY if kind == BINARY else BINARY
        raise CombinationError(f"loss '{kind}' does not fit a network that ends in {head}; use loss='{other}'.")


def kind_for(head: str | None, output: tuple[int, ...], class_axis: int, labels: Array | None) -> str:
    """The loss that a network is trained with as a rule: cross-entropy before a softmax, binary before a sigmoid; without either, cross-entropy of its outputs
    as logits where classes are known (binary of a single one), else the squared error."""
    if head is not None:
        return BINARY if head == "sigmoid" else CROSS_ENTROPY
    if labels is None:
        return SQUARED
    return BINARY if output and output[class_axis] == 1 else CROSS_ENTROPY


def of_classes(labels: Array, output: tuple[int, ...], kind: str, head: str | None, class_axis: int = -1) -> Loss:
    """The loss of samples whose classes are known, (samples,) → one class a sample; of a single output, classes 0 and 1.

    >>> of_classes(np.array([1, 0]), (1,), "binary_cross_entropy", "sigmoid").weights.tolist()
    [[1.0], [0.0]]
    """
    check_kind(kind, head)
    if len(output) != 1:
        whole = ", ".join(map(str, output))
        raise ShapeError(f"one class a sample is no truth of outputs of shape {output}; give that of every place: truth=array (samples, {whole}).")
    classes = max(output[0], 2)
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise UnknownClassError(f"labels run from {int(labels.min())} to {int(labels.max())}, and the network tells {classes} classes, 0 to {classes - 1}.")
    one_hot = np.eye(classes, dtype=np.float32)[labels]
    return Loss(one_hot[:, 1:] if output[0] == 1 else one_hot, kind, (), head=head, class_axis=class_axis)


class _Numpy:
    """What `terms` asks for, in NumPy."""

    @staticmethod
    def logsumexp(values: Array, axis: int) -> Array:
        top = values.max(axis=axis, keepdims=True)
        return np.asarray(top + np.log(np.exp(values - top).sum(axis=axis, keepdims=True)))

    @staticmethod
    def softplus(values: Array) -> Array:
        return np.asarray(np.logaddexp(0, values))
