"""Words left out: every coalition is scored as the sentence without them would be, and the rest moves together."""

from __future__ import annotations

import itertools
from dataclasses import replace
from math import factorial
from typing import Any

import numpy as np
import pytest

import pellucid
from embedding_model import EmbeddingModel
from pellucid.api._deletion import Deleting
from pellucid.core.errors import CombinationError, SettingError
from pellucid.core.model import MaskRows
from pellucid.core.target import Target
from pellucid.data.fills.deletion import Deletion

Array = np.ndarray
SENTENCES = ["a really good film", "not good at all , really", "bad bad film"]
TEXT = pellucid.Text.fit(SENTENCES, length=6, absent_as="deletion")
NETWORK = EmbeddingModel.drawn(1, 6, 4, len(TEXT.vocabulary), "tanh")
BY_WORDS = ("exact_shap", "shap", "kernel_shap", "permutation_shap", "lime", "feature_ablation", "sobol", "partition_shap")


def value(sentence: str, kept: tuple[int, ...], target: int = 1) -> float:
    """The score of a sentence that was written without some of its words."""
    words = sentence.split()
    ids = np.zeros((1, 6))
    left = [TEXT.vocabulary.index(words[i]) for i in kept]
    ids[0, : len(left)] = left
    return float(NETWORK.predict(ids)[0, target])


def shapley(sentence: str) -> list[float]:
    """By definition, over all coalitions."""
    n, found = len(sentence.split()), []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        total = 0.0
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for chosen in itertools.combinations(others, size):
                total += weight * (value(sentence, tuple(sorted((*chosen, i)))) - value(sentence, chosen))
        found.append(total)
    return found


def test_shapley_values_are_those_of_sentences_written_without_the_words() -> None:
    found = pellucid.explain(NETWORK, SENTENCES, "exact_shap", preprocessing=TEXT, target=1)
    for row, sentence in enumerate(SENTENCES):
        np.testing.assert_allclose(found.values[row][found.feature_mask[row]], shapley(sentence), atol=1e-6)
    padded = pellucid.Text(TEXT.vocabulary, 6)
    other = pellucid.explain(NETWORK, SENTENCES, "exact_shap", preprocessing=padded, target=1)
    assert np.abs(other.values - found.values).max() > 0.05, "a gap filled with padding is another sentence"
    assert "Deletion" in found.provenance["settings"]["fill"]


def test_what_one_word_changes_is_the_sentence_without_it() -> None:
    found = pellucid.explain(NETWORK, SENTENCES, "feature_ablation", preprocessing=TEXT, target=1)
    for row, sentence in enumerate(SENTENCES):
        n = len(sentence.split())
        without = [value(sentence, tuple(j for j in range(n) if j != i)) for i in range(n)]
        np.testing.assert_allclose(found.values[row][:n], value(sentence, tuple(range(n))) - np.array(without), atol=1e-6)


@pytest.mark.parametrize("method", BY_WORDS)
def test_the_planted_word_is_first_by_every_method(method: str) -> None:
    table = np.zeros((len(TEXT.vocabulary), 2))
    table[TEXT.vocabulary.index("good"), 0] = 1.0
    table[:, 1] = np.random.default_rng(0).normal(scale=0.05, size=len(table))
    network = EmbeddingModel.drawn(0, 6, 2, 3)
    network.table = table
    network.upper = type(network.upper)([type(network.upper.stack[0])(np.tile(np.eye(2), (6, 1)), np.zeros(2))], (6, 2))
    found = pellucid.explain(network, SENTENCES[:2], method, preprocessing=TEXT, target=0)
    assert [found.strongest(1, sample=i).names for i in (0, 1)] == [("good",), ("good",)]


def test_several_targets_and_functions_meet_the_same_sentences() -> None:
    both = pellucid.explain(NETWORK, SENTENCES, "exact_shap", preprocessing=TEXT, target=pellucid.Several(0, 1))
    np.testing.assert_allclose(both.at(1).values, pellucid.explain(NETWORK, SENTENCES, "exact_shap", preprocessing=TEXT, target=1).values, atol=1e-6)

    assert both.statistics["shared_evaluations"].max() > 0, "a sentence that serves both targets is scored once"

    def first(outputs: Array) -> Array:
        return np.asarray(outputs[:, 1])

    own = pellucid.explain(NETWORK, SENTENCES, "exact_shap", preprocessing=TEXT, target=first)
    np.testing.assert_allclose(own.values, both.at(1).values, atol=1e-6)


