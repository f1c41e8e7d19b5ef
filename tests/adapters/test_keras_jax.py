"""What only Keras on JAX does: few batch sizes, each compiled once, and no more in them than is needed."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from pellucid.adapters import _jax, adapt
from pellucid.core import errors
from pellucid.core.model import PathRows
from pellucid.core.target import resolve_target

jax, keras = pytest.importorskip("jax"), pytest.importorskip("keras")

on_jax = pytest.mark.skipif(keras.config.backend() != "jax", reason=f"about Keras on JAX; here it runs on {keras.config.backend()}")


@pytest.mark.parametrize("most", [1, 2, 7, 16, 32, 512])
def test_pieces_cover_all_rows_once_in_few_sizes(most: int) -> None:
    sizes: set[int] = set()
    for rows in [*range(80), 383, 384, 500, 513, 1000]:
        found = list(_jax.pieces(rows, most))
        assert np.array_equal(np.concatenate([np.arange(rows)[part] for part, _ in found] or [[]]), np.arange(rows))
        lengths = [part.stop - part.start for part, _ in found]
        assert all(length == size for length, (_, size) in zip(lengths[:-1], found[:-1], strict=True))
        assert sum(size for _, size in found) <= max(rows / _jax.FULL, rows + _jax.STEP - 1)
        sizes |= {size for _, size in found}
    assert len(sizes) <= 1 + np.log(most) / np.log(_jax.STEP)


def test_what_is_filled_up_repeats_the_last_row_and_counts_nothing() -> None:
    assert _jax.filled(np.array([[1.0], [2.0]]), 4).tolist() == [[1], [2], [2], [2]]
    assert _jax.lengthened(np.array([1.0, 2.0]), 4).tolist() == [1, 2, 0, 0]
    assert list(_jax.late(iter("abc"))) == list("abc")
    named, place, rows = _jax.table(np.array([5, 9, 5]), 4)
    assert (named.tolist(), place.tolist(), rows) == ([5, 9], [0, 1, 0, 0], 4)
    named, place, rows = _jax.table(np.array([5, 5]), 4)
    assert (named.tolist(), place.tolist(), rows) == ([5], [0, 0, 0, 0], 1)


@on_jax
def test_odd_batches_compile_nothing_new(keras_twin: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Sizes 16 and 2 for gradients, 128 besides for outputs, whatever is asked for; what composes and sums is compiled apart."""
    model = adapt(keras_twin)
    model.batch_size = 16
    generator, compiled = np.random.default_rng(0), []
    with caplog.at_level(logging.DEBUG, logger="jax"):
        for rows in (150, 33, 17, 15, 7, 3, 2, 1):
            x = generator.random((rows, 6)).astype(np.float32)
            target = resolve_target(1, "logit", model.predict(x, logits=True))
            model.gradients(x, target)
            few = np.arange(rows) // 3
            path = PathRows(np.zeros_like(x), x, few, generator.random(rows), np.ones(rows), np.zeros(rows), few, int(few.max()) + 1)
            model.path_gradients(path, target.take(np.zeros(path.groups, int)))
            compiled.append(sum(message.startswith(("Compiling jit(mapped)", "Compiling jit(step)")) for message in caplog.messages))
    assert compiled == [5] * 8


@on_jax
def test_a_layer_gradient_runs_no_convolution_backward(small_cnn: Any, images: np.ndarray) -> None:
    model = adapt(small_cnn)
    target = resolve_target("predicted", "probability", model.predict(images))
    for wrt, convolutions in (("conv_b", 2), ("conv_a", 3), ("input", 4)):
        model.gradients(images, target, (wrt,))
        compiled = model._compiled["gradients", target.reading, (wrt,), False]  # type: ignore[attr-defined]
        params = [variable.value for variable in small_cnn.variables]
        assert compiled.lower(params, images, target.weights).as_text().count("stablehlo.convolution(") == convolutions


@on_jax
def test_what_jax_cannot_trace_is_said() -> None:
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="out")])
    layer = network.get_layer("out")
    call = layer.call
    layer.__dict__["call"] = lambda x, **options: call(x, **options) * float(np.asarray(x).max())
    with pytest.raises(errors.ModelError, match=r"JAX cannot trace the Keras model .*keras\.ops"):
        adapt(network).predict(np.ones((1, 3), np.float32))
