"""Every example in a docstring runs and gives what it shows."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in (SOURCE / "pellucid").rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)

NEEDS = {
    "pellucid.adapters.jax_function": "jax",
    "pellucid.adapters.sklearn_estimator": "sklearn",
    "pellucid.core.records": "pandas",
    "pellucid.data.typical": "sklearn",
}
"""Examples that show a framework or another library, which may be absent."""


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_a_wrong_example_is_seen() -> None:
    runner = doctest.DocTestRunner(verbose=False)
    example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert runner.run(example, out=lambda text: None).failed == 1
