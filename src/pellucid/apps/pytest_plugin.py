"""Explanation tests in pytest: files named `*.pellucid.toml` are collected, and the fixture `pellucid_expect` checks what a test explains itself.

Loaded with every run of pytest where Pellucid is installed, so that nothing heavy is imported before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SUFFIX = ".pellucid.toml"


def pytest_addoption(parser: pytest.Parser) -> None:
    """--pellucid-figures: where pictures go."""
    group = parser.getgroup("pellucid", "explanation tests")
    group.addoption("--pellucid-figures", metavar="DIR", default="pellucid-figures", help="Where pictures of expectations that were not kept go.")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Files of expectations."""
    return ExpectationFile.from_parent(parent, path=file_path) if file_path.name.endswith(SUFFIX) else None


class NotKeptError(AssertionError):
    """An expectation failed, or was left undecided where that counts as a failure."""


class ExpectationFile(pytest.File):
    """One file; what its expectations share is explained once."""

    def collect(self) -> Iterator[pytest.Item]:
        from pellucid.checks._file import CheckFile

        file = CheckFile.read(self.path)
        for number in range(len(file)):
            yield ExpectationItem.from_parent(self, name=file.name(number), file=file, number=number)


class ExpectationItem(pytest.Item):
    """One expectation of a file."""

    def __init__(self, *, file: Any, number: int, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.file, self.number = file, number

    def runtest(self) -> None:
        result = self.file.result(self.number)
        if not self.file.passes(result):
            raise NotKeptError(_told(result, self.config, f"{self.path.name.removesuffix(SUFFIX)}-{self.name}"))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return str(excinfo.value) if isinstance(excinfo.value, NotKeptError) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.name


@pytest.fixture
def pellucid_expect(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`pellucid_expect(explanation, expectation, evaluation=None, undecided="fail")`: the result, or a failure with figures and a picture.

    expectation: of `pellucid.checks`, e.g. `CHECKS.load("inside")(truth=mask, at_least=0.8)`.
    """

    def expect(explanation: Any, expectation: Any, evaluation: Any = None, *, undecided: str = "fail") -> Any:
        __tracebackhide__ = True
        result = expectation.check(explanation, evaluation)
        if not result.kept(undecided):
            raise NotKeptError(_told(result, request.config, f"{request.node.name}-{type(expectation).__name__.lower()}"))
        return result

    return expect


def _told(result: Any, config: pytest.Config, name: str) -> str:
    from pellucid.checks._picture import save_picture

    return f"{result}\npicture: {save_picture(result, Path(str(config.getoption('--pellucid-figures'))), name)}"
