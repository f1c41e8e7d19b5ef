"""Top examples: what of a data set excites a unit most and least, and the part of it that the unit sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from scipy import stats

from pellucid.core.errors import EmptyError, SettingError
from pellucid.core.language import later
from pellucid.core.model import Layer, Model, batches
from pellucid.core.scene import DATA, Scene, Shown, ViewMethod
from pellucid.core.view import NOTE, Finding
from pellucid.maths.streams import Moments
from pellucid.views._fields import Seen, seen_by
from pellucid.views._units import by_place, read

Array = np.ndarray
UNITS, BETWEEN = 16, 3
"""Units that are shown where none are named, and random samples beside them."""
MOST_BYTES, KEPT_BYTES = 48e6, 48e6
"""What the layers may give at a time, and what the record keeps of the data where it may choose how many units it shows."""
ENOUGH, OWNS = 10, 0.5
"""Samples that must excite a unit before it is said to belong to a class, and the least share of them that must be of that class."""
KINDS = ("most", "least", "between")


@dataclass(frozen=True)
class TopExamples(ViewMethod):
    """The samples of a data set, and the places in them, that excite a unit most and least, cut to what the unit sees.

    Use it to see what a channel looks for in real data, beside its `feature_visualization`, and whether a unit stands for a class. The data set is gone through
    twice, in batches; only the samples that are shown are kept. Without `layers`, the last convolution or recurrent layer is taken, or the last but one layer
    of a network with neither; without `units`, the 16 units whose strongest answer varies most from sample to sample, and none that gives zero for every one.

    A sample is ranked by a unit's strongest place in it. "least" are the places of the lowest values where a layer gives negative ones, and else the samples
    whose strongest place is the weakest. Equals are in the order of the data. The part of the input that a place sees (its receptive field) is measured: where
    gradients of some places are not zero, for several inputs; that is exact but for what max-pooling never lets through. A recurrent state sees all steps up
    to its own.

    units: numbers of units, one or several. count: how many samples of each kind.
    Shapes: per layer (units, examples), the values of the most exciting, in the layer's own units. Details: "unit" (units,), the units' numbers; "least" and
    "between" (units, examples), the latter of samples at random; of each kind, "most_index", its number in the data, "most_kept", its number in `inputs`, and
    "most_window" (units, examples, axes, 2), where the part begins and has ended on the input's rows and columns, time steps or tokens; "above_half", the
    share of samples that excite the unit to half of its most or more; with labels "most_label", "owner", the class most common among those, and "owner_share"
    (units, 3), its share among them and the ends of its 95 % interval (Wilson).
    Does not say what in the part excites the unit; take `integrated_gradients` of the unit for that.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.eye(2), np.zeros(2), "relu"), Dense(np.ones((2, 1)), np.zeros(1))], (2,))
    >>> view = pellucid.visualize(model, np.array([[1.0, 0.0], [3.0, 5.0], [2.0, 9.0]]), "top_examples", units=0, count=2)
    >>> view.values["dense_0"], view.details["dense_0"]["most_index"]
    (array([[3., 2.]]), array([[1, 2]]))
    """

    units: int | Sequence[int] | None = None
    count: int = 9

    title: ClassVar[str] = "Top examples"
    answers: ClassVar[str] = "Which samples, and which parts of them, excite a unit most and least?"
    citation: ClassVar[str] = "Zeiler & Fergus 2014, arXiv:1311.2901; Araujo, Norris & Sim 2019, doi:10.23915/distill.00021"
    looks_at: ClassVar[str] = DATA

    def __post_init__(self) -> None:
        if self.count < 1:
            raise SettingError(f"count={self.count} must be at least 1.")

    def show(self, scene: Scene) -> Shown:
        model, chosen = scene.model, scene.chosen(_default(scene.model))
        ranks, between, samples = self._ranked(scene, chosen)
        units = {layer.name: self._units(layer, ranks[layer.name], scene.inputs, samples, len(chosen)) for layer in chosen}
        findings = [finding for layer in chosen for finding in _silent(layer, ranks[layer.name])]
        for name, rank in ranks.items():
            rank.keep(units[name])
        wanted = sorted({*between, *(int(i) for rank in ranks.values() for i in np.concatenate([rank.most.index.ravel(), rank.least.index.ravel()]))})
        kept, counted = self._gone_through_again(scene, chosen, ranks, between, wanted, samples)
        number = {index: i for i, index in enumerate(wanted)}
        details, fields = {}, {}
        for layer in chosen:
            rank, made = ranks[layer.name], read(model, scene.inputs[:1], [layer])[layer.name]
            seen = seen_by(model, scene.inputs, layer, made, scene.seed)
            fields[f"a place of {layer.name} sees"] = seen.how
            details[layer.name] = rank.details(number, seen, made.shape[1:-1], scene.labels) | counted[layer.name].details()
            findings += _owned(layer, rank.units, counted[layer.name])
        values = {name: rank.most.value for name, rank in ranks.items()}
        chose = {f"least of {name}": "the lowest values" if rank.signed else "the weakest of the strongest places" for name, rank in ranks.items()}
        axes = dict.fromkeys(values, ("unit", "example"))
        return Shown(values, axes, fields | chose | {"samples": samples}, details, _AXES, findings, inputs=kept)

    def _ranked(self, scene: Scene, chosen: Sequence[Layer]) -> tuple[dict[str, Rank], list[int], int]:
        """What excites each unit most and least, some samples at random, and how many there are."""
        ranks: dict[str, Rank] = {}
        generator, between, samples = np.random.default_rng(scene.seed), list[int](), 0
        for part in _parts(scene, chosen):
            for name, values in read(scene.model, part, chosen).items():
                placed = np.nan_to_num(by_place(values))
                ranks.setdefault(name, Rank(placed.shape[-1], self.count)).add(placed, samples)
            for i in range(samples, samples + len(part)):  # each sample as likely as any other, whatever their number
                place = i if i < BETWEEN else int(generator.integers(i + 1))
                if i < BETWEEN:
                    between.append(i)
                elif place < BETWEEN:
                    between[place] = i
            samples += len(part)
            scene.progress(0.5 * samples / scene.data.count if scene.data is not None and scene.data.count else 0.0)
        if not samples:
            raise EmptyError("the data set holds no sample.")
        return ranks, sorted(between), samples

    def _units(self, layer: Layer, rank: Rank, inputs: Array, samples: int, layers: int) -> Array:
        """The numbers of the units that are shown."""
        total = rank.most.value.shape[0]
        if self.units is not None:
            units = np.atleast_1d(np.asarray(self.units))
            if units.dtype.kind not in "iu" or not len(units) or units.min() < 0 or units.max() >= total:
                raise SettingError(f"units={self.units}: layer '{layer.name}' has {total} units, numbered 0 to {total - 1}.")
            return units
        room = KEPT_BYTES / max(inputs[0].nbytes, 1) / layers / min(2 * self.count, samples)
        order = np.argsort(-rank.strongest.deviation.round(12), kind="stable")
        telling = order[~rank.silent[order]]
        return (telling if len(telling) else order)[: max(1, min(UNITS, int(room)))]

    def _gone_through_again(
        self, scene: Scene, chosen: Sequence[Layer], ranks: Mapping[str, Rank], between: Sequence[int], wanted: Sequence[int], samples: int
    ) -> tuple[Array, dict[str, _Counted]]:
        """The samples that are kept, and how many excite a unit to half of its most; the random ones are looked at beside."""
        classes = 0 if scene.labels is None else int(scene.labels.max(initial=0)) + 1
        counted = {name: _Counted(rank.most.value[:, 0], classes) for name, rank in ranks.items()}
        kept, at = [], 0
        for part in _parts(scene, chosen):
            labels = None if scene.labels is None else scene.labels[at : at + len(part)]
            for name, values in read(scene.model, part, chosen).items():
                placed = np.nan_to_num(by_place(values))[..., ranks[name].units]
                counted[name].add(placed.max(axis=1), labels)
                ranks[name].beside(placed, at, between)
            kept += [part[index - at].copy() for index in wanted if at <= index < at + len(part)]
            at += len(part)
            scene.progress(0.5 + 0.5 * at / samples)
        return np.stack(kept), counted


_AXES: Mapping[str, tuple[str, ...]] = {
    "unit": ("unit",),
    "least": ("unit", "example"),
    "between": ("unit", "other"),
    **{f"{kind}_{what}": ("unit", "other" if kind == "between" else "example") for kind in KINDS for what in ("index", "kept", "label")},
    **{f"{kind}_window": ("unit", "other" if kind == "between" else "example", "axis", "end") for kind in KINDS},
    "above_half": ("unit",),
    "owner": ("unit",),
    "owner_share": ("unit", "share"),
}


@dataclass
class Best:
    """For each unit the values that come first, with the numbers of their samples and of their places, (units, examples)."""

    value: Array
    index: Array
    place: Array

    @classmethod
    def none(cls, units: int) -> Best:
        return cls(np.zeros((units, 0)), np.zeros((units, 0), np.int64), np.zeros((units, 0), np.int64))

    def merge(self, value: Array, place: Array, start: int, count: int, sign: int) -> None:
        """Take in a batch's values and places (samples, units); the largest come first, or, with `sign` −1, the smallest, of equals the earlier."""
        index = np.broadcast_to(np.arange(start, start + len(value)), value.T.shape)
        values, indices, places = (np.concatenate([old, new], axis=1) for old, new in ((self.value, value.T), (self.index, index), (self.place, place.T)))
        order = np.argsort(-sign * values, axis=1, kind="stable")[:, :count]
        self.value, self.index, self.place = (np.take_along_axis(one, order, axis=1) for one in (values, indices, places))

    def rows(self, units: Array) -> Best:
        return Best(self.value[units], self.index[units], self.place[units])


