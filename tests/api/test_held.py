"""What a record keeps of the network: the user's own object or file, and nothing that a call made of it."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.api import _held
from pellucid.core.errors import SettingError
from pellucid.core.model import Model

X = np.random.default_rng(3).random((2, 12, 12, 1)).astype(np.float32)
COARSE = {"tolerance": 0.5, "features": "patches:4"}


@pytest.fixture
def adapted(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Model]]:
    """Every model that calls of `explain` adapt."""
    made: list[weakref.ref[Model]] = []

    def noted(model: Any, **options: Any) -> Model:
        found = pellucid.adapt(model, **options)
        made.append(weakref.ref(found))
        return found

    monkeypatch.setattr(_held, "adapt", noted)
    return made


def living(made: list[weakref.ref[Model]]) -> int:
    gc.collect()
    return sum(one() is not None for one in made)


def box(x: np.ndarray) -> np.ndarray:
    flat = x.reshape(len(x), -1)
    return np.stack([flat[:, ::2].sum(axis=1), np.square(flat[:, 1::2]).sum(axis=1)], axis=1)


def test_records_keep_no_adapted_network(adapted: list[weakref.ref[Model]], small_cnn: Any) -> None:
    records = [pellucid.explain(network, X, "lime", **COARSE) for network in (box, small_cnn)]
    assert len(adapted) == 2
    assert living(adapted) == 0
    fine = [record.refine(tolerance=0.1) for record in records]
    assert len(adapted) == 4
    assert living(adapted) == 0
    assert [len(record) for record in fine] == [2, 2]


def test_what_the_user_adapted_is_used_again(adapted: list[weakref.ref[Model]], small_cnn: Any) -> None:
    model = pellucid.adapt(small_cnn)
    pellucid.explain(model, X, "lime", **COARSE).refine(tolerance=0.1)
    assert {one() for one in adapted} == {model}


def test_a_network_with_several_inputs_or_outputs_goes_on_from_itself(adapted: list[weakref.ref[Model]]) -> None:
    def two(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.stack([a.sum(axis=1) * b[:, 0], np.square(a).sum(axis=1)], axis=1)

    rows = {"a": np.random.default_rng(0).random((3, 5)), "b": np.random.default_rng(1).random((3, 2))}
    for network in (two, pellucid.adapt(two)):
        begun = pellucid.explain(network, rows, "kernel_shap", background={name: value[:2] for name, value in rows.items()}, tolerance=0.5)
        whole = pellucid.explain(network, rows, "kernel_shap", background={name: value[:2] for name, value in rows.items()}, tolerance=0.01)
        np.testing.assert_allclose(begun.refine(tolerance=0.01).values, whole.values, rtol=1e-6)
    assert living(adapted[:2]) == 0


def test_a_network_that_was_changed_meanwhile_is_noticed(small_cnn: Any) -> None:
    keras = pytest.importorskip("keras")
    network = keras.models.clone_model(small_cnn)
    begun = pellucid.explain(network, X, "lime", **COARSE)
    network.set_weights([2 * array for array in network.get_weights()])
    with pytest.raises(SettingError, match="fingerprint"):
        begun.refine(tolerance=0.1)


def test_a_file_is_found_from_another_folder(small_cnn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_cnn.save(tmp_path / "cnn.keras")
    monkeypatch.chdir(tmp_path)
    begun = pellucid.explain("cnn.keras", X, "lime", **COARSE)
    monkeypatch.chdir("/")
    assert begun.refine(tolerance=0.1).provenance["tolerance"] == 0.1
