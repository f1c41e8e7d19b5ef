"""The index and the cases in a real browser: what the filter shows and the order it is in, on a desk and on a phone; and on paper, a case on one sheet."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest

import pellucid
import synthetic
from pellucid.core.records import Explanation
from pellucid.report import page as pages
from pellucid.report.folder import Listed, _index
from pellucid.report.sections import Draft

pytestmark = pytest.mark.skipif(browser.find() is None, reason="no Chromium or Chrome is installed")
DESK, PHONE = (1280, 900), (500, 900)
NO_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def rows(count: int) -> list[Listed]:
    """Cases whose keys are known: every third is wrong, every tenth has no probability."""
    found = []
    for i in range(count):
        confidence, error = "" if i % 10 == 9 else f"{(7 * i) % 97 / 97:.4f}", f"{(5 * i) % 89 / 89:.4f}"
        outcome, verdict, answer = ("wrong", "right", "right")[i % 3], ("supported", "mixed")[i % 2], f"answer {i % 4}"
        cells = (("Case", f"Case {i}"), ("Answer", answer), ("Right?", outcome), ("Probability", confidence), ("Explanation", verdict), ("Its error", error))
        found.append(Listed(f"cases/case-{i + 1:04d}.html", confidence, error, outcome, answer, verdict, cells))
    return found


def index_of(listed: Sequence[Listed]) -> str:
    around = Draft.of([synthetic.explanation("saliency", 1)], "Many", {}).around()
    return pages._rendered("index.html", around, index=_index(around, listed, None))


def shown(html: str, folder: Path, steps: str, size: tuple[int, int] = DESK) -> tuple[list[str], str, list[int], float]:
    """After steps in JavaScript: the cases that are to be seen, in their order, what is said of their number, the widths of the page, and milliseconds."""
    probe = f"""<script>addEventListener('load', () => {{
      const form = document.getElementById('choose');
      const set = (name, value) => {{ form.elements[name].value = value; form.dispatchEvent(new Event('input')); }};
      const start = performance.now();
      {steps}
      document.body.dataset.took = JSON.stringify(performance.now() - start);
      const seen = [...document.querySelectorAll('#cases tbody tr')].filter(row => row.offsetParent !== null);
      document.body.dataset.seen = JSON.stringify(seen.map(row => row.cells[0].textContent.trim()));
      document.body.dataset.page = JSON.stringify([innerWidth, document.documentElement.scrollWidth]);
    }})</script>"""
    folder.mkdir()
    (folder / "index.html").write_text(NO_POLICY.sub("", html).replace("</body>", f"{probe}</body>"), encoding="utf-8")
    dom = browser.visit(folder / "index.html", folder / "visit", size).dom.replace("&quot;", '"')
    seen = re.findall(r'data-seen="\[(.*?)\]"', dom)[0]
    said = re.findall(r'<output id="shown"[^>]*>(.*?)</output>', dom)[0]
    return re.findall(r'"(Case \d+)"', seen), said, browser.noted(dom, "page"), float(re.findall(r'data-took="([\d.]+)"', dom)[0])


@pytest.fixture(scope="module")
def index() -> str:
    return index_of(rows(60))


def names(numbers: Sequence[int]) -> list[str]:
    return [f"Case {i}" for i in numbers]


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_cases_are_filtered_and_sorted(index: str, tmp_path: Path, size: tuple[int, int]) -> None:
    all_of = rows(60)
    seen, said, (inner, needed), _took = shown(index, tmp_path / "all", "", size)
    assert (seen, said) == (names(range(60)), "60 of 60 cases")
    assert needed <= inner, "nothing is wider than the screen"
    seen, said, _page, _took = shown(index, tmp_path / "wrong", "set('outcome', 'wrong'); set('order', 'confidence down');", size)
    wrong = [i for i in range(60) if i % 3 == 0]
    known = sorted((i for i in wrong if all_of[i].confidence), key=lambda i: -float(all_of[i].confidence))
    assert seen == names([*known, *(i for i in wrong if not all_of[i].confidence)]), "those without a probability come last"
    assert said == "20 of 60 cases"
    seen, *_rest = shown(index, tmp_path / "error", "set('order', 'error up'); set('answer', 'answer 2'); set('verdict', 'supported');", size)
    assert seen == names(sorted((i for i in range(60) if i % 4 == 2 and i % 2 == 0), key=lambda i: float(all_of[i].error)))


def test_search_order_by_outcome_and_nothing_found(index: str, tmp_path: Path) -> None:
    seen, *_rest = shown(index, tmp_path / "text", "set('text', ' CASE 1'); set('order', 'outcome up');")
    found = [i for i in range(60) if str(i).startswith("1")]
    assert seen == names([*(i for i in found if i % 3 == 0), *(i for i in found if i % 3)])
    seen, said, *_rest = shown(index, tmp_path / "none", "set('text', 'no such'); if (document.getElementById('nothing').hidden) throw 1;")
    assert (seen, said) == ([], "0 of 60 cases")
    seen, *_rest = shown(index, tmp_path / "back", "set('order', 'error down'); set('order', 'number up'); set('text', '');")
    assert seen == names(range(60))


def test_thousands_of_cases_stay_quick(tmp_path: Path) -> None:
    html = index_of(rows(5000))
    steps = "set('order', 'confidence up'); set('outcome', 'right'); set('text', 'answer 1'); set('order', 'error down');"
    seen, _said, _page, took = shown(html, tmp_path / "many", steps)
    assert len(seen) == sum(i % 3 > 0 and i % 4 == 1 for i in range(5000))
    assert took < 2000, "four steps over 5,000 rows"
    assert len(html) < 5e6


def test_the_script_runs_under_its_policy_and_another_does_not(tmp_path: Path) -> None:
    html = index_of(rows(3))
    for name, text in (("own", html), ("other", html.replace("let count = 0;", "let count = 1;"))):
        (tmp_path / f"{name}.html").write_text(text, encoding="utf-8")
    own, other = (browser.visit(tmp_path / f"{name}.html", tmp_path / name) for name in ("own", "other"))
    assert own.console == []
    assert own.requests == []
    assert "3 of 3 cases" in own.dom
    assert other.console, "a script that is not the page's own is refused"
    assert '<form id="choose" hidden' in other.dom, "and the table stands as it is"
    assert other.dom.count("<tr data-number") == 3


def record_of_rows() -> Explanation:
    """Thirty columns, as many as breast cancer has."""
    draw = np.random.default_rng(0)
    given = {f"measurement number {i}": draw.normal(40, 9, 4) for i in range(30)}
    table = pellucid.Table.fit(given, units=dict.fromkeys(given, "mm"))
    weights = draw.normal(size=(30, 2))
    return pellucid.explain(lambda x: x @ weights, given, "shap", preprocessing=table, background=given, labels=[0, 1, 0, 1])[:1]


def paper(html: str, folder: Path, *, front_alone: bool = False) -> int:
    """Sheets of A4 that a page takes."""
    folder.mkdir()
    hidden = "<style>@media print { .appendix, #guide, #reproduce, footer { display: none } }</style></head>"
    (folder / "case.html").write_text(html.replace("</head>", hidden) if front_alone else html, encoding="utf-8")
    goal = folder / "case.pdf"
    command = [str(browser.find()), *browser.FLAGS, f"--user-data-dir={folder / 'profile'}", "--no-pdf-header-footer", f"--print-to-pdf={goal}"]
    subprocess.run([*command, (folder / "case.html").as_uri()], capture_output=True, timeout=120, check=False)
    return len(re.findall(rb"/Type\s*/Page\b", goal.read_bytes()))


@pytest.mark.parametrize("kind", ["picture", "table"])
def test_a_case_s_front_is_one_sheet_and_its_appendix_begins_another(kind: str, tmp_path: Path) -> None:
    record: Any = synthetic.varied(synthetic.explanation("integrated_gradients", 1)) if kind == "picture" else record_of_rows()
    pellucid.report([record, *([synthetic.explanation("saliency", 1)] if kind == "picture" else [])], tmp_path / "r")
    html = (tmp_path / "r" / "cases" / "case-0001.html").read_text(encoding="utf-8")
    assert paper(html, tmp_path / "front", front_alone=True) == 1
    assert paper(html, tmp_path / "whole") >= 2
    if kind == "table":
        long = re.sub(r'(<dl class="row">)(.*?)(</dl>)', lambda found: found[1] + 8 * found[2] + found[3], html, flags=re.DOTALL)
        assert paper(long, tmp_path / "long", front_alone=True) > 1, "what is too long is seen to be"


def test_a_case_fits_a_phone_and_asks_for_nothing(tmp_path: Path) -> None:
    wide = replace(record_of_rows(), class_names=("a class with quite a long name indeed", "another"))
    pellucid.report([wide], tmp_path / "r", evaluate=False)
    html = (tmp_path / "r" / "cases" / "case-0001.html").read_text(encoding="utf-8")
    (tmp_path / "case.html").write_text(browser.probed(html), encoding="utf-8")
    seen = browser.visit(tmp_path / "case.html", tmp_path / "visit", PHONE)
    inner, needed = browser.noted(seen.dom, "page")
    assert needed <= inner
    assert min(browser.noted(seen.dom, "widths")) > 100
    plain = browser.visit(tmp_path / "r" / "cases" / "case-0001.html", tmp_path / "plain")
    assert plain.console == []
    assert plain.requests == []
