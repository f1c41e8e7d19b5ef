"""What the verbs return: frozen records of arrays, axes and provenance. No plotting; figures and reports are made from them."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any, TypeVar

import numpy as np

from pellucid.core.apart import apart
from pellucid.core.choices import Choices, joined_choices
from pellucid.core.errors import SettingError, UnsupportedError, unknown
from pellucid.core.exports import to_dataframe, to_json, to_shap
from pellucid.core.features import FeatureMap
from pellucid.core.layout import channels_of, from_last, to_last
from pellucid.core.model import Layer
from pellucid.core.naming import name_of
from pellucid.core.outcome import Outcomes
from pellucid.core.packing import InputSpec, Packing
from pellucid.core.rows import PER_SAMPLE, as_rows, told_of
from pellucid.core.view import View

Array = np.ndarray
ERROR_KINDS = ("standard_error", "bound", "exact", "none")


@dataclass(frozen=True)
class Cost:
    """Per sample: inputs that went forward and, among them, those that went backward too; and seconds for all samples together (of a part of
    them, its share)."""

    evaluations: Array
    gradients: Array
    seconds: float


@dataclass(frozen=True)
class Explained:
    """What was explained: per sample a label, and the scale of the score ("logit", "probability", "output", ...). Of several targets at once, `names` calls
    them, and `each` holds per sample the label of every one."""

    labels: tuple[str, ...]
    score: str
    names: tuple[str, ...] = ()
    each: tuple[tuple[str, ...], ...] = ()

    def __getitem__(self, rows: Sequence[int] | Array) -> Explained:
        return replace(self, labels=tuple(self.labels[i] for i in rows), each=tuple(self.each[i] for i in rows) if self.each else ())


@dataclass(frozen=True)
class Continuation:
    """How an explanation that was made in this process can be gone on with: `call(explanation, rows, tolerance, max_evaluations)`, `rows` being which
    samples of the first call it holds; and `given`, the keywords of that call of `explain`, its method among them, which was of so many `samples`. `model()`
    of `network` opens what was explained, where that is known."""

    call: Callable[[Explanation, Array, float | None, int | None], Explanation]
    rows: Array
    given: Mapping[str, Any] = field(default_factory=dict)
    samples: int = 0
    network: Any = None


@dataclass(frozen=True)
class Ranking:
    """The strongest features of one sample, strongest first: numbers in the flattened values, names, values, errors. `ahead` says which of them are
    separated, at `level` for all together, from the strongest of the features that are left out."""

    features: Array
    names: tuple[str, ...]
    values: Array
    error: Array
    ahead: Array
    level: float

    def __str__(self) -> str:
        sure = [name for name, ahead in zip(self.names, self.ahead, strict=True) if ahead]
        unsure = [name for name, ahead in zip(self.names, self.ahead, strict=True) if not ahead]
        said = f"Ahead of all others at {self.level:.0%}: {', '.join(sure) or 'none'}."
        return said if not unsure else f"{said} Not separated from the rest: {', '.join(unsure)}."


def _rows(array: Array | None, index: slice | Array) -> Array | None:
    return None if array is None else array[index]


def _joined(provenances: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The first provenance with the lists of all; where one has no list, none is kept."""
    joined = dict(provenances[0])
    for name in PER_SAMPLE:
        items = [one.get(name) for one in provenances]
        if all(isinstance(item, list) for item in items):
            joined[name] = [entry for item in items for entry in item or ()]
        elif any(isinstance(item, list) for item in items):
            joined.pop(name, None)
    return joined


