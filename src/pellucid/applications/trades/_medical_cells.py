"""Breast cancer: which measurements of cell nuclei matter, and how many of them would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from pellucid.applications import _intervals, _quality
from pellucid.applications._work import Work
from pellucid.applications.trades import _medical_common as common
from pellucid.applications.trades._medical_common import Array, Part
from pellucid.core.language import later, number, percent, speaking
from pellucid.core.language import said as _
from pellucid.core.records import Explanation
from pellucid.data.dataset import Dataset
from pellucid.data.datasets.breast_cancer import QUANTITIES
from pellucid.data.preprocessings.table import Table
from pellucid.figures import png_bytes
from pellucid.figures.beeswarm import beeswarm
from pellucid.figures.summary_bars import summary_bars
from pellucid.report.languages import language
from pellucid.report.pictures import Picture
from pellucid.report.story import Chapter, Grid

DATA, NETWORK = "breast_cancer", "nuclei"
WHAT = later("measurements of cell nuclei")
MALIGNANT, BENIGN = 0, 1
KEEP = 5
"""Measurements that the smaller network is trained on."""
BACKGROUND, LEARNT_FROM = 40, 100
"""Training rows that stand for an absent measurement, and those by whose attributions the smaller network's are chosen."""
TOLD = 10


def named(columns: Sequence[str]) -> tuple[str, ...]:
    """What the columns are called in the language that is spoken.

    >>> named(["mean radius", "concave points error", "worst area"])
    ('mean radius', 'concave points error', 'worst area')
    """
    found = {}
    for quantity in QUANTITIES:
        said = _(quantity)
        found[f"mean {quantity}"] = _("mean {quantity}").format(quantity=said)
        found[f"{quantity} error"] = _("{quantity} error").format(quantity=said)
        found[f"worst {quantity}"] = _("worst {quantity}").format(quantity=said)
    return tuple(found[column] for column in columns)


def part(work: Work) -> Part:
    """Train, measure and explain."""
    train, held = data = work.load(DATA)
    prepared = _table(train)
    work.train(NETWORK, "mlp", data, preprocessing=prepared, quick_epochs=20)
    outputs, labels = work.outputs(NETWORK, held, prepared), np.asarray(held.labels)
    work.qualities.append(_quality.accuracy(NETWORK, outputs, labels))
    found: dict[str, Any] = {"classes": common.by_class(outputs, labels, held.class_names), "mistakes": _mistakes(outputs, labels)}
    with speaking(language(work.lang)):
        shown = replace(prepared, columns=tuple(replace(column, name=name) for column, name in zip(prepared.columns, named(held.feature_names), strict=True)))
    rows = list(range(len(held))) if not work.quick else common.spread(labels, 12, work.seed)
    work.tell(f"measurements: which matter over {len(rows)} samples")
    many = _explained(work, train, held, rows, shown, "shap", case=False)
    gradients = _explained(work, train, held, rows, shown, "integrated_gradients", case=False)
    found["which"] = {"samples": len(rows), **importance(many.values, gradients.values, held.feature_names)}
    found["fewer"] = _fewer(work, data, shown, outputs)
    cases = common.choose(outputs, labels, BENIGN, quick=work.quick)
    chosen = [case.row for case in cases]
    work.tell(f"explaining {len(cases)} samples of nuclei")
    told = [_explained(work, train, held, chosen, shown, method, case=True) for method in ("shap", "integrated_gradients")]
    work.found[NETWORK] = found
    return Part(NETWORK, WHAT, held, outputs, cases, told, found, lambda: _chapters(found, many), lambda: _actions(found))


def _table(train: Dataset) -> Table:
    return Table.fit({name: train.inputs[:, i] for i, name in enumerate(train.feature_names)})


def _mistakes(outputs: Array, labels: Array) -> dict[str, int]:
    answers = outputs.argmax(axis=1)
    return {"false_alarms": int(((labels == BENIGN) & (answers == MALIGNANT)).sum()), "missed": int(((labels == MALIGNANT) & (answers == BENIGN)).sum())}


