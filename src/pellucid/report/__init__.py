"""Records → one self-contained HTML page, and the same figures as PNG files.

The room is named as its verb, so the module itself can be called: `pellucid.report(records, path)` works whether or not
`pellucid.report` has been imported as a module before.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from pellucid.report.page import render, report, write_figures

__all__ = ["render", "report", "write_figures"]


class _Verb(ModuleType):
    """A module that does what its function of the same name does."""

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return report(*arguments, **keywords)


sys.modules[__name__].__class__ = _Verb
