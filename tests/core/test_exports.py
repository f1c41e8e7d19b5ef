"""Tables and SHAP's form of records of every shape; what SHAP's own plots make of them."""

from __future__ import annotations

import builtins
import itertools
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import MissingExtraError
from pellucid.core.exports import columns
from pellucid.core.records import Explanation, concat, located

matplotlib.use("Agg")
pd = pytest.importorskip("pandas")
ROUNDING = 1e-9
DRAW = np.random.default_rng(4)
WEIGHTS, FILTER = DRAW.normal(size=(5, 3)), DRAW.normal(size=(36, 2))
ROWS, BACKGROUND, IMAGES = (DRAW.normal(size=shape).astype(np.float32) for shape in ((6, 5), (8, 5), (3, 6, 6, 1)))
EFFICIENT = ("shap", "exact_shap", "kernel_shap", "permutation_shap", "partition_shap")
PER_ROW = ["method", "sample", "target", "feature", "data", "value", "error", "low", "high", "score", "outcome"]


def network(x: np.ndarray) -> np.ndarray:
    return np.tanh(x @ WEIGHTS) + np.square(x @ WEIGHTS[:, ::-1])


def picture(x: np.ndarray) -> np.ndarray:
    return np.tanh(x.reshape(len(x), -1) @ FILTER)


def of_rows(method: str = "shap", target: object = 1, **keywords: object) -> Explanation:
    return pellucid.explain(network, ROWS, method, target=target, background=BACKGROUND, **keywords)


def smooth_network() -> NumpyModel:
    return NumpyModel([Dense(WEIGHTS, np.ones(3), "tanh"), Dense(WEIGHTS[:3, :2], np.zeros(2))], (5,))


