"""The pages made from the code are current, links lead somewhere, and the README's example runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def missing_links(page: Path, text: str) -> list[str]:
    """Relative links of a page that lead nowhere."""
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    near = [page.parent / link for link in links if not re.match(r"\w+:", link)]
    return [str(path) for path in near if not path.exists()]


def test_pages_are_current() -> None:
    ran = subprocess.run([sys.executable, ROOT / "docs" / "make.py", "--check"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert missing_links(page, page.read_text(encoding="utf-8")) == []


def test_a_broken_link_is_seen() -> None:
    assert missing_links(ROOT / "README.md", "[here](nowhere.md) [there](README.md) [web](https://example.org)") == [str(ROOT / "nowhere.md")]


@pytest.mark.slow
@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_example_of_the_readme_runs(readme: str, tmp_path: Path) -> None:
    code = re.findall(r"^```python\n(.*?)^```$", (ROOT / readme).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[0]
    train = "from pellucid.recipes.save import save\nfrom pellucid.recipes.train import train\nsave(train('cnn', 'mnist5000', epochs=1).model, 'cnn.keras')"
    for step in (train, code):
        ran = subprocess.run([sys.executable, "-c", step], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "report.html").exists()
