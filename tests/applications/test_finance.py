"""The finance application: what the data's words mean, what is measured, which sentence follows from which number, and one run from data to report."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.applications.counterfactuals import Change, Changes
from pellucid.applications.trades import _finance_measures as measures
from pellucid.applications.trades import _finance_story as told
from pellucid.applications.trades import _finance_words as words
from pellucid.core.language import Language, speaking
from pellucid.data.dataset import Dataset
from pellucid.data.load import load

Array = np.ndarray
OTHER = Language("xx", lambda text: f"«{text}»")
"""A language in which every text is another, and none sorts where it did."""


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> tuple[Dataset, Dataset]:
    monkeypatch.delenv("PELLUCID_DATA", raising=False)
    return load("german_credit:train"), load("german_credit:test")


# Words


def test_every_word_of_the_data_has_its_meaning(embedded: tuple[Dataset, Dataset]) -> None:
    rows = np.concatenate([part.inputs for part in embedded])
    assert [wording.source for wording in words.WORDINGS] == list(rows.dtype.names or ())
    for wording in words.WORDINGS:
        if wording.words:
            assert {words.key_of(value) for value in rows[wording.source].tolist()} == set(wording.words), wording.source
            assert len(set(wording.words.values())) == len(wording.words)
        else:
            assert len(np.unique(rows[wording.source])) > 30


SOUTH = {
    "status of existing checking account": {"... < 0 DM": 274, "0 <= ... < 200 DM": 269, "no checking account": 394},
    "personal status and sex": {
        "male : divorced/separated": 50,
        "female : divorced/separated/married": 310,
        "male : single": 548,
        "male : married/widowed": 92,
    },
    "foreign worker": {"yes": 963, "no": 37},
}


def test_applicants_are_told_by_the_corrected_code_table(embedded: tuple[Dataset, Dataset]) -> None:
    """Counts of the source's words, and of what the code table of South German Credit calls them."""
    meant = {
        "checking account": {"none": 274, "overdrawn": 269, "200 DM or more, or salary for a year": 394},
        "personal status and sex": {
            "divorced or separated man": 50,
            "woman not single, or single man": 310,
            "married or widowed man": 548,
            "single woman": 92,
        },
        "foreign worker": {"no": 963, "yes": 37},
    }
    rows = np.concatenate([part.inputs for part in embedded])
    assert {column: {word: int((rows[column] == word).sum()) for word in known} for column, known in SOUTH.items()} == SOUTH
    said = [words.reworded(part) for part in embedded]
    rows = np.concatenate([part.inputs for part in said])
    assert {column: {word: int((rows[column] == word).sum()) for word in known} for column, known in meant.items()} == meant
    assert said[0].class_names == ("repaid", "not repaid")
    assert said[0].units == {"duration of the loan": "months", "amount of the loan": "DM", "age": "years"}
    assert rows["amount of the loan"].tolist() == np.concatenate([part.inputs["credit amount"] for part in embedded]).tolist()


def test_the_network_is_fed_the_same_in_every_language(embedded: tuple[Dataset, Dataset]) -> None:
    """Words have the order of their list, not of their letters; so the same seed gives the same network."""
    plain = words.reworded(embedded[0])
    wanted = words.table_of(plain).inputs(plain.inputs)
    with speaking(OTHER):
        said = words.reworded(embedded[0])
        found = words.table_of(said).inputs(said.inputs)
    assert said.inputs.dtype.names is not None
    assert said.inputs.dtype.names[0] == "«checking account»"
    assert set(found) == set(wanted) == {"numbers", "categories"}
    assert all((found[name] == wanted[name]).all() for name in wanted)
    assert found["categories"].max(axis=0).tolist() == [len(one.words) - 1 for one in words.WORDINGS if one.words]


def test_columns_are_left_out_and_unknown_words_stay(embedded: tuple[Dataset, Dataset]) -> None:
    fewer = words.reworded(embedded[0], words.PROTECTED)
    assert set(fewer.feature_names) == {one.name for one in words.WORDINGS} - {"personal status and sex", "age", "foreign worker"}
    assert [column.name for column in words.table_of(fewer, words.PROTECTED).columns] == list(fewer.feature_names)
    rows = embedded[0].inputs.copy()
    rows["housing"][0] = "tent"
    said = words.reworded(Dataset("x", "", rows, embedded[0].labels, (), "", "", (), {}))
    assert said.inputs["home"][0] == "tent"
    assert {column.name: column.categories for column in words.table_of(said).columns}["home"] == ("free of rent", "rented", "your own", "tent")


