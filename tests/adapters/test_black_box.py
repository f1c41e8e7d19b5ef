"""Callables as models, and objects that are none."""

from __future__ import annotations

import threading
import time

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


def test_what_it_does_to_its_argument_does_not_reach_the_samples() -> None:
    def model(x: np.ndarray) -> np.ndarray:
        x *= 2
        return x.sum(axis=1)

    samples = np.ones((3, 4), np.float32)
    assert adapt(model).predict(samples).tolist() == [[8.0]] * 3
    assert (samples == 1).all()


def test_a_tensor_that_is_tracked_may_be_returned() -> None:
    torch = pytest.importorskip("torch")
    weights = torch.ones(4, 2, requires_grad=True)
    assert adapt(lambda x: torch.tensor(x) @ weights).predict(np.ones((3, 4), np.float32)).tolist() == [[4.0, 4.0]] * 3


@pytest.mark.parametrize("method", ["shap", "exact_shap"])
def test_a_bar_is_shown_while_a_slow_callable_works(method: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It appears while the callable is still at its first inputs, of which the method has nothing to report; here after a twentieth of a second."""
    import pellucid
    from pellucid.api import _progress

    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, for rich
    monkeypatch.setattr(_progress, "PATIENCE", 0.05)
    calls: list[str] = []

    def slow(x: np.ndarray) -> np.ndarray:
        time.sleep(0.2 if len(calls) == 1 else 0.0)
        calls.append(capsys.readouterr().err)
        return np.tanh(x).sum(axis=1)

    samples = np.random.default_rng(0).random((1, 5))
    pellucid.explain(slow, samples, method, progress=True)
    assert "1 samples" in "".join(calls)
    assert not any(isinstance(thread, threading.Timer) for thread in threading.enumerate())
    calls.clear()
    capsys.readouterr()
    pellucid.explain(slow, samples, method, progress=False)
    assert not "".join(calls)