@dataclass(frozen=True)
class Explanation:
    """What in the input mattered, with its error.

    Shapes: `values` and `error` (samples, *feature), where *feature is the input's shape, a layer's grid, or a number of features cut by `features`
    (padded with zeros where `feature_mask` is False), or pairs of them, (features, features); of several targets (samples, targets, *feature), and then
    `score`, `baseline_score`, `degrees` and what `statistics` and `state` hold are (samples, targets, …) too: `at` chooses one of them.
    `prediction` (samples, *output) is what the network returns; `score` and `baseline_score` (samples,) are the explained score at the input and at the
    baseline or mean fill. `baseline` is (1 or samples, *shape); for coalition methods the mean fill.

    `error_kind` says what `error` holds: "standard_error" (sampling), "bound" (a deterministic estimate of the same meaning: one standard deviation),
    "exact" (zeros), "none" (NaN). `interval(.95)` is the one way to read it. `state` holds the sufficient statistics from which `refine` goes on.

    Of a network with several inputs, `inputs`, `values` and `error` hold them all in one array (samples, total); `packing` says where each lies, and
    `by_input` gives each as a record of its own, in its own shape. `choices` are what other choices make of it, where `explain` was asked to `vary` some.
    """

    method: str
    values: Array
    error: Array
    error_kind: str
    axes: tuple[str, ...]
    inputs: Array
    prediction: Array
    score: Array
    target: Explained
    cost: Cost
    outcome: Outcomes
    degrees: Array
    baseline: Array | None = None
    baseline_score: Array | None = None
    features: FeatureMap | None = None
    class_names: tuple[str, ...] = ()
    statistics: Mapping[str, Array] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Array] = field(default_factory=dict)
    packing: Packing | None = None
    choices: Choices | None = None
    continuation: Continuation | None = field(default=None, repr=False, compare=False)

    @property
    def by_input(self) -> dict[str, Explanation]:
        """Name → the explanation of that input alone, with values and inputs in its own shape; the score, the prediction and the cost are those of all."""
        return apart(self)

    def __getstate__(self) -> dict[str, Any]:
        """All but the continuation, which holds the network."""
        return dict(self.__dict__) | {"continuation": None}

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Explanation]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int | slice | Sequence[int] | Array) -> Explanation:
        """The explanation of some samples; the sample axis stays."""
        rows = as_rows(index, len(self))
        chosen = np.arange(len(self))[rows]
        shared = self.baseline is not None and len(self.baseline) == 1
        return replace(
            self,
            values=self.values[rows],
            error=self.error[rows],
            inputs=self.inputs[rows],
            prediction=self.prediction[rows],
            score=self.score[rows],
            target=self.target[chosen],
            cost=Cost(self.cost.evaluations[rows], self.cost.gradients[rows], self.cost.seconds * len(chosen) / max(len(self), 1)),
            outcome=Outcomes(tuple(self.outcome[int(i)] for i in chosen)),
            degrees=self.degrees[rows],
            baseline=self.baseline if shared else _rows(self.baseline, rows),
            baseline_score=_rows(self.baseline_score, rows),
            features=None if self.features is None else self.features[rows],
            statistics={name: array[rows] for name, array in self.statistics.items()},
            provenance=told_of(self.provenance, chosen, len(self)),
            state={name: array[rows] for name, array in self.state.items()},
            choices=None if self.choices is None else self.choices.of(rows),
            continuation=None if self.continuation is None else replace(self.continuation, rows=self.continuation.rows[rows]),
        )

    @property
    def targets(self) -> tuple[str, ...]:
        """What several targets are called, along axis 1 of `values`; empty where one was explained."""
        return self.target.names

    def at(self, target: int | str) -> Explanation:
        """The explanation of one of several targets, by its number or name. What it cost is what all of them cost together."""
        names = self.target.names
        if isinstance(target, str) and target not in names:
            raise SettingError(unknown("target", target, names) if names else f"this explanation is of one target, {self.target.labels[0]}; there is no other.")
        place = names.index(target) if isinstance(target, str) else int(target)
        if not -len(names) <= place < len(names):
            raise SettingError(f"target {target} of {len(names)}; there are {', '.join(names) or 'no several targets'}.")
        return replace(
            self,
            values=self.values[:, place],
            error=self.error[:, place],
            axes=(self.axes[0], *self.axes[2:]),
            score=self.score[:, place],
            target=Explained(tuple(labels[place] for labels in self.target.each), self.target.score),
            outcome=Outcomes(tuple(outcome.parts[place] for outcome in self.outcome)),
            degrees=self.degrees[:, place],
            baseline_score=None if self.baseline_score is None else self.baseline_score[:, place],
            statistics={name: array[:, place] for name, array in self.statistics.items()},
            provenance={name: entry for name, entry in self.provenance.items() if name != "target"} | {"target": names[place]},
            state={name: array[:, place] for name, array in self.state.items()},
            continuation=None,
        )

    def split(self) -> tuple[Explanation, ...]:
        """The explanations of several targets, one after the other; of one target this one alone."""
        return tuple(self.at(i) for i in range(len(self.target.names))) or (self,)

    def _check_one(self) -> None:
        if self.target.names:
            raise UnsupportedError(f"this explanation is of several targets; choose one, e.g. explanation.at({self.target.names[0]!r}).")

    def refine(self, tolerance: float | None = None, max_evaluations: int | None = None) -> Explanation:
        """The same explanation computed further, to a smaller `tolerance` or a larger budget, from where it stopped; what it was made of is not repeated
        where the method kept its state. `SettingError` for one that was loaded or joined, which holds no network: the text says how to go on with it."""
        if self.continuation is None:
            raise SettingError(
                "this explanation was loaded or joined and holds no network; go on with it by the same call and resume=explanation: "
                f"pellucid.explain(model, x, '{self.method}', ..., resume=explanation, tolerance=...)."
            )
        return self.continuation.call(self, self.continuation.rows, tolerance, max_evaluations)

    def strongest(self, count: int = 5, *, sample: int = 0, level: float = 0.95) -> Ranking:
        """The features with the largest absolute values, and which of them are ahead of all that are left out. Errors of two features count as
        independent; `level` holds for all `count` statements together (Bonferroni)."""
        if count < 1:
            raise SettingError(f"count must be at least 1, got {count}.")
        self._check_one()
        one = self[sample]
        values, error = one.values[0].ravel(), np.nan_to_num(one.error[0].ravel(), nan=np.inf)
        mask = one.counted_mask[0]
        present = np.flatnonzero(mask)
        order = present[np.argsort(-np.abs(values[present]), kind="stable")]
        chosen, rest = order[:count], order[count:]
        reach = float(t_quantile(1 - (1 - level) / (2 * max(len(chosen) * len(rest), 1)), one.degrees[0]))
        lead = np.abs(values[chosen])[:, None] - np.abs(values[rest])[None]
        ahead = (lead > reach * np.hypot(error[chosen][:, None], error[rest][None])).all(axis=1)
        return Ranking(chosen, tuple(one.feature_name(int(i), 0) for i in chosen), values[chosen], one.error[0].ravel()[chosen], ahead, level)

    def feature_name(self, number: int, sample: int | None = None) -> str:
        """What to call a value by its number in the flattened values: the feature's name, or its place. Of one sample as that was given, where a preprocessing
        told of it: the word, or the column with what it holds, "age = 40 years"."""
        self._check_one()
        return name_of(self, number, sample)

    @property
    def feature_mask(self) -> Array:
        """True where `values` holds a feature, False where it is padding; shape of `values`."""
        self._check_one()
        if self.features is None:
            return np.ones(self.values.shape, dtype=bool)
        mask = np.broadcast_to(self.features.present(self.values.shape[1]), (len(self), self.values.shape[1]))
        return mask[:, :, None] & mask[:, None, :] if self.of_pairs else mask

    @property
    def counted_mask(self) -> Array:
        """`feature_mask` with each pair of features once."""
        return np.triu(self.feature_mask) if self.of_pairs else self.feature_mask

    @property
    def of_pairs(self) -> bool:
        """Whether `values` are of pairs of features, (samples, features, features), main effects on the diagonal: the last axis is then called "other"."""
        return self.features is not None and len(self.axes) == 3 and self.axes[2] == f"other {self.axes[1]}"

    @property
    def shares(self) -> Array:
        """What each feature has of the score, shape of `values`; of pairs (samples, features): its main effect and half of what its pairs bring."""
        self._check_one()
        if not self.of_pairs:
            return self.values
        return np.asarray((self.values.sum(axis=2) + np.diagonal(self.values, axis1=1, axis2=2)) / 2)

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Lower and upper end of a pointwise interval at `level`; Student's t where the error was estimated from few draws."""
        if not 0 < level < 1:
            raise SettingError(f"level must lie between 0 and 1, got {level}; for 95 % write 0.95.")
        degrees = self.degrees.reshape(self.degrees.shape + (1,) * (self.values.ndim - self.degrees.ndim))
        reach = t_quantile((1 + level) / 2, degrees) * self.error
        return self.values - reach, self.values + reach

    def to_input(self) -> Array:
        """The values over the input's shape: features painted on their elements (of pairs, their `shares`), layer maps resized bilinearly, a layer's
        channels summed first. Shape of `inputs`. `UnsupportedError` for a layer whose units lie on no grid."""
        self._check_one()
        if self.features is not None:
            return self.features.spread(self.shares, self.inputs.shape[1:])
        if self.values.shape == self.inputs.shape:
            return self.values
        if not self.on_grid:
            raise UnsupportedError(f"values of shape {self.values.shape[1:]} at layer '{self.layer}' lie on no grid; read `values`, or draw 'feature_bars'.")
        channels = channels_of(self)
        maps = to_last(self.values, self.provenance.get("resolved", {}).get("channels", channels)).sum(axis=-1) if self.values.ndim == 4 else self.values
        return from_last(resize(maps, to_last(self.inputs, channels).shape), channels)

    def to_dataframe(self, level: float = 0.95) -> Any:
        """A long table (pandas): a row for each sample, target and feature, padding left out; of pairs of features, for each pair once.

        Columns: method, sample (its number in the data where the record knows it), target, input (of several), feature, other (of pairs), an index for each
        axis of a grid, data (what the input holds there, the mean over a feature's elements), value, error, low and high (the interval at `level`), score,
        outcome; choice_low and choice_high, the range over choices where some were varied. `MissingExtraError` where pandas is not installed.

        >>> import numpy as np, pellucid
        >>> found = pellucid.explain(lambda x: x @ np.array([[1.0], [2.0]]), np.array([[3.0, 4.0]]), "shap")
        >>> found.to_dataframe()[["feature", "data", "value"]].values.tolist()
        [['column 0', 3.0, 3.0], ['column 1', 4.0, 8.0]]
        """
        return to_dataframe(self, level)

    def to_json(self, level: float = 0.95) -> str:
        """The explanation as plain JSON, with NaN as null; docs/tables.md holds the schema. Not what it is gone on from: `pellucid.save` keeps all of it."""
        return to_json(self, level)

    def to_shap(self, level: float = 0.95) -> Any:
        """A `shap.Explanation`, so that SHAP's plots draw it: values (samples, *feature[, targets]), channels last, pairs halved as SHAP has them.

        `base_values` is the score at the baseline, or its mean over the fills or the background, from which the values add up to the score; for LIME the
        surrogate's intercept; NaN for methods whose definition has none (saliency, Grad-CAM, occlusion, RISE, …), so that a waterfall of them cannot be drawn.
        What a preprocessing told of (words, columns and what they held) is what SHAP's plots show. `lower_bounds` and `upper_bounds` are the interval at
        `level`. `MissingExtraError` where shap is not installed."""
        return to_shap(self, level)

    @property
    def layer(self) -> str:
        """The layer whose output the values are attributed to; empty where it is the input."""
        return str(self.provenance.get("resolved", {}).get("at", ""))

    @property
    def on_grid(self) -> bool:
        """Whether the values can be laid over the input."""
        return self.features is not None or self.values.shape == self.inputs.shape or (self.values.ndim in (3, 4) and self.inputs.ndim == 4)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{i}</td><td>{html.escape(self.target.labels[i])}</td><td>{', '.join(f'{one:.4g}' for one in np.atleast_1d(self.score[i]))}</td>"
            f"<td>{int(self.cost.evaluations[i])}</td><td>{html.escape(str(self.outcome[i]))}</td></tr>"
            for i in range(min(len(self), 20))
        )
        more = f"<p>… and {len(self) - 20} more samples</p>" if len(self) > 20 else ""
        head = "".join(f"<th>{name}</th>" for name in ("sample", "target", f"score ({html.escape(self.target.score)})", "evaluations", "outcome"))
        return f"<b>Explanation</b> by {html.escape(self.method)}<table><tr>{head}</tr>{rows}</table>{more}"

    def __repr__(self) -> str:
        values = self.values.shape if self.packing is None or self.layer else dict(zip(self.packing.names, self.packing.shapes, strict=True))
        return f"Explanation({self.method!r}, samples={len(self)}, values={values}, outcome={self.outcome.worst.code!r})"


