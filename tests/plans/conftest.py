"""What the tests of plans explain."""

from __future__ import annotations

import numpy as np
import plan_parts
import pytest

from pellucid.adapters.numpy_model import NumpyModel


@pytest.fixture
def model() -> NumpyModel:
    return plan_parts.network()


@pytest.fixture
def x() -> np.ndarray:
    return plan_parts.samples(57)
