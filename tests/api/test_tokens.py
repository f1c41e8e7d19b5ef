"""Gradient methods on networks that read tokens: one number for each, with an error that is one of the sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
from embedding_model import EmbeddingModel
from pellucid.adapters import adapt
from pellucid.core import errors
from pellucid.methods import METHODS

LENGTH, UNITS = 6, 12
MODEL = EmbeddingModel.drawn(0, LENGTH, UNITS, 24)
SMOOTH = EmbeddingModel.drawn(1, LENGTH, UNITS, 24, "tanh")
TOKENS = np.random.default_rng(2).integers(1, 30, (20, LENGTH))
BACKGROUND = np.random.default_rng(3).integers(1, 30, (8, LENGTH))
SERVED = [name for name in METHODS if {"gradients"} == METHODS.load(name).needs and "layer" in METHODS.load(name).accepts]
COVERED, WITHIN = (0.92, 0.98), 0.93


def options(method: str) -> dict[str, Any]:
    return {"background": BACKGROUND} if "background" in METHODS.load(method).accepts else {}


def at_the_embedding(model: EmbeddingModel, tokens: np.ndarray, method: str, **asked: Any) -> pellucid.Explanation:
    """The same method on the network above, by hand."""
    given = {"background": model.embed(BACKGROUND)} if "background" in METHODS.load(method).accepts else {}
    return pellucid.explain(model.upper, model.embed(tokens), method, **(given | asked))


def test_the_methods_that_serve_tokens_are_all_that_attribute_to_layers() -> None:
    assert set(SERVED) == {
        "expected_gradients",
        "gradient_x_input",
        "guided_integrated_gradients",
        "idgi",
        "integrated_gradients",
        "saliency",
        "smooth_grad",
        "square_grad",
        "var_grad",
    }


@pytest.mark.parametrize("method", SERVED)
def test_every_token_gets_the_sum_over_its_units(method: str) -> None:
    asked = {"target": 1, "tolerance": 0.01} if METHODS.load(method).error_kind == "bound" else {"target": 1}
    found = pellucid.explain(SMOOTH, TOKENS, method, **asked, **options(method))
    assert found.values.shape == found.error.shape == found.to_input().shape == TOKENS.shape
    assert found.layer == ""
    assert found.provenance["resolved"]["embedding"] == "embedding"
    np.testing.assert_array_equal(found.inputs, TOKENS)
    by_hand = at_the_embedding(SMOOTH, TOKENS, method, **asked)
    reach = {"bound": 0.05, "standard_error": 0.4}.get(found.error_kind, 1e-6)
    np.testing.assert_allclose(found.values, by_hand.values.sum(axis=-1), atol=reach * np.abs(found.values).max())
    np.testing.assert_allclose(found.score, SMOOTH.predict(TOKENS)[:, 1])
    assert found.axes == ("sample", "input_0")
    if method in ("saliency", "gradient_x_input"):
        assert not found.error.any()


@pytest.mark.parametrize("method", ["integrated_gradients", "idgi"])
def test_values_of_tokens_add_up(method: str) -> None:
    found = pellucid.explain(MODEL, TOKENS, method, target=0)
    zero = MODEL.upper.predict(np.zeros((1, LENGTH, UNITS)))[0, 0]
    np.testing.assert_allclose(found.baseline_score, zero)
    gap = found.values.sum(axis=1) - (found.score - zero)
    assert (np.abs(gap) <= 0.02 * np.abs(found.values).sum(axis=1)).all()


@pytest.mark.parametrize("baseline", [7, np.full(LENGTH, 7), np.full((20, LENGTH), 7)])
def test_a_baseline_is_the_vector_of_a_token(baseline: Any) -> None:
    found = pellucid.explain(MODEL, TOKENS, "integrated_gradients", target=0, baseline=baseline, rule="midpoint", steps=64)
    vector = np.broadcast_to(MODEL.table[7], (1, LENGTH, UNITS))
    by_hand = at_the_embedding(MODEL, TOKENS, "integrated_gradients", target=0, baseline=vector, rule="midpoint", steps=64)
    np.testing.assert_allclose(found.values, by_hand.values.sum(axis=-1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.baseline_score, MODEL.predict(np.full((1, LENGTH), 7))[0, 0])


@pytest.mark.parametrize(
    ("baseline", "words"),
    [("mean", "number of one"), (0.5, "whole numbers"), (np.zeros((3, LENGTH)), "3 rows of tokens for 20 samples"), (np.zeros(4), "shape")],
)
def test_a_baseline_that_is_no_token_is_refused(baseline: Any, words: str) -> None:
    with pytest.raises(errors.PellucidError, match=words):
        pellucid.explain(MODEL, TOKENS, "integrated_gradients", target=0, baseline=baseline)


# ---- errors ----------------------------------------------------------------------------------------------------------


def calibration(runs: list[pellucid.Explanation], truth: np.ndarray, tolerance: float) -> tuple[float, float, float]:
    """Share of 95 % intervals that cover, the median of ‖stated‖/‖true‖, share of explanations within the tolerance."""
    inside = [((low <= truth) & (truth <= high)).mean() for low, high in (run.interval(0.95) for run in runs)]
    power = 1 if runs[0].error_kind == "bound" else 2

    def norm(array: np.ndarray) -> np.ndarray:
        return (np.abs(array) ** power).sum(axis=1) ** (1 / power)

    off = np.concatenate([norm(run.values - truth) for run in runs])
    sizes = np.concatenate([norm(run.error) for run in runs]) / off
    return float(np.mean(inside)), float(np.median(sizes)), float((off <= tolerance * np.tile(norm(truth), len(runs))).mean())


@pytest.mark.parametrize("tolerance", [0.05, 0.02])
def test_the_error_of_integrated_gradients_is_that_of_the_sums(tolerance: float) -> None:
    """Over networks, samples and tokens: a ReLU network's values by a fine rule."""
    covered, within = [], []
    for seed in range(8):
        model = EmbeddingModel.drawn(10 + seed, LENGTH, UNITS, 24)
        fine = at_the_embedding(model, TOKENS, "integrated_gradients", target=1, rule="midpoint", steps=4096, max_evaluations=5000)
        found = pellucid.explain(model, TOKENS, "integrated_gradients", target=1, tolerance=tolerance)
        inside, _, close = calibration([found], fine.values.sum(axis=-1), tolerance)
        covered.append(inside)
        within.append(close)
        assert set(found.outcome.codes) == {"converged"}
    assert COVERED[0] <= np.mean(covered) <= 0.99, f"intervals cover {np.mean(covered):.3f}"
    assert np.mean(within) >= WITHIN, f"{np.mean(within):.3f} within the tolerance"


