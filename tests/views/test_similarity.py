"""Similarity of layers: invariances through whole networks, two networks, redundant layers, sorted data, and every framework alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import InputError, SettingError, ShapeError, UnsupportedError
from pellucid.maths.cka import full_cka
from pellucid.views import similarity

Array = np.ndarray
X = np.random.default_rng(0).normal(size=(600, 4))


def turn(seed: int, width: int = 4) -> Array:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0]


def stack(*parts: Any) -> NumpyModel:
    """Linear layers by their matrices; a text is a ReLU over the identity."""
    dense = [Dense(np.eye(4), np.zeros(4), "relu") if isinstance(part, str) else Dense(part, np.ones(part.shape[1])) for part in parts]
    return NumpyModel(dense, (4,))


def test_turns_and_scales_are_the_same_layer_and_stretching_is_not() -> None:
    model = stack(np.eye(4), 3 * turn(1), turn(2), np.diag([30.0, 1, 1, 1]))
    view = pellucid.visualize(model, X, "similarity")
    values = view.values["network"]
    np.testing.assert_allclose(values[:3, :3], 1.0, atol=1e-9)
    assert values[0, 3] < 0.8
    (finding,) = view.findings
    assert (finding.code, finding.layer, finding.numbers["number"]) == ("redundant layers", "dense_0", 3)
    assert view.axes["network"] == ("layer", "layer")
    assert view.provenance["resolved"]["layers"] == ["dense_0", "dense_1", "dense_2", "dense_3"]


def test_minibatches_come_near_what_all_samples_give() -> None:
    generator = np.random.default_rng(5)
    model = stack(generator.normal(size=(4, 4)), "relu", generator.normal(size=(4, 4)), "relu")
    x = generator.normal(size=(4_000, 4))
    view = pellucid.visualize(model, x, "similarity", batch=64)
    names = view.provenance["resolved"]["layers"]
    found = model.activations(x, names)
    for i, one in enumerate(names):
        for j, other in enumerate(names):
            error = max(float(view.details["network"]["error"][i, j]), 1e-4)
            assert abs(view.values["network"][i, j] - full_cka(found[one], found[other])) < 4 * error + 0.002


def test_two_networks_are_told_apart_by_their_layers(tmp_path: Path) -> None:
    one, other = stack(turn(1), np.diag([9.0, 1, 1, 1])), stack(np.diag([1.0, 1, 1, 9]), 2 * turn(3))
    view = pellucid.visualize(one, X, "similarity", other=other, layers=["dense_0"])
    assert view.values["network"].shape == (1, 2)
    assert view.axes["network"] == ("layer", "other layer")
    hidden = [one.activations(X, ["dense_0"])["dense_0"], *(other.activations(X, ["dense_0", "dense_1"])[name] for name in ("dense_0", "dense_1"))]
    wanted = [full_cka(hidden[0], rows) for rows in hidden[1:]]
    np.testing.assert_allclose(view.values["network"][0], wanted, atol=0.03)
    assert view.details["network"]["error"].shape == (1, 2)
    assert "NumPy" in view.provenance["settings"]["other"]
    assert "0x" not in view.provenance["settings"]["other"]
    same = pellucid.visualize(one, X, "similarity", other=stack(turn(1), np.diag([9.0, 1, 1, 1])))
    np.testing.assert_allclose(np.diag(same.values["network"]), 1.0)
    assert [one.code for one in same.findings] == ["the same representation"]
    assert [one.code for one in view.findings] == ["what two networks share"]
    with pytest.raises(ShapeError, match="both networks must take the same"):
        pellucid.visualize(one, X, "similarity", other=NumpyModel([Dense(np.eye(3), np.zeros(3))], (3,)))


def test_sorted_data_is_noticed_and_shuffled_data_is_not() -> None:
    generator = np.random.default_rng(6)
    labels = np.repeat(np.arange(4), 300)
    x = np.eye(4)[labels] * 5 + generator.normal(size=(1_200, 4))
    model = stack(turn(1), "relu")
    found = {one.code for one in pellucid.visualize(model, x, "similarity", labels=labels).findings}
    assert "sorted data" in found
    order = generator.permutation(len(x))
    assert "sorted data" not in {one.code for one in pellucid.visualize(model, x[order], "similarity", labels=labels[order]).findings}
    assert "sorted data" in {one.code for one in pellucid.visualize(model, x, "similarity").findings}, "without labels, by the unit that answers most"


def test_a_layer_without_an_answer_of_its_own_is_named() -> None:
    view = pellucid.visualize(stack(np.eye(4), np.zeros((4, 4))), X, "similarity")
    assert view.values["network"].tolist()[1] == [0.0, 0.0]
    assert [(one.code, one.layer) for one in view.findings] == [("nothing to compare", "dense_1")]


def test_layers_that_fit_no_memory_are_read_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    model = stack(turn(1), "relu", turn(2))
    whole = pellucid.visualize(model, X, "similarity")
    monkeypatch.setattr(similarity, "HELD", 1.0)
    np.testing.assert_array_equal(pellucid.visualize(model, X, "similarity").values["network"], whole.values["network"])


def test_what_cannot_be_compared_is_said() -> None:
    with pytest.raises(SettingError, match="batch must be at least 4"):
        pellucid.visualize(stack(np.eye(4)), X, "similarity", batch=3)
    with pytest.raises(InputError, match="at least 4 samples"):
        pellucid.visualize(stack(np.eye(4)), X[:3], "similarity")


def test_keras_gives_the_oracles_numbers(oracle: NumpyModel, keras_twin: Any) -> None:
    x = np.random.default_rng(4).normal(size=(80, 6)).astype(np.float32)
    wanted = pellucid.visualize(oracle, x, "similarity", layers=["dense_0", "dense_1"])
    found = pellucid.visualize(keras_twin, x, "similarity", layers=[layer.name for layer in keras_twin.layers[:2]])
    np.testing.assert_allclose(found.values["network"], wanted.values["network"], atol=1e-4)
    np.testing.assert_allclose(found.details["network"]["error"], wanted.details["network"]["error"], atol=1e-4)


@pytest.mark.once
def test_a_network_and_its_twin_with_channels_first_are_the_same_network(small_cnn: Any, torch_cnn: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(5).random((60, 12, 12, 1)).astype(np.float32)
    small_cnn.save(tmp_path / "cnn.keras")
    turned = np.ascontiguousarray(np.moveaxis(x, -1, 1))
    view = pellucid.visualize(torch_cnn, turned, "similarity", other=str(tmp_path / "cnn.keras"), layers=["relu_a", "pool", "relu_b"])
    assert view.provenance["resolved"]["other layers"] == ["conv_a", "pool", "conv_b", "out"]
    np.testing.assert_allclose(np.diag(view.values["network"]), 1.0, atol=1e-4)


@pytest.mark.once
def test_layers_without_a_row_a_sample_are_passed_over_unless_asked_for() -> None:
    torch = pytest.importorskip("torch")

    class Placed(torch.nn.Module):
        """A table that is the same for all samples is added to them."""

        def __init__(self) -> None:
            super().__init__()
            self.places, self.out = torch.nn.Embedding(4, 4), torch.nn.Linear(16, 3)

        def forward(self, x: Any) -> Any:
            return self.out((x[:, :, None] + self.places(torch.arange(4)[None])).flatten(1))

    network = Placed().eval()
    view = pellucid.visualize(network, X[:64].astype(np.float32), "similarity")
    assert view.provenance["resolved"]["layers"] == ["out"]
    with pytest.raises(UnsupportedError, match="places"):
        pellucid.visualize(network, X[:64].astype(np.float32), "similarity", layers="places")


def test_half_widths_are_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    model = stack(turn(1), "relu")
    whole, real = pellucid.visualize(model, X, "similarity").values["network"], NumpyModel.activations
    monkeypatch.setattr(NumpyModel, "activations", lambda self, x, names: {name: array.astype(np.float16) for name, array in real(self, x, names).items()})
    np.testing.assert_allclose(pellucid.visualize(model, X, "similarity").values["network"], whole, atol=1e-3)
