"""A recorder in `model.fit`: it changes not a bit of the training, and holds what Keras itself tells."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.core.errors import SettingError
from pellucid.views.training import snapshots_of

Array = np.ndarray
ROWS, BATCH, EPOCHS = 64, 16, 3


def network(rate: float = 0.01) -> Any:
    """A small CNN with dropout and batch normalisation: both would show it if a recorder ran in the mode of training, or drew numbers."""
    keras = pytest.importorskip("keras")
    starts = [keras.initializers.GlorotUniform(seed=k) for k in range(3)]
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((10, 10, 1)),
            layers.Conv2D(4, 3, activation="relu", kernel_initializer=starts[0], name="conv_a"),
            layers.Conv2D(3, 3, kernel_initializer=starts[1], name="conv_b"),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(name="flat"),
            layers.Dropout(0.3, seed=5, name="drop"),
            layers.Dense(4, activation="softmax", kernel_initializer=starts[2], name="out"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def data() -> tuple[Array, Array]:
    draw = np.random.default_rng(0)
    labels = np.arange(ROWS) % 4
    inputs = 0.3 * draw.random((ROWS, 10, 10, 1))
    for row, label in enumerate(labels):
        inputs[row, 2 * label : 2 * label + 3, 3:7] += 1
    return inputs.astype(np.float32), labels


def fit(model: Any, callbacks: list[Any]) -> Any:
    inputs, labels = data()
    held = inputs[:16], labels[:16]
    return model.fit(inputs, labels, batch_size=BATCH, epochs=EPOCHS, validation_data=held, shuffle=False, verbose=0, callbacks=callbacks)


@pytest.fixture(scope="module")
def bare() -> tuple[list[bytes], Any]:
    model = network()
    history = fit(model, [])
    return [array.tobytes() for array in model.get_weights()], history.history


@pytest.mark.parametrize("every", [None, 3])
def test_training_is_the_same_to_the_byte_and_what_is_told_is_kept(bare: tuple[list[bytes], Any], every: int | None) -> None:
    weights, history = bare
    model, (inputs, labels) = network(), data()
    first = model.get_layer("conv_a").get_weights()
    recorder = pellucid.Recorder(model, inputs[:12], labels=labels[:12], every=every, snapshots=True)
    fit(model, [recorder.callback()])
    assert [array.tobytes() for array in model.get_weights()] == weights
    view = recorder.view
    curves, conv = view.details["network"], view.details["conv_a"]
    whole = np.isin(curves["epoch"], range(EPOCHS + 1))
    assert curves["step"][whole].tolist() == [0, 4, 8, 12]
    assert curves["epoch"].tolist() == ([0, 1, 2, 3] if every is None else [0, 0.75, 1, 1.75, 2, 2.75, 3])
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert curves[name][whole][1:] == pytest.approx(history[name], rel=1e-6)
        assert np.isnan(curves[name][0])
    assert curves["learning_rate"][1:] == pytest.approx(0.01)
    now = model.get_layer("conv_a").get_weights()
    assert conv["weight_norm"][0] == pytest.approx(np.sqrt(sum(np.square(one).sum() for one in first)), rel=1e-6)
    assert conv["weight_norm"][-1] == pytest.approx(np.sqrt(sum(np.square(one).sum() for one in now)), rel=1e-6)
    path = snapshots_of(view)
    assert [epoch for epoch, _ in path] == curves["epoch"].tolist()
    assert np.array_equal(path[0][1]["conv_a"][0], first[0])
    assert np.array_equal(path[-1][1]["conv_a"][1], now[1])
    steps = [np.sqrt(sum(np.square(b - a).sum() for a, b in zip(x["conv_a"], y["conv_a"], strict=True))) for (_, x), (_, y) in itertools.pairwise(path)]
    assert conv["update_norm"][1:] == pytest.approx(steps, rel=1e-4)
    assert view.values["conv_a"][1:] == pytest.approx(np.array(steps) / conv["weight_norm"][:-1], rel=1e-4)


def test_units_maps_filters_and_gradients_are_those_of_the_network() -> None:
    model, (inputs, labels) = network(), data()
    probe = inputs[:12]
    recorder = pellucid.Recorder(model, probe, labels=labels[:12], maps={"conv_a": [1, 3]})
    fit(model, [recorder.callback()])
    adapted, details = pellucid.adapt(model), recorder.view.details
    answered = adapted.activations(probe, ["conv_a", "conv_b"])
    for name in ("conv_a", "conv_b"):
        assert details[name]["mean"][-1] == pytest.approx(answered[name].mean(), rel=1e-4, abs=1e-6)
        assert details[name]["sd"][-1] == pytest.approx(answered[name].std(), rel=1e-4)
    assert details["conv_a"]["dead"][-1] == np.mean((answered["conv_a"] == 0).all(axis=(0, 1, 2)))
    assert details["conv_a"]["maps"].shape == (EPOCHS + 1, 2, 8, 8, 2)
    assert details["conv_a"]["maps"][-1] == pytest.approx(answered["conv_a"][:2][..., [1, 3]], rel=1e-4, abs=1e-5)
    assert "maps" not in details["conv_b"]
    assert np.array_equal(details["conv_a"]["filters"][-1], model.get_layer("conv_a").get_weights()[0])
    assert np.array_equal(details["network"]["probe"], probe[:2])
    assert recorder.view.provenance["fingerprint"] == pellucid.adapt(model).traits.fingerprint  # that of the trained network
    step = 1e-2
    kernel, bias = model.get_layer("out").get_weights()
    slopes = []
    for unit in range(4):
        losses = []
        for sign in (1, -1):
            model.get_layer("out").set_weights([kernel, bias + sign * step * np.eye(4)[unit]])
            losses.append(-np.log(adapted.predict(probe)[np.arange(12), labels[:12]]).mean())
        slopes.append((losses[0] - losses[1]) / (2 * step))
    model.get_layer("out").set_weights([kernel, bias])
    assert details["out"]["gradient_norm"][-1] >= 0.99 * np.linalg.norm(slopes)  # those of the kernel come on top


def test_what_there_is_when_a_training_is_broken_off_is_kept(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    model, (inputs, _) = network(), data()
    recorder = pellucid.Recorder(probe=inputs[:8], file=tmp_path / "training.safetensors")

    def stop(epoch: int, logs: Any) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(model, [recorder.callback(), keras.callbacks.LambdaCallback(on_epoch_end=stop)])
    assert recorder.view.details["network"]["epoch"].tolist() == [0, 1, 2]
    (saved,) = pellucid.load(tmp_path / "training.safetensors")
    assert saved.details["network"]["epoch"][0] == 0
    fit(model, [recorder.callback()])  # going on is the same record
    (saved,) = pellucid.load(tmp_path / "training.safetensors")
    assert saved.details["network"]["epoch"].tolist() == [0, 1, 2, 3, 4, 5]
    assert saved.details["network"]["step"].tolist() == [0, 4, 8, 12, 16, 20]
    assert [path.name for path in tmp_path.iterdir()] == ["training.safetensors"]


def test_steps_are_those_of_batches_where_an_optimizer_accumulates_gradients() -> None:
    keras = pytest.importorskip("keras")
    inputs, labels = data()
    model = network()
    model.compile(keras.optimizers.SGD(0.01, gradient_accumulation_steps=2), "sparse_categorical_crossentropy")
    recorder = pellucid.Recorder(model, inputs[:4], every=2)
    for _ in range(2):
        model.fit(inputs, labels, batch_size=8, epochs=1, shuffle=False, verbose=0, callbacks=[recorder.callback()])
    curves = recorder.view.details["network"]
    assert curves["step"].tolist() == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert curves["epoch"].tolist() == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]


def test_a_recorder_of_another_network_is_refused_before_the_training() -> None:
    inputs, _ = data()
    recorder = pellucid.Recorder(network(), inputs[:4])
    with pytest.raises(SettingError, match="another network"):
        fit(network(), [recorder.callback()])


def test_a_rate_far_too_high_is_told_of() -> None:
    keras = pytest.importorskip("keras")
    model, (inputs, _) = network(), data()
    model.compile(optimizer=keras.optimizers.SGD(1e30), loss="sparse_categorical_crossentropy")
    recorder = pellucid.Recorder(model, inputs[:8])
    fit(model, [recorder.callback()])
    codes = {finding.code for finding in recorder.view.findings}
    assert "loss not finite" in codes
    assert recorder.view.worst is not None
    assert recorder.view.worst.severity == 2
    assert np.isinf(recorder.view.details["network"]["loss"][1:]).any()