@dataclass(frozen=True)
class Inspection:
    """What a network is and what serves it: `methods` and `views` hold for each name an empty text, or the reason why it does not serve. `outputs` holds
    shapes by name; a single output, which needs no name, is called "". Shapes have no axis of samples."""

    framework: str
    input_shape: tuple[int | None, ...] | None
    head: str | None
    layers: tuple[Layer, ...]
    methods: Mapping[str, str]
    views: Mapping[str, str]
    fingerprint: str = ""
    inputs: tuple[InputSpec, ...] = ()
    outputs: Mapping[str, tuple[int | None, ...] | None] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(layer.name)}</td><td>{html.escape(layer.kind)}</td><td>{html.escape(str(layer.shape))}</td><td>{layer.parameters}</td></tr>"
            for layer in self.layers
        )
        return f"<b>{html.escape(self.framework)}</b><table><tr><th>layer</th><th>kind</th><th>shape</th><th>parameters</th></tr>{rows}</table>"


Located = TypeVar("Located", Explanation, View)


def located(record: Located, data: str, indices: Sequence[int]) -> Located:
    """The record, saying which samples of which data it is of."""
    return replace(record, provenance=dict(record.provenance) | {"data": data, "indices": [int(i) for i in indices]})


def concat(explanations: Sequence[Explanation]) -> Explanation:
    """One explanation of all the samples, in order. All must come from one method, with features of one kind and shape; where samples have features of
    their own (superpixels), fewer are padded as within one explanation."""
    if not explanations:
        raise SettingError("concat needs at least one explanation, got none.")
    explanations = _padded(explanations)
    first = explanations[0]
    for other in explanations[1:]:
        if (other.method, other.axes, other.values.shape[1:], other.packing, other.targets) != (
            first.method,
            first.axes,
            first.values.shape[1:],
            first.packing,
            first.targets,
        ):
            raise SettingError(f"cannot join {first!r} and {other!r}: method, axes, inputs and feature shapes must agree.")

    def joined(arrays: Sequence[Array | None]) -> Array | None:
        present = [array for array in arrays if array is not None]
        return np.concatenate(present) if len(present) == len(arrays) else None

    def full(e: Explanation) -> Array | None:
        return None if e.baseline is None else np.broadcast_to(e.baseline, e.inputs.shape)

    features = first.features
    if features is not None:
        labels = [np.broadcast_to(e.features.labels, (len(e), *e.features.labels.shape[1:])) for e in explanations if e.features is not None]
        names = max((e.features.names for e in explanations if e.features is not None), key=len)
        features = FeatureMap(np.concatenate(labels), names, features.kind)
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(e, name) for e in explanations]) for name in ("values", "error", "inputs", "prediction", "score", "degrees")
    }
    return replace(
        first,
        **arrays,
        target=replace(
            first.target,
            labels=tuple(label for e in explanations for label in e.target.labels),
            each=tuple(labels for e in explanations for labels in e.target.each),
        ),
        cost=Cost(
            np.concatenate([e.cost.evaluations for e in explanations]),
            np.concatenate([e.cost.gradients for e in explanations]),
            sum(e.cost.seconds for e in explanations),
        ),
        outcome=Outcomes(tuple(outcome for e in explanations for outcome in e.outcome)),
        baseline=joined([full(e) for e in explanations]),
        baseline_score=joined([e.baseline_score for e in explanations]),
        features=features,
        provenance=_joined([e.provenance for e in explanations]),
        error_kind=next((e.error_kind for e in explanations if e.error_kind != "exact"), "exact"),
        statistics=_joined_statistics([e.statistics for e in explanations]),
        state=_joined_states([e.state for e in explanations]),
        choices=joined_choices([e.choices for e in explanations]),
        continuation=None,
    )


