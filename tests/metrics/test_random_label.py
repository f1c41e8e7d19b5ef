"""Networks trained on labels without meaning: what is compared, what is refused, and that a picture of the input does not pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from own_methods import InputItself
from scipy.stats import spearmanr

import pellucid
import two_inputs
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import SettingError, UnsupportedError

Array = np.ndarray
X = np.random.default_rng(1).normal(size=(4, 12))
OWN, OTHER = (NumpyModel(random_stack(seed, (12, 9, 3), "tanh"), (12,), softmax=True) for seed in (3, 4))


def measured(network: Any, x: Any, other: Any, method: Any = "saliency", settings: dict[str, Any] | None = None, **how: Any) -> Any:
    explanation = pellucid.explain(network, x, method, **how)
    return pellucid.evaluate(network, explanation, {"random_label": {"network": other} | (settings or {})})


@pytest.mark.parametrize("absolute", [True, False])
def test_the_map_of_the_other_network_for_the_classes_of_the_first(absolute: bool) -> None:
    found = measured(OWN, X, OTHER, settings={"absolute": absolute}, absolute=False)["random_label"]
    labels = OWN.predict(X).argmax(axis=1)
    assert (labels != OTHER.predict(X).argmax(axis=1)).any()
    for i, label in enumerate(labels):
        maps = [pellucid.explain(network, X[i : i + 1], "saliency", target=int(label), absolute=False).values[0] for network in (OWN, OTHER)]
        want = spearmanr(*(np.abs(one) if absolute else one for one in maps))[0]
        assert found.values[i] == pytest.approx(want)
    assert found.evaluations.tolist() == [2] * 4
    assert found.gradients.tolist() == [1] * 4
    assert found.settings["network"] == "NumPy, fingerprint numpy"


def test_a_picture_of_the_input_is_not_supported() -> None:
    found = measured(OWN, X, OTHER, InputItself())
    np.testing.assert_allclose(found["random_label"].values, 1)
    assert [verdict.word for verdict in found.verdicts] == ["not supported"] * 4


def test_without_another_network_it_refuses_and_says_what_to_give() -> None:
    explanation = pellucid.explain(OWN, X, "saliency")
    with pytest.raises(UnsupportedError, match=r"trained on random labels: metrics=\{'random_label': \{'network': other\}\}"):
        pellucid.evaluate(OWN, explanation, "random_label")


def test_the_explained_network_itself_and_one_of_another_kind_are_errors() -> None:
    with pytest.raises(SettingError, match="given the explained network itself"):
        measured(OWN, X, NumpyModel(OWN.stack, (12,), softmax=True))
    with pytest.raises(SettingError, match=r"outputs of shape \(2,\), the explained one has \(3,\)"):
        measured(OWN, X, NumpyModel(random_stack(4, (12, 9, 2)), (12,), softmax=True))


def test_several_inputs_and_one_of_several_outputs() -> None:
    both = two_inputs.samples(3)
    found = measured(two_inputs.in_numpy, both, lambda image, meta: two_inputs.in_numpy(image, meta) ** 2, "feature_ablation", target=0)["random_label"]
    assert np.isfinite(found.values).all()
    torch = pytest.importorskip("torch")

    class Two(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, seed: int) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor(np.random.default_rng(seed).normal(size=(12, 3)), dtype=torch.float32))

        def forward(self, x: Any) -> Any:
            return {"first": x @ self.weight, "second": torch.tanh(x @ self.weight)}

    own, other = Two(0), Two(1)
    found = measured(own, X.astype(np.float32), other, target={"first": 1}, absolute=False)["random_label"]
    want = spearmanr(own.weight[:, 1].detach(), other.weight[:, 1].detach())[0]
    np.testing.assert_allclose(found.values, want, atol=1e-6)


def test_a_network_that_learnt_by_heart_has_another_map_in_95_of_100_cases() -> None:
    """Two classes that differ in four places of 64; one network learns them, the other the same inputs with their labels mixed."""
    torch = pytest.importorskip("torch")
    draw = np.random.default_rng(0)
    places, y = draw.permutation(64)[:4], draw.integers(0, 2, 400)
    x = draw.normal(size=(400, 64)).astype(np.float32)
    x[:, places] += 2 * (2 * y[:, None] - 1)
    mixed = draw.permutation(y)

    def trained(labels: Array) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, 2), torch.nn.Softmax(dim=1))
            optimizer = torch.optim.Adam(network.parameters(), 0.01)
            for _ in range(120):
                loss = torch.nn.functional.nll_loss(network(torch.tensor(x)).log(), torch.tensor(labels))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        assert (network(torch.tensor(x)).argmax(dim=1).numpy() == labels).mean() > 0.95
        return network.eval()

    network, by_heart = trained(y), trained(mixed)
    explanation = pellucid.explain(network, x[:100], "integrated_gradients", baseline=x.mean(axis=0), tolerance=0.05)
    assert np.isin(np.argsort(-np.abs(explanation.values), axis=1)[:, :2], places).mean() > 0.9, "it learnt the reason"
    values = pellucid.evaluate(network, explanation, {"random_label": {"network": by_heart, "similarity": "pearson"}})["random_label"].values
    assert (values < 0.5).sum() >= 95
    picture = pellucid.explain(network, x[:100], InputItself())
    assert (pellucid.evaluate(network, picture, {"random_label": {"network": by_heart}})["random_label"].values > 0.99).all()


@pytest.mark.slow
def test_the_recipe_of_the_docstring(trained_cnn: Any) -> None:
    keras = pytest.importorskip("keras")
    from pellucid.data.load import load

    path, held_out = trained_cnn
    model, data = keras.models.load_model(path), load("mnist5000:train").take(np.arange(800))
    other = keras.models.clone_model(model)
    other.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    with np.errstate(all="ignore"):
        history = other.fit(data.inputs, np.random.default_rng(0).permutation(data.labels), epochs=40, verbose=0).history
    assert history["accuracy"][-1] > 0.5
    x = held_out.inputs[:20]
    found = pellucid.evaluate(model, pellucid.explain(model, x, "saliency", absolute=False), {"random_label": {"network": other}})["random_label"]
    assert found.values.max() < 0.5
