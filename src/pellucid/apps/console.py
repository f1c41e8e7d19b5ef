"""What the command line prints on stdout: tables and lines. Whatever comes from outside is shown as plain text."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pellucid.core.catalogue import Catalogue, settings_of
from pellucid.core.comparison import HEADINGS, Comparison
from pellucid.core.evaluation import Evaluation
from pellucid.core.recommendation import Recommendation
from pellucid.core.records import Explanation, Inspection
from pellucid.core.view import SEVERITIES, View
from pellucid.plans.explanations import Explanations
from pellucid.plans.folder import shard_name
from pellucid.plans.running import reasons

WIDTH_WITHOUT_TERMINAL = 160


def console() -> Console:
    """A console on stdout as it is now; wide where there is no terminal, so that a file or a pipe gets whole rows."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDTH_WITHOUT_TERMINAL
    return Console(width=width, highlight=False)


def say(text: str) -> None:
    """One line on stdout."""
    console().print(Text(text), soft_wrap=True)


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """A table; the columns named in `right` are set right."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold", title_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console().print(table)


def show_explanations(explanations: Sequence[Explanation], samples: Sequence[int]) -> None:
    """One row per method, target and sample; `samples` are the numbers the user chose."""
    rows = [
        (e.method, samples[i], e.target.labels[i], f"{e.score[i]:.4g}", int(e.cost.evaluations[i]), e.outcome[i].code, str(e.outcome[i]))
        for whole in explanations
        for e in whole.split()
        for i in range(len(e))
    ]
    score = f"score ({explanations[0].target.score})"
    show("", ("method", "sample", "target", score, "evaluations", "outcome", "in words"), rows, right=("sample", score, "evaluations"))


def show_choices(explanations: Sequence[Explanation], samples: Sequence[int]) -> None:
    """What choices make of each sample, method by method; nothing where none were varied."""
    varied = [one for one in explanations if one.choices is not None]
    if not varied:
        return
    from pellucid.report.choices import choice_words

    rows = [(one.method, samples[i], *choice_words(one, i)[:2]) for one in varied for i in range(len(one))]
    say("")
    show("", ("method", "sample", "which choice matters most", "what is strong under every choice"), rows, right=("sample",))


def show_comparison(found: Comparison) -> None:
    """What was done so that both could be compared, then one row a sample."""
    say(f"a: {found.names[0]}; b: {found.names[1]}")
    for note in found.notes:
        say(note)
    show("", HEADINGS, found.rows(), right=("sample", *HEADINGS[3:6]))


def show_plan(found: Explanations, *, going_on: bool) -> None:
    """How a plan over many samples ended: outcomes, and what failed and why."""
    failures = found.failures
    shards = found.manifest["result"]["shards"]
    again = "; the folder held some of it already" if going_on else ""
    say(f"{len(found):,} of {len(found) + len(failures):,} samples explained, in {shards:,} {'shard' if shards == 1 else 'shards'}{again}")
    show("", ("outcome", "samples"), [(code, f"{count:,}") for code, count in found.outcomes.items()], right=("samples",))
    if found.mended:
        say(f"damaged, and explained again: {', '.join(map(shard_name, found.mended))}")
    if failures:
        say(f"{len(failures):,} failed: {'; '.join(reasons(failures))}")


def show_view(view: View) -> None:
    """One row per layer of a view, then what was found."""
    show(
        view.view + (f", {len(view)} {'sample' if len(view) == 1 else 'samples'}" if len(view) else ""),
        ("layer", "axes", "shape"),
        [(name, ", ".join(view.axes[name]), array.shape) for name, array in view.values.items()],
    )
    show_findings(view)


def show_findings(view: View) -> None:
    """What a view found out, a line each."""
    for finding in view.findings:
        say(f"{SEVERITIES[finding.severity]}: {finding}")


def shape_words(shape: tuple[int | None, ...] | None) -> str:
    """A shape without its batch axis, in words.

    >>> shape_words((28, None, 1)), shape_words(None)
    ('28 × any × 1', 'unknown')
    """
    if shape is None:
        return "unknown"
    return " × ".join("any" if size is None else str(size) for size in shape) or "one number"


def show_inspection(found: Inspection, name: str) -> None:
    """Inputs, outputs and layers, then what serves the network and why the rest does not."""
    takes = f"input {shape_words(found.input_shape)}" if len(found.inputs) < 2 else f"{len(found.inputs)} inputs"
    gives = f"output {shape_words(next(iter(found.outputs.values()), None))}" if len(found.outputs) < 2 else f"{len(found.outputs)} outputs"
    ends = f"ends in {found.head}, " if found.head else "ends in no softmax or sigmoid, " if len(found.outputs) < 2 else ""
    say(f"{name}: {found.framework}, {takes}, {gives}, {ends}{found.parameters:,} parameters")
    if len(found.inputs) > 1:
        show("", ("input", "shape", "holds"), [(one.name, shape_words(one.shape), one.dtype or "numbers") for one in found.inputs])
        say("")
    if len(found.outputs) > 1:
        show("", ("output", "shape"), [(name, shape_words(shape)) for name, shape in found.outputs.items()])
        say("")
    rows = [(layer.name, layer.kind, shape_words(layer.shape), layer.activation or "–", f"{layer.parameters:,}") for layer in found.layers]
    show("", ("layer", "kind", "output", "activation", "parameters"), rows, right=("parameters",))
    for word, verdicts in (("method", found.methods), ("view", found.views)):
        say("")
        show("", (word, "serves", "why not"), [(name, "no" if reason else "yes", reason) for name, reason in verdicts.items()])


def show_methods(catalogue: Catalogue) -> None:
    """The table of methods, from their class attributes."""
    rows = []
    for name in catalogue.names():
        part = catalogue.load(name)
        tolerance = "–" if part.error_kind == "exact" else f"{part.default_tolerance:g}"
        takes = [f"--{option}" for option in sorted(part.accepts)] + [f"{setting}=" for setting in settings_of(part)]
        needs, error = ", ".join(sorted(part.needs)) or "–", part.error_kind.replace("_", " ")
        rows.append((name, part.title, part.answers, needs, ", ".join(takes) or "–", tolerance, error, part.citation))
    show("", ("name", "title", "answers", "needs", "takes", "default tolerance", "error", "source"), rows)
    say("\nname= is a setting: --set name=value on the command line, a keyword in Python.")


def show_views(catalogue: Catalogue) -> None:
    """The table of views, from their class attributes."""
    rows = []
    for name in catalogue.names():
        part = catalogue.load(name)
        defaults = inspect.signature(part).parameters
        settings = ", ".join(f"{setting}={'' if defaults[setting].default is None else defaults[setting].default}" for setting in settings_of(part))
        rows.append((name, part.title, part.answers, part.looks_at, ", ".join(sorted(part.needs)) or "–", settings or "–", part.citation))
    show("", ("name", "title", "answers", "looks at", "needs", "takes", "source"), rows)
    say(
        "\nname= is a setting, with what it is where nothing is said: --set name=value on the command line, a keyword in Python; what each means stands in "
        "docs/views. looks at: a few samples, a data set of any length, or none."
    )


def show_metrics(catalogue: Catalogue) -> None:
    """The table of metrics, from their class attributes."""
    rows = []
    for name in catalogue.names():
        part = catalogue.load(name)
        settings = ", ".join(f"{setting}=" for setting in settings_of(part))
        rows.append((name, part.group, part.asks, part.better or "–", ", ".join(sorted(part.needs)) or "–", settings or "–", part.cost, part.citation))
    show("", ("name", "group", "asks", "better", "needs", "takes", "cost a sample", "source"), rows)
    say("\nname= is a setting: --set metric.name=value on the command line, metrics={'metric': {'name': value}} in Python.")


def show_evaluations(evaluations: Sequence[Evaluation]) -> None:
    """A table of scores, then the verdict on each sample, method by method."""
    rows = [(found.method, *row) for found in evaluations for row in found.rows()]
    show("", ("method", "metric", "better", "mean", "95 % interval", "by chance", "lead over chance"), rows, right=("mean", "by chance"))
    for found in evaluations:
        for name, reason in found.refused.items():
            say(f"{found.method}: {name} not measured: it {reason}")
    show_verdicts(evaluations, range(max((len(found) for found in evaluations), default=0)))


def show_verdicts(evaluations: Sequence[Evaluation], samples: Sequence[int]) -> None:
    """Whether to believe each sample's explanation, method by method; nothing where nobody looked. `samples` are the numbers to show."""
    if not evaluations:
        return
    rows = [(found.method, samples[i], found.labels[i], verdict.word, str(verdict)) for found in evaluations for i, verdict in enumerate(found.verdicts)]
    say("")
    show("", ("method", "sample", "target", "verdict", "in words"), rows, right=("sample",))


def show_recommendation(found: Recommendation) -> None:
    """The table of methods, best first, and why others were left out."""
    show("", found.columns, found.rows(), right=("mean rank", "evaluations a sample"))
    for name, reason in found.left_out.items():
        say(f"{name} not tried: {reason}")
    say(f"taken: {found.best}\n")


def show_plain(catalogue: Catalogue) -> None:
    """Names and the first line of what each says of itself."""
    rows = []
    for name in catalogue.names():
        text = (catalogue.load(name).__doc__ or "").strip()
        rows.append((name, " ".join(text.split("\n\n")[0].split())))
    show("", ("name", "what it is"), rows)


def written(path: Path) -> None:
    """Says where a file is."""
    say(f"written: {path}")
