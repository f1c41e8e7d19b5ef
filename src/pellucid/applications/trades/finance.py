"""Applicants for a loan: why they were refused, what would have to change, and how much sex, age and foreign work count."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from pellucid.api.quick import judged
from pellucid.applications._quality import accuracy, auc
from pellucid.applications._work import Result, Tell, Watch, Work
from pellucid.applications.counterfactuals import smallest_changes
from pellucid.applications.trades import _finance_measures as measures
from pellucid.applications.trades import _finance_story as told
from pellucid.applications.trades import _finance_words as words
from pellucid.applications.trades._finance_bank import BAD, NETWORK, WITHOUT, Bank
from pellucid.core.language import said as _
from pellucid.core.language import speaking
from pellucid.data.dataset import Dataset
from pellucid.recipes.train import train
from pellucid.report.languages import language

Array = np.ndarray
SCORE = "probability"
KINDS = (("refused", 1), ("refused", 0), ("granted", 0), ("granted", 1))
"""The network's answer, and whether the applicant did not pay back; in the order in which cases are told."""
EACH, MANY, BACKGROUND = 3, 200, 100
EACH_QUICK, MANY_QUICK, BACKGROUND_QUICK = 1, 40, 20
EPOCHS_QUICK = 12
MOST_CHANGES, EVERY = 3, 99
"""Columns that change at once, at most, and sets of them that are kept: all."""


def finance(
    out: str | os.PathLike[str] = "pellucid-finance",
    *,
    seed: int = 0,
    lang: str = "en",
    quick: bool = False,
    watch: Watch | None = None,
    tell: Tell | None = None,
) -> Result:
    """Train a network on 800 applicants for a loan, explain its answers to 200 others, and report, into the folder `out`.

    The data is `german_credit`, which comes with Pellucid. The report says of single applicants why they were refused and what would have to change, of all of
    them which columns matter, and how much personal status and sex, age and foreign work contribute, with 95 % intervals over applicants.
    """
    work = Work.start("finance", out, seed=seed, lang=lang, quick=quick, watch=watch, tell=tell)
    source = work.load("german_credit")
    with speaking(language(lang)):
        bank, without = _trained(work, source)
        _measured(bank, source, without)
    return work.finish(lambda: told.story(bank))


def _trained(work: Work, source: tuple[Dataset, Dataset]) -> tuple[Bank, Array]:
    """The network, one without the protected columns, and a second training of the first; the risks that the one without them gives."""
    training, held = (words.reworded(part) for part in source)
    table = words.table_of(training)
    work.train(NETWORK, "embedding_mlp", (training, held), preprocessing=table, quick_epochs=EPOCHS_QUICK)
    outputs = work.outputs(NETWORK, held, table)
    bank = Bank(work, training, held, table, outputs[:, BAD])
    bank.typical = work.outputs(NETWORK, training, table)[:, BAD]
    labels = _labels(held)
    fewer = tuple(words.reworded(part, words.PROTECTED) for part in source)
    narrow = words.table_of(fewer[0], words.PROTECTED)
    work.train(WITHOUT, "embedding_mlp", (fewer[0], fewer[1]), preprocessing=narrow, quick_epochs=EPOCHS_QUICK)
    others = work.outputs(WITHOUT, fewer[1], narrow)
    work.tell("training the first network once more, with another seed, to see how much that alone changes")
    again = train("embedding_mlp", (training, held), epochs=EPOCHS_QUICK if work.quick else None, seed=work.seed + 1, preprocessing=table)
    second = again.model.predict(table.inputs(held.inputs), verbose=0)[:, BAD]
    work.qualities += [
        auc(NETWORK, bank.risks, labels, seed=work.seed),
        accuracy(NETWORK, outputs, labels),
        auc(WITHOUT, others[:, BAD], labels, seed=work.seed),
    ]
    work.found["auc"] = {
        "with": work.qualities[0].value,
        "without": work.qualities[2].value,
        "difference": list(measures.auc_difference(bank.risks, others[:, BAD], labels, seed=work.seed)),
        "another_seed": list(measures.auc_difference(bank.risks, second, labels, seed=work.seed)),
    }
    return bank, np.asarray(others[:, BAD])


