"""Training a reference network on a data set, the same for the same seed, without touching anything global."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pellucid.core.errors import EmptyError, SettingError
from pellucid.core.inputs import check_numbers
from pellucid.core.preprocessing import Preprocessing
from pellucid.data.dataset import Dataset
from pellucid.data.load import load
from pellucid.recipes import NETWORKS
from pellucid.recipes.augment import batches, movements
from pellucid.recipes.frameworks import keras_and_tensorflow
from pellucid.recipes.schedule import Schedule

Array = np.ndarray
Fed = Array | Mapping[str, Array]
"""What a network is fed: one array, or one an input."""
Report = Callable[[Mapping[str, float]], None]
"""Called after each epoch with epoch, epochs, loss, accuracy and val_accuracy."""
Network = str | Callable[..., Any]
Fitting = Callable[[Dataset], Preprocessing | None]
"""From what is trained on to the preprocessing that is fitted to it."""
PROBE = 128
"""Held-out samples that a recorder is given."""
Data = str | os.PathLike[str] | Dataset | tuple[Dataset, Dataset]


class Recording(Protocol):
    """What may watch a training: `pellucid.Recorder` does."""

    def callback(self, network: Any = None, probe: Any = None, labels: Any = None) -> Any:
        """A Keras callback; what is given here counts only where the recorder was given nothing."""


@dataclass(frozen=True)
class Trained:
    """A trained network. `history` holds a value per epoch of loss, accuracy and val_accuracy; `accuracy` is the last on what was held out, which is as it was
    given: `preprocessing`, where there is one, makes the network's inputs of it."""

    model: Any
    history: Mapping[str, Sequence[float]]
    accuracy: float
    seconds: float
    held_out: Dataset
    preprocessing: Preprocessing | None = None


def train(
    network: Network,
    dataset: Data,
    *,
    epochs: int | None = None,
    seed: int = 0,
    progress: Report | None = None,
    preprocessing: Preprocessing | Fitting | None = None,
    schedule: Schedule | None = None,
    recorder: Recording | None = None,
) -> Trained:
    """Train `network` (a name of `NETWORKS`, or a function like theirs) on `dataset`.

    A named data set is trained on its `train` part and judged on its `test` part, by which nothing is chosen. Of a file or a single `Dataset`
    a fifth of each class is held out; a pair is (training, held-out). Sparse cross-entropy, Adam, a learning rate that falls along a cosine;
    images are shifted and turned a little in the pipeline. `preprocessing` makes numbers of sentences and of rows with words in them, and standardises
    columns with names (`fitted`, of `pellucid.data.preprocessing`, fits one to what is trained on); where it makes several inputs, the function that builds
    gets a mapping name → shape. `schedule` takes the place of the network's own. `recorder`, such as `pellucid.Recorder()`, watches the training, on 128
    held-out samples where it brings none of its own, and changes nothing of it. The same seed gives the same network on the same machine, as far as
    TensorFlow adds in the same order.

    Errors: `UnknownNetworkError`, `UnknownDatasetError`, `DataNotFoundError`, `SettingError`, `ShapeError` (a network that does not take such samples),
    `DtypeError` (sentences, or rows with words in them, without a preprocessing), `MissingExtraError` (no TensorFlow).
    """
    if epochs is not None and (isinstance(epochs, bool) or not isinstance(epochs, (int, np.integer)) or epochs < 1):
        raise SettingError(f"epochs is {epochs!r}, expected a whole number from 1 on.")
    build, own = _network(network)
    plan = schedule or own
    training, held = _parts(dataset, seed)
    classes = _classes(training, held)
    if preprocessing is not None and not isinstance(preprocessing, Preprocessing):
        preprocessing = preprocessing(training)
    fed, judged = ((_fed(part, preprocessing), np.asarray(part.labels)) for part in (training, held))
    keras_and_tensorflow()  # what is missing is said before a network is built
    started = time.perf_counter()
    shape = {name: array.shape[1:] for name, array in fed[0].items()} if isinstance(fed[0], Mapping) else tuple(fed[0].shape[1:])
    model = build(shape, classes, seed=seed)
    watch = [] if recorder is None else [recorder.callback(model, *_probe(*judged))]
    history = _fit(model, fed, judged, plan, epochs or plan.epochs, seed, progress, watch)
    return Trained(model, history, history["val_accuracy"][-1], time.perf_counter() - started, held, preprocessing)


def _network(network: Network) -> tuple[Callable[..., Any], Schedule]:
    """The function that builds the network, and how its file says it is trained."""
    build: Callable[..., Any] = NETWORKS.load(network) if isinstance(network, str) else network
    if not callable(build):
        raise SettingError(f"network is {network!r}, expected a name ({', '.join(NETWORKS)}) or a function of input shape and classes.")
    schedule = getattr(inspect.getmodule(build.func if isinstance(build, functools.partial) else build), "SCHEDULE", None)
    return build, schedule if isinstance(schedule, Schedule) else Schedule()


def _parts(dataset: Data, seed: int) -> tuple[Dataset, Dataset]:
    """What is trained on and what is held out."""
    if isinstance(dataset, tuple):
        return dataset
    if isinstance(dataset, Dataset):
        return _split(dataset, seed)
    name, _, split = os.fspath(dataset).partition(":")
    if split in ("", "train") and not Path(name).suffix:
        return load(f"{name}:train"), load(f"{name}:test")
    if split == "test" and not Path(name).suffix:
        raise SettingError(f"'{name}:test' is what is held out; train on '{name}'.")
    return _split(load(dataset), seed)


