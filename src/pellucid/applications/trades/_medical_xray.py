"""Chest X-rays: where in the picture the network looked, and whether the picture's border alone would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.applications import _intervals, _quality
from pellucid.applications._work import Work
from pellucid.applications.trades import _medical_common as common
from pellucid.applications.trades._medical_common import Array, Case, Part
from pellucid.core.features import FeatureMap
from pellucid.core.language import later, percent
from pellucid.core.language import said as _
from pellucid.core.records import Explanation
from pellucid.data.dataset import Dataset
from pellucid.data.preprocessings.image import Image
from pellucid.figures import panels, png_bytes
from pellucid.figures.attribution_map import attribution_map
from pellucid.figures.input_image import input_image
from pellucid.figures.intervals import intervals
from pellucid.recipes.schedule import Schedule
from pellucid.report.pictures import Picture
from pellucid.report.story import Chapter, Grid

DATA, NETWORK = "pneumoniamnist", "xray"
WHAT = later("chest X-rays")
SCHEDULE = Schedule(epochs=12, batch=64, rate=2e-3, shift=0.04, turn=0.015)
"""Of the shifts and turns that were tried, the ones by which a part of the training X-rays was told best."""
NORMAL, PNEUMONIA = 0, 1
RING = 4
"""Pixels of the border on each side: 384 of 784, so that border and centre are nearly as large."""
WIDTHS = (1, 2, 4, 6)
EACH, EACH_QUICK = 150, 10
"""Held-out X-rays of each class over which attributions are averaged."""
FIELDS = (later("upper left field"), later("upper right field"), later("lower left field"), later("lower right field"))
SIDES = (later("top border"), later("left border"), later("right border"), later("bottom border"))
REGIONS = (*FIELDS, *SIDES)
"""As they lie in the picture, whose left is the patient's right where it is shown as X-rays usually are."""


def ring_of(shape: tuple[int, ...], width: int) -> Array:
    """True where a picture (height, width, channels) lies within so many pixels of its edge.

    >>> int(ring_of((28, 28, 1), 4).sum())
    384
    """
    ring = np.ones(shape, dtype=bool)
    ring[width:-width, width:-width] = False
    return ring


def regions_of(shape: tuple[int, ...], names: tuple[str, ...] = REGIONS) -> FeatureMap:
    """Four fields of the centre and four sides of the border, over pictures (height, width, channels)."""
    height, width = shape[:2]
    down, across = np.indices((height, width))
    field = 2 * (down >= height / 2) + (across >= width / 2)
    side = np.select([down < RING, down >= height - RING, across < RING], [4, 7, 5], 6)
    return FeatureMap(np.where(ring_of((height, width), RING), side, field)[None, ..., None], names, "regions")


def part(work: Work) -> Part | None:
    """Train, measure and explain; None where the X-rays are not to be had."""
    data = common.loaded(work, DATA, WHAT)
    if data is None:
        return None
    train, held = data
    prepared = Image(held.inputs.shape[1:3])
    work.train(NETWORK, "cnn", data, preprocessing=prepared, schedule=SCHEDULE, quick_epochs=2)
    outputs, labels = work.outputs(NETWORK, held, prepared), np.asarray(held.labels)
    work.qualities.append(_quality.accuracy(NETWORK, outputs, labels))
    fill = train.inputs.mean(axis=0)
    work.tell("X-rays: centre against border")
    found: dict[str, Any] = {"classes": common.by_class(outputs, labels, held.class_names), "mistakes": _mistakes(outputs, labels)}
    found["trained_on"] = common.by_class(work.outputs(NETWORK, train, prepared), np.asarray(train.labels), train.class_names)
    found["whole"] = told_apart(outputs, labels, held.class_names)
    found["filled"] = _filled(work, held, prepared, fill, outputs)
    found["alone"] = _alone(work, data, prepared, fill, outputs)
    rows = common.spread(labels, EACH_QUICK if work.quick else EACH, work.seed)
    many, found["where"] = _where(work, held, rows, prepared, fill)
    cases = common.choose(outputs, labels, NORMAL, quick=work.quick)
    told = _told(work, held, cases, prepared, fill)
    work.found[NETWORK] = found
    seen = {"fill": fill, "whole": held.inputs[cases[0].row]}
    return Part(NETWORK, WHAT, held, outputs, cases, told, found, lambda: _chapters(found, many, seen, held.class_names), lambda: _actions(found))


