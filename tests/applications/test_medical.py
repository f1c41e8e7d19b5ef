"""The medical application: what its numbers come to in words, truths planted in X-rays and in beats that it must find, and a run on what is always there."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.applications._work import Work
from pellucid.applications.trades import _medical_beats, _medical_cells, _medical_common, _medical_xray
from pellucid.applications.trades.medical import agreement_words, medical, sure_words
from pellucid.data.dataset import Dataset
from pellucid.data.load import load

CLEAR, NONE, LESS = (0.2, 0.1, 0.3), (0.01, -0.05, 0.07), (-0.2, -0.3, -0.1)
"""A difference that is shown, one that is not, and one the other way."""


def told(
    auc: tuple[float, float, float] = (0.9, 0.85, 0.95), lost: tuple[float, float, float] = NONE, normal: float = 0.8, pneumonia: float = 0.9
) -> dict[str, Any]:
    classes = {name: {"right": (right, right - 0.05, right + 0.05), "of": 100} for name, right in (("normal", normal), ("pneumonia", pneumonia))}
    return {"accuracy": (0.85, 0.8, 0.9), "classes": classes, "auc": auc, "lost": lost}


def xray() -> dict[str, Any]:
    """Made-up numbers of the X-rays."""
    regions = _medical_xray.REGIONS
    share = {name: (0.05 + 0.02 * i, 0.04 + 0.02 * i, 0.06 + 0.02 * i) for i, name in enumerate(regions)}
    where = {
        "xrays": 300,
        "share": share,
        "area": dict.fromkeys(regions, 0.125),
        "border": (0.33, 0.3, 0.36),
        "border_by_gradients": (0.34, 0.31, 0.37),
        "border_area": 0.49,
        "toward_pneumonia": {name: dict.fromkeys(regions, NONE) for name in ("normal", "pneumonia")},
        "agreement": (0.9, 0.88, 0.92),
        "same_strongest": (0.8, 0.75, 0.85),
    }
    filled = [{"width": width, "area": 0.1 * width, "border": told(), "centre": told()} for width in _medical_xray.WIDTHS]
    classes = told()["classes"]
    return {
        "where": where,
        "filled": filled,
        "alone": {"border": told(), "centre": told()},
        "classes": classes,
        "trained_on": classes,
        "mistakes": {"false_alarms": 7, "missed": 3},
    }


# Cases


def test_cases_are_the_surest_and_the_least_sure() -> None:
    outputs = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.45, 0.55], [0.3, 0.7], [0.01, 0.99], [0.95, 0.05], [0.7, 0.3]])
    labels = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    cases = _medical_common.choose(outputs, labels, 0)
    assert [(case.row, case.kind) for case in cases] == [
        (0, "right"), (2, "right"), (3, "right, least sure"), (5, "false alarm"), (4, "false alarm"), (6, "missed"), (7, "missed"),
    ]  # fmt: skip
    assert (cases[3].true, cases[3].answer, cases[3].probability) == (0, 1, 0.99)
    assert [case.row for case in _medical_common.choose(outputs, labels, 0, quick=True)] == [0, 2, 5, 6]
    assert [case.kind for case in _medical_common.choose(outputs, labels, 1, quick=True)] == ["right", "right", "false alarm", "missed"]


def test_cases_where_one_ill_class_is_taken_for_another_and_where_nothing_is_right() -> None:
    outputs = np.eye(3)[[2, 1, 1]] * 0.8 + 0.1
    assert [(case.row, case.kind) for case in _medical_common.choose(outputs, np.array([1, 2, 0]), 0)] == [
        (2, "false alarm"),
        (0, "taken for another"),
        (1, "taken for another"),
    ]


def test_rows_are_drawn_alike_from_each_class() -> None:
    labels = np.repeat([0, 1, 2], [50, 9, 2])
    rows = _medical_common.spread(labels, 5, 0)
    assert np.bincount(labels[rows]).tolist() == [5, 5, 2]
    assert rows == sorted(set(rows)) == _medical_common.spread(labels, 5, 0) != _medical_common.spread(labels, 5, 1)


# X-rays


def test_regions_cover_the_picture_once() -> None:
    labels = _medical_xray.regions_of((28, 28, 1)).labels[0, ..., 0]
    assert np.bincount(labels.ravel()).tolist() == [100, 100, 100, 100, 112, 80, 80, 112]
    assert [labels[6, 6], labels[6, 20], labels[20, 6], labels[20, 20]] == [0, 1, 2, 3]
    assert [labels[0, 14], labels[14, 0], labels[14, 27], labels[27, 0]] == [4, 5, 6, 7]
    assert ((labels > 3) == _medical_xray.ring_of((28, 28), 4)).all()


def test_shares_of_regions_are_those_of_the_values() -> None:
    values = np.zeros((4, 8))
    values[:2, 0], values[2:, 7], values[2:, 1] = -2.0, 3.0, 1.0
    values += np.array([1e-9, -1e-9, 1e-9, -1e-9])[:, None]
    found = _medical_xray.shares(values, values[:, ::-1], np.array([0, 0, 1, 1]), ("normal", "pneumonia"), np.full(8, 0.125))
    assert found["border"][0] == pytest.approx(0.375)
    assert found["border_by_class"]["normal"][0] == pytest.approx(0, abs=1e-6)
    assert found["border_by_class"]["pneumonia"][0] == pytest.approx(0.75)
    assert found["border_by_gradients"][0] == pytest.approx((1 + 1 + 0.25 + 0.25) / 4)
    assert found["toward_pneumonia"]["normal"]["upper left field"][0] == pytest.approx(-2)
    assert found["share"]["bottom border"][0] == pytest.approx(0.375)
    assert found["same_strongest"][0] == 0
    assert found["border_area"] == 0.5


@pytest.mark.parametrize(
    ("alone", "filled", "words"),
    [
        ((0.9, 0.85, 0.95), (0.7, 0.6, 0.8), "a shortcut is open here"),
        ((0.9, 0.85, 0.95), (0.55, 0.45, 0.65), "not shown to use it"),
        ((0.55, 0.45, 0.65), (0.7, 0.6, 0.8), "although a network trained on the border alone is not shown to"),
        ((0.55, 0.45, 0.65), (0.55, 0.45, 0.65), "no use of the border is shown"),
    ],
)
def test_the_shortcut_question_turns_with_the_numbers(alone: tuple[float, ...], filled: tuple[float, ...], words: str) -> None:
    found = xray()
    found["alone"]["border"]["auc"] = alone
    found["filled"][2]["centre"]["auc"] = filled
    assert words in _medical_xray.verdict_words(found)
    assert bool(_medical_xray.shortcut_actions(found)) == (alone[1] > 0.5)


def test_border_and_area_are_compared_by_the_interval() -> None:
    found = xray()
    for border, words in (((0.33, 0.3, 0.36), "less than its area"), ((0.6, 0.55, 0.65), "more than its area"), ((0.5, 0.4, 0.6), "no clearer than its area")):
        found["where"]["border"] = border
        assert words in _medical_xray.shortcut_words(found)[0]


@pytest.mark.parametrize(("lost", "words"), [(CLEAR, "It has a price here"), (NONE, "not shown to do worse"), (LESS, "even did better")])
def test_what_it_costs_to_leave_the_border_out(lost: tuple[float, ...], words: str) -> None:
    found = xray()
    found["alone"]["centre"]["lost"] = lost
    assert words in _medical_xray.shortcut_actions(found)[0]


def test_regions_that_speak_for_pneumonia_are_named_where_zero_is_left_out() -> None:
    found = xray()
    assert "no region spoke for or against it" in " ".join(_medical_xray.where_words(found))
    spoke = dict(found["where"]["toward_pneumonia"]["pneumonia"])
    spoke["lower left field"], spoke["top border"] = CLEAR, LESS
    found["where"]["toward_pneumonia"]["pneumonia"] = spoke
    said = _medical_xray.where_words(found)
    assert any("spoke for pneumonia on average: lower left field." in one for one in said)
    assert any("spoke against it on average: top border." in one for one in said)


def test_a_class_that_is_told_worse_asks_for_data_only_where_it_is_shown() -> None:
    found = xray()
    found["classes"] = told(normal=0.7, pneumonia=0.72)["classes"]
    assert _medical_xray.mistake_actions(found) == []
    found["classes"], found["trained_on"] = told(normal=0.6, pneumonia=0.9)["classes"], told(normal=0.95)["classes"]
    assert "of the class normal 60.0%" in _medical_xray.mistake_actions(found)[0]
    assert "Collect X-rays of that class" in _medical_xray.mistake_actions(found)[0]
    found["trained_on"] = told(normal=0.6)["classes"]
    assert "told worse on the training X-rays too" in _medical_xray.mistake_actions(found)[0]


# Heartbeats


def beats() -> dict[str, Any]:
    """Made-up numbers of the beats."""
    windows = ["0–13", "14–27", "28–41"]
    spans = {name: (0.2 + 0.1 * i, 0.1 + 0.1 * i, 0.3 + 0.1 * i) for i, name in enumerate(windows)}
    classes = {"normal": {"right": (0.99, 0.98, 1.0), "of": 100}, "unclassified beat": {"right": (0.1, 0.0, 0.3), "of": 9}}
    return {
        "when": {"windows": windows, "beats": 30, "share": spans, "by_class": {"normal": spans}, "ranked": [2, 1, 0]},
        "filled": {"first": {"windows": ["28–41"], "lost": CLEAR}, "last": {"windows": ["0–13"], "lost": NONE}},
        "shifted": {"-7": {"lost": NONE}, "7": {"lost": CLEAR}},
        "classes": classes,
        "trained_on": {"normal": 90, "unclassified beat": 2},
        "mistakes": {"false_alarms": 1, "missed": 8, "mixed_up": 1},
    }


def test_the_ranking_of_windows_is_borne_out_or_not() -> None:
    assert "bears the ranking out" in _medical_beats.borne_out(CLEAR, NONE)
    assert "does not bear the ranking out" in _medical_beats.borne_out(NONE, CLEAR)
    assert "does not tell the two apart" in _medical_beats.borne_out(NONE, NONE)
    said = " ".join(_medical_beats.when_words(beats()))
    assert "the steps 28–41 held the largest part" in said
    assert "costs 20 percentage points (95% interval 10 to 30)" in said


def test_shares_of_windows_count_classes_alike() -> None:
    values = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, -3.0, 1.0]])
    found = _medical_beats.shares(values, values, np.array([0, 0, 0, 1]), ("a", "b", "c"), ("normal", "other"))
    assert found["ranked"] == [0, 1, 2]
    assert found["by_class"]["other"]["b"][0] == 0.75
    assert found["same_strongest"][0] == 1
    more = _medical_beats.shares(values[[0, 3, 3]], values[[0, 3, 3]], np.array([0, 1, 2]), ("a", "b", "c"), ("normal", "other", "third"))
    assert more["ranked"] == [1, 0, 2]


def test_actions_for_beats_come_from_what_was_shown() -> None:
    found = beats()
    assert "unclassified beat: 10.0%" in _medical_beats.rare_actions(found)[0]
    assert "7 steps later the network loses 20 percentage points" in _medical_beats.shift_actions(found)[0]
    assert "steps 28–41, ranks first" in _medical_beats.end_actions(found)[0]
    less = copy.deepcopy(found)
    less["classes"]["unclassified beat"]["right"] = (0.4, 0.1, 0.99)
    less["shifted"]["7"]["lost"], less["when"]["ranked"] = NONE, [1, 2, 0]
    assert _medical_beats.rare_actions(less) == _medical_beats.shift_actions(less) == _medical_beats.end_actions(less) == []
    found["shifted"]["-7"]["lost"] = (0.5, 0.4, 0.6)
    assert "7 steps earlier" in _medical_beats.shift_actions(found)[0]


# Nuclei


def test_importance_ranks_and_adds_up_quantities() -> None:
    names = ("mean radius", "radius error", "worst radius", "mean area", "worst concave points")
    draw = np.random.default_rng(0)
    values = draw.normal(size=(50, 5)) * 0.01 + np.array([1.0, -2.0, 0.5, 4.0, 0.1])
    found = _medical_cells.importance(values, values, names)
    assert found["ranked"] == ["mean area", "radius error", "mean radius", "worst radius", "worst concave points"]
    assert found["quantities"]["radius"] == pytest.approx(3.5 / 7.6, abs=0.01)
    assert list(found["quantities"])[:2] == ["area", "radius"]
    assert found["ahead"]["mean area"][0] == pytest.approx(2, abs=0.01)
    which = found | {"samples": 50}
    assert "The mean area is ahead of the radius error by 2" in " ".join(_medical_cells.which_words({"which": which}))
    which["ahead"] = which["ahead"] | {"mean area": NONE}
    assert "The mean area is not told apart from the radius error" in " ".join(_medical_cells.which_words({"which": which}))


@pytest.mark.parametrize(("lost", "words"), [(CLEAR, "are worth measuring"), (NONE, "no loss is shown"), (LESS, "it is even better")])
def test_what_fewer_measurements_come_to(lost: tuple[float, ...], words: str) -> None:
    fewer = {"kept": ["mean area", "worst texture"], "of": 30, "accuracy": (0.9, 0.8, 0.95), "lost": lost}
    said = _medical_cells.fewer_actions({"fewer": fewer})[0]
    assert words in said
    assert "the other 28" in said


def test_misses_are_told_where_there_are_any() -> None:
    classes = {"malignant": {"right": (0.9, 0.8, 0.95), "of": 42}}
    assert "3 of 42" in _medical_cells.missed_actions({"mistakes": {"missed": 3, "false_alarms": 1}, "classes": classes})[0]
    assert _medical_cells.missed_actions({"mistakes": {"missed": 0, "false_alarms": 1}, "classes": classes}) == []


def test_how_sure_it_is_counts_verdicts() -> None:
    one = {"cases": 3, "verdicts": {"supported": 1, "mixed": 2, "not supported": 0}, "checks_passed": 3, "largest_error": 0.0}
    found = {"reliability": {"xray": {"shap": one, "integrated_gradients": one}}, "xray": xray()}
    said = sure_words(found, ["xray"])
    assert "Of 6 explanations of cases, 2 are supported" in said[0]
    assert "4 are mixed, 0 not supported" in said[0]
    assert "same strongest region in 80.0%" in said[1]
    unknown = {"where": {"agreement": None, "same_strongest": (0.8, 0.7, 0.9)}}
    assert "an unknown amount" in agreement_words("xray", unknown)


# Planted truths, on trained networks


def planted(shape: tuple[int, ...], names: tuple[str, ...], mark: Callable[[np.ndarray, np.ndarray], None], training: int) -> tuple[Dataset, Dataset]:
    """Noise in which only `mark(inputs, labels)` tells two classes apart, so many samples to train on and 400 held out."""
    draw, found = np.random.default_rng(0), []
    for split, count in (("train", training), ("test", 400)):
        labels = np.arange(count) % 2
        inputs = draw.uniform(0.3, 0.6, (count, *shape)).astype(np.float32)
        mark(inputs, labels)
        found.append(Dataset("planted", split, inputs, labels, names))
    return found[0], found[1]


def work_on(data: tuple[Dataset, Dataset], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    monkeypatch.setattr(_medical_common, "loaded", lambda *given: data)
    return Work.start("medical", folder, seed=0, lang="en", quick=True)


@pytest.mark.slow
def test_a_mark_in_the_border_of_xrays_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bright square in the lower right corner of those that are called pneumonia."""
    pytest.importorskip("tensorflow")

    def mark(images: np.ndarray, labels: np.ndarray) -> None:
        images[labels == 1, 24:28, 21:28] = 1.0

    part = _medical_xray.part(work_on(planted((28, 28, 1), ("normal", "pneumonia"), mark, 3200), tmp_path, monkeypatch))
    assert part is not None
    found = part.found
    assert found["whole"]["accuracy"][0] > 0.95
    assert found["where"]["border"][1] > 0.55 > found["where"]["border_area"]
    assert max(found["where"]["share"], key=lambda name: found["where"]["share"][name][0]) == "bottom border"
    assert found["where"]["toward_pneumonia"]["pneumonia"]["bottom border"][1] > 0
    assert found["alone"]["border"]["auc"][0] > 0.99
    assert abs(found["alone"]["centre"]["auc"][0] - 0.5) < 0.1
    assert found["filled"][2]["border"]["lost"][1] > 0.3
    assert abs(found["filled"][2]["centre"]["lost"][0]) < 0.1
    assert "a shortcut is open here" in _medical_xray.verdict_words(found)
    assert "It has a price here" in part.actions()[0]
    assert [chapter.heading for chapter in part.chapters()] == ["Where in the X-ray", "The centre against the border: does a shortcut help?"]


