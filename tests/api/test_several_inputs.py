"""Several inputs through the verbs: closed forms, dummies, company, options by input, records by input, and mistakes."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.core import errors
from pellucid.core.model import Gradients, Model, Traits
from pellucid.core.packing import InputSpec, Packing
from pellucid.core.target import Target
from pellucid.methods import METHODS
from pellucid.methods.path._sampling import noise_scale

Array = np.ndarray
ROUNDING = 1e-7
draw = np.random.default_rng(0)
PIXELS, COLUMNS = draw.normal(size=(4, 4, 2)), draw.normal(size=3)
X = {"image": draw.normal(size=(5, 4, 4, 2)), "meta": 10 * draw.normal(size=(5, 3))}
BACKGROUND = {"image": draw.normal(size=(8, 4, 4, 2)), "meta": 10 * draw.normal(size=(8, 3))}
SERVING = [name for name in METHODS if METHODS.load(name).several_inputs]
SHARES = ("shap", "exact_shap", "permutation_shap", "partition_shap", "kernel_shap", "shapley_interactions", "idgi")


def linear(image: Array, meta: Array) -> Array:
    return np.asarray((image * PIXELS).sum(axis=(1, 2, 3)) + meta @ COLUMNS)


def bent(image: Array, meta: Array) -> Array:
    """The two inputs act together."""
    return np.asarray(np.tanh((image * PIXELS).sum(axis=(1, 2, 3)) / 3 + meta[:, 0] / 10) + np.sin(meta[:, 1] / 10) * image[:, 0, 0, 0])


class Written(Model):
    """A function of two inputs whose gradient with respect to the packed array is written out, or found by differences."""

    batch_size = 64

    def __init__(self, function: Any, packing: Packing | None = None) -> None:
        self.function, self.packing = function, packing
        shape = None if packing is None else (packing.total,)
        names = tuple(InputSpec(name) for name in inspect.signature(function).parameters)
        self.traits = Traits("written out", shape, (1,), gradients=True, tokens=True, fingerprint="written", inputs=names)

    def packed(self, packing: Packing) -> Model:
        return Written(self.function, packing)

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        return np.asarray(self.function(**self.packing.unpack(inputs.astype(np.float64))))[:, None]

    def gradients(self, inputs: Array, target: Target, wrt: Any = ("input",)) -> Gradients:
        found, step = np.zeros(inputs.shape), 1e-5
        for i in range(inputs.shape[1]):
            ends = [self.predict(inputs + sign * step * (np.arange(inputs.shape[1]) == i))[:, 0] for sign in (1, -1)]
            found[:, i] = (ends[0] - ends[1]) / (2 * step)
        outputs = self.predict(inputs)
        weight = target.settled(outputs).effective_weights.reshape(-1, 1)
        return Gradients(target.settled(outputs).of(outputs), outputs, {"input": weight * found}, {"input": inputs})


def explained(function: Any, method: str, x: dict[str, Array] = X, **options: Any) -> pellucid.Explanation:
    takes = METHODS.load(method).accepts
    if "background" in takes and "fill" not in takes:
        options = {"background": BACKGROUND} | options
    if "features" in takes:
        options = {"features": {"image": "patches:2", "meta": "columns"}} | options
    return pellucid.explain(Written(function), x, method, **options)


@pytest.mark.parametrize("method", METHODS.names())
def test_each_method_serves_several_inputs_or_says_which_do(method: str) -> None:
    if method not in SERVING:
        with pytest.raises(errors.UnsupportedError, match=r"needs a layer|serves one input; this network takes 2: image, meta.*integrated_gradients"):
            explained(bent, method)
        return
    found = explained(bent, method)
    assert found.packing == Packing(("image", "meta"), ((4, 4, 2), (3,)), ("", ""), ("last", "last"))
    assert np.isfinite(found.values).all()
    parts = found.by_input
    assert list(parts) == ["image", "meta"]
    for name, one in parts.items():
        np.testing.assert_array_equal(one.inputs, X[name])
        assert one.to_input().shape == X[name].shape
        assert one.features is None or not any(":" in word for word in one.features.names)
    if not found.of_pairs:
        together = np.concatenate([one.values.reshape(len(one), -1) for one in parts.values()], axis=1)
        np.testing.assert_array_equal(together, found.values)


@pytest.mark.parametrize("method", ["shap", "exact_shap", "kernel_shap", "permutation_shap", "partition_shap", "feature_ablation"])
def test_shares_of_a_linear_network_are_known(method: str) -> None:
    found = pellucid.explain(linear, X, method, features={"image": "patches:2"}, background=BACKGROUND)
    usual = {name: rows.mean(axis=0) for name, rows in BACKGROUND.items()}
    pixels = (PIXELS * (X["image"] - usual["image"])).sum(axis=-1).reshape(5, 2, 2, 2, 2).sum(axis=(2, 4)).reshape(5, 4)
    np.testing.assert_allclose(found.by_input["image"].values, pixels, atol=1e-5)
    np.testing.assert_allclose(found.by_input["meta"].values, COLUMNS * (X["meta"] - usual["meta"]), atol=1e-5)


@pytest.mark.parametrize("method", ["gradient_x_input", "integrated_gradients", "guided_integrated_gradients"])
def test_gradients_of_a_linear_network_are_known(method: str) -> None:
    found = explained(linear, method)
    np.testing.assert_allclose(found.by_input["image"].values, PIXELS * X["image"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.by_input["meta"].values, COLUMNS * X["meta"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", [name for name in SERVING if name != "lime"])
def test_an_input_that_the_network_does_not_read_gets_nothing(method: str) -> None:
    found = explained(lambda image, meta: bent(image, 0 * meta), method)
    allowed = 4 * np.nan_to_num(found.by_input["meta"].error) if method in ("permutation_shap", "kernel_shap") else 0.0
    assert (np.abs(found.by_input["meta"].values) <= allowed + 1e-12).all()
    assert np.abs(found.by_input["image"].values).max() > 1e-3


@pytest.mark.parametrize("method", SHARES)
def test_shares_add_up_over_all_inputs(method: str) -> None:
    found = explained(bent, method)
    np.testing.assert_allclose(found.shares.sum(axis=1), found.score - found.baseline_score, atol=1e-8)


def test_integrated_gradients_are_complete_over_all_inputs() -> None:
    found = explained(bent, "integrated_gradients", baseline={"image": 0.3, "meta": X["meta"].mean(axis=0)})
    np.testing.assert_allclose(found.values.sum(axis=1), found.score - found.baseline_score, atol=0.02 * np.abs(found.values).sum(axis=1).max())
    np.testing.assert_array_equal(found.by_input["image"].baseline, np.full((1, 4, 4, 2), 0.3, np.float32))
    np.testing.assert_array_equal(found.by_input["meta"].baseline, X["meta"].mean(axis=0, keepdims=True))


@pytest.mark.parametrize("method", SERVING)
def test_a_sample_is_explained_the_same_in_any_company(method: str) -> None:
    together = explained(bent, method)
    backwards = explained(bent, method, {name: rows[::-1] for name, rows in X.items()})[::-1]
    alone = explained(bent, method, {name: rows[3:4] for name, rows in X.items()})
    for other, rows in ((backwards, slice(None)), (alone, slice(3, 4))):
        np.testing.assert_allclose(other.values, together.values[rows], rtol=1e-6, atol=ROUNDING)
        np.testing.assert_array_equal(other.cost.evaluations, together.cost.evaluations[rows])


@pytest.mark.parametrize("method", ["exact_shap", "lime", "partition_shap", "sobol", "feature_ablation"])
def test_company_with_other_superpixels_changes_nothing_and_joins(method: str) -> None:
    x = {"image": X["image"], "meta": X["meta"]}
    features = {"image": np.stack([np.arange(16).reshape(4, 4, 1) % count for count in (3, 5, 2, 4, 5)]), "meta": "columns"}
    together = pellucid.explain(bent, x, method, features=features)
    parts = [
        pellucid.explain(bent, {name: rows[i : i + 1] for name, rows in x.items()}, method, features=features | {"image": features["image"][i : i + 1]})
        for i in range(5)
    ]
    for i, one in enumerate(parts):
        for name in x:
            width = one.by_input[name].values.shape[1]
            np.testing.assert_allclose(one.by_input[name].values[0], together.by_input[name].values[i, :width], atol=ROUNDING)
    joined = pellucid.concat(parts)
    np.testing.assert_allclose(joined.values, together.values, atol=ROUNDING)
    np.testing.assert_array_equal(joined.feature_mask, together.feature_mask)
    assert joined.features.names == together.features.names
    assert not together.feature_mask[0, 3:5].any()
    assert together.feature_mask[0, 5:].all()
    assert all("superpixel" not in name or number < 3 for number, name in enumerate(together.strongest(8).names))


def test_noise_has_each_input_s_own_scale() -> None:
    packing = Packing.of(X)
    scale = noise_scale(packing.pack(X), 0.1, packing)
    for name, part in packing.slices.items():
        flat = X[name].reshape(5, -1)
        np.testing.assert_allclose(scale[:, part], 0.1 * np.broadcast_to(np.ptp(flat, axis=1)[:, None], flat.shape))


def test_features_may_join_elements_of_several_inputs() -> None:
    tokens = {"ids": np.array([[1, 2, 3], [4, 5, 6]]), "mask": np.ones((2, 3), bool)}

    def counted(ids: Array, mask: Array) -> Array:
        if (ids.dtype, mask.dtype) != (np.int64, bool):
            raise TypeError(f"{ids.dtype} {mask.dtype}")
        return np.asarray((np.sqrt(ids) * mask).sum(axis=1))

    found = pellucid.explain(counted, tokens, "exact_shap", features=np.tile(np.arange(3), 2))
    np.testing.assert_allclose(found.values, np.sqrt(tokens["ids"]))
    np.testing.assert_allclose(found.by_input["ids"].values, found.by_input["mask"].values)
    apart = pellucid.explain(counted, tokens, "exact_shap")
    np.testing.assert_allclose(apart.values, np.tile(np.sqrt(tokens["ids"]) / 2, 2))
    assert apart.features.names == (*(f"ids: token {i}" for i in range(3)), *(f"mask: token {i}" for i in range(3)))


def test_single_numbers_are_inputs_too() -> None:
    x = {"image": X["image"], "age": np.arange(5.0)}
    found = pellucid.explain(lambda image, age: image.sum(axis=(1, 2, 3)) + 2 * age, x, "exact_shap", features={"image": "patches:2"}, fill={"age": 1.0})
    np.testing.assert_allclose(found.by_input["age"].values, 2 * (np.arange(5.0)[:, None] - 1), atol=1e-12)
    assert found.features.names[-1] == "age: column 0"


def test_a_mapping_of_one_is_that_array() -> None:
    rows = X["meta"]
    one = pellucid.explain(lambda x: x @ COLUMNS, {"whatever": rows}, "exact_shap")
    np.testing.assert_array_equal(one.values, pellucid.explain(lambda x: x @ COLUMNS, rows, "exact_shap").values)
    assert one.packing is None


def test_callables_are_called_as_they_are_written() -> None:
    wanted = pellucid.explain(linear, X, "feature_ablation").values
    in_order = (X["image"], X["meta"])
    ways: list[tuple[Any, Any]] = [
        (lambda image, meta: linear(image, meta), in_order),
        (lambda image=None, meta=None: linear(image, meta), in_order),
        (lambda batch: linear(**batch), X),
        (lambda batch: linear(*batch), list(in_order)),
        (lambda *arrays: linear(*arrays), in_order),
        (lambda **arrays: linear(**arrays), X),
    ]
    for function, inputs in ways:
        np.testing.assert_array_equal(pellucid.explain(function, inputs, "feature_ablation").values, wanted)


def test_records_keep_the_packing(tmp_path: Path) -> None:
    for method in ("lime", "shap", "expected_gradients"):
        found = explained(bent, method)
        (back,) = pellucid.load(pellucid.save(found, tmp_path / f"{method}.safetensors"))
        assert back.packing == found.packing
        for name, one in back.by_input.items():
            np.testing.assert_array_equal(one.values, found.by_input[name].values)
        assert found[1:3].packing == pellucid.concat([found[:2], found[2:]]).packing == found.packing
        assert "'image': (4, 4, 2)" in repr(found)
    fewer, usual = ({**x, "meta": x["meta"][:, :2]} for x in (X, BACKGROUND))
    with pytest.raises(errors.SettingError, match="inputs and feature shapes must agree"):
        pellucid.concat([found, explained(bent, method, fewer, background=usual)])


@pytest.mark.parametrize("method", ["smooth_grad", "lime", "integrated_gradients"])
def test_going_on_equals_one_go(method: str) -> None:
    baseline = {"baseline": {"image": X["image"] / 2}} if method == "integrated_gradients" else {}
    first = explained(bent, method, tolerance=0.5, **baseline)
    once = explained(bent, method, tolerance=0.03, **baseline)
    for gone_on in (first.refine(0.03), explained(bent, method, tolerance=0.03, resume=first, **baseline)):
        np.testing.assert_allclose(gone_on.values, once.values, rtol=1e-6, atol=1e-6 * np.abs(once.values).max())
    np.testing.assert_allclose(first[2:4].refine(0.03).values, once.values[2:4], rtol=1e-6, atol=1e-6 * np.abs(once.values).max())


def test_several_targets_of_several_inputs() -> None:
    from pellucid.core.target import Several

    found = pellucid.explain(
        lambda image, meta: np.stack([linear(image, meta), bent(image, meta)], axis=1), X, "exact_shap", features={"image": "patches:2"}, target=Several(0, 1)
    )
    assert found.by_input["meta"].values.shape == (5, 2, 3)
    np.testing.assert_array_equal(found.at(1).by_input["image"].values, found.by_input["image"].at(1).values)


def test_names_of_elements_say_the_input() -> None:
    found = explained(linear, "gradient_x_input")
    assert found.feature_name(0) == "image: (0, 0, 0)"
    assert found.feature_name(33) == "meta: 1"


def test_whole_numbers_have_no_gradients_but_may_stay_as_they_are() -> None:
    x = {"numbers": X["meta"], "category": np.array([0, 1, 2, 1, 0])}
    table = np.array([1.0, -2.0, 3.0])

    def network(numbers: Array, category: Array) -> Array:
        return np.asarray(np.tanh(numbers.sum(axis=1) / 10) * table[np.rint(category).astype(int)])

    for method in ("saliency", "integrated_gradients", "expected_gradients"):
        options = {"background": x} if method == "expected_gradients" else {}
        with pytest.raises(errors.UnsupportedError, match="category do not have"):
            pellucid.explain(Written(network), x, method, **options)
    found = pellucid.explain(Written(network), x, "integrated_gradients", baseline={"category": x["category"]})
    assert not found.by_input["category"].values.any()
    np.testing.assert_allclose(found.values.sum(axis=1), found.score - found.baseline_score, atol=0.02 * np.abs(found.score).max())


MISTAKES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "one array": ({"x": X["image"]}, errors.InputError, r"takes 2 inputs, image, meta, and one array was given; give \{'image': …, 'meta': …\}"),
    "one missing": ({"x": {"image": X["image"], "more": X["meta"]}}, errors.InputError, "'meta' is missing"),
    "too many": ({"x": X | {"more": X["meta"]}}, errors.InputError, r"takes \(image, meta\), and image, meta, more were given"),
    "three in order": ({"x": (X["image"], X["meta"], X["meta"])}, errors.InputError, "3 inputs were given, the network takes 2: image, meta"),
    "other lengths": ({"x": {"image": X["image"], "meta": X["meta"][:2]}}, errors.ShapeError, r"image 5, meta 2"),
    "NaN": ({"x": X | {"meta": np.full((5, 3), np.nan)}}, errors.NonFiniteError, "meta holds NaN"),
    "text": ({"x": X | {"meta": np.full((5, 3), "a")}}, errors.DtypeError, "'meta' holds <U1"),
    "unknown features": ({"features": {"imge": "pixels"}}, errors.InputError, "features: unknown input 'imge'; did you mean 'image'"),
    "features of another kind": ({"features": {"meta": "patches:2"}}, errors.CombinationError, "input 'meta': features 'patches'"),
    "fill of another kind": ({"fill": "mean"}, errors.CombinationError, "input 'meta': fill 'mean'"),
    "rows of a fill": ({"fill": {"image": BACKGROUND["image"], "meta": BACKGROUND["meta"][:3]}}, errors.CombinationError, "image 8, meta 3"),
    "half a background": ({"background": {"image": BACKGROUND["image"]}}, errors.InputError, r"background holds 1 of the 2 inputs.*\{'image': …, 'meta': …\}"),
    "rows of a background": ({"background": BACKGROUND | {"meta": BACKGROUND["meta"][:3]}}, errors.ShapeError, "of background.*image 8, meta 3"),
    "shape of a background": ({"background": BACKGROUND | {"meta": BACKGROUND["meta"][:, :2]}}, errors.ShapeError, "meta has shape"),
    "whole numbers": ({"x": X | {"meta": np.arange(15).reshape(5, 3)}, "fill": 0.5}, errors.DtypeError, "'meta' holds whole numbers"),
    "too large": ({"x": X | {"meta": np.full((5, 3), 2**24 + 1)}}, errors.DtypeError, "number its tokens anew"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_name_the_input(mistake: str) -> None:
    options, error, words = MISTAKES[mistake]
    with pytest.raises(error, match=words):
        pellucid.explain(linear, **({"x": X, "method": "exact_shap", "features": {"image": "patches:2"}} | options))


@pytest.mark.parametrize("method", ["exact_shap", "lime", "sobol"])
def test_nothing_is_hidden_where_absent_features_give_nan(method: str) -> None:
    def divided(numbers: Array, mask: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return np.asarray((numbers * mask).sum(axis=1) / mask.sum(axis=1))

    x = {"numbers": X["meta"], "mask": np.ones((5, 3), int)}
    together = {"features": np.tile(np.arange(3), 2)}
    with pytest.raises(errors.NonFiniteError):
        pellucid.explain(divided, x, method, **together)
    assert np.isfinite(pellucid.explain(divided, x, method, **together, fill={"mask": 1}).values).all()


@pytest.mark.parametrize(
    "features",
    [
        {"image": "patches:2", "meta": np.array([[0, 0, 1], [0, 1, 1], [1, 0, 0], [1, 0, 1]])},
        {"image": np.arange(16).reshape(4, 4) // 4, "meta": "columns"},
    ],
    ids=["a map for each row of the table", "one map as high as there are samples"],
)
def test_label_maps_of_an_input_go_with_their_samples(features: dict[str, Any], tmp_path: Path) -> None:
    x, rows = {name: array[:4] for name, array in X.items()}, [3, 1]
    whole = pellucid.explain(bent, x, "exact_shap", features=features, target=0)
    np.testing.assert_allclose(whole[rows].refine().values, whole.values[rows], atol=ROUNDING)
    planned = pellucid.Plan(bent, x, "exact_shap", index=rows, shard_size=1, features=features, target=0).run(tmp_path / "out").load()
    np.testing.assert_allclose(planned.values, whole.values[rows], atol=ROUNDING)
    moved, want = (pellucid.evaluate(bent, one, {"max_sensitivity": {"draws": 2}}, draws=0)["max_sensitivity"].values for one in (whole[rows], whole))
    np.testing.assert_allclose(moved, want[rows], atol=ROUNDING)
