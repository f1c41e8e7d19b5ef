"""Turns what a user wrote into what a method takes: the method, its target, its baseline, features and fill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import expit, log_softmax, softmax

from pellucid.api._sums import joins
from pellucid.core.catalogue import Catalogue, build, settings_of
from pellucid.core.errors import CombinationError, SettingError, ShapeError, UnknownMethodError, UnknownViewError, UnsupportedError, unknown
from pellucid.core.features import FeatureMap, Fill
from pellucid.core.inputs import check_inputs, check_shape
from pellucid.core.layout import from_last, to_last
from pellucid.core.method import OPTIONS, Method
from pellucid.core.model import Model
from pellucid.core.scene import ViewMethod
from pellucid.core.target import (
    Several,
    Target,
    TargetLike,
    class_axis_of,
    following_target,
    follows_prediction,
    join_targets,
    of_two,
    reads_logits,
    resolve_target,
)
from pellucid.data.features.columns import Columns
from pellucid.data.features.given import Given as GivenFeatures
from pellucid.data.fills.background import Background
from pellucid.data.fills.deletion import deletes
from pellucid.data.fills.given import Given as GivenFill
from pellucid.data.parts import default_features, parse_features, parse_fill
from pellucid.methods import METHODS
from pellucid.views import VIEWS

Array = np.ndarray


def find_method(method: str | Method, settings: Mapping[str, Any]) -> tuple[str, Method]:
    """The method of a name with its settings, or a method object as it is."""
    if isinstance(method, Method):
        if settings:
            raise SettingError(f"a method object holds its own settings; got {', '.join(settings)} besides. Set them where the object is made.")
        return _name_of(method, METHODS), method
    if method in VIEWS:
        raise UnknownMethodError(f"'{method}' is a view: it shows the inside of a network. Use pellucid.visualize(model, x, '{method}').")
    part = METHODS.load(method)
    _check_settings("method", method, part, settings, [option for option in OPTIONS if option in part.accepts])
    found: Method = build("method", method, part, dict(settings))
    return method, found


def find_view(view: str | ViewMethod, settings: Mapping[str, Any]) -> tuple[str, ViewMethod]:
    """The view of a name with its settings, or a view object as it is."""
    if isinstance(view, ViewMethod):
        return _name_of(view, VIEWS), view
    if view in METHODS:
        raise UnknownViewError(f"'{view}' is a method: it attributes to the input. Use pellucid.explain(model, x, '{view}').")
    part = VIEWS.load(view)
    _check_settings("view", view, part, settings, ["layers"])
    found: ViewMethod = build("view", view, part, dict(settings))
    return view, found


def _name_of(part: Method | ViewMethod, catalogue: Catalogue) -> str:
    """The name of an object in its catalogue; of a user's own, that of its class."""
    name = type(part).__module__.rpartition(".")[2]
    return name if name in catalogue and catalogue.load(name) is type(part) else type(part).__name__


def _check_settings(kind: str, name: str, part: type, settings: Mapping[str, Any], options: Sequence[str]) -> None:
    known = [*settings_of(part), *options]
    for key in settings:
        if key not in known:
            raise SettingError(f"{kind} '{name}': {unknown('keyword', key, known) if known else f'takes no setting, got {key!r}.'}")


def check_options(name: str, method: Method, options: Mapping[str, Any]) -> None:
    """Raise where a keyword was given that this method does not take."""
    for key, value in options.items():
        if value is not None and key not in method.accepts and not (key == "features" and joins(method)):
            takes = ", ".join(sorted(method.accepts)) or "none of layer, baseline, background, features, fill"
            raise SettingError(f"method '{name}' does not take {key}; it takes {takes}.")
    if "background" in method.accepts and "fill" not in method.accepts and options.get("background") is None:
        raise CombinationError(f"method '{name}' needs a background, samples of usual data: background=x_train[:100], or --background mnist:train[0:100].")
    if options.get("background") is not None and options.get("fill") is not None:
        raise CombinationError("give either fill or background, not both: a background is a fill whose rows are data.")


def check_serves(name: str, method: Method | ViewMethod, model: Model) -> None:
    """Raise where the method or view cannot serve the model, and name those that can."""
    reason = method.refuses(model)
    if not reason:
        return
    catalogue = METHODS if isinstance(method, Method) else VIEWS
    serving = [other for other in catalogue if not catalogue.load(other).refuses(model)]
    raise UnsupportedError(f"'{name}' cannot serve this model: it {reason}. These can: {', '.join(serving) or 'none'}.")