def superpixels() -> Explanation:
    """Samples with two, three and four features."""
    labels = np.stack([np.minimum(np.arange(36).reshape(6, 6, 1) // 6, count - 1) for count in (2, 3, 4)])
    return pellucid.explain(picture, IMAGES, "shap", target=0, features=labels)


# ---- tables -----------------------------------------------------------------------------------------------------


def test_a_row_for_each_sample_and_feature_in_order() -> None:
    e = of_rows(tolerance=0.1, method="permutation_shap")
    table, (low, high) = e.to_dataframe(), e.interval(0.95)
    assert list(table) == PER_ROW
    assert len(table) == 30
    np.testing.assert_array_equal(table["sample"], np.repeat(np.arange(6), 5))
    assert table["feature"].tolist() == ["column 0", "column 1", "column 2", "column 3", "column 4"] * 6
    for column, array in {"value": e.values, "error": e.error, "low": low, "high": high, "data": ROWS}.items():
        np.testing.assert_array_equal(table[column], array.ravel(), err_msg=column)
    np.testing.assert_array_equal(table["score"], np.repeat(e.score, 5))
    assert set(table["target"]) == {"1"}
    assert table["outcome"].tolist() == [code for code in e.outcome.codes for _ in range(5)]
    assert (table["high"] - table["low"] > 0).any()


def test_the_level_widens_the_interval() -> None:
    e = of_rows(method="permutation_shap", tolerance=0.1)
    np.testing.assert_array_equal(e.to_dataframe(0.5)["high"], e.interval(0.5)[1].ravel())
    assert (e.to_dataframe(0.99)["high"] >= e.to_dataframe(0.5)["high"]).all()


def test_samples_are_numbered_as_in_the_data_where_the_record_knows() -> None:
    e = located(of_rows(), "rows", [9, 4, 7, 1, 30, 2])
    assert e.to_dataframe()["sample"].tolist() == [i for i in (9, 4, 7, 1, 30, 2) for _ in range(5)]
    assert e[[2, 0]].to_dataframe()["sample"].tolist() == [7] * 5 + [9] * 5


def test_several_targets_stand_between_samples_and_features() -> None:
    e = of_rows(target=pellucid.Several(0, 2))
    table = e.to_dataframe()
    assert len(table) == 60
    assert table["target"].tolist()[:11] == ["0"] * 5 + ["2"] * 5 + ["0"]
    np.testing.assert_array_equal(table["value"], e.values.ravel())
    np.testing.assert_array_equal(table["score"], np.repeat(e.score.ravel(), 5))
    for target in ("0", "2"):
        alone = e.at(target).to_dataframe().reset_index(drop=True)
        pd.testing.assert_frame_equal(table[table["target"] == target].reset_index(drop=True), alone)


def test_padding_is_left_out_and_data_is_the_mean_over_a_feature() -> None:
    e = superpixels()
    table = e.to_dataframe()
    assert table["sample"].tolist() == [0] * 2 + [1] * 3 + [2] * 4
    np.testing.assert_array_equal(table["value"], e.values[e.feature_mask])
    flat = IMAGES.reshape(3, 36)
    means = [flat[0, :6].mean(), flat[0, 6:].mean(), flat[1, :6].mean(), flat[1, 6:12].mean(), flat[1, 12:].mean()]
    np.testing.assert_allclose(table["data"][:5], means, rtol=1e-5)
    np.testing.assert_allclose(table.groupby("sample")["value"].sum(), e.score - e.baseline_score, atol=ROUNDING)
    np.testing.assert_array_equal(np.isnan(e.to_shap().data), ~e.feature_mask)


def test_a_grid_has_an_index_for_each_axis() -> None:
    e = pellucid.explain(NumpyModel([Dense(FILTER, np.zeros(2))], (6, 6, 1)), IMAGES, "gradient_x_input", target=0)
    table = e.to_dataframe()
    assert [name for name in table if name not in PER_ROW] == list(e.axes[1:])
    row = table[(table["sample"] == 2) & (table["input_0"] == 3) & (table["input_1"] == 5)]
    assert row["value"].item() == e.values[2, 3, 5, 0]
    assert row["data"].item() == IMAGES[2, 3, 5, 0]
    assert row["feature"].item() == "(3, 5, 0)"


def test_each_pair_of_features_stands_once() -> None:
    e = of_rows(method="shapley_interactions")
    table = e.to_dataframe()
    assert len(table) == 6 * 15
    np.testing.assert_allclose(table.groupby("sample")["value"].sum(), e.score - e.baseline_score, atol=ROUNDING)
    row = table[(table["sample"] == 4) & (table["feature"] == "column 1") & (table["other"] == "column 3")]
    assert row["value"].item() == e.values[4, 1, 3]
    assert (row["data"].item(), row["other_data"].item()) == (ROWS[4, 1], ROWS[4, 3])


def test_of_several_inputs_each_value_says_its_own() -> None:
    def both(image: np.ndarray, meta: np.ndarray) -> np.ndarray:
        return np.tanh(image.reshape(len(image), -1) @ FILTER) * (1 + meta @ WEIGHTS[:3, :2])

    x = {"image": IMAGES, "meta": ROWS[:3, :3]}
    e = pellucid.explain(both, x, "shap", target=0, features={"image": "patches:3", "meta": "columns"})
    table = e.to_dataframe()
    assert table["input"].tolist() == (["image"] * 4 + ["meta"] * 3) * 3
    for name, part in e.by_input.items():
        np.testing.assert_array_equal(table["value"][table["input"] == name], part.values.ravel())
    pixels = pellucid.explain(both, x, "shap", target=0, features={"image": "pixels", "meta": "columns"}, max_evaluations=200)
    numbers = replace(pixels, features=None, axes=("sample", "input_0")).to_dataframe()
    assert pixels.to_dataframe()["input"].tolist() == numbers["input"].tolist() == (["image"] * 36 + ["meta"] * 3) * 3
    assert numbers["feature"].tolist()[35:37] == ["image: (5, 5, 0)", "meta: 0"]
    np.testing.assert_array_equal(numbers["data"][36:39], ROWS[0, :3])


def test_values_at_a_layer_have_no_data() -> None:
    model = NumpyModel([Dense(WEIGHTS @ WEIGHTS.T, np.ones(5), "tanh"), Dense(WEIGHTS, np.zeros(3))], (5,))
    assert "data" in pellucid.explain(model, ROWS, "integrated_gradients", target=0).to_dataframe()
    at_layer = pellucid.explain(model, ROWS, "integrated_gradients", target=0, layer=model.layers()[0].name)
    table = at_layer.to_dataframe()
    assert "data" not in table
    assert len(table) == at_layer.values.size == ROWS.size
    assert at_layer.to_shap().data is None


def test_no_error_is_nan() -> None:
    e = pellucid.explain(network, ROWS, "shap", target=0)
    none = replace(e, error=np.full(e.error.shape, np.nan), error_kind="none")
    assert none.to_dataframe()[["error", "low", "high"]].isna().all(axis=None)
    assert none.to_shap().lower_bounds is None


@pytest.mark.parametrize("made", [of_rows, superpixels, lambda: of_rows(target=pellucid.Several(0, 2)), lambda: of_rows("shapley_interactions")])
def test_a_stored_record_gives_the_same_table(made, tmp_path: Path) -> None:
    e = made()
    (loaded,) = pellucid.load(pellucid.save(e, tmp_path / "e.safetensors"))
    pd.testing.assert_frame_equal(loaded.to_dataframe(), e.to_dataframe())
    np.testing.assert_array_equal(loaded.to_shap().values, e.to_shap().values)


def test_joined_records_give_the_joined_table() -> None:
    e = superpixels()
    joined = concat([e[i] for i in range(3)]).to_dataframe()
    np.testing.assert_array_equal(joined["value"], e.to_dataframe()["value"])


def test_columns_need_no_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    e = of_rows()
    _hide(monkeypatch, "pandas")
    assert list(columns(e, 0.95)) == PER_ROW
    with pytest.raises(MissingExtraError, match=r"pip install 'pellucid\[tables\]'"):
        e.to_dataframe()


def test_without_shap_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    e = of_rows()
    _hide(monkeypatch, "shap")
    with pytest.raises(MissingExtraError, match="pip install shap"):
        e.to_shap()


def _hide(monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    found = builtins.__import__

    def import_other(name: str, *rest: object, **more: object) -> object:
        if name.split(".")[0] == hidden:
            raise ImportError(f"No module named '{hidden}'")
        return found(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", import_other)


# ---- SHAP -------------------------------------------------------------------------------------------------------


@pytest.fixture
def plots():
    shap = pytest.importorskip("shap")
    from matplotlib import pyplot

    pyplot.close("all")
    yield shap.plots
    pyplot.close("all")


def drawn() -> list[float]:
    """Widths of the bars that are drawn."""
    from matplotlib import pyplot

    pyplot.gcf().canvas.draw()
    return [patch.get_width() for patch in pyplot.gca().patches]


@pytest.mark.parametrize("method", EFFICIENT)
def test_values_and_base_add_up_to_the_score(method: str) -> None:
    e = of_rows(method=method)
    found = e.to_shap()
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base_values, e.score, atol=ROUNDING)
    np.testing.assert_allclose(found.base_values, network(BACKGROUND)[:, 1].mean(), rtol=1e-5)
    np.testing.assert_array_equal(found.data, ROWS)
    assert list(found.feature_names) == [f"column {i}" for i in range(5)]


@pytest.mark.parametrize("method", ["integrated_gradients", "expected_gradients"])
def test_path_methods_count_from_their_baseline(method: str) -> None:
    model = smooth_network()
    more = {} if method == "integrated_gradients" else {"background": BACKGROUND}
    e = pellucid.explain(model, ROWS, method, target=0, tolerance=1e-3, max_evaluations=50_000, **more)
    found, start = e.to_shap(), model.predict(np.zeros((1, 5), np.float32) if not more else BACKGROUND)[:, 0].mean()
    np.testing.assert_allclose(found.base_values, start, rtol=1e-4)
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base_values, e.score, atol=2e-2)


def test_lime_counts_from_its_intercept_and_others_from_nowhere() -> None:
    lime = pellucid.explain(network, ROWS, "lime", target=0, background=BACKGROUND)
    np.testing.assert_array_equal(lime.to_shap().base_values, lime.statistics["intercept"])
    saliency = pellucid.explain(smooth_network(), ROWS, "saliency", target=0)
    assert np.isnan(saliency.to_shap().base_values).all()


def test_several_targets_are_shap_s_last_axis() -> None:
    e = of_rows(target=pellucid.Several(0, 2))
    found = e.to_shap()
    assert found.shape == (6, 5, 2)
    assert list(found.output_names) == ["0", "2"]
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base_values, e.score, atol=ROUNDING)
    np.testing.assert_array_equal(found[:, :, 1].values, e.at("2").values)


@pytest.mark.parametrize("target", [1, pellucid.Several(0, 2)], ids=["one", "several"])
def test_pairs_are_halved_as_in_shap(target: object) -> None:
    e = of_rows(method="shapley_interactions", target=target)
    found = e.to_shap()
    np.testing.assert_allclose(found.values.sum(axis=(1, 2)) + found.base_values, e.score, atol=ROUNDING)
    one = e.split()[0]
    np.testing.assert_allclose((found.values if found.values.ndim == 3 else found.values[..., 0]).sum(axis=2), one.shares, atol=ROUNDING)


def test_shap_draws_bars_of_the_values(plots) -> None:
    e = of_rows()
    plots.bar(e.to_shap(), show=False)
    strength = np.sort(np.abs(e.values).mean(axis=0))
    assert all(min(abs(width - one) for width in drawn()) < 1e-3 * strength[-1] for one in strength)


def test_shap_draws_a_swarm_of_every_value(plots) -> None:
    from matplotlib import pyplot

    e = of_rows()
    plots.beeswarm(e.to_shap(), show=False)
    pyplot.gcf().canvas.draw()
    points = np.concatenate([dots.get_offsets()[:, 0] for dots in pyplot.gca().collections])
    assert set(np.round(e.values.ravel(), 6)) <= set(np.round(points.astype(float), 6))


def test_shap_draws_a_waterfall_from_the_base_to_the_score(plots) -> None:
    from matplotlib import pyplot

    e = of_rows(method="permutation_shap", tolerance=0.1)
    plots.waterfall(e.to_shap()[2], show=False)
    pyplot.gcf().canvas.draw()
    written = " ".join(text.get_text() for axes in pyplot.gcf().axes for text in (*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels()))
    assert f"{e.score[2]:.3f}".rstrip("0").replace("-", "\N{MINUS SIGN}") in written
    assert f"{ROWS[2, 0]:.3f}".rstrip("0").replace("-", "\N{MINUS SIGN}") in written


def test_shap_draws_what_is_padded_and_what_has_no_data(plots) -> None:
    for e, plot in itertools.product((superpixels(), of_rows(target=pellucid.Several(0, 2)).at("2")), (plots.bar, plots.beeswarm)):
        plot(e.to_shap(), show=False)
        drawn()


@pytest.mark.parametrize("channels", ["last", "first"])
def test_shap_draws_images(plots, channels: str) -> None:
    from matplotlib import pyplot

    e = pellucid.explain(NumpyModel([Dense(FILTER, np.zeros(2))], (6, 6, 1)), IMAGES, "gradient_x_input", target=0)
    if channels == "first":
        moved = {name: np.moveaxis(getattr(e, name), -1, 1) for name in ("values", "error", "inputs")}
        takes = dict(e.provenance["takes"]) | {"channels": "first"}
        e = replace(e, **moved, provenance=dict(e.provenance) | {"takes": takes})
    assert e.to_shap().shape == (3, 6, 6, 1)
    plots.image(e.to_shap(), show=False)
    pyplot.gcf().canvas.draw()
    shown = [image.get_array() for axes in pyplot.gcf().axes for image in axes.images]
    assert any(np.shape(one) == (6, 6) and np.allclose(one, IMAGES[1, ..., 0]) for one in shown)
