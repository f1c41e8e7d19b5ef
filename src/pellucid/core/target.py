"""What is explained: which output, and which score of it."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import EllipsisType
from typing import Any, NamedTuple

import numpy as np

from pellucid.core.errors import SettingError, SeveralOutputsError, ShapeError, UnknownClassError, unknown
from pellucid.core.inputs import on_host
from pellucid.core.scoring import checked_scores, name_of

Array = np.ndarray
ClassLike = str | int | tuple[str | int, str | int]
TargetLike = Any
"""What `explain` documents: a class, a position and a class, a contrast, a list of them, `Several`, a mapping from an output's name, or a callable."""

SCORES = ("logit", "centered_logit", "log_probability", "probability", "output")
LOGITS = ("logit", "centered_logit")
HEADS = ("softmax", "log_softmax", "sigmoid")
"""What a network may end in and be read before."""
TINY = 1e-30


@dataclass(frozen=True)
class Several:
    """Several targets of each sample, explained at once: values then have an axis for them, (samples, targets, *feature).

    Each is what `target` takes by itself: a class, a position and a class, a contrast, or a list with one for each sample. Passes through the network that
    serve all of them, predictions and masked inputs, are made once; gradients are taken for each. Does not hold targets of different outputs of a network.

    >>> Several("4", "9").names
    ('4', '9')
    """

    targets: tuple[TargetLike, ...]

    def __init__(self, *targets: TargetLike) -> None:
        if not targets:
            raise SettingError("Several needs at least one target, e.g. Several('4', '9').")
        for target in targets:
            if isinstance(target, (Several, Mapping)) or callable(target):
                raise SettingError(f"Several holds classes, positions and contrasts of one output, not {target!r}; explain that by itself.")
        object.__setattr__(self, "targets", tuple(on_host(target) for target in targets))

    @property
    def names(self) -> tuple[str, ...]:
        """What to call each target: as it was written; one that differs between samples by its place."""
        return tuple(f"target {i}" if _is_list(one) else written(one) for i, one in enumerate(self.targets))


class Reading(NamedTuple):
    """How outputs are read for a target: before the softmax, on which scale, with the mean over classes taken out. Frameworks compile once for each."""

    logits: bool
    scale: str
    centred: bool


