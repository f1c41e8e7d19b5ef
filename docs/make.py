"""Writes one page per method, per metric and per view from the code: `make docs`. `--check` only says whether the pages are current.

Each method's picture is made by the command that its page shows, on a digit CNN trained for the purpose, and so are those of the pages in `SHOWN`; a picture
that is there is kept, so that only new ones are drawn. `--redraw` draws all.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from pellucid.core.catalogue import Catalogue, settings_of
from pellucid.methods import METHODS
from pellucid.metrics import METRICS
from pellucid.views import VIEWS

HERE = Path(__file__).resolve().parent
FOLDERS = ("methods", "metrics", "views")
NOTE = "<!-- Written by docs/make.py from the class; change it there. -->\n"


PICTURES = HERE / "images" / "methods"
SAMPLE = 33
EXAMPLES = {"exact_shap": "--features patches:7", "shapley_interactions": "--features patches:7"}
"""Methods whose example needs other options than their family's."""

METRIC_EXAMPLES = {
    "efficiency": "    pellucid explain cnn.keras mnist5000:test --method shap --features patches:4 --out shares.safetensors\n"
    "    pellucid evaluate cnn.keras shares.safetensors --metrics efficiency --out trust.html",
    "random_label": '    pellucid.evaluate(model, explanation, {"random_label": {"network": trained_on_permuted_labels}})',
}
"""Of metrics that need other records, or what only Python can give."""
ON_A_DIGIT = f"pellucid explain cnn.keras mnist5000:test --index {SAMPLE} --method integrated_gradients,shap --features patches:4"
SHOWN = {
    "choices": [f"{ON_A_DIGIT} --vary baseline,fill,score --out choices.png"],
    "compare": [
        f"{ON_A_DIGIT} --out digit.safetensors",
        "pellucid compare digit.safetensors digit.safetensors --method integrated_gradients,shap --out compare.png",
    ],
}
"""Pages that are written by hand, and the commands of their pictures, the last of which writes it."""


def example(name: str) -> str:
    """The command whose picture a method's page shows."""
    takes = METHODS.load(name).accepts
    options = EXAMPLES.get(name, "--features patches:4" if "features" in takes else "")
    if "background" in takes and "fill" not in takes:
        options += " --background mnist5000:train[0:20]"
    return " ".join(f"pellucid explain cnn.keras mnist5000:test --index {SAMPLE} --method {name} {options} --out {name}.png".split())


