"""Networks that read sentences: padding is cut out wherever it stands, on every backend, from a file that needs no code, and all is repeatable."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.core.errors import ShapeError
from pellucid.data.dataset import Dataset
from pellucid.recipes import NETWORKS
from pellucid.recipes.save import save
from pellucid.recipes.schedule import Schedule
from pellucid.recipes.train import train

NAMES = ("bilstm", "transformer")
LENGTH, WORDS = 8, 12
ROUNDING = 1e-6
ACROSS = 1e-5
"""Between backends."""


def built(name: str, **more: Any) -> Any:
    """A network with weights large enough that every word matters, the vector of padding left at zero."""
    pytest.importorskip("keras")
    model = NETWORKS.load(name)((LENGTH,), 2, vocabulary=WORDS, seed=1, **more)
    draw = np.random.default_rng(0)
    weights = [array + 0.15 * draw.standard_normal(array.shape) for array in model.get_weights()]
    model.set_weights([np.concatenate([array[:1] * 0, array[1:]]) if array.shape[0] == WORDS else array for array in weights])
    return model


def sentences(rows: int = 60) -> np.ndarray:
    draw = np.random.default_rng(1)
    found = np.zeros((rows, LENGTH), dtype=np.int64)
    for row in found:
        count = int(draw.integers(2, LENGTH + 1))
        row[:count] = draw.integers(1, WORDS, count)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_padding_cuts_a_word_out_wherever_it_stands(name: str) -> None:
    model = pellucid.adapt(built(name))
    whole = sentences()
    holes, cut = whole.copy(), np.zeros_like(whole)
    for row, place in enumerate(np.random.default_rng(2).integers(0, (whole > 0).sum(axis=1))):
        holes[row, place] = 0
        rest = np.delete(whole[row], place)
        cut[row, : LENGTH - 1] = rest
    np.testing.assert_allclose(model.predict(holes), model.predict(cut), atol=ROUNDING)
    assert (np.abs(np.log(model.predict(holes)) - np.log(model.predict(whole))).max(axis=1) > 1e-3).mean() > 0.8
    backwards = np.stack([np.concatenate([row[row > 0][::-1], row[row == 0]]) for row in whole])
    assert np.abs(model.predict(backwards) - model.predict(whole)).max() > 1e-3, "the order of words does not matter"
    assert np.isfinite(model.predict(np.zeros((1, LENGTH)))).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_vector_of_padding_is_zero_and_stays_so(name: str) -> None:
    pytest.importorskip("tensorflow")
    rows = sentences(64)
    data = Dataset("rows", "train", rows.astype(np.float32), (rows == 3).any(axis=1).astype(int), ("without", "with"))
    build = functools.partial(NETWORKS.load(name), vocabulary=WORDS)
    first, second = (train(build, (data, data), seed=2, schedule=Schedule(epochs=2, batch=16, rate=0.01)).model for _ in range(2))
    assert not first.get_layer("words").get_weights()[0][0].any()
    assert np.abs(first.get_layer("words").get_weights()[0][1:]).min() > 0
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    other = NETWORKS.load(name)((LENGTH,), 2, vocabulary=WORDS, seed=3)
    assert not np.array_equal(
        other.get_layer("words").get_weights()[0], NETWORKS.load(name)((LENGTH,), 2, vocabulary=WORDS).get_layer("words").get_weights()[0]
    )


@pytest.mark.parametrize("name", NAMES)
def test_samples_that_are_no_sentences(name: str) -> None:
    pytest.importorskip("keras")
    with pytest.raises(ShapeError, match=r"\(28, 28, 1\).*pellucid\.Text"):
        NETWORKS.load(name)((28, 28, 1), 2)


def test_blocks_are_counted() -> None:
    names = [layer.name for layer in built("transformer", blocks=2).layers if layer.name.endswith("_attention")]
    assert names == ["block_0_attention", "block_1_attention"]


@pytest.mark.parametrize("name", NAMES)
def test_words_are_attributed_to_though_places_are_counted_without_padding(name: str) -> None:
    rows = sentences(6).astype(np.float32)
    rows[0] = rows[0] > 0  # an unknown word everywhere
    found = pellucid.explain(built(name), rows, "integrated_gradients", target=1, score="centered_logit", baseline=0, tolerance=0.02)
    assert found.provenance["resolved"]["embedding"] == "words"
    assert (found.values[rows == 0] == 0).all()
    gap = np.abs(found.values.sum(axis=1) - (found.score - found.baseline_score))
    assert (gap <= 0.05 * np.abs(found.values).sum(axis=1)).all()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_file_opens_on_other_backends_and_is_explained_alike(backend: str, tmp_path: Path) -> None:
    for framework in ("tensorflow", "keras", backend):
        pytest.importorskip(framework)
    code = (
        "import sys, numpy as np, pellucid\nfrom pathlib import Path\n"
        "rows = np.load(sys.argv[2]).astype(np.float32)\nmodel = pellucid.adapt(Path(sys.argv[1]))\n"
        "found = pellucid.explain(model, rows[:2], 'exact_shap', features='columns', fill=0.0, target=1, score='centered_logit')\n"
        "np.savez(sys.argv[3], predicted=model.predict(rows), values=found.values, framework=model.traits.framework)\n"
    )
    np.save(tmp_path / "rows.npy", sentences())
    for name in NAMES:
        path = save(built(name), tmp_path / f"{name}.keras")
        model = pellucid.adapt(path)
        own = pellucid.explain(model, sentences()[:2].astype(np.float32), "exact_shap", features="columns", fill=0.0, target=1, score="centered_logit")
        there = tmp_path / f"{name}-{backend}.npz"
        subprocess.run([sys.executable, "-c", code, path, tmp_path / "rows.npy", there], env=os.environ | {"KERAS_BACKEND": backend}, check=True)
        with np.load(there) as found:
            assert backend in str(found["framework"]).lower()
            np.testing.assert_allclose(found["predicted"], model.predict(sentences().astype(np.float32)), atol=ACROSS)
            np.testing.assert_allclose(found["values"], own.values, atol=ACROSS)
