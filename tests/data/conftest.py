"""Inputs for the tests of data: real digits, and a world without network, cache or data folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pellucid.data.datasets.mnist5000 import mnist5000


@pytest.fixture(scope="session")
def digits() -> np.ndarray:
    """Twelve held-out digits, (12, 28, 28, 1) in [0, 1]."""
    return mnist5000("test").inputs[:12]


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No data folder, an empty Keras cache, no network; gives the Keras home."""
    monkeypatch.delenv("PELLUCID_DATA", raising=False)
    monkeypatch.setenv("PELLUCID_OFFLINE", "1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"