def test_evaluating_leaves_words_out_too() -> None:
    found = pellucid.explain(NETWORK, SENTENCES[:1], "exact_shap", preprocessing=TEXT, target=1)
    score = pellucid.evaluate(NETWORK, found, {"comprehensiveness": {"ratios": (0.25,)}}, draws=0)["comprehensiveness"]
    strongest = int(np.argmax(found.values[0]))
    kept = tuple(j for j in range(4) if j != strongest)
    drop = value(SENTENCES[0], (0, 1, 2, 3)) - value(SENTENCES[0], kept)
    assert score.values[0] == pytest.approx(drop / 2, abs=1e-6), "the mean over no word and one"


def test_masks_move_with_their_tokens() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    words = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "un": 4, "##able": 5, "film": 6, "!": 7}
    own = tokenizers.Tokenizer(tokenizers.models.WordPiece(words, unk_token="[UNK]"))  # noqa: S106
    own.normalizer, own.pre_tokenizer = tokenizers.normalizers.BertNormalizer(), tokenizers.pre_tokenizers.BertPreTokenizer()
    own.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    text = pellucid.Text.of_tokenizer(own, length=8, names=("input_ids", "attention_mask"), absent_as="deletion")
    met: list[tuple[tuple[int, ...], tuple[int, ...]]] = []

    def network(inputs: dict[str, Array]) -> Array:
        ids, mask = (np.asarray(inputs[name]) for name in ("input_ids", "attention_mask"))
        met.extend((tuple(map(int, one)), tuple(map(int, shown))) for one, shown in zip(ids, mask, strict=True))
        return (ids * mask * np.arange(1, 9)).sum(axis=1, keepdims=True).astype(float)

    found = pellucid.explain(network, ["unable film!"], "exact_shap", preprocessing=text)
    assert ((2, 6, 7, 3, 0, 0, 0, 0), (1, 1, 1, 1, 0, 0, 0, 0)) in met, "without the word of two pieces, begin and end are there"
    assert ((2, 4, 5, 7, 3, 0, 0, 0), (1, 1, 1, 1, 1, 0, 0, 0)) in met
    assert ((2, 3, 0, 0, 0, 0, 0, 0), (1, 1, 0, 0, 0, 0, 0, 0)) in met
    assert found.values.shape == (1, 3)


def test_without_a_preprocessing_tokens_are_left_out_by_the_fills_name() -> None:
    ids = TEXT.inputs(SENTENCES[:1])
    found = pellucid.explain(NETWORK, ids, "feature_ablation", fill="deletion:0", target=1)
    whole = value(SENTENCES[0], (0, 1, 2, 3))
    np.testing.assert_allclose(found.values[0, 1], whole - value(SENTENCES[0], (0, 2, 3)), atol=1e-6)
    assert found.values[0, 4] == 0, "padding left out changes nothing"
    score = pellucid.evaluate(NETWORK, found, {"comprehensiveness": {"ratios": (1 / 6,)}}, draws=0, fill="deletion:0")["comprehensiveness"]
    assert score.values[0] == pytest.approx(found.values[0].max() / 2, abs=1e-6)


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"method": "integrated_gradients"}, CombinationError, "must be as long.*shap, lime"),
        ({"method": "guided_integrated_gradients"}, CombinationError, "absent_as='padding'"),
        ({"method": "integrated_gradients", "baseline": "deletion", "preprocessing": None, "x": np.zeros((1, 6))}, SettingError, "padding"),
        ({"method": "shap", "fill": Deletion(), "preprocessing": None, "x": np.full((1, 6), 0.5)}, CombinationError, "not whole"),
    ],
)
def test_what_cannot_leave_words_out_says_what_can(asked: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        pellucid.explain(NETWORK, **{"x": SENTENCES, "preprocessing": TEXT, "target": 1} | asked)
    with pytest.raises(SettingError, match="whole number of the padding"):
        Deletion(0.5)


def test_a_word_is_there_or_it_is_not() -> None:
    ids = TEXT.inputs(SENTENCES[:1]).astype(np.float32)
    labels, target = np.arange(6)[None], Target(np.eye(3)[[1]], "output", ("1",))
    rows = MaskRows(ids, np.zeros((1, 1, 6), np.float32), labels, np.array([[1, 1, 0.5, 1, 1, 1]]), np.zeros(1, int), np.zeros(1, int))
    with pytest.raises(CombinationError, match=r"this method blends \(a mask holds 0\.5"):
        Deleting(NETWORK, labels, None).masked_scores(rows, target)
    found = Deleting(NETWORK, labels, None).masked_scores(replace(rows, masks=np.array([[1, 1, 0.0, 1, 1, 1]])), target)
    assert found[0] == pytest.approx(value(SENTENCES[0], (0, 1, 3)), abs=1e-6)


def test_gradients_with_a_baseline_of_ones_own_still_work() -> None:
    found = pellucid.explain(NETWORK, SENTENCES, "integrated_gradients", preprocessing=TEXT, target=1, baseline=0)
    np.testing.assert_allclose(found.values.sum(axis=1), found.score - found.baseline_score, rtol=0.05, atol=0.02)
