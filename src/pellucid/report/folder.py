"""A report of many cases as a folder: an index with what was found and a table of all cases, and a page for each, made one at a time."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pellucid.core.files import made, write_whole
from pellucid.core.language import number, percent
from pellucid.core.language import said as _
from pellucid.report.cases import RIGHT, UNKNOWN, WRONG, Front, case_number
from pellucid.report.sections import Draft, Page
from pellucid.report.story import Chapter, Grid, Quality, Story
from pellucid.report.trust import LOOKS
from pellucid.report.words import flat

LETTERS = 70
"""Of a sentence, in the table of cases."""
SCRIPT = (Path(__file__).parent / "templates" / "index.js").read_text(encoding="utf-8")
Render = Callable[..., str]
"""(template, page, further values) → HTML."""


@dataclass(frozen=True)
class Steps:
    """Where a case's page stands among the others, files beside it, empty at the ends; and what is told of this case alone."""

    title: str
    name: str
    previous: str
    next: str
    chapters: tuple[Chapter, ...] = ()


@dataclass(frozen=True)
class Listed:
    """A row of the table of cases: what it is sorted and filtered by, and its cells under their heads."""

    file: str
    confidence: str
    error: str
    outcome: str
    answer: str
    verdict: str
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Index:
    """What the index says beside the technical part; options are (value, text)."""

    lead: str
    notes: Sequence[str]
    qualities: Grid
    chapters: Sequence[Chapter]
    actions: Sequence[str]
    rows: Sequence[Listed]
    heads: Sequence[str]
    marked: int
    outcomes: Sequence[tuple[str, str]]
    answers: Sequence[tuple[str, str]]
    verdicts: Sequence[tuple[str, str]]
    orders: Sequence[tuple[str, str]]
    script: str
    script_hash: str


def write_folder(draft: Draft, folder: Path, story: Story | None, render: Render, keep: Callable[[Page], object]) -> Path:
    """Write `index.html` and `cases/case-0001.html` …, each whole or not at all; the path of the index, which comes last. One page is held at a time, and
    `keep` is shown it. Pages of an earlier report that has had more cases are taken away."""
    total, several = sum(len(one.samples) for one in draft.groups), len(draft.groups) > 1
    cases, rows = made(folder / "cases"), []
    for place, (found, page) in enumerate(draft.cases(), start=1):
        front = page.networks[0].samples[0].front
        if front is None:
            continue
        around = (_file(place - 1) if place > 1 else "", _file(place + 1) if place < total else "")
        beside = story.beside.get((page.networks[0].name, case_number(found)), ()) if story else ()
        steps = Steps(draft.title or page.title, front.name, *around, beside)
        page = replace(page, title=_("{case} – {title}").format(case=front.name, title=steps.title))
        write_whole(cases / _file(place), render("case.html", page, case=steps).encode())
        keep(page)
        rows.append(_listed(front, f"cases/{_file(place)}", page.networks[0].name if several else ""))
    for path in cases.glob("case-*.html"):
        if re.fullmatch(r"case-\d{4,}\.html", path.name) and int(path.stem[5:]) > total:
            path.unlink()
    page = draft.around()
    keep(page)
    return write_whole(folder / "index.html", render("index.html", page, index=_index(page, rows, story)).encode())


def _file(place: int) -> str:
    return f"case-{place:04d}.html"


def _listed(front: Front, file: str, network: str) -> Listed:
    reasons, outcomes = front.reasons.all, dict(_outcomes())
    strongest = max(reasons, key=lambda one: abs(one.part.value)).name if reasons else "–"
    known = math.isfinite(front.confidence)
    name = _("{case} – {title}").format(case=front.name, title=flat(front.text, LETTERS)) if front.text else front.name
    cells = [
        (_("Case"), name),
        *([(_("Network"), network)] if network else []),
        (_("Answer"), front.short),
        (_("Right?"), outcomes[front.outcome]),
        (_("Probability"), percent(front.confidence) if known else "–"),
        (_("Strongest reason"), strongest),
        (_("Explanation"), _(front.reliability.word)),
        (_("Its error"), percent(front.error)),
    ]
    confidence, error = (f"{value:.6g}" if math.isfinite(value) else "" for value in (front.confidence, front.error))
    return Listed(file, confidence, error, front.outcome, front.short, front.reliability.word, tuple(cells))


def _outcomes() -> list[tuple[str, str]]:
    return [(RIGHT, _("right")), (WRONG, _("wrong")), (UNKNOWN, _("not known"))]


def _index(page: Page, rows: Sequence[Listed], story: Story | None) -> Index:
    story = story or Story(page.title, _("{sentence}.").format(sentence=page.summary), "")
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    answers = sorted({row.answer for row in rows})
    heads = [head for head, _cell in rows[0].cells] if rows else []
    return Index(
        story.lead,
        story.notes,
        _qualities(story.qualities),
        story.chapters,
        story.actions,
        rows,
        heads,
        heads.index(_("Right?")) + 1 if heads else 0,
        [(key, text) for key, text in _outcomes() if any(row.outcome == key for row in rows)],
        [(answer, answer) for answer in answers],
        [(word, _(word)) for word in LOOKS if any(row.verdict == word for row in rows)],
        [
            ("number up", _("by number")),
            ("confidence up", _("least sure answer first")),
            ("confidence down", _("surest answer first")),
            ("outcome up", _("wrong answers first")),
            ("verdict up", _("least reliable explanation first")),
            ("error down", _("largest error of the explanation first")),
            ("error up", _("smallest error of the explanation first")),
        ],
        SCRIPT,
        f"sha256-{digest}",
    )


def _qualities(qualities: Sequence[Quality]) -> Grid:
    """How good networks are beside an answer that knows nothing."""
    heads = (_("Network"), _("Measure"), _("Value"), _("95% interval"), _("Always the commonest answer"), _("Better than that?"), _("Held-out cases"))
    return Grid(heads, tuple(_quality(one) for one in qualities))


def _quality(one: Quality) -> tuple[str, ...]:
    def written(value: float) -> str:
        return percent(value) if one.measure == "accuracy" else number(value)

    low, high = one.interval
    better = _("yes") if low > one.baseline else _("no") if high < one.baseline else _("not shown")
    interval = _("{low} to {high}").format(low=written(low), high=written(high))
    return (one.network, _(one.measure), written(one.value), interval, written(one.baseline), better, number(one.held_out))
