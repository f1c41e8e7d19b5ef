"""A report of many cases: a page for each, an index that finds them, memory that does not grow, and nothing half written."""

from __future__ import annotations

import re
import struct
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
import synthetic
from pellucid.core.errors import OutputError
from pellucid.core.records import Explanation, located
from pellucid.report import cases, sections
from pellucid.report.folder import SCRIPT
from pellucid.report.pictures import Picture
from pellucid.report.story import Chapter, Grid, Quality, Story

EVIL = "<script>alert(1)</script>"
STORY = Story(
    "Who is refused",
    "A network was asked about 300 applicants.",
    "Applicant",
    (Quality("net", "accuracy", 0.8125, (0.75, 0.86), 0.7, 300), Quality("net", "AUC", 0.55, (0.48, 0.62), 0.5, 300)),
    (Chapter(f"What matters {EVIL}", ("The first paragraph.",), (Picture("p", b"\x89PNG" + bytes(12) + struct.pack(">II", 8, 8), "a plot"),),
             (Grid(("what", "how much"), (("age", "0.5"),), "A table."),)),),
    ("Collect more of these.",),
    ("The first choice of data was not found.",),
)  # fmt: skip


def many(count: int, labels: bool = True) -> Explanation:
    """A record of so many digits, as different as they need be."""
    record = synthetic.explanation("shap", count)
    inputs = record.inputs + np.arange(count, dtype=np.float32)[:, None, None, None] / 1e4
    return replace(record, inputs=inputs, provenance=record.provenance | ({} if labels else {"labels": None}))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pictures of 100 kB that cost no drawing; the list counts them."""
    drawn: list[int] = []

    def picture(*arguments: Any, **more: Any) -> Picture:
        drawn.append(1)
        name = next(one for one in arguments[::-1] if isinstance(one, str))
        return Picture(name, b"\x89PNG" + bytes(12) + struct.pack(">II", 400, 300) + np.random.default_rng(len(drawn)).bytes(100_000), "a picture")

    monkeypatch.setattr(sections, "input_picture", picture)
    monkeypatch.setattr(sections, "explanation_pictures", lambda *arguments: (picture(*arguments),))
    monkeypatch.setattr(cases, "front_picture", picture)
    return drawn


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_each_case_has_a_page_and_the_index_leads_to_all(tmp_path: Path) -> None:
    record = located(synthetic.explanation("saliency", 3), "digits:test", [7, 70, 700])
    index = pellucid.report([record], tmp_path / "r", evaluate=False, story=STORY)
    assert index == tmp_path / "r" / "index.html"
    pages = [read(tmp_path / "r" / "cases" / f"case-000{i}.html") for i in (1, 2, 3)]
    assert [re.findall("<h1>(.*?)</h1>", page) for page in pages] == [["Applicant 7"], ["Applicant 70"], ["Applicant 700"]]
    links = [re.findall(r'<a (?:rel="\w+" )?href="([^"#]*\.html)"', page) for page in pages]
    assert links == [["../index.html", "case-0002.html"], ["../index.html", "case-0001.html", "case-0003.html"], ["../index.html", "case-0002.html"]]
    assert re.findall(r'<a href="(cases/[^"]*)">(.*?)</a>', read(index)) == [
        (f"cases/case-000{i + 1}.html", f"Applicant {n}") for i, n in enumerate((7, 70, 700))
    ]
    for page in pages:
        assert page.index('class="front"') < page.index("Technical appendix")
        assert "script" not in re.findall("Content-Security-Policy[^>]*", page)[0]


def test_what_is_told_of_one_case_stands_on_its_page_alone(tmp_path: Path) -> None:
    record = located(synthetic.explanation("saliency", 3), "digits:test", [7, 70, 700])
    beside = {
        (str(record.provenance["network"]), 70): (Chapter(f"What would change {EVIL}", ("Only this.",), grids=(Grid(("risk", "what"), (("44%", "less"),)),)),)
    }
    beside |= {("another network", 7): (Chapter("Of another network", ()),)}
    index = pellucid.report([record], tmp_path / "r", evaluate=False, story=replace(STORY, beside=beside))
    pages = [read(tmp_path / "r" / "cases" / f"case-000{i}.html") for i in (1, 2, 3)]
    assert ["What would change" in page for page in pages] == [False, True, False]
    assert EVIL not in pages[1]
    assert pages[1].index('class="front"') < pages[1].index("Only this.") < pages[1].index("44%") < pages[1].index("Technical appendix")
    assert not any("What would change" in page or "Of another network" in page for page in (read(index), *pages[::2]))


def test_the_index_tells_the_story(tmp_path: Path) -> None:
    page = read(pellucid.report([synthetic.explanation("saliency", 2)], tmp_path / "r", evaluate=False, story=STORY))
    order = ["Who is refused", "A network was asked", "The first choice of data", "How good it is on", "What matters", "The first paragraph.", "A table.",
             "What to do next", "Collect more", "All cases", "Technical appendix", "Reproduce"]  # fmt: skip
    body = page[page.index("<header>") :]
    nav = re.sub("<nav.*?</nav>", "", body, flags=re.DOTALL)
    places = [nav.index(text) for text in order]
    assert places == sorted(places)
    cells = [re.findall("<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall("<tr>(.*?)</tr>", nav, flags=re.DOTALL)]
    assert ["net", "accuracy", "81.2%", "75.0% to 86.0%", "70.0%", "yes", "300"] in cells
    assert ["net", "AUC", "0.55", "0.48 to 0.62", "0.5", "not shown", "300"] in cells
    assert EVIL not in page
    assert 'alt="a plot"' in page


def test_rows_hold_what_they_are_filtered_and_sorted_by(tmp_path: Path) -> None:
    record = synthetic.explanation("shap", 3)
    page = read(pellucid.report([record], tmp_path / "r", evaluate=False))
    rows = [dict(re.findall(r'data-(\w+)="([^"]*)"', row)) for row in re.findall("<tr data-number[^>]*>", page)]
    assert [row["number"] for row in rows] == ["1", "2", "3"]
    assert [row["outcome"] for row in rows] == ["wrong", "right", "right"]
    assert [float(row["confidence"]) for row in rows] == pytest.approx(record.prediction.max(axis=1), rel=1e-4)
    assert all(float(row["error"]) == pytest.approx(0.05, rel=1e-3) for row in rows)
    assert {row["verdict"] for row in rows} == {"not checked"}
    outputs = replace(record, prediction=np.array([[3.0], [2.0], [1.0]]), error=np.full_like(record.error, np.nan), error_kind="none")
    page = read(pellucid.report([outputs], tmp_path / "o", evaluate=False))
    rows = [dict(re.findall(r'data-(\w+)="([^"]*)"', row)) for row in re.findall("<tr data-number[^>]*>", page)]
    assert {(row["outcome"], row["confidence"], row["error"]) for row in rows} == {("unknown", "", "")}


def test_two_networks_stand_in_one_table(tmp_path: Path) -> None:
    records = [synthetic.explanation("saliency", 2), synthetic.rnn(synthetic.explanation("saliency", 2))]
    page = read(pellucid.report(records, tmp_path / "r", evaluate=False))
    assert re.findall('<td data-head="Network">(.*?)</td>', page) == ["CNN", "CNN", "RNN", "RNN"]
    assert len(list((tmp_path / "r" / "cases").iterdir())) == 4


def test_records_without_cases_have_an_index_without_a_table(tmp_path: Path) -> None:
    page = read(pellucid.report([synthetic.view(1), synthetic.compared(1)], tmp_path / "r"))
    assert "Activation maps" in page
    assert "SHAP, compared with LIME" in page
    assert "<script" not in page
    assert 'id="cases"' not in page
    assert not list((tmp_path / "r" / "cases").iterdir())


def test_the_policy_allows_the_script_and_nothing_else(tmp_path: Path) -> None:
    page = read(pellucid.report([synthetic.explanation("saliency", 1)], tmp_path / "r", evaluate=False))
    (policy,) = re.findall('Content-Security-Policy" content="([^"]*)"', page)
    assert re.fullmatch(r"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-[A-Za-z0-9+/]{43}='", policy)
    assert re.findall("<script>(.*?)</script>", page, flags=re.DOTALL) == [SCRIPT]
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_a_folder_that_is_written_again_holds_the_last_report_s_cases_alone(tmp_path: Path, undrawn: list[int]) -> None:
    pellucid.report([many(4)], tmp_path / "r", evaluate=False)
    (tmp_path / "r" / "cases" / "case-notes.html").write_text("somebody's own")
    pellucid.report([many(2)], tmp_path / "r", evaluate=False)
    assert sorted(path.name for path in (tmp_path / "r" / "cases").iterdir()) == ["case-0001.html", "case-0002.html", "case-notes.html"]


def test_an_index_is_written_last_so_that_it_leads_nowhere_in_vain(tmp_path: Path, undrawn: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> Picture:
        if len(undrawn) > 4:
            raise OutputError("the disk is full")
        undrawn.append(1)
        return Picture("x", b"\x89PNG" + bytes(12) + struct.pack(">II", 4, 3), "")

    monkeypatch.setattr(cases, "front_picture", broken)
    with pytest.raises(OutputError):
        pellucid.report([many(5)], tmp_path / "r", evaluate=False)
    assert not (tmp_path / "r" / "index.html").exists()
    assert all(read(path).endswith("</html>") for path in (tmp_path / "r" / "cases").iterdir())


def test_figures_of_a_folder_are_those_of_the_page(tmp_path: Path) -> None:
    record = synthetic.explanation("saliency", 2)
    for goal in ("a.html", "b"):
        pellucid.report([record], tmp_path / goal, evaluate=False, figures=tmp_path / f"figures of {goal}")
    first, second = (sorted(path.name for path in (tmp_path / f"figures of {goal}").iterdir()) for goal in ("a.html", "b"))
    assert first == second


def peak_of(count: int, folder: Path) -> float:
    """Peak memory of a report of so many cases beyond its records, in MB."""
    record = many(count)
    tracemalloc.start()
    pellucid.report([record], folder, evaluate=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def test_200_cases_take_the_memory_of_one(tmp_path: Path, undrawn: list[int]) -> None:
    peak_of(2, tmp_path / "warm")
    few, much = peak_of(20, tmp_path / "few"), peak_of(200, tmp_path / "many")
    assert len(list((tmp_path / "many" / "cases").iterdir())) == 200
    assert read(tmp_path / "many" / "index.html").count("<tr data-number") == 200
    assert sum(path.stat().st_size for path in (tmp_path / "many" / "cases").iterdir()) > 70e6, "the pages are large"
    assert much - few < 8, "what is kept of 180 more cases is a row of a table each"
