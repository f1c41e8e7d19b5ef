"""Heartbeats: when in the beat the network looked, and whether it needs the beat to stand where it stands."""

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
from pellucid.data.preprocessings.series import Series
from pellucid.figures import png_bytes
from pellucid.figures.series_line import series_line
from pellucid.recipes.schedule import Schedule
from pellucid.report.pictures import Picture
from pellucid.report.story import Chapter, Grid

DATA, NETWORK = "ecg5000", "heartbeat"
WHAT = later("heartbeats")
SCHEDULE = Schedule(epochs=60, batch=32, rate=4e-3)
"""By what a fifth of the 500 training beats said of 40 and of 80 passes."""
NORMAL = 0
WINDOW = 14
"""Steps of a window: ten of them are few enough for every combination to be tried."""
EACH, EACH_QUICK = 15, 3
"""Held-out beats of each class over which attributions are averaged."""
SHIFTS = (-14, -7, -3, 3, 7, 14)
FEW_BEATS = 400
"""Held-out beats that are filled and shifted in a quick try."""
FEW = 2
"""Windows that are filled at once: those ranked first, and those ranked last."""
SHOWN = 4
"""Classes whose mean beats are drawn, the commonest."""


def windows_of(steps: int) -> FeatureMap:
    """Windows of so many steps of a series (steps, 1), named by them."""
    labels = np.arange(steps) // WINDOW
    names = tuple(f"{WINDOW * i}–{min(WINDOW * (i + 1), steps) - 1}" for i in range(int(labels[-1]) + 1))
    return FeatureMap(labels[None, :, None], names, "windows")


def part(work: Work) -> Part | None:
    """Train, measure and explain; None where the heartbeats are not to be had."""
    data = common.loaded(work, DATA, WHAT)
    if data is None:
        return None
    train, held = data
    prepared = Series(held.inputs.shape[1], names=("ECG",))
    work.train(NETWORK, "rnn", data, preprocessing=prepared, schedule=SCHEDULE, quick_epochs=6)
    outputs, labels = work.outputs(NETWORK, held, prepared), np.asarray(held.labels)
    work.qualities.append(_quality.accuracy(NETWORK, outputs, labels))
    fill = train.inputs.mean(axis=0)
    trained_on = {name: int((np.asarray(train.labels) == i).sum()) for i, name in enumerate(train.class_names)}
    found: dict[str, Any] = {"classes": common.by_class(outputs, labels, held.class_names), "trained_on": trained_on, "mistakes": _mistakes(outputs, labels)}
    rows = common.spread(labels, EACH_QUICK if work.quick else EACH, work.seed)
    many, found["when"] = _when(work, held, rows, prepared, fill)
    work.tell("heartbeats: windows filled, beats shifted")
    ranked = found["when"]["ranked"]
    others = held.take(np.setdiff1d(np.arange(len(held)), rows)[: FEW_BEATS if work.quick else None])
    found["filled"] = {name: _lost_without(work, others, prepared, fill, chosen) for name, chosen in (("first", ranked[:FEW]), ("last", ranked[-FEW:]))}
    found["shifted"] = {str(shift): _lost_shifted(work, others, prepared, shift) for shift in SHIFTS}
    cases = common.choose(outputs, labels, NORMAL, quick=work.quick)
    told = _told(work, held, cases, prepared, fill)
    work.found[NETWORK] = found
    return Part(NETWORK, WHAT, held, outputs, cases, told, found, lambda: _chapters(found, many, held.class_names), lambda: _actions(found))


def _mistakes(outputs: Array, labels: Array) -> dict[str, int]:
    answers = outputs.argmax(axis=1)
    return {
        "false_alarms": int(((labels == NORMAL) & (answers != NORMAL)).sum()),
        "missed": int(((labels != NORMAL) & (answers == NORMAL)).sum()),
        "mixed_up": int(((labels != NORMAL) & (answers != NORMAL) & (answers != labels)).sum()),
    }


def _explained(work: Work, held: Dataset, rows: list[int], prepared: Series, fill: Array, *, case: bool) -> tuple[Explanation, Explanation]:
    """Integrated Gradients over steps, and SHAP over windows, every coalition taken, both from the mean training beat."""
    names = common.spoken(work, held.class_names)
    shared: dict[str, Any] = {"preprocessing": prepared, "score": common.SCORE, "class_names": names, "case": case}
    first = work.explain(NETWORK, "integrated_gradients", held, rows, baseline=fill, **shared)
    return first, work.explain(NETWORK, "shap", held, rows, features=windows_of(held.inputs.shape[1]), fill=fill, **shared)


def _told(work: Work, held: Dataset, cases: list[Case], prepared: Series, fill: Array) -> list[Explanation]:
    work.tell(f"explaining {len(cases)} heartbeats")
    return list(_explained(work, held, [case.row for case in cases], prepared, fill, case=True))