SAMPLING = {"smooth_grad": 0.1, "expected_gradients": 0.1, "square_grad": 0.1, "var_grad": 0.2}


@pytest.mark.parametrize("method", SAMPLING)
def test_the_error_of_sampling_methods_is_that_of_the_sums(method: str) -> None:
    tolerance, tokens = SAMPLING[method], TOKENS[:2]
    seeds = range(100)
    runs = [pellucid.explain(MODEL, tokens, method, target=1, tolerance=tolerance, seed=seed, **options(method)) for seed in seeds]
    asked = {"tolerance": 0.0, "max_evaluations": 60_000} | ({"tolerance": 0.002, "max_evaluations": 10**6} if method == "expected_gradients" else {})
    truth = at_the_embedding(MODEL, tokens, method, target=1, seed=5_000, **asked).values.sum(axis=-1)
    covered, size, within = calibration(runs, truth, tolerance)
    assert {outcome.stop.code for run in runs for outcome in run.outcome} == {"converged"}
    assert COVERED[0] - 0.01 <= covered <= COVERED[1] + 0.01, f"intervals cover {covered:.3f}"
    assert 0.7 <= size <= 1.4, f"stated / true error {size:.2f}"
    assert within >= WITHIN, f"{within:.3f} within the tolerance"


@pytest.mark.parametrize(("method", "settings"), [("idgi", {}), ("smooth_grad", {"absolute": True})])
def test_where_units_are_told_apart_the_error_of_their_sum_is_no_less_than_it_is(method: str, settings: dict[str, Any]) -> None:
    tolerance = 0.05 if method == "idgi" else 0.2
    found = [
        pellucid.explain(MODEL, TOKENS, method, target=1, tolerance=tolerance, seed=seed, max_evaluations=20_000, **settings)
        for seed in range(1 if method == "idgi" else 5)
    ]
    asked = {"tolerance": 0.0005, "max_evaluations": 10_000} if method == "idgi" else {"tolerance": 0.0, "max_evaluations": 60_000, "seed": 5_000}
    truth = at_the_embedding(MODEL, TOKENS, method, target=1, **asked, **settings).values.sum(axis=-1)
    covered, _, within = calibration(found, truth, tolerance)
    assert covered >= COVERED[0], f"intervals cover {covered:.3f}"
    assert within >= WITHIN, f"{within:.3f} within the tolerance"
    assert {outcome.code for run in found for outcome in run.outcome} == {"converged"}
    assert all((run.statistics["relative_error"] <= tolerance).all() for run in found)


def test_a_budget_that_ends_first_is_said_of_the_sums() -> None:
    found = pellucid.explain(MODEL, TOKENS, "idgi", target=1, tolerance=1e-4, max_evaluations=64)
    assert set(found.outcome.codes) == {"budget_exhausted"}
    assert (found.statistics["relative_error"] > 1e-4).all()


def test_tokens_go_on_where_they_stopped() -> None:
    for method in ("integrated_gradients", "smooth_grad"):
        begun = pellucid.explain(MODEL, TOKENS[:4], method, target=1, tolerance=0.3)
        through = pellucid.explain(MODEL, TOKENS[:4], method, target=1, tolerance=0.1)
        gone_on = begun.refine(tolerance=0.1)
        assert (gone_on.cost.gradients >= begun.cost.gradients).all()
        if method == "smooth_grad":
            np.testing.assert_allclose(gone_on.values, through.values)


