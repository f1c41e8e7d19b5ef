"""Gradient methods whose values are summed over what belongs together: the columns of a category, the pieces of a word, the pixels of a patch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from embedding_model import EmbeddingModel
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import CombinationError, SettingError

Array = np.ndarray
DRAW = np.random.default_rng(0)
ROWS = {"age": DRAW.uniform(20, 70, 12), "home": DRAW.choice(["own", "rent", "free"], 12), "children": DRAW.integers(0, 4, 12)}
TABLE = pellucid.Table.fit(ROWS, units={"age": "years"})
ON_ROWS = NumpyModel(random_stack(0, (5, 8, 2)), (5,), softmax=True)
GROUPS = {"age": 0, "home": [1, 2, 3], "children": 4}
X = TABLE.inputs(ROWS)
SOME = {name: values[:3] for name, values in ROWS.items()}
METHODS = ("integrated_gradients", "expected_gradients", "gradient_x_input", "idgi", "guided_integrated_gradients")
WITHIN = 0.03
"""Two explanations of tolerance .02, in relative L2."""


def joined(values: Array) -> Array:
    return np.stack([values[:, 0], values[:, 1:4].sum(axis=1), values[:, 4]], axis=1)


def options(method: str) -> dict[str, Any]:
    return {"background": ROWS} if method == "expected_gradients" else {}


@pytest.mark.parametrize("method", METHODS)
def test_a_category_gets_the_sum_of_what_its_columns_get(method: str) -> None:
    found = pellucid.explain(ON_ROWS, SOME, method, preprocessing=TABLE, target=1, tolerance=0.02, **options(method))
    plain = pellucid.explain(ON_ROWS, X[:3], method, target=1, tolerance=0.02, **({"background": X} if options(method) else {}))
    assert (found.axes, found.values.shape, found.error.shape) == (("sample", "feature"), (3, 3), (3, 3))
    assert found.features is not None
    assert found.features.names == ("age", "home", "children")
    assert found.feature_name(1, 2) == f"home = {ROWS['home'][2]}"
    assert np.linalg.norm(found.values - joined(plain.values)) <= WITHIN * np.linalg.norm(joined(plain.values))
    by_name = pellucid.explain(ON_ROWS, X[:3], method, target=1, tolerance=0.02, features=GROUPS, **({"background": X} if options(method) else {}))
    np.testing.assert_array_equal(by_name.values, found.values)
    np.testing.assert_array_equal(by_name.error, found.error)


def test_of_a_linear_network_the_sum_is_known() -> None:
    weights = np.array([[1.0], [2.0], [-3.0], [4.0], [-5.0]])
    linear = NumpyModel([Dense(weights, np.zeros(1))], (5,))
    found = pellucid.explain(linear, SOME, "integrated_gradients", preprocessing=TABLE)
    np.testing.assert_allclose(found.values, joined(X[:3] * weights[:, 0]), rtol=1e-5, atol=1e-6)
    against = pellucid.explain(linear, SOME, "expected_gradients", preprocessing=TABLE, background=ROWS)
    np.testing.assert_allclose(against.values, joined((X[:3] - X.mean(axis=0)) * weights[:, 0]), rtol=1e-5, atol=1e-6)


def test_the_error_of_a_sum_is_the_sums_own() -> None:
    """Columns of one category move together, so that neither the root of the squares nor the sum of their errors is the sum's error: intervals cover."""
    stack = random_stack(3, (5, 16, 1))
    network = NumpyModel(stack, (5,))
    truth = joined(pellucid.explain(network, X[:1], "expected_gradients", background=X, tolerance=0.002, max_evaluations=400_000).values)
    inside, ratio = [], []
    for seed in range(100):
        found = pellucid.explain(network, X[:1], "expected_gradients", background=X, features=GROUPS, tolerance=0.05, seed=seed)
        low, high = found.interval(0.95)
        inside.append((low <= truth) & (truth <= high))
        ratio.append((found.values - truth)[0] / found.error[0])
    assert 0.9 <= np.mean(inside) <= 0.995
    assert 0.7 <= np.sqrt(np.mean(np.square(ratio), axis=0))[1] <= 1.4


def test_a_bound_of_a_sum_holds_and_a_method_without_sums_is_asked_for_more() -> None:
    fine = pellucid.explain(ON_ROWS, X[:3], "idgi", target=1, tolerance=1e-5, max_evaluations=200_000).values
    found = pellucid.explain(ON_ROWS, X[:3], "idgi", target=1, tolerance=0.01, features=GROUPS)
    assert (np.abs(found.values - joined(fine)) <= 4 * found.error + 1e-6).all()
    assert all(outcome.worst.code == "converged" for outcome in found.outcome)


def test_unsigned_maps_stay_one_value_an_element_and_say_so() -> None:
    found = pellucid.explain(ON_ROWS, SOME, "saliency", preprocessing=TABLE)
    assert found.values.shape == (3, 5)
    assert [found.feature_name(i, 1).split(" = ")[0] for i in range(5)] == ["age", "home", "home", "home", "children"]
    with pytest.raises(SettingError, match="does not take features"):
        pellucid.explain(ON_ROWS, X[:3], "saliency", features=GROUPS)
    with pytest.raises(CombinationError, match="attributes to a layer's units"):
        pellucid.explain(ON_ROWS, X[:3], "integrated_gradients", features=GROUPS, layer=ON_ROWS.layers()[0].name)


