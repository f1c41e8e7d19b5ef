"""Small photographs: right and wrong answers side by side, what the confused ones share, and two networks on the same images."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.api.compare import compare
from pellucid.applications._quality import accuracy, auc
from pellucid.applications._work import Result, Work
from pellucid.applications.trades import _image_measures as measures
from pellucid.applications.trades._image_words import NAMES, Pictures, pair_of, tell_story
from pellucid.core.errors import DataNotFoundError, MissingExtraError
from pellucid.core.language import said as _
from pellucid.core.language import speaking
from pellucid.core.records import Explanation
from pellucid.data.dataset import Dataset
from pellucid.data.preprocessings.image import Image
from pellucid.figures.attribution_map import map_of
from pellucid.recipes.pretrained import resnet20_cifar10
from pellucid.recipes.schedule import Schedule
from pellucid.report.languages import language

Array = np.ndarray
Watch = Callable[[str], AbstractContextManager[Any]]
TRAINED = "cnn"
PRETRAINED = "resnet20"
FEATURES = {PRETRAINED: "mean", TRAINED: "dense"}
"""The layer before the last of each network: what the answer is read from."""
SCHEDULE = Schedule(epochs=12, batch=64, rate=2e-3, shift=0.1, turn=0.02)
TRAINING = 10_000
"""Images that the CNN is trained on, and among which neighbours are looked for, where there are more."""
PAIRS, ALIKE, BELOW = 3, 10, 0.8
"""Pairs of classes that are looked into; nearest training images; the probability below which an answer counts as doubtful."""
SUPERPIXELS, PATCHES = "superpixels:slic:30", "patches:8"
ABSENT = "blur:4"
"""What stands for a region that is absent: the image blurred, so that its colours stay and its shapes go."""
BUDGET, QUICK_BUDGET, TOLERANCE = 2500, 300, 0.1
MAPS, COMPARED = 40, 40
"""Images a pair, and images for the comparison of both networks, whose maps are counted."""


@dataclass(frozen=True)
class _Seen:
    """What a network makes of the held-out images."""

    outputs: Array
    answers: Array
    right: Array


def image(
    out: str | os.PathLike[str] = "pellucid-image",
    *,
    seed: int = 0,
    lang: str = "en",
    quick: bool = False,
    watch: Watch | None = None,
    tell: Callable[[str], None] | None = None,
) -> Result:
    """CIFAR-10 to a ResNet-20 that was trained elsewhere and to a CNN trained here: where they are right and wrong, and what the confused images share.

    Writes `index.html`, `result.json`, records and networks (with their preprocessing) into the folder `out`. Without the photographs the 5,000 digits take
    their place, without the weights or PyTorch the CNN is alone; both are told. `lang` is "en" or "zh", `quick` a try of under a minute.
    Errors: `SettingError` (a language that is not spoken), `OutputError` (a folder that cannot be made), `MissingExtraError` (no TensorFlow).
    """
    work = Work.start("image", out, seed=seed, lang=lang, quick=quick, watch=watch, tell=tell)
    whole = work.spoken(work.load("cifar10", "mnist5000"))
    parts = _parts(work, whole)
    form = _networks(work, parts)
    main = PRETRAINED if PRETRAINED in work.models else TRAINED
    seen = {name: _seen(work, name, parts[1], form) for name in work.models}
    work.qualities += [accuracy(name, one.outputs, _labels(parts[1])) for name, one in seen.items()]
    work.tell("what the confused images share")
    work.found |= {
        "main": main,
        "classes": list(parts[1].class_names),
        "held_out": len(parts[1]),
        "training": len(parts[0]),
        "of": len(whole[0]),
        "quick": quick,
    }
    work.found |= _errors(seen[main], parts[1])
    inside = _inside(work, main, parts, form, seen[main])
    work.found |= {"changes": _changes(work, main, parts[1], form, seen[main]), "looks": _looks(work.found["pairs"], parts[1], seen[main])}
    work.tell("explaining answers")
    explanations = _explained(work, main, parts[1], form, inside, seen[main])
    work.found["regions"] = [_regions(work, main, parts[1], form, seen[main], pair) for pair in work.found["pairs"]]
    others = _both(work, parts[1], form, seen, explanations)
    pictures = Pictures(_counts(seen[main], parts[1]), explanations, others)
    return work.finish(lambda: tell_story(work.found, tuple(work.qualities), pictures, work.notes))


def _parts(work: Work, parts: tuple[Dataset, Dataset]) -> tuple[Dataset, Dataset]:
    """Both parts, of which a try and a large data set take some, drawn by the seed."""
    most = (1000, 400) if work.quick else (TRAINING, len(parts[1]))
    draw = np.random.default_rng([work.seed, 2])
    some = [part if len(part) <= count else part.take(np.sort(draw.permutation(len(part))[:count])) for part, count in zip(parts, most, strict=True)]
    work.data[some[1].name] = some[1]
    return some[0], some[1]


def _networks(work: Work, parts: tuple[Dataset, Dataset]) -> Image:
    """The networks that are to be had, and the preprocessing that all of them share."""
    shape = parts[0].inputs.shape[1:]
    form = Image((shape[0], shape[1]), channels=shape[2])
    if parts[0].name == "cifar10":
        try:
            model, form = resnet20_cifar10()
            work.keep(PRETRAINED, model, form)
        except (DataNotFoundError, MissingExtraError) as error:
            with speaking(language(work.lang)):
                note = _("The pretrained ResNet-20 was left out, so that the network trained here is alone: {reason}")
            work.notes.append(note.format(reason=error))
    work.train(TRAINED, TRAINED, parts, preprocessing=form, schedule=SCHEDULE)
    return form


def _labels(data: Dataset) -> Array:
    return np.asarray(data.labels)


def _seen(work: Work, name: str, held: Dataset, form: Image) -> _Seen:
    outputs = work.outputs(name, held, form)
    answers = outputs.argmax(axis=1)
    return _Seen(outputs, answers, answers == held.labels)


def _counts(seen: _Seen, held: Dataset) -> Array:
    return measures.confusions(_labels(held), seen.answers, len(held.class_names))


def _errors(seen: _Seen, held: Dataset) -> dict[str, Any]:
    """The confused pairs, and how sure wrong answers were."""
    sure, wrong = seen.outputs.max(axis=1), ~seen.right
    doubtful = sure < BELOW
    separates = auc("", sure, seen.right.astype(int)) if wrong.any() and seen.right.any() else None
    return {
        "errors": int(wrong.sum()),
        "pairs": measures.strongest_pairs(_counts(seen, held), PAIRS),
        "doubt": {
            "below": BELOW,
            "share": measures.share_of(doubtful),
            "of_wrong": measures.share_of(doubtful[wrong]),
            "of_right": measures.share_of(doubtful[seen.right]),
            "auc": None if separates is None else {"value": separates.value, "low": separates.interval[0], "high": separates.interval[1]},
        },
    }


def _inside(work: Work, name: str, parts: tuple[Dataset, Dataset], form: Image, seen: _Seen) -> Array:
    """What the layer before the last holds of the held-out images, the middle of all classes taken out; what it tells is kept."""
    training, held = parts
    layer = FEATURES[name]
    features, others = (np.asarray(work.models[name].activations(form.inputs(part.inputs), [layer])[layer]) for part in (held, training))
    cosines, middle = measures.alike(others, _labels(training), len(held.class_names))
    near = _labels(training)[measures.nearest(features, others, middle, ALIKE)]
    wrong, true = ~seen.right, _labels(held)
    of_true, of_answer = ((near == labels[:, None]).mean(axis=1) for labels in (true, seen.answers))
    work.found["alike"] = {
        "layer": layer,
        "neighbours": ALIKE,
        "rank": measures.alike_and_confused(cosines, _counts(seen, held), work.seed),
        "cosines": [float(cosines[pair["a"], pair["b"]]) for pair in work.found["pairs"]],
        "middling": float(np.median(cosines[np.triu_indices(len(cosines), 1)])),
        "wrong_of_answer": measures.mean_of(of_answer[wrong]),
        "wrong_of_true": measures.mean_of(of_true[wrong]),
        "right_of_true": measures.mean_of(of_true[seen.right]),
    }
    return features - middle


def _changes(work: Work, name: str, held: Dataset, form: Image, seen: _Seen) -> list[dict[str, Any]]:
    """What taking colour, the border or the middle out of the images does to the answers: of all classes, and within each confused pair."""
    found: list[dict[str, Any]] = []
    for what, images in measures.changed(held.inputs).items():
        outputs = work.outputs(name, replace(held, inputs=images.astype(np.float32)), form)
        found.append({"what": what, "pair": None} | measures.change_of(seen.right, outputs.argmax(axis=1) == held.labels))
        for place, pair in enumerate(work.found["pairs"]):
            rows = np.flatnonzero(np.isin(_labels(held), [pair["a"], pair["b"]]))
            before, after = (_between(one[rows], pair) == _labels(held)[rows] for one in (seen.outputs, outputs))
            found.append({"what": what, "pair": place} | measures.change_of(before, after))
    return found


def _between(outputs: Array, pair: Mapping[str, Any]) -> Array:
    """Which of a pair's two classes has the higher score."""
    return np.where(outputs[:, pair["a"]] >= outputs[:, pair["b"]], pair["a"], pair["b"])


