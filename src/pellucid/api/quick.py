"""A quick look at whether to believe explanations, for reports: what it costs is bounded by what the explanations themselves did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pellucid.api._progress import progress_after_patience
from pellucid.api.evaluate import evaluate
from pellucid.core.errors import PellucidError, UnsupportedError
from pellucid.core.evaluation import Evaluation, Record, identity_of
from pellucid.core.model import Model
from pellucid.core.records import Explanation

STEPS, DRAWS = 10, 10
"""Of deletion and insertion, and of random importances beside them: 2 · (STEPS + 1) · (DRAWS + 1) evaluations a sample."""
EVALUATIONS = 2000
"""What explaining once more may take a sample, in all; always as much as the explanation itself did."""
MOST = 3
"""Networks of noise, or moved inputs, that are explained at most."""
NO_NETWORK = "the network is not at hand"


def quick(model: Any, explanation: Explanation, *, seed: int = 0) -> Evaluation:
    """Deletion and insertion beside chance, the map of networks of noise, and the map of inputs moved a little, at a bounded cost: 242 evaluations a sample for
    the first two, and for explaining once more 2,000 in all, or what the explanation itself took, if that is more. What that does not reach is left out, and
    `Evaluation.refused` says so. The metrics are those of `evaluate`, with fewer draws.

    >>> import numpy as np, pellucid
    >>> model = lambda x: x @ np.array([[1.0], [2.0], [0.0]])
    >>> quick(model, pellucid.explain(model, np.ones((1, 3)), "shap")).verdicts[0].word
    'mixed'
    """
    took = _took(explanation)
    times = max(EVALUATIONS // took, 1)
    moved = 0 if times < 3 else max(2, min(MOST, times // 2))
    drawn = min(MOST, times - moved)
    panel: dict[str, dict[str, Any]] = {
        "deletion": {"steps": STEPS},
        "insertion": {"steps": STEPS},
        "weight_randomisation": {"steps": 1, "draws": drawn},
    }
    if moved:
        panel["max_sensitivity"] = {"draws": moved}
    most = max(took, EVALUATIONS // (moved + drawn))
    again = {"max_evaluations": min(most, explanation.provenance.get("max_evaluations") or most)}
    found = evaluate(model, explanation, panel, draws=DRAWS, seed=seed, again=again, strict=False, progress=False)
    if moved:
        return found
    why = f"explains at least twice more, {2 * took:,} evaluations a sample, and a quick look takes {max(EVALUATIONS, took):,}"
    return replace(found, refused=dict(found.refused) | {"max_sensitivity": why})


def judged(records: Sequence[Record], *, progress: bool | None = None) -> tuple[list[Evaluation], dict[str, str]]:
    """Evaluations of those explanations that have none among the records, of several targets one each, and by `identity_of` why others could not be measured.
    Of an explanation that was made in this process the network is at hand, of one that was loaded it is not."""
    known = {record.identity for record in records if isinstance(record, Evaluation)}
    waiting = [(whole, one) for whole in records if isinstance(whole, Explanation) for one in whole.split() if identity_of(one) not in known]
    found, reasons, opened = list[Evaluation](), dict[str, str](), list[tuple[Any, Model]]()
    with progress_after_patience(f"whether to believe {len(waiting)} explanations", progress) as report:
        for number, (whole, one) in enumerate(waiting):
            try:
                found.append(_measured(one, _network(whole, opened)))
            except PellucidError as error:
                reasons[identity_of(one)] = str(error)
            report((number + 1) / len(waiting))
    return found, reasons


def _measured(explanation: Explanation, model: Model | None) -> Evaluation:
    if model is None:
        raise UnsupportedError(NO_NETWORK)
    found = quick(model, explanation)
    if not found.scores:
        raise UnsupportedError("; ".join(f"{name} {reason}" for name, reason in found.refused.items()))
    return found


def _network(explanation: Explanation, opened: list[tuple[Any, Model]]) -> Model | None:
    """The network of an explanation, each opened once."""
    held = None if explanation.continuation is None else explanation.continuation.network
    if held is None:
        return None
    model = next((model for other, model in opened if other == held), None)
    if model is None:
        model = held.model()
        opened.append((held, model))
    return model


def _took(explanation: Explanation) -> int:
    """The most evaluations that a sample took, those for other choices left out."""
    others = 0 if explanation.choices is None else explanation.choices.evaluations
    return max(int((explanation.cost.evaluations - others).max(initial=1)), 1)
