"""The rules of the house, each a function from a package folder to the list of what breaks it. Runs by itself: `python tests/house/house_checks.py`."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

FLOORS = {
    "core": 0,
    "maths": 1,
    "adapters": 2,
    "data": 2,
    "methods": 3,
    "views": 3,
    "diagnostics": 3,
    "metrics": 3,
    "figures": 3,
    "store": 3,
    "api": 4,
    "recipes": 4,
    "plans": 5,
    "checks": 5,
    "report": 5,
    "applications": 6,
    "apps": 7,
}
"""Room → floor, as in DESIGN: a room imports only rooms on lower floors."""

FRAMEWORKS = {"tensorflow", "tf_keras", "keras", "jax", "torch", "onnxruntime"}
ALLOWED = {"adapters": FRAMEWORKS, "recipes": {"keras", "tensorflow"}, "data": {"keras"}, "figures": {"matplotlib", "mpl_toolkits"}}
"""Room → what it may import of frameworks and matplotlib. Recipes train through TensorFlow's data pipeline, the download is Keras's."""
EXPORTS = {"core/exports.py": {"pandas", "shap"}}
"""File → what it may import beside that: `to_dataframe` and `to_shap` are a record's own methods and give another library's object, so that whoever calls them
has that library. In a function alone, so that a record costs none of it."""
LONGEST_FUNCTION = 60
LONGEST_FILE = 600
PACKAGE = "pellucid"


def sources(package: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Every source file of a package folder with its syntax tree."""
    for path in sorted(package.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"), str(path))


def room_of(package: Path, path: Path) -> str:
    """The room a file lies in; empty for the root's own files."""
    parts = path.relative_to(package).parts
    return parts[0] if len(parts) > 1 else ""


def _is_dynamic(node: ast.AST) -> bool:
    """A call of `import_module(…)` or `__import__(…)`."""
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    return name in ("import_module", "__import__")


def _named_dynamically(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """What `import_module` may load: its constant, or, where it is given a variable, every watched name among the file's strings."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_dynamic(node)]
    constants = [call.args[0] for call in calls if call.args and isinstance(call.args[0], ast.Constant)]
    yield from ((constant.lineno, str(constant.value)) for constant in constants)
    if len(constants) == len(calls):
        return
    watched = FRAMEWORKS | ALLOWED["figures"]
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    yield from ((node.lineno, str(node.value)) for node in strings if node.value in watched or re.fullmatch(rf"{PACKAGE}(\.\w+)+", str(node.value)))


def imports_of(package: Path, path: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything a file imports, inside functions and by `importlib` too.

    `from a import b` gives "a.b", so that `from pellucid import core` counts as the room, not as the root.
    """
    here = (PACKAGE, *path.relative_to(package).parent.parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
    yield from _named_dynamically(tree)


def arrows(package: Path) -> list[str]:
    """Imports that go up, sideways, or to the package's root."""
    faults = []
    for path, tree in sources(package):
        room = room_of(package, path)
        if not room:
            continue
        if room not in FLOORS:
            faults.append(f"{path}: room '{room}' stands on no floor")
            continue
        for line, name in imports_of(package, path, tree):
            parts = name.split(".")
            if parts[0] != PACKAGE:
                continue
            other = parts[1] if len(parts) > 1 else ""
            if other not in FLOORS:
                faults.append(f"{path}:{line}: imports the package's root ({name})")
            elif other != room and FLOORS[other] >= FLOORS[room]:
                faults.append(f"{path}:{line}: {room} (floor {FLOORS[room]}) imports {other} (floor {FLOORS[other]})")
    return faults


def rooms(package: Path) -> list[str]:
    """Frameworks and matplotlib outside their rooms; anything but NumPy in core."""
    faults = []
    for path, tree in sources(package):
        room, exported = room_of(package, path), EXPORTS.get(path.relative_to(package).as_posix(), ())
        at_once = {node.lineno for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))}
        for line, name in imports_of(package, path, tree):
            top = name.split(".")[0]
            watched = top in FRAMEWORKS or top in ALLOWED["figures"]
            wrong = (watched and top not in ALLOWED.get(room, ())) or (room == "core" and top not in (*sys.stdlib_module_names, "numpy", PACKAGE))
            if wrong and (top not in exported or line in at_once):
                faults.append(f"{path}:{line}: {room or 'the root'} must not import {top}")
    return faults


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    return (first.end_lineno or first.lineno) - first.lineno + 1 if is_text else 0


def lengths(package: Path) -> list[str]:
    """Functions and files that are too long; a docstring does not count."""
    faults = []
    for path, tree in sources(package):
        total = len(path.read_text(encoding="utf-8").splitlines())
        if total > LONGEST_FILE:
            faults.append(f"{path}: {total} lines, at most {LONGEST_FILE}")
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node)
                if lines > LONGEST_FUNCTION:
                    faults.append(f"{path}:{node.lineno}: {node.name} has {lines} lines, at most {LONGEST_FUNCTION}")
    return faults


def asserts(package: Path) -> list[str]:
    """`assert` in library code, which `python -O` would drop."""
    return [f"{path}:{node.lineno}: assert" for path, tree in sources(package) for node in ast.walk(tree) if isinstance(node, ast.Assert)]


def docstrings(package: Path) -> list[str]:
    """Modules and public classes without a docstring. A file with no statement at all may stay empty."""
    faults = []
    for path, tree in sources(package):
        if tree.body and not ast.get_docstring(tree):
            faults.append(f"{path}:1: the module says nothing of why it exists")
        public = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
        faults += [f"{path}:{node.lineno}: class {node.name} has no docstring" for node in public if not ast.get_docstring(node)]
    return faults


CHECKS: tuple[Callable[[Path], list[str]], ...] = (arrows, rooms, lengths, asserts, docstrings)


def main() -> int:
    package = Path(__file__).resolve().parents[2] / "src" / PACKAGE
    faults = [fault for check in CHECKS for fault in check(package)]
    sys.stdout.write("".join(f"{fault}\n" for fault in faults) or f"house rules: {len(CHECKS)} hold\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