def _rows_of(pair: Mapping[str, Any], held: Dataset, seen: _Seen) -> tuple[Array, Array]:
    """Rows of a pair's images: taken for each other, and answered right."""
    both = [pair["a"], pair["b"]]
    here = np.isin(_labels(held), both)
    return np.flatnonzero(here & ~seen.right & np.isin(seen.answers, both)), np.flatnonzero(here & seen.right)


def _looks(pairs: Sequence[Mapping[str, Any]], held: Dataset, seen: _Seen) -> list[dict[str, Any]]:
    """Brightness, contrast and saturation of the confused images less those of the right ones of the same two classes."""
    found: list[dict[str, Any]] = []
    for place, pair in enumerate(pairs):
        wrong, right = _rows_of(pair, held, seen)
        for what, values in measures.looks(held.inputs).items():
            shown: dict[str, Any] = {"wrong": float(values[wrong].mean()), "right": float(values[right].mean()) if len(right) else None}
            shown |= measures.difference_of(values[wrong], values[right])
            found.append({"what": what, "pair": place, "counts": [len(wrong), len(right)], **shown})
    return found


def _chosen(pair: Mapping[str, Any], held: Dataset, seen: _Seen, inside: Array) -> list[int]:
    """For each direction of a pair the wrong answer that was surest, and the right answer of the same class that is most like it inside."""
    rows: list[int] = []
    for true, answer in ((pair["a"], pair["b"]), (pair["b"], pair["a"])):
        wrong = np.flatnonzero((held.labels == true) & (seen.answers == answer))
        right = np.setdiff1d(np.flatnonzero((held.labels == true) & seen.right), rows)
        if len(wrong):
            rows.append(int(wrong[seen.outputs[wrong].max(axis=1).argmax()]))
            if len(right):
                rows.append(int(right[measures.nearest(inside[rows[-1:]], inside[right], np.zeros(inside.shape[1], inside.dtype), 1)[0, 0]]))
    return rows