@dataclass(frozen=True)
class Target:
    """A score per sample: a weighted sum over the network's outputs, after `score` has chosen their scale.

    `weights` has shape (samples, *output). `score` is one of `SCORES`: `logit` and `centered_logit` (minus the mean over
    classes) read the network before its softmax or sigmoid, `probability` and `log_probability` after it, `output` reads
    what the network returns. A logit is known only up to a shift common to all classes.
    `labels` names what is explained, one per sample. Where `follows_prediction`, the weights are not known before the network
    has run: one on the class with the highest output; only `Model.gradients` takes such a target, which saves a pass.

    `origin` says which row of the method's whole target each row is, once rows have been taken. `head` is what the network ends in, `class_axis` the
    axis of *output that counts classes. A single sigmoid stands for two classes: weights above zero are of the second, those below of the first.
    `function`, where there is one, stands for the weighted sum: outputs (samples, *output) → (samples,).
    """

    weights: Array
    score: str
    labels: tuple[str, ...]
    follows_prediction: bool = False
    head: str | None = None
    class_axis: int = -1
    function: Callable[[Array], Any] | None = None
    origin: Array | None = None

    def take(self, samples: Array) -> Target:
        """The target of chosen samples, with repetition."""
        return replace(self.unnamed(samples), labels=tuple(self.labels[int(i)] for i in samples))

    def unnamed(self, samples: Array) -> Target:
        """The same without labels, for many rows."""
        return replace(self, weights=self.weights[samples], labels=(), origin=None if self.origin is None else self.origin[samples])

    def settled(self, outputs: Array) -> Target:
        """The target once the outputs are known."""
        if not self.follows_prediction:
            return self
        weights = np.eye(outputs.shape[-1], dtype=np.float32)[outputs.argmax(axis=-1)]
        return replace(self, weights=weights, follows_prediction=False)

    @property
    def of_two(self) -> bool:
        """Whether each output is a sigmoid that stands for two classes."""
        return self.function is None and of_two(self.head, self.weights.shape[1:], self.class_axis)

    @property
    def reads_logits(self) -> bool:
        return self.score in LOGITS or (self.of_two and self.score != "output")

    @property
    def scale(self) -> str:
        """What each output that is read goes through: "" (nothing), "log" or "exp"; "sigmoid" and "log_sigmoid" are given sign(weight) · output, which is
        then weighed by |weight|."""
        if self.score not in ("probability", "log_probability"):
            return ""
        if self.of_two:
            return "sigmoid" if self.score == "probability" else "log_sigmoid"
        if self.head == "log_softmax":
            return "exp" if self.score == "probability" else ""
        return "log" if self.score == "log_probability" else ""

    @property
    def reading(self) -> Reading:
        return Reading(self.reads_logits, self.scale, self.score == "centered_logit")

    @property
    def effective_weights(self) -> Array:
        """`weights`, with the mean over classes taken out for `centered_logit`."""
        if self.score != "centered_logit":
            return self.weights
        if self.of_two:
            return self.weights / 2
        axis = class_axis_of(self.class_axis)
        mean: Array = self.weights.sum(axis=axis, keepdims=True) / self.weights.shape[axis]
        return self.weights - mean

    def of(self, outputs: Array) -> Array:
        """Scores, shape (samples,), of outputs that are already on the right side of the softmax."""
        if self.function is not None:
            return checked_scores(self.function, self.given(outputs))
        weights, values = self.effective_weights, outputs.astype(np.float64)
        if self.scale in ("sigmoid", "log_sigmoid"):
            values, weights = np.sign(weights) * values, np.abs(weights)
        values = scaled(values, self.scale)
        weighted: Array = np.einsum("nk,nk->n", values.reshape(len(values), -1), weights.reshape(len(weights), -1))
        return weighted

    def given(self, outputs: Array) -> Array:
        """Outputs as a function is given them."""
        values = scaled(outputs.astype(np.float64), self.scale)
        return values - values.mean(axis=class_axis_of(self.class_axis), keepdims=True) if self.score == "centered_logit" else values


def scaled(values: Array, scale: str) -> Array:
    """Each value through what `Target.scale` names."""
    if scale == "log":
        return np.log(np.maximum(values, TINY))
    if scale == "exp":
        return np.exp(values)
    if scale == "sigmoid":
        return np.asarray((1 + np.tanh(values / 2)) / 2)
    return np.asarray(-np.logaddexp(0, -values)) if scale == "log_sigmoid" else values


def class_axis_of(axis: int) -> int:
    """The axis of (samples, *output), of one of *output."""
    return axis if axis < 0 else axis + 1


def of_two(head: str | None, output_shape: Sequence[int | None], class_axis: int) -> bool:
    """Whether a network has one sigmoid for two classes."""
    return head == "sigmoid" and len(output_shape) > 0 and output_shape[class_axis] == 1


def predicted_classes(prediction: Array, head: str | None, class_axis: int = -1) -> Array | None:
    """The class that each prediction names, (samples, classes) → (samples,); None for outputs of other shapes, which name none.

    >>> predicted_classes(np.array([[0.2], [0.7]]), "sigmoid")
    array([0, 1])
    """
    if prediction.ndim != 2:
        return None
    two = of_two(head, prediction.shape[1:], class_axis)
    return (prediction[:, 0] >= 0.5).astype(int) if two else prediction.argmax(axis=1)


def reads_logits(score: str, head: str | None, output_shape: Sequence[int | None], class_axis: int, *, by_function: bool = False) -> bool:
    """Whether a target of this score reads the network before its softmax or sigmoid."""
    return score in LOGITS or (not by_function and score != "output" and of_two(head, output_shape, class_axis))


