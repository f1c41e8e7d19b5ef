"""What `pellucid compare` does: open two files of records, choose an explanation of each, compare, write, print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pellucid.api.compare import compare
from pellucid.apps import arguments, console
from pellucid.apps.work import explanations_of
from pellucid.apps.writing import write
from pellucid.core.errors import SettingError, unknown
from pellucid.core.records import Explanation
from pellucid.data.chosen import parse_index
from pellucid.store import load


def run(
    a: Path,
    b: Path,
    method: str | None,
    target: str | None,
    index: str,
    out: Path | None,
    *,
    features: str | None,
    scaled: bool | None,
    seed: int,
    lang: str,
) -> None:
    """Compare an explanation of one file with one of another, or of the same."""
    if out is not None:
        arguments.check_file(out, arguments.OF_COMPARISONS)
    arguments.check_language(lang, out)
    methods, targets = _two(method, "--method"), _two(target, "--target")
    chosen = [_target(_chosen(path, methods[i], i), targets[i], path) for i, path in enumerate((a, b))]
    first, second = (one[parse_index(index, len(one))] for one in chosen)
    found = compare(first, second, features=features, scaled=scaled, seed=seed)
    console.show_comparison(found)
    if out is not None:
        write([found], out, f"{a.name} and {b.name} compared", lang=lang)
        console.written(out)


def _two(text: str | None, option: str) -> tuple[str | None, str | None]:
    """One name for both files, or one for each."""
    names = [None] if text is None else [name.strip() for name in text.split(",")]
    if len(names) > 2:
        raise SettingError(f"{option} {text!r} names {len(names)}; give one for both files, or two: first that of A, then that of B.")
    return names[0], names[-1]


def _chosen(path: Path, method: str | None, place: int) -> Explanation:
    """The explanation of a file by a method, or the only one."""
    explanations = explanations_of(load(path), path)
    fitting = [one for one in explanations if method is None or one.method == method]
    held = list(dict.fromkeys(one.method for one in explanations))
    if not fitting:
        raise SettingError(f"'{path}': {unknown('method', str(method), held)}")
    if len(fitting) > 1:
        which = f"say which: --method {','.join(held[:2])}" if method is None and len(held) > 1 else "give files with one of each method"
        raise SettingError(f"'{path}' holds {len(fitting)} explanations{'' if method is None else f' by {method}'}; {which}.")
    return fitting[0]


def _target(explanation: Explanation, target: str | None, path: Path) -> Explanation:
    """The explanation of one target, where there are several."""
    names: Sequence[str] = explanation.targets
    if not names:
        return explanation
    if target is None:
        raise SettingError(f"'{path}' is of several targets, {', '.join(names)}; say which: --target {names[0]}")
    return explanation.at(target)