def _explained(work: Work, name: str, held: Dataset, form: Image, inside: Array, seen: _Seen) -> list[Explanation]:
    """Cases: SHAP on superpixels, Integrated Gradients and Grad-CAM, for the answer against the class it is confused with. One explanation a pair, by SHAP."""
    pairs = work.found["pairs"][:1] if work.quick else work.found["pairs"]
    rows: list[int] = []
    targets: list[Any] = []
    sizes: list[int] = []
    for pair in pairs:
        chosen = [row for row in _chosen(pair, held, seen, inside) if row not in rows]
        rows += chosen
        targets += [_against(pair, int(seen.answers[row]), held) for row in chosen]
        sizes.append(len(chosen))
    work.found["cases"] = rows
    if not rows:
        rows, targets, sizes = [int(seen.outputs.max(axis=1).argmin())], ["predicted"], []
    given: dict[str, Any] = {"preprocessing": form, "target": targets, "network": NAMES[name]}
    budget = QUICK_BUDGET if work.quick else BUDGET
    shap = work.explain(name, "shap", held, rows, features=SUPERPIXELS, fill=ABSENT, max_evaluations=budget, tolerance=TOLERANCE, **given)
    work.explain(name, "integrated_gradients", held, rows, baseline=ABSENT, **given)
    work.explain(name, "grad_cam", held, rows, **given)
    ends = np.cumsum(sizes)
    return [shap[slice(int(end - size), int(end))] for size, end in zip(sizes, ends, strict=True) if size]


def _against(pair: Mapping[str, Any], answer: int, held: Dataset) -> tuple[str, str]:
    """The answer against the other class of the pair, by their names."""
    other = pair["b"] if answer == pair["a"] else pair["a"]
    return held.class_names[answer], held.class_names[other]


