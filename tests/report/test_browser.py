"""The page in a real browser: no complaint, no request, every picture there, names shown as text, no sideways scrolling on a phone."""

from __future__ import annotations

import browser
import pytest
from test_report import EVIL, evil_records

import synthetic
from pellucid.report import render, report

pytestmark = pytest.mark.skipif(browser.find() is None, reason="no Chromium or Chrome is installed")
PHONE = (500, 900)
"""Chromium's narrowest window."""


def records() -> list:
    return [
        *(synthetic.explanation(method, 2) for method in ("saliency", "integrated_gradients", "lime")),
        synthetic.view(1),
        synthetic.states(),
        *evil_records(),
    ]


@pytest.fixture(scope="module")
def visit(tmp_path_factory) -> browser.Visit:
    folder = tmp_path_factory.mktemp("page")
    path = report(records(), folder / "report.html", title=EVIL)
    return browser.visit(path, folder / "visit")


def test_no_complaint_and_no_request(visit) -> None:
    assert "</html>" in visit.dom
    assert visit.console == []
    assert visit.requests == []


def test_names_are_shown_as_text(visit) -> None:
    assert "<script" not in visit.dom
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in visit.dom


def test_every_picture_loads_and_the_page_fits_a_phone(tmp_path) -> None:
    page = render(records())
    (tmp_path / "page.html").write_text(browser.probed(page), encoding="utf-8")
    seen = browser.visit(tmp_path / "page.html", tmp_path / "visit", PHONE)
    widths = browser.noted(seen.dom, "widths")
    assert len(widths) == page.count("<img") > 10
    assert min(widths) > 100
    inner, needed = browser.noted(seen.dom, "page")
    assert needed <= inner


def test_the_browser_would_tell(tmp_path) -> None:
    """Planted faults are seen: a picture that is broken, one from a server, and what the policy forbids."""
    page = render(synthetic.inspection())
    foreign = page.replace("</main>", '<img src="http://127.0.0.1:9/x.png" alt=""><img src="data:image/png;base64,AAAA" alt=""></main>')
    (tmp_path / "open.html").write_text(browser.probed(foreign), encoding="utf-8")
    seen = browser.visit(tmp_path / "open.html", tmp_path / "open")
    assert "http://127.0.0.1:9/x.png" in seen.requests
    assert browser.noted(seen.dom, "widths") == [0, 0]
    (tmp_path / "closed.html").write_text(foreign.replace("</main>", "<script>1</script></main>"), encoding="utf-8")
    seen = browser.visit(tmp_path / "closed.html", tmp_path / "closed")
    assert len(seen.console) >= 2
    assert seen.requests == []
