"""`--target`: what stands in brackets is read as Python reads it, plain words without quotes as names; several of them are several targets at once."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.api._parts import split_output
from pellucid.core.errors import SettingError
from pellucid.core.model import Model
from pellucid.core.target import Several, TargetLike, class_axis_of, of_two, resolve_target
from pellucid.data.load import load

Array = np.ndarray
FORMS = "(3, 1), (5, 'verb'), ('4', '9'), (..., 1), [3, 4], {'age': 0}, ('@mask.npy', 1); names with other signs than letters in quotes"


def parse_target(texts: Sequence[str], names: Sequence[str] = ()) -> TargetLike:
    """What was written, once or several times; a text that is the name of a class is that, whatever else it may look like.

    >>> parse_target(["3"]), parse_target(["cat"]), parse_target(["(5, verb)"]), parse_target(["(..., 1)"]), parse_target(["{age: -1}"])
    (3, 'cat', (5, 'verb'), (Ellipsis, 1), {'age': -1})
    >>> parse_target(["4", "(4, 9)", "('4', '9')"], names=["4", "9"]).targets
    ('4', (4, 9), ('4', '9'))
    """
    found = [_one(text.strip(), names) for text in texts]
    if len(found) == 1:
        return found[0]
    outputs = {name for one in found if isinstance(one, dict) for name in one}
    if len(outputs) == 1 and all(isinstance(one, dict) for one in found):  # several of one output
        (output,) = outputs
        return {output: Several(*(one[output] for one in found))}
    return Several(*found)


class _UnreadableError(Exception):
    """Python, but no target."""


def _one(text: str, names: Sequence[str]) -> TargetLike:
    if text in names:
        return text
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if text.startswith("@"):
        return _stored(text[1:])
    if not text.startswith(("(", "[", "{", "'", '"')):
        return text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python would warn of, such as '\d', is no target
            return _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, _UnreadableError, MemoryError, RecursionError) as error:
        raise SettingError(f"--target {text!r} cannot be read; write it as in Python: {FORMS}.") from error


def _value(node: ast.expr | None) -> Any:
    match node:
        case ast.Tuple(elts):
            return tuple(_value(part) for part in elts)
        case ast.List(elts):
            return [_value(part) for part in elts]
        case ast.Dict(keys, values):
            return {str(_value(key)): _value(value) for key, value in zip(keys, values, strict=True)}
        case ast.Name(word):
            return word
        case ast.Constant(str(word)):
            return _stored(word[1:]) if word.startswith("@") else word
        case ast.UnaryOp(ast.USub(), ast.Constant(int(number))):
            return -number
        case ast.Constant(value) if value is ... or type(value) is int:
            return value
    raise _UnreadableError


def _stored(path: str) -> Array:
    """The array of a file: a mask, or a class for each sample."""
    if not path.lower().endswith(".npy"):
        raise SettingError(f"--target: '@{path}' is no .npy file; write np.save('mask.npy', mask), and '@mask.npy'.")
    return np.array(load(path, checked=False).inputs)


def settled(texts: Sequence[str], model: Model, first: Array, given: Sequence[str] | None, of_data: Sequence[str]) -> tuple[TargetLike, list[str] | None]:
    """The target, and the names of the classes: those given, or the data's where the network has as many classes. A target that does not fit the network is an
    error, found at the sample `first`, (1, *shape)."""
    target, names = parse_target(texts, given or of_data), None if given is None else list(given)
    if _is_plain(target) and (given is not None or not of_data):
        return target, names
    read, _ = split_output(model, target)
    outputs, traits = read.predict(first), read.traits
    if given is None and of_data:
        classes = 2 if of_two(traits.head, outputs.shape[1:], traits.class_axis) else outputs.shape[class_axis_of(traits.class_axis)]
        names = list(of_data) if classes == len(of_data) else None
        target = target if names else parse_target(texts)
    for one in _entries(split_output(model, target)[1]):
        resolve_target(one, "output", outputs, names, head=traits.head, class_axis=traits.class_axis)
    return target, names


def _entries(target: TargetLike) -> list[TargetLike]:
    """Each target that is held, but for the one that asks for nothing: units of a layer are explained by it too."""
    if isinstance(target, Several):
        return [entry for one in target.targets for entry in _entries(one)]
    if isinstance(target, (list, np.ndarray)):
        return list(target)
    return [] if _is_plain(target) else [target]


def _is_plain(target: TargetLike) -> bool:
    return isinstance(target, str) and target == "predicted"


def of_all(target: TargetLike, chosen: Sequence[int], samples: int) -> TargetLike:
    """A target as a plan takes it: what holds an entry for each chosen sample, with one for every sample of the data."""
    if isinstance(target, Several):
        return Several(*(of_all(one, chosen, samples) for one in target.targets))
    if isinstance(target, dict):
        return {name: of_all(one, chosen, samples) for name, one in target.items()}
    if not isinstance(target, (list, np.ndarray)):
        return target
    if len(set(chosen)) < len(chosen):
        raise SettingError("--index names a sample twice, and --target holds an entry for each; into a folder, name each once.")
    entries: list[TargetLike] = ["predicted"] * samples
    for number, entry in zip(chosen, target, strict=True):
        entries[number] = entry
    return entries


def check_length(target: TargetLike, samples: int) -> None:
    """Raise where a list does not hold an entry for each chosen sample."""
    for one in target.targets if isinstance(target, Several) else target.values() if isinstance(target, dict) else ():
        check_length(one, samples)
    if isinstance(target, (list, np.ndarray)) and len(target) != samples:
        raise SettingError(f"--target holds {len(target)} entries, --index chooses {samples} samples; give one for each, in the order of --index.")
