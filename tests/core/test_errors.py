"""The exception tree is the one drawn at the top of its file."""

from __future__ import annotations

import inspect
import re

import pytest

from pellucid.core import errors

CLASSES = {name: one for name, one in vars(errors).items() if inspect.isclass(one) and issubclass(one, Exception)}


def test_every_error_is_a_pellucid_error_and_is_drawn() -> None:
    assert len(CLASSES) > 20
    for name, one in CLASSES.items():
        assert issubclass(one, errors.PellucidError)
        assert re.search(rf"\b{name}\b", errors.__doc__ or ""), f"{name} is not drawn"
    drawn = set(re.findall(r"\b(\w+Error)\b", errors.__doc__ or ""))
    builtin = {"ValueError", "LookupError", "TypeError", "FileNotFoundError", "OSError", "ImportError", "RuntimeError"}
    assert drawn - builtin == set(CLASSES)


@pytest.mark.parametrize(
    ("error", "parents"),
    [
        (errors.ShapeError, (errors.InputError, ValueError)),
        (errors.UnknownLayerError, (errors.UnknownNameError, LookupError)),
        (errors.CombinationError, (errors.SettingError, TypeError, ValueError)),
        (errors.UnsupportedError, (errors.ModelError,)),
        (errors.DataNotFoundError, (FileNotFoundError,)),
        (errors.OutputError, (OSError,)),
        (errors.MissingExtraError, (ImportError,)),
    ],
)
def test_errors_can_be_caught_as_pythons_own(error: type[Exception], parents: tuple[type, ...]) -> None:
    for parent in parents:
        assert issubclass(error, parent)


@pytest.mark.parametrize("name", CLASSES)
def test_the_text_is_shown_as_it_was_written(name: str) -> None:
    assert str(CLASSES[name]("unknown layer 'a'; use 'b'.")) == "unknown layer 'a'; use 'b'."


def test_unknown_names_the_nearest_and_all() -> None:
    assert errors.unknown("view", "activation_maps", ["activation_map", "filter"]) == (
        "unknown view 'activation_maps'; did you mean 'activation_map'? Known: activation_map, filter."
    )
    assert "did you mean" not in errors.unknown("view", "zzz", ["activation_map"])
