"""Gradients of weights, as every framework gives them: losses in its own operations, sums over batches, tensors tracked for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from pellucid.core.loss import places, terms
from pellucid.core.target import class_axis_of

Array = np.ndarray


def in_tensorflow(tf: Any, kind: str, outputs: Any, truth: Any, class_axis: int) -> Any:
    """The loss of each sample, (samples,), as `pellucid.core.loss.Loss` says."""
    ops = SimpleNamespace(logsumexp=lambda values, axis: tf.reduce_logsumexp(values, axis=axis, keepdims=True), softplus=tf.nn.softplus)
    each = tf.reshape(terms(kind, outputs, truth, class_axis_of(class_axis), ops), (tf.shape(outputs)[0], -1))
    return tf.reduce_sum(each, axis=1) / places(kind, tuple(outputs.shape[1:]), class_axis)


def in_jax(jax: Any, kind: str, outputs: Any, truth: Any, class_axis: int) -> Any:
    """The same in JAX."""
    ops = SimpleNamespace(logsumexp=lambda values, axis: jax.nn.logsumexp(values, axis=axis, keepdims=True), softplus=jax.nn.softplus)
    each = terms(kind, outputs, truth, class_axis_of(class_axis), ops)
    return each.reshape(len(each), -1).sum(axis=1) / places(kind, outputs.shape[1:], class_axis)


def in_torch(torch: Any, kind: str, outputs: Any, truth: Any, class_axis: int) -> Any:
    """The same in torch."""
    ops = SimpleNamespace(logsumexp=lambda values, axis: torch.logsumexp(values, dim=axis, keepdim=True), softplus=torch.nn.functional.softplus)
    each = terms(kind, outputs, truth, class_axis_of(class_axis), ops)
    return each.flatten(1).sum(dim=1) / places(kind, tuple(outputs.shape[1:]), class_axis)


def summed(parts: Iterable[Sequence[Array]]) -> list[Array]:
    """Arrays added up over batches, in the first batch's own."""
    total: list[Array] = []
    for part in parts:
        if total:
            for whole, one in zip(total, part, strict=True):
                whole += one
        else:
            total = [np.array(one) for one in part]
    return total


def named(layers: Mapping[str, Sequence[Any]], flat: Sequence[Array]) -> dict[str, tuple[Array, ...]]:
    """Arrays one after the other, by layer as these have them."""
    left = iter(flat)
    return {name: tuple(next(left) for _ in found) for name, found in layers.items()}


@contextlib.contextmanager
def tracked(leaves: Sequence[Any]) -> Iterator[None]:
    """Tensors of torch that take part in the graph, frozen ones too; each put back as it was."""
    before = [leaf.requires_grad for leaf in leaves]
    try:
        for leaf in leaves:
            leaf.requires_grad_(True)
        yield
    finally:
        for leaf, tracks in zip(leaves, before, strict=True):
            leaf.requires_grad_(tracks)
