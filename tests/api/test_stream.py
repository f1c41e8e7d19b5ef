"""`explain` takes what gives its samples batch by batch, and explains them as it would an array."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.api import _stream
from pellucid.core import errors
from pellucid.core.packing import InputSpec

METHOD = "integrated_gradients"


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(30, 6)).astype(np.float32)


def batches(x: np.ndarray, size: int = 8) -> Iterator[np.ndarray]:
    return (x[i : i + size] for i in range(0, len(x), size))


class Sequence:
    """A map-style data set, as PyTorch's and Keras's: no `__iter__`, and no end that `self[i]` would tell."""

    def __init__(self, x: np.ndarray, size: int = 8) -> None:
        self.x, self.size = x, size

    def __len__(self) -> int:
        return -(-len(self.x) // self.size)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        found = self.x[i * self.size : (i + 1) * self.size]
        return found, np.zeros(len(found))


PLAIN: dict[str, Callable[[np.ndarray], Any]] = {
    "batches": batches,
    "batches with labels": lambda x: ((part, part[:, 0], "more") for part in batches(x)),
    "single samples": lambda x: (row for row in x),
    "single samples with labels": lambda x: ((row, 3) for row in x),
    "lists of samples": lambda x: (list(part) for part in batches(x)),
    "a map": lambda x: map(np.asarray, batches(x)),
    "a sequence": Sequence,
    "batches of other sizes": lambda x: iter([x[:1], x[1:20], x[20:20], x[20:]]),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_any_stream_gives_what_the_array_gives(oracle: NumpyModel, x: np.ndarray, kind: str) -> None:
    found = pellucid.explain(oracle, PLAIN[kind](x), METHOD)
    whole = pellucid.explain(oracle, x, METHOD)
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(found.inputs, x)
    assert found.target.labels == whole.target.labels


def test_data_loaders_of_pytorch(oracle: NumpyModel, x: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.tensor(x), torch.zeros(30))
    whole = pellucid.explain(oracle, x, METHOD)
    for stream in (torch.utils.data.DataLoader(data, batch_size=7), data, torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.tensor(x)), 4)):
        np.testing.assert_allclose(pellucid.explain(oracle, stream, METHOD).values, whole.values, rtol=1e-12, atol=1e-15)
    alone = torch.utils.data.DataLoader(list(x), batch_size=7)
    np.testing.assert_allclose(pellucid.explain(oracle, alone, METHOD).values, whole.values, rtol=1e-12, atol=1e-15)


def test_data_sets_of_tensorflow(oracle: NumpyModel, x: np.ndarray) -> None:
    tf = pytest.importorskip("tensorflow")
    whole = pellucid.explain(oracle, x, METHOD)
    alone, labelled = tf.data.Dataset.from_tensor_slices(x), tf.data.Dataset.from_tensor_slices((x, np.zeros(30)))
    for stream in (alone.batch(7), labelled.batch(7), alone, labelled.batch(7).filter(lambda *_: True)):
        np.testing.assert_allclose(pellucid.explain(oracle, stream, METHOD).values, whole.values, rtol=1e-12, atol=1e-15)


def test_sequences_of_keras(oracle: NumpyModel, x: np.ndarray) -> None:
    keras = pytest.importorskip("keras")

    class Kept(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, i: int) -> Any:
            return x[8 * i : 8 * i + 8], np.zeros(8)

    np.testing.assert_allclose(pellucid.explain(oracle, Kept(), METHOD).values, pellucid.explain(oracle, x, METHOD).values, rtol=1e-12, atol=1e-15)


def test_arrays_lists_and_tensors_are_no_streams(x: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    pandas = pytest.importorskip("pandas")
    for array in (x, list(x), x.tolist(), tuple(x), torch.tensor(x), pandas.DataFrame(x), {"a": x}, "mnist"):
        assert not _stream.is_stream(array)


def test_work_is_done_in_bounded_batches(oracle: NumpyModel, x: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, taken, stack = [], [], _stream._stacked
    monkeypatch.setattr(_stream, "MOST_TOGETHER", 7)
    monkeypatch.setattr(_stream, "_stacked", lambda rows: seen.append((len(rows), len(taken))) or stack(rows))
    found = pellucid.explain(oracle, (taken.append(1) or row for row in x), METHOD)
    assert len(found) == 30
    assert seen == [(7, 7), (7, 14), (7, 21), (7, 28), (2, 30)]


def test_entries_for_each_sample_go_with_them(oracle: NumpyModel, x: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_stream, "MOST_TOGETHER", 9)
    target, labels = [int(i) % 3 for i in range(30)], np.arange(30)
    found = pellucid.explain(oracle, batches(x), METHOD, target=target, labels=labels)
    whole = pellucid.explain(oracle, x, METHOD, target=target, labels=labels)
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-12, atol=1e-15)
    assert found.provenance["labels"] == list(range(30))
    assert found.target.labels == whole.target.labels


def test_it_can_be_gone_on_with(oracle: NumpyModel, x: np.ndarray) -> None:
    rough = pellucid.explain(oracle, batches(x), "shap", tolerance=0.5, max_evaluations=64, target=[int(i) % 3 for i in range(30)])
    fine = rough[3:9].refine(tolerance=0.01, max_evaluations=10_000)
    whole = pellucid.explain(oracle, x[3:9], "shap", tolerance=0.01, max_evaluations=10_000, target=[int(i) % 3 for i in range(3, 9)])
    np.testing.assert_allclose(fine.values, whole.values, rtol=1e-9, atol=1e-12)
    again = pellucid.explain(oracle, batches(x), "shap", tolerance=0.01, target=[int(i) % 3 for i in range(30)], resume=rough)
    np.testing.assert_allclose(again[3:9].values, fine.values, rtol=1e-9, atol=1e-12)


MISTAKES: dict[str, tuple[Callable[[np.ndarray], Any], dict[str, Any], type[Exception], str]] = {
    "empty": (lambda x: iter([]), {}, errors.EmptyError, "without a single sample"),
    "mappings": (lambda x: iter([{"image": x, "label": 0}]), {}, errors.InputError, r"batch\['image'\] for batch"),
    "numbers": (lambda x: iter([1, 2]), {}, errors.InputError, "expected an array"),
    "NaN": (lambda x: batches(np.where(np.arange(30)[:, None] == 12, np.nan, x)), {}, errors.NonFiniteError, "samples 0 to 29 of the stream"),
    "other shapes": (lambda x: iter([x, x[:, :4]]), {}, errors.InputError, "different shapes"),
    "too few targets": (batches, {"target": [0, 1]}, errors.PellucidError, "2"),
    "too many targets": (batches, {"target": [0] * 40}, errors.SettingError, "40"),
    "a baseline a sample": (batches, {"baseline": np.zeros((30, 6))}, errors.SettingError, "one that serves them all"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(oracle: NumpyModel, x: np.ndarray, name: str) -> None:
    stream, keywords, error, said = MISTAKES[name]
    with pytest.raises(error, match=said):
        pellucid.explain(oracle, stream(x), METHOD, **keywords)


SEVERAL: dict[str, Callable[[np.ndarray], Any]] = {
    "by name": lambda x: ({"b": part[:, :3], "a": part, "label": part[:, 0]} for part in batches(x)),
    "by name, with labels": lambda x: (({"a": part, "b": part[:, :3]}, part[:, 0]) for part in batches(x)),
    "in order, with labels": lambda x: (((part, part[:, :3]), part[:, 0]) for part in batches(x)),
}


@pytest.mark.parametrize("kind", SEVERAL)
def test_several_inputs(x: np.ndarray, kind: str) -> None:
    def both(given: dict[str, np.ndarray]) -> np.ndarray:
        return np.stack([given["a"].sum(axis=1) * given["b"][:, 0], given["b"].sum(axis=1)], axis=1)

    net = pellucid.adapt(both)
    net.traits = replace(net.traits, inputs=(InputSpec("a", (6,)), InputSpec("b", (3,))))
    whole = pellucid.explain(net, {"a": x, "b": x[:, :3]}, "shap", target=0)
    found = pellucid.explain(net, SEVERAL[kind](x), "shap", target=0)
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-9, atol=1e-12)
    assert set(found.by_input) == {"a", "b"}


def test_the_one_input_is_found_by_its_name(oracle: NumpyModel, x: np.ndarray) -> None:
    net = NumpyModel(oracle.stack, (6,), softmax=True)
    net.traits = replace(net.traits, inputs=(InputSpec("pixels", (6,)),))
    found = pellucid.explain(net, ({"label": 0, "pixels": part} for part in batches(x)), METHOD)
    np.testing.assert_allclose(found.values, pellucid.explain(oracle, x, METHOD).values, rtol=1e-12, atol=1e-15)
