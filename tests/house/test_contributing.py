"""The one-screen pages are true: each page's file is written where the page says, in a copy of the package, and then found and used."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ONE_SCREEN = 80
"""Lines, code included."""

MODEL = """
from pellucid.adapters.numpy_model import Dense, NumpyModel
model = NumpyModel([Dense(np.array([[2.0], [3.0]]), np.zeros(1))], (2,))
x = np.ones((1, 2))
"""
USE = {
    "add-a-method": MODEL
    + """
from pellucid.methods import METHODS as found
assert pellucid.explain(model, x, "squared_gradient").values.tolist() == [[4.0, 9.0]]
""",
    "add-a-view": MODEL
    + """
from pellucid.views import VIEWS as found
assert pellucid.visualize(model, x, "channel_mean").values["dense_0"].tolist() == [[5.0]]
""",
    "add-a-metric": MODEL
    + """
from pellucid.metrics import METRICS as found
explanation = pellucid.explain(model, x, "gradient_x_input")
assert pellucid.evaluate(model, explanation, "strongest_share")["strongest_share"].values.tolist() == [0.6]
""",
    "add-a-figure": MODEL
    + """
from pellucid.figures import FIGURES as found, png_bytes
artists = found.load("value_histogram")(pellucid.explain(model, x, "saliency"))
assert sum(a.get_height() for a in artists) == 2
assert png_bytes(artists[0].figure).startswith(b"\\x89PNG")
""",
    "add-a-framework": """
import json, pathlib, tempfile
from pellucid.adapters import ADAPTERS as found
path = pathlib.Path(tempfile.mkdtemp()) / "device.linear"
path.write_text(json.dumps({"weights": [[2.0], [3.0]], "bias": [0.5]}))
x = np.ones((1, 2))
for method in ("integrated_gradients", "shap"):
    np.testing.assert_allclose(pellucid.explain(str(path), x, method, target=0).values, [[2.0, 3.0]], rtol=1e-6)
""",
    "add-a-preprocessing": """
from pellucid.data import PREPROCESSINGS as found
from pellucid.data.preprocessing import of_json, to_json
dna = found.load("dna")(3)
assert of_json(to_json(dna)) == dna
explanation = pellucid.explain(lambda x: x @ np.arange(12.0)[:, None], ["GAT", "ACA"], "exact_shap", preprocessing=dna)
assert explanation.values.tolist() == [[2.0, 4.0, 11.0], [0.0, 5.0, 8.0]]
assert explanation.strongest(1, sample=0).names == ("place 3 = T",)
""",
    "add-a-language": """
from pellucid.core.language import number, percent, said, speaking
from pellucid.report.languages import language, languages
found = languages()
with speaking(language("de")):
    assert said("How to read this page") == "So liest man diese Seite"
    assert said("{good} of {count} explanations good").format(good=1, count=2) == "1 von 2 Erklärungen gut"
    assert said("Contents") == "Contents"
    assert (number(1234.5, 5), percent(0.125)) == ("1.234,5", "12,5\\N{NO-BREAK SPACE}%")
""",
    "add-a-data-set": """
from pellucid.data import DATASETS as found
from pellucid.data.load import load
assert load("stripes:train").inputs.shape == (100, 8, 8, 1)
""",
}
FILE = re.compile(r"^`src/(?P<path>pellucid/[\w/]+\.(?:py|po))`:\n\n```(?:python|po)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def example(page: str) -> tuple[str, str]:
    """Where the page's file goes, and its text."""
    found = FILE.findall((ROOT / "docs" / "contributing" / f"{page}.md").read_text(encoding="utf-8"))
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with every page's file in it."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "src" / "pellucid", folder / "pellucid", ignore=shutil.ignore_patterns("__pycache__"))
    for page in USE:
        path, code = example(page)
        assert not (folder / path).exists()
        (folder / path).write_text(code, encoding="utf-8")
    return folder


@pytest.mark.parametrize("page", USE)
def test_page_is_true(page: str, copy: Path) -> None:
    name = Path(example(page)[0]).stem
    code = f"import numpy as np, pellucid\nassert pellucid.__file__.startswith({str(copy)!r})\n{USE[page]}\nassert {name!r} in found"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(copy)}, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_examples_keep_the_house_rules(copy: Path) -> None:
    import house_checks

    faults = [fault for check in house_checks.CHECKS for fault in check(copy / "pellucid")]
    examples = [str(copy / example(page)[0]) for page in USE]
    assert [fault for fault in faults if fault.startswith(tuple(examples))] == []


@pytest.mark.parametrize("page", USE)
def test_page_is_one_screen(page: str) -> None:
    assert len((ROOT / "docs" / "contributing" / f"{page}.md").read_text(encoding="utf-8").splitlines()) <= ONE_SCREEN


def test_every_page_is_followed() -> None:
    assert {path.stem for path in (ROOT / "docs" / "contributing").glob("*.md")} == set(USE)