def _padded(explanations: Sequence[Explanation]) -> Sequence[Explanation]:
    """Explanations by features of their own with as many columns as the one that has most; of several inputs, each input with as many as it has at most."""
    widths = {e.values.shape[1:] for e in explanations}
    if any(e.features is None or e.axes != explanations[0].axes for e in explanations):
        return explanations
    if explanations[0].packing is not None:
        names = _all_names([e.features.names for e in explanations if e.features is not None], explanations[0].packing)
        return [_renumbered(e, names) for e in explanations]
    if len(widths) < 2:
        return explanations
    lead = 2 if explanations[0].targets else 1
    most = max(e.values.shape[lead] for e in explanations)

    def wide(array: Array, had: int) -> Array:
        return np.pad(array, [(0, 0)] * lead + [(0, most - had if size == had else 0) for size in array.shape[lead:]])

    return [replace(e, values=wide(e.values, e.values.shape[lead]), error=wide(e.error, e.values.shape[lead])) for e in explanations]


def _all_names(given: Sequence[tuple[str, ...]], packing: Packing) -> tuple[str, ...]:
    """The longest list of names that each input has, one input after the other."""
    blocks = [max(([name for name in names if name.startswith(f"{one}: ")] for names in given), key=len) for one in packing.names]
    return tuple(name for block in blocks for name in block)