def _explained(work: Work, train: Dataset, samples: Dataset, rows: list[int], shown: Table, method: str, *, case: bool) -> Explanation:
    """By either method, from training rows, or their mean."""
    options: dict[str, Any] = {"preprocessing": shown, "score": common.SCORE, "class_names": common.spoken(work, samples.class_names), "case": case}
    if not case:
        options["target"] = MALIGNANT
    if method == "shap":
        draw = np.random.default_rng([work.seed, 3])
        options["background"] = train.inputs[np.sort(draw.permutation(len(train))[:BACKGROUND])]
    return work.explain(NETWORK, method, samples, rows, **options)


def importance(values: Array, others: Array, names: Sequence[str]) -> dict[str, Any]:
    """Of attributions (samples, columns) the mean size of each column with its interval, largest first; whether each is told apart from the next; the share
    of each measured quantity, its three columns together; how far both methods agree."""
    sizes = np.abs(values).astype(float)
    order = [int(i) for i in np.argsort(-sizes.mean(axis=0), kind="stable")]
    total = sizes.sum(axis=1).mean() or 1.0
    quantities = {one: float(sum(sizes[:, i].mean() for i, name in enumerate(names) if one in _quantity(name)) / total) for one in QUANTITIES}
    agreement = common.ranks_agree(values, others)
    agreement = agreement[np.isfinite(agreement)]
    return {
        "ranked": [names[i] for i in order],
        "size": {names[i]: _intervals.mean(sizes[:, i]) for i in order},
        "ahead": {names[i]: _intervals.mean(sizes[:, i] - sizes[:, j]) for i, j in pairwise(order)},
        "quantities": dict(sorted(quantities.items(), key=lambda item: -item[1])),
        "agreement": _intervals.mean(agreement) if len(agreement) > 1 else None,
        "same_strongest": _intervals.share(int((np.abs(values).argmax(axis=1) == np.abs(others).argmax(axis=1)).sum()), len(values)),
    }


def _quantity(column: str) -> tuple[str, ...]:
    """The quantity that a column is of."""
    return (column.removeprefix("mean ").removeprefix("worst ").removesuffix(" error"),)