def _explained(work: Work, held: Dataset, rows: list[int], prepared: Image, fill: Array, *, case: bool) -> tuple[Explanation, Explanation]:
    """Integrated Gradients over pixels, and SHAP over the regions, every coalition taken, both from the mean training X-ray."""
    names = common.spoken(work, held.class_names)
    shared: dict[str, Any] = {"preprocessing": prepared, "score": common.SCORE, "class_names": names, "case": case}
    if not case:
        shared["target"] = PNEUMONIA
    regions = regions_of(held.inputs.shape[1:], common.spoken(work, REGIONS))
    first = work.explain(NETWORK, "integrated_gradients", held, rows, baseline=fill, **shared)
    return first, work.explain(NETWORK, "shap", held, rows, features=regions, fill=fill, **shared)


def _told(work: Work, held: Dataset, cases: list[Case], prepared: Image, fill: Array) -> list[Explanation]:
    work.tell(f"explaining {len(cases)} X-rays")
    return list(_explained(work, held, [case.row for case in cases], prepared, fill, case=True))


def _where(work: Work, held: Dataset, rows: list[int], prepared: Image, fill: Array) -> tuple[Explanation, dict[str, Any]]:
    """Over many X-rays the share of each region, by both methods, and which way it spoke in each class."""
    work.tell(f"X-rays: regions of {len(rows)}")
    gradients, shap = _explained(work, held, rows, prepared, fill, case=False)
    labels, regions = np.asarray(held.labels)[rows], regions_of(held.inputs.shape[1:])
    painted = regions.labels[0, ..., 0].ravel()
    by_pixel = gradients.to_input()[..., 0].reshape(len(rows), -1).astype(float)
    per_region = np.stack([by_pixel[:, painted == i].sum(axis=1) for i in range(len(REGIONS))], axis=1)
    return shap, {"xrays": len(rows), **shares(shap.values, per_region, labels, held.class_names, np.bincount(painted) / painted.size)}


def shares(values: Array, others: Array, labels: Array, names: tuple[str, ...], areas: Array) -> dict[str, Any]:
    """What both methods' values (samples, regions) say: the share of all absolute values in each region and in the border; the mean value in each class, from
    the first method; how far both agree. `areas` are the regions' shares of the picture."""
    sizes, sides = _parts_of(values), len(FIELDS)
    agreement = common.ranks_agree(values, others)
    agreement = agreement[np.isfinite(agreement)]
    return {
        "share": {name: _intervals.mean(sizes[:, i]) for i, name in enumerate(REGIONS)},
        "area": {name: float(areas[i]) for i, name in enumerate(REGIONS)},
        "border": _intervals.mean(sizes[:, sides:].sum(axis=1)),
        "border_by_class": {name: _intervals.mean(sizes[labels == i, sides:].sum(axis=1)) for i, name in enumerate(names)},
        "border_by_gradients": _intervals.mean(_parts_of(others)[:, sides:].sum(axis=1)),
        "border_area": float(areas[sides:].sum()),
        "toward_pneumonia": {name: {region: _intervals.mean(values[labels == i, j]) for j, region in enumerate(REGIONS)} for i, name in enumerate(names)},
        "agreement": _intervals.mean(agreement) if len(agreement) > 1 else None,
        "same_strongest": _intervals.share(int((np.abs(values).argmax(axis=1) == np.abs(others).argmax(axis=1)).sum()), len(values)),
    }


