"""The catalogue's mechanism on a package made for the test."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pellucid.core.catalogue import Catalogue, build, class_name, settings_of
from pellucid.core.errors import SettingError, UnknownMethodError


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    room = tmp_path / "shelf_for_test"
    (room / "family").mkdir(parents=True)
    for path, text in {
        "__init__.py": "",
        "family/__init__.py": "",
        "red_apple.py": "class RedApple: pass\n",
        "family/pear.py": "raise RuntimeError('imported too early')\n",
        "family/_engine.py": "",
        "_private.py": "",
    }.items():
        (room / path).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Catalogue("fruit", "shelf_for_test", room, UnknownMethodError)
    for name in [name for name in sys.modules if name.startswith("shelf_for_test")]:
        del sys.modules[name]


def test_names_are_the_file_names_of_all_families_and_nothing_is_imported(catalogue: Catalogue) -> None:
    assert catalogue.names() == list(catalogue) == ["pear", "red_apple"]
    assert "pear" in catalogue
    assert "_engine" not in catalogue
    assert not [name for name in sys.modules if name.startswith("shelf_for_test")]


def test_load_gives_the_class_of_the_name(catalogue: Catalogue) -> None:
    assert catalogue.load("red_apple").__name__ == "RedApple"
    with pytest.raises(RuntimeError, match="too early"):
        catalogue.load("pear")


def test_an_unknown_name_is_the_rooms_own_error_with_the_nearest_and_all(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownMethodError, match=r"unknown fruit 'red_aple'; did you mean 'red_apple'\? Known: pear, red_apple\."):
        catalogue.load("red_aple")


def test_class_names() -> None:
    assert class_name("grad_cam") == "GradCam"


@dataclass(frozen=True)
class Part:
    size: int = 3

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError("size must be above 0")


def test_build_gives_one_clear_error() -> None:
    assert build("fill", "part", Part, {"size": 4}) == Part(4)
    assert settings_of(Part) == ("size",)
    with pytest.raises(SettingError, match="fill 'part': unknown setting 'sise'; did you mean 'size'"):
        build("fill", "part", Part, {"sise": 4})
    with pytest.raises(SettingError, match="fill 'part': size must be above 0"):
        build("fill", "part", Part, {"size": 0})


@dataclass(frozen=True)
class Typed:
    steps: int | None = None
    noise: float = 0.5
    absolute: bool = True
    map: object = None


def test_build_says_what_kind_of_value_a_setting_takes() -> None:
    good = {"steps": np.int64(3), "noise": 2, "absolute": False, "map": [1]}
    assert build("method", "typed", Typed, good) == Typed(**good)
    assert build("method", "typed", Typed, {"steps": None}) == Typed()
    for bad, words in (
        ({"steps": 2.5}, "steps must be a whole number or None, got 2.5"),
        ({"noise": "loud"}, "noise must be a number, got 'loud'"),
        ({"noise": True}, "noise must be a number, got True"),
        ({"absolute": "no"}, "absolute must be True or False, got 'no'"),
    ):
        with pytest.raises(SettingError, match=f"method 'typed': {words}"):
            build("method", "typed", Typed, bad)
