"""Time over bare passes: an explanation against the network alone making as many passes, in pairs, one after the other; the median counts.

"Bare" is the same network in the same framework, given inputs that are ready, at the best of several batch sizes and memory layouts.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray
Job = Callable[[], object]
PAIRS = 5


def seconds(job: Job) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def ratio(job: Job, bare: Job, pairs: int = PAIRS) -> float:
    """Median of job/bare over pairs that take turns in going first, after one run of each that warms up."""
    job(), bare()
    found = []
    for i in range(pairs):
        if i % 2:
            below = seconds(bare)
            found.append(seconds(job) / below)
        else:
            above = seconds(job)
            found.append(above / seconds(bare))
    return float(np.median(found))


def median_seconds(job: Job, repeats: int = PAIRS) -> float:
    job()
    return float(np.median([seconds(job) for _ in range(repeats)]))


@dataclass
class Bare:
    """A network alone. `forward` and `backward` each take an array that is ready and return when the work is done; of several ways to make it ready (memory
    layouts), each takes the one that is fastest. `best` holds the batch size and the way."""

    inputs: Array
    forward: Callable[[Any], object]
    backward: Callable[[Any], object] | None = None
    ready: Sequence[Callable[[Array], Any]] = (lambda array: array,)
    sizes: Sequence[int] = (32, 64, 128, 256, 512)
    repeats: int = 3
    best: dict[str, tuple[int, Callable[[Array], Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("forward", "backward"):
            if getattr(self, name) is not None:
                self.best[name] = min(itertools.product(self.sizes, self.ready), key=lambda one, name=name: self._rate(name, *one))

    def _rate(self, name: str, size: int, ready: Callable[[Array], Any]) -> float:
        batch = ready(np.resize(self.inputs, (size, *self.inputs.shape[1:])))
        function = getattr(self, name)
        function(batch)
        return min(seconds(lambda: function(batch)) for _ in range(self.repeats)) / size

    def passes(self, forward: int, backward: int = 0) -> Job:
        """A job that sends this many inputs forward, and this many forward and backward."""
        plan = []
        for name, count in (("forward", int(forward)), ("backward", int(backward))):
            if not count:
                continue
            size, ready = self.best[name]
            whole, rest = divmod(count, size)
            for number, rows in ((whole, size), (1 if rest else 0, rest)):
                if number:
                    plan.append((getattr(self, name), number, ready(np.resize(self.inputs, (rows, *self.inputs.shape[1:])))))

        def job() -> None:
            for function, number, batch in plan:
                for _ in range(number):
                    function(batch)

        return job


def bare_torch(network: Any, inputs: Array, **options: Any) -> Bare:
    """A torch module: `inference_mode` forward; backward with respect to the input alone, of each sample's highest output."""
    import torch

    def forward(x: Any) -> object:
        with torch.inference_mode():
            return network(x)

    def backward(x: Any) -> object:
        leaf = x.detach().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(network(leaf).amax(dim=1).sum(), leaf)

    def contiguous(array: Array) -> Any:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))

    def channels_last(array: Array) -> Any:
        return contiguous(array).contiguous(memory_format=torch.channels_last)

    return Bare(inputs, forward, backward, (contiguous, channels_last) if inputs.ndim == 4 else (contiguous,), **options)


def bare_tensorflow(network: Any, inputs: Array, **options: Any) -> Bare:
    """A Keras model on TensorFlow, as one compiled function each."""
    import tensorflow as tf

    def gradient(x: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            score = tf.reduce_sum(tf.reduce_max(network(x, training=False), axis=1))
        return tape.gradient(score, x)

    signature = [tf.TensorSpec((None, *inputs.shape[1:]), "float32")]
    forward = tf.function(lambda x: network(x, training=False), input_signature=signature)
    backward = tf.function(gradient, input_signature=signature)
    return Bare(inputs, lambda x: forward(x).numpy(), lambda x: backward(x).numpy(), (lambda array: tf.constant(array, "float32"),), **options)


@dataclass
class Rows:
    """How many inputs went through a network or function."""

    count: int = 0


@contextlib.contextmanager
def counted(network: Any) -> Iterator[Rows]:
    """Counts the inputs that go through a torch module."""
    rows = Rows()

    def note(module: Any, arguments: tuple[Any, ...]) -> None:
        rows.count += len(arguments[0])

    handle = network.register_forward_pre_hook(note)
    try:
        yield rows
    finally:
        handle.remove()


def counting(function: Callable[[Array], Array]) -> tuple[Callable[[Array], Array], Rows]:
    """The function, and how many rows it has been asked for since."""
    rows = Rows()

    def counted_function(x: Array) -> Array:
        rows.count += len(x)
        return function(x)

    return counted_function, rows
