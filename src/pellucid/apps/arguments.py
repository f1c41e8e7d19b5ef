"""What people type, turned into what the verbs take; every mistake is found here, before any work is done."""

from __future__ import annotations

import ast
import os
import re
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pellucid.apps import tables
from pellucid.core.catalogue import Catalogue, settings_of
from pellucid.core.choices import VARIABLE
from pellucid.core.errors import DataNotFoundError, OutputError, SettingError, unknown
from pellucid.core.language import ENGLISH
from pellucid.core.method import OPTIONS
from pellucid.core.scene import FILES
from pellucid.core.verdict import Thresholds

OF_VIEWS = (".html", ".safetensors", ".png")
OF_COMPARISONS = (*OF_VIEWS, *tables.SUFFIXES)
SUFFIXES = dict(zip(OF_VIEWS, ("a report", "records", "one figure"), strict=True)) | dict.fromkeys(tables.SUFFIXES, "a table") | {".json": "JSON"}
FIRST_BACKGROUND_ROWS = 100
_RANGE = re.compile(r"^(?P<spec>.+)\[(?P<index>[^\[\]]+)\]$")


def split_range(spec: str) -> tuple[str, str | None]:
    """A data spec and the range in brackets after it, where there is one.

    >>> split_range("mnist:train[0:50]"), split_range("mnist:train")
    (('mnist:train', '0:50'), ('mnist:train', None))
    """
    found = _RANGE.match(spec)
    return (found["spec"], found["index"]) if found else (spec, None)


def parse_names(text: str, catalogue: Catalogue) -> list[str]:
    """Comma-separated names, each of which stands in the catalogue."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise SettingError(f"no {catalogue.kind} is named; known: {', '.join(catalogue.names())}.")
    for name in names:
        if name not in catalogue:
            raise catalogue.error(unknown(catalogue.kind, name, catalogue.names()))
    return list(dict.fromkeys(names))


def parse_value(text: str) -> Any:
    """A setting's value: a Python literal where it reads as one, else the text itself.

    >>> parse_value("0.5"), parse_value("(1, 2)"), parse_value("midpoint"), parse_value("true")
    (0.5, (1, 2), 'midpoint', True)
    """
    if text.lower() in ("true", "false", "none"):
        return {"true": True, "false": False, "none": None}[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def number_or_text(text: str) -> float | str:
    """
    >>> number_or_text("-.5"), number_or_text("blur:2")
    (-0.5, 'blur:2')
    """
    return float(text) if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text) else text


def parse_settings(pairs: Sequence[str], parts: Mapping[str, type]) -> dict[str, dict[str, Any]]:
    """Settings per method or view: `name=value` goes to each one that knows the name, `part.name=value` to that one alone."""
    found: dict[str, dict[str, Any]] = {name: {} for name in parts}
    known = {name: settings_of(part) for name, part in parts.items()}
    every = sorted({setting for settings in known.values() for setting in settings})
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise SettingError(f"--set {pair!r} cannot be read; write --set name=value.")
        part, dot, setting = key.strip().rpartition(".")
        if dot and part not in parts:
            raise SettingError(f"--set {pair!r}: {unknown('method', part, parts)}")
        takers = [name for name in ([part] if dot else parts) if setting in known[name]]
        if not takers:
            names = known[part] if dot else every
            raise SettingError(f"--set {pair!r}: " + (unknown("setting", setting, names) if names else f"{', '.join(parts)} has no setting."))
        for name in takers:
            found[name][setting] = parse_value(text)
            _check_opens(pair, found[name][setting], getattr(parts[name], "opens", {}).get(setting, ()))
    return found


def _check_opens(pair: str, value: Any, kinds: Collection[str]) -> None:
    """Raise for a setting that names a file, of one of these kinds, which is not there."""
    if kinds and value is not None and not Path(str(value)).exists():
        wanted = " or ".join(FILES[kind] for kind in sorted(kinds))
        raise DataNotFoundError(f"--set {pair!r}: there is no file '{value}'; expected {wanted}.")


def parse_thresholds(pairs: Sequence[str]) -> Thresholds | None:
    """Where a verdict turns, from texts such as `similarity=0.3,0.7`; None where nothing is given.

    >>> parse_thresholds(["similarity=0.3,0.7", "level=0.9"])
    Thresholds(level=0.9, similarity=(0.3, 0.7), change=(0.5, 1.5))
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = (part.strip() for part in pair.partition("="))
        if not equals:
            raise SettingError(f"--threshold {pair!r} cannot be read; write --threshold similarity=0.3,0.7.")
        if name not in settings_of(Thresholds):
            raise SettingError(f"--threshold {pair!r}: {unknown('threshold', name, settings_of(Thresholds))}")
        found[name] = parse_value(text)
    return Thresholds(**found) if found else None