def early_target(model: Model, method: Method, inputs: Array, target: TargetLike, score: str, names: Sequence[str] | None) -> Target | None:
    """A target made before any pass, where the method makes its own, the output's shape is known and the target does not depend on what is predicted."""
    shape, traits = model.traits.output_shape, model.traits
    if not method.single_pass or shape is None or None in shape or isinstance(target, Several) or callable(target):
        return None
    if isinstance(target, str) and target == "predicted" and not of_two(traits.head, shape, traits.class_axis):
        return following_target(len(inputs), shape, score, traits.head)
    if follows_prediction(target):
        return None
    return find_target(model, target, score, np.zeros((len(inputs), *(size or 1 for size in shape))), names)


def find_target(model: Model, target: TargetLike, score: str, outputs: Array, names: Sequence[str] | None) -> Target:
    """The target for these outputs; of several, one after the other for each sample."""
    traits = model.traits
    asked = target.targets if isinstance(target, Several) else (target,)
    found = [resolve_target(one, score, outputs, names, head=traits.head, class_axis=traits.class_axis) for one in asked]
    return join_targets(found) if isinstance(target, Several) else found[0]


def before_head(model: Model, inputs: Array, target: TargetLike, score: str) -> bool:
    """Whether a target is read before the network's softmax or sigmoid."""
    shape = model.traits.output_shape if model.traits.head != "sigmoid" or model.traits.output_shape else model.predict(inputs[:1]).shape[1:]
    return reads_logits(score, model.traits.head, shape or (), model.traits.class_axis, by_function=callable(target))


def split_output(model: Model, target: TargetLike) -> tuple[Model, TargetLike]:
    """The network read at the output that the target names, and what is left of the target."""
    if not isinstance(target, Mapping):
        return model, target
    if len(target) != 1:
        example = f"target={{'{next(iter(target), 'name')}': 0}}"
        raise SettingError(f"target names {len(target)} outputs; an explanation is of one, e.g. {example}. Call once for each.")
    ((output, inner),) = target.items()
    return (model if model.traits.output == str(output) else model.reading(str(output))), inner


def check_seed(seed: Any) -> None:
    """Raise unless a seed is a whole number of at least 0."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise SettingError(f"seed must be a whole number of at least 0, got {seed!r}.")


def check_labels(labels: Any, samples: int | None) -> list[int] | None:
    """True classes, one whole number a sample; an axis of length one is dropped. `samples` is None for a stream of unknown length."""
    if labels is None:
        return None
    array = np.asarray(labels)
    samples = len(array) if samples is None and array.ndim else samples
    if array.dtype.kind not in "iub" or array.size != samples or array.shape[:1] != (samples,):
        problem = f"labels must be the numbers of the true classes, one for each of the {samples} samples; got {array.dtype} of shape {array.shape}."
        raise SettingError(problem + _as_numbers(array))
    return [int(label) for label in array.ravel()]


def _as_numbers(labels: Array) -> str:
    """How labels of another form become numbers; empty where that is not known."""
    if labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "fiub" and (np.sort(labels, axis=1)[:, -2:] == (0, 1)).all():
        return " One-hot rows become numbers by labels.argmax(axis=1)."
    if labels.dtype.kind in "USO":
        return " Names become numbers by [class_names.index(label) for label in labels]."
    whole = labels.dtype.kind == "f" and labels.ndim == 1 and np.isfinite(labels).all() and not (labels % 1).any()
    return " Write labels.astype(int)." if whole else ""


def as_predictions(model: Model, outputs: Array, logits: bool) -> Array:
    """What the network returns, from outputs that may lie before its softmax or sigmoid."""
    if not logits:
        return outputs
    if model.traits.head == "sigmoid":
        return np.asarray(expit(outputs))
    axis = class_axis_of(model.traits.class_axis)
    return np.asarray(log_softmax(outputs, axis=axis) if model.traits.head == "log_softmax" else softmax(outputs, axis=axis))


def output_names(model: Model, outputs: Array, names: Sequence[str] | None) -> tuple[str, ...]:
    """What the classes of the outputs are called; of one sigmoid, its own class."""
    if names is not None:
        alone = of_two(model.traits.head, outputs.shape[1:], model.traits.class_axis) and len(names) == 2
        return (str(names[1]),) if alone else tuple(names)
    return tuple(str(i) for i in range(outputs.shape[class_axis_of(model.traits.class_axis)]))


def find_baseline(method: Method, baseline: Any, inputs: Array, channels: str) -> Array | None:
    """The baseline, (1 or samples, *shape): a number, an array, or a fill with one row."""
    if "baseline" not in method.accepts:
        return None
    if isinstance(baseline, (np.ndarray, list)):
        rows = check_inputs(baseline, None, "baseline")
        rows = rows[None] if rows.shape == inputs.shape[1:] else rows
        check_shape(rows, inputs.shape[1:], "baseline")
        fits = len(rows) in (1, len(inputs))
    elif deletes(baseline):
        raise CombinationError(
            "a baseline is as long as the input, so that nothing can be left out of it; give the padding's number, or use shap with fill='deletion'."
        )
    else:
        rows = _fill_rows(parse_fill(baseline), inputs, channels)
        rows, fits = rows.reshape(-1, *inputs.shape[1:]), rows.shape[1] == 1
    if not fits:
        raise ShapeError(
            f"baseline has {len(rows)} rows, expected one, or one for each of the {len(inputs)} samples; give its mean, or use shap with background=."
        )
    return rows.astype(inputs.dtype)


def with_defaults(method: Method, options: Mapping[str, Any], inputs: Array, channels: str) -> dict[str, Any]:
    """The options, with what the method accepts and was not given named, so that records say it."""
    chosen = dict(options)
    if "features" in method.accepts and chosen["features"] is None:
        chosen["features"] = default_features(to_last(inputs, channels))
    return chosen | default_rows(method, chosen)


def default_rows(method: Method, chosen: Mapping[str, Any]) -> dict[str, float]:
    """Zeros for the fill or baseline that a method accepts and was not given."""
    without_fill = "fill" in method.accepts and chosen["fill"] is None and chosen["background"] is None
    without_baseline = "baseline" in method.accepts and chosen["baseline"] is None
    return {name: 0.0 for name, missing in (("fill", without_fill), ("baseline", without_baseline)) if missing}


def find_features(method: Method, features: Any, inputs: Array, channels: str, column_names: tuple[str, ...] = ()) -> FeatureMap | None:
    """The feature map of a method that needs one; columns bear the names that the model knows them by."""
    return cut_features(features, inputs, channels, column_names) if "features" in method.accepts else None


def cut_features(features: Any, inputs: Array, channels: str, column_names: tuple[str, ...] = ()) -> FeatureMap:
    """The feature map that `features` stands for, as the network's inputs lie."""
    if isinstance(features, FeatureMap):
        return as_given(features, inputs)
    cut = parse_features(features)
    if isinstance(cut, GivenFeatures):
        cut = GivenFeatures(_map_to_last(np.asarray(cut.labels), inputs.shape, channels))
    found = cut.label(to_last(inputs, channels))
    names = column_names if isinstance(cut, Columns) and len(column_names) == len(found.names) else found.names
    return replace(found, labels=from_last(found.labels, channels), names=names)