def _renumbered(explanation: Explanation, names: tuple[str, ...]) -> Explanation:
    """The same with features numbered by a longer list of names."""
    features = explanation.features
    if features is None or features.names == names or any(name not in names for name in features.names):
        return explanation
    place = np.array([*(names.index(name) for name in features.names), -1])
    lead = 1 + bool(explanation.targets)

    def wide(array: Array) -> Array:
        out = np.zeros((*array.shape[:lead], *(len(names),) * (array.ndim - lead)), array.dtype)
        out[np.ix_(*(np.arange(size) for size in array.shape[:lead]), *(place[:-1],) * (array.ndim - lead))] = array
        return out

    labels = FeatureMap(place[features.labels], names, features.kind)
    return replace(explanation, values=wide(explanation.values), error=wide(explanation.error), features=labels)


def _joined_statistics(statistics: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """What all have, in arrays of one shape a sample."""
    common = [name for name in statistics[0] if all(name in one and one[name].shape[1:] == statistics[0][name].shape[1:] for one in statistics)]
    return {name: np.concatenate([one[name] for one in statistics]) for name in common}


def _joined_states(states: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """The states of all, where all have the same arrays of the same shapes a sample; else none."""
    shapes = [{name: array.shape[1:] for name, array in state.items()} for state in states]
    return {name: np.concatenate([state[name] for state in states]) for name in shapes[0]} if all(one == shapes[0] for one in shapes) else {}


def t_quantile(probability: float, degrees: Array | float) -> Array:
    """Student's t quantile: the Cornish–Fisher expansion (Abramowitz & Stegun 26.7.5) from 4 degrees of freedom on, within .3 %. Below,
    the closed forms for 1 and 2 and, between those and the expansion at 4, a line in 1/degrees, which is wider and never narrower.
    Fewer than one count as one; `probability` is at least ½.

    >>> round(float(t_quantile(0.975, 10)), 2), round(float(t_quantile(0.975, 2)), 2)
    (2.23, 4.3)
    """
    found = np.maximum(np.asarray(degrees, dtype=float), 1.0)
    tail = 2 * probability - 1
    known = [_expanded_t(probability, np.asarray(4.0)), tail * np.sqrt(2 / (1 - tail**2)), np.tan(np.pi * tail / 2)]
    few = np.interp(1 / found, [0.25, 0.5, 1.0], np.array(known, dtype=float))
    return np.where(found < 4, few, _expanded_t(probability, np.maximum(found, 4.0)))


def _expanded_t(probability: float, degrees: Array) -> Array:
    z, v = NormalDist().inv_cdf(probability), degrees
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    quantile: Array = z + np.sum([term / v ** (k + 1) for k, term in enumerate(terms)], axis=0)
    return quantile


def resize(maps: Array, shape: tuple[int, ...]) -> Array:
    """Layer maps (samples, height, width) over inputs of `shape` (samples, rows, columns[, channels]), bilinear between cell centres."""
    out = maps.astype(np.float64)
    for axis, size in ((1, shape[1]), (2, shape[2])):
        cells = out.shape[axis]
        where = np.clip((np.arange(size) + 0.5) * cells / size - 0.5, 0, cells - 1)
        low = np.floor(where).astype(int)
        high = np.minimum(low + 1, cells - 1)
        part = (where - low).reshape([-1 if a == axis else 1 for a in range(out.ndim)])
        out = np.take(out, low, axis) * (1 - part) + np.take(out, high, axis) * part
    return np.broadcast_to(out.reshape(out.shape + (1,) * (len(shape) - out.ndim)), shape).astype(maps.dtype)