def resolve_score(score: str | None, head: str | None, *, by_function: bool = False) -> str:
    """The score meant: `None` becomes `logit` where the network ends in softmax or sigmoid, else `output`; a function is given what the network returns."""
    if score is None:
        return "logit" if head in HEADS and not by_function else "output"
    if score not in SCORES:
        raise SettingError(unknown("score", score, SCORES))
    if head is None and score in LOGITS:
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


def several_outputs(shapes: Mapping[str, tuple[int | None, ...] | None]) -> SeveralOutputsError:
    """A network gives several outputs, of these shapes, and the target does not say which one it is of."""
    told = ", ".join(f"'{name}'" if shape is None else f"'{name}' {shape}" for name, shape in shapes.items())
    first = next(iter(shapes))
    text = f"the network returns several outputs: {told}. Say which one the target is of, e.g. target={{'{first}': 0}}, or, for a view, output='{first}'."
    return SeveralOutputsError(text, shapes)


def default_names(classes: int, given: Sequence[str] | None) -> list[str]:
    """The names of the classes, by default their numbers."""
    if given is None:
        return [str(i) for i in range(classes)]
    if isinstance(given, str):
        raise SettingError(f"class_names is the text {given!r}, expected a list of names, one per output.")
    if len(given) != classes:
        raise SettingError(f"class_names has {len(given)} names, the network {classes} outputs; give one name per output.")
    return [str(name) for name in given]


def written(target: TargetLike) -> str:
    """A target as it was written, masks by a digest."""
    if isinstance(target, tuple):
        return "(" + ", ".join(written(part) for part in target) + ")"
    if isinstance(target, np.ndarray) and target.ndim:
        return f"mask {_digest(target)}"
    if callable(target):
        return name_of(target)
    return "all" if target is Ellipsis else str(target)


def as_written(target: TargetLike) -> Any:
    """A target as a record keeps it: text or a number, a list where there is one for each sample. What is in brackets is written as Python writes it, so that
    `target_of_record` reads it again.

    >>> as_written(("4", "9")), as_written((4, 9))
    ("('4', '9')", '(4, 9)')
    """
    if isinstance(target, Several):
        return ", ".join(target.names)
    if _is_list(target):
        return [as_written(one) for one in target]
    if isinstance(target, tuple):
        return _in_brackets(target)
    return int(target) if _is_number(target) else written(target)


def _in_brackets(part: TargetLike) -> str:
    """A target or a part of one as Python writes it; masks and functions, which cannot be read again, in words."""
    if isinstance(part, tuple):
        return f"({', '.join(map(_in_brackets, part))}{',' if len(part) == 1 else ''})"
    return repr(str(part)) if isinstance(part, str) else "..." if part is Ellipsis else written(part)


def target_of_record(said: Any, labels: Sequence[str], class_names: Sequence[str] = ()) -> TargetLike:
    """The target that `as_written` wrote; `labels` are those of the samples. Records of before its texts had quotes write ("4", "9") like (4, 9): there
    the label tells which it is. `SettingError` for what holds masks, functions or, in such records, names at a position.

    >>> target_of_record("(4, 9)", ["9 at 4"]), target_of_record("(4, 9)", ["4 − 9"])
    ((4, 9), ('4', '9'))
    """
    if isinstance(said, list):
        return [target_of_record(one, [label], class_names) for one, label in zip(said, labels, strict=True)]
    if not isinstance(said, str) or not said.startswith("(") or said in class_names:
        return said
    pair = tuple(said.strip("()").split(", "))
    if len(pair) == 2 and labels and labels[0] == " − ".join(pair):
        return pair
    try:
        return ast.literal_eval(said)
    except (ValueError, SyntaxError) as error:
        raise SettingError(f"the explanation's target {said} cannot be read from its record; give it again: again={{'target': ...}}.") from error


