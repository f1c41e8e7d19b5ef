"""What is found in curves that are written by hand, and how the record is kept short."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.views._training_findings import find
from pellucid.views._training_log import Kept, Log
from pellucid.views.training import snapshots_of

Array = np.ndarray


def codes(loss: Any, validation: Any = None, layers: Mapping[str, Mapping[str, Any]] | None = None) -> list[str]:
    """What is found in these curves, of whole epochs."""
    told = np.concatenate([[np.nan], np.asarray(loss, float)])
    curves = {"epoch": np.arange(len(told), dtype=float), "loss": told}
    if validation is not None:
        curves["val_loss"] = np.concatenate([[np.nan], np.asarray(validation, float)])
    arrays = {name: {key: np.asarray(value, float) for key, value in one.items()} for name, one in (layers or {}).items()}
    found = find({"network": curves, **arrays})
    assert all(str(finding) and "{" not in str(finding) for finding in found)
    return [finding.code for finding in found]


EPOCHS = np.arange(1, 31)
FALLS = 2 / EPOCHS


def test_a_validation_loss_that_rises_is_overfitting_and_the_epoch_is_told() -> None:
    rises = np.where(EPOCHS < 10, 2 / EPOCHS, 0.22 + 0.03 * (EPOCHS - 10))
    assert codes(FALLS, rises) == ["overfitting"]
    curves = {"epoch": np.arange(31.0), "loss": np.r_[np.nan, FALLS], "val_loss": np.r_[np.nan, rises]}
    (finding,) = find({"network": curves})
    assert finding.numbers["epoch"] in (9, 10)


def test_noise_is_no_overfitting_and_hides_none() -> None:
    plateau = np.maximum(2 / EPOCHS, 0.3)
    flagged = sum("overfitting" in codes(FALLS, plateau * np.exp(0.1 * np.random.default_rng(seed).standard_normal(30))) for seed in range(200))
    assert flagged <= 4
    rises = np.where(EPOCHS < 8, 2 / EPOCHS, 0.29 + 0.03 * (EPOCHS - 8))
    found = sum("overfitting" in codes(FALLS, rises * np.exp(0.1 * np.random.default_rng(seed).standard_normal(30))) for seed in range(200))
    assert found >= 190


def test_a_validation_loss_that_rises_with_the_training_loss_is_another_matter() -> None:
    rises = np.where(EPOCHS < 10, 2 / EPOCHS, 0.22 + 0.03 * (EPOCHS - 10))
    assert "overfitting" not in codes(rises, rises)


@pytest.mark.parametrize(
    ("loss", "code"),
    [
        ([2.3, np.inf, np.inf], "loss not finite"),
        ([1.0, 2.0, 8.0, 30.0], "loss grows"),
        ([2.31, 2.303, 2.302, 2.303, 2.303, 2.302, 2.303], "loss stands still"),
    ],
)
def test_a_loss_that_does_not_fall_is_told_of(loss: list[float], code: str) -> None:
    assert codes(loss) == [code]


@pytest.mark.parametrize("loss", [FALLS, [2.3, 0.4, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05], 1 - 0.004 * EPOCHS, [0.1, 0.09]])
def test_a_loss_that_falls_or_has_fallen_is_not(loss: Any) -> None:
    assert codes(loss, np.asarray(loss) * 1.1) == []


def test_layers_that_are_thrown_about_frozen_starved_or_dying_are_named() -> None:
    still = {"weight_norm": np.ones(31), "update_ratio": np.r_[np.nan, np.zeros(30)]}
    usual = {"weight_norm": np.ones(31), "update_ratio": np.r_[np.nan, np.full(30, 0.05)]}
    wild = {"weight_norm": np.ones(31), "update_ratio": np.r_[np.nan, np.full(30, 12.0)]}
    grown = usual | {"weight_norm": np.geomspace(1, 500, 31)}
    starved = {"weight_norm": np.ones(31), "update_ratio": np.r_[np.nan, np.full(30, 1e-6)]}
    dying = usual | {"dead": np.linspace(0, 0.95, 31)}
    saturated = usual | {"saturated": np.r_[0.1, np.full(30, 0.4)]}
    few = usual | {"dead": np.r_[0.0, np.full(30, 0.05)]}
    layers = {"usual": usual, "other": usual, "few": few}
    assert codes(FALLS, layers=layers) == []
    assert codes(FALLS, layers=layers | {"still": still}) == ["layer does not move"]
    assert codes(FALLS, layers=layers | {"wild": wild}) == ["exploding updates"]
    assert codes(FALLS, layers=layers | {"grown": grown}) == ["exploding updates"]
    assert codes(FALLS, layers=layers | {"starved": starved}) == ["vanishing updates"]
    assert codes(FALLS, layers=layers | {"dying": dying}) == ["dead units grow"]
    assert codes(FALLS, layers=layers | {"saturated": saturated}) == ["saturated units grow"]
    lost = {"weight_norm": np.r_[np.ones(20), np.full(11, np.nan)], "update_ratio": np.full(31, np.nan)}
    assert codes(FALLS, layers=layers | {"lost": lost}) == ["weights not finite"]


def test_more_frames_than_fit_are_thinned_out_evenly_and_the_ends_stay() -> None:
    kept = Kept(budget=10)
    for moment in range(101):
        kept.offer(moment, moment, 1)
    moments = [moment for moment, _ in kept.all()]
    assert moments[0] == 0
    assert moments[-1] == 100
    assert 5 <= len(moments) <= 11
    assert len(set(np.diff(moments[:-1]))) == 1


def model(weights: Array) -> NumpyModel:
    return NumpyModel([Dense(weights, np.zeros(weights.shape[1]), "tanh")], (weights.shape[0],))


def test_within_an_epoch_the_share_of_its_steps_counts() -> None:
    log = Log(model(np.eye(2)), np.ones((3, 2)), maps=())
    log.add(0, {})
    for step, whole in ((4, False), (8, True), (12, False), (16, True), (18, False)):
        log.add(step, {}, whole=whole)
    assert log.epochs.tolist() == [0, 0.5, 1, 1.5, 2, 2.25]
    log.add(18, {"loss": 1.0}, whole=True)  # the epoch ends where the last look was
    assert log.epochs.tolist() == [0, 0.5, 1, 1.5, 2, 3]
    assert log.shown().values["network"][-1] == 1


def test_saturated_units_are_counted_over_a_probe_that_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.views._training_look.AT_ONCE", 1)
    log = Log(model(np.array([[0.1, 9.0, 0.0]])), np.linspace(0.5, 1, 6)[:, None], maps=())
    log.add(0, {})
    told = log.layers[0]["dense_0"]
    assert told["saturated"] == pytest.approx(1 / 3)
    assert told["dead"] == pytest.approx(1 / 3)  # the third gives the same number everywhere
    values = np.tanh(np.linspace(0.5, 1, 6)[:, None] * np.array([[0.1, 9.0, 0.0]]))
    assert told["mean"] == pytest.approx(values.mean())
    assert told["sd"] == pytest.approx(values.std())


def test_a_network_that_is_trained_already_is_refused_with_advice() -> None:
    with pytest.raises(UnsupportedError, match="record the training while it runs"):
        pellucid.visualize(model(np.eye(2)), view="training")


def test_a_record_without_snapshots_says_how_to_get_them() -> None:
    with pellucid.Recorder(model(np.eye(2)), np.ones((3, 2))) as recorder:
        recorder.epoch(loss=1.0)
    with pytest.raises(SettingError, match="snapshots=True"):
        snapshots_of(recorder.view)


def test_a_rise_as_small_as_the_noise_of_neighbouring_epochs_is_seldom_called_overfitting() -> None:
    slow = np.where(EPOCHS < 8, 2 / EPOCHS, 0.29 + 0.002 * (EPOCHS - 8))
    flagged = sum("overfitting" in codes(FALLS, slow * np.exp(0.06 * np.random.default_rng(seed).standard_normal(30))) for seed in range(200))
    assert flagged <= 40  # more than a hundred where noise is not asked after


def test_a_unit_with_a_floor_is_dead_at_zero_alone() -> None:
    log = Log(NumpyModel([Dense(np.array([[0.0, -1.0, 1.0]]), np.array([2.0, 0.0, 0.0]), "relu")], (1,)), np.ones((3, 1)), maps=())
    log.add(0, {})
    assert log.layers[0]["dense_0"]["dead"] == pytest.approx(1 / 3)  # the first gives 2 for whatever it is given, and the last its input
