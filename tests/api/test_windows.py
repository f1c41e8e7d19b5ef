"""Windows of time as features: every coalition method finds the planted one, and calls it by its time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError

Array = np.ndarray
STEPS, CHANNELS = 57, 2
BY_WINDOWS = ("shap", "exact_shap", "kernel_shap", "permutation_shap", "lime", "feature_ablation", "sobol", "hsic", "partition_shap")


def planted(first: int, last: int, channels: int = CHANNELS) -> NumpyModel:
    """A network that sums the first channel over some steps: two of a window of ten."""
    weights = np.zeros((STEPS, channels, 2))
    weights[first:last, 0, 1] = 1.0
    return NumpyModel([Dense(weights.reshape(-1, 2), np.zeros(2))], (STEPS, channels))


RAW = np.random.default_rng(0).normal(2.0, 0.3, (3, STEPS, CHANNELS))
READ = pellucid.Series(STEPS, ("left", "right"), (0.0, 0.0), (2.0, 2.0), units=("mV", "mmHg"), step=0.01)


@pytest.mark.parametrize("method", BY_WINDOWS)
def test_the_planted_window_is_first_by_every_method(method: str) -> None:
    found = pellucid.explain(planted(50, 57), RAW, method, preprocessing=READ, features="windows:10", fill=0.0, target=1)
    assert found.values.shape == (3, 6)
    for sample in range(3):
        assert found.strongest(1, sample=sample).names == ("0.5–0.57 s",), "the last window, shorter than the others"


def test_the_values_of_windows_are_known() -> None:
    network, x = planted(12, 18), READ.inputs(RAW)
    found = pellucid.explain(network, RAW, "exact_shap", preprocessing=READ, features="windows:10:each", fill=0.0, target=1)
    assert found.features is not None
    assert found.features.names[1] == "left, 0.1–0.2 s"
    truth = np.zeros((3, 12))
    truth[:, 1] = x[:, 12:18, 0].sum(axis=1)
    np.testing.assert_allclose(found.values, truth, atol=1e-5)
    np.testing.assert_allclose(found.to_input()[:, 10:20, 0], np.repeat(truth[:, 1:2], 10, axis=1), atol=1e-5)
    assert not found.to_input()[..., 1].any()


def test_a_series_without_channels_and_one_with_the_channels_first_have_windows_too() -> None:
    flat = NumpyModel([Dense(np.r_[np.zeros(12), np.ones(6), np.zeros(39)][:, None], np.zeros(1))], (STEPS,))
    found = pellucid.explain(flat, RAW[..., 0], "exact_shap", features="windows:10", fill=0.0)
    np.testing.assert_allclose(found.values[:, 1], RAW[:, 12:18, 0].sum(axis=1), rtol=1e-5)
    assert found.feature_name(1) == "steps 10 to 19"
    torch = pytest.importorskip("torch")

    class First(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv1d(CHANNELS, 1, 1)
            with torch.no_grad():
                self.conv.weight[...], self.conv.bias[...] = torch.tensor([[[1.0], [0.0]]]), 0.0

        def forward(self, x: Any) -> Any:
            return self.conv(x)[:, :, 12:18].sum(dim=2)

    x = np.moveaxis(RAW, 2, 1).astype(np.float32)
    turned = pellucid.explain(First(), x, "exact_shap", features="windows:10", fill=0.0, target=0)
    if turned.values.shape == (3, 6):  # torch series are taken with channels first
        np.testing.assert_allclose(turned.values[:, 1], found.values[:, 1], rtol=1e-4)
    else:
        pytest.fail(f"windows lie along the channels: {turned.values.shape}")


def test_a_series_is_cut_into_windows_by_itself_and_what_was_filled_up_belongs_to_none() -> None:
    found = pellucid.explain(planted(0, 57), RAW, "shap", preprocessing=READ, fill=0.0, target=1)
    assert found.values.shape == (3, 29), "two steps a window, 40 windows at most"
    short = pellucid.Series(STEPS, ("left", "right"), (0.0, 0.0), (2.0, 2.0), other_length="fit", rate=100.0, window=10)
    two = [RAW[0][:25], RAW[1]]
    cut = pellucid.explain(planted(0, 57), two, "exact_shap", preprocessing=short, fill=1.0, target=1)
    assert cut.feature_mask.tolist() == [[True] * 3 + [False] * 3, [True] * 6]
    np.testing.assert_allclose(cut.values[0, 2], short.inputs(two)[0, 20:25, 0].sum() - 5.0, rtol=1e-4)
    assert cut.feature_name(2) == "0.2–0.3 s"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"rate": 100.0, "step": 0.01}, "give one of them"),
        ({"rate": 100.0, "time_unit": "day"}, "give one of them"),
        ({"step": -1.0}, "step ≥ 0"),
        ({"window": -1}, "window ≥ 0"),
        ({"units": ("mV",)}, "a unit for each channel"),
    ],
)
def test_settings_of_time_that_say_nothing_are_an_error(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        pellucid.Series(STEPS, ("left", "right"), (0.0, 0.0), (2.0, 2.0), **settings)