def follows_prediction(target: TargetLike) -> bool:
    """Whether any part of a target is each sample's predicted class."""
    if isinstance(target, (tuple, list)):
        return any(follows_prediction(part) for part in target)
    return isinstance(target, str) and target == "predicted"


def settled(target: TargetLike, classes: Sequence[int]) -> TargetLike:
    """A target in which each "predicted" is the sample's own class, of `classes`: then a list with one target for each sample.

    >>> settled("predicted", [3, 4]), settled((0, 1), [3, 4])
    ([3, 4], (0, 1))
    """
    if not follows_prediction(target):
        return target
    return [_with_class(one, chosen) for one, chosen in zip(target if isinstance(target, list) else [target] * len(classes), classes, strict=True)]


def _with_class(target: TargetLike, chosen: int) -> TargetLike:
    if isinstance(target, tuple):
        return tuple(_with_class(part, chosen) for part in target)
    return chosen if follows_prediction(target) else target


def of_samples(target: TargetLike, rows: Sequence[int] | Array | slice, samples: int) -> TargetLike:
    """The target of some of the samples, where it holds one for each."""
    if isinstance(target, Several):
        return Several(*(of_samples(one, rows, samples) for one in target.targets))
    if isinstance(target, Mapping):
        return {name: of_samples(one, rows, samples) for name, one in target.items()}
    if not _is_list(target) or len(target) != samples:
        return target
    chosen = np.arange(samples)[rows if isinstance(rows, slice) else np.asarray(rows, dtype=int)]
    return target[chosen] if isinstance(target, np.ndarray) else [target[int(i)] for i in chosen]


def following_target(samples: int, output_shape: tuple[int | None, ...], score: str, head: str | None = None) -> Target:
    """The target "predicted" of samples that have not been seen by the network yet; the output must be (classes,)."""
    if len(output_shape) != 1:
        raise _ambiguous(output_shape)
    return Target(np.zeros((samples, output_shape[0] or 1), np.float32), score, ("predicted",) * samples, follows_prediction=True, head=head)


def resolve_target(
    target: TargetLike, score: str, outputs: Array, class_names: Sequence[str] | None = None, *, head: str | None = None, class_axis: int = -1
) -> Target:
    """The `Target` for these outputs, shape (samples, *output)."""
    if outputs.ndim < 2:
        raise ShapeError(f"the model must return scores of shape (samples, classes); got shape {outputs.shape}. Return scores[:, None].")
    if callable(target):
        found = Target(np.zeros((len(outputs), 0), np.float32), score, (written(target),) * len(outputs), False, head, class_axis, target)
        found.of(outputs)
        return found
    space = _Space.of(outputs, class_names, head, class_axis, middle=0.0 if reads_logits(score, head, outputs.shape[1:], class_axis) else 0.5)
    named: dict[TargetLike, tuple[Array, str]] = {}  # a class means the same for every sample
    pairs = []
    for row, item in enumerate(_items(target, len(outputs))):
        if not _is_class(item) or item == "predicted":
            pairs.append(space.one(item, row))
        else:
            if item not in named:
                named[item] = space.one(item, row)
            pairs.append(named[item])
    return Target(np.stack([weights for weights, _ in pairs]), score, tuple(label for _, label in pairs), False, head, class_axis)


def join_targets(targets: Sequence[Target]) -> Target:
    """Several targets of the same samples as one of each sample as often: sample 0 by all, then sample 1, …"""
    weights = np.stack([one.weights for one in targets], axis=1)
    labels = tuple(label for row in zip(*(one.labels for one in targets), strict=True) for label in row)
    return replace(targets[0], weights=weights.reshape(-1, *weights.shape[2:]), labels=labels)


def _items(target: TargetLike, samples: int) -> list[TargetLike]:
    """One target per sample."""
    if _is_list(target):
        if len(target) != samples:
            raise SettingError(f"target has {len(target)} entries for {samples} samples; give one per sample.")
        return [item.item() if isinstance(item, np.generic) else item for item in target]
    if isinstance(target, (str, tuple)) or _is_number(target):
        return [target] * samples
    raise SettingError(f"target must be 'predicted', a class number or name, a list, or a pair of names; got {target!r}.")


