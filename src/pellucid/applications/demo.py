"""The demonstration: two networks trained on real digits, looked into, explained by every technique, and reported."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.adapters import adapt
from pellucid.api.explain import explain
from pellucid.api.inspect import inspect
from pellucid.api.quick import judged
from pellucid.api.visualize import visualize
from pellucid.core.evaluation import Evaluation, Record
from pellucid.core.files import made
from pellucid.core.model import Model
from pellucid.core.records import Explanation, Inspection, located
from pellucid.core.verdict import MIXED, NOT_SUPPORTED, SUPPORTED
from pellucid.core.view import View
from pellucid.data.dataset import Dataset
from pellucid.data.load import load
from pellucid.recipes.save import save as save_network
from pellucid.recipes.train import Trained, train
from pellucid.report import report
from pellucid.store import save as save_records

Array = np.ndarray
Watch = Callable[[str], AbstractContextManager[Any]]
Tell = Callable[[str], None]

DATASET = "mnist5000"
TECHNIQUES = ("saliency", "gradient_x_input", "smooth_grad", "grad_cam", "integrated_gradients", "lime", "shap")
NETWORKS: Mapping[str, Sequence[str]] = {"cnn": TECHNIQUES, "rnn": tuple(name for name in TECHNIQUES if name != "grad_cam")}
RIGHT, WRONG = 5, 2
"""How many held-out digits are explained: classified right, of different classes, and classified wrong by the CNN."""
BACKGROUND = 50
"""Training digits that SHAP compares with."""


@dataclass(frozen=True)
class DemoResult:
    """Where everything is, and what it says. `accuracy` and `networks` have one entry per network; `digits` are rows of the held-out set."""

    folder: Path
    report: Path
    records: Path
    networks: Mapping[str, Path]
    figures: Sequence[Path]
    accuracy: Mapping[str, float]
    digits: Sequence[int]
    explanations: Sequence[Explanation]
    evaluations: Sequence[Evaluation]
    seconds: float

    @property
    def poor(self) -> int:
        """Explanations of a single digit whose outcome warns."""
        return sum(not outcome.ok for explanation in self.explanations for outcome in explanation.outcome)

    def lines(self) -> tuple[str, ...]:
        """Where the files are and what they say."""
        accuracy = ", ".join(f"{name} {value:.1%}" for name, value in self.accuracy.items())
        count = sum(len(explanation) for explanation in self.explanations)
        words = Counter(verdict.word for trial in self.evaluations for verdict in trial.verdicts)
        evaluations = sum(int(explanation.cost.evaluations.sum()) for explanation in self.explanations)
        return (
            f"The report is {self.report}; {len(self.figures)} figures, the networks and records.safetensors lie beside it.",
            f"Right on held-out digits: {accuracy}. {len(self.digits)} of them explained, {evaluations:,} evaluations, {self.seconds:.0f} s in all.",
            f"{count - self.poor} of {count} explanations passed every check; {self.poor} carry a warning that the report puts in words beside the picture.",
            f"Worth believing, by a quick panel of metrics: {', '.join(f'{words[word]} {word}' for word in (SUPPORTED, MIXED, NOT_SUPPORTED))}.",
        )


def run(out: str | os.PathLike[str] = "pellucid-demo", *, seed: int = 0, watch: Watch | None = None, tell: Tell | None = None) -> DemoResult:
    """Train, visualize, explain and report into the folder `out`, which is made where it is missing.

    `watch(title)` gives a context manager whose value is called after each epoch of training; `tell(line)` is called before each stage.
    """
    started = time.perf_counter()
    folder = made(out)
    tell = tell or (lambda line: None)
    trained = {name: _trained(name, seed, watch) for name in NETWORKS}
    held = next(iter(trained.values())).held_out
    models = {name: adapt(one.model) for name, one in trained.items()}
    digits = choose(models["cnn"].predict(held.inputs), held)
    background = load(f"{DATASET}:train").inputs[:BACKGROUND]
    records: list[Record] = []
    explanations: list[Explanation] = []
    trials: list[Evaluation] = []
    for name, model in models.items():
        tell(f"explaining {len(digits)} digits to the {name}: {', '.join(NETWORKS[name])}")
        found = [located(one, f"{DATASET}:test", digits) for one in _explain(name, model, held.take(digits), background, seed)]
        tell(f"measuring whether to believe them: the {name}'s {len(found)} explanations")
        judgements = judged(found)[0]
        view, inspection = _inside(name, model, held.take(digits[:1]))
        explanations += found
        trials += judgements
        records += [*found, *judgements, located(view, f"{DATASET}:test", digits[:1]), inspection]
    tell("writing the report")
    networks = {name: save_network(one.model, folder / f"{name}.keras") for name, one in trained.items()}
    records_path, page = folder / "records.safetensors", folder / "report.html"
    save_records(records, records_path)
    report(records, page, title="Pellucid: two networks that read digits", figures=folder)
    figures = sorted(folder.glob("*.png"))
    accuracy = {name: one.accuracy for name, one in trained.items()}
    return DemoResult(folder, page, records_path, networks, figures, accuracy, digits, explanations, trials, time.perf_counter() - started)


def choose(outputs: Array, held: Dataset, right: int = RIGHT, wrong: int = WRONG) -> list[int]:
    """Rows of the held-out set: the first right one of each of `right` classes in order of appearance, then the first `wrong` wrong ones.

    Where there are too few wrong ones, more right ones make up for them.
    """
    labels = held.labels if held.labels is not None else outputs.argmax(axis=1)
    hits = outputs.argmax(axis=1) == labels
    missed = [int(row) for row in np.flatnonzero(~hits)[:wrong]]
    firsts: dict[int, int] = {}
    for row in np.flatnonzero(hits):
        firsts.setdefault(int(labels[row]), int(row))
    return [*list(firsts.values())[: right + wrong - len(missed)], *missed]


def _trained(name: str, seed: int, watch: Watch | None) -> Trained:
    with watch(f"training the {name} on {DATASET}") if watch else nullcontext() as progress:
        return train(name, DATASET, seed=seed, progress=progress)


def _explain(name: str, model: Model, digits: Dataset, background: Array, seed: int) -> list[Explanation]:
    """Every technique that serves the network, with its own default tolerance."""
    found = []
    for technique in NETWORKS[name]:
        found.append(
            explain(
                model,
                digits.inputs,
                technique,
                seed=seed,
                background=background if technique == "shap" else None,
                class_names=digits.class_names or None,
                labels=digits.labels,
                network=name,
            )
        )
    return found


def _inside(name: str, model: Model, digit: Dataset) -> tuple[View, Inspection]:
    """What happens inside for one digit: maps of every convolution, or the state over time; and the layer table."""
    labels = None if digit.labels is None else [int(label) for label in digit.labels]
    return visualize(model, digit.inputs, "activation_map", labels=labels, network=name), inspect(model)