def test_only_what_a_person_could_change_is_changed(embedded: tuple[Dataset, Dataset]) -> None:
    training = words.reworded(embedded[0])
    row = training.inputs[:1].copy()
    row["checking account"], row["amount of the loan"], row["savings"], row["other instalments to pay"] = "overdrawn", 2000.0, "1,000 DM or more", "at stores"
    row["duration of the loan"], row["telephone"] = 24.0, "yes"
    found = words.choices_of(row, training)
    never = {
        "personal status and sex",
        "age",
        "foreign worker",
        "payment history",
        "purpose",
        "kind of job",
        "loans at this bank so far",
        "time in the present job",
    }
    assert not never & set(found)
    assert list(found["checking account"]) == ["0 to 200 DM", "200 DM or more, or salary for a year"]
    assert (found["savings"], found["telephone"], list(found["other instalments to pay"])) == ({}, {}, ["none"])
    amounts = {float(str(value)): weight for value, weight in found["amount of the loan"].items()}
    assert max(amounts) < 2000
    assert set(amounts) <= set(training.inputs["amount of the loan"].tolist())
    assert list(amounts.values()) == sorted(amounts.values())
    assert (
        found["amount of the loan"][min(amounts)]
        == 1 - (training.inputs["amount of the loan"] <= 2000).mean() + (training.inputs["amount of the loan"] <= min(amounts)).mean()
    )
    months = [float(str(value)) for value in found["duration of the loan"]]
    assert min(months) < 24 < max(months)
    assert 24 not in months
    assert found["checking account"]["0 to 200 DM"] == pytest.approx(49 / 800)


# Measures


def test_shares_and_their_intervals() -> None:
    """The ratio of means, and an interval that covers the truth of a population as often as it says."""
    values = np.random.default_rng(1).normal(size=(300, 3)) * [3, 1, 0.2]
    spans = measures.attribution_shares(values)
    sizes = np.abs(values).mean(axis=0)
    assert [one[0] for one in spans] == pytest.approx((sizes / sizes.sum()).tolist())
    assert sum(one[0] for one in spans) == pytest.approx(1)
    assert all(low < value < high for value, low, high in spans)
    covered = 0
    for seed in range(60):
        drawn = np.random.default_rng(seed + 10).normal(size=(80, 2)) * [3, 1]
        _value, low, high = measures.attribution_shares(drawn, seed=seed)[0]
        covered += low <= 0.75 <= high
    assert 51 <= covered <= 60


def test_the_difference_of_two_auc_is_that_of_all_pairs() -> None:
    draw = np.random.default_rng(0)
    labels = np.arange(60) % 3 == 0
    first, second = draw.random(60).round(1) + 0.5 * labels, draw.random(60).round(1)

    def pairs(scores: Array) -> float:
        won = [1.0 if high > low else 0.5 if high == low else 0.0 for high in scores[labels] for low in scores[~labels]]
        return float(np.mean(won))

    value, low, high = measures.auc_difference(first, second, labels.astype(int))
    assert value == pytest.approx(pairs(first) - pairs(second))
    assert 0 < low < value < high
    assert measures.auc_difference(first, first, labels.astype(int)) == (0, 0, 0)


def test_setting_a_column_is_counted() -> None:
    before = np.array([0.1, 0.4, 0.6, 0.9] * 10)
    found = measures.flip(before, before + 0.2)
    assert (found["rate"], found["turned"]) == (0.75, 10)
    assert found["change"][0] == pytest.approx(0.25)
    assert found["change"][1] > 0
    assert found["risk"] == pytest.approx([0.2, 0.2, 0.2])
    same = measures.flip(before, before)
    assert (same["change"], same["turned"]) == ([0, 0, 0], 0)


def test_a_group_of_few_has_no_interval() -> None:
    chosen = np.arange(40) < 4
    found = measures.group_of("few", chosen, np.full(40, 0.25), np.full(40, 0.6), np.full(40, 0.4), (np.arange(40) % 2), seed=0)
    assert (found["count"], found["contribution"]) == (4, [0.25, None, None])
    assert [round(found[name][0], 2) for name in ("refused", "refused_without", "bad")] == [1, 0, 0.5]
    assert told.brief(found["contribution"], told.points) == "+25.0 points"
    assert told.points_span(found["contribution"]) == "+25.0 points (too few for an interval)"


# Sentences