@pytest.mark.slow
def test_the_steps_that_decide_a_beat_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bump of either sign in one window."""
    pytest.importorskip("tensorflow")

    def mark(beats: np.ndarray, labels: np.ndarray) -> None:
        beats[:, 98:112] += 2.0 * np.where(labels == 0, 1, -1)[:, None, None]

    part = _medical_beats.part(work_on(planted((140, 1), ("normal", "unclassified beat"), mark, 800), tmp_path, monkeypatch))
    assert part is not None
    when = part.found["when"]
    assert when["windows"][when["ranked"][0]] == "98–111"
    assert when["share"]["98–111"][1] > 0.7
    assert part.found["filled"]["first"]["lost"][1] > 0.3
    assert abs(part.found["filled"]["last"]["lost"][0]) < 0.02
    assert "bears the ranking out" in part.chapters()[0].paragraphs[-1]


# A whole run


@pytest.mark.slow
def test_a_run_without_the_other_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The measurements are always there; what is missing is said, and nothing is claimed of it."""
    pytest.importorskip("tensorflow")
    for name in ("PELLUCID_DATA", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pellucid.data.datasets._places.in_package", lambda *given: (_ for _ in ()).throw(_not_there()))
    before = np.random.get_state()[1].tolist()
    result = medical(tmp_path / "out", quick=True)
    assert np.random.get_state()[1].tolist() == before
    assert [one.network for one in result.qualities] == ["nuclei"]
    assert result.qualities[0].value >= 0.9 > result.qualities[0].baseline
    assert result.qualities[0].held_out == len(load("breast_cancer"))
    said = json.loads(result.file.read_text(encoding="utf-8"))
    assert [note.split(" was not found")[0] for note in said["notes"][:2]] == ["pneumoniamnist", "ecg5000"]
    assert "quick try" in said["notes"][2]
    assert set(said["found"]) == {"nuclei", "reliability", "cases"}
    page = result.report.read_text(encoding="utf-8")
    assert "pneumoniamnist was not found" in page
    assert "Which measurements" in page
    assert "Where in the X-ray" not in page


def _not_there() -> Exception:
    from pellucid.data.datasets._places import NotThereError

    return NotThereError("hidden")