def _parts_of(values: Array) -> Array:
    sizes = np.abs(values).astype(float)
    total = sizes.sum(axis=1, keepdims=True)
    return np.divide(sizes, total, out=np.zeros_like(sizes), where=total > 0)


def _mistakes(outputs: Array, labels: Array) -> dict[str, int]:
    answers = outputs.argmax(axis=1)
    return {"false_alarms": int(((labels == NORMAL) & (answers == PNEUMONIA)).sum()), "missed": int(((labels == PNEUMONIA) & (answers == NORMAL)).sum())}


def told_apart(outputs: Array, labels: Array, names: tuple[str, ...], whole: Array | None = None) -> dict[str, Any]:
    """How well two classes are told apart: accuracy, each class, the area under the curve; and what is lost against the answers to `whole` pictures."""
    hits = outputs.argmax(axis=1) == labels
    area = _quality.auc(NETWORK, outputs[:, PNEUMONIA].astype(float), labels)
    found = {"accuracy": _intervals.share(hits.sum(), len(hits)), "classes": common.by_class(outputs, labels, names), "auc": (area.value, *area.interval)}
    if whole is not None:
        found["lost"] = _intervals.mean((whole.argmax(axis=1) == labels).astype(float) - hits)
    return found


def _filled(work: Work, held: Dataset, prepared: Image, fill: Array, whole: Array) -> list[dict[str, Any]]:
    """The same network on X-rays whose border, or whose centre, holds the mean training X-ray, for borders of several widths."""
    labels, found = np.asarray(held.labels), []
    for width in WIDTHS:
        ring = ring_of(held.inputs.shape[1:], width)
        entry: dict[str, Any] = {"width": width, "area": float(ring.mean())}
        for name, hidden in (("border", ring), ("centre", ~ring)):
            samples = replace(held, inputs=common.composed(held.inputs, hidden, fill))
            entry[name] = told_apart(work.outputs(NETWORK, samples, prepared), labels, held.class_names, whole)
        found.append(entry)
    return found


def _alone(work: Work, data: tuple[Dataset, Dataset], prepared: Image, fill: Array, whole: Array) -> dict[str, Any]:
    """Networks of the same kind that were trained on the border alone and on the centre alone."""
    ring, found = ring_of(data[1].inputs.shape[1:], RING), {}
    for name, hidden in (("border", ~ring), ("centre", ring)):
        parts = (replace(data[0], inputs=common.composed(data[0].inputs, hidden, fill)), replace(data[1], inputs=common.composed(data[1].inputs, hidden, fill)))
        network = f"{NETWORK}-{name}"
        work.train(network, "cnn", parts, preprocessing=prepared, schedule=SCHEDULE, quick_epochs=1)
        found[name] = told_apart(work.outputs(network, parts[1], prepared), np.asarray(parts[1].labels), parts[1].class_names, whole)
    return found


def _chapters(found: Mapping[str, Any], many: Explanation, seen: Mapping[str, Array], names: tuple[str, ...]) -> list[Chapter]:
    labels = np.asarray(many.provenance["labels"])
    where = Chapter(_("Where in the X-ray"), tuple(where_words(found)), (_where_picture(many, labels, names),), (_where_grid(found["where"], names),))
    shortcut = Chapter(
        _("The centre against the border: does a shortcut help?"),
        tuple(shortcut_words(found)),
        (_filled_picture(many, seen), _width_picture(found)),
        (_shortcut_grid(found),),
    )
    return [where, shortcut]


