"""One page of the inside of a network: its graph, and for the layer that is chosen in it whatever the views have found. Complete in itself, for any views."""

from __future__ import annotations

import base64
import hashlib
import math
import os
import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from pellucid.api._progress import Report, progress_after_patience, silent
from pellucid.api.inside import Looked, look
from pellucid.core.errors import InputError, OutputError, SettingError
from pellucid.core.evaluation import Record
from pellucid.core.files import write_whole
from pellucid.core.language import current, later, number, percent, speaking
from pellucid.core.language import said as _
from pellucid.core.view import SEVERITIES, Finding, View
from pellucid.report import inside_parts
from pellucid.report.graph_svg import graph_svg
from pellucid.report.inside_parts import Frames, Shot, Thumb
from pellucid.report.languages import SOURCE, language
from pellucid.report.speech import taught
from pellucid.report.views import caption_for
from pellucid.report.words import answers, plain_title, shape_words
from pellucid.store import load, save
from pellucid.views import VIEWS
from pellucid.views.graph import QUANTITIES

Array = np.ndarray
NETWORK, OUTPUT = "", "output"
"""The subject of what is of no single layer, and what views call the network's answer."""
FEW = 4
"""Layers that are named where a view was made of no more."""
OF_SOME = ("top_examples", "feature_visualization", "inversion")
"""Views that take long, so that they are made of some layers alone."""
OF_FEW_INPUTS = frozenset({"dead layer", "dead units", "saturated layer", "saturated units"})
"""What `activation_map` finds for a few inputs, and `activation_statistics` settles for a data set."""
OF_WEIGHTS = ("graph", "filters", "gradient_flow", "training")
"""Views of what a layer is, wherever it is used."""
PAGE, RECORDS = ".html", ".safetensors"
SCRIPT = (Path(__file__).parent / "templates" / "inside.js").read_text(encoding="utf-8")
Told = tuple[str, str, str]
"""A finding: its severity, what was found, what to do."""


