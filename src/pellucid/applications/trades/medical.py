"""Medicine: chest X-rays, heartbeats and measurements of cell nuclei, from data to a report that says where, when, which, and how sure."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.api.quick import judged
from pellucid.applications._work import Result, Tell, Watch, Work
from pellucid.applications.trades import _medical_beats, _medical_cells, _medical_common, _medical_xray
from pellucid.applications.trades._medical_common import Case, Part
from pellucid.core.language import number, percent
from pellucid.core.language import said as _
from pellucid.core.verdict import MIXED, NOT_SUPPORTED, SUPPORTED
from pellucid.report.story import Chapter, Grid, Story
from pellucid.report.words import relative_error


def medical(
    out: str | os.PathLike[str] = "pellucid-medical",
    *,
    seed: int = 0,
    lang: str = "en",
    quick: bool = False,
    watch: Watch | None = None,
    tell: Tell | None = None,
) -> Result:
    """Train a network for each of three kinds of medical data, explain its answers and write the report into the folder `out`.

    Chest X-rays (`pneumoniamnist`, a CNN), heartbeats (`ecg5000`, an LSTM) and measurements of cell nuclei (`breast_cancer`, dense layers). Only the last come
    with the program; where one of the others is not to be had, its part is left out and the report says so. `quick` trains less and explains fewer cases.

    What it says of the X-rays: which regions of the picture moved the answer, and whether the border does without the centre, by filling either and by
    networks that saw nothing else. Of the beats: which steps, and whether the beat must stand where it stands. Of the nuclei: which measurements, and whether
    few would do. Of all: whether the explanations deserve belief. `Result.found` holds the numbers. What it cannot tell: docs/applications/medical.md.
    """
    work = Work.start("medical", out, seed=seed, lang=lang, quick=quick, watch=watch, tell=tell)
    parts = [part for make in (_medical_xray.part, _medical_beats.part, _medical_cells.part) if (part := make(work)) is not None]
    for part in parts:
        work.tell(f"whether to believe the explanations of {part.name}")
        part.trials = judged(part.told, progress=False)[0]
        work.records += part.trials
    work.found["reliability"] = {part.name: reliability(part) for part in parts}
    work.found["cases"] = {part.name: [_told_case(part, case) for case in part.cases] for part in parts}
    return work.finish(lambda: _story(work, parts))


def reliability(part: Part) -> dict[str, Any]:
    """How many explanations of each method have which verdict and passed all checks, and the largest relative numerical error."""
    found: dict[str, Any] = {}
    for explanation in part.told:
        trial = next((trial for trial in part.trials if trial.method == explanation.method), None)
        words = Counter() if trial is None else Counter(verdict.word for verdict in trial.verdicts)
        errors = [relative_error(explanation, row) for row in range(len(explanation))]
        known = [error for error in errors if error is not None and np.isfinite(error)]
        found[explanation.method] = {
            "cases": len(explanation),
            "verdicts": {word: words[word] for word in (SUPPORTED, MIXED, NOT_SUPPORTED)},
            "checks_passed": sum(outcome.ok for outcome in explanation.outcome),
            "largest_error": max(known) if known else None,
        }
    return found


def _told_case(part: Part, case: Case) -> dict[str, Any]:
    names = part.held.class_names
    return {"row": case.row, "kind": case.kind, "true": names[case.true], "answer": names[case.answer], "probability": round(case.probability, 4)}


def _story(work: Work, parts: Sequence[Part]) -> Story:
    chapters = [chapter for part in parts for chapter in part.chapters()]
    whats = _medical_common.listed([_(part.title) for part in parts])
    return Story(
        title=_("Medical data: what three kinds of network went by") if len(parts) == 3 else _("Medical data: what the networks went by"),
        lead=_(
            "For each kind of data ({kinds}) a network was trained, tried on held-out samples and explained. This report shows how an explanation is read; the "
            "data are small and old, and nothing here is fit for patients."
        ).format(kinds=whats),
        noun=_("Case"),
        qualities=tuple(work.qualities),
        chapters=(*chapters, _sure_chapter(work.found, parts), _cases_chapter(parts)),
        actions=tuple(action for part in parts for action in part.actions()),
        notes=_notes(work),
    )


def _notes(work: Work) -> tuple[str, ...]:
    if not work.quick:
        return tuple(work.notes)
    quick = _("This was a quick try: the networks were trained for fewer passes and fewer samples were explained, so the numbers are worse than they need be.")
    return (*work.notes, quick)


def _sure_chapter(found: Mapping[str, Any], parts: Sequence[Part]) -> Chapter:
    columns = (_("data"), _("method"), _("cases"), _("supported"), _("mixed"), _("not supported"), _("passed every check"), _("largest numerical error"))
    rows = []
    for part in parts:
        for explanation in part.told:
            one = found["reliability"][part.name][explanation.method]
            counts = (str(one["verdicts"][word]) for word in (SUPPORTED, MIXED, NOT_SUPPORTED))
            error = _("exact") if one["largest_error"] == 0 else _("not known") if one["largest_error"] is None else percent(one["largest_error"])
            rows.append((_(part.title), _method_name(explanation.method), str(one["cases"]), *counts, str(one["checks_passed"]), error))
    return Chapter(_("How sure the explanations are"), tuple(sure_words(found, [part.name for part in parts])), (), (Grid(columns, tuple(rows)),))


def _method_name(method: str) -> str:
    return {"shap": "SHAP", "integrated_gradients": _("Integrated Gradients")}[method]


def sure_words(found: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """How far explanations can be relied on, in sentences."""
    told = [one for name in names for one in found["reliability"][name].values()]
    total = sum(one["cases"] for one in told)
    counts = {word: sum(one["verdicts"][word] for one in told) for word in (SUPPORTED, MIXED, NOT_SUPPORTED)}
    said = [
        _(
            "Of {total} explanations of cases, {supported} are supported by what was measured: taking away what they name changes the answer more than taking "
            "away as much at random, and a network with random weights gets other ones. {mixed} are mixed, {against} not supported."
        ).format(total=total, supported=counts[SUPPORTED], mixed=counts[MIXED], against=counts[NOT_SUPPORTED])
    ]
    said += [agreement_words(name, found[name]) for name in names]
    said.append(
        _(
            "Both methods ask what the answer owes to this input against an average one, and share that choice. Where they agree, they may be wrong together. "
            "Neither says what would be seen in other patients, and nobody compared the reasons with a physician's."
        )
    )
    said.append(
        _(
            "Intervals are over held-out samples, for these networks alone: others that are trained alike from another seed may rank regions, steps and "
            "measurements otherwise."
        )
    )
    return said


def agreement_words(name: str, found: Mapping[str, Any]) -> str:
    """How far the two methods agree over many samples of one kind of data."""
    texts = {
        "xray": _("X-rays: SHAP and Integrated Gradients name the same strongest region in {same}; the ranks of all regions correlate by {ranks}."),
        "heartbeat": _("Heartbeats: SHAP and Integrated Gradients name the same strongest window in {same}; the ranks of all windows correlate by {ranks}."),
        "nuclei": _("Nuclei: SHAP and Integrated Gradients name the same strongest measurement in {same}; the ranks of all measurements correlate by {ranks}."),
    }
    where = found[{"xray": "where", "heartbeat": "when", "nuclei": "which"}[name]]
    ranks = _("an unknown amount") if where["agreement"] is None else _medical_common.number_span(where["agreement"])
    return texts[name].format(same=_medical_common.percent_span(where["same_strongest"]), ranks=ranks)


def _cases_chapter(parts: Sequence[Part]) -> Chapter:
    columns = (_("case"), _("why it was chosen"), _("it is"), _("the network's answer"), _("its probability"))
    rows = []
    for part in parts:
        for case in part.cases:
            names = [_(name) for name in part.held.class_names]
            head = _("{data}, held-out {row}").format(data=_(part.title), row=number(case.row))
            rows.append((head, _(case.kind), names[case.true], names[case.answer], percent(case.probability)))
    words = _(
        "Of every class the right answer that was surest, and of all right ones the least sure; of the mistakes of each kind the surest and the least sure. A "
        "false alarm is a healthy case that was called ill, a miss an ill one that was called healthy."
    )
    return Chapter(_("Which cases are told"), (words,), (), (Grid(columns, tuple(rows)),))
