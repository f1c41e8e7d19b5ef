"""`pellucid visualize --all`: every view that serves a network, as one page, or as records."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from pellucid.api.inside import RUNS, Looked, look
from pellucid.apps import arguments, console, work
from pellucid.apps.quiet import start_for_settings
from pellucid.core.errors import SettingError
from pellucid.data.chosen import parse_index
from pellucid.store import load
from pellucid.views import VIEWS


def check(layer: str | None) -> None:
    """Raise where layers of one view were asked for beside all."""
    if layer is not None:
        raise SettingError(f"--all shows every layer, so that --layer {layer} says nothing; leave out one of the two.")


def check_alone(training: Path | None, records: Path | None) -> None:
    """Raise where what goes with all views was asked for beside one."""
    if training is not None:
        raise SettingError("--training goes with --all; a record of a training is put into a report by: pellucid report FILE.safetensors --out FILE.html")
    if records is not None:
        raise SettingError(f"--records goes with --all; the record of one view is written by --out {records}")


def run(
    path: Path,
    data: str | None,
    index: str | None,
    out: Path,
    pairs: Sequence[str],
    *,
    views: str | None,
    training: Path | None,
    records: Path | None,
    allow_unsafe: bool,
    lang: str,
    seed: int,
    class_names: str | None,
    preprocessing: str | None,
    output: str | None,
) -> None:
    """Look, write the page or the records, print what each view took, what was found, and which views gave nothing."""
    from pellucid.report.inside import PAGE, RECORDS, checked_goals, training_of, write

    arguments.check_file(out, (PAGE, RECORDS))
    if records is not None:
        checked_goals(out, arguments.check_file(records, (RECORDS,), "--records"))
    arguments.check_language(lang, out)
    wanted = None if views is None else arguments.parse_names(views, VIEWS)
    if "training" in (wanted or ()):
        raise SettingError("--view training cannot look back in time; give a record of the training: --training FILE.safetensors")
    earlier = training_of(training)
    parts = {run.view: VIEWS.load(run.view) for run in RUNS}
    settings = {name: given for name, given in arguments.parse_settings(pairs, parts).items() if given}
    for name, given in settings.items():
        start_for_settings(parts[name], given)
    start = time.perf_counter()
    model, x, more = (work.open_model(path, allow_unsafe), None, {}) if data is None else work.looked_at(path, data, ":", preprocessing, allow_unsafe)
    more.pop("indices", None)
    if class_names is not None:
        more["class_names"] = arguments.parse_class_names(class_names)
    samples = None if index is None or x is None else parse_index(index, len(x))
    more |= {"seed": seed, "network": path.stem, "output": output, "data": data}
    looked = look(model, x, samples=samples, views=wanted, settings=settings, training=earlier, progress=None, **more)
    write(looked, out, records=records, lang=lang, start=start)
    tell(looked)
    console.written(out)
    if records is not None:
        console.written(records)


def again(paths: Sequence[Path], out: Path, *, lang: str, title: str | None) -> None:
    """Write the page of stored records, without the network and its framework."""
    from pellucid.report.inside import PAGE, write

    arguments.check_file(out, (PAGE,))
    arguments.check_language(lang)
    stored = [record for path in paths for record in load(path)]
    looked = Looked.of(stored)
    write(looked, out, lang=lang, title=title)
    others = len(stored) - len(looked.records)
    shown = f"{len(looked.views)} view{'s' * (len(looked.views) != 1)}"
    console.say(shown + (f"; {others} record{'s that show' if others > 1 else ' that shows'} nothing of the inside left out" if others else ""))
    console.written(out)


def tell(looked: Looked) -> None:
    """Print a line for each view."""
    seconds = dict(looked.seconds)
    for view in looked.views:
        taken = f", {seconds.pop(view.view):.1f} s" if view.view in seconds else ""  # of a view that is there twice, of both together
        layers = len(view.values)
        console.say(f"{view.view}: {'the whole network' if list(view.values) == ['network'] else f'{layers} layer' + 's' * (layers != 1)}{taken}")
        console.show_findings(view)
    for name, reason in looked.missing.items():
        console.say(f"{name}: not shown; {reason}")