def _fewer(work: Work, data: tuple[Dataset, Dataset], shown: Table, whole: Array) -> dict[str, Any]:
    """A network of the few measurements that matter most on training rows, and what it loses on held-out ones."""
    train, held = data
    rows = common.spread(np.asarray(train.labels), 10 if work.quick else LEARNT_FROM // 2, work.seed)
    sizes = np.abs(_explained(work, train, train, rows, shown, "shap", case=False).values).mean(axis=0)
    kept = np.sort(np.argsort(-sizes, kind="stable")[:KEEP])
    names = tuple(train.feature_names[i] for i in kept)
    less = tuple(replace(one, inputs=one.inputs[:, kept], feature_names=names) for one in data)
    prepared, network = _table(less[0]), f"{NETWORK}-few"
    work.train(network, "mlp", (less[0], less[1]), preprocessing=prepared, quick_epochs=20)
    labels = np.asarray(held.labels)
    hits = work.outputs(network, less[1], prepared).argmax(axis=1) == labels
    return {
        "kept": list(names),
        "of": len(train.feature_names),
        "accuracy": _intervals.share(hits.sum(), len(hits)),
        "lost": _intervals.mean((whole.argmax(axis=1) == labels).astype(float) - hits),
    }


def _chapters(found: Mapping[str, Any], many: Explanation) -> list[Chapter]:
    return [Chapter(_("Which measurements"), tuple(which_words(found)), _pictures(many), (_which_grid(found["which"]),))]


def which_words(found: Mapping[str, Any]) -> list[str]:
    """Which measurements matter, in sentences."""
    which = found["which"]
    first, second = which["ranked"][:2]
    names = dict(zip(which["ranked"], named(which["ranked"]), strict=True))
    said = [
        _(
            "Of {count} measurements of cell nuclei, the {first} moved the answer most over {samples} held-out samples: {size} in half log odds, on average "
            "and whichever way. Next come the {others}."
        ).format(
            count=len(names),
            first=names[first],
            samples=which["samples"],
            size=common.number_span(which["size"][first]),
            others=common.listed([names[name] for name in which["ranked"][1:4]]),
        )
    ]
    if common.zero_in(which["ahead"][first]):
        said.append(
            _("The {first} is not told apart from the {second}: the interval of their difference includes zero.").format(
                first=names[first], second=names[second]
            )
        )
    else:
        said.append(
            _("The {first} is ahead of the {second} by {lead}.").format(
                first=names[first], second=names[second], lead=common.number_span(which["ahead"][first])
            )
        )
    (one, share), (other, less) = list(which["quantities"].items())[:2]
    said.append(
        _(
            "Each quantity was measured three times: the mean over a sample's nuclei, its standard error, and the mean of the three largest (worst). Taken "
            "together, {one} has {share} of all attribution, {other} {less}. Radius, perimeter and area are nearly one thing, and what one of them gets the "
            "others might have got."
        ).format(one=_(one), share=percent(share), other=_(other), less=percent(less))
    )
    said.append(_("The source gives no units: lengths are in those of the pictures that were measured, and the other quantities have none."))
    return said


def _which_grid(which: Mapping[str, Any]) -> Grid:
    told = which["ranked"][:TOLD]
    rows = tuple((name, common.number_cell(which["size"][column])) for column, name in zip(told, named(told), strict=True))
    return Grid(
        (_("measurement"), _("mean size of its attribution")),
        rows,
        _("In half log odds of malignant against benign, by SHAP, means over held-out samples; 95% intervals in brackets."),
    )


def _pictures(many: Explanation) -> tuple[Picture, ...]:
    bars = summary_bars(many, count=TOLD)
    swarm = beeswarm(many, count=TOLD)
    return (
        Picture("nuclei-summary", png_bytes(bars[0].figure.figure, 150), _("Mean absolute attribution of the strongest measurements with 95% intervals")),
        Picture(
            "nuclei-swarm",
            png_bytes(swarm[0].figure.figure, 150),
            _("A dot for each sample and measurement: its attribution toward malignant, in the colour of what was measured"),
        ),
    )


def _actions(found: Mapping[str, Any]) -> list[str]:
    return [*fewer_actions(found), *missed_actions(found)]


def fewer_actions(found: Mapping[str, Any]) -> list[str]:
    """Whether few measurements would do."""
    fewer = found["fewer"]
    kept = common.listed(named(fewer["kept"]))
    said = _("Measurements: a network of {count} of them ({kept}), chosen by training rows, is right in {accuracy} of the held-out samples.").format(
        count=len(fewer["kept"]), kept=kept, accuracy=common.percent_span(fewer["accuracy"])
    )
    lost = fewer["lost"]
    if common.zero_in(lost):
        what = _("Beside all {of} no loss is shown ({lost}): try to drop the other {rest}, on more samples.")
    elif lost[0] > 0:
        what = _("Beside all {of} it loses {lost}: the other {rest} are worth measuring.")
    else:
        what = _("Beside all {of} it is even better, its loss being {lost}: drop the other {rest}.")
    return [_("{sentence} {next}").format(sentence=said, next=what.format(of=fewer["of"], rest=fewer["of"] - len(fewer["kept"]), lost=common.points(lost)))]


def missed_actions(found: Mapping[str, Any]) -> list[str]:
    """Malignant samples that were called benign."""
    missed, count = found["mistakes"]["missed"], found["classes"]["malignant"]["of"]
    if not missed:
        return []
    right = found["classes"]["malignant"]["right"]
    return [
        _(
            "Measurements: {missed} of {count} malignant samples were called benign (told right: {right}). Before use, choose the threshold by what a miss "
            "costs; at one half, false alarms are {alarms}."
        ).format(missed=missed, count=count, right=common.percent_span(right), alarms=number(found["mistakes"]["false_alarms"]))
    ]
