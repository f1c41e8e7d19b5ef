"""The language application: sentences changed as they are meant to be, truths planted in what is measured, what its numbers come to in words, and a run."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.applications import _work
from pellucid.applications.trades import _language_edits as edits
from pellucid.applications.trades import _language_measures as measures
from pellucid.applications.trades import _language_story as story
from pellucid.applications.trades import _language_words as words
from pellucid.applications.trades.language import language
from pellucid.core.errors import DataNotFoundError
from pellucid.data.dataset import Dataset
from pellucid.data.load import load
from pellucid.recipes import NETWORKS

KNOWN = set(edits.SIGN)


# Sentences changed


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("it's not very interesting .", "it's very interesting ."),
        ("The beans were not fresh, and cold.", "The beans were fresh, and cold."),
        ("Not bad at all.", "bad at all."),
        ("you won’t see it, and can't like it", "you will see it, and can like it"),
        ("It cannot fail; it never did.", "It can fail; it did."),
        ("a film without a plot", "a film a plot"),
    ],
)
def test_negators_are_taken_out(text: str, without: str) -> None:
    assert edits.without_negators(["a good film", text]) == {1: without}


def test_a_sentence_of_a_negator_alone_is_left_out() -> None:
    assert edits.without_negators(["no", "No . never", "nothing at all"]) == {1: "."}


def test_four_forms_of_a_sentence() -> None:
    texts = ["not a very good film", "not here, good", "a good film", "it isn't the best of bad films", "not one of the many good films"]
    first, second = edits.negated(texts, KNOWN)
    assert first == edits.Negated(0, "not", "good", 1, ("not a very good film", "a very good film", "not a very film", "a very film"))
    assert (second.row, second.negator, second.word, second.forms[3]) == (3, "isn't", "best", "it is the of bad films")
    assert edits.negated(texts, KNOWN - {"good", "best"})[0].word == "bad"
    put = edits.with_not(["Good food", "a dull, dull film", "a mess", "not good"], KNOWN)
    assert [one.forms for one in put] == [
        ("Not good food", "Good food", "Not food", "food"),
        ("a not dull, dull film", "a dull, dull film", "a not, dull film", "a, dull film"),
    ]


def test_words_become_their_opposites() -> None:
    found = edits.changes(["An excellent film, not a mess", "plain"], KNOWN)
    assert [(one.word, one.text) for one in found] == [("excellent", "An awful film, not a mess"), ("mess", "An excellent film, not a masterpiece")]
    assert edits.changes(["a clean and ugly room"], KNOWN)[1].text == "a clean and beautiful room"
    assert edits.changes(["a good film"], KNOWN - {"bad"}) == []
    assert len(edits.SIGN) == 2 * len(edits.OPPOSITES) == len(edits.OPPOSITE_OF)
    assert all(edits.OPPOSITE_OF[edits.OPPOSITE_OF[word]] == word and edits.SIGN[word] == -edits.SIGN[edits.OPPOSITE_OF[word]] for word in edits.SIGN)


# Truths planted


def additive(texts: Sequence[str]) -> np.ndarray:
    """A reader that adds up words and takes "not" for a word against."""
    return np.array([sum(edits.SIGN.get(word.name, -0.5 * edits.is_negator(word.name)) for word in edits.words_of(text)) for text in texts], dtype=float)


def understanding(texts: Sequence[str]) -> np.ndarray:
    """A reader that turns every word behind a negator."""
    found = []
    for text in texts:
        sign, total = 1, 0.0
        for word in edits.words_of(text):
            sign = -1 if edits.is_negator(word.name) else sign
            total += sign * edits.SIGN.get(word.name, 0)
        found.append(total)
    return np.array(found)


TEXTS = [f"{start} {word} {end}" for start in ("not a", "it isn't", "a") for word in ("good", "dull", "best", "slow") for end in ("film", "one , that is all")]


def outputs_of(scores: np.ndarray) -> np.ndarray:
    share = 1 / (1 + np.exp(-2 * scores))
    return np.stack([1 - share, share], axis=1)


def test_a_reader_who_understands_negation_is_told_from_one_who_does_not() -> None:
    right = np.array([1, 0] * 12)
    for reader, behind, change, verdict in ((additive, 1.0, 0.0, "keeps what it says"), (understanding, -1.0, -2.0, "turns the word")):
        found = measures.negation(reader, TEXTS, outputs_of(reader(TEXTS)), right, KNOWN)
        assert found["counts"] == [16, 8]
        for way, count in (("found", 16), ("put_in", 6)):
            assert found[way]["count"] == count
            assert found[way]["alone"][0] == pytest.approx(1)
            assert found[way]["behind"][0] == pytest.approx(behind)
            assert found[way]["interaction"][0] == pytest.approx(change)
            assert found[way]["reversed"][0] == (1.0 if behind < 0 else 0.0)
            assert verdict in story.verdict(found[way])
    taken = measures.negation(additive, TEXTS, outputs_of(additive(TEXTS)), right, KNOWN)
    assert taken["removed"] == pytest.approx([0.5, 0.5, 0.5])
    assert measures.score_of(outputs_of(np.array([-3.0, 0.7]))) == pytest.approx([-3.0, 0.7])


def test_changed_words_turn_answers_and_move_scores_their_way() -> None:
    texts = ["a good film", "a dull film", "good and touching , fun", "plain"]
    found = measures.changed(additive, texts, outputs_of(additive(texts)), KNOWN)
    assert (found["count"], found["agreed"]) == (3, 3)
    assert found["turned"][0] == pytest.approx(2 / 3)
    assert (found["followed"][0], found["way"][0]) == (1.0, pytest.approx(2.0))
    against = measures.changed(lambda some: -additive(some), texts, outputs_of(-additive(texts)), KNOWN)
    assert (against["agreed"], against["followed"][0], against["way"][0]) == (0, 0.0, pytest.approx(-2.0))
    told = [([word.name for word in edits.words_of(text)], np.array([edits.SIGN.get(word.name, 0) for word in edits.words_of(text)]), None) for text in texts]
    shown = measures.examples(additive, texts, outputs_of(additive(texts)), told, KNOWN)
    assert [(one.row, round(before, 9), round(after, 9)) for one, before, after in shown] == [(1, -1.0, 1.0), (0, 1.0, -1.0), (2, 3.0, 1.0)]


def test_cutting_out_the_words_that_matter_turns_more_answers_than_others() -> None:
    draw = np.random.default_rng(0)
    weights = np.concatenate([[0.0], draw.normal(0, 0.05, 20), [3.0, 3.5, 4.0]])
    ids = np.stack([np.concatenate([draw.permutation(np.arange(21, 24)), draw.integers(1, 21, 9)]) for _ in range(40)]).astype(np.float32)

    def predict(rows: np.ndarray) -> np.ndarray:
        return outputs_of(weights[rows.astype(int)].sum(axis=1) - 0.5)

    told = [(["w"] * 12, weights[row.astype(int)], np.zeros(12)) for row in ids]
    found = measures.removal(predict, ids, told, 0)
    assert found["count"] == 40
    assert found["strongest"][0] > 0.9
    assert found["chance"][0] == 0
    assert measures.removal(predict, ids, [(["w"] * 3, np.ones(3), np.zeros(3))], 0)["count"] == 0


def test_words_that_weigh_come_first_and_rest_on_sentences_not_on_places() -> None:
    draw = np.random.default_rng(1)
    told = []
    for row in range(60):
        names = ["the", "good" if row % 2 else "bad", "good" if row % 2 else "film", f"rare{row}", "."]
        planted = {"good": 0.5, "bad": -2.0}
        told.append((names, np.array([planted.get(name, 0.0) + draw.normal(0, 0.2) for name in names]), np.full(5, 0.01)))
    counts = words.sentences_with([one[0] for one in told], ["the", "good", "bad", "film", "."])
    assert counts == {"the": 60, "good": 30, "bad": 30, "film": 30, ".": 60}
    found = words.by_word(told, counts, least=5)
    assert [one.word for one in found[:2]] == ["bad", "good"]
    assert {one.word for one in found} == {"the", "good", "bad", "film"}
    assert found[1].mean[0] == pytest.approx(1.0, abs=0.2)
    assert (found[1].sentences, found[1].in_training) == (30, 30)
    assert [words.Worth("w", mean, 9, 9).sure for mean in ((2.0, 1.0, 3.0), (-2.0, -3.0, -1.0), (0.1, -1.0, 1.2))] == [1.0, -1.0, 0.0]
    ranked = words.ranked({"one": {one.word: one for one in found}, "two": {one.word: one for one in found}})
    assert (ranked["for"][0]["word"], ranked["against"][0]["word"]) == ("good", "bad")
    assert ranked["rank"][0] == pytest.approx(1)
    turned = [(names, -values, error) for names, values, error in told]
    assert words.agreement_within(told, turned)[0][0] == pytest.approx(-1)
    assert words.same_strongest(told, turned)[0] == 1
    assert words.concentration(told, 5)[0] != words.concentration(told, 1)[0] < 1
    assert words.relative_error(told) < 0.1


def test_cases_are_of_all_kinds_and_each_is_shown_once() -> None:
    texts = [f"{'it is not' if row % 3 == 0 else 'this one is'} a film of sort {row}" for row in range(40)]
    draw = np.random.default_rng(2)
    labels = draw.integers(0, 2, 40)
    one, other = (outputs_of(draw.normal(0, 1, 40)) for _ in range(2))
    found = measures.choose({"one": one, "two": other}, labels, texts, 8)
    assert len(found) == len({row for row, _ in found}) == 8
    assert {why for _, why in found} == set(story.WHY)
    right = one.argmax(axis=1) == labels
    for row, why in found:
        assert "right" not in why or right[row]
        assert "wrong" not in why or not right[row]
        assert "negator" not in why or row % 3 == 0
    sure = next(row for row, why in found if why == "right, sure")
    assert one.max(axis=1)[sure] == one.max(axis=1)[right & (np.arange(40) % 3 != 0)].max()


# What is told


ABOVE, AROUND, BELOW, NOTHING = [0.4, 0.3, 0.5], [0.01, -0.1, 0.12], [-0.4, -0.5, -0.3], [None, None, None]


def way(count: int = 30, alone: Any = ABOVE, behind: Any = ABOVE, interaction: Any = AROUND) -> dict[str, Any]:
    return {"count": count, "alone": alone, "behind": behind, "interaction": interaction, "reversed": [0.1, 0.05, 0.2]}


def entry(word: str, worth: list[float], training: int = 100) -> dict[str, Any]:
    return {"word": word, "sentences": 9, "training": training, "worth": {"bilstm": worth, "transformer": worth}}


def both(one: Any) -> dict[str, Any]:
    return {"bilstm": one, "transformer": copy.deepcopy(one)}


def made_up() -> dict[str, Any]:
    """Numbers as a run finds them."""
    share, other = [0.8, 0.7, 0.9], [0.2, 0.1, 0.3]
    return {
        "data": "movie_reviews", "quick": False, "training": 1000, "held_out": 100, "negated_in_training": 90,
        "words": {
            "counted": 50, "least": 5, "explained": 100, "for": [entry("good", ABOVE)], "against": [entry("bad", BELOW, 12)], "silent": [entry("and", ABOVE)],
            "silent_asked": 20, "rank": [0.9, 0.8, 0.95], "concentration": both([share, share]),
        },
        "agreement": {
            "within": [0.8, 0.7, 0.9], "sentences": 90, "strongest": share, "answers": share, "methods": both({"within": share, "error": 0.05}),
        },
        "negation": both({
            "with": other, "without": share, "counts": [20, 80], "difference": BELOW, "removed": ABOVE, "removed_size": ABOVE, "turned": other,
            "found": way(5), "put_in": way(),
        }),
        "changes": both({"count": 40, "turned": other, "followed": share, "way": ABOVE, "agreed": 30, "turned_agreed": other}),
        "removal": both({"count": 40, "strongest": share, "chance": other}),
        "doubts": both({"right_when_sure": [0.8, 0.75, 0.85], "said_when_sure": 0.96, "sure_and_wrong": [3, 7], "unknown_difference": BELOW}),
        "cases": [{"row": 3, "why": "right, sure", "text": "a <b>good</b> film"}],
    }  # fmt: skip


def said(found: dict[str, Any]) -> str:
    told = story.tell_story(found, (), (), ("a note",))
    assert told.notes[0] == "a note"
    assert all(picture.png.startswith(b"\x89PNG") and picture.alt for picture in told.pictures)
    return "\n".join([told.title, told.lead, *told.notes, *(text for chapter in told.chapters for text in chapter.paragraphs), *told.actions])


def test_every_sentence_turns_with_its_numbers() -> None:
    usual = said(made_up())
    for part in ("“good”", "“bad” (12)", "largely by the same words", "less often with one", "for a word against", "keeps what it says", "less than half",
                 "the words matter", "Add pairs", "Test a shortcut", "Calibrate bilstm", "a larger vocabulary", "2 in all (numbers 3, 7"):  # fmt: skip
        assert part in usual, part
    other = made_up()
    assert "written for Pellucid" not in usual
    assert "quick try" not in usual
    other |= {"data": "sentences", "quick": True}
    other["agreement"]["within"] = [0.1, -0.1, 0.3]
    other["words"] |= {"for": [], "against": [], "silent": []}
    other["removal"] = both({"count": 40, "strongest": [0.4, 0.2, 0.6], "chance": [0.2, 0.1, 0.3]})
    other["doubts"] = both({"right_when_sure": [0.95, 0.9, 0.99], "said_when_sure": 0.96, "sure_and_wrong": [], "unknown_difference": AROUND})
    for net in other["negation"].values():
        net |= {"difference": AROUND, "removed": AROUND, "put_in": way(30, ABOVE, BELOW, BELOW)}
    for net in other["changes"].values():
        net["turned_agreed"] = [0.8, 0.7, 0.9]
    now = said(other)
    for part in ("written for Pellucid", "quick try", "none is shown to speak",
                 "alike is not shown", "may be chance", "neither more positive", "turns the word", "decides most sentences",
                 "no difference is shown"):  # fmt: skip
        assert part in now, part
    for part in ("Add pairs", "Test a shortcut", "Calibrate", "vocabulary or ready", "Read the held-out", "the words matter"):
        assert part not in now, part


def test_what_cannot_be_told_is_said_to_be_unknown() -> None:
    bare = made_up()
    for net in bare["negation"].values():
        net |= {"found": way(0, NOTHING, NOTHING, NOTHING), "put_in": way(0, NOTHING, NOTHING, NOTHING)}
    for net in bare["changes"].values():
        net |= {"count": 0}
    bare["removal"] = both({"count": 0, "strongest": NOTHING, "chance": NOTHING})
    bare["agreement"]["within"] = NOTHING
    now = said(bare)
    assert "no sentence has a known word of opinion" in now
    assert "No held-out sentence has a word of the list" in now
    assert "alike is not shown" in now
    for net in bare["negation"].values():
        net["counts"] = [0, 100]
    assert "No held-out sentence has a negator" in said(bare)
    assert story.between(NOTHING) == "not known"
    assert story.between([1.0, None, None]) == "+1 (too few for an interval)"


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (way(30, ABOVE, BELOW, BELOW), "turns the word"),
        (way(30, [0.8, 0.7, 0.9], ABOVE, BELOW), "50% of its worth stay"),
        (way(30, ABOVE, ABOVE, AROUND), "does anything to it is not shown"),
        (way(30, ABOVE, ABOVE, ABOVE), "makes more of the word"),
        (way(30, ABOVE, AROUND, BELOW), "takes the word's worth away"),
        (way(30, ABOVE, AROUND, AROUND), "What the negator does to the word is not shown"),
    ],
)
def test_what_a_negator_comes_to(one: dict[str, Any], words: str) -> None:
    assert words in story.verdict(one)


# Runs


@pytest.mark.slow
def test_the_page_of_the_docs_runs(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow")
    page = (Path(__file__).parents[2] / "docs" / "applications" / "language.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    exec(compile(code, "language.md", "exec"), {})  # noqa: S102
    heard = capsys.readouterr().out
    assert "'good' is worth +" in heard
    assert heard.startswith("('")


@pytest.mark.slow
def test_a_try_without_the_reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorflow")

    def absent(name: str) -> Dataset:
        if name.startswith("movie_reviews"):
            raise DataNotFoundError("no reviews here")
        return load(name)

    monkeypatch.setattr(_work, "load", absent)
    heard: list[str] = []
    result = language(tmp_path / "out", seed=1, quick=True, tell=heard.append)
    assert any("movie_reviews was not found" in line for line in result.lines())
    kept = json.loads(result.file.read_text())
    assert set(kept["data"]) == {"sentences"}
    assert {one["network"]: one["value"] >= 0.7 > one["baseline"] for one in kept["quality"]} == {"bilstm": True, "transformer": True}
    assert kept["found"]["cases"]
    assert len(kept["notes"]) == 3
    for name in ("bilstm", "transformer"):
        assert name in NETWORKS.names()
        assert result.networks[name].exists()
        assert result.networks[name].with_name(f"{name}.preprocessing.json").exists()
    page = result.report.read_text()
    assert "Do the networks understand negation?" in page
    assert "movie_reviews was not found" in page
    assert "writing the report" in heard
