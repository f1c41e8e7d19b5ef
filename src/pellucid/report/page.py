"""One self-contained page of records: it opens offline, asks nothing of any server, and shows every name as text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pellucid.api.quick import judged
from pellucid.core.evaluation import Record
from pellucid.core.files import made, write_whole
from pellucid.core.language import current, speaking
from pellucid.core.records import Explanation
from pellucid.report.folder import write_folder
from pellucid.report.languages import SOURCE, language
from pellucid.report.reasons import share_words
from pellucid.report.sections import Draft, Page, compose
from pellucid.report.speech import taught
from pellucid.report.story import Story
from pellucid.report.trust import LOOKS, MEANINGS


def report(
    records: Record | Sequence[Record],
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    figures: str | os.PathLike[str] | None = None,
    evaluate: bool = True,
    progress: bool | None = None,
    lang: str = SOURCE,
    story: Story | None = None,
) -> Path:
    """Write records as one HTML page, whole or not at all; `figures` is a folder that gets the same figures as PNG files.

    A path without a suffix is a folder: it gets `index.html`, and a page for each case. `lang` is the language of the page ("en", "zh"); `story` is what is
    told around the cases.

    Any mix of explanations, views, inspections, evaluations and comparisons makes a page, in any order: they are put together by network and by input, an
    evaluation stands with the explanation it is of, a comparison by itself.

    Every explanation gets a verdict, *supported*, *mixed* or *not supported*. Where no evaluation is given and the network is at hand, as for an explanation
    that was made in this process, it is measured now by a quick panel, which takes at most 242 evaluations a sample, and 2,000 or what the explanation itself
    took beside them. Else the page says that nobody looked, and how to. `evaluate=False` measures nothing; `progress` is as in `explain`.
    """
    with speaking(language(lang)):
        draft = _draft(records, title or (story.title if story else None), evaluate, progress, story.noun if story else "")
        if not Path(path).suffix:
            return write_folder(draft, made(path), story, _rendered, lambda page: None if figures is None else _write(page, figures))
        page = draft.page()
        written = write_whole(Path(path), render_page(page).encode())
        if figures is not None:
            _write(page, figures)
    return written


def render(records: Record | Sequence[Record], *, title: str | None = None, evaluate: bool = True) -> str:
    """The page's HTML."""
    return render_page(_draft(records, title, evaluate, None).page())


def write_figures(records: Record | Sequence[Record], folder: str | os.PathLike[str]) -> list[Path]:
    """Write the figures of a report as PNG files: `<network>-sample-<number>-<method>.png` and `<network>-view-<layer>.png`."""
    return _write(compose(_apart(_listed(records))), folder)


def render_page(page: Page) -> str:
    """A page's HTML, everything in it escaped."""
    return _rendered("page.html", page)


def _rendered(template: str, page: Page, **more: Any) -> str:
    """A template filled in; `case` is told of the page of a single case alone."""
    return _templates(current().tag).get_template(template).render(**{"page": page, "verdicts": MEANINGS, "looks": LOOKS, "case": None} | more)


@cache
def _templates(tag: str) -> Environment:
    """The templates in a language, which is spoken now, read once."""
    templates = taught(Environment(loader=PackageLoader("pellucid.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True))
    templates.globals["share_words"] = share_words
    return templates


def _draft(records: Record | Sequence[Record], title: str | None, evaluate: bool, progress: bool | None, noun: str = "") -> Draft:
    listed = _listed(records)
    found, reasons = judged(listed, progress=progress) if evaluate else ([], {})
    return Draft.of([*_apart(listed), *found], title, reasons, noun)


def _listed(records: Record | Sequence[Record]) -> list[Record]:
    return [records] if isinstance(records, Record) else list(records)


def _apart(records: Sequence[Record]) -> list[Record]:
    """Every record by itself; an explanation of several targets as one of each."""
    return [one for record in records for one in (record.split() if isinstance(record, Explanation) else (record,))]


def _write(page: Page, folder: str | os.PathLike[str]) -> list[Path]:
    place = made(folder)
    return [write_whole(place / f"{_file_name(picture.name)}.png", picture.png) for picture in page.pictures]


def _file_name(name: str) -> str:
    """No part of a name reaches outside its folder."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).lstrip(".")[:120]