def _is_list(target: TargetLike) -> bool:
    """Whether it holds one target for each sample."""
    return isinstance(target, list) or (isinstance(target, np.ndarray) and target.ndim > 0)


def _is_number(thing: Any) -> bool:
    return isinstance(thing, (int, np.integer)) and not isinstance(thing, bool)


def _is_class(thing: Any) -> bool:
    return isinstance(thing, str) or _is_number(thing)


def _ambiguous(shape: Sequence[int | None]) -> SettingError:
    return SettingError(f"target='predicted' is ambiguous for outputs of shape {tuple(shape)}; say which position and class, e.g. target=(0, 1).")


def _digest(mask: Array) -> str:
    return hashlib.sha256(f"{mask.shape}".encode() + np.ascontiguousarray(mask, dtype=np.float64).tobytes()).hexdigest()[:6]


@dataclass(frozen=True)
class _Space:
    """The outputs that targets are named in: `outputs` (samples, *positions, classes), of `names`; `middle` tells the two classes of one sigmoid apart."""

    outputs: Array
    names: Sequence[str]
    two: bool
    class_axis: int
    middle: float

    @classmethod
    def of(cls, outputs: Array, names: Sequence[str] | None, head: str | None, class_axis: int, middle: float) -> _Space:
        two = of_two(head, outputs.shape[1:], class_axis)
        last = np.moveaxis(outputs, class_axis_of(class_axis), -1)
        return cls(last, default_names(2 if two else last.shape[-1], names), two, class_axis, middle)

    @property
    def positions(self) -> tuple[int, ...]:
        return self.outputs.shape[1:-1]

    def one(self, item: TargetLike, row: int) -> tuple[Array, str]:
        """Weights and label of one sample's target."""
        if isinstance(item, str) and item == "predicted":
            if self.positions:
                raise _ambiguous(self.outputs.shape[1:])
            return self.built(np.ones(()), "predicted", "", row)
        if not isinstance(item, tuple):
            if not _is_class(item):
                raise SettingError(f"target must be 'predicted', a class number or name, a list, or a pair of names; got {item!r}.")
            item = (item,)
        if len(item) == 2 and all(isinstance(part, str) for part in item):
            item = (item,)
        whole = self.whole(item)
        if whole is not None:
            return whole
        *where, chosen = item
        if not _is_class(chosen) and not _is_pair(chosen):
            raise self.misnamed(item)
        place, label = self.place(where, item)
        return self.built(place, chosen, label, row)

    def whole(self, item: tuple[Any, ...]) -> tuple[Array, str] | None:
        """A mask over the whole output, or all of it."""
        if len(item) != 1 or not isinstance(item[0], (np.ndarray, EllipsisType)):
            return None
        shape = np.moveaxis(self.outputs, -1, class_axis_of(self.class_axis)).shape[1:]
        mask = np.ones(shape) if item[0] is Ellipsis else self.mask(item[0], shape, item)
        return mask.astype(np.float32), "all outputs" if item[0] is Ellipsis else _region_label("the output", item[0])

    def place(self, where: Sequence[Any], item: tuple[Any, ...]) -> tuple[Array, str]:
        """How much each position counts, and what to call the place."""
        if not where:
            if self.positions:
                raise self.misnamed(item)
            return np.ones(()), ""
        where = [on_host(part) for part in where]
        if len(where) == 1 and where[0] is Ellipsis:
            return np.full(self.positions, 1 / np.prod(self.positions)), "on average" if self.positions else ""
        if len(where) == 1 and isinstance(where[0], np.ndarray) and where[0].ndim:
            return self.mask(where[0], self.positions, item), f"over {_region_label('a region', where[0])}"
        if len(where) != len(self.positions) or not all(_is_number(part) for part in where):
            raise self.misnamed(item)
        numbers = tuple(int(part) for part in where)
        for number, size in zip(numbers, self.positions, strict=True):
            if not -size <= number < size:
                raise SettingError(f"target {written(item)} names position {number}, the output has positions {self.positions}.")
        place = np.zeros(self.positions)
        place[numbers] = 1
        return place, f"at {numbers if len(numbers) > 1 else numbers[0]}"

    def mask(self, mask: Array, shape: tuple[int, ...], item: tuple[Any, ...]) -> Array:
        """A mask as shares of 1."""
        if mask.shape != shape:
            raise SettingError(
                f"the mask in the target has shape {mask.shape}, expected {shape}; the output is {self.shape} and its classes {self.axis_words}."
            )
        if mask.dtype.kind not in "biuf" or not np.isfinite(mask).all() or (mask < 0).any() or not mask.any():
            raise SettingError("the mask in the target must be True somewhere, or hold numbers from 0 on that say how much each position counts.")
        return np.asarray(mask / mask.sum(dtype=np.float64))

    def built(self, place: Array, chosen: ClassLike, where: str, row: int) -> tuple[Array, str]:
        """The class or contrast at a place."""
        if chosen == "predicted":
            chosen = self.predicted(place, row)
        classes, label = self.contrast(*chosen) if isinstance(chosen, tuple) else self.single(chosen)
        weights = np.moveaxis((place[..., None] * classes).astype(np.float32), -1, self.class_axis)
        return weights, f"{label} {where}".strip()

    def predicted(self, place: Array, row: int) -> int:
        mean = (place[..., None] * self.outputs[row]).reshape(-1, self.outputs.shape[-1]).sum(axis=0)
        return int(mean[0] >= self.middle) if self.two else int(mean.argmax())

    def single(self, chosen: str | int) -> tuple[Array, str]:
        index = class_index(chosen, self.names)
        return (np.array([2.0 * index - 1]) if self.two else np.eye(len(self.names))[index]), self.names[index]

    def contrast(self, first: str | int, second: str | int) -> tuple[Array, str]:
        one, other = class_index(first, self.names), class_index(second, self.names)
        if one == other:
            raise SettingError(f"a contrast needs two different classes, got {(first, second)}.")
        if self.two:
            raise SettingError("one sigmoid stands for two classes, so that their contrast is twice the logit; explain one of them.")
        return np.eye(len(self.names))[one] - np.eye(len(self.names))[other], f"{self.names[one]} − {self.names[other]}"

    @property
    def shape(self) -> tuple[int, ...]:
        return np.moveaxis(self.outputs, -1, class_axis_of(self.class_axis)).shape[1:]

    @property
    def axis_words(self) -> str:
        return "along its last axis" if self.class_axis in (-1, len(self.positions)) else f"along axis {self.class_axis}"

    def misnamed(self, item: tuple[Any, ...]) -> SettingError:
        """Another number of axes than the output has, or parts of another kind."""
        shape, axes = self.shape, len(self.shape)
        name = written(item if len(item) > 1 else item[0])
        if not self.positions:
            return SettingError(f"target {name} names {len(item)} axes, the output has 1: {shape}; give a class, or a pair of names for a contrast.")
        zeros = ", ".join("0" for _ in self.positions)
        return SettingError(
            f"target {name} names {len(item)} axes, the output has {axes}: {shape}, its classes {self.axis_words}; give (position, class), e.g. "
            f"target=({zeros}, 1), or a mask of shape {self.positions} and a class; ({zeros}, (1, 0)) is a contrast, (..., 1) the mean over all positions."
        )


def _is_pair(thing: Any) -> bool:
    return isinstance(thing, tuple) and len(thing) == 2 and all(_is_class(part) for part in thing)


def _region_label(what: str, mask: Array) -> str:
    return f"{what} of {np.count_nonzero(mask)} ({_digest(mask)})"
