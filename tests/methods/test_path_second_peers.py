"""The later path methods against the authors' own code, across frameworks and layouts, refined, and on the trained network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_integrated_gradients import relu_network
from test_path_second import functions, image_network, relative

import pellucid
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.methods.path.xrai import ranked, regions

SAME_WAY = 1e-9
"""Guided IG of the authors' code and here: the same steps in float64."""
THEIR_STEPS = 0.02
"""Relative L1 error of the authors' Blur IG with 2000 equal steps from the left, and of their forward difference."""
FLOAT32 = 2e-4
"""Between frameworks and layouts, relative to the largest value."""
SECOND = ("idgi", "blur_integrated_gradients", "guided_integrated_gradients", "xrai")
SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def saliency() -> Any:
    """The package of the authors of Guided IG, Blur IG and XRAI; only its NumPy core."""
    return pytest.importorskip("saliency.core")


def theirs(model: Any, saliency: Any) -> Callable[..., dict[str, np.ndarray]]:
    """The model's gradients of output 1 as their code asks for them."""
    gradient = functions(model, 1)[1]
    return lambda x, call_model_args=None, expected_keys=None: {saliency.INPUT_OUTPUT_GRADIENTS: gradient(np.asarray(x))}


class Numpy1:
    """NumPy as their Guided IG knows it: `quantile` took `interpolation`, which is `method` now."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def quantile(self, values: np.ndarray, q: float, interpolation: str) -> Any:
        return np.quantile(values, q, method=interpolation)


def test_guided_is_the_authors_unbounded_code(saliency: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saliency.core.guided_ig.np", Numpy1())
    model = image_network(2, SHAPE)
    x, baseline = np.random.default_rng(0).random((2, *SHAPE)), np.full(SHAPE, 0.3)
    expected = [
        saliency.GuidedIG().GetMask(one, theirs(model, saliency), x_baseline=baseline, x_steps=40, fraction=0.25, max_dist=1.0)
        for one in x
    ]  # fmt: skip
    found = pellucid.explain(model, x, "guided_integrated_gradients", target=1, baseline=baseline, steps=40, anchors=1, rule="left")
    np.testing.assert_allclose(found.values, expected, atol=SAME_WAY)


def test_blur_is_the_limit_of_the_authors_code(saliency: Any) -> None:
    model, x = image_network(0, SHAPE), np.random.default_rng(1).random((1, *SHAPE))
    expected = saliency.BlurIG().GetMask(x[0], theirs(model, saliency), max_sigma=4, steps=2000, grad_step=1e-4, batch_size=1)
    found = pellucid.explain(model, x, "blur_integrated_gradients", target=1, max_sigma=4.0, tolerance=0.005)
    assert relative(found.values, expected[None])[0] <= THEIR_STEPS


def test_xrai_ranks_as_the_authors_code_does(saliency: Any) -> None:
    image = np.random.default_rng(2).random((40, 30, 1))
    image[10:25, 8:20] += 1
    attribution = np.random.default_rng(3).normal(size=(40, 30))
    members, _ = regions(image)
    masks = [row.toarray().reshape(40, 30) > 0 for row in members]
    parameters = saliency.XRAIParameters()
    parameters.experimental_params["min_pixel_diff"] = 12
    expected = saliency.XRAI().GetMask(image, None, segments=masks, base_attribution=attribution[..., None], extra_parameters=parameters)
    label = ranked(attribution, members, 12)
    values = (np.bincount(label.ravel(), attribution.ravel()) / np.bincount(label.ravel()))[label]
    np.testing.assert_allclose(values, expected, atol=1e-12)


@pytest.mark.slow
def test_regions_of_a_full_size_image_are_those_of_the_authors_code(saliency: Any) -> None:
    from saliency.core import xrai as their_xrai
    from skimage.data import coffee
    from skimage.transform import resize

    image = resize(coffee(), (224, 224))
    expected = {mask.tobytes() for mask in their_xrai._get_segments_felzenszwalb(image, resize_image=False)}
    members, least = regions(image)
    assert {(row.toarray().reshape(224, 224) > 0).tobytes() for row in members} == expected
    assert least == 50


@pytest.mark.parametrize("method", SECOND)
def test_channels_first_and_last_give_the_same(method: str, small_cnn: Any, torch_cnn: Any, images: np.ndarray) -> None:
    last = pellucid.explain(small_cnn, images[:3], method)
    first = pellucid.explain(torch_cnn, np.moveaxis(images[:3], -1, 1), method)
    assert first.values.shape == (3, 12, 12) if method == "xrai" else (3, 1, 12, 12)
    assert first.to_input().shape == (3, 1, 12, 12)
    values = first.values if method == "xrai" else np.moveaxis(first.values, 1, -1)
    np.testing.assert_allclose(values, last.values, atol=FLOAT32 * np.abs(last.values).max())


@pytest.mark.parametrize("method", ["idgi", "blur_integrated_gradients", "xrai"])
def test_going_on_gives_what_one_go_gives_and_repeats_nothing(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = image_network(1, SHAPE), np.random.default_rng(4).random((3, *SHAPE))
    coarse = pellucid.explain(model, x, method, target=1, tolerance=0.2)
    whole = pellucid.explain(model, x, method, target=1, tolerance=0.01)
    taken, plain = [], NumpyModel.gradients

    def counted(self: NumpyModel, inputs: np.ndarray, *rest: Any) -> Any:
        taken.append(len(inputs))
        return plain(self, inputs, *rest)

    monkeypatch.setattr(NumpyModel, "gradients", counted)
    refined = coarse.refine(tolerance=0.01)
    assert sum(taken) == (refined.cost.gradients - coarse.cost.gradients).sum()
    assert (refined.cost.gradients > coarse.cost.gradients).all()
    assert (relative(refined.values, whole.values) <= 0.02).all()
    assert set(refined.outcome.codes) == {"converged"}


@pytest.mark.parametrize("method", ["idgi", "blur_integrated_gradients", "guided_integrated_gradients"])
def test_an_input_that_moves_nothing_gets_exactly_nothing(method: str) -> None:
    model = relu_network(4, (64, 16, 2))
    model.stack[0].weights[::3] = 0
    x = np.random.default_rng(5).random((2, *SHAPE))
    values = pellucid.explain(type(model)(model.stack, SHAPE), x, method).values.reshape(2, 64)
    assert not values[:, ::3].any()
    assert values.any()


@pytest.mark.parametrize("method", SECOND)
def test_networks_that_compute_the_same_are_explained_the_same(method: str) -> None:
    """Hidden units in another order, and each split in two halves."""
    model = image_network(5, SHAPE)
    first, *rest = model.stack
    order = np.random.default_rng(6).permutation(first.bias.size)
    twice = np.concatenate([order, order])
    other = type(model)(
        [type(first)(first.weights[:, twice], first.bias[twice], "relu"), type(first)(rest[0].weights[twice] / 2, rest[0].bias, "relu"), *rest[1:]], SHAPE
    )
    x = np.random.default_rng(7).random((2, *SHAPE))
    found, again = (pellucid.explain(one, x, method, target=1).values for one in (model, other))
    np.testing.assert_allclose(again, found, atol=1e-9)


@pytest.mark.parametrize("method", SECOND)
def test_records_are_drawn_stored_and_put_in_a_report(method: str, tmp_path: Path) -> None:
    found = pellucid.explain(image_network(0, SHAPE), np.random.default_rng(8).random((1, *SHAPE)), method)
    pellucid.report([found], tmp_path / "report.html")
    pellucid.save([found], tmp_path / "found.safetensors")
    (again,) = pellucid.load(tmp_path / "found.safetensors")
    np.testing.assert_array_equal(again.error, found.error)
    assert again.error_kind == found.error_kind


@pytest.mark.slow
@pytest.mark.parametrize("method", ["idgi", "blur_integrated_gradients"])
def test_tolerances_are_kept_on_digits(trained_cnn: tuple[Path, Any], method: str) -> None:
    path, held_out = trained_cnn
    model, digits = pellucid.adapt(path), held_out.inputs[::40]
    exact = pellucid.explain(model, digits, method, tolerance=0.0, max_evaluations=1536).values
    for tolerance in (0.05, 0.02):
        found = pellucid.explain(model, digits, method, tolerance=tolerance)
        errors = np.abs(found.values - exact)
        assert (relative(found.values, exact) <= tolerance).mean() >= 0.95
        low, high = found.interval(0.95)
        covered = ((low <= exact) & (exact <= high))[exact != 0].mean()
        assert 0.9 <= covered <= 0.98, f"intervals cover {covered:.3f}"
        ratio = np.median(np.linalg.norm(found.error.reshape(len(digits), -1), axis=1) / np.linalg.norm(errors.reshape(len(digits), -1), axis=1))
        assert 0.7 <= ratio <= 1.6, f"stated over true {ratio:.2f}"


@pytest.mark.slow
def test_xrai_states_the_error_of_regions_on_digits(trained_cnn: tuple[Path, Any]) -> None:
    """Regions and order as found; their means against Integrated Gradients of 1536 nodes."""
    path, held_out = trained_cnn
    model, digits = pellucid.adapt(path), held_out.inputs[::40]
    ends = [np.broadcast_to(find(axis=(1, 2, 3), keepdims=True), digits.shape) for find in (digits.min, digits.max)]
    plain = [pellucid.explain(model, digits, "integrated_gradients", tolerance=0.0, max_evaluations=1536, baseline=one).values for one in ends]
    shares = (plain[0] + plain[1])[..., 0] / 2
    found = pellucid.explain(model, digits, "xrai", tolerance=0.05)
    errors, ratios = [], []
    for i, share in enumerate(shares):
        _, label = np.unique(found.values[i], return_inverse=True)
        label = label.reshape(28, 28)
        exact = (np.bincount(label.ravel(), share.ravel()) / np.bincount(label.ravel()))[label]
        errors.append(np.abs(found.values[i] - exact).sum() / np.abs(exact).sum())
        ratios.append(np.linalg.norm(found.error[i]) / np.linalg.norm(found.values[i] - exact))
    assert np.mean(np.array(errors) <= 0.05) >= 0.95
    assert 0.7 <= np.median(ratios) <= 1.4, f"stated over true {np.median(ratios):.2f}"
