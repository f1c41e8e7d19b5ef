"""Plain JAX functions of parameters and a batch, compiled and differentiated by JAX, with the same machinery as Keras on JAX has."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.adapters._arguments import Arguments, call_with, specs_of
from pellucid.adapters._numbers import wide
from pellucid.adapters.black_box import name_of
from pellucid.adapters.keras_jax import BATCH_BUDGET, KerasJax
from pellucid.core.errors import MissingExtraError, ModelError, PellucidError, ShapeError, UnsupportedError
from pellucid.core.model import INPUT, Gradients, MaskRows, Model, PathRows, Traits, checked_weights, power_of_two_batch
from pellucid.core.packing import Packing
from pellucid.core.target import Target

Array = np.ndarray
CLOSED: Any = object()
"""In place of parameters: the function has them already."""


class JaxFunction(KerasJax):
    """A JAX function f(parameters, inputs (samples, *shape)) → scores (samples, classes), or (samples,) for one score; or several of them.

    `parameters` is what JAX can map over: an array, or lists and dictionaries of arrays; what is not given is not passed, f(inputs). A function compiled by
    `jax.jit` is recognised as it is. Parameters are read as they are at the time of a call; compiled once for each of a few batch sizes. Its last softmax or
    sigmoid is found and the score read before it. Inputs are float32, or whole numbers where the function takes nothing else. Shows no layers; does not serve
    functions that JAX cannot trace, or whose rows depend on each other.

    >>> import numpy as np, pellucid
    >>> model = pellucid.JaxFunction(lambda weights, x: x @ weights, np.array([[1.0], [2.0]], np.float32))
    >>> pellucid.explain(model, np.array([[3.0, 4.0]]), "gradient_x_input").values
    array([[3., 8.]])
    """

    suffixes = ()
    rank = 15
    arguments: Arguments

    def __init__(self, function: Callable[..., Any], parameters: Any = CLOSED, *, batch_size: int | None = None) -> None:
        self.jax, self._help = _jax()
        self.function, self.parameters = function, parameters
        self._compiled: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self._met: tuple[int, ...] | None = None
        self._given_batch_size, self.batch_size, self._output = batch_size, batch_size or 1, ""
        self.has_weights = parameters is not CLOSED
        self.traits = Traits(
            "JAX", gradients=True, fingerprint=self._fingerprint(), versions={"jax": self.jax.__version__}, inputs=specs_of(function, self._before)
        )

    @classmethod
    def recognises(cls, candidate: Any) -> bool:
        jax = sys.modules.get("jax")
        return jax is not None and isinstance(candidate, jax.stages.Wrapped)

    @classmethod
    def open(cls, candidate: Any, *, allow_unsafe: bool) -> JaxFunction:
        if isinstance(candidate, Path):
            raise ModelError("a JAX function is an object, not a file.")
        return cls(candidate)

    @property
    def _before(self) -> int:
        """Arguments before the inputs."""
        return 0 if self.parameters is CLOSED else 1

    def packed(self, packing: Packing) -> Model:
        found = copy.copy(self)
        found.packing, found.arguments = packing, call_with(self.function, packing, self._before)
        found.traits = replace(self.traits, input_shape=(packing.total,))
        found._met, found._compiled = None, {}
        return found

    def reading(self, output: str) -> Model:
        found = copy.copy(self)
        found._output, found._met, found._compiled = output, None, {}
        found.traits = replace(self.traits, output=output)
        return found

    def layers(self) -> tuple[Any, ...]:
        return ()

    def connections(self) -> dict[str, tuple[str, ...]]:
        return Model.connections(self)

    def kernel_shapes(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        return Model.kernel_shapes(self)

    def weights(self) -> dict[str, tuple[Array, ...]]:
        if not self.has_weights:
            return Model.weights(self)
        found: dict[str, tuple[Array, ...]] = {}
        for name, leaf in self._leaves():
            if self._is_weight(leaf):
                found[name] = (*found.get(name, ()), wide(leaf).copy())
        return found

    def replaced_weights(self, weights: Mapping[str, Sequence[Array]]) -> contextlib.AbstractContextManager[Model]:
        shapes = {name: [array.shape for array in arrays] for name, arrays in self.weights().items()}
        given = {name: iter(arrays) for name, arrays in checked_weights(shapes, weights).items()}
        leaves = [self.jax.numpy.asarray(next(given[name]), leaf.dtype) if name in given and self._is_weight(leaf) else leaf for name, leaf in self._leaves()]
        found = copy.copy(self)
        found.parameters = self.jax.tree.unflatten(self.jax.tree.structure(self.parameters), leaves)
        return contextlib.nullcontext(found)

    def _trained(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for name, leaf in self._leaves():
            if self._is_weight(leaf):
                found.setdefault(name, []).append(leaf)
        return found

    def _differentiated(self, params: Any) -> tuple[list[Any], Callable[[Sequence[Any]], Any]]:
        leaves, structure = self.jax.tree.flatten(params)

        def whole(weights: Sequence[Any]) -> Any:
            given = iter(weights)
            return self.jax.tree.unflatten(structure, [next(given) if self._is_weight(leaf) else leaf for leaf in leaves])

        return [leaf for leaf in leaves if self._is_weight(leaf)], whole

    def _is_weight(self, leaf: Any) -> bool:
        """Whether a parameter has a gradient; counters, keys and single numbers of Python have none here."""
        return hasattr(leaf, "dtype") and bool(self.jax.numpy.issubdtype(leaf.dtype, self.jax.numpy.floating))

    def _leaves(self) -> list[tuple[str, Any]]:
        """Each array of the parameters with the name of the branch that holds it."""
        pairs = self.jax.tree_util.tree_leaves_with_path(self._params())
        return [
            ("/".join(str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", key)))) for key in path[:-1]) or "parameters", leaf)
            for path, leaf in pairs
        ]

    def meet(self, inputs: Array) -> None:
        shape = tuple(inputs.shape[1:])
        if shape == self._met:
            return
        closed, tokens = self._traced(shape)
        self._met = shape
        self._compiled = {}
        self.batch_size = self._given_batch_size or power_of_two_batch(self._help.made_bytes(closed.jaxpr) / 2, BATCH_BUDGET)
        output = closed.jaxpr.outvars[0].aval.shape[1:]
        cut = self._help.before_head(closed)
        self.traits = replace(
            self.traits, output_shape=output or (1,), head=cut[0] if cut else None, tokens=tokens, gradients=not tokens or self.packing is not None
        )

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        self.meet(inputs)
        return super().predict(inputs, logits=logits)

    def rows_at_once(self, inputs: Array) -> int:
        self.meet(inputs)
        return self.batch_size

    def gradients(self, inputs: Array, target: Target, wrt: Sequence[str] = (INPUT,)) -> Gradients:
        self.meet(inputs)
        if tuple(wrt) != (INPUT,):
            self.named([name for name in wrt if name != INPUT])
        if self.traits.tokens:
            raise UnsupportedError("the function takes whole numbers, which have no gradient; use a coalition method.")
        return super().gradients(inputs, target, wrt)

    def weight_gradients(self, inputs: Array, target: Target) -> dict[str, tuple[Array, ...]]:
        if not self.has_weights:
            return Model.weight_gradients(self, inputs, target)
        self.meet(inputs)
        return super().weight_gradients(inputs, target)

    def path_gradients(self, rows: PathRows, target: Target) -> tuple[Array, Array]:
        self.meet(rows.starts)
        return super().path_gradients(rows, target)

    def masked_scores(self, rows: MaskRows, target: Target) -> Array:
        self.meet(rows.inputs)
        return super().masked_scores(rows, target)

    def activations(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        return Model.activations(self, inputs, layers)

    def states(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        return Model.states(self, inputs, layers)

    def above(self, layer: str, context: Array) -> Model:
        return Model.above(self, layer, context)

    def below(self, layer: str) -> Model:
        return Model.below(self, layer)

    def named(self, names: Sequence[str]) -> dict[str, Any]:
        if names:
            raise UnsupportedError(f"a JAX function shows no layers, so that there is no '{names[0]}'; give a function that begins at it.")
        return {}

    # ---- inside what is compiled ------------------------------------------------------------------------------------

    def _outputs(self, params: Any, x: Any, logits: bool) -> Any:
        jax = self.jax
        x = jax.numpy.round(x).astype(np.int32) if self.traits.tokens and self.packing is None else x
        if logits and self.traits.head:
            closed = jax.make_jaxpr(self._call)(params, x)
            found = self._help.before_head(closed)[1](*jax.tree.leaves((params, x)))
        else:
            found = self._call(params, x)
        return self._plain(found if found.ndim > 1 else found[:, None])

    def _call(self, params: Any, x: Any) -> Any:
        """The output that is read, of what the function returns."""
        return self._help.one_output(self._returned(params, x), self._output)

    def _returned(self, params: Any, x: Any) -> Any:
        before = [params][: self._before]
        if self.packing is None:
            return self.function(*before, x)

        def whole(part: Any, kind: str) -> Any:
            return part > 0.5 if kind == "bool" else self.jax.numpy.round(part).astype(np.int32)

        positional, keywords = self.arguments(
            self.packing.split(x, lambda x, places: self.jax.numpy.split(x, places, axis=1), self.jax.numpy.reshape, lambda part: part, whole)
        )
        return self.function(*before, *positional, **keywords)

    def _function(self, key: tuple[Any, ...], step: Callable[..., Any]) -> Callable[..., Any]:
        """A step compiled, given the parameters as they are now."""
        if key not in self._compiled:
            self._compiled[key] = self.jax.jit(step)
        compiled = self._compiled[key]
        params = self._params()
        return lambda *arrays: compiled(params, *arrays)

    def _params(self) -> Any:
        return () if self.parameters is CLOSED else self.parameters

    def _traced(self, shape: tuple[int, ...]) -> tuple[Any, bool]:
        """What JAX makes of the function for two samples of this shape, and whether it takes nothing but whole numbers."""
        first: Exception | None = None
        for kind in (np.float32, np.int32) if self.packing is None else (np.float32,):
            try:
                closed, made = self.jax.make_jaxpr(self._call, return_shape=True)(self._params(), self.jax.ShapeDtypeStruct((2, *shape), kind))
            except PellucidError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever the user's function raises; the first is shown
                first = first or error
                continue
            self._check(made)
            return closed, kind is np.int32 if self.packing is None else all(self.packing.whole)
        raise self._cannot_take(shape, first) from first

    def _check(self, made: Any) -> None:
        """Raise unless the function returns one array with a row for each of two samples."""
        if made.shape[:1] != (2,):
            raise ModelError(
                f"the function returned shape {tuple(made.shape)} for 2 inputs; it must return (samples, classes). For one sample: jax.vmap(f, (None, 0))."
            )

    def _cannot_take(self, shape: tuple[int, ...], error: Exception | None) -> PellucidError:
        text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if "Tracer" in type(error).__name__ or "Concretization" in type(error).__name__:
            return ModelError(f"JAX cannot trace the function ({text}); build it of jax.numpy and jax.lax, or give a plain callable for the coalition methods.")
        return ShapeError(f"the function cannot take inputs of shape (samples, {', '.join(map(str, shape))}) ({type(error).__name__}: {text}).")

    def _fingerprint(self) -> str:
        """A digest of the function's code and of every parameter; not of what the function closes over."""
        inner = getattr(self.function, "__wrapped__", self.function)
        digest = hashlib.sha256(name_of(inner).encode())
        leaves, structure = self.jax.tree.flatten(self._params())
        digest.update(str(structure).encode())
        for leaf in leaves:
            array = np.asarray(leaf)
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]


def _jax() -> tuple[Any, types.ModuleType]:
    """JAX and what this adapter does with it, or what to do where it is not there."""
    try:
        import jax
    except ImportError as error:
        raise MissingExtraError(f"JAX functions need JAX ({error}): pip install 'pellucid[jax]'") from error
    from pellucid.adapters import _jax_head

    return jax, _jax_head