def _maps(work: Work, name: str, held: Dataset, rows: Sequence[int], form: Image, target: Any) -> Array:
    """Integrated Gradients from the blurred image, (samples, height, width), channels added up."""
    found = work.explain(name, "integrated_gradients", held, rows, case=False, baseline=ABSENT, target=target, preprocessing=form)
    return np.stack([map_of(found, row, signed=True) for row in range(len(found))])


def _regions(work: Work, name: str, held: Dataset, form: Image, seen: _Seen, pair: Mapping[str, Any]) -> dict[str, Any]:
    """Where the answer's reasons against the other class lie, and how much spoke against it: confused and right images of a pair."""
    area = measures.middle_of(held.inputs.shape[1:])
    found: dict[str, Any] = {"pair": pair_of(pair), "area": float(area.mean())}
    shares: dict[str, dict[str, Array]] = {"middle": {}, "against": {}}
    for kind, rows in zip(("wrong", "right"), _rows_of(pair, held, seen), strict=True):
        some = rows[: MAPS // 8 if work.quick else MAPS]
        if len(some):
            targets = [_against(pair, int(seen.answers[row]), held) for row in some]
            maps = measures.smoothed(_maps(work, name, held, [int(row) for row in some], form, targets))
            shares["middle"][kind], shares["against"][kind] = measures.inside_share(maps, area), measures.against_share(maps)
    for what, each in shares.items():
        kept = {kind: values[np.isfinite(values)] for kind, values in each.items()}
        wrong, right = (kept.get(kind, np.zeros(0)) for kind in ("wrong", "right"))
        found[what] = {"wrong": measures.mean_of(wrong), "right": measures.mean_of(right), "difference": measures.difference_of(wrong, right)}
    return found


def _both(
    work: Work, held: Dataset, form: Image, seen: Mapping[str, _Seen], explanations: Sequence[Explanation]
) -> tuple[tuple[Explanation, Explanation], ...]:
    """The two networks on the same images: how right, wrong together, and whether their maps agree. The case explanations of the first pair by both."""
    if len(seen) < 2:
        return ()
    first, second = seen[PRETRAINED], seen[TRAINED]
    same = first.answers == second.answers
    work.found["networks"] = {
        "accuracy": measures.change_of(second.right, first.right),
        "wrong_where_first_wrong": measures.share_of(~second.right[~first.right]),
        "wrong_where_first_right": measures.share_of(~second.right[first.right]),
        "same_wrong_answer": measures.share_of(same[~first.right & ~second.right]),
        "disagree": measures.share_of(~same),
        "first_wrong_where_they_agree": measures.share_of(~first.right[same]),
        "first_wrong_where_they_disagree": measures.share_of(~first.right[~same]),
        "maps": _agreement(work, held, form),
    }
    if not explanations:
        return ()
    shown, pair = explanations[0], work.found["pairs"][0]
    rows = [int(row) for row in shown.provenance["indices"]]
    budget = QUICK_BUDGET if work.quick else BUDGET
    given: dict[str, Any] = {"target": [_against(pair, int(first.answers[row]), held) for row in rows], "preprocessing": form, "network": NAMES[TRAINED]}
    other = work.explain(TRAINED, "shap", held, rows, case=False, features=SUPERPIXELS, fill=ABSENT, max_evaluations=budget, tolerance=TOLERANCE, **given)
    return ((shown, other),)


def _agreement(work: Work, held: Dataset, form: Image) -> dict[str, Any]:
    """Spearman's correlation of both networks' maps by patches, for the true class: on the same image, and on that image and another one."""
    count, classes = (10 if work.quick else COMPARED), len(held.class_names)
    turns = [np.flatnonzero(held.labels == one)[: -(-count // classes)] for one in range(classes)]
    rows = [int(row) for row in np.concatenate(turns)[:count]]
    given: dict[str, Any] = {"features": PATCHES, "fill": ABSENT, "target": [int(_labels(held)[row]) for row in rows], "preprocessing": form, "case": False}
    first, second = (
        work.explain(name, "shap", held, rows, max_evaluations=QUICK_BUDGET // 2 if work.quick else QUICK_BUDGET, **given) for name in (PRETRAINED, TRAINED)
    )
    same, other = (compare(first, one).rank for one in (second, second[np.roll(np.arange(len(rows)), len(rows) // 2)]))
    return {"same": measures.mean_of(same[np.isfinite(same)]), "other": measures.mean_of(other[np.isfinite(other)])}
