"""`pellucid report`, and the language of what the other commands write, as they are typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[[str], Any]
EXPLAIN = "explain tiny.keras data.npz:x_test --index 0:3 --method saliency"


@pytest.fixture
def stored(pellucid_command: Command, tmp_path: Path) -> Path:
    """Records of three samples by two methods, in a file each."""
    for method in ("saliency", "integrated_gradients"):
        assert pellucid_command(f"explain tiny.keras data.npz:x_test --index 0:3 --method {method} --out {tmp_path / method}.safetensors").code == 0
    return tmp_path


def test_records_of_several_files_become_one_page(pellucid_command: Command, stored: Path) -> None:
    files = f"{stored / 'saliency.safetensors'} {stored / 'integrated_gradients.safetensors'}"
    ran = pellucid_command(f"report {files} --out {stored / 'r.html'} --no-evaluate --title Told")
    assert ran.code == 0, ran.err
    assert "2 records, 3 samples" in ran.out
    assert "pellucid evaluate" in ran.out
    page = (stored / "r.html").read_text(encoding="utf-8")
    assert "<h1>Told</h1>" in page
    assert page.count('<section class="front">') == 3
    assert page.count('<figure class="card">') == 6


def test_a_name_without_a_suffix_is_a_folder_of_cases(pellucid_command: Command, stored: Path) -> None:
    ran = pellucid_command(f"report {stored / 'saliency.safetensors'} --out {stored / 'cases_of'} --lang zh")
    assert ran.code == 0, ran.err
    index = (stored / "cases_of" / "index.html").read_text(encoding="utf-8")
    assert '<html lang="zh">' in index
    pages = sorted(path.name for path in (stored / "cases_of" / "cases").iterdir())
    assert pages == ["case-0001.html", "case-0002.html", "case-0003.html"]
    assert all(f'href="cases/{name}"' in index for name in pages)


def test_the_folder_of_a_plan_is_read(pellucid_command: Command, tmp_path: Path) -> None:
    assert pellucid_command(f"explain tiny.keras data.npz:x_test --index 0:4 --method saliency --out {tmp_path / 'many'}").code == 0
    ran = pellucid_command(f"report {tmp_path / 'many'} --out {tmp_path / 'r.html'}")
    assert ran.code == 0, ran.err
    assert "1 record, 4 samples" in ran.out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("report {place}/saliency.safetensors --out {place}/r.pdf", "no suffix that says what to write"),
        ("report {place}/saliency.safetensors --out {place}/r.html --lang xx", "xx"),
        ("report {place}/none.safetensors --out {place}/r.html", "none.safetensors"),
        (EXPLAIN + " --lang zh --out {place}/x.safetensors", "is for a report"),
        (EXPLAIN + " --lang xx --out {place}/x.html", "xx"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(pellucid_command: Command, stored: Path, line: str, said: str) -> None:
    ran = pellucid_command(line.format(place=stored))
    assert ran.code == 2
    assert said in ran.err
    assert not list(stored.glob("r.*")) + list(stored.glob("x.*"))


@pytest.mark.parametrize(
    "line",
    [
        EXPLAIN + " --no-evaluate",
        "visualize tiny.keras data.npz:x_test --view activation_map --index 0",
        "evaluate tiny.keras {place}/saliency.safetensors --metrics sparseness",
        "compare {place}/saliency.safetensors {place}/integrated_gradients.safetensors",
    ],
)
def test_other_commands_write_their_page_in_the_language_that_is_asked_for(pellucid_command: Command, stored: Path, line: str) -> None:
    ran = pellucid_command(f"{line.format(place=stored)} --lang zh --out {stored / 'x.html'}")
    assert ran.code == 0, ran.err
    assert '<html lang="zh">' in (stored / "x.html").read_text(encoding="utf-8")