APPLICANTS = {"training": 800, "held_out": 200, "bad": 60, "refused": 33, "refused_bad": 22, "refused_good": 11, "granted_bad": 38, "granted_good": 129}


def found_of(**changed: Any) -> dict[str, Any]:
    """What a run finds, made up."""
    columns = {wording.source: [0.04, 0.03, 0.05] for wording in words.WORDINGS} | {"duration": [0.24, 0.2, 0.28]}
    setting = {"set_to": "50 years", "rate": 0.2, "change": [-0.03, -0.06, -0.01], "risk": [-0.02, -0.03, -0.01], "turned": 9}
    one = {"share": [0.04, 0.03, 0.05], "groups": [], "set": [setting]}
    auc = {"with": 0.82, "without": 0.81, "difference": [0.01, -0.01, 0.03], "another_seed": [0.002, -0.01, 0.01]}
    return {"applicants": APPLICANTS, "columns": columns, "auc": auc, "protected": dict.fromkeys(words.PROTECTED, one), **changed}


def test_what_is_said_of_the_answers_follows_their_counts() -> None:
    assert "lets more of those through" in told.answers(APPLICANTS)[1]
    assert "at least half" in told.answers({**APPLICANTS, "refused": 41, "refused_bad": 30, "granted_bad": 30})[1]
    none = told.answers({**APPLICANTS, "refused": 0, "refused_bad": 0, "refused_good": 0, "granted_bad": 60})
    assert "refuses nobody" in none[1]


def test_what_leaving_out_costs_is_said_only_where_it_is_shown() -> None:
    auc = found_of()["auc"]
    assert "is not shown, nor that it costs nothing" in told.cost(auc)[0]
    assert "the columns help" in told.cost({**auc, "difference": [0.05, 0.01, 0.09]})[0]
    assert "better without them" in told.cost({**auc, "difference": [-0.05, -0.09, -0.01]})[0]
    assert "+0.01 (95%: −0.01 to +0.03" in told.cost(auc)[0]


def test_what_a_protected_column_does_is_said_with_its_interval() -> None:
    one = found_of()["protected"]["age"]
    assert "−3.0 points (95%: −6.0 to −1.0), and 9 answers would turn. The interval leaves zero out." in told.protected_words("age", one)
    unsure = {**one, "set": [{**one["set"][0], "change": [-0.03, -0.06, 0.01]}], "groups": [{"group": "yes", "count": 3}]}
    text = told.protected_words("age", unsure)
    assert "no difference is shown" in text
    assert "Too few for intervals: yes (3)." in text
    assert told.protected_words("age", {**one, "set": []}).endswith("of all that moved the risk.")


def test_what_matters_overall_is_said_with_its_order() -> None:
    first = told.overall(found_of()["columns"], 200)
    assert "duration of the loan: 24.0% (95%: 20.0% to 28.0%)" in first[0]
    assert "above that of the second" in first[0]
    assert len(first) == 1
    columns = found_of()["columns"] | {"purpose": [0.23, 0.19, 0.27], "telephone": [0.01, 0.008, 0.012], "job": [0.014, 0.012, 0.016]}
    second = told.overall(columns, 200)
    assert "their order is not sure" in second[0]
    assert second[1] == "Surely below 1.5% each: telephone."


def test_what_would_have_to_change_is_told_in_words() -> None:
    row = np.array([("none", 24.0)], dtype=[("checking account", "U40"), ("duration of the loan", "f8")])
    change = Change({"checking account": "0 to 200 DM", "duration of the loan": 12.0}, 0.41, 0.1)
    grid = told.change_grid(Changes(0.7, (change,), 3, 5), row, "Applicant 3")
    assert grid.rows == (("41.0%", "checking account: 0 to 200 DM instead of none; and duration of the loan: 12 months instead of 24 months"),)
    sizes = {"1": 4, "2": 2, "3": 0, "none": 1}
    said = told.changing(
        {"asked": 7, "sizes": sizes, "columns": {"duration": 2, "savings account and bonds": 5}, "alone": {"duration": 1, "telephone": 3, "credit amount": 0}}
    )
    assert "One change suffices for 4, two for 2, three for 0; for 1 none was found." in said[1]
    assert "“savings”: 5 times" in said[2]
    assert said[3] == "So many of these refusals each column turns alone: telephone: 3; duration of the loan: 1."
    assert "no promise of a bank" in said[-1]
    assert told.changing({"asked": 0, "sizes": {}, "columns": {}}) == ("Nobody was refused, so nothing has to change.",)


