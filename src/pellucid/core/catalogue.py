"""A catalogue is made of file names: one file, one name, nothing imported until it is asked for."""

from __future__ import annotations

import functools
import importlib
import inspect
import numbers
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.core.errors import SettingError, UnknownNameError, unknown

SETTING_WORDS: dict[Any, str] = {int: "a whole number", float: "a number", bool: "True or False", str: "a word", types.NoneType: "None"}


def class_name(name: str) -> str:
    """The class that a file holds by convention.

    >>> class_name("integrated_gradients")
    'IntegratedGradients'
    """
    return "".join(word.capitalize() for word in name.split("_"))


@dataclass(frozen=True)
class Catalogue:
    """Names → objects of one room, from its file names.

    Files that begin with `_` are helpers and do not count; sub-folders are families and do.
    `kind` is the word used in errors, `error` the exception for a name that is not there.
    An object is the class in CamelCase (`plain=False`) or the function of the file's own name (`plain=True`).
    """

    kind: str
    package: str
    folder: Path
    error: type[UnknownNameError] = UnknownNameError
    plain: bool = False

    @functools.cached_property
    def modules(self) -> dict[str, str]:
        """Name → dotted module; the folder is read once."""
        found: dict[str, str] = {}
        for path in sorted(self.folder.rglob("*.py")):
            parts = path.relative_to(self.folder).with_suffix("").parts
            if not any(part.startswith("_") for part in parts):
                found[parts[-1]] = ".".join((self.package, *parts))
        return found

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self.modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self.modules

    def load(self, name: str) -> Any:
        """The object of this name; an unknown name raises `error` with the list of known ones."""
        modules = self.modules
        if name not in modules:
            raise self.error(unknown(self.kind, name, modules))
        module = importlib.import_module(modules[name])
        return getattr(module, name if self.plain else class_name(name))


def settings_of(part: type) -> tuple[str, ...]:
    """The keywords that a part's constructor takes."""
    return _keywords(part)


@functools.cache
def _keywords(part: Callable[..., object]) -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(part).parameters if name != "self")


def _is_kind(value: Any, hint: Any) -> bool:
    """Whether a setting's value is of a hinted kind; hints other than plain numbers, words, true or false, and None take anything."""
    if isinstance(hint, types.UnionType):
        return any(_is_kind(value, one) for one in typing.get_args(hint))
    if hint in (int, float):
        return isinstance(value, numbers.Integral if hint is int else numbers.Real) and not isinstance(value, bool)
    return isinstance(value, hint) if hint in SETTING_WORDS else True


def _in_words(hint: Any) -> str:
    return " or ".join(SETTING_WORDS.get(one, str(one)) for one in (typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)))


def build(kind: str, name: str, part: type, settings: dict[str, Any]) -> Any:
    """`part(**settings)`, with one clear error for a keyword it does not have or a value it refuses."""
    known = settings_of(part)
    for key in settings:
        if key not in known:
            raise SettingError(f"{kind} '{name}': {unknown('setting', key, known) if known else f'takes no setting; got {key!r}.'}")
    hints = typing.get_type_hints(part) if settings else {}
    for key, value in settings.items():
        if not _is_kind(value, hints.get(key)):
            raise SettingError(f"{kind} '{name}': {key} must be {_in_words(hints[key])}, got {value!r}.")
    try:
        return part(**settings)
    except SettingError:
        raise
    except (TypeError, ValueError) as error:
        raise SettingError(f"{kind} '{name}': {error}") from error