def _split(data: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """A fifth of each class held out."""
    if data.labels is None:
        raise SettingError(f"data set '{data.name}' has no labels to train on; in an .npz file, name them y_train beside x_train.")
    draw = np.random.default_rng([seed, 1])
    rows = [draw.permutation(np.flatnonzero(data.labels == label)) for label in np.unique(data.labels)]
    held = np.concatenate([row[: len(row) // 5] for row in rows])
    if not len(held):
        raise EmptyError(f"data set '{data.name}' has {len(data)} samples, too few to hold out a fifth of each class; give five of each at least.")
    return data.take(np.setdiff1d(np.arange(len(data)), held)), data.take(held)


def _classes(training: Dataset, held: Dataset) -> int:
    """The number of classes; labels must be class numbers from 0 on."""
    for data in (training, held):
        if data.labels is None:
            raise SettingError(f"data set '{data.name}' has no labels to train on; in an .npz file, name them y_train beside x_train.")
        if int(data.labels.min()) < 0:
            raise SettingError(f"data set '{data.name}' has the label {int(data.labels.min())}; number the classes from 0 on.")
    return max(len(training.class_names), *(int(data.labels.max()) + 1 for data in (training, held) if data.labels is not None))


def _fed(data: Dataset, preprocessing: Preprocessing | None) -> Fed:
    """Numbers, one array or one an input."""
    fed = data.inputs if preprocessing is None else preprocessing.inputs(data.inputs)
    for array in fed.values() if isinstance(fed, Mapping) else (fed,):
        check_numbers(array, f"data set '{data.name}'")
    return fed


def _pipeline(training: tuple[Fed, Array], schedule: Schedule, epochs: int, seed: int) -> tuple[Any, int]:
    """All batches of all epochs as one tf.data pipeline, and the steps of an epoch."""
    _, tf = keras_and_tensorflow()
    draw = np.random.default_rng([seed, 0])
    rows = batches(len(training[1]), schedule.batch, epochs, draw)
    fed, labels = training[0], tf.constant(training[1])
    inputs = {name: tf.constant(array) for name, array in fed.items()} if isinstance(fed, Mapping) else tf.constant(fed)

    def chosen(row: Any) -> tuple[Any, Any]:
        taken = {name: tf.gather(array, row) for name, array in inputs.items()} if isinstance(inputs, dict) else tf.gather(inputs, row)
        return taken, tf.gather(labels, row)

    if isinstance(fed, Mapping) or fed.ndim != 4 or not (schedule.shift or schedule.turn):
        return tf.data.Dataset.from_tensor_slices(rows).map(chosen).prefetch(2), len(rows) // epochs
    height, width = fed.shape[1:3]
    moves = movements(rows.size, height, width, schedule, draw).reshape(*rows.shape, 8)

    def moved(row: Any, move: Any) -> tuple[Any, Any]:
        images = tf.raw_ops.ImageProjectiveTransformV3(
            images=tf.gather(inputs, row), transforms=move, output_shape=[height, width], fill_value=0.0, interpolation="BILINEAR", fill_mode="NEAREST"
        )
        return tf.ensure_shape(images, (rows.shape[1], *fed.shape[1:])), tf.gather(labels, row)

    return tf.data.Dataset.from_tensor_slices((rows, moves)).map(moved, num_parallel_calls=1).prefetch(2), len(rows) // epochs


def _probe(held: Fed, labels: Array) -> tuple[Fed, Array]:
    """Some of what was held out, evenly spread, for a recorder."""
    rows = np.unique(np.linspace(0, len(labels) - 1, min(PROBE, len(labels))).round().astype(int))
    return {name: array[rows] for name, array in held.items()} if isinstance(held, Mapping) else held[rows], labels[rows]


def _fit(
    model: Any,
    training: tuple[Fed, Array],
    held: tuple[Fed, Array],
    schedule: Schedule,
    epochs: int,
    seed: int,
    progress: Report | None,
    watch: Sequence[Any],
) -> dict[str, list[float]]:
    keras, _ = keras_and_tensorflow()
    pipeline, steps = _pipeline(training, schedule, epochs, seed)
    rate = keras.optimizers.schedules.CosineDecay(schedule.rate, epochs * steps)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)

    def tell(epoch: int, logs: Mapping[str, float]) -> None:
        if progress is not None:
            values = {name: float(logs[name]) for name in ("loss", "accuracy", "val_accuracy")}
            progress({"epoch": epoch + 1, "epochs": epochs, **values})

    fitted = model.fit(
        pipeline,
        epochs=epochs,
        steps_per_epoch=steps,
        validation_data=held,
        validation_batch_size=500,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=tell), *watch],
        shuffle=False,
        verbose=0,
    )
    return {name: [float(value) for value in fitted.history[name]] for name in ("loss", "accuracy", "val_accuracy")}


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[Report]:
    """A bar with the epoch and the accuracies, on the terminal, for `train(…, progress=…)`."""
    columns = (TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[words]}"), TimeElapsedColumn())
    with Progress(*columns) as bar:
        task = bar.add_task(title, total=None, words="starting")

        def report(values: Mapping[str, float]) -> None:
            words = f"epoch {values['epoch']:.0f}/{values['epochs']:.0f}, accuracy {values['accuracy']:.1%}, held-out {values['val_accuracy']:.1%}"
            bar.update(task, total=values["epochs"], completed=values["epoch"], words=words)

        yield report
