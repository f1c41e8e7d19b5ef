"""One self-contained page of records: it opens offline, asks nothing of any server, and shows every name as text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from pellucid.core.errors import OutputError
from pellucid.core.evaluation import Record
from pellucid.core.files import write_whole
from pellucid.core.records import Explanation
from pellucid.report.sections import Page, compose
from pellucid.report.words import shape_words


def report(
    records: Record | Sequence[Record], path: str | os.PathLike[str], *, title: str | None = None, figures: str | os.PathLike[str] | None = None
) -> Path:
    """Write records as one HTML page, whole or not at all; `figures` is a folder that gets the same figures as PNG files.

    Any mix of explanations, views, inspections, evaluations and comparisons makes a page, in any order: they are put together by network and by input, an
    evaluation stands with the explanation it is of, a comparison by itself.
    """
    page = compose(_listed(records), title)
    written = write_whole(path, render_page(page).encode())
    if figures is not None:
        _write(page, figures)
    return written


def render(records: Record | Sequence[Record], *, title: str | None = None) -> str:
    """The page's HTML."""
    return render_page(compose(_listed(records), title))


def write_figures(records: Record | Sequence[Record], folder: str | os.PathLike[str]) -> list[Path]:
    """Write the figures of a report as PNG files: `<network>-sample-<number>-<method>.png` and `<network>-view-<layer>.png`."""
    return _write(compose(_listed(records)), folder)


def render_page(page: Page) -> str:
    """A page's HTML, everything in it escaped."""
    templates = Environment(loader=PackageLoader("pellucid.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return templates.get_template("page.html").render(page=page, shape_words=shape_words)


def _listed(records: Record | Sequence[Record]) -> list[Record]:
    """Every record by itself; an explanation of several targets as one of each."""
    listed = [records] if isinstance(records, Record) else list(records)
    return [one for record in listed for one in (record.split() if isinstance(record, Explanation) else (record,))]


def _write(page: Page, folder: str | os.PathLike[str]) -> list[Path]:
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {str(place)!r}: {error.strerror or error}. Give a folder that you may write to.") from error
    return [write_whole(place / f"{_file_name(picture.name)}.png", picture.png) for picture in page.pictures]


def _file_name(name: str) -> str:
    """No part of a name reaches outside its folder."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).lstrip(".")[:120]
