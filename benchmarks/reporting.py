"""What a section hands back, and the page made of all sections: `RESULTS.md`.

The page begins with the bars, one row each, and goes on with the sections. A run of some sections replaces their rows and texts and keeps the others'.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version

HEAD = (
    "# Results\n\nMade by `make bench`, that is `python benchmarks/run.py`; `python benchmarks/run.py NAME ...` measures some sections anew and keeps\n"
    "the others. Each section runs in a process of its own with one thread, peers in the same run. Time is the median of pairs that run one after the\n"
    'other. "Bare" is the network alone making as many passes, in the same framework, at the best of several batch sizes and layouts. Figures are ratios,\n'
    "errors, counts and megabytes on one machine; they are no promises about another.\n"
)
BARS = "| section | what | bar | here | peers, same run | met |\n|---|---|---|---|---|---|"
MARK = "<!-- section: {} -->"
MARKED = re.compile(r"^<!-- section: (\w+) -->$", re.MULTILINE)


@dataclass(frozen=True)
class Bar:
    """One row of the first table. `met` is None where there is no bar or nothing was measured."""

    what: str
    bar: str
    here: str
    peers: str
    met: bool | None

    def row(self, section: str) -> str:
        words = {True: "yes", False: "**no**", None: "–"}
        return f"| [{section}](#{section}) | {self.what} | {self.bar} | {self.here} | {self.peers} | {words[self.met]} |"


@dataclass
class Report:
    """What a section says; every line is shown at once too."""

    show: Callable[[str], None]
    lines: list[str] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)

    def say(self, text: str = "") -> None:
        self.show(text)
        self.lines.append(text)

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Rows are shown as they come, for each may take a minute."""
        self.say(f"| {' | '.join(headers)} |\n|{'---|' * len(headers)}")
        for row in rows:
            self.say(f"| {' | '.join(str(cell) for cell in row)} |")
        self.say()

    def bar(self, what: str, bar: str, here: str, peers: str, met: bool | None) -> None:
        self.bars.append(Bar(what, bar, here, peers, None if met is None else bool(met)))
        self.show(f"-> {what}: {here} (bar {bar}; peers {peers})")

    def as_plain(self) -> dict[str, object]:
        return {"lines": self.lines, "bars": [asdict(bar) for bar in self.bars]}


def versions(packages: Sequence[str]) -> str:
    """The installed ones of these packages, with versions."""
    found = []
    for name in packages:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)


def read_page(text: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Per section the bars' rows and the text of an earlier page."""
    pieces = MARKED.split(text)
    sections = dict(zip(pieces[1::2], (piece.strip() for piece in pieces[2::2]), strict=True))
    rows: dict[str, list[str]] = {}
    for line in pieces[0].splitlines():
        found = re.match(r"\| \[(\w+)\]\(#", line)
        if found:
            rows.setdefault(found[1], []).append(line)
    return rows, sections


def page(order: Sequence[str], rows: Mapping[str, Sequence[str]], sections: Mapping[str, str]) -> str:
    """The whole page, sections in their order."""
    first = "\n".join([BARS, *(row for name in order for row in rows.get(name, ()))])
    rest = "\n\n".join(f"{MARK.format(name)}\n{sections[name]}" for name in order if name in sections)
    return f"{HEAD}\n{first}\n\n{rest}\n"


def section_text(name: str, title: str, about: str, lines: Sequence[str], packages: str, took: float) -> str:
    """The text of one section, under an anchor of its name."""
    body = "\n".join(lines).strip()
    return f'## <a id="{name}"></a>{title}\n\n`python benchmarks/run.py {name}`: {took / 60:.1f} minutes. {packages}.\n\n{about.strip()}\n\n{body}'
