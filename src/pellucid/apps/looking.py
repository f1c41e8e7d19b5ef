"""`pellucid visualize --all`: every view that serves a network, as one page, or as records."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from pellucid.api.inside import RUNS, Looked, look
from pellucid.apps import arguments, console, work
from pellucid.core.errors import SettingError
from pellucid.data.chosen import parse_index
from pellucid.store import save
from pellucid.views import VIEWS

SUFFIXES = (".html", ".safetensors")


def check(view: str | None, layer: str | None) -> None:
    """Raise where one view, or layers of one, were asked for beside all."""
    if view is not None:
        raise SettingError(f"--all shows every view, so that --view {view} says nothing; leave out one of the two.")
    if layer is not None:
        raise SettingError(f"--all shows every layer, so that --layer {layer} says nothing; leave out one of the two.")


def run(
    path: Path,
    data: str | None,
    index: str | None,
    out: Path,
    pairs: Sequence[str],
    *,
    training: Path | None,
    allow_unsafe: bool,
    lang: str,
    seed: int,
    class_names: str | None,
    preprocessing: str | None,
    output: str | None,
) -> None:
    """Look, write the page or the records, print what each view took, what was found, and which views gave nothing."""
    from pellucid.report.inside import render_file, training_of

    arguments.check_file(out, SUFFIXES)
    arguments.check_language(lang, out)
    earlier = training_of(training)
    parts = {run.view: VIEWS.load(run.view) for run in RUNS}
    settings = {name: given for name, given in arguments.parse_settings(pairs, parts).items() if given}
    start = time.perf_counter()
    model, x, more = (work.open_model(path, allow_unsafe), None, {}) if data is None else work.looked_at(path, data, ":", preprocessing, allow_unsafe)
    more.pop("indices", None)
    if class_names is not None:
        more["class_names"] = arguments.parse_class_names(class_names)
    samples = None if index is None or x is None else parse_index(index, len(x))
    looked = look(model, x, samples=samples, settings=settings, seed=seed, network=path.stem, output=output, progress=None, **more)
    looked = Looked((*looked.views, *earlier), looked.seconds, looked.missing)
    if out.suffix.lower() == ".html":
        render_file(looked, out, lang=lang, start=start)
    else:
        save(looked.views, out)
    tell(looked)
    console.written(out)


def tell(looked: Looked) -> None:
    """Print a line for each view."""
    for view in looked.views:
        taken = f", {looked.seconds[view.view]:.1f} s" if view.view in looked.seconds else ""
        layers = len(view.values)
        console.say(f"{view.view}: {'the whole network' if list(view.values) == ['network'] else f'{layers} layer' + 's' * (layers != 1)}{taken}")
        console.show_findings(view)
    for name, reason in looked.missing.items():
        console.say(f"{name}: not shown; {reason}")