def _when(work: Work, held: Dataset, rows: list[int], prepared: Series, fill: Array) -> tuple[Explanation, dict[str, Any]]:
    """Over many beats the share of each window, class by class, and how far both methods agree."""
    work.tell(f"heartbeats: windows of {len(rows)}")
    gradients, shap = _explained(work, held, rows, prepared, fill, case=False)
    windows = windows_of(held.inputs.shape[1])
    by_step = gradients.to_input()[..., 0].astype(float)
    per_window = np.stack([by_step[:, windows.labels[0, :, 0] == i].sum(axis=1) for i in range(len(windows.names))], axis=1)
    return shap, {"beats": len(rows), **shares(shap.values, per_window, np.asarray(held.labels)[rows], windows.names, held.class_names)}


def shares(values: Array, others: Array, labels: Array, windows: tuple[str, ...], names: tuple[str, ...]) -> dict[str, Any]:
    """What values (samples, windows) say: the share of all absolute values in each window, over the classes alike and in each; which windows come first."""
    sizes = np.abs(values).astype(float)
    sizes = sizes / np.maximum(sizes.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    there = [i for i in range(len(names)) if (labels == i).any()]
    mean = np.mean([sizes[labels == i].mean(axis=0) for i in there], axis=0)
    agreement = common.ranks_agree(values, others)
    agreement = agreement[np.isfinite(agreement)]
    return {
        "windows": list(windows),
        "share": {name: _intervals.mean(sizes[:, i]) for i, name in enumerate(windows)},
        "by_class": {names[i]: {name: _intervals.mean(sizes[labels == i, j]) for j, name in enumerate(windows)} for i in there},
        "ranked": [int(i) for i in np.argsort(-mean, kind="stable")],
        "agreement": _intervals.mean(agreement) if len(agreement) > 1 else None,
        "same_strongest": _intervals.share(int((np.abs(values).argmax(axis=1) == np.abs(others).argmax(axis=1)).sum()), len(values)),
    }


def _lost(before: Array, after: Array, labels: Array) -> dict[str, Any]:
    hits = [(outputs.argmax(axis=1) == labels).astype(float) for outputs in (before, after)]
    return {"accuracy": _intervals.share(hits[1].sum(), len(labels)), "lost": _intervals.mean(hits[0] - hits[1])}


def _lost_without(work: Work, held: Dataset, prepared: Series, fill: Array, windows: list[int]) -> dict[str, Any]:
    """Accuracy with these windows of every beat filled by the mean training beat."""
    features = windows_of(held.inputs.shape[1])
    filled = replace(held, inputs=common.composed(held.inputs, np.isin(features.labels[0], windows), fill))
    lost = _lost(work.outputs(NETWORK, held, prepared), work.outputs(NETWORK, filled, prepared), np.asarray(held.labels))
    return {"windows": [features.names[i] for i in windows], **lost}


def shifted(beats: Array, steps: int) -> Array:
    """Beats (samples, steps, channels) that stand so many steps later (earlier below zero); what comes in holds the value at the edge.

    >>> shifted(np.arange(4.0).reshape(1, 4, 1), 1).ravel().tolist(), shifted(np.arange(4.0).reshape(1, 4, 1), -2).ravel().tolist()
    ([0.0, 0.0, 1.0, 2.0], [2.0, 3.0, 3.0, 3.0])
    """
    return beats[:, np.clip(np.arange(beats.shape[1]) - steps, 0, beats.shape[1] - 1)]


def _lost_shifted(work: Work, held: Dataset, prepared: Series, shift: int) -> dict[str, Any]:
    moved = replace(held, inputs=shifted(held.inputs, shift))
    return _lost(work.outputs(NETWORK, held, prepared), work.outputs(NETWORK, moved, prepared), np.asarray(held.labels))


def _chapters(found: Mapping[str, Any], many: Explanation, names: tuple[str, ...]) -> list[Chapter]:
    labels = np.asarray(many.provenance["labels"])
    shown = [i for i in range(min(SHOWN, len(names))) if (labels == i).any()]
    pictures = tuple(_when_picture(many, labels, i, names[i]) for i in shown)
    return [Chapter(_("When in the beat"), tuple(when_words(found)), pictures, (_when_grid(found["when"]), _class_grid(found)))]


def when_words(found: Mapping[str, Any]) -> list[str]:
    """When the network looked, in sentences."""
    when = found["when"]
    windows, share = when["windows"], when["share"]
    first, second, last = (windows[i] for i in (when["ranked"][0], when["ranked"][1], when["ranked"][-1]))
    said = [
        _(
            "A beat has {steps} steps; how long a step is, the archive does not say, so times are steps, counted from 0. Over {count} held-out beats the steps "
            "{first} held the largest part of what moved the answer, {share}; then come {second} with {other}. The steps {last} held least, {least}."
        ).format(
            steps=WINDOW * len(windows),
            count=when["beats"],
            first=first,
            share=common.percent_span(share[first]),
            second=second,
            other=percent(share[second][0]),
            last=last,
            least=percent(share[last][0]),
        )
    ]
    for name, spans in when["by_class"].items():
        top = max(windows, key=lambda window: spans[window][0])
        said.append(
            _("In beats of the class {name} the strongest were the steps {steps}, with {share}.").format(
                name=_(name), steps=top, share=common.percent_span(spans[top])
            )
        )
    for name, text in (
        ("first", _("On all other held-out beats, filling the windows that rank first ({windows}) with the mean training beat costs {lost}.")),
        ("last", _("Filling the windows that rank last ({windows}) costs {lost}.")),
    ):
        entry = found["filled"][name]
        said.append(text.format(windows=common.listed(entry["windows"]), lost=common.points(entry["lost"])))
    said.append(borne_out(found["filled"]["first"]["lost"], found["filled"]["last"]["lost"]))
    return said


def borne_out(first: _intervals.Interval, last: _intervals.Interval) -> str:
    """Whether the accuracy bears the ranking of windows out."""
    if first[1] > last[2]:
        return _("So the accuracy bears the ranking out: what ranks first costs more than what ranks last.")
    if last[1] > first[2]:
        return _("So the accuracy does not bear the ranking out: what ranks last costs more than what ranks first.")
    return _("So the accuracy does not tell the two apart: their intervals overlap.")


def _when_grid(when: Mapping[str, Any]) -> Grid:
    rows = [(_("all"), *(percent(when["share"][window][0]) for window in when["windows"]))]
    rows += [(_(name), *(percent(spans[window][0]) for window in when["windows"])) for name, spans in when["by_class"].items()]
    caption = _(
        "Share of the attribution in each window of steps, means over beats. SHAP, every combination of windows tried; what is absent holds the mean beat."
    )
    return Grid((_("class"), *when["windows"]), tuple(rows), caption)


def _class_grid(found: Mapping[str, Any]) -> Grid:
    rows = [(_(name), str(found["trained_on"][name]), str(entry["of"]), common.percent_cell(entry["right"])) for name, entry in found["classes"].items()]
    return Grid((_("class"), _("beats to train on"), _("held-out beats"), _("told right")), tuple(rows), _("95% intervals in brackets."))


def _when_picture(many: Explanation, labels: Array, number: int, name: str) -> Picture:
    """The mean beat of a class in the colours of its mean attribution."""
    chosen = labels == number
    mean = replace(
        many[0], values=many.values[chosen].mean(axis=0, keepdims=True), error=many.error[:1] * 0, inputs=many.inputs[chosen].mean(axis=0, keepdims=True)
    )
    title = _("{name}: mean of {count} beats").format(name=_(name), count=int(chosen.sum()))
    first, *_others = series_line(mean, title=title)
    alt = _("The mean beat of the class {name} in the colours of the mean attribution to the answer: red spoke for it, blue against it").format(name=_(name))
    return Picture(f"heartbeat-when-{number}", png_bytes(first.figure.figure, 150), alt)


def _actions(found: Mapping[str, Any]) -> list[str]:
    return [*rare_actions(found), *end_actions(found), *shift_actions(found)]


def rare_actions(found: Mapping[str, Any]) -> list[str]:
    """Classes that are told worse than the others: how many beats there were to learn them from."""
    classes = found["classes"]
    best = max(classes, key=lambda name: classes[name]["right"][0])
    poor = sorted((name for name in classes if classes[name]["right"][2] < classes[best]["right"][1]), key=lambda name: classes[name]["right"][0])
    poor = [name for name in poor if classes[name]["right"][0] < 0.5]
    if not poor:
        return []
    told = [
        _("{name}: {right} told right, {count} training beats").format(
            name=_(name), right=common.percent_span(classes[name]["right"]), count=found["trained_on"][name]
        )
        for name in poor
    ]
    return [_("Heartbeats: collect beats of the classes that are told right in fewer than half of the cases. {list}.").format(list=_("; ").join(told))]


def end_actions(found: Mapping[str, Any]) -> list[str]:
    """What to do where the steps that the network reads last rank first."""
    when, lost = found["when"], found["filled"]["first"]["lost"]
    last = when["windows"][-1]
    if when["windows"][when["ranked"][0]] != last or lost[1] <= 0:
        return []
    said = _(
        "Heartbeats: the last window, steps {steps}, ranks first with {share} of the attribution, and a recurrent network keeps best what it read last. Train "
        "one that reads the beat both ways, and see whether the same steps rank first."
    )
    return [said.format(steps=last, share=common.percent_span(when["share"][last]))]


def shift_actions(found: Mapping[str, Any]) -> list[str]:
    """Whether the network needs the beat to stand where it stands."""
    by_shift = {int(shift): entry for shift, entry in found["shifted"].items()}
    worst = max(by_shift, key=lambda shift: by_shift[shift]["lost"][0])
    lost = by_shift[worst]["lost"]
    if lost[1] <= 0:
        return []
    moved = _("{steps} steps later") if worst > 0 else _("{steps} steps earlier")
    said = _("Heartbeats: train with shifted beats, or test the step that cuts them: on beats that stand {moved} the network loses {lost}.")
    return [said.format(moved=moved.format(steps=abs(worst)), lost=common.points(lost))]