def _measured(bank: Bank, source: tuple[Dataset, Dataset], without: Array) -> None:
    """Everything that the report's sentences rest on."""
    work, labels, refused = bank.work, _labels(bank.held), bank.risks >= measures.LIMIT
    counts = {f"{answer}_{'bad' if bad else 'good'}": int((refused == (answer == "refused"))[labels == bad].sum()) for answer, bad in KINDS}
    work.found["applicants"] = {"training": len(bank.training), "held_out": len(bank.held), "bad": int(labels.sum()), "refused": int(refused.sum()), **counts}
    _explained(bank)
    work.tell("asking what sex, age and foreign work contribute")
    work.found["protected"] = {source_name: _protected(bank, source[1], source_name, without) for source_name in words.PROTECTED}
    work.tell("looking for the fewest changes that turn a refusal")
    rows = [row for row, kind in bank.cases if kind.startswith("refused")] if work.quick else [int(row) for row in np.flatnonzero(refused)]
    for row in rows:
        one = bank.held.inputs[row : row + 1]
        bank.changes[row] = smallest_changes(bank.risk, one, words.choices_of(one, bank.training), limit=measures.LIMIT, most=MOST_CHANGES, count=EVERY)
    sizes = measures.sizes_of([one.size for one in bank.changes.values()], MOST_CHANGES)
    names = {_(wording.name): wording.source for wording in words.WORDINGS}
    firsts = [names[name] for one in bank.changes.values() if one.found for name in one.found[0].values]
    alone = [names[name] for one in bank.changes.values() if one.size == 1 for change in one.found for name in change.values]
    work.found["changes"] = {
        "asked": len(rows),
        "sizes": dict(sizes),
        "columns": {name: firsts.count(name) for name in sorted(set(firsts), key=firsts.index)},
        "alone": {wording.source: alone.count(wording.source) for wording in words.WORDINGS if wording.change != words.NEVER},
    }


def _explained(bank: Bank) -> None:
    """All held-out applicants, toward not paying back, and the cases, toward the network's own answer."""
    work, quick = bank.work, bank.work.quick
    labels, refused = _labels(bank.held), bank.risks >= measures.LIMIT
    background = bank.training.inputs[: BACKGROUND_QUICK if quick else BACKGROUND]
    options: dict[str, Any] = {"preprocessing": bank.table, "background": background, "score": SCORE}
    bank.explained = list(range(len(bank.held)))[: MANY_QUICK if quick else MANY]
    work.tell(f"explaining {len(bank.explained)} applicants: shap")
    bank.overall = work.explain(NETWORK, "shap", bank.held, bank.explained, case=False, target=BAD, **options)
    shares = measures.attribution_shares(bank.overall.values, seed=work.seed)
    named = dict(zip([bank.overall.feature_name(i) for i in range(len(shares))], shares, strict=True))
    work.found["columns"] = {wording.source: list(named[_(wording.name)]) for wording in words.WORDINGS}
    work.found["base"] = float(bank.risk(background).mean())
    for answer, bad in KINDS:
        rows = np.flatnonzero((refused == (answer == "refused")) & (labels == bad))
        order = rows[np.argsort(-bank.risks[rows], kind="stable")]
        bank.cases += [(row, f"{answer}_{'bad' if bad else 'good'}") for row in measures.spread(order.tolist(), EACH_QUICK if quick else EACH)]
    chosen = [row for row, _kind in bank.cases]
    work.tell(f"explaining {len(chosen)} cases, and measuring whether to believe it: shap, lime")
    bank.told = work.explain(NETWORK, "shap", bank.held, chosen, **options)
    lime = work.explain(NETWORK, "lime", bank.held, chosen, **options)
    work.records += judged([bank.told, lime], progress=False)[0]
    work.found["cases"] = [{"row": row, "kind": kind, "risk": float(bank.risks[row])} for row, kind in bank.cases]


def _protected(bank: Bank, source: Dataset, column: str, without: Array) -> dict[str, Any]:
    """What one column contributes to the risks of groups, and what happens when it is set to each of its values for everybody."""
    seed, name = bank.work.seed, _(words.BY_SOURCE[column].name)
    if bank.overall is None:
        return {}
    values = bank.overall.values[:, [bank.overall.feature_name(i) for i in range(bank.overall.values.shape[1])].index(name)].astype(np.float64)
    held, risks, others, labels = (array[bank.explained] for array in (bank.held.inputs[name], bank.risks, without, _labels(bank.held)))
    groups = [measures.group_of(said, chosen, values, risks, others, labels, seed=seed) for said, chosen in told.groups_of(column, held)]
    flips = []
    for said, value in told.settings_of(column, bank.training):
        rows = bank.held.inputs.copy()
        rows[name] = value
        flips.append({"set_to": said, **measures.flip(bank.risks, bank.risk(rows), seed=seed)})
    return {"share": bank.work.found["columns"][column], "groups": groups, "set": flips}


def _labels(data: Dataset) -> Array:
    return np.asarray(data.labels)
