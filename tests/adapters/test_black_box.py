"""Callables as models, and objects that are none."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.adapters import adapt
from pellucid.adapters.black_box import BlackBox
from pellucid.core import errors


def test_it_is_called_in_batches() -> None:
    seen: list[int] = []

    def model(x: np.ndarray) -> np.ndarray:
        seen.append(len(x))
        return x.sum(axis=1)

    assert BlackBox(model, batch_size=4).predict(np.ones((10, 3))).tolist() == [[3.0]] * 10
    assert seen == [4, 4, 2]


@pytest.mark.parametrize(
    ("returned", "error", "words"),
    [
        (lambda x: np.ones(len(x) + 1), errors.ModelError, "must return numbers of shape"),
        (lambda x: np.array(["a"] * len(x)), errors.ModelError, "must return numbers of shape"),
        (lambda x: 3.0, errors.ModelError, "must return numbers of shape"),
        (lambda x: np.full((len(x), 2), np.nan), errors.NonFiniteError, "NaN"),
    ],
)
def test_bad_returns_are_named(returned: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        adapt(returned).predict(np.ones((2, 3)))


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(errors.ModelError, match="cannot explain a dict"):
        adapt({})


def test_two_lambdas_have_two_fingerprints_and_one_has_one() -> None:
    models = [lambda x: x * 2, lambda x: x * 3, lambda x: x * 2]
    first, other, same = (adapt(model).traits.fingerprint for model in models)
    assert first == same != other