def as_given(features: FeatureMap, inputs: Array) -> FeatureMap:
    """A feature map that was made for these inputs."""
    shape = features.labels.shape
    fits = len(shape) == inputs.ndim and all(have in (1, want) for have, want in zip(shape[1:], inputs.shape[1:], strict=True))
    if not fits or shape[0] not in (1, len(inputs)):
        raise ShapeError(f"the feature map has labels of shape {shape}, which do not lie over inputs of shape {inputs.shape}; make it of these inputs.")
    return features


def find_fills(method: Method, fill: Any, background: Any, inputs: Array, channels: str, features: FeatureMap | None = None) -> Array | None:
    """Fill rows (1 or samples, rows, *shape); a fill may depend on the features."""
    return fill_rows(fill, background, inputs, channels, features) if {"fill", "background"} & method.accepts else None


def fill_rows(fill: Any, background: Any, inputs: Array, channels: str, features: FeatureMap | None = None) -> Array:
    """What a fill or a background puts in, (1 or samples, rows, *shape)."""
    chosen = Background(np.asarray(background)) if background is not None else parse_fill(fill)
    return _fill_rows(chosen, inputs, channels, features).astype(inputs.dtype)


def _fill_rows(fill: Fill, inputs: Array, channels: str, features: FeatureMap | None = None) -> Array:
    """What a fill puts in, as the network takes it: a user's arrays come so already, a fill that computes sees channels last."""
    if isinstance(fill, (Background, GivenFill)):
        return fill.rows_for(inputs, features)
    seen = None if features is None else replace(features, labels=to_last(features.labels, channels))
    return from_last(fill.rows_for(to_last(inputs, channels), seen), channels, lead=2)


def _map_to_last(labels: Array, shape: tuple[int, ...], channels: str) -> Array:
    """A user's label map, channels last where it has an axis of them."""
    if labels.ndim == len(shape):
        return to_last(labels, channels)
    fits = labels.ndim == len(shape) - 1 and all(have in (1, want) for have, want in zip(labels.shape, shape[1:], strict=True))
    return to_last(labels, channels, lead=0) if fits else labels
