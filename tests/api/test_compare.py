"""Two explanations compared: known differences and their errors, common units, and no parting where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import pellucid
import synthetic
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.comparison import Comparison
from pellucid.core.errors import PellucidError, SettingError, ShapeError, UnsupportedError
from pellucid.core.features import FeatureMap
from pellucid.core.records import Explanation

WEIGHTS = np.array([1.0, -2.0, 3.0, 0.5])
LINEAR = NumpyModel([Dense(WEIGHTS[:, None], np.zeros(1))], (4,))
TABLE = np.random.default_rng(0).normal(size=(12, 4))


def explained(**more: object) -> Explanation:
    return pellucid.explain(LINEAR, TABLE, "integrated_gradients", **more)


def given(values: list, error: list, degrees: float, **more: object) -> Explanation:
    """A table of one row with these values and standard errors."""
    record = explained()[0]
    fields = {"values": np.array([values]), "error": np.array([error]), "degrees": np.array([degrees]), "error_kind": "standard_error"}
    return replace(record, **(fields | more))


def test_two_baselines_of_a_linear_network_differ_by_its_weights() -> None:
    found = pellucid.compare(explained(), explained(baseline=1.0))
    np.testing.assert_allclose(found.difference, np.broadcast_to(WEIGHTS, (12, 4)), atol=1e-12)
    assert (found.names, found.differing, found.scaled, found.notes) == (("baseline 0.0", "baseline 1.0"), ("baseline",), False, ())
    first = found.parts()[0]
    assert (first.feature, first.difference, first.low) == (2, pytest.approx(3.0), pytest.approx(3.0))
    assert [part.feature for part in found.parts()] == [2, 1, 0, 3]


def test_errors_add_in_squares_with_the_degrees_of_welch_and_satterthwaite() -> None:
    found = pellucid.compare(given([5.0, 1, 0, 2], [0.3, 0.3, 0, 0], 9), given([2.0, 1, 0, 2], [0.4, 0.0, 0, 0], 19))
    np.testing.assert_allclose(found.error[0], [0.5, 0.3, 0, 0])
    np.testing.assert_allclose(found.degrees[0], [0.25**2 / (0.09**2 / 9 + 0.16**2 / 19), 9, np.inf, np.inf])
    low, high = found.interval()
    assert high[0, 0] - 3 == pytest.approx(0.5 * 2.052, rel=0.01)
    assert low[0, 2] == high[0, 2] == 0
    assert [part.feature for part in found.parts()] == [0]
    assert pellucid.compare(given([5.0, 1, 0, 2], [0.3] * 4, 9), given([4.2, 1, 0, 2], [0.4] * 4, 19)).parts() == ()


def test_two_seeds_of_one_method_part_nowhere(oracle: NumpyModel) -> None:
    draw = np.random.default_rng(1)
    x, background = draw.normal(size=(60, 6)), draw.normal(size=(10, 6))
    runs = [pellucid.explain(oracle, x, "permutation_shap", background=background, seed=seed, control="none", max_evaluations=4000) for seed in (0, 1)]
    found = pellucid.compare(*runs)
    assert (found.names, found.differing) == (("seed 0", "seed 1"), ("seed",))
    assert sum(bool(found.parts(i)) for i in range(60)) <= 8
    low, high = found.interval()
    assert 0.90 <= ((low <= 0) & (high >= 0)).mean() <= 0.99
    assert all(("nowhere surely" in row) == (not found.parts(i)) for i, row in enumerate(found.rows()))


def of_images(weights: np.ndarray) -> object:
    return pellucid.adapt(lambda x: (np.asarray(x, float) * weights).reshape(len(x), -1).sum(axis=1, keepdims=True))


IMAGES = np.random.default_rng(2).random((3, 8, 8, 1))
PIXELS = np.random.default_rng(1).normal(size=(8, 8, 1))


def test_other_features_are_brought_to_the_coarser_ones() -> None:
    fine, coarse = (pellucid.explain(of_images(PIXELS), IMAGES, "feature_ablation", features=features) for features in ("pixels", "patches:4"))
    for found in (pellucid.compare(fine, coarse), pellucid.compare(coarse, fine)):
        assert found.difference.shape == (3, 4)
        np.testing.assert_allclose(found.difference, 0, atol=1e-9)
        np.testing.assert_allclose(found.rank, 1)
        assert "coarser ones, 4 patches" in found.notes[0]
        assert not found.parts()
    shares = (IMAGES * PIXELS).reshape(3, 8, 4, 2).sum(axis=(1, 3))
    columns = FeatureMap((np.arange(8) // 2)[None, None, :, None], ("a", "b", "c", "d"))
    other = pellucid.compare(fine, coarse, features=np.broadcast_to(columns.labels[0], (8, 8, 1)))
    np.testing.assert_allclose(other.a.values, shares, rtol=1e-9)
    np.testing.assert_allclose(other.b.values.sum(axis=1), shares.sum(axis=1), rtol=1e-9)


def test_errors_of_what_is_added_up_are_added_up() -> None:
    fine = pellucid.explain(of_images(PIXELS), IMAGES, "feature_ablation", features="pixels")
    coarse = pellucid.explain(of_images(PIXELS), IMAGES, "feature_ablation", features="patches:4")
    found = pellucid.compare(replace(fine, error=np.full(fine.values.shape, 0.1), error_kind="standard_error"), coarse)
    np.testing.assert_allclose(found.error, 1.6)


def test_values_of_other_units_are_compared_by_their_shape(oracle: NumpyModel) -> None:
    x = np.random.default_rng(3).normal(size=(5, 6))
    parts, saliency = (pellucid.explain(oracle, x, method) for method in ("integrated_gradients", "saliency"))
    found = pellucid.compare(parts, saliency)
    assert found.scaled
    assert found.same_units
    assert "divided by its L2 norm (a holds parts of the logit, b values of saliency for the logit)" in found.notes[0]
    np.testing.assert_allclose(np.linalg.norm(found.b.values, axis=1), 1)
    np.testing.assert_allclose(found.difference, (v := parts.values) / np.linalg.norm(v, axis=1)[:, None] - found.b.values)
    mixed = pellucid.compare(parts, saliency, scaled=False)
    np.testing.assert_allclose(mixed.difference, parts.values - saliency.values)
    assert not mixed.same_units
    assert "left as they are" in mixed.notes[0]
    assert not pellucid.compare(parts, pellucid.explain(oracle, x, "shap")).scaled
    assert pellucid.compare(parts, pellucid.explain(oracle, x, "integrated_gradients", score="probability")).scaled
    forced = pellucid.compare(parts, pellucid.explain(oracle, x, "integrated_gradients", target=0), scaled=True)
    assert "as was asked" in forced.notes[0]


def test_values_without_a_sign_meet_the_size_of_those_with_one() -> None:
    signed, sizes = (pellucid.explain(of_images(PIXELS), IMAGES, method, features="patches:4") for method in ("feature_ablation", "sobol"))
    found = pellucid.compare(signed, sizes)
    assert (found.a.values >= 0).all()
    assert any("of feature_ablation the size is compared" in note for note in found.notes)


def test_what_differs_is_named(oracle: NumpyModel) -> None:
    x = np.random.default_rng(3).normal(size=(2, 6))
    named = {"class_names": ["cat", "dog", "cow"]}
    cat, dog = (pellucid.explain(oracle, x, "saliency", target=target, network="old", **named) for target in (0, 1))
    found = pellucid.compare(cat, dog)
    assert (found.names, found.differing, found.scaled) == (("cat", "dog"), ("target",), False)
    new = pellucid.explain(oracle, x[::-1], "gradient_x_input", target=0, network="new", **named)
    other = pellucid.compare(cat, new)
    assert other.differing == ("network", "method", "input")
    assert other.names[1].startswith("new, Gradient × input")
    assert pellucid.compare(cat, cat).names == ("the same (a)", "the same (b)")


def test_the_same_has_nothing_apart(oracle: NumpyModel) -> None:
    x = np.random.default_rng(3).normal(size=(4, 6))
    record = pellucid.explain(oracle, x, "saliency")
    nearly = replace(record, values=record.values * (1 + 1e-7))
    found = pellucid.compare(record, nearly)
    assert found.parts() == ()
    np.testing.assert_allclose(found.rank_interval, 1)
    np.testing.assert_allclose(found.overlap, 1)
    assert (found.change < 1e-6).all()
    opposite = pellucid.compare(record, replace(record, values=-record.values))
    np.testing.assert_allclose(opposite.change, 2)
    np.testing.assert_allclose(opposite.rank, -1)


def test_unknown_errors_say_that_nothing_is_known() -> None:
    record = explained()[:2]
    found = pellucid.compare(replace(record, error=np.full((2, 4), np.nan), error_kind="none"), explained(baseline=1.0)[:2])
    assert found.parts() == ()
    assert np.isnan(found.rank_interval).all()
    assert found.rows()[0][-1] == "not known"


def test_several_inputs_and_layers() -> None:
    left, right = synthetic.several("integrated_gradients"), synthetic.several("lime")
    found = pellucid.compare(left, right)
    assert found.a.features.names == right.features.names
    assert set(found.a.by_input) == {"image", "meta"}
    assert not found.scaled
    np.testing.assert_allclose(found.a.values.sum(axis=1), left.values.astype(float).sum(axis=1))
    np.testing.assert_allclose(found.a.values[:, 49:], left.values[:, 784:], rtol=1e-6)


def test_units_of_a_layer_are_compared_with_their_like(oracle: NumpyModel) -> None:
    x = np.random.default_rng(3).normal(size=(2, 6))
    at, other = (pellucid.explain(oracle, x, "integrated_gradients", layer="dense_0", target=target) for target in (0, 1))
    assert pellucid.compare(at, other).difference.shape == at.values.shape
    with pytest.raises(UnsupportedError, match="no grid"):
        pellucid.compare(at, pellucid.explain(oracle, x, "integrated_gradients"))


WRONG = {
    "no explanation": (lambda: pellucid.compare(explained(), 3), SettingError, "b is int"),
    "number of samples": (lambda: pellucid.compare(explained(), explained()[:3]), ShapeError, r"as many of each, e.g. a\[:3\]"),
    "shape of samples": (lambda: pellucid.compare(explained(), synthetic.explanation(count=12)), ShapeError, "inputs of one shape"),
    "several targets": (
        lambda: pellucid.compare(explained(), pellucid.explain(LINEAR, TABLE, "saliency", target=pellucid.Several(0, 0))),
        UnsupportedError,
        r"b is of several targets.*explanation\.at",
    ),
    "seed": (lambda: pellucid.compare(explained(), explained(), seed=-1), SettingError, "seed"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_says_what_to_do(name: str) -> None:
    call, kind, text = WRONG[name]
    with pytest.raises(kind, match=text) as caught:
        call()
    assert isinstance(caught.value, PellucidError)


@pytest.fixture(scope="module")
def compared() -> Comparison:
    return pellucid.compare(synthetic.explanation("shap"), synthetic.explanation("lime", seed=1))


def test_a_comparison_is_a_record(compared: Comparison) -> None:
    part = compared[[2, 0]]
    assert len(part) == 2
    np.testing.assert_array_equal(part.difference, compared.difference[[2, 0]])
    np.testing.assert_array_equal(part.rank_interval, compared.rank_interval[[2, 0]])
    assert part.parts(1) == compared.parts(0)
    assert compared[-1].rows()[0][2:] == compared.rows()[-1][2:]
    shown = replace(compared, names=("<b>x</b>", "y"))._repr_html_()
    assert "&lt;b&gt;x&lt;/b&gt;" in shown
    assert len(compared.rows()) == 3
    again = pellucid.compare(synthetic.explanation("shap"), synthetic.explanation("lime", seed=1))
    np.testing.assert_array_equal(again.rank_interval, compared.rank_interval)


def test_a_comparison_as_a_table(compared: Comparison) -> None:
    pytest.importorskip("pandas")
    table = compared.to_dataframe()
    assert list(table) == ["sample", "feature", "a", "b", "difference", "low", "high"]
    assert len(table) == 3 * 49
    np.testing.assert_allclose(table["a"] - table["b"], table["difference"])
    assert (table["low"] <= table["difference"]).all()