def where_words(found: Mapping[str, Any]) -> list[str]:
    """Where the network looked, in sentences."""
    where = found["where"]
    ranked = sorted(FIELDS + SIDES, key=lambda name: -where["share"][name][0])
    first, second, last = ranked[0], ranked[1], ranked[-1]
    said = [
        _(
            "Over {count} held-out X-rays, drawn as many from each class, the {first} held the largest part of what moved the answer: {share}. "
            "The {second} follows with {other}, and the {last} held least, {least}."
        ).format(
            count=where["xrays"],
            first=_(first),
            share=common.percent_span(where["share"][first]),
            second=_(second),
            other=percent(where["share"][second][0]),
            last=_(last),
            least=percent(where["share"][last][0]),
        )
    ]
    spoke = where["toward_pneumonia"]["pneumonia"]
    toward = [name for name in ranked if spoke[name][1] > 0]
    against = [name for name in ranked if spoke[name][2] < 0]
    if toward:
        said.append(
            _("In X-rays with pneumonia these regions spoke for pneumonia on average: {names}.").format(names=common.listed([_(name) for name in toward]))
        )
    if against:
        said.append(
            _("In X-rays with pneumonia these regions spoke against it on average: {names}.").format(names=common.listed([_(name) for name in against]))
        )
    if not toward and not against:
        said.append(_("In X-rays with pneumonia no region spoke for or against it on average: every interval includes zero."))
    left, right = (sum(where["share"][name][0] for name in pair) for pair in (FIELDS[::2], FIELDS[1::2]))
    upper, lower = (sum(where["share"][name][0] for name in pair) for pair in (FIELDS[:2], FIELDS[2:]))
    said.append(
        _("The two left fields together held {left} and the two right ones {right}; the upper two {upper} and the lower two {lower}.").format(
            left=percent(left), right=percent(right), upper=percent(upper), lower=percent(lower)
        )
    )
    said.append(
        _(
            "Left and right are those of the picture: its left is the patient's right where it is shown as usual. The regions are cut by a ruler, not along "
            "the lungs: the border of {width} pixels also holds the edges of the lungs."
        ).format(width=RING)
    )
    return said


def _at(found: Mapping[str, Any], width: int) -> Mapping[str, Any]:
    return next(entry for entry in found["filled"] if entry["width"] == width)


def shortcut_words(found: Mapping[str, Any]) -> list[str]:
    """Whether the border helps, in sentences."""
    where, filled, alone = found["where"], _at(found, RING), found["alone"]
    share, area = where["border"], where["border_area"]
    less, more = share[2] < area, share[1] > area
    compared = _("less than its area") if less else _("more than its area") if more else _("no clearer than its area")
    said = [
        _(
            "The border of {width} pixels is {area} of the picture and held {share} of the attribution by SHAP, {compared}; by Integrated Gradients {other}."
        ).format(width=RING, area=percent(area), share=common.percent_span(share), compared=compared, other=common.percent_span(where["border_by_gradients"])),
        _(
            "With the border filled by the mean training X-ray the network loses {border}; with the centre filled it loses {centre}. "
            "A loss below zero is a gain."
        ).format(border=common.points(filled["border"]["lost"]), centre=common.points(filled["centre"]["lost"])),
        _(
            "How well the answers rank pneumonia above normal whatever the threshold (area under the curve; 0.5 is chance): {border} with the border filled, "
            "{centre} with the centre filled."
        ).format(border=common.number_span(filled["border"]["auc"], 3), centre=common.number_span(filled["centre"]["auc"], 3)),
    ]
    for name, text in (
        ("border", _("With the border filled, {normal} of the normal X-rays and {pneumonia} of those with pneumonia are told right.")),
        ("centre", _("With the centre filled, {normal} of the normal X-rays and {pneumonia} of those with pneumonia are told right.")),
    ):
        classes = filled[name]["classes"]
        said.append(text.format(normal=percent(classes["normal"]["right"][0]), pneumonia=percent(classes["pneumonia"]["right"][0])))
    said.append(
        _("A network that was trained on the border alone ranks X-rays with {border}, one that was trained on the centre alone with {centre}.").format(
            border=common.number_span(alone["border"]["auc"], 3), centre=common.number_span(alone["centre"]["auc"], 3)
        )
    )
    said.append(
        _(
            "A filled X-ray is like none that the network was trained on, and part of a loss may come from that alone; the networks that were trained on a "
            "part have seen nothing else."
        )
    )
    said.append(verdict_words(found))
    return said


