"""A few metrics on whatever Keras runs on: weights replaced and put back, units taken away, inputs moved. NumPy says the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import NumpyModel

pytestmark = pytest.mark.keras
X = np.random.default_rng(6).normal(size=(3, 6)).astype(np.float32)
FLOAT32 = 2e-4
METRICS: dict[str, dict[str, Any]] = {"deletion": {"steps": 6}, "max_sensitivity": {"draws": 4}, "weight_randomisation": {"draws": 2}}


@pytest.fixture(scope="module")
def twin(oracle: NumpyModel) -> Any:
    """The oracle's weights in layers of its names, by which random weights are drawn."""
    keras = pytest.importorskip("keras")
    shapes = [(dense.bias.size, dense.activation) for dense in oracle.stack[:-1]] + [(3, "softmax")]
    layers = [keras.layers.Dense(units, activation=activation, name=f"dense_{i}") for i, (units, activation) in enumerate(shapes)]
    model = keras.Sequential([keras.Input((6,)), *layers])
    model.set_weights([array for dense in oracle.stack for array in (dense.weights, dense.bias)])
    return model


@pytest.mark.parametrize("metric", METRICS)
def test_the_numbers_are_those_of_numpy(twin: Any, oracle: NumpyModel, metric: str) -> None:
    before = [weight.tobytes() for weight in twin.get_weights()]
    found, want = (
        pellucid.evaluate(network, pellucid.explain(network, X, "gradient_x_input", target=1), {metric: METRICS[metric]}, draws=3)[metric]
        for network in (twin, oracle)
    )
    assert want.values.std() > 0
    np.testing.assert_allclose(found.values, want.values, rtol=FLOAT32, atol=FLOAT32)
    np.testing.assert_allclose(found.chance, want.chance, rtol=FLOAT32, atol=FLOAT32)
    np.testing.assert_array_equal(found.evaluations, want.evaluations)
    assert [weight.tobytes() for weight in twin.get_weights()] == before
