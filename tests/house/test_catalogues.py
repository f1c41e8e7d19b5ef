"""Every file of a catalogue folder holds what its name promises, and says what it is."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from pellucid.core.catalogue import Catalogue, class_name
from pellucid.core.errors import UnknownNameError
from pellucid.core.metric import GROUPS
from pellucid.core.records import ERROR_KINDS

CATALOGUES = {
    "methods": ("pellucid.methods", "METHODS"),
    "metrics": ("pellucid.metrics", "METRICS"),
    "views": ("pellucid.views", "VIEWS"),
    "datasets": ("pellucid.data", "DATASETS"),
    "features": ("pellucid.data", "FEATURES"),
    "executors": ("pellucid.plans.executors", "EXECUTORS"),
    "networks": ("pellucid.recipes", "NETWORKS"),
    "applications": ("pellucid.applications", "APPLICATIONS"),
}
PROMISED = {
    "methods": ("title", "answers", "family", "needs", "accepts", "default_tolerance", "citation"),
    "metrics": ("title", "asks", "group", "better", "by_chance", "needs", "cost", "citation"),
    "views": ("title", "answers"),
}


def catalogue(room: str) -> Catalogue:
    module, name = CATALOGUES[room]
    return getattr(importlib.import_module(module), name)


def described(part: object) -> list[str]:
    """What a catalogued object keeps silent about."""
    text = inspect.getdoc(part) or ""
    return [name for name, missing in {"docstring": not text, "one line that says what it is": "\n" in text.split("\n\n")[0].strip()}.items() if missing]


def silent(part: type, room: str) -> list[str]:
    """What a method or view does not declare."""
    faults = described(part) + [name for name in PROMISED.get(room, ()) if not hasattr(part, name)]
    if room == "metrics":
        faults += [] if getattr(part, "group", "") in GROUPS else ["group"]
        faults += [] if getattr(part, "cost", "") else ["cost"]
    if room == "methods":
        text = (inspect.getdoc(part) or "").lower()
        faults += [word for word in ("shape",) if word not in text]
        faults += [] if getattr(part, "error_kind", "") in ERROR_KINDS else ["error_kind"]
        faults += [] if getattr(part, "citation", "") else ["citation"]
    return faults


@pytest.mark.parametrize("room", CATALOGUES)
def test_names_are_file_names(room: str) -> None:
    found = catalogue(room)
    files = [p for p in found.folder.rglob("*.py") if not any(part.startswith("_") for part in p.relative_to(found.folder).parts)]
    assert sorted(p.stem for p in files) == found.names()
    assert found.names(), f"no {room}"


@pytest.mark.parametrize("room", CATALOGUES)
def test_each_file_holds_what_it_promises(room: str) -> None:
    found = catalogue(room)
    faults = {name: silent(found.load(name), room) for name in found}
    assert {name: fault for name, fault in faults.items() if fault} == {}


@pytest.mark.parametrize("room", CATALOGUES)
def test_unknown_name_lists_the_known(room: str) -> None:
    found = catalogue(room)
    with pytest.raises(UnknownNameError, match="Known: ") as caught:
        found.load("no_such_thing")
    assert all(name in str(caught.value) for name in found.names())


def test_a_file_without_its_class_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "planted_room"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "half_done.py").write_text("class Other:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    planted = Catalogue("method", "planted_room", folder)
    assert planted.names() == ["half_done"]
    with pytest.raises(AttributeError, match=class_name("half_done")):
        planted.load("half_done")


def test_a_silent_method_is_seen() -> None:
    class Silent:
        pass

    assert set(silent(Silent, "methods")) >= {"docstring", "title", "citation", "error_kind", "shape"}
