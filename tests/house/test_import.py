"""`import pellucid` is light, and its `__all__` is what can be imported."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

import pytest

LONGEST_IMPORT = 0.3
"""CPU seconds beyond NumPy's own import."""
HEAVY = ("tensorflow", "keras", "jax", "torch", "onnxruntime", "matplotlib", "shap", "lime", "mlxtend", "sklearn", "pandas")


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def heavy_after(statement: str) -> list[str]:
    return json.loads(run(f"import json, sys\n{statement}\nprint(json.dumps([n for n in {HEAVY} if n in sys.modules]))"))


def import_seconds(statement: str, repeats: int = 5) -> float:
    code = f"import time, numpy\nstart = time.process_time()\n{statement}\nprint(time.process_time() - start)"
    return statistics.median(float(run(code)) for _ in range(repeats))


def test_import_loads_no_framework_and_no_matplotlib() -> None:
    assert heavy_after("import pellucid") == []


def test_heavy_modules_are_seen() -> None:
    assert heavy_after("import matplotlib") == ["matplotlib"]


def test_import_is_quick() -> None:
    assert import_seconds("import pellucid") <= LONGEST_IMPORT


def test_a_slow_import_is_seen() -> None:
    slow = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    assert import_seconds(slow, repeats=1) > LONGEST_IMPORT


def test_all_is_what_can_be_imported() -> None:
    found = json.loads(
        run(
            "import json, pellucid\n"
            "missing = [name for name in pellucid.__all__ if not hasattr(pellucid, name)]\n"
            "print(json.dumps([missing, sorted(pellucid.__all__), sorted(n for n in dir(pellucid) if not n.startswith('_'))]))"
        )
    )
    missing, promised, listed = found
    assert missing == []
    assert [name for name in promised if not name.startswith("_")] == listed


def test_unknown_attribute_is_an_attribute_error() -> None:
    import pellucid

    with pytest.raises(AttributeError):
        pellucid.no_such_verb  # noqa: B018


def test_importing_leaves_the_random_state_alone() -> None:
    """Rich draws from Python's own generator while it is imported."""
    code = "import random\nrandom.seed(3)\nbefore = random.getstate()\nimport pellucid\nfor name in pellucid.__all__: getattr(pellucid, name)\n"
    assert run(code + "import rich.style\nprint(random.getstate() == before)").strip() == "True"
