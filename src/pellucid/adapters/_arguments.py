"""How a callable of the user's takes several inputs: one after the other, by keywords, or all in one list or mapping, as its signature says."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from pellucid.core.errors import InputError
from pellucid.core.packing import InputSpec, Packing

Arguments = Callable[[Sequence[Any]], tuple[list[Any], dict[str, Any]]]
"""Positional arguments and keywords that give a callable these arrays."""
_ONE_BY_ONE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def specs_of(function: Callable[..., Any], skip: int = 0) -> tuple[InputSpec, ...]:
    """What a callable's signature says of its inputs, `skip` arguments before them left out; nothing where it takes any number, or shows no signature."""
    try:
        parameters = list(inspect.signature(function).parameters.values())[skip:]
    except (ValueError, TypeError):
        return ()
    if any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters):
        return ()
    return tuple(InputSpec(one.name, optional=one.default is not one.empty) for one in parameters if one.kind in _ONE_BY_ONE)


def call_with(function: Callable[..., Any], packing: Packing, skip: int = 0) -> Arguments:
    """Positional arguments and keywords for the arrays of a packing, in its order."""
    one_by_one = [None] * len(packing)
    if packing.keyed:
        if _takes(function, skip, [], dict.fromkeys(packing.names)):
            return lambda arrays: ([], dict(zip(packing.names, arrays, strict=True)))
        if _takes(function, skip, [None], {}, unsure=True):
            return lambda arrays: ([dict(zip(packing.names, arrays, strict=True))], {})
    needed = sum(not spec.optional for spec in specs_of(function, skip))
    if not packing.keyed and needed == 1 and _takes(function, skip, [None], {}):
        return lambda arrays: ([list(arrays)], {})
    if not packing.keyed and _takes(function, skip, one_by_one, {}, unsure=True):
        return lambda arrays: (list(arrays), {})
    name, takes = getattr(function, "__qualname__", type(function).__name__), ", ".join(spec.name for spec in specs_of(function, skip))
    raise InputError(f"{name} takes ({takes}), and {', '.join(packing.names)} were given; give the inputs by these names, or in this order.")


def _takes(function: Callable[..., Any], skip: int, arguments: Sequence[Any], keywords: dict[str, Any], *, unsure: bool = False) -> bool:
    """Whether a call fits the signature; `unsure` is the answer where there is none."""
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return unsure
    try:
        signature.bind(*[None] * skip, *arguments, **keywords)
    except TypeError:
        return False
    return True