@dataclass(frozen=True)
class Part:
    """What one view says of one subject."""

    title: str
    answers: str
    caption: str
    shots: tuple[Shot, ...] = ()
    frames: tuple[Frames, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """Everything about one layer, or, with the name `NETWORK`, about the whole."""

    name: str
    kind: str
    facts: tuple[tuple[str, str], ...]
    found: tuple[Told, ...]
    parts: tuple[Part, ...]
    sources: tuple[int, ...] = ()
    readers: tuple[int, ...] = ()
    absent: str = ""
    """Views that were made of other layers alone, in words."""
    commands: tuple[str, ...] = ()
    """What makes them of this one."""


@dataclass(frozen=True)
class Page:
    """The whole page; `looked` says of each view which layers it was made of and what it took, `missing` which gave nothing, with their reasons."""

    title: str
    facts: tuple[tuple[str, str], ...]
    svg: str
    whole: Sheet
    sheets: tuple[Sheet, ...]
    thumbs: tuple[Thumb, ...]
    found: tuple[tuple[str, int, Told], ...]
    missing: tuple[tuple[str, str], ...]
    looked: tuple[tuple[str, str, str], ...]
    seconds: float
    script: str
    script_hash: str


def inside(
    model: Any,
    x: Any = None,
    path: str | os.PathLike[str] = "inside.html",
    *,
    training: View | str | os.PathLike[str] | None = None,
    records: str | os.PathLike[str] | None = None,
    lang: str = SOURCE,
    title: str | None = None,
    **options: Any,
) -> Path:
    """Write a page of the inside of a network: its graph, and for each layer shape, cost, activations, filters, statistics, features and findings.

    Parameters
    ----------
    model: as for `visualize`; or records of it, a `View`, several, or files of them (.safetensors), of which the page is made without looking again.
    x: an array (rows, *shape), or what else `visualize` takes, streams apart. The first three rows are shown, others with `samples=[3, 17]`; views of a data
        set go through more of them.
    path: the page (.html); or a file of records (.safetensors), of which the page can be made at any time, without the network.
    training: a record of `pellucid.Recorder`, or a file of it, whose epochs a slider goes through; of one with snapshots the loss landscape shows the path.
    records: where the records are kept beside the page (.safetensors).
    lang: the language of the page ("en", "zh"). title: its heading.
    **options: labels, samples, views (names, where not all are wanted), settings ({view: {name: value}}), class_names, output, seed, network,
        preprocessing, allow_unsafe, progress.

    Returns the path that was written. A view that cannot serve the network, or fails, is listed on the page with its reason. It loads nothing from anywhere.
    """
    start = time.perf_counter()
    out, kept = checked_goals(path, records)
    speaker = language(lang)
    stored, trained = _records(model), training_of(training)
    if stored is None:
        looked = look(model, x, training=trained, **options)
    elif x is not None or options:
        told = ", ".join([*(["x"] if x is not None else []), *options])
        raise SettingError(f"records are shown as they are, so that {told} can say nothing; give the network to look again, or leave out {told}.")
    else:
        looked = Looked.of([*stored, *trained])
    return write(looked, out, records=kept, lang=speaker.tag, title=title, start=start, progress=options.get("progress"))


def checked_goals(path: str | os.PathLike[str], records: str | os.PathLike[str] | None) -> tuple[Path, Path | None]:
    """Where a page, or records, and the records beside it go, if their suffixes say so."""
    out, kept = Path(path), None if records is None else Path(records)
    if out.suffix.lower() not in (PAGE, RECORDS):
        raise OutputError(f"'{out}' should end in {PAGE}, for a page, or in {RECORDS}, for records of which the page can be made later.")
    if kept is not None and (kept.suffix.lower() != RECORDS or out.suffix.lower() != PAGE):
        raise OutputError(f"records='{kept}' beside '{out}': the records end in {RECORDS}, and the page beside which they are kept in {PAGE}.")
    return out, kept


def write(
    looked: Looked,
    out: Path,
    *,
    records: Path | None = None,
    lang: str = SOURCE,
    title: str | None = None,
    start: float | None = None,
    progress: bool | None = None,
) -> Path:
    """Write what was found: as a page, as records, or as both; each whole or not at all."""
    if not any(view.values for view in looked.views):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in looked.missing.items())
        raise InputError(f"there is nothing to show of the inside: {reasons or 'no view among the records'}.")
    if records is not None:
        save(looked.records, records)
    if out.suffix.lower() == RECORDS:
        return save(looked.records, out)
    with speaking(language(lang)), progress_after_patience("drawing", progress) as report:
        return write_whole(out, render(looked, title, start, report).encode())


def _records(given: Any) -> list[Record] | None:
    """Records, as they are or from files; None where something else was given."""
    listed = list(given) if isinstance(given, (list, tuple)) else [given]
    if not listed or not all(isinstance(one, Record) or _is_file(one) for one in listed):
        return None
    return [record for one in listed for record in (load(one) if _is_file(one) else [one])]


def _is_file(given: Any) -> bool:
    return isinstance(given, (str, os.PathLike)) and Path(given).suffix.lower() == RECORDS


def training_of(given: View | str | os.PathLike[str] | None) -> list[View]:
    """The record of a training, as it is or from a file; none where none is given."""
    if given is None or isinstance(given, View):
        return [] if given is None else [given]
    found = [record for record in load(given) if isinstance(record, View) and record.view == "training"]
    if not found:
        raise InputError(f"'{given}' holds no record of a training; make one: recorder = pellucid.Recorder(model, probe), pellucid.save(recorder.view, path).")
    return found


def render(looked: Looked, title: str | None = None, start: float | None = None, progress: Report = silent) -> str:
    """The page's HTML, in the language spoken now. `start` is when the looking began, by `time.perf_counter`."""
    page = composed(looked, title, start, progress)
    return _templates(current().tag).get_template("inside.html").render(page=page)


