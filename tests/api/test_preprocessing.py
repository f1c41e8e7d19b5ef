"""Explaining what a person gave: rows, sentences, images and series through `explain(…, preprocessing=…)`, and what the record tells of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from embedding_model import EmbeddingModel
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import SettingError, ShapeError

Array = np.ndarray
DRAW = np.random.default_rng(0)
ROWS = {"age": DRAW.uniform(20, 70, 12), "home": DRAW.choice(["own", "rent", "free"], 12), "children": DRAW.integers(0, 4, 12)}
TABLE = pellucid.Table.fit(ROWS, units={"age": "years"})
ON_ROWS = NumpyModel(random_stack(0, (5, 8, 2)), (5,), softmax=True)
SENTENCES = ["a really good film", "not good at all , really", "bad bad film"]
TEXT = pellucid.Text.fit(SENTENCES, length=6)


def of_rows(*numbers: int) -> dict[str, Array]:
    return {name: values[list(numbers)] for name, values in ROWS.items()}


def on_words() -> EmbeddingModel:
    return EmbeddingModel.drawn(1, 6, 4, len(TEXT.vocabulary), "tanh")


def test_rows_are_explained_by_their_columns_as_the_numbers_are_by_groups() -> None:
    found = pellucid.explain(ON_ROWS, of_rows(0, 3, 5), "exact_shap", preprocessing=TABLE, background=ROWS)
    x, groups = TABLE.inputs(ROWS), {"age": 0, "home": [1, 2, 3], "children": 4}
    plain = pellucid.explain(ON_ROWS, x[[0, 3, 5]], "exact_shap", background=x, features=groups)
    np.testing.assert_array_equal(found.values, plain.values)
    assert found.features is not None
    assert found.features.names == ("age", "home", "children")
    told = found.feature_name(0, 1)
    assert told == f"age = {ROWS['age'][3]:.6g} years"
    assert found.feature_name(0) == "age"
    assert found[2].strongest(3).names[list(found[2].strongest(3).features).index(1)] == f"home = {ROWS['home'][5]}"
    assert "given" not in plain.provenance


def test_elements_are_called_by_their_column() -> None:
    found = pellucid.explain(ON_ROWS, of_rows(0, 3), "saliency", preprocessing=TABLE)
    assert found.values.shape == (2, 5)
    assert [found.feature_name(i, 1).split(" = ")[0] for i in range(5)] == ["age", "home", "home", "home", "children"]


def test_a_table_of_values_holds_what_was_given() -> None:
    pytest.importorskip("pandas")
    table = pellucid.explain(ON_ROWS, of_rows(0, 3), "shap", preprocessing=TABLE, background=ROWS).to_dataframe()
    assert table["feature"].tolist() == ["age", "home", "children"] * 2
    assert table["given"].tolist()[3:] == [f"{ROWS['age'][3]:.6g} years", ROWS["home"][3], str(ROWS["children"][3])]


def test_what_was_given_stays_with_its_sample(tmp_path: Path) -> None:
    found = pellucid.explain(ON_ROWS, of_rows(0, 1, 2, 3), "permutation_shap", preprocessing=TABLE, background=ROWS, tolerance=0.5)
    for one, row in (
        (found[2:4], 2),
        (found[[3, 2]], 3),
        (found.refine(tolerance=0.2)[3:], 3),
        (found[2:3].refine(tolerance=0.2), 2),
        (pellucid.concat([found[2:], found[:2]]), 2),
    ):
        assert one.provenance["given"][0]["data"][0] == f"{ROWS['age'][row]:.6g} years"
    pellucid.save([found], tmp_path / "found.safetensors")
    loaded = pellucid.load(tmp_path / "found.safetensors")[0]
    assert loaded.provenance["given"] == found.provenance["given"]
    assert loaded.feature_name(1, 2) == f"home = {ROWS['home'][2]}"
    pellucid.save_preprocessing(TABLE, tmp_path / "net.keras")
    again = pellucid.load_preprocessing(tmp_path / "net.keras")
    same = pellucid.explain(ON_ROWS, of_rows(0, 1, 2, 3), "permutation_shap", preprocessing=again, background=ROWS, tolerance=0.5)
    np.testing.assert_array_equal(same.values, found.values)


@pytest.mark.parametrize("stored", [False, True])
def test_what_explains_again_knows_the_features(stored: bool, tmp_path: Path) -> None:
    found = pellucid.explain(ON_ROWS, of_rows(0, 1, 2), "exact_shap", preprocessing=TABLE, background=ROWS)
    if stored:
        pellucid.save([found], tmp_path / "found.safetensors")
        found = pellucid.load(tmp_path / "found.safetensors")[0]
    again = {"background": TABLE.inputs(ROWS)} if stored else None
    score = pellucid.evaluate(ON_ROWS, found, "weight_randomisation", again=again)["weight_randomisation"]
    plain = pellucid.explain(ON_ROWS, found.inputs, "exact_shap", background=TABLE.inputs(ROWS), features={"age": 0, "home": [1, 2, 3], "children": 4})
    np.testing.assert_array_equal(score.values, pellucid.evaluate(ON_ROWS, plain, "weight_randomisation")["weight_randomisation"].values)


@pytest.mark.parametrize("method", ["shap", "lime", "integrated_gradients"])
def test_sentences_are_explained_by_their_words(method: str) -> None:
    found = pellucid.explain(on_words(), SENTENCES, method, preprocessing=TEXT, tolerance=0.5)
    same = {"baseline": 0} if method == "integrated_gradients" else {"features": "columns"}
    plain = pellucid.explain(on_words(), TEXT.inputs(SENTENCES), method, tolerance=0.5, **same)
    if method == "integrated_gradients":
        np.testing.assert_array_equal(found.values, plain.values)
        assert found.feature_name(5, 0) == "no word"
        assert not found.values[0, 4:].any(), "padding is its own baseline"
    elif method == "shap":
        np.testing.assert_allclose(found.values[1], plain.values[1], atol=1e-6)
        assert found.feature_mask.sum(axis=1).tolist() == [4, 6, 3], "words, and no padding"
    assert [found.feature_name(i, 1) for i in range(6)] == SENTENCES[1].split()
    assert set(found.strongest(2, sample=2).names) <= {"bad", "film"}
    assert found.provenance["given"][2]["text"] == SENTENCES[2]


def test_sentences_that_are_gone_on_with_keep_their_words() -> None:
    found = pellucid.explain(on_words(), SENTENCES, "permutation_shap", preprocessing=TEXT, tolerance=0.9)
    later = found[[2, 0]].refine(tolerance=0.01)
    assert [one["text"] for one in later.provenance["given"]] == [SENTENCES[2], SENTENCES[0]]
    assert later.feature_mask.sum(axis=1).tolist() == [3, 4]
    for row, place in ((2, 0), (0, 1)):
        whole = pellucid.explain(on_words(), SENTENCES[row : row + 1], "exact_shap", preprocessing=TEXT)
        count = whole.values.shape[1]
        np.testing.assert_allclose(later.values[place, :count], whole.values[0], atol=0.02 * np.linalg.norm(whole.values))


def test_images_and_series_are_explained_as_they_are_measured() -> None:
    image = pellucid.Image((12, 12), mean=(0.5,), deviation=(0.25,))
    network, shades = NumpyModel(random_stack(1, (144, 8, 3)), (12, 12, 1), softmax=True), DRAW.integers(0, 256, (2, 12, 12)).astype(np.uint8)
    found = pellucid.explain(network, shades, "saliency", preprocessing=image)
    np.testing.assert_array_equal(found.values, pellucid.explain(network, (shades[..., None] / np.float32(255) - 0.5) / 0.25, "saliency").values)
    assert found.provenance["preprocessing"]["settings"]["mean"] == [0.5]
    assert "given" not in found.provenance
    series = pellucid.Series(12, ("a", "b"), (1.0, 2.0), (2.0, 2.0))
    on_series = NumpyModel(random_stack(1, (24, 8, 3)), (12, 2), softmax=True)
    raw = DRAW.normal(size=(2, 12, 2))
    found = pellucid.explain(on_series, raw, "shap", preprocessing=series, features="patches:4", background=raw)
    np.testing.assert_allclose(found.inputs, (raw - [1, 2]) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"preprocessing": "table"}, SettingError, "preprocessing must be one of"),
        ({"x": iter([[1.0]]), "preprocessing": TABLE}, SettingError, "x is a stream"),
        ({"preprocessing": TABLE, "features": TABLE.features(ROWS), "x": of_rows(0)}, None, ""),
        ({"features": TEXT.features(SENTENCES), "x": np.zeros((2, 5))}, ShapeError, "labels of shape .3, 6., which do not lie over inputs of shape .2, 5."),
    ],
)
def test_what_does_not_fit_is_one_error(asked: dict[str, Any], error: type[Exception] | None, says: str) -> None:
    asked = {"x": of_rows(0, 1)} | asked
    if error is None:
        assert pellucid.explain(ON_ROWS, method="exact_shap", **asked).values.shape == (1, 3)
        return
    with pytest.raises(error, match=says):
        pellucid.explain(ON_ROWS, method="exact_shap", **asked)


def test_what_is_taken_away_to_evaluate_is_what_the_preprocessing_calls_absent() -> None:
    """Number 1, the unknown word, and not 0."""
    text, seen = pellucid.Text(TEXT.vocabulary, 6, absent_as="unknown"), []

    def reads(ids: Array) -> Array:
        seen.append(np.asarray(ids).copy())
        return (ids == TEXT.vocabulary.index("good")).sum(axis=1, keepdims=True).astype(float)

    found = pellucid.explain(reads, SENTENCES[:1], "exact_shap", preprocessing=text, target=0)
    assert set(np.unique(np.concatenate(seen)[:, :4])) == {1.0, *text.inputs(SENTENCES[:1])[0, :4].tolist()}
    seen.clear()
    pellucid.evaluate(reads, found, "deletion", draws=2)
    assert set(np.unique(np.concatenate(seen)[:, :4])) == {1.0, *text.inputs(SENTENCES[:1])[0, :4].tolist()}


def test_where_two_explanations_part_is_told_in_words_where_both_are_of_the_same_text() -> None:
    one, other = (pellucid.explain(on_words(), SENTENCES, "exact_shap", preprocessing=TEXT, target=target) for target in (0, ("0", "1")))
    names = {part.name for part in pellucid.compare(one, other).parts(1)}
    assert names
    assert names <= set(SENTENCES[1].split())
    apart = pellucid.compare(one[[0]], one[[1]])
    assert all(part.name.startswith("word ") for part in apart.parts(0))