@dataclass
class Rank:
    """What is known of a layer's units so far."""

    width: int
    count: int
    most: Best = field(init=False)
    least: Best = field(init=False)
    lowest: Best = field(init=False)
    strongest: Moments = field(init=False)
    units: Array = field(init=False)
    other: dict[int, tuple[Array, Array]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.most, self.least, self.lowest = (Best.none(self.width) for _ in range(3))
        self.strongest, self.units = Moments(self.width), np.arange(self.width)

    def add(self, placed: Array, start: int) -> None:
        """Take in values (samples, places, units); samples are numbered from `start`."""
        high, low = placed.argmax(axis=1), placed.argmin(axis=1)
        highest = np.take_along_axis(placed, high[:, None], axis=1)[:, 0].astype(np.float64)
        lowest = np.take_along_axis(placed, low[:, None], axis=1)[:, 0].astype(np.float64)
        self.strongest.add(highest)
        self.most.merge(highest, high, start, self.count, 1)
        self.least.merge(highest, high, start, self.count, -1)
        self.lowest.merge(lowest, low, start, self.count, -1)

    @property
    def silent(self) -> Array:
        """Which units no sample excites, of a layer that never gives less than zero, (units,)."""
        return np.asarray((self.most.value[:, 0] <= 0) & (not self.signed))

    @property
    def signed(self) -> bool:
        """Whether any unit gives less than zero."""
        return bool((self.lowest.value < 0).any())

    def keep(self, units: Array) -> None:
        """Forget all but some units."""
        least = self.lowest if self.signed else self.least
        self.most, self.least, self.lowest, self.units = self.most.rows(units), least.rows(units), self.lowest.rows(units), units

    def beside(self, placed: Array, start: int, between: Sequence[int]) -> None:
        """Note the strongest places of random samples."""
        for index in between:
            if start <= index < start + len(placed):
                values = placed[index - start]
                self.other[index] = values.max(axis=0).astype(np.float64), values.argmax(axis=0)

    def details(self, number: Mapping[int, int], seen: Seen, places: tuple[int, ...], labels: Array | None) -> dict[str, Array]:
        """The arrays of a layer, of samples by their `number` among those that are kept."""
        order = sorted(self.other)
        index = np.broadcast_to(np.array(order), (len(self.units), len(order)))
        other = Best(np.stack([self.other[i][0] for i in order], axis=1), index, np.stack([self.other[i][1] for i in order], axis=1))
        found: dict[str, Array] = {"unit": np.asarray(self.units), "least": self.least.value, "between": other.value}
        for kind, best in zip(KINDS, (self.most, self.least, other), strict=True):
            found[f"{kind}_index"] = np.array(best.index)
            found[f"{kind}_kept"] = np.vectorize(number.__getitem__, otypes=[np.int64])(best.index)
            if labels is not None:
                found[f"{kind}_label"] = labels[best.index]
            if seen.fields:
                where = np.stack(np.unravel_index(best.place, places), axis=-1) if places else np.zeros((*best.place.shape, 0), np.int64)
                found[f"{kind}_window"] = seen.windows(where)
        return found


class _Counted:
    """How many samples excite each unit to half of its most or more, and of which classes they are."""

    def __init__(self, most: Array, classes: int) -> None:
        self.half, self.positive = most / 2, most > 0
        self.samples, self.above = 0, np.zeros(len(most), np.int64)
        self.by_class, self.of_class = np.zeros((len(most), classes), np.int64), np.zeros(classes, np.int64)

    def add(self, strongest: Array, labels: Array | None) -> None:
        """Take in the strongest answers (samples, units)."""
        above = (strongest >= self.half) & self.positive
        self.samples += len(strongest)
        self.above += above.sum(axis=0)
        if labels is not None and self.by_class.shape[1]:
            self.of_class += np.bincount(labels, minlength=self.by_class.shape[1])
            for i in range(above.shape[1]):
                self.by_class[i] += np.bincount(labels[above[:, i]], minlength=self.by_class.shape[1])

    def owners(self) -> tuple[Array, Array]:
        """By unit the class most common above half, and its share with the ends of its 95 % interval (units, 3); 0 of nothing."""
        owner = self.by_class.argmax(axis=1)
        share = np.zeros((len(owner), 3))
        for i, count in enumerate(self.above):
            if count:
                hit = int(self.by_class[i, owner[i]])
                low, high = stats.binomtest(hit, int(count)).proportion_ci(method="wilson")
                share[i] = hit / count, low, high
        return owner, share

    def details(self) -> dict[str, Array]:
        found = {"above_half": self.above / max(self.samples, 1)}
        if self.by_class.shape[1]:
            found |= dict(zip(("owner", "owner_share"), self.owners(), strict=True))
        return found


def _silent(layer: Layer, rank: Rank) -> list[Finding]:
    """Units that no sample excites."""
    silent = rank.silent
    if not silent.any():
        return []
    text = later(
        "{count} of the {units} units of {layer}, unit {unit} among them, give zero for every sample, so that nothing is an example of what excites them."
    )
    numbers = {"count": int(silent.sum()), "units": len(silent), "unit": int(silent.argmax())}
    return [Finding("silent units", layer.name, text, later("See in activation_statistics whether they are dead."), numbers, NOTE)]


def _owned(layer: Layer, units: Array, counted: _Counted) -> list[Finding]:
    """Units that one class owns: most of what excites them is of it, and it is not as common in the data."""
    if not counted.by_class.shape[1]:
        return []
    owner, share = counted.owners()
    base = counted.of_class / max(counted.samples, 1)
    owned = (counted.above >= ENOUGH) & (share[:, 1] > OWNS) & (share[:, 1] > base[owner])
    if not owned.any():
        return []
    best = int(np.where(owned, share[:, 1], -1).argmax())
    numbers: dict[str, float] = {"count": int(owned.sum()), "units": len(units), "unit": int(units[best]), "class": int(owner[best])}
    numbers |= {"share": float(share[best, 0]), "share_low": float(share[best, 1]), "share_high": float(share[best, 2])}
    text = later(
        "{count} of the {units} units shown of {layer} belong to a class each: of the samples that excite unit {unit} to half of its most or more, {share} are "
        "of class {class} (95 %: {share_low} to {share_high})."
    )
    advice = later("Such a unit tells classes apart, but need not be the only one; ablate it to see whether the network needs it.")
    return [Finding("class unit", layer.name, text, advice, numbers, NOTE)]


def _parts(scene: Scene, chosen: Sequence[Layer]) -> Iterator[Array]:
    """The data set in parts of which the layers do not give more than is allowed at a time."""
    size = 4.0 * sum(float(np.prod([number or 1 for number in layer.shape or ()])) for layer in chosen)
    for batch in scene.data or (scene.inputs,):
        for part in batches(len(batch), max(1, int(MOST_BYTES // max(size, 1.0)))):
            yield batch[part]


def _default(model: Model) -> list[Layer]:
    """The last layer that has units in places; of a network without any, the last but one."""
    telling = [layer for layer in model.layers() if "Conv" in layer.kind or layer.sequential]
    others = [layer for layer in model.layers() if layer.shape is not None and layer.parameters] or list(model.layers())
    return telling[-1:] or others[-2:-1] or others
