"""Records into the file that the user named: what is written follows from its suffix."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

from pellucid.apps import tables
from pellucid.core.comparison import Comparison
from pellucid.core.evaluation import Record
from pellucid.core.files import write_whole
from pellucid.core.language import ENGLISH
from pellucid.core.records import Explanation
from pellucid.core.view import View


def write(records: Sequence[Record], out: Path, title: str, *, evaluate: bool = True, lang: str = ENGLISH.tag) -> Path:
    """A report (.html), records (.safetensors), a table (.csv, .parquet), JSON (.json), one figure of the records (.png), or the graph of a network that can be
    zoomed (.svg); `evaluate` and `lang` as in `pellucid.report`."""
    suffix = out.suffix.lower()
    if suffix == ".html":
        from pellucid.report import report

        report(records, out, title=title, evaluate=evaluate, lang=lang)
    elif suffix == ".safetensors":
        from pellucid.store import save

        save(records, out)
    elif suffix == ".svg":
        from pellucid.report.graph_svg import graph_svg

        write_whole(out, "".join(graph_svg(record) for record in records if isinstance(record, View)).encode())
    elif suffix == ".json":
        explained = [record for record in records if isinstance(record, Explanation)]
        write_whole(out, f"[{', '.join(record.to_json() for record in explained)}]\n".encode())
    elif suffix in tables.SUFFIXES:
        tables.write([record for record in records if isinstance(record, (Explanation, Comparison))], out)
    else:
        _figure(records, out)
    return out


def _figure(records: Sequence[Record], out: Path) -> None:
    """Samples × methods and targets, samples × layers of a view, or the samples of a comparison."""
    from pellucid.figures import FIGURES, save
    from pellucid.report.views import view_pictures

    if isinstance(records[0], Comparison):
        save(FIGURES.load("difference")(records[0], sample=None)[0].figure, out)
        return
    explanations = [one for record in records if isinstance(record, Explanation) for one in record.split()]
    if not explanations and isinstance(records[0], View) and records[0].view in FIGURES and records[0].view != "activation_map":
        write_whole(out, below_each_other([picture.png for picture in view_pictures(records[0], 0, "view")]))
        return
    artists = FIGURES.load("comparison")(explanations) if explanations else FIGURES.load("layers")(records[0])
    save(artists[0].figure, out)


def below_each_other(pictures: Sequence[bytes]) -> bytes:
    """PNG files as one, each below the one before, on white."""
    opened = [Image.open(BytesIO(png)).convert("RGB") for png in pictures]
    sheet = Image.new("RGB", (max(one.width for one in opened), sum(one.height for one in opened)), "white")
    top = 0
    for one in opened:
        sheet.paste(one, (0, top))
        top += one.height
    written = BytesIO()
    sheet.save(written, "PNG")
    return written.getvalue()