def share_options(options: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Each given option for the methods that accept it; for all of them, so that they object, where none does."""
    shared: dict[str, dict[str, Any]] = {name: {} for name in parts}
    for option, value in options.items():
        if value is None:
            continue
        takers = [name for name, part in parts.items() if option not in OPTIONS or option in part.accepts]
        for name in takers or parts:
            shared[name][option] = value
    return shared


def share_vary(text: str | None, parts: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """By method which of the options to be varied are its own; all of them for all, so that they object, where none has any."""
    names = [] if text is None else [name.strip() for name in text.split(",") if name.strip()]
    if text is not None and not names:
        raise SettingError(f"--vary {text!r} names no option; known: {', '.join(VARIABLE)}.")
    for name in names:
        if name not in VARIABLE:
            raise SettingError(f"--vary {text!r}: {unknown('option', name, VARIABLE)}")
    common = {"score": lambda part: True, "seed": lambda part: part.error_kind == "standard_error"}
    own = {method: [name for name in names if common.get(name, lambda part, name=name: name in part.accepts)(part)] for method, part in parts.items()}
    return {method: {"vary": chosen or names} for method, chosen in own.items() if chosen or (names and not any(own.values()))}


def parse_class_names(text: str | None) -> list[str] | None:
    """Names separated by commas, or `@file` with one name a line."""
    if text is None:
        return None
    if not text.startswith("@"):
        return [name.strip() for name in text.split(",")]
    try:
        return [line.strip() for line in Path(text[1:]).read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"--class-names {text!r} cannot be read: {error}. Give a text file with one name a line.") from error


def check_file(out: Path, suffixes: Sequence[str] = tuple(SUFFIXES), option: str = "--out") -> Path:
    """`out`, if it has a known suffix and can be written; leaves nothing behind."""
    if out.suffix.lower() not in suffixes:
        known = ", ".join(f"{suffix} ({SUFFIXES[suffix]})" if suffix in SUFFIXES else suffix for suffix in suffixes)
        many = ", and for explanations of many samples a folder (no suffix)" if ".json" in suffixes else ""
        raise OutputError(f"{option} '{out}' has no suffix that says what to write; known: {known}{many}.")
    if out.is_dir():
        raise OutputError(f"{option} '{out}' is a folder; name a file in it.")
    tables.check(out)
    _probe(out.parent, out)
    return out


def check_language(lang: str, out: Path | None = None) -> None:
    """Raise for a language that reports do not speak, or that was asked for what is no report."""
    if lang == ENGLISH.tag:
        return
    from pellucid.report.languages import language

    language(lang)
    if out is not None and out.suffix.lower() != ".html":
        raise SettingError(f"--lang {lang} is for a report, but --out is '{out}'; give a name that ends in .html.")


def is_folder(out: Path) -> bool:
    """Whether `out` names a folder for records of many samples: one that is there, or a name without a suffix.

    >>> is_folder(Path("explained")), is_folder(Path("explained.html"))
    (True, False)
    """
    return out.is_dir() or not out.suffix


def check_folder_options(out: Path, only_folders: Mapping[str, bool], resume: Path | None) -> None:
    """Raise for options that only go with a folder, and for `--resume`, which goes with a file alone."""
    given = [name for name, chosen in only_folders.items() if chosen]
    if given and not is_folder(out):
        raise SettingError(f"{' and '.join(given)} need a folder to write many samples into, but --out is '{out}'; give a name without a suffix.")
    if resume is not None and is_folder(out):
        raise SettingError("--resume is for a file of records; into a folder, the same command goes on by itself where it was broken off.")


def check_folder(out: Path) -> Path:
    """`out`, if it is or can be made a folder to write into; leaves nothing behind."""
    nearest = out
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    _probe(nearest, out)
    return out


def _probe(folder: Path, out: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=os.fspath(folder)):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write '{out}': {error.strerror or error} ('{folder}'). Give a path in a folder that exists and that you may write to."
        ) from error