def test_actions_follow_what_was_measured() -> None:
    every = told.actions(found_of(), 30)
    assert every[0].startswith("Leave personal status and sex, age and foreign work out: the AUC is 0.81 without them")
    assert any("30 are among the 800 trained on" in one for one in every)
    assert any("with “50 years” for everybody 9 answers turn" in one for one in every)
    assert any("grants 38 loans of 60" in one for one in every)
    still = {"share": [0.1, 0.1, 0.1], "groups": [], "set": []}
    calm = found_of(
        auc={**found_of()["auc"], "difference": [0.05, 0.02, 0.08]},
        applicants={**APPLICANTS, "refused_bad": 40, "granted_bad": 20},
        protected=dict.fromkeys(words.PROTECTED, still),
    )
    few = told.actions(calm, 300)
    assert len(few) == 1
    assert few[0].startswith("Decide whether")
    assert "telephone" in told.actions(found_of(columns=found_of()["columns"] | {"telephone": [0.01, 0.008, 0.012]}), 300)[-1]


# One run


@pytest.mark.slow
def test_a_run_from_data_to_report(tmp_path: Path, embedded: tuple[Dataset, Dataset]) -> None:
    """The numbers of `result.json` again, from the files that the run wrote: the network's risks, the refusals, and that each change that is told turns one."""
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    from pellucid import load_preprocessing
    from pellucid.applications import APPLICATIONS

    stages: list[str] = []
    result = APPLICATIONS.load("finance")(tmp_path / "out", quick=True, tell=stages.append)
    said = json.loads(result.file.read_text(encoding="utf-8"))
    assert said["quick"] is True
    assert "embedded" in said["data"]["german_credit"]["source"]
    assert [(one["network"], one["measure"]) for one in said["quality"]] == [("credit", "AUC"), ("credit", "accuracy"), ("credit-without", "AUC")]
    assert said["quality"][0]["value"] >= 0.72
    model, table = keras.models.load_model(result.networks["credit"]), load_preprocessing(result.networks["credit"])
    held = words.reworded(embedded[1])
    risks = model.predict(table.inputs(held.inputs), verbose=0)[:, 1]
    applicants = said["found"]["applicants"]
    assert applicants["refused"] == int((risks >= 0.5).sum()) > 0
    assert applicants["refused_bad"] == int(((risks >= 0.5) & (held.labels == 1)).sum())
    assert [one["risk"] for one in said["found"]["cases"]] == pytest.approx([float(risks[one["row"]]) for one in said["found"]["cases"]], abs=1e-5)
    rows = held.inputs.copy()
    rows["foreign worker"] = "yes"
    changed = model.predict(table.inputs(rows), verbose=0)[:, 1]
    setting = next(one for one in said["found"]["protected"]["foreign worker"]["set"] if one["set_to"] == "yes")
    assert setting["turned"] == int(((changed >= 0.5) != (risks >= 0.5)).sum())
    assert setting["risk"][0] == pytest.approx(float((changed - risks).mean()), abs=1e-5)
    assert "foreign worker" not in [column["name"] for column in load_preprocessing(result.networks["credit-without"]).settings()["columns"]]
    assert len(list((result.report.parent / "cases").glob("*.html"))) == len(said["found"]["cases"])
    pages = [path.read_text(encoding="utf-8") for path in (result.report.parent / "cases").glob("*.html")]
    refusals = [one for one in said["found"]["cases"] if one["kind"].startswith("refused")]
    assert sum("The reasons in an applicant" in page and "What would be otherwise" in page for page in pages) == len(refusals) > 0
    page = result.report.read_text(encoding="utf-8")
    assert all(text in page for text in ("Why were they refused?", "Grömping 2019", "quick try", "What would be otherwise"))
    assert sum(said["found"]["changes"]["sizes"].values()) == said["found"]["changes"]["asked"]
    assert said["found"]["changes"]["sizes"]["1"] <= sum(said["found"]["changes"]["alone"].values())
    assert said["actions"]


@pytest.mark.slow
def test_the_code_of_the_page_runs(
    tmp_path: Path, embedded: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorflow")
    page = Path(__file__).resolve().parents[2] / "docs" / "applications" / "finance.md"
    code = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(code), str(page), "exec"), {"__name__": "page"})  # noqa: S102
    assert {"refused.html", "columns.png"} <= {path.name for path in tmp_path.iterdir()}
    assert capsys.readouterr().out.count("{") >= 1
