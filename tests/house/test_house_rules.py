"""The house's rules hold, and each is seen to fail on a planted fault."""

from __future__ import annotations

from pathlib import Path

import house_checks
import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "pellucid"

PLANTED = {
    "up": ("arrows", "core/a.py", "from pellucid.api import explain\n"),
    "up inside a function": ("arrows", "maths/a.py", "def f():\n    import pellucid.methods.path\n"),
    "up by importlib": ("arrows", "methods/a.py", "import importlib\nimportlib.import_module('pellucid.report.page')\n"),
    "up by importlib and a variable": (
        "arrows",
        "methods/a.py",
        "import importlib\nfor name in ('pellucid.report.page',):\n    importlib.import_module(name)\n",
    ),
    "a framework by a variable": ("rooms", "methods/a.py", "from importlib import import_module\nname = 'torch'\nimport_module(name)\n"),
    "up by a relative import": ("arrows", "methods/path/a.py", "from ...api import explain\n"),
    "sideways": ("arrows", "methods/a.py", "from pellucid.figures import heat\n"),
    "the root": ("arrows", "apps/a.py", "from pellucid import explain\n"),
    "the root itself": ("arrows", "report/a.py", "import pellucid\n"),
    "an unknown room": ("arrows", "attic/a.py", "import pellucid.core\n"),
    "a framework": ("rooms", "methods/a.py", "def f():\n    import tensorflow as tf\n"),
    "keras in a method": ("rooms", "methods/a.py", "from keras import ops\n"),
    "matplotlib": ("rooms", "report/a.py", "from matplotlib import pyplot\n"),
    "a framework in the root": ("rooms", "a.py", "import torch\n"),
    "scipy in core": ("rooms", "core/a.py", "import scipy.stats\n"),
    "pandas in core": ("rooms", "core/a.py", "def f():\n    import pandas\n"),
    "pandas at once": ("rooms", "core/exports.py", "import pandas\n"),
    "a framework in what is exported": ("rooms", "core/exports.py", "def f():\n    import torch\n"),
    "a long function": ("lengths", "core/a.py", "def f():\n" + "    x = 1\n" * 60),
    "a long file": ("lengths", "core/a.py", "x = 1\n" * 601),
    "an assert": ("asserts", "core/a.py", "def f(x):\n    assert x\n"),
    "a silent module": ("docstrings", "core/a.py", "x = 1\n"),
    "a silent class": ("docstrings", "core/a.py", "'''Why.'''\nclass A:\n    x = 1\n"),
}


@pytest.mark.parametrize("check", house_checks.CHECKS, ids=lambda check: check.__name__)
def test_rule_holds(check) -> None:
    faults = check(PACKAGE)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", PLANTED)
def test_planted_fault_is_found(name: str, tmp_path: Path) -> None:
    rule, where, text = PLANTED[name]
    package = tmp_path / "pellucid"
    (package / where).parent.mkdir(parents=True)
    (package / where).write_text(text, encoding="utf-8")
    assert getattr(house_checks, rule)(package)


def test_a_sound_tree_passes(tmp_path: Path) -> None:
    package = tmp_path / "pellucid"
    (package / "methods" / "path").mkdir(parents=True)
    (package / "methods" / "path" / "a.py").write_text('"""Why."""\n\nfrom ...core import errors\nfrom pellucid.methods import path\n', encoding="utf-8")
    (package / "adapters").mkdir()
    (package / "adapters" / "keras.py").write_text('"""Why."""\n\n\ndef f():\n    import tensorflow\n\n    return tensorflow\n', encoding="utf-8")
    assert [fault for check in house_checks.CHECKS for fault in check(package)] == []


def test_no_two_files_of_tests_have_one_name() -> None:
    """Pytest imports them by their name alone."""
    names = [path.name for path in Path(__file__).parents[1].rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