def test_it_goes_on_is_kept_and_is_made_again(tmp_path: Path) -> None:
    for method in ("integrated_gradients", "expected_gradients"):
        rough = pellucid.explain(ON_ROWS, SOME, method, preprocessing=TABLE, target=1, tolerance=0.3, **options(method))
        once = pellucid.explain(ON_ROWS, SOME, method, preprocessing=TABLE, target=1, tolerance=0.01, **options(method))
        finer = rough[1:].refine(tolerance=0.01)
        assert np.linalg.norm(finer.values - once.values[1:]) <= WITHIN * np.linalg.norm(once.values[1:])
        pellucid.save([once], tmp_path / "one.safetensors")
        loaded = pellucid.load(tmp_path / "one.safetensors")[0]
        assert loaded.feature_name(1, 0) == once.feature_name(1, 0)
        changes = {"background": X} if options(method) else {}
        scores = pellucid.evaluate(ON_ROWS, loaded, ["deletion", "max_sensitivity"], again=changes, fill=0.0)
        assert all(np.isfinite(scores[name].values).all() for name in ("deletion", "max_sensitivity"))


def test_several_targets_each_get_theirs() -> None:
    both = pellucid.explain(ON_ROWS, SOME, "integrated_gradients", preprocessing=TABLE, target=pellucid.Several(0, 1))
    for i in (0, 1):
        alone = pellucid.explain(ON_ROWS, SOME, "integrated_gradients", preprocessing=TABLE, target=i)
        np.testing.assert_allclose(both.at(i).values, alone.values, rtol=0.03, atol=1e-3)


def test_patches_of_an_image_get_the_sum_of_their_pixels() -> None:
    network = NumpyModel(random_stack(1, (64, 8, 2)), (8, 8, 1))
    x = np.random.default_rng(2).normal(size=(2, 8, 8, 1)).astype(np.float32)
    found = pellucid.explain(network, x, "integrated_gradients", features="patches:4", target=0)
    plain = pellucid.explain(network, x, "integrated_gradients", target=0, tolerance=0.001).values
    sums = plain.reshape(2, 2, 4, 2, 4).sum(axis=(2, 4)).reshape(2, 4)
    assert np.linalg.norm(found.values - sums) <= WITHIN * np.linalg.norm(sums)
    each = np.stack([np.arange(64).reshape(8, 8, 1) // 32, np.arange(64).reshape(8, 8, 1) % 2])
    own = pellucid.explain(network, x, "integrated_gradients", features=each, target=0)
    by_hand = np.stack([[plain[i][each[i] == k].sum() for k in (0, 1)] for i in (0, 1)])
    assert np.linalg.norm(own.values - by_hand) <= WITHIN * np.linalg.norm(by_hand)


def in_pieces(**settings: Any) -> pellucid.Text:
    tokenizers = pytest.importorskip("tokenizers")
    words = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "un": 5, "##believ": 6, "##able": 7, "film": 8, "!": 9}
    own = tokenizers.Tokenizer(tokenizers.models.WordPiece(words, unk_token="[UNK]"))  # noqa: S106
    own.normalizer = tokenizers.normalizers.BertNormalizer()
    own.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    own.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return pellucid.Text.of_tokenizer(own, length=8, **settings)


def test_pieces_of_a_word_get_one_value_and_begin_and_end_stay() -> None:
    text, network = in_pieces(absent_as="mask"), EmbeddingModel.drawn(1, 8, 4, 10, "tanh")
    said = ["Unbelievable film!", "film unbelievable"]
    ids = text.inputs(said)
    kept = np.where(text.features(said).labels < 0, ids, 4).astype(np.float32)
    tokens = pellucid.explain(network, ids, "integrated_gradients", target=1, baseline=kept, tolerance=0.001)
    found = pellucid.explain(network, said, "integrated_gradients", target=1, preprocessing=text, tolerance=0.001)
    assert found.values.shape == (2, 3)
    of = text.features(said).labels
    by_hand = np.array([[tokens.values[i][of[i] == word].sum() for word in range(3)] for i in (0, 1)])
    np.testing.assert_allclose(found.values, by_hand, atol=0.002 * np.abs(by_hand).max())
    assert found.feature_mask.tolist() == [[True, True, True], [True, True, False]]
    assert found.strongest(3, sample=1).features.max() < 2
    assert {found.feature_name(0, 0), found.feature_name(1, 1)} == {"Unbelievable", "unbelievable"}
    np.testing.assert_allclose(found.values.sum(axis=1), found.score - found.baseline_score, atol=1e-3)


def test_what_belongs_to_no_word_and_moves_keeps_its_share() -> None:
    text, network = in_pieces(), EmbeddingModel.drawn(1, 8, 4, 10, "tanh")
    found = pellucid.explain(network, ["Unbelievable film!"], "integrated_gradients", target=1, preprocessing=text, baseline=0, tolerance=0.001)
    assert found.features is not None
    assert found.features.names[-1] == "no word"
    assert found.feature_name(3, 0) == "no word"
    np.testing.assert_allclose(found.values.sum(axis=1), found.score - found.baseline_score, atol=1e-3)
