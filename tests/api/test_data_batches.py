"""Views of a data set: batches of arrays, memory maps and streams, checked, each time from the beginning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.api._data import Batches
from pellucid.core.errors import InputError, NonFiniteError, PellucidError, SettingError, SeveralOutputsError
from pellucid.core.scene import DATA, NONE, Scene, Shown, ViewMethod

MODEL = NumpyModel([Dense(np.eye(3), np.zeros(3))], (3,))
X = np.arange(3.0 * 1200).reshape(1200, 3)


def batches_of(x: np.ndarray) -> Iterator[np.ndarray]:
    yield from np.array_split(x, 7)


@dataclass(frozen=True)
class Total(ViewMethod):
    """The sum over a data set, gone through `times` times."""

    title: ClassVar[str] = "Total"
    answers: ClassVar[str] = "How much is it?"
    looks_at: ClassVar[str] = DATA
    times: int = 1

    def show(self, scene: Scene) -> Shown:
        assert scene.data is not None
        totals = [np.sum([batch.sum(axis=0) for batch in scene.data], axis=0) for _ in range(self.times)]
        assert all(np.array_equal(total, totals[0]) for total in totals)
        return Shown({"input": totals[0]}, {"input": ("column",)}, {"count": scene.data.count})


@dataclass(frozen=True)
class Alone(ViewMethod):
    """How many layers there are."""

    title: ClassVar[str] = "Layers"
    answers: ClassVar[str] = "How many?"
    looks_at: ClassVar[str] = NONE

    def show(self, scene: Scene) -> Shown:
        return Shown({"network": np.array([len(scene.model.layers())])}, {"network": ("count",)})


def test_an_axis_that_is_missing_is_told() -> None:
    with pytest.raises(PellucidError, match=r"x has shape \(3,\), .* The batch axis is missing: use x\[None\]"):
        pellucid.visualize(MODEL, X[0], Total())


@pytest.mark.parametrize("times", [1, 3])
def test_arrays_memory_maps_and_lists_of_batches_give_the_same(times: int, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    for given in (X, np.load(tmp_path / "x.npy", mmap_mode="r"), {"x": X}, _Loader()):
        view = pellucid.visualize(MODEL, given, Total(times))
        np.testing.assert_allclose(view.values["input"], X.sum(axis=0))
        assert len(view) == 0, "a data set is not kept"


class _Loader:
    """Batches, as a data loader gives them, any number of times."""

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return ((part, np.zeros(len(part))) for part in batches_of(X))


def test_a_generator_serves_a_view_that_reads_it_once_and_is_an_error_for_one_that_reads_it_twice() -> None:
    np.testing.assert_allclose(pellucid.visualize(MODEL, batches_of(X), Total()).values["input"], X.sum(axis=0))
    with pytest.raises(SettingError, match="a generator can be read only once"):
        pellucid.visualize(MODEL, batches_of(X), Total(2))


def test_batches_are_small_and_whole() -> None:
    sizes = [len(batch) for batch in Batches(MODEL, X)]
    assert sum(sizes) == len(X)
    assert max(sizes) <= 512


def test_a_bad_number_late_in_the_data_is_named() -> None:
    bad = X.copy()
    bad[1100, 1] = np.nan
    with pytest.raises(NonFiniteError, match="samples 1024 to 1199, here counted from 0"):
        list(Batches(MODEL, bad))


def test_a_view_of_the_network_alone_needs_no_samples_and_others_say_that_they_do() -> None:
    assert pellucid.visualize(MODEL, None, Alone()).values["network"].tolist() == [1]
    with pytest.raises(InputError, match="looks at samples, and none were given"):
        pellucid.visualize(MODEL, None, "activation_map")
    with pytest.raises(InputError, match="no stream"):
        pellucid.visualize(MODEL, batches_of(X), "activation_map")


@pytest.mark.keras
def test_a_view_reads_the_output_that_is_named_and_says_how_to_name_one() -> None:
    pytest.importorskip("keras")
    import architectures_keras
    from architectures import CASES

    network, x = architectures_keras.build("several outputs"), CASES["several outputs"].inputs("keras")
    with pytest.raises(SeveralOutputsError, match="for a view, output='kind'"):
        pellucid.visualize(network, x, "activation_map")
    assert len(pellucid.visualize(network, x, "activation_map", output="kind")) == len(x)
    with pytest.raises(PellucidError, match="kind"):
        pellucid.visualize(network, x, "activation_map", output="kin")