def verdict_words(found: Mapping[str, Any]) -> str:
    """What the shortcut question comes to: whether the border tells, and whether this network uses it."""
    tells, uses = found["alone"]["border"]["auc"][1] > 0.5, _at(found, RING)["centre"]["auc"][1] > 0.5
    if tells and uses:
        return _("So the border alone tells something of the class, and this network uses it: a shortcut is open here, as far as the border holds no lung.")
    if tells:
        return _("So the border alone could tell something of the class, but with the centre filled this network is not shown to use it.")
    if uses:
        return _("So this network ranks X-rays by their border better than chance, although a network trained on the border alone is not shown to.")
    return _("So no use of the border is shown: neither this network with the centre filled nor one trained on the border alone beats chance.")


def _where_grid(where: Mapping[str, Any], names: tuple[str, ...]) -> Grid:
    rows = [
        (
            _(region),
            percent(where["area"][region]),
            common.percent_cell(where["share"][region]),
            *(common.number_cell(where["toward_pneumonia"][name][region]) for name in names),
        )
        for region in REGIONS
    ]
    heads = [_("toward pneumonia: {name}").format(name=_(name)) for name in names]
    caption = _(
        "SHAP over eight regions, every combination tried; what is absent holds the mean training X-ray. Values in half log odds. Means over X-rays, with "
        "their 95% intervals in brackets."
    )
    return Grid((_("region"), _("of the area"), _("of the attribution"), *heads), tuple(rows), caption)


def _shortcut_grid(found: Mapping[str, Any]) -> Grid:
    """What is told right, whole and in part, by the network and by those that were trained on a part."""
    filled, alone = _at(found, RING), found["alone"]
    heads = (_("whole X-ray"), _("border filled"), _("centre filled"), _("trained on the centre alone"), _("trained on the border alone"))
    entries = (found["whole"], filled["border"], filled["centre"], alone["centre"], alone["border"])
    rows = [
        (
            head,
            common.percent_cell(entry["accuracy"]),
            *(common.percent_cell(entry["classes"][name]["right"]) for name in ("normal", "pneumonia")),
            common.number_cell(entry["auc"], 3),
        )
        for head, entry in zip(heads, entries, strict=True)
    ]
    columns = (_("what is seen"), _("accuracy"), _("normal told right"), _("pneumonia told right"), _("area under the curve"))
    caption = _("Held-out X-rays, a border of {width} pixels; 95% intervals in brackets. What is filled holds the mean training X-ray.")
    return Grid(columns, tuple(rows), caption.format(width=RING))


def _width_picture(found: Mapping[str, Any]) -> Picture:
    """How well the network ranks with the border filled, and with the centre filled, by the border's width."""
    names = [_("{width} pixels, {area}").format(width=entry["width"], area=percent(entry["area"], 0)) for entry in found["filled"]]
    series = {
        title: np.array([entry[part]["auc"] for entry in found["filled"]]) for part, title in (("border", _("border filled")), ("centre", _("centre filled")))
    }
    first, *_others = intervals(names, series, zero=False, title=_("by the width of the border"), label=_("area under the curve"))
    alt = _("Area under the curve with the border filled and with the centre filled, for borders of several widths, with 95% intervals")
    return Picture("xray-widths", png_bytes(first.figure.figure, 150), alt)