def draw(names: list[str], shown: list[str]) -> None:
    """The pictures of some methods and pages, by a network trained now."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    command = Path(sys.executable).parent / "pellucid"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([command, "train", "cnn", "mnist5000", "--out", "cnn.keras"], cwd=folder, check=True)
        for name in names:
            words = example(name).split()
            subprocess.run([command, *words[1:-1], PICTURES / f"{name}.png"], cwd=folder, check=True)
        for page in shown:
            *before, last = (line.split() for line in SHOWN[page])
            for words in before:
                subprocess.run([command, *words[1:]], cwd=folder, check=True)
            subprocess.run([command, *last[1:-1], picture_of(page)], cwd=folder, check=True)


def picture_of(page: str) -> Path:
    """Where the picture of a page lies."""
    return PICTURES.parent / f"{page}.png"


def _text(part: type) -> str:
    """A docstring as Markdown: indented maths and examples become code blocks."""
    blocks = []
    for block in (inspect.getdoc(part) or "").split("\n\n"):
        body = textwrap.dedent(block)
        blocks.append(f"```\n{body}\n```" if block.startswith("    ") else f"```python\n{body}\n```" if block.startswith(">>>") else body)
    return "\n\n".join(blocks)


def _settings(part: type) -> str:
    parameters = inspect.signature(part).parameters
    lines = [f"- `{name}`: default `{parameters[name].default!r}`" for name in settings_of(part)]
    return "\n".join(lines) or "None."


def method_page(name: str) -> str:
    """One method's page."""
    part = METHODS.load(name)
    exact = part.error_kind == "exact"
    facts = {
        "name": f"`{name}`",
        "family": part.family,
        "needs": ", ".join(sorted(part.needs)) or "nothing but scores",
        "takes": ", ".join(f"`{option}`" for option in sorted(part.accepts)) or "–",
        "default tolerance": "– (exact)" if exact else f"{part.default_tolerance:g}",
        "default `max_evaluations`": f"{part.default_max_evaluations:,}",
        "error": part.error_kind.replace("_", " "),
        "source": part.citation,
    }
    table = "\n".join(["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts.items())])
    shown = f"A digit, and what `{name}` says of it:\n\n    {example(name)}\n\n![{part.title} of a digit](../images/methods/{name}.png)"
    return (
        f"{NOTE}\n# {part.title}\n\n{part.answers}\n\n{table}\n\n{_text(part)}\n\n## Example\n\n{shown}\n\n## Settings\n\n{_settings(part)}\n\n"
        "[Which method when](../which-method-when.md) says what this one cannot tell.\n"
    )


def metric_page(name: str) -> str:
    """One metric's page."""
    part = METRICS.load(name)
    drawn = any(setting in ("draws", "runs", "repeats", "units", "masks") for setting in settings_of(part))
    facts = {
        "name": f"`{name}`",
        "group": part.group,
        "better": part.better or "neither: it describes",
        "read against chance": "yes, beside random importances" if part.by_chance else "no",
        "interval": "of the mean, over samples and over what is drawn" if drawn else "of the mean, over samples",
        "needs": ", ".join(sorted(part.needs)) or "nothing but scores",
        "cost a sample": part.cost + (", and as much for each of the random importances" if part.by_chance and part.cost != "none" else ""),
        "source": part.citation,
    }
    table = "\n".join(["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts.items())])
    truth = " --truth 4,4,24,24" if "truth" in part.needs else ""
    command = METRIC_EXAMPLES.get(name, f"    pellucid evaluate cnn.keras records.safetensors --metrics {name}{truth} --out trust.html")
    return (
        f"{NOTE}\n# {part.title}\n\n{part.asks}\n\n{table}\n\n{_text(part)}\n\n## Example\n\n{command}\n\n## Settings\n\n{_settings(part)}\n\n"
        "[Whether to believe it](../trust.md) says how scores, chance and verdicts are read.\n"
    )


def view_page(name: str) -> str:
    """One view's page."""
    part = VIEWS.load(name)
    source = f"\n\nSource: {part.citation}." if part.citation else ""
    return f"{NOTE}\n# {part.title}\n\n{part.answers} Its name is `{name}`.{source}\n\n{_text(part)}\n\n## Settings\n\n{_settings(part)}\n"


def index_page(title: str, catalogue: Catalogue) -> str:
    """The list of a catalogue's pages."""
    parts = {name: catalogue.load(name) for name in catalogue.names()}
    rows = [f"| [{name}]({name}.md) | {part.title} | {getattr(part, 'answers', '') or part.asks} |" for name, part in parts.items()]
    return "\n".join([NOTE, f"# {title}", "", "| name | title | answers |", "|---|---|---|", *rows, ""])


def pages() -> dict[Path, str]:
    """Every page that is written, by its path."""
    found = {HERE / "methods" / f"{name}.md": method_page(name) for name in METHODS}
    found |= {HERE / "views" / f"{name}.md": view_page(name) for name in VIEWS}
    found |= {HERE / "metrics" / f"{name}.md": metric_page(name) for name in METRICS}
    found[HERE / "metrics" / "index.md"] = index_page("Metrics", METRICS)
    found[HERE / "methods" / "index.md"] = index_page("Methods", METHODS)
    found[HERE / "views" / "index.md"] = index_page("Views", VIEWS)
    return found


def stale() -> list[str]:
    """Pages that are missing, differ from the code, or speak of what is no longer there."""
    wanted = pages()
    there = {path for folder in FOLDERS for path in (HERE / folder).glob("*.md")}
    differing = {path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text}
    pictures = {PICTURES / f"{name}.png" for name in METHODS}
    undrawn = pictures ^ set(PICTURES.glob("*.png")) | {picture_of(page) for page in SHOWN if not picture_of(page).exists()}
    return sorted(str(path.relative_to(HERE)) for path in differing | (there - set(wanted)) | undrawn)


def main() -> int:
    if "--check" in sys.argv[1:]:
        found = stale()
        sys.stdout.write("".join(f"docs/{name} is not current: run make docs\n" for name in found))
        return 1 if found else 0
    wanted = pages()
    for path in PICTURES.glob("*.png"):
        if path.stem not in METHODS:
            path.unlink()
    redraw = "--redraw" in sys.argv[1:]
    undrawn = [name for name in METHODS if redraw or not (PICTURES / f"{name}.png").exists()]
    shown = [page for page in SHOWN if redraw or not picture_of(page).exists()]
    if undrawn or shown:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        draw(undrawn, shown)
    for folder in FOLDERS:
        (HERE / folder).mkdir(exist_ok=True)
        for path in set((HERE / folder).glob("*.md")) - set(wanted):
            path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(wanted)} pages in docs/methods, docs/metrics and docs/views\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