def test_several_targets_of_tokens() -> None:
    found = pellucid.explain(MODEL, TOKENS, "integrated_gradients", target=pellucid.Several(0, ("1", "2")))
    assert found.values.shape == (20, 2, LENGTH)
    alone = pellucid.explain(MODEL, TOKENS, "integrated_gradients", target=("1", "2"))
    np.testing.assert_allclose(found.values[:, 1], alone.values)
    by_function = pellucid.explain(MODEL, TOKENS, "integrated_gradients", target=lambda o: o[:, 1] - o[:, 2], rule="midpoint", steps=32)
    plain = pellucid.explain(MODEL, TOKENS, "integrated_gradients", target=("1", "2"), rule="midpoint", steps=32)
    np.testing.assert_allclose(by_function.values, plain.values, rtol=1e-6)


# ---- which layer -----------------------------------------------------------------------------------------------------


def test_a_layer_that_is_named_is_taken_as_it_is() -> None:
    found = pellucid.explain(MODEL, TOKENS, "saliency", target=0, layer="embedding")
    assert found.values.shape == (20, LENGTH, UNITS)


@pytest.mark.parametrize("method", ["xrai", "blur_integrated_gradients"])
def test_methods_that_attribute_to_no_layer_are_refused(method: str) -> None:
    with pytest.raises(errors.PellucidError, match=r"tokens|images"):
        pellucid.explain(MODEL, TOKENS, method, target=0)


def of_torch(kind: str) -> Any:
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.second = nn.Embedding(30, 4, padding_idx=0), nn.Embedding(30, 4)
            self.places, self.out = nn.Embedding(LENGTH, 4), nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            hidden = self.words(x)
            if kind == "places":
                hidden = hidden + self.places(torch.arange(x.shape[1]).expand(len(x), -1))
            if kind == "two":
                hidden = hidden * self.second(x)
            hidden = torch.tanh(hidden)
            if kind == "mask":
                return self.out((hidden * (x != 0)[..., None]).sum(dim=1) / (x != 0).sum(dim=1, keepdim=True))
            if kind == "columns":
                hidden = torch.tanh(torch.stack([self.words(x[:, 0]), self.second(x[:, 1])], dim=1))
            return self.out(hidden.mean(dim=1))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Reads()


def test_vectors_of_places_are_not_those_of_tokens() -> None:
    module = of_torch("places")
    found = pellucid.explain(module, TOKENS, "integrated_gradients", target=1)
    assert found.provenance["resolved"]["embedding"] == "words"
    np.testing.assert_allclose(found.values.sum(axis=1), found.score - found.baseline_score, atol=0.02)


@pytest.mark.parametrize(("kind", "words"), [("two", "words and second give one each"), ("columns", "none of words, second gives one")])
def test_tokens_that_several_layers_embed_need_the_users_word(kind: str, words: str) -> None:
    module = of_torch(kind)
    with pytest.raises(errors.UnsupportedError, match=words):
        pellucid.explain(module, TOKENS, "integrated_gradients", target=1)
    assert pellucid.explain(module, TOKENS, "exact_shap", target=1).values.shape == TOKENS.shape


def test_each_sample_keeps_its_own_mask() -> None:
    """What is masked goes round the embedding; the answer is known, for the network is a sum over tokens."""
    module = of_torch("mask")
    tokens = TOKENS.copy()
    tokens[::2, 4:] = 0
    found = pellucid.explain(module, tokens, "integrated_gradients", target=1, tolerance=0.001)
    table, readout = module.words.weight.detach().numpy(), module.out.weight.detach().numpy()[1]
    kept = tokens != 0
    want = (np.tanh(table[tokens]) @ readout) * kept / kept.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.values, want, atol=2e-3 * np.abs(want).max())
    assert not found.values[::2, 4:].any()


@pytest.fixture(scope="module")
def keras_reader() -> Any:
    keras = pytest.importorskip("keras")
    layers = keras.layers
    seeds = [keras.initializers.RandomNormal(stddev=0.7, seed=k) for k in range(3)]
    tokens = keras.Input((LENGTH,), dtype="int32")
    hidden = layers.Embedding(30, 4, embeddings_initializer=seeds[0], name="words")(tokens)
    hidden = layers.GlobalAveragePooling1D()(layers.Activation("tanh")(hidden))
    return keras.Model(tokens, layers.Dense(3, activation="softmax", kernel_initializer=seeds[1], bias_initializer=seeds[2])(hidden))


def test_keras_reads_tokens_too(keras_reader: Any) -> None:
    found = pellucid.explain(keras_reader, TOKENS, "integrated_gradients", target=1, tolerance=0.001)
    table, readout = keras_reader.layers[1].get_weights()[0], keras_reader.layers[-1].get_weights()[0][:, 1]
    want = np.tanh(table[TOKENS]) @ readout / LENGTH
    np.testing.assert_allclose(found.values, want, atol=2e-3 * np.abs(want).max())
    assert found.provenance["resolved"]["embedding"] == "words"
    for method in ("saliency", "expected_gradients"):
        assert pellucid.explain(keras_reader, TOKENS[:3], method, **options(method)).values.shape == (3, LENGTH)
    assert adapt(keras_reader).traits.tokens
