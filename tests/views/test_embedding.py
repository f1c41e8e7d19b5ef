"""Embeddings: known points, scikit-learn's numbers, planted wrong labels and layers that see nothing, streams, and every framework alike."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.api._data import Batches
from pellucid.core.errors import InputError, MissingExtraError, SettingError
from pellucid.core.model import Layer, Model, Traits
from pellucid.core.scene import Scene
from pellucid.maths.climbing import BUDGET, TOLERANCE
from pellucid.views import _kept, _projections, _representation, embedding
from pellucid.views._spool import Spool
from pellucid.views.embedding import Embedding

Array = np.ndarray


def network(width: int = 5, *, dead: bool = False) -> NumpyModel:
    """One linear layer and a head of three classes."""
    generator = np.random.default_rng(0)
    first = Dense(np.zeros((4, width)) if dead else generator.normal(size=(4, width)), np.ones(width))
    return NumpyModel([first, Dense(generator.normal(size=(width, 3)), np.zeros(3))], (4,), softmax=True)


def groups(count: int = 90) -> tuple[Array, Array]:
    """Three groups, far from each other, a label each."""
    labels = np.arange(count) % 3
    middles = np.array([[9.0, 0, 0, 0], [0, 9, 0, 0], [0, 0, 9, 0]])
    return middles[labels] + np.random.default_rng(1).normal(size=(count, 4)), labels


def test_points_are_the_principal_components_of_the_last_hidden_layer_and_the_rest_are_scikit_learns() -> None:
    decomposition, manifold, neighbors = (pytest.importorskip(f"sklearn.{part}") for part in ("decomposition", "manifold", "neighbors"))
    x, labels = groups()
    view = pellucid.visualize(network(), x, "embedding", labels=labels, neighbours=6)
    assert list(view.values) == ["dense_0"]
    hidden = network().activations(x, ["dense_0"])["dense_0"]
    peer = decomposition.PCA(2).fit(hidden)
    np.testing.assert_allclose(view.values["dense_0"], peer.transform(hidden), atol=1e-4)
    found = view.details["dense_0"]
    np.testing.assert_allclose(found["explained variance"], peer.explained_variance_ratio_)
    distances, places = neighbors.NearestNeighbors(n_neighbors=6).fit(hidden).kneighbors()
    np.testing.assert_array_equal(found["neighbours"], places)
    np.testing.assert_allclose(found["distances"], distances, rtol=1e-5)
    np.testing.assert_allclose(found["agreement"], (labels[places] == labels[:, None]).mean(axis=1), rtol=1e-6)
    plane = peer.transform(hidden)
    np.testing.assert_allclose(found["trustworthiness"], manifold.trustworthiness(hidden, plane, n_neighbors=6), atol=1e-6)
    np.testing.assert_allclose(found["continuity"], manifold.trustworthiness(plane, hidden, n_neighbors=6), atol=1e-6)
    output = network().predict(x)
    np.testing.assert_array_equal(found["predicted"], output.argmax(axis=1))
    np.testing.assert_allclose(found["probability"], output.max(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(found["error"], output.argmax(axis=1) != labels)


def test_wrong_labels_are_found_and_no_others() -> None:
    x, labels = groups()
    wrong = labels.copy()
    wrong[[12, 40]] = (wrong[[12, 40]] + 1) % 3
    view = pellucid.visualize(network(), x, "embedding", labels=wrong)
    assert sorted(view.details["dense_0"]["doubtful"].tolist()) == [12, 40]
    (finding,) = [one for one in view.findings if one.code == "mislabelled candidates"]
    assert finding.numbers["number"] == 2
    assert "2 of 90 samples" in str(finding)
    clean = pellucid.visualize(network(), x, "embedding", labels=labels)
    assert "mislabelled candidates" not in [one.code for one in clean.findings]


def test_a_layer_that_answers_the_same_to_all_is_a_fault_and_one_direction_a_note() -> None:
    x, _ = groups()
    view = pellucid.visualize(network(dead=True), x, "embedding")
    assert view.worst is not None
    assert (view.worst.code, view.worst.severity) == ("collapsed representation", 2)
    thin = NumpyModel([Dense(np.outer(np.ones(4), np.arange(1.0, 5)) + 1e-3 * np.eye(4), np.zeros(4)), Dense(np.eye(4), np.zeros(4))], (4,))
    assert [one.code for one in pellucid.visualize(thin, x, "embedding").findings] == ["one direction"]


def test_a_plane_of_round_data_is_not_to_be_trusted() -> None:
    x = np.random.default_rng(3).normal(size=(200, 12))
    model = NumpyModel([Dense(np.eye(12), np.zeros(12)), Dense(np.eye(12), np.zeros(12))], (12,))
    view = pellucid.visualize(model, x, "embedding")
    (finding,) = view.findings
    assert finding.code == "low trustworthiness"
    assert finding.numbers["trust"] == pytest.approx(float(view.details["dense_0"]["trustworthiness"]))


def test_batches_streams_and_generators_give_the_same_and_are_read_once() -> None:
    x, labels = groups()
    whole = pellucid.visualize(network(), x, "embedding", labels=labels)
    turns = []

    def stream() -> Iterator[Array]:
        turns.append(1)
        yield from (x[:50], x[50:])

    streamed = pellucid.visualize(network(), stream(), "embedding", labels=labels)
    assert len(turns) == 1
    np.testing.assert_allclose(streamed.values["dense_0"], whole.values["dense_0"], atol=1e-6)
    np.testing.assert_array_equal(streamed.details["dense_0"]["neighbours"], whole.details["dense_0"]["neighbours"])
    with pytest.raises(InputError, match="labels are 90, and 50 samples came"):
        pellucid.visualize(network(), iter([x[:50]]), "embedding", labels=labels)


def test_beyond_so_many_samples_neighbours_and_quality_are_of_some_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels = groups()
    whole = pellucid.visualize(network(), x, "embedding", labels=labels)
    monkeypatch.setattr(embedding, "SEARCHED", 60)
    monkeypatch.setattr(embedding, "QUERIES", 30)
    view = pellucid.visualize(network(), x, "embedding", labels=labels)
    found = view.details["dense_0"]
    searched = np.flatnonzero(found["neighbours"][:, 0] >= 0)
    assert len(searched) == view.provenance["resolved"]["samples searched"] == 60
    assert set(found["neighbours"][searched].ravel().tolist()) <= set(searched.tolist())
    assert np.isnan(found["agreement"]).sum() == 30
    assert np.isfinite(view.values["dense_0"]).all()
    assert found["trustworthiness error"] > 0
    assert abs(found["trustworthiness"] - whole.details["dense_0"]["trustworthiness"]) < 0.1


def test_a_grid_is_averaged_a_sequence_too_or_its_last_step_taken() -> None:
    values = np.random.default_rng(0).normal(size=(3, 4, 5, 2))
    grid, first = Layer("grid", "Conv2D", (4, 5, 2)), Layer("grid", "Conv2d", (2, 4, 5), channel_axis=0)
    np.testing.assert_allclose(_representation.pooled(values, grid, "mean"), values.mean(axis=(1, 2)))
    np.testing.assert_allclose(_representation.pooled(np.moveaxis(values, -1, 1), first, "mean"), values.mean(axis=(1, 2)))
    steps, layer = values[:, 0], Layer("steps", "LSTM", (5, 2))
    np.testing.assert_allclose(_representation.pooled(steps, layer, "mean"), steps.mean(axis=1))
    np.testing.assert_allclose(_representation.pooled(steps, layer, "last"), steps[:, -1])
    assert _representation.pooled(values, grid, "flat").shape == (3, 40)


class Counted(Model):
    """A network whose passes are counted; `odd`: its last layer is not its output."""

    batch_size = 8

    def __init__(self, *, odd: bool) -> None:
        self.odd, self.passes = odd, 0
        self.traits = Traits("a toy", (2,), (2,), fingerprint="toy", head="softmax")

    def layers(self) -> tuple[Layer, ...]:
        return (Layer("body", "Dense", (2,), 4), Layer("head", "Dense", (2,), 4))

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        self.passes += 1
        return inputs / inputs.sum(axis=1, keepdims=True)

    def activations(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        self.passes += 1
        known = {"body": 2 * inputs, "head": inputs if self.odd else inputs / inputs.sum(axis=1, keepdims=True)}
        return {name: known[name] for name in layers}


def test_one_pass_gives_layers_and_answers_where_the_last_layer_is_the_output() -> None:
    x = np.random.default_rng(0).random((40, 2))
    for odd, passes in ((False, 2 + 3), (True, 2 * 4)):
        model = Counted(odd=odd)
        reader = _representation.Reader(model, [model.layers()[0]])
        read = [reader.read(part) for part in np.split(x, 4)]
        assert model.passes == passes
        np.testing.assert_array_equal(np.concatenate([answers.classes for _, answers in read if answers.classes is not None]), x.argmax(axis=1))
        np.testing.assert_allclose(np.concatenate([found["body"] for found, _ in read]), 2 * x)


def test_settings_are_checked_and_missing_packages_named(monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = groups()
    for settings, text in (
        ({"projection": "pcs"}, "did you mean 'pca'"),
        ({"pooling": "max"}, "pooling"),
        ({"neighbours": 0}, "at least 1"),
        ({"most": 3}, "at least 10"),
    ):
        with pytest.raises(SettingError, match=text):
            pellucid.visualize(network(), x, "embedding", **settings)
    with pytest.raises(InputError, match="at least 4 samples"):
        pellucid.visualize(network(), x[:3], "embedding")
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtraError, match=r"umap-learn .*pip install 'pellucid\[embedding\]'"):
        pellucid.visualize(network(), x, "embedding", projection="umap")


def test_few_inputs_are_kept_drawn_evenly_and_shown_apart() -> None:
    counts = np.zeros(200)
    model = Counted(odd=False)
    for seed in range(60):
        kept = _kept.Kept(model, seed)
        for start in range(0, 200, 50):
            kept.add(np.arange(start, start + 50, dtype=float)[:, None, None, None] * np.ones((1, 4, 4, 1)))
        assert len(kept.inputs) == _kept.MOST
        assert [float(one[0, 0, 0]) for one in kept.inputs] == [float(number) for number in kept.numbers]
        counts[kept.numbers] += 1
    halves = counts.reshape(4, 50).sum(axis=1)
    assert halves.min() > 0.85 * halves.mean()
    kept = _kept.Kept(model, 0)
    kept.add(np.ones((5, 7)))
    assert not kept.inputs


def test_a_spool_gives_back_what_was_put_in() -> None:
    x = np.random.default_rng(0).normal(size=(30, 4))
    with Spool() as spool:
        spool.add(x[:10])
        spool.add(x[10:])
        assert spool.shape == (30, 4)
        np.testing.assert_array_equal(spool[7:22], x[7:22])
        with spool.of([3, 29, 0]) as part:
            np.testing.assert_array_equal(part[0:3], x[[3, 29, 0]])


def check_same(model: Any, oracle: Any, x: Array, layers: tuple[str | None, str | None] = (None, None)) -> None:
    one, other = (pellucid.visualize(network, x, "embedding", layers=layer) for network, layer in zip((model, oracle), layers, strict=True))
    ((_, found),), ((_, wanted),) = one.values.items(), other.values.items()
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    ((_, details),), ((_, twin),) = one.details.items(), other.details.items()
    np.testing.assert_allclose(details["trustworthiness"], twin["trustworthiness"], atol=1e-6)
    np.testing.assert_array_equal(details["neighbours"], twin["neighbours"])
    np.testing.assert_array_equal(details["predicted"], twin["predicted"])
    np.testing.assert_allclose(details["probability"], twin["probability"], atol=1e-5)


def test_keras_gives_the_oracles_numbers(oracle: NumpyModel, keras_twin: Any) -> None:
    x = np.random.default_rng(4).normal(size=(40, 6)).astype(np.float32)
    check_same(keras_twin, oracle, x, (keras_twin.layers[-2].name, "dense_1"))


@pytest.mark.once
def test_pytorch_gives_the_oracles_numbers(oracle: NumpyModel, torch_mlp: Any) -> None:
    x = np.random.default_rng(4).normal(size=(40, 6)).astype(np.float32)
    check_same(torch_mlp, oracle, x)


def test_channels_first_and_last_give_the_same(small_cnn: Any, torch_cnn: Any) -> None:
    x = np.random.default_rng(5).random((30, 12, 12, 1)).astype(np.float32)
    one = pellucid.visualize(small_cnn, x, "embedding", layers=["conv_a", "flat"])
    other = pellucid.visualize(torch_cnn, np.moveaxis(x, -1, 1), "embedding", layers=["relu_a", "flat"])
    for mine, twin in (("conv_a", "relu_a"), ("flat", "flat")):
        np.testing.assert_allclose(one.values[mine], other.values[twin], atol=1e-4)
    assert one.inputs.shape == (12, 12, 12, 1)
    np.testing.assert_array_equal(one.inputs, x[one.details["flat"]["picture"]])
    np.testing.assert_array_equal(np.moveaxis(other.inputs, 1, -1), one.inputs)


@pytest.mark.once
def test_tsne_ends_where_it_has_settled_or_says_that_its_budget_did() -> None:
    pytest.importorskip("sklearn")
    x, _ = groups(120)
    view = pellucid.visualize(network(), x, "embedding", projection="tsne", layers=["dense_0", "dense_1"])
    resolved = view.provenance["resolved"]
    assert resolved["ended"] == {"dense_0": TOLERANCE, "dense_1": TOLERANCE}
    assert 1000 <= resolved["iterations"]["dense_0"] < 5000
    assert "budget ended" not in [one.code for one in view.findings]
    short = pellucid.visualize(network(), x, "embedding", projection="tsne", budget=400)
    assert (short.provenance["resolved"]["ended"], short.provenance["resolved"]["iterations"]) == ({"dense_0": BUDGET}, {"dense_0": 400})
    (cut,) = [one for one in short.findings if one.code == "budget ended"]
    assert "budget of 400 iterations" in str(cut)
    assert "ended" not in pellucid.visualize(network(), x, "embedding").provenance["resolved"]
    with pytest.raises(SettingError, match="budget must be at least 250"):
        pellucid.visualize(network(), x, "embedding", projection="tsne", budget=100)


@pytest.mark.once
@pytest.mark.parametrize(("divergences", "budget", "iterations", "settled"), [
    ((2.0, 1.9, 1.85, 1.84, 0.1), 5000, 750 + 3 * 251, True),
    ((2.0, 1.995, 0.1), 5000, 750 + 251, True),
    ((2.0, 1.9, 1.8), 1300, 750 + 2 * 251, False),
    ((2.0,), 1000, 750, False),
    ((2.0,), 500, 500, False),
])  # fmt: skip
def test_stages_of_tsne_go_on_from_each_other_until_one_takes_off_less_than_a_hundredth(
    divergences: tuple[float, ...], budget: int, iterations: int, settled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("threadpoolctl")
    stages, told = iter(divergences), list[float]()

    class Scripted:
        def __init__(self, _: int, *, init: Array, max_iter: int, early_exaggeration: float, **given: Any) -> None:
            self.start, self.n_iter_, self.kl_divergence_ = init, max_iter - 1, next(stages)
            assert (early_exaggeration == 1) == (max_iter == 251)

        def fit_transform(self, rows: Array) -> Array:
            return self.start + 1

    monkeypatch.setattr(_projections, "_package", lambda projection: SimpleNamespace(TSNE=Scripted))
    found = _projections.tsne(np.random.default_rng(0).normal(size=(30, 4)), 0, budget, told.append)
    assert (found.iterations, found.settled) == (iterations, settled)
    np.testing.assert_allclose(found.plane.mean(axis=0), len(told), atol=1e-3)
    assert told == sorted(told)
    assert told[-1] < 1


@pytest.mark.once
def test_the_bar_goes_up_layer_by_layer() -> None:
    x, _ = groups(60)
    told: list[float] = []
    model = network()
    Embedding().show(Scene(model, x, ("dense_0", "dense_1"), data=Batches(model, x), progress=told.append))
    assert told == sorted(told)
    assert len(set(told)) == 5


@pytest.mark.once
@pytest.mark.parametrize("projection", ["tsne", pytest.param("umap", marks=pytest.mark.slow)])
def test_groups_stay_groups_some_are_left_out_and_the_same_seed_gives_the_same_bytes(projection: str) -> None:
    pytest.importorskip({"tsne": "sklearn", "umap": "umap"}[projection])
    x, labels = groups(300)
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    first, again = (pellucid.visualize(network(), x, "embedding", projection=projection, most=120, seed=3) for _ in range(2))
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # type: ignore[index]
    assert first.values["dense_0"].tobytes() == again.values["dense_0"].tobytes()
    placed = np.isfinite(first.values["dense_0"]).all(axis=1)
    assert placed.sum() == first.provenance["resolved"]["placed"] == 120
    plane, of = first.values["dense_0"][placed], labels[placed]
    away = np.linalg.norm(plane[:, None] - plane, axis=2) + np.diag(np.full(120, np.inf))
    assert (of[away.argmin(axis=1)] == of).mean() > 0.97
    assert first.details["dense_0"]["trustworthiness"] > 0.9
    assert (first.details["dense_0"]["neighbours"] >= 0).all()
