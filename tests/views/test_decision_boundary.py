"""Decision boundaries: lines that are known, places, distances and shares, columns of a table, and every framework alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import CombinationError, InputError, SettingError, UnsupportedError
from pellucid.core.view import View
from pellucid.views import _slices

Array = np.ndarray
NORMAL, OFFSET = np.array([1.0, 2.0, 0.5, -1.0]), -1.5
LINEAR = NumpyModel([Dense(np.stack([np.zeros(4), NORMAL], axis=1), np.array([0.0, OFFSET]))], (4,), softmax=True)
SAMPLES = np.array([[0.0, 0, 0, 0], [2.0, 0, 1, 0], [0.0, 2, 0, 1]])


def details(view: View) -> Any:
    return view.details["network"]


def places(view: View) -> Array:
    """Every point of a plane through three samples, (rows, columns, inputs)."""
    found = details(view)
    first = SAMPLES[1] - SAMPLES[0]
    one = first / np.linalg.norm(first)
    rest = SAMPLES[2] - SAMPLES[0]
    rest = rest - (rest @ one) * one
    two = rest / np.linalg.norm(rest)
    return SAMPLES[0] + found["across"][None, :, None] * one + found["down"][:, None, None] * two


def test_of_a_linear_network_the_boundary_is_the_known_line() -> None:
    view = pellucid.visualize(LINEAR, SAMPLES, "decision_boundary", points=41)
    lead = places(view) @ NORMAL + OFFSET
    values = view.values["network"]
    assert view.axes["network"] == ("row", "column", "class")
    np.testing.assert_allclose(values[..., 1], 1 / (1 + np.exp(-lead)), rtol=1e-5)
    np.testing.assert_allclose(values.sum(axis=-1), 1.0, rtol=1e-6)
    found = details(view)
    np.testing.assert_allclose(found["share"], [(lead < 0).mean(), (lead > 0).mean()])
    step = np.array([found["across"][1] - found["across"][0], found["down"][1] - found["down"][0]])
    np.testing.assert_allclose(step, view.provenance["resolved"]["step"])
    slope = np.array([(lead[0, 1] - lead[0, 0]), (lead[1, 0] - lead[0, 0])]) / step
    np.testing.assert_allclose(found["boundary"], np.abs(SAMPLES @ NORMAL + OFFSET) / np.linalg.norm(slope), rtol=1e-5)
    np.testing.assert_array_equal(found["classes"], (SAMPLES @ NORMAL + OFFSET > 0).astype(int))
    np.testing.assert_allclose(found["off"], 0.0)
    between = np.linalg.norm(places(view)[:, :, None] - SAMPLES, axis=-1).min(axis=-1)
    np.testing.assert_allclose(found["away"], between, atol=1e-9)


def test_two_samples_give_the_line_through_them() -> None:
    view = pellucid.visualize(LINEAR, SAMPLES[:2], "decision_boundary", points=33)
    assert view.axes["network"] == ("place", "class")
    way = (SAMPLES[1] - SAMPLES[0]) / np.linalg.norm(SAMPLES[1] - SAMPLES[0])
    lead = (SAMPLES[0] + details(view)["across"][:, None] * way) @ NORMAL + OFFSET
    np.testing.assert_allclose(view.values["network"][:, 1], 1 / (1 + np.exp(-lead)), rtol=1e-5)
    crossing = -OFFSET / (way @ NORMAL)
    np.testing.assert_allclose(details(view)["boundary"], [crossing, np.linalg.norm(SAMPLES[1] - SAMPLES[0]) - crossing], rtol=1e-5)
    np.testing.assert_allclose(details(view)["positions"][:, 0], [0, np.linalg.norm(SAMPLES[1])])


def test_one_sample_has_directions_of_its_own_and_the_gradient_leads_straight_to_the_boundary() -> None:
    one = SAMPLES[:1]
    seeds = [pellucid.visualize(LINEAR, one, "decision_boundary", reach=3.0, seed=seed, points=21) for seed in (0, 0, 1)]
    assert seeds[0].values["network"].tobytes() == seeds[1].values["network"].tobytes()
    assert seeds[0].values["network"].tobytes() != seeds[2].values["network"].tobytes()
    led = pellucid.visualize(LINEAR, one, "decision_boundary", reach=3.0, directions="gradient", points=21)
    distance = abs(OFFSET) / np.linalg.norm(NORMAL)
    np.testing.assert_allclose(details(led)["boundary"], distance, rtol=1e-5)
    wide = pellucid.visualize(LINEAR, one, "decision_boundary", reach=30.0, points=21)
    assert details(wide)["boundary"] > distance
    lead = led.values["network"][..., 1]
    np.testing.assert_allclose(lead, np.broadcast_to(lead[0], lead.shape), rtol=1e-4)  # nothing changes across the gradient
    assert (np.diff(lead[0]) > 0).all(), "the way goes to the other class"


def test_more_samples_than_span_a_plane_lie_off_it_and_it_says_how_far() -> None:
    generator = np.random.default_rng(0)
    samples = np.concatenate([SAMPLES, generator.normal(size=(3, 4))])
    view = pellucid.visualize(LINEAR, samples, "decision_boundary", points=20)
    centred = samples - samples.mean(axis=0)
    left = np.linalg.svd(centred)[1][2:]
    np.testing.assert_allclose(np.square(details(view)["off"]).sum(), np.square(left).sum(), rtol=1e-9)
    assert len(view) == 6


def test_where_no_other_class_is_seen_there_is_no_distance() -> None:
    view = pellucid.visualize(LINEAR, SAMPLES[:1], "decision_boundary", reach=0.1, points=9)
    assert np.isnan(details(view)["boundary"]).all()
    assert [one.code for one in view.findings] == ["one class"]
    assert details(view)["share"].tolist() == [1.0, 0.0]


def test_two_columns_vary_and_the_others_stay_as_in_the_first_sample() -> None:
    samples = np.array([[1.0, 5, -1, 2], [3.0, 6, 1, 4]])
    view = pellucid.visualize(LINEAR, samples, "decision_boundary", columns=(0, 2), points=11, margin=0.5)
    found = details(view)
    np.testing.assert_allclose(found["across"], np.linspace(0, 4, 11))
    np.testing.assert_allclose(found["down"], np.linspace(-2, 2, 11))
    grid = np.tile(samples[0], (11, 11, 1))
    grid[..., 0], grid[..., 2] = found["across"][None], found["down"][:, None]
    np.testing.assert_allclose(view.values["network"][..., 1], 1 / (1 + np.exp(-(grid @ NORMAL + OFFSET))), rtol=1e-5)
    np.testing.assert_allclose(found["off"], [0.0, np.sqrt(1 + 4)])
    assert view.provenance["resolved"]["axes"] == ["column 0", "column 2"]


def test_columns_of_a_table_by_name_have_the_units_of_the_table() -> None:
    rows = {"age": [20.0, 40.0, 60.0], "home": ["own", "rent", "own"], "sum": [1.0, 2.0, 3.0]}
    table = pellucid.Table.fit(rows, units={"age": "years"})
    view = pellucid.visualize(LINEAR, rows, "decision_boundary", columns="age, sum", preprocessing=table, points=9, margin=0.0)
    assert view.provenance["resolved"]["axes"] == ["age (years)", "sum"]
    np.testing.assert_allclose(details(view)["across"], np.linspace(20, 60, 9), rtol=1e-6)
    np.testing.assert_allclose(details(view)["down"], np.linspace(1, 3, 9), rtol=1e-6)
    np.testing.assert_allclose(details(view)["positions"], [[20, 1], [40, 2], [60, 3]], rtol=1e-6)
    with pytest.raises(SettingError, match=r"home.*age, sum"):
        pellucid.visualize(LINEAR, rows, "decision_boundary", columns=("age", "home"), preprocessing=table)


def test_findings_of_samples_near_the_boundary_and_of_certainty_far_from_data() -> None:
    near = SAMPLES[0] + NORMAL * (1 - 1e-2) * -OFFSET / (NORMAL @ NORMAL)
    samples = np.stack([near, *SAMPLES[1:]])
    (finding,) = [one for one in pellucid.visualize(LINEAR, samples, "decision_boundary").findings if one.code == "near the boundary"]
    assert finding.numbers["sample"] == 0
    upright = NumpyModel([Dense(np.array([[0.0, 1], [0, 0], [0, 0], [0, 0]]), np.zeros(2))], (4,), softmax=True)
    off = pellucid.visualize(upright, np.array([[0.02, 0, 0.3, 0], [4, 0, -0.1, 0], [-4, 5, -0.1, 0], [0.01, -5, -0.1, 0]]), "decision_boundary")
    assert (details(off)["off"] > 0).all()
    assert details(off)["boundary"].min() < 0.1
    assert "near the boundary" not in [one.code for one in off.findings], "their own places are off the slice"
    steep = NumpyModel([Dense(np.stack([np.zeros(4), 50 * NORMAL], axis=1), np.array([0.0, 50 * OFFSET]))], (4,), softmax=True)
    sure = pellucid.visualize(steep, SAMPLES, "decision_boundary", margin=2.0)
    assert "sure far from data" in [one.code for one in sure.findings]
    flat = NumpyModel([Dense(np.stack([np.zeros(4), 0.01 * NORMAL], axis=1), np.zeros(2))], (4,), softmax=True)
    assert "sure far from data" not in [one.code for one in pellucid.visualize(flat, SAMPLES, "decision_boundary", margin=2.0).findings]


def test_what_it_cannot_do_is_said() -> None:
    for settings, text in (
        ({"directions": "up"}, "directions"),
        ({"points": 2}, "points must be at least"),
        ({"margin": -1.0}, "margin"),
        ({"reach": 0.0}, "reach"),
        ({"columns": (0,)}, "two columns"),
        ({"columns": (0, 9)}, "numbered 0 to 3"),
        ({"columns": ("age", "sum")}, "no names are known"),
        ({"layers": "dense_0"}, "takes no layers"),
    ):
        with pytest.raises(SettingError, match=text):
            pellucid.visualize(LINEAR, SAMPLES, "decision_boundary", **settings)
    with pytest.raises(InputError, match="span no slice"):
        pellucid.visualize(LINEAR, SAMPLES[[0, 1, 1]], "decision_boundary")
    regression = NumpyModel([Dense(np.ones((4, 1)), np.zeros(1))], (4,))
    with pytest.raises(UnsupportedError, match="names one class"):
        pellucid.visualize(regression, SAMPLES, "decision_boundary")
    with pytest.raises(UnsupportedError, match="needs gradients"):
        pellucid.visualize(lambda x: LINEAR.predict(x), SAMPLES[:1], "decision_boundary", directions="gradient")


def test_a_function_that_gives_probabilities_is_served_without_layers() -> None:
    black_box = pellucid.visualize(lambda x: LINEAR.predict(x), SAMPLES, "decision_boundary", points=12)
    wanted = pellucid.visualize(LINEAR, SAMPLES, "decision_boundary", points=12)
    np.testing.assert_allclose(black_box.values["network"], wanted.values["network"], atol=1e-6)
    np.testing.assert_allclose(details(black_box)["boundary"], details(wanted)["boundary"], atol=1e-4)


def test_the_distance_to_a_circle_is_known() -> None:
    grid = np.linspace(-2, 2, 81)
    margins = 1 - np.hypot(grid[None], grid[:, None])
    slice_ = _slices.Slice(np.zeros(2), np.eye(2), np.zeros((1, 2)), np.zeros(1), grid, grid)
    for place in ((0.0, 0.0), (0.3, 0.0), (1.5, 1.5)):
        assert _slices.to_boundary(margins, slice_, np.array(place)) == pytest.approx(abs(1 - np.hypot(*place)), abs=2e-3)


def same(model: Any, twin: Any, x: Array, turned: Array | None = None) -> None:
    found = pellucid.visualize(model, x, "decision_boundary", points=16)
    wanted = pellucid.visualize(twin, x if turned is None else turned, "decision_boundary", points=16)
    np.testing.assert_allclose(found.values["network"], wanted.values["network"], atol=1e-4)
    np.testing.assert_allclose(details(found)["boundary"], details(wanted)["boundary"], rtol=1e-2)


def test_keras_gives_the_oracles_numbers(oracle: NumpyModel, keras_twin: Any) -> None:
    same(keras_twin, oracle, np.random.default_rng(4).normal(size=(3, 6)).astype(np.float32))


@pytest.mark.once
def test_pytorch_and_jax_give_the_oracles_numbers(oracle: NumpyModel, torch_mlp: Any, jax_mlp: Any) -> None:
    x = np.random.default_rng(4).normal(size=(3, 6)).astype(np.float32)
    same(torch_mlp, oracle, x)
    same(jax_mlp, oracle, x)


def test_images_series_and_their_twins(small_cnn: Any, torch_cnn: Any, small_rnn: Any, torch_rnn: Any, images: Array) -> None:
    same(small_cnn, torch_cnn, images[:3], np.ascontiguousarray(np.moveaxis(images[:3], -1, 1)))
    series = np.random.default_rng(0).normal(size=(3, 12, 5)).astype(np.float32)
    same(small_rnn, torch_rnn, series)
    one = pellucid.visualize(small_cnn, images[:1], "decision_boundary", directions="gradient", points=9)
    other = pellucid.visualize(torch_cnn, np.moveaxis(images[:1], -1, 1), "decision_boundary", directions="gradient", points=9)
    np.testing.assert_allclose(one.values["network"][4], other.values["network"][4], atol=1e-3)  # the row that the gradient alone makes


def test_a_single_sigmoid_is_two_classes() -> None:
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    model.layers[0].set_weights([NORMAL[:, None].astype(np.float32), np.array([OFFSET], np.float32)])
    view = pellucid.visualize(model, SAMPLES.astype(np.float32), "decision_boundary", points=16)
    wanted = pellucid.visualize(LINEAR, SAMPLES, "decision_boundary", points=16)
    np.testing.assert_allclose(view.values["network"], wanted.values["network"], atol=1e-5)
    led = pellucid.visualize(model, SAMPLES[:1].astype(np.float32), "decision_boundary", directions="gradient", reach=3.0)
    np.testing.assert_allclose(details(led)["boundary"], abs(OFFSET) / np.linalg.norm(NORMAL), rtol=1e-4)
    assert led.values["network"][0, -1, 1] > 0.5 > led.values["network"][0, 0, 1], "the way goes to the other class"


def test_tokens_have_nothing_between_them() -> None:
    keras = pytest.importorskip("keras")
    model = keras.Sequential(
        [keras.Input((7,), dtype="int32"), keras.layers.Embedding(9, 3), keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")]
    )
    with pytest.raises(UnsupportedError, match="between which there is nothing"):
        pellucid.visualize(model, np.ones((3, 7), int), "decision_boundary")


def test_several_inputs_need_columns_where_one_is_of_whole_numbers() -> None:
    x = {"numbers": np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32), "codes": np.array([[0], [1], [1]])}
    call = lambda numbers, codes: np.concatenate([numbers[:, :1] + codes, numbers[:, 1:]], axis=1)  # noqa: E731
    with pytest.raises(CombinationError, match="columns="):
        pellucid.visualize(call, x, "decision_boundary")
    assert pellucid.visualize(call, x, "decision_boundary", columns=(0, 1), points=8).values["network"].shape == (8, 8, 2)