def _where_picture(many: Explanation, labels: Array, names: tuple[str, ...]) -> Picture:
    """The mean attribution of each class over its mean X-ray, on one scale."""
    axes = panels(("map",) * len(names), 2.4)
    means = [_mean(many, labels == i) for i in range(len(names))]
    limit = float(max(np.abs(one.values).max() for one in means))
    for name, one, ax in zip(names, means, axes, strict=True):
        attribution_map(one, ax=ax, limit=limit, title=_(name))
    alt = _("Mean attribution toward pneumonia of each region, for normal X-rays and for those with pneumonia: red speaks for pneumonia, blue against it")
    return Picture("xray-where", png_bytes(axes[0].figure.figure, 150), alt)


def _mean(many: Explanation, chosen: Array) -> Explanation:
    """One explanation that holds the mean of several."""
    return replace(
        many[0], values=many.values[chosen].mean(axis=0, keepdims=True), error=many.error[:1] * 0, inputs=many.inputs[chosen].mean(axis=0, keepdims=True)
    )


def _filled_picture(many: Explanation, seen: Mapping[str, Array]) -> Picture:
    """One X-ray whole, with its border filled, and with its centre filled."""
    whole, fill = seen["whole"], seen["fill"]
    ring, axes = ring_of(whole.shape, RING), panels(("picture",) * 3, 2.1)
    titles = (_("whole"), _("border filled"), _("centre filled"))
    hidden = (np.zeros_like(ring), ring, ~ring)
    for title, part_hidden, ax in zip(titles, hidden, axes, strict=True):
        input_image(replace(many[0], inputs=common.composed(whole[None], part_hidden, fill)), ax=ax, title=title)
    alt = _("A held-out X-ray whole, with its border filled by the mean training X-ray, and with its centre filled")
    return Picture("xray-filled", png_bytes(axes[0].figure.figure, 150), alt)


def _actions(found: Mapping[str, Any]) -> list[str]:
    return [*shortcut_actions(found), *mistake_actions(found)]


def shortcut_actions(found: Mapping[str, Any]) -> list[str]:
    """What to do about the border."""
    border, centre = found["alone"]["border"], found["alone"]["centre"]
    if border["auc"][1] <= 0.5:
        return []
    said = _(
        "X-rays: the border alone ranks pneumonia above normal with {border}. Look there for what is no lung (markers, the cut of the picture, tubes), cut the "
        "X-rays along the lungs and train again."
    ).format(border=common.number_span(border["auc"], 3))
    lost = centre["lost"]
    if common.zero_in(lost):
        after = _("Trained on the centre alone, a network was not shown to do worse here: it loses {lost}.")
    elif lost[0] > 0:
        after = _("It has a price here: trained on the centre alone, a network loses {lost}.")
    else:
        after = _("Trained on the centre alone, a network even did better here: the loss is {lost}.")
    return [_("{sentence} {next}").format(sentence=said, next=after.format(lost=common.points(lost)))]


def mistake_actions(found: Mapping[str, Any]) -> list[str]:
    """What to do about the class that is told worse."""
    right = {name: entry["right"] for name, entry in found["classes"].items()}
    worse, better = sorted(right, key=lambda name: right[name][0])
    if right[worse][2] >= right[better][1]:
        return []
    seen = found["trained_on"][worse]["right"]
    said = _(
        "X-rays: of the class {worse} {held} are told right, of {better} {other}; on the X-rays it was trained on the network tells {seen} of {worse}. "
        "There were {alarms} false alarms and {missed} missed."
    ).format(
        worse=_(worse),
        held=common.percent_span(right[worse]),
        better=_(better),
        other=common.percent_span(right[better]),
        seen=percent(seen[0]),
        alarms=found["mistakes"]["false_alarms"],
        missed=found["mistakes"]["missed"],
    )
    if seen[1] > right[worse][2]:
        what = _("Collect X-rays of that class that were taken as the held-out ones were, for the training ones do not stand for them.")
    else:
        what = _("It is told worse on the training X-rays too: look at the pictures of that class that are mistaken, and at their labels.")
    return [_("{sentence} {next}").format(sentence=said, next=what)]
