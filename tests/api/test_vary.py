"""Choices varied on purpose: known answers for every option, in the explanation's own units, and what they cost."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid
from embedding_model import EmbeddingModel
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import CombinationError, PellucidError, SettingError, UnsupportedError
from pellucid.core.records import Explanation
from pellucid.core.target import Several

WEIGHTS = np.array([1.0, -2.0, 3.0, 0.5])
LINEAR = NumpyModel([Dense(WEIGHTS[:, None], np.zeros(1))], (4,))
TABLE = np.random.default_rng(0).normal(size=(12, 4))


def option(explanation: Explanation, name: str) -> object:
    return next(choice for choice in explanation.choices.options if choice.option == name)


def image_weights(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape)


def of_images(weights: np.ndarray) -> object:
    """A linear score of images, as a black box."""
    return pellucid.adapt(lambda x: (np.asarray(x, float) * weights).reshape(len(x), -1).sum(axis=1, keepdims=True))


def test_baselines_of_a_linear_network_give_what_is_known() -> None:
    baselines = [0.0, 1.0, np.array([1.0, 0.0, -1.0, 2.0])]
    found = pellucid.explain(LINEAR, TABLE, "integrated_gradients", vary={"baseline": baselines[1:]})
    expected = np.stack([WEIGHTS * (TABLE - np.broadcast_to(baseline, TABLE.shape)) for baseline in baselines])
    np.testing.assert_allclose(found.choices.low, expected.min(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.choices.high, expected.max(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.choices.spread[0], np.abs(WEIGHTS) * [1, 1, 2, 2], atol=1e-12)
    norms = np.linalg.norm(expected, axis=2)
    np.testing.assert_allclose(found.choices.change[:, 0], np.linalg.norm(expected[1:] - expected[0], axis=2).max(axis=0) / norms[0])
    assert option(found, "baseline").names == ("1.0", "array of shape (4,)")
    assert option(found, "baseline").given == "0.0"


def test_a_feature_that_is_strong_under_one_fill_alone_does_not_survive() -> None:
    x = np.array([[5.0, 0.0, 1.0, 0.0, 0.0, 0.5, 0.25]])
    weights = np.array([[1.0], [8.0], [1.0], [2.0], [1.0], [1.0], [1.0]])
    network = NumpyModel([Dense(weights, np.zeros(1))], (7,))
    found = pellucid.explain(network, x, "shap", fill=np.array([0.0, 1, 0, 0, 0, 0, 0]), vary={"fill": [0.0, np.array([0.0] * 6 + [0.2])]})
    assert found.choices.strongest[0].tolist() == [True, True, True, False, False, True, True]
    assert found.choices.survives[0].tolist() == [True, False, True, False, False, True, True]
    assert found.choices.matters_most == ("fill",)
    np.testing.assert_allclose(found.choices.spread[0], [0, 8, 0, 0, 0, 0, 0.2], atol=1e-12)
    choice, place = found.choices.furthest(0)
    assert (choice.option, choice.names[place]) == ("fill", "array of shape (7,)")


def test_features_are_brought_to_the_units_of_the_explanation() -> None:
    weights = image_weights((8, 8, 1))
    x = np.random.default_rng(2).random((2, 8, 8, 1))
    found = pellucid.explain(of_images(weights), x, "feature_ablation", features="patches:2", vary=["features"])
    choice, shares = option(found, "features"), weights * x
    assert choice.names == ("patches:1", "patches:4", "superpixels:slic:16")
    np.testing.assert_allclose(choice.values[:, 0], found.values, rtol=1e-9)
    blocks = shares.reshape(2, 2, 4, 2, 4).sum(axis=(2, 4))
    np.testing.assert_allclose(choice.values[:, 1].reshape(2, 4, 4), np.kron(blocks, np.ones((2, 2))) / 4, rtol=1e-9)
    np.testing.assert_allclose(choice.values[:, 2].sum(axis=1), shares.sum(axis=(1, 2, 3)), rtol=1e-9)


def test_rows_of_a_table_that_are_gone_on_with_take_their_label_maps_along(oracle: NumpyModel) -> None:
    draw = np.random.default_rng(4)
    x, (own, other) = draw.normal(size=(4, 6)), (np.stack([draw.permutation([0, 0, 1, 1, 2, 2]) for _ in range(4)]) for _ in range(2))
    whole = pellucid.explain(oracle, x, "exact_shap", features=own, vary={"features": [other]})
    part = whole[[3, 1]].refine()
    np.testing.assert_allclose(option(part, "features").values, option(whole, "features").values[[3, 1]], rtol=1e-12)


def test_a_score_of_another_scale_is_brought_to_the_same_length(oracle: NumpyModel) -> None:
    x = np.random.default_rng(3).normal(size=(3, 6))
    found = pellucid.explain(oracle, x, "gradient_x_input", vary=["score"])
    choice = option(found, "score")
    assert (choice.given, choice.names, choice.scaled) == ("logit", ("log_probability", "probability"), (False, True))
    length = np.linalg.norm(found.values, axis=1)
    np.testing.assert_allclose(np.linalg.norm(choice.values[:, 1], axis=1), length, rtol=1e-6)
    alone = pellucid.explain(oracle, x, "gradient_x_input", score="probability").values
    np.testing.assert_allclose(choice.values[:, 1], alone * (length / np.linalg.norm(alone, axis=1))[:, None], rtol=1e-6)
    np.testing.assert_allclose(choice.values[:, 0], pellucid.explain(oracle, x, "gradient_x_input", score="log_probability").values)


def test_seeds_are_varied_where_something_is_drawn(oracle: NumpyModel) -> None:
    x = np.random.default_rng(3).normal(size=(2, 6))
    found = pellucid.explain(oracle, x, "smooth_grad", seed=4, vary="seed")
    assert option(found, "seed").names == ("5", "6", "7")
    np.testing.assert_array_equal(option(found, "seed").values[:, 1], pellucid.explain(oracle, x, "smooth_grad", seed=6).values)
    assert (found.choices.change[:, 0] < 3 * found.choices.noise[:, 0]).all()
    with pytest.raises(SettingError, match="the method draws nothing"):
        pellucid.explain(oracle, x, "integrated_gradients", vary=["seed"])


def test_parts_of_the_background_are_tried() -> None:
    rows = np.arange(24.0).reshape(6, 4)
    found = pellucid.explain(LINEAR, TABLE, "shap", background=rows, vary=["background", "fill"])
    tried = {"even rows": rows[::2].mean(axis=0), "odd rows": rows[1::2].mean(axis=0), "mean of its rows": rows.mean(axis=0)}
    assert option(found, "background").names == tuple(tried)
    for i, mean in enumerate(tried.values()):
        np.testing.assert_allclose(option(found, "background").values[:, i], WEIGHTS * (TABLE - mean), rtol=1e-6)
    assert (option(found, "fill").given, option(found, "fill").names) == ("the background", ("zeros",))
    np.testing.assert_allclose(option(found, "fill").values[:, 0], WEIGHTS * TABLE, rtol=1e-6)


def test_the_usual_alternatives_of_each_kind_of_input() -> None:
    of_columns = pellucid.explain(LINEAR, TABLE, "integrated_gradients", vary=["baseline"])
    assert option(of_columns, "baseline").names == ("mean", "median")
    np.testing.assert_allclose(option(of_columns, "baseline").values[:, 0], WEIGHTS * (TABLE - TABLE.mean(axis=0)), atol=1e-12)
    np.testing.assert_allclose(option(of_columns, "baseline").values[:, 1], WEIGHTS * (TABLE - np.median(TABLE, axis=0)), atol=1e-12)
    at_one = pellucid.explain(LINEAR, TABLE[:2], "integrated_gradients", baseline=1.0, vary=["baseline"])
    assert option(at_one, "baseline").names == ("zeros",)
    with pytest.raises(SettingError, match="baseline: there is no usual alternative here; give your own"):
        pellucid.explain(LINEAR, TABLE[:2], "integrated_gradients", vary=["baseline"])
    images = np.random.default_rng(4).random((2, 28, 28, 1))
    of_pictures = pellucid.explain(of_images(image_weights((28, 28, 1))), images, "feature_ablation", fill="mean", features="patches:14", vary=["fill"])
    assert (option(of_pictures, "fill").given, option(of_pictures, "fill").names) == ("mean", ("zeros", "blur:2"))
    series = pellucid.explain(of_images(image_weights((30, 3))), np.random.default_rng(4).random((1, 30, 3)), "feature_ablation", vary=["fill", "features"])
    assert option(series, "fill").names == ("mean", "blur:2")


def test_options_that_do_not_serve_are_left_out_with_the_reason() -> None:
    found = pellucid.explain(LINEAR, TABLE, "integrated_gradients", vary=["baseline", "fill", "score", "seed"])
    assert [choice.option for choice in found.choices.options] == ["baseline"]
    assert "does not take fill; of what can be varied it takes baseline, score, seed" in found.choices.left_out["fill"]
    assert "one scale" in found.choices.left_out["score"]
    assert "draws nothing" in found.choices.left_out["seed"]
    many = pellucid.explain(
        of_images(image_weights((4, 4, 1))), np.ones((1, 4, 4, 1)), "exact_shap", features="patches:2", max_evaluations=100, vary=["features"]
    )
    assert "patches:1" not in option(many, "features").names
    assert "features patches:1" in many.choices.left_out


def test_the_cost_of_all_is_told() -> None:
    one, two = (pellucid.explain(LINEAR, TABLE, "integrated_gradients", baseline=baseline) for baseline in (0.0, 1.0))
    found = pellucid.explain(LINEAR, TABLE, "integrated_gradients", vary={"baseline": [1.0, 1.0]})
    np.testing.assert_array_equal(found.choices.evaluations, 2 * two.cost.evaluations)
    np.testing.assert_array_equal(found.cost.evaluations, one.cost.evaluations + 2 * two.cost.evaluations)
    np.testing.assert_array_equal(found.cost.gradients, one.cost.gradients + 2 * two.cost.gradients)
    assert option(found, "baseline").names == ("1.0", "1.0 (2)")


def test_the_explanation_itself_stays_what_it_was(oracle: NumpyModel) -> None:
    x = np.random.default_rng(3).normal(size=(2, 6))
    plain, varied = (pellucid.explain(oracle, x, "lime", seed=1, **more) for more in ({}, {"vary": ["fill", "score", "seed"]}))
    np.testing.assert_array_equal(plain.values, varied.values)
    assert plain.choices is None
    again = pellucid.explain(oracle, x, "lime", seed=1, vary=["fill", "score", "seed"])
    np.testing.assert_array_equal(varied.choices.spread, again.choices.spread)
    assert varied.choices.options[0].option == "score"
    assert "vary" not in varied.continuation.given


def test_going_on_varies_again_and_adds_up_what_it_cost() -> None:
    first = pellucid.explain(LINEAR, TABLE, "integrated_gradients", tolerance=0.5, vary=["baseline"])
    finer = first.refine(tolerance=0.001)
    assert [choice.names for choice in finer.choices.options] == [("mean", "median")]
    assert (finer.choices.evaluations > first.choices.evaluations).all()
    part = first[[2, 0]].refine(tolerance=0.001)
    np.testing.assert_allclose(part.choices.spread, first.choices.spread[[2, 0]], atol=1e-9)


def test_going_on_with_some_samples_keeps_to_their_own_alternatives() -> None:
    first = pellucid.explain(LINEAR, TABLE, "integrated_gradients", tolerance=0.5, vary={"baseline": [2 * TABLE]})
    part = first[[2, 0]].refine(tolerance=0.001)
    np.testing.assert_allclose(option(part, "baseline").values[:, 0], -WEIGHTS * TABLE[[2, 0]], atol=1e-9)


def test_batches_and_joined_explanations_keep_their_choices() -> None:
    vary = {"baseline": [1.0]}
    whole = pellucid.explain(LINEAR, TABLE, "integrated_gradients", vary=vary)
    streamed = pellucid.explain(LINEAR, (row for row in TABLE), "integrated_gradients", vary=vary)
    np.testing.assert_allclose(streamed.choices.spread, whole.choices.spread, atol=1e-9)
    assert pellucid.concat([whole[:3], whole[3:]]).choices.options[0].names == ("1.0",)


def test_a_plan_varies_too(tmp_path) -> None:
    plan = pellucid.Plan(LINEAR, TABLE, "integrated_gradients", shard_size=5, vary={"baseline": [1.0]})
    found = plan.run(tmp_path / "out").load()
    np.testing.assert_allclose(found.choices.spread, np.broadcast_to(np.abs(WEIGHTS), TABLE.shape), atol=1e-9)


def test_several_inputs_are_varied_together() -> None:
    left, right = np.array([1.0, 2.0, 3.0]), image_weights((4, 4, 1))
    network = pellucid.adapt(lambda meta, image: meta @ left[:, None] + (image * right).reshape(len(meta), -1).sum(axis=1, keepdims=True))
    x = {"meta": TABLE[:, :3].astype(np.float32), "image": np.random.default_rng(6).random((12, 4, 4, 1)).astype(np.float32)}
    found = pellucid.explain(network, x, "feature_ablation", features={"image": "patches:2"}, vary=["fill", "features"])
    assert option(found, "fill").names == ("mean",)
    apart = found.by_input
    centred = x["meta"] - x["meta"].mean(axis=0)
    np.testing.assert_allclose(option(apart["meta"], "fill").values[:, 0], left * centred, atol=1e-5)
    blocks = ((x["image"] - x["image"].mean(axis=(1, 2, 3), keepdims=True)) * right).reshape(12, 2, 2, 2, 2).sum(axis=(2, 4)).reshape(12, 4)
    np.testing.assert_allclose(option(apart["image"], "fill").values[:, 0], blocks, atol=1e-5)
    assert "features" in found.choices.left_out


def test_regions_of_each_sample_are_varied_with_their_own_features() -> None:
    images = np.random.default_rng(7).random((2, 12, 12, 1))
    found = pellucid.explain(of_images(image_weights((12, 12, 1))), images, "feature_ablation", features="superpixels:slic:9", vary=["fill", "features"])
    assert option(found, "features").values.shape[2:] == found.values.shape[1:]
    assert option(found, "features").names == ("superpixels:slic:4", "superpixels:slic:18", "patches:4")


def test_words_have_the_word_of_number_0_in_their_place() -> None:
    network, tokens = EmbeddingModel.drawn(0, 6, 12, 24), np.random.default_rng(2).integers(1, 30, (3, 6))
    found = pellucid.explain(network, tokens, "integrated_gradients", vary=["baseline", "fill"])
    assert (option(found, "baseline").given, option(found, "baseline").names) == ("vectors of zeros", ("token 0",))
    np.testing.assert_allclose(option(found, "baseline").values[:, 0], pellucid.explain(network, tokens, "integrated_gradients", baseline=0).values)


def test_pairs_have_choices_of_fills() -> None:
    found = pellucid.explain(LINEAR, TABLE[:1], "shapley_interactions", vary={"fill": [1.0]})
    np.testing.assert_allclose(np.diagonal(found.choices.spread[0]), np.abs(WEIGHTS), atol=1e-6)
    assert found.choices.survives[0].sum() == 4


def test_other_features_cannot_be_brought_to_pairs() -> None:
    with pytest.raises(UnsupportedError, match="pairs"):
        pellucid.explain(LINEAR, TABLE[:1], "shapley_interactions", vary={"features": [[[0, 1]]]})


WRONG = {
    "another option": ({"vary": ["base"]}, "Known: background, baseline, features, fill, score, seed"),
    "none": ({"vary": []}, "names no option"),
    "not taken": ({"vary": {"fill": [0.0]}}, "does not take fill"),
    "no list": ({"vary": {"baseline": "mean"}}, "needs a list"),
    "empty list": ({"vary": {"baseline": []}}, "needs a list"),
    "does not serve": ({"vary": {"baseline": [1.0, "mean"]}}, "vary, baseline=mean: fill 'mean' got inputs"),
    "all left out": ({"vary": ["fill", "seed"]}, "nothing can be varied. fill: .*; seed: "),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_says_what_to_do(name: str) -> None:
    keywords, text = WRONG[name]
    with pytest.raises(PellucidError, match=text):
        pellucid.explain(LINEAR, TABLE, "integrated_gradients", **keywords)


def test_several_targets_are_refused(oracle: NumpyModel) -> None:
    with pytest.raises(CombinationError, match="once for each"):
        pellucid.explain(oracle, np.ones((1, 6)), "integrated_gradients", target=Several(0, 1), vary=["baseline"])