@cache
def _templates(tag: str) -> Environment:
    """The templates in a language, which is spoken now, read once."""
    return taught(Environment(loader=PackageLoader("pellucid.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True))


def composed(looked: Looked, title: str | None = None, start: float | None = None, progress: Report = silent) -> Page:
    """What the page says."""
    graph = next((view for view in looked.views if view.view == "graph"), None)
    names = list(graph.values) if graph is not None else list(dict.fromkeys(name for view in looked.views for name in view.values if name != "network"))
    answer = _answer(graph)
    shown = inside_parts.shown_inputs(looked.views)
    parts: dict[str, list[Part]] = {name: [] for name in (NETWORK, *names)}
    drawn = [view for view in looked.views if view is not graph]
    for place, view in enumerate(drawn):
        progress(place / len(drawn), view.view)
        for subject, part in _parts(view, names, answer, shown):
            parts[subject].append(part)
    findings = [(_subject(view.view, finding.layer, names, answer), finding) for view, finding in _settled(looked.views, answer)]
    by_name = {name: [finding for subject, finding in findings if subject == name] for name in (NETWORK, *names)}
    marks = {name: max((finding.severity for finding in found), default=0) for name, found in by_name.items()}
    some = {view.view: plain_title(view.view) for view in drawn if view.view in OF_SOME}
    sheets = tuple(_sheet(graph, name, names, parts[name], by_name[name], some) for name in names)
    order = sorted(findings, key=lambda pair: -pair[1].severity)
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    first = looked.views[0].provenance
    return Page(
        title or _("Inside {network}").format(network=first.get("network") or first.get("framework") or _("the network")),
        _facts(graph, looked.views, shown),
        "" if graph is None else graph_svg(graph, marks=marks),
        Sheet(NETWORK, "", (), tuple(map(_told, by_name[NETWORK])), tuple(parts[NETWORK])),
        sheets,
        inside_parts.thumbs(looked.views, shown),
        tuple((name, names.index(name) if name in names else -1, _told(finding)) for name, finding in order if finding.severity or name != NETWORK),
        tuple(_missing(looked.missing)),
        tuple(_looked(looked)),
        0.0 if start is None or not looked.seconds else time.perf_counter() - start,
        SCRIPT,
        f"sha256-{digest}",
    )


def _answer(graph: View | None) -> str:
    """The layer that gives the network's answer: the only one that feeds no other; empty where there are several, or none is known."""
    if graph is None:
        return NETWORK
    read = {source for told in graph.details.values() for source in told["inputs"].tolist()}
    ends = [name for name in graph.values if name not in read]
    return ends[0] if len(ends) == 1 else NETWORK


def _settled(views: Sequence[View], answer: str) -> Iterator[tuple[View, Finding]]:
    """What each view found, the gravest first, without what a few inputs seemed to show where the whole data set was asked, and without the news that the units
    of the network's answer belong to classes."""
    asked = {layer for view in views if view.view == "activation_statistics" for layer in view.values}
    for view in views:
        for finding in sorted(view.findings, key=lambda one: -one.severity):
            settled = view.view == "activation_map" and finding.code in OF_FEW_INPUTS and finding.layer in asked
            if not settled and not (finding.code == "class unit" and finding.layer == answer):
                yield view, finding


def _looked(looked: Looked) -> Iterator[tuple[str, str, str]]:
    """Of each view what it was made of and what it took."""
    layers: dict[str, list[str]] = {}
    for view in looked.views:
        layers.setdefault(view.view, []).extend(name for name in view.values if name != "network")
    for name, found in layers.items():
        of = ", ".join(found) if len(found) <= FEW else _("{count} layers").format(count=number(len(found)))
        taken = _("{seconds} s").format(seconds=number(looked.seconds[name], 2)) if name in looked.seconds else ""
        yield plain_title(name), of or _("the whole network"), taken


def _missing(missing: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each reason for which views gave nothing, once, with all of these."""
    views: dict[str, list[str]] = {}
    for name, reason in missing.items():
        views.setdefault(reason.removeprefix(f"view '{name}' "), []).append(plain_title(name))
    for reason, titles in views.items():
        yield ", ".join(titles), reason


def _told(finding: Finding) -> Told:
    return SEVERITIES[finding.severity], finding.told, finding.advised


def _subject(view: str, name: str, names: Sequence[str], answer: str) -> str:
    """The layer of the graph that a view means: of this name, or what the name begins with (a direction of a recurrent layer), or else the network. Of a layer
    that is used again, which has an entry for each use, the first is meant by views of its weights, and the last by others, which read it there."""
    if name in names:
        uses = [known for known in names if re.fullmatch(rf"{re.escape(name)}( \(\d+\))?", known)]
        return name if view in OF_WEIGHTS else uses[-1]
    if name == OUTPUT:
        return answer
    return max((known for known in names if name.startswith(known) and not name[len(known)].isalnum() and name[len(known)] != "_"), key=len, default=NETWORK)


def _parts(view: View, names: Sequence[str], answer: str, shown: Array) -> Iterator[tuple[str, Part]]:
    """What a view says, subject by subject."""
    shots: dict[str, list[Shot]] = {}
    for layer, shot in inside_parts.shots(view, shown):
        shots.setdefault(_subject(view.view, layer, names, answer), []).append(shot)
    frames: dict[str, list[Frames]] = {}
    for layer, one in inside_parts.frames(view, shown):
        frames.setdefault(_subject(view.view, layer, names, answer), []).append(one)
    for subject in dict.fromkeys((*shots, *frames)):
        words = caption_for(view, _("the chosen sample")) if subject in shots else ""
        asked = _(answers(view.view)[0]) if view.view in VIEWS else ""
        yield subject, Part(plain_title(view.view), asked, words, tuple(shots.get(subject, ())), tuple(frames.get(subject, ())))


def _sheet(graph: View | None, name: str, names: Sequence[str], parts: Sequence[Part], findings: Sequence[Finding], some: Mapping[str, str]) -> Sheet:
    if graph is None:
        return Sheet(name, "", (), tuple(map(_told, findings)), tuple(parts))
    told = graph.details[name]
    numbers = [math.nan if one in told["unknown"] else float(value) for one, value in zip(QUANTITIES, graph.values[name], strict=True)]
    place = {one: row for row, one in enumerate(names)}
    sources = tuple(place[one] for one in told["inputs"].tolist() if one in place)
    readers = tuple(place[other] for other in names if name in graph.details[other]["inputs"].tolist())
    activation = str(told["activation"][0])
    shape = tuple(None if size < 0 else int(size) for size in told["shape"].tolist())
    facts = [
        (_("kind"), _(KINDS[str(told["kind"][0])]) if str(told["kind"][0]) in KINDS else str(told["kind"][0])),
        *([(_("activation"), activation)] if activation and activation != "linear" else []),
        (_("output"), shape_words(shape) if shape else "–"),
        (_("parameters"), number(numbers[0])),
        (_("multiply-adds a sample"), _cost(numbers)),
        (_("output of a sample"), _("{count} bytes as float32").format(count=number(numbers[2])) if math.isfinite(numbers[2]) else "–"),
    ]
    titles = {part.title for part in parts}
    absent = {view: title for view, title in some.items() if title not in titles and numbers[0]}
    commands = tuple(f"pellucid visualize MODEL DATA --view {view} --layer {shlex.quote(name)} --out {view}.html" for view in absent)
    told_apart = "; ".join(absent.values())
    return Sheet(name, str(told["kind"][0]), tuple(facts), tuple(map(_told, findings)), tuple(parts), sources, readers, told_apart, commands)


def _cost(numbers: Sequence[float]) -> str:
    return _("{count} ({share} of the network's)").format(count=number(numbers[1]), share=percent(numbers[3])) if numbers[1] else number(0)


KINDS = {"Input": later("the network's input")}


def _facts(graph: View | None, views: Sequence[View], shown: Array) -> tuple[tuple[str, str], ...]:
    provenance = views[0].provenance
    facts = [(_("framework"), str(provenance.get("framework", "")))]
    if graph is not None:
        numbers = np.array([graph.values[name] for name in graph.values])
        facts += [
            (_("layers"), number(sum(str(graph.details[name]["kind"][0]) != "Input" for name in graph.values))),
            (_("parameters"), number(numbers[:, 0].sum())),
            (_("multiply-adds a sample"), number(numbers[:, 1].sum())),
        ]
    facts.append((_("data"), next((str(view.provenance["data"]) for view in views if "data" in view.provenance), "")))
    through = max((len(view.provenance.get("indices", ())) for view in views), default=0)
    if len(shown) and through:
        facts.append((_("samples"), _("{shown} shown, {through} gone through").format(shown=number(len(shown)), through=number(through))))
    return tuple(fact for fact in facts if fact[1])
