"""The softmax or sigmoid at the end of a JAX function, found in what JAX makes of it: JAX writes a softmax out as a quotient of exponentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun

from pellucid.core.errors import SettingError, UnsupportedError, unknown
from pellucid.core.target import several_outputs

Cut = tuple[str, Callable[..., Any]]
CALLS = ("jit", "pjit", "closed_call", "core_call", "checkpoint", "remat", "remat2")
WITH_OWN_DERIVATIVE = ("custom_jvp_call", "custom_vjp_call")
"""Calls whose inside must not be run instead of them; a softmax of older versions is one."""
CASTS = ("convert_element_type", "copy")
PASSES_ON = (*CASTS, "stop_gradient", "broadcast_in_dim", "reshape", "squeeze", "expand_dims")


def one_output(returned: Any, wanted: str) -> Any:
    """The array among what a function returns: the only one, or of several that of the name `wanted`, its keys or places with dots between."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(returned)
    found = {".".join(str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))) for key in path): leaf for path, leaf in leaves}
    if wanted:
        if wanted not in found:
            raise SettingError(unknown("output", wanted, found) if "" not in found else f"the network has one output, so that there is no '{wanted}'.")
        return found[wanted]
    if len(found) > 1:
        raise several_outputs({name: tuple(leaf.shape[1:]) for name, leaf in found.items()})
    leaf = next(iter(found.values()), None)
    if not hasattr(leaf, "shape"):
        raise UnsupportedError(f"the function returns a {type(returned).__name__}, not one array; wrap it so that it returns the scores.")
    return leaf


def before_head(closed: Any, place: int = 0) -> Cut | None:
    """ "softmax", "log_softmax" or "sigmoid" where an output is made by one over its last axis, and a function from the same arguments, flat, to what it
    reads."""
    made = {variable: equation for equation in closed.jaxpr.eqns for variable in equation.outvars}
    output = _behind(closed.jaxpr.outvars[place], made, CASTS)
    equation = _maker(output, made)
    if equation is None:
        return None
    inner = _inside(equation)
    if inner is not None:
        return _in_call(closed, equation, before_head(inner, list(equation.outvars).index(output)), inner)
    kind, read = _head(equation, made)
    return None if read is None else (kind, _one(_ending_in(closed, [read])))


def _in_call(closed: Any, equation: Any, cut: Cut | None, inner: Any) -> Cut | None:
    """The same of a function that ends in a call."""
    if cut is None:
        return None
    kind, function = cut
    arguments = _ending_in(closed, equation.invars)
    if equation.primitive.name in CALLS:
        return kind, lambda *given: function(*arguments(*given))
    made = {variable: one for one in inner.jaxpr.eqns for variable in one.outvars}
    end = _maker(_behind(inner.jaxpr.outvars[0], made, CASTS), made)
    read = None if end is None else _head(end, made)[1]
    if read not in inner.jaxpr.invars:
        return None
    number = inner.jaxpr.invars.index(read)
    return kind, lambda *given: arguments(*given)[number]


def _inside(equation: Any) -> Any:
    """What a call runs."""
    if equation.primitive.name not in (*CALLS, *WITH_OWN_DERIVATIVE):
        return None
    inner = next((equation.params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in equation.params), None)
    return inner if inner is None or hasattr(inner, "jaxpr") else ClosedJaxpr(inner, ())


def _head(equation: Any, made: dict[Any, Any]) -> tuple[str, Any]:
    """What an equation ends, and what that reads; None where it ends nothing."""
    if equation.primitive.name == "logistic":
        return "sigmoid", equation.invars[0]
    return ("log_softmax", _log_softmax(equation, made)) if equation.primitive.name == "sub" else ("softmax", _softmax(equation, made))


def _log_softmax(equation: Any, made: dict[Any, Any]) -> Any:
    """What the logarithm of a softmax over the last axis reads, where this is its last step: c less the logarithm of the sum of exp c."""
    shifted = _behind(equation.invars[0], made, CASTS)
    logarithm = _maker(_behind(equation.invars[1], made), made)
    total = _maker(_behind(logarithm.invars[0], made), made) if logarithm is not None and logarithm.primitive.name == "log" else None
    if total is None or total.primitive.name != "reduce_sum" or tuple(total.params["axes"]) != (shifted.aval.ndim - 1,):
        return None
    powers = _maker(_behind(total.invars[0], made, CASTS), made)
    if powers is None or powers.primitive.name != "exp":
        return None
    return _unshifted(shifted, made) if _behind(powers.invars[0], made, CASTS) is shifted else None


def _softmax(equation: Any, made: dict[Any, Any]) -> Any:
    """What a softmax over the last axis reads, where this is its last step: exp(c − max c) over its sum."""
    if equation.primitive.name != "div":
        return None
    above, below = _behind(equation.invars[0], made, CASTS), equation.invars[1]
    powers, total = _maker(above, made), _maker(_behind(below, made), made)
    if powers is None or powers.primitive.name != "exp" or total is None or total.primitive.name != "reduce_sum":
        return None
    if _behind(total.invars[0], made, CASTS) is not above or tuple(total.params["axes"]) != (above.aval.ndim - 1,):
        return None
    return _unshifted(powers.invars[0], made)


def _unshifted(shifted: Any, made: dict[Any, Any]) -> Any:
    """A variable before its largest was taken off, where it was."""
    difference = _maker(shifted, made)
    if difference is None or difference.primitive.name != "sub":
        return shifted
    value, shift = difference.invars
    return value if _is_largest(shift, value, made) else shifted


def _is_largest(shift: Any, value: Any, made: dict[Any, Any]) -> bool:
    """Whether a shift is the largest of the values along the last axis."""
    equation = _maker(_behind(shift, made), made)
    if equation is not None and equation.primitive.name == "max":  # with minus infinity, for rows without entries
        equation = next((found for one in equation.invars if (found := _maker(_behind(one, made), made)) is not None), None)
    return equation is not None and equation.primitive.name == "reduce_max" and equation.invars[0] is value


def _maker(variable: Any, made: dict[Any, Any]) -> Any:
    return None if isinstance(variable, Literal) else made.get(variable)


def _behind(variable: Any, made: dict[Any, Any], through: tuple[str, ...] = PASSES_ON) -> Any:
    """The variable that one shows in another form."""
    while (equation := _maker(variable, made)) is not None and equation.primitive.name in through:
        variable = equation.invars[0]
    return variable


def _ending_in(closed: Any, outputs: Any) -> Callable[..., list[Any]]:
    """The same function up to some of its variables."""
    function: Callable[..., list[Any]] = jaxpr_as_fun(ClosedJaxpr(closed.jaxpr.replace(outvars=list(outputs), debug_info=None), closed.consts))
    return function


def _one(function: Callable[..., list[Any]]) -> Callable[..., Any]:
    return lambda *given: function(*given)[0]


def made_bytes(jaxpr: Any) -> float:
    """Bytes of all that a function makes, its calls' insides too."""
    total = 0.0
    for equation in jaxpr.eqns:
        inner = _inside(equation)
        made = (variable.aval for variable in equation.outvars)
        total += made_bytes(inner.jaxpr) if inner is not None else sum(float(aval.size * aval.dtype.itemsize) for aval in made if hasattr(aval, "dtype"))
    return total
