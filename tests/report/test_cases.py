"""The front of a case: the reasons that it names are the ones that were planted, in words of their kind, with numbers that can be checked."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
import synthetic
from embedding_model import EmbeddingModel
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.features import FeatureMap
from pellucid.core.language import speaking
from pellucid.core.outcome import Check, Outcome, Outcomes
from pellucid.core.records import Explanation, located
from pellucid.report.cases import RIGHT, UNKNOWN, WRONG, front_of
from pellucid.report.groups import group
from pellucid.report.languages import language
from pellucid.report.reasons import COLUMNS, FEATURES, REGIONS, WINDOWS, WORDS, place_words, reasons_of
from pellucid.report.reliable import agreement, reliability
from pellucid.report.sections import compose

ROWS = {"age": np.array([20.0, 40.0, 60.0]), "home": np.array(["own", "rent <b>", "own"]), "job": np.array(["a", "b", "c"])}
TABLE = pellucid.Table.fit(ROWS, units={"age": "years"})
SENTENCES = ["good good <i>film</i>", "not good"]
TEXT = pellucid.Text.fit(SENTENCES, length=12, tokenizer="whitespace")


def of_rows(method: str = "exact_shap") -> Explanation:
    network = NumpyModel(random_stack(0, (6, 8, 2)), (6,), softmax=True)
    more: dict[str, Any] = {"background": ROWS} if method == "exact_shap" else {}
    return pellucid.explain(network, ROWS, method, preprocessing=TABLE, class_names=("refused", "granted"), labels=[0, 1, 0], **more)


def of_words(method: str = "exact_shap") -> Explanation:
    return pellucid.explain(EmbeddingModel.drawn(1, 12, 4, len(TEXT.vocabulary), "tanh"), SENTENCES, method, preprocessing=TEXT)


def planted(values: np.ndarray, error: np.ndarray | float = 0.0, kind: str = "standard_error") -> Explanation:
    """A digit whose map is given, (rows, columns)."""
    record = synthetic.explanation("integrated_gradients", 1)
    full = values[None, ..., None].astype(np.float32)
    return replace(record, values=full, error=np.broadcast_to(np.float32(error), full.shape), error_kind=kind, degrees=np.array([np.inf]))


def of_features(values: list[float], error: list[float], names: tuple[str, ...] = ()) -> Explanation:
    """A digit cut into four quarters, with their values."""
    record = synthetic.explanation("shap", 1)
    row, column = np.mgrid[:28, :28] // 14
    features = FeatureMap((2 * row + column)[None, ..., None], names or tuple(f"patch {i}" for i in range(4)), "patches")
    arrays = {"values": np.array([values], dtype=np.float32), "error": np.array([error], dtype=np.float32)}
    return replace(record, **arrays, features=features, degrees=np.array([np.inf]), provenance=record.provenance | {"unit": "score"})


def test_columns_are_told_with_what_they_hold_and_add_up() -> None:
    found = of_rows()
    reasons = reasons_of(found, 1)
    assert reasons.kind == COLUMNS
    assert {reason.name for reason in reasons.all} <= {"age = 40 years", "home = rent <b>", "job = b"}
    values = {found.feature_name(i, 1): float(found.values[1, i]) for i in range(3)}
    for reason in reasons.all:
        assert reason.part.value == pytest.approx(values[reason.name])
        same = [value for value in values.values() if value * reason.part.value > 0]
        assert reason.share == pytest.approx(reason.part.value / sum(same))
    assert [reason.part.value > 0 for reason in reasons.supports] == [True] * len(reasons.supports)
    assert [reason.part.value < 0 for reason in reasons.opposes] == [True] * len(reasons.opposes)


def test_a_category_that_was_spread_over_columns_is_one_reason() -> None:
    found = of_rows("integrated_gradients")
    names = {reason.name for reason in reasons_of(found, 0).all}
    assert names <= {"age = 20 years", "home = own", "job = a"}


def test_words_are_quoted_and_those_that_stand_twice_have_a_place() -> None:
    for method in ("exact_shap", "integrated_gradients"):
        reasons = reasons_of(of_words(method), 0)
        assert reasons.kind == WORDS
        assert {reason.name for reason in reasons.all} <= {"“good” (word 1)", "“good” (word 2)", "“<i>film</i>”"}
        total = sum(float(value) for value in of_words(method).values[0])
        assert reasons.totals[0] - reasons.totals[1] == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize(("row", "column", "name"), [(4, 4, "upper left"), (4, 14, "top"), (14, 23, "right"), (23, 23, "lower right"), (14, 14, "centre")])
def test_a_planted_spot_is_the_first_region_and_is_called_by_its_place(row: int, column: int, name: str) -> None:
    values = np.random.default_rng(0).normal(0, 0.01, (28, 28))
    values[row - 2 : row + 3, column - 2 : column + 3] += 1
    values[26:28, 1:3] -= 2
    reasons = reasons_of(planted(values), 0)
    assert reasons.kind == REGIONS
    first = reasons.supports[0]
    assert (first.name, first.place) == (name, 1)
    assert first.part.area is not None
    assert first.part.area[row, column]
    assert first.part.value == pytest.approx(values[first.part.area].sum(), rel=1e-4)
    assert reasons.opposes[0].name == "lower left"
    assert reasons.opposes[0].place == len(reasons.supports) + 1
    assert 0 < first.share <= 1


def test_a_region_s_error_is_what_its_points_can_do_together() -> None:
    values = np.zeros((28, 28))
    values[3:8, 3:8] = 1.0
    part = reasons_of(planted(values, 0.1), 0).supports[0].part
    assert part.area is not None
    assert part.reach == pytest.approx(1.96 * 0.1 * part.area.sum(), rel=0.01)
    assert part.sure
    assert reasons_of(planted(values, 2.0), 0).supports == ()
    assert reasons_of(planted(values, 2.0), 0).unsure == ("upper left",)
    assert "its error is not known" in reasons_of(planted(values, np.nan, "none"), 0).supports[0].words
    assert reasons_of(planted(values, 0.0, "exact"), 0).supports[0].words.endswith("; exact")


def test_what_is_not_told_apart_from_0_is_no_reason_but_said() -> None:
    reasons = reasons_of(of_features([3.0, 2.0, -1.0, 0.5], [0.1, 1.5, 0.1, 0.1]), 0)
    assert [reason.name for reason in reasons.supports] == ["upper left", "lower right"]
    assert [reason.name for reason in reasons.opposes] == ["lower left"]
    assert reasons.unsure == ("upper right",)
    assert reasons.supports[0].share == pytest.approx(3 / 5.5)
    assert reasons.supports[0].words == "+3; 95% sure: +2.8 to +3.2"
    (found,) = group([of_features([3.0, 2.0, -1.0, 0.5], [0.1, 1.5, 0.1, 0.1])])[0].samples.values()
    assert front_of(found, None, "x").notes == ("Not told apart from 0, and so no reasons: upper right.",)


def test_a_feature_that_somebody_named_keeps_its_name() -> None:
    names = ("left lung", "right lung", "patch 2", "heart")
    reasons = reasons_of(of_features([3.0, 2.0, -1.0, 0.5], [0.1] * 4, names), 0)
    assert [reason.name for reason in reasons.all] == ["left lung", "right lung", "heart", "lower left"]


def test_values_without_a_direction_speak_neither_for_nor_against() -> None:
    record = of_features([3.0, 2.0, 1.0, 0.5], [0.1] * 4)
    reasons = reasons_of(replace(record, provenance=record.provenance | {"directed": False}), 0)
    assert not reasons.directed
    assert len(reasons.supports) == 3
    assert reasons.opposes == ()
    page = pellucid.report.render([replace(record, provenance=record.provenance | {"directed": False})], evaluate=False)
    assert "What mattered most" in page
    assert "What spoke for it" not in page


def test_a_stretch_of_time_is_told_in_steps_and_seconds_and_on_its_channel() -> None:
    series = pellucid.Series(60, ("left", "right"), (0.0, 0.0), (2.0, 2.0), "mV", rate=20.0)
    raw = np.random.default_rng(0).normal(size=(1, 60, 2))
    found = pellucid.explain(NumpyModel(random_stack(1, (120, 8, 3)), (60, 2), softmax=True), raw, "saliency", preprocessing=series)
    values = np.zeros((1, 60, 2), np.float32)
    values[0, 20:30, 1], values[0, 40:44, 0] = 1.0, -2.0
    reasons = reasons_of(replace(found, values=values, error=0 * values, features=None), 0)
    assert reasons.kind == WINDOWS
    assert [reason.name for reason in reasons.all] == ["right, 1 to 1.5 s (steps 20 to 29)", "left, 2 to 2.2 s (steps 40 to 43)"]
    bare = replace(found, values=values, error=0 * values, features=None, provenance={})
    assert reasons_of(bare, 0).supports[0].name == "channel 1, steps 20 to 29"


def test_several_inputs_pairs_and_layers_have_reasons_too() -> None:
    reasons = reasons_of(synthetic.several("shap"), 0)
    assert reasons.kind == FEATURES
    assert reasons.supports
    assert all(re.match("image: |meta: ", reason.name) for reason in reasons.all)
    layer = replace(
        synthetic.explanation("saliency", 1),
        values=np.array([[1.0, -3.0]], np.float32),
        error=np.zeros((1, 2), np.float32),
        provenance={"resolved": {"at": "dense"}},
    )
    assert [reason.name for reason in reasons_of(layer, 0).all] == ["unit 0", "unit 1"]


def front(records: list[Explanation], **more: Any) -> Any:
    (found,) = group(records)[0].samples.values()
    return front_of(found, None, "x", **more)


def test_the_answer_is_right_wrong_or_nobody_knows() -> None:
    record = replace(synthetic.explanation("saliency", 1), prediction=np.array([[0.875, 0.125]]), class_names=("cat", "dog"))
    told = {label: front([replace(record, provenance=record.provenance | {"labels": [label]})]) for label in (0, 1)}
    assert (told[0].outcome, told[0].truth) == (RIGHT, "That is right.")
    assert (told[1].outcome, told[1].truth) == (WRONG, "That is wrong: in truth it is “dog”.")
    assert told[0].answer == "The network's answer is “cat”, with a probability of 87.5%."
    assert told[0].confidence == 0.875
    blind = front([replace(record, provenance={})])
    assert blind.outcome == UNKNOWN
    with speaking(language("zh")):
        assert "87.5%" in front([record]).answer


def test_a_case_is_called_by_its_number_in_its_data() -> None:
    record = synthetic.explanation("saliency", 1)
    assert front([record], noun="Applicant").name == "Applicant 1"
    assert front([located(record, "credit:test", [1234])], noun="Applicant").name == "Applicant 1234"
    assert "credit:test" in front([located(record, "credit:test", [1234])]).source


def test_a_row_is_shown_with_its_units() -> None:
    (found, *_rest) = group([of_rows()])[0].samples.values()
    assert front_of(found, None, "x").row == (("age", "20 years"), ("home", "own"), ("job", "a"))


def test_a_contrast_is_asked_as_one_and_more_against_than_for_is_said() -> None:
    record = of_features([1.0, 0.2, -3.0, 0.5], [0.01] * 4)
    predicted = synthetic.DIGITS[int(record.prediction[0].argmax())]
    other = "3" if predicted != "3" else "4"
    assert any("More spoke against this answer" in note for note in front([record]).notes)
    contrast = replace(record, target=replace(record.target, labels=(f"{predicted} − {other}",)))
    assert not front([contrast]).notes
    assert f"Why “{predicted}” rather than “{other}”?" in pellucid.report.render([contrast], evaluate=False)


def test_how_it_ended_is_said_by_its_code() -> None:
    record = of_features([1.0, 0.2, -3.0, 0.5], [0.01] * 4)
    ended = Outcome(Check("budget_exhausted", "English.", "", {"relative_error": 0.0863}), (Check("poor_fit", "English.", "", {}),))
    found = reliability([(replace(record, outcome=Outcomes((ended,))), 0)], None, reasons_of(record, 0))
    assert "The computing ended early: the numbers are off by about 8.6%, which is more than was asked for." in found.facts
    assert "The simple formula from which the numbers are read describes the network badly here." in found.facts
    assert "whether the network uses what is named, by taking it away" in found.unchecked
    assert "what another method of explaining says" in found.unchecked


def test_the_verdict_s_facts_are_told_with_their_numbers() -> None:
    record = of_features([1.0, 0.2, -3.0, 0.5], [0.01] * 4)
    trial = synthetic.evaluation(record)
    found = reliability([(record, 0)], trial, reasons_of(record, 0))
    assert found.word == trial.verdicts[0].word
    chance = trial.scores["deletion"].chance[0].mean()
    assert f"What it names matters to the network more than parts picked at random (Deletion: 0.1, by chance {chance:.2g}; lower is better)." in found.facts
    assert "whether the network uses what is named, by taking it away" not in found.unchecked


def test_methods_agree_where_they_rank_alike_and_not_where_they_do_not() -> None:
    record = of_features([3.0, 2.0, -1.0, 0.5], [0.1] * 4)
    same = replace(record, values=2 * record.values)
    other = replace(record, values=-record.values)
    assert agreement((record, 0), (same, 0)) == pytest.approx(1)
    assert agreement((record, 0), (other, 0)) == pytest.approx(-1)
    spread = replace(planted(np.kron(np.array([[3.0, 2.0], [-1.0, 0.5]]), np.ones((14, 14)))), target=record.target)
    assert agreement((record, 0), (spread, 0)) == pytest.approx(1), "a map is added up over the features of the other"
    assert agreement((record, 0), (replace(same, target=replace(same.target, labels=("another",))), 0)) is None
    uneven = FeatureMap(np.where(np.arange(784) < 700, 0, np.arange(784) // 28 - 24).reshape(1, 28, 28, 1), ("patch 0",), "patches")
    wide = replace(record, features=uneven, values=np.array([[0.5, 2.0, 7.0, 1.0]], np.float32))
    labels = uneven.labels[0, ..., 0]
    painted = np.array([0.5, 2.0, 7.0, 1.0])[labels] / np.bincount(labels.ravel())[labels]
    assert agreement((wide, 0), (replace(planted(painted), target=record.target), 0)) == pytest.approx(1), "a feature's size is not its weight"
    facts = front([record, replace(other, method="lime")]).reliability.facts
    assert "LIME does not agree (rank correlation −1)." in facts
    assert "LIME largely agrees (rank correlation 1)." in front([record, replace(same, method="lime")]).reliability.facts


def test_choices_that_were_tried_are_told() -> None:
    record = synthetic.varied(of_features([3.0, 2.0, -1.0, 0.5], [0.1] * 4))
    found = reliability([(record, 0)], None, reasons_of(record, 0))
    change = float(record.choices.change.max())  # type: ignore[union-attr]
    assert any(f"it changes by at most {100 * change:.1f}%" in fact for fact in found.facts)
    assert any(fact.startswith("Of the reasons named, these are among the strongest whatever is chosen: upper left") for fact in found.facts)
    assert not any("another reasonable choice" in text for text in found.unchecked)


def test_nothing_of_a_user_s_reaches_the_page_as_markup() -> None:
    evil = "<script>alert(1)</script>"
    found = replace(of_rows(), class_names=(evil, "granted"))
    page = pellucid.report.render([located(found, evil, [0, 1, 2]), of_words()], title=evil, evaluate=False)
    assert evil not in page
    assert "<i>film</i>" not in page
    assert "rent <b>" not in page
    assert "home = rent &lt;b&gt;" in page
    assert "“&lt;i&gt;film&lt;/i&gt;”" in page


def test_a_sentence_stands_in_the_table_of_cases(tmp_path: Path) -> None:
    index = pellucid.report([of_words()], tmp_path / "r", evaluate=False).read_text(encoding="utf-8")
    assert re.findall(r'<a href="cases/[^"]*">(.*?)</a>', index) == ["Sample 1 – good good &lt;i&gt;film&lt;/i&gt;", "Sample 2 – not good"]


def test_the_front_comes_before_the_appendix_and_its_picture_has_a_name_of_its_own() -> None:
    page = pellucid.report.render([synthetic.explanation("shap", 1)], evaluate=False)
    assert page.index('class="front"') < page.index("Technical appendix") < page.index('class="cards"')
    names = [picture.name for picture in compose([synthetic.explanation("shap", 2), synthetic.explanation("lime", 2)]).pictures]
    assert len(names) == len(set(names))


def test_places_of_a_picture() -> None:
    corners = np.zeros((6, 9), dtype=bool)
    corners[5, 8] = True
    assert place_words(corners) == "lower right"


@pytest.mark.parametrize("order", [("saliency", "exact_shap"), ("exact_shap", "saliency"), ("saliency",)])
def test_told_are_the_reasons_of_the_first_that_says_for_and_against(order: tuple[str, ...]) -> None:
    records = {method: of_rows(method) for method in order}
    samples = compose([records[method] for method in order]).networks[0].samples
    leading = "exact_shap" if "exact_shap" in order else "saliency"
    for row, sample in enumerate(samples):
        assert sample.front is not None
        assert sample.front.reasons == reasons_of(records[leading], row)
        assert [card.method for card in sample.cards] == list(order)
