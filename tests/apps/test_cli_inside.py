"""`pellucid visualize --all`: the page, its records, what it refuses; and the graph as SVG."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.view import View

Command = Callable[[str], Any]
QUICK = "--set loss_landscape.points=3 --set inversion.budget=4 --set feature_visualization.budget=4 --set decision_boundary.points=5"


@pytest.mark.once
def test_a_page_of_the_network_alone(pellucid_command: Command, tmp_path: Path) -> None:
    ran = pellucid_command(f"visualize tiny.keras --all --out {tmp_path}/inside.html {QUICK}")
    assert ran.code == 0, ran.err
    page = (tmp_path / "inside.html").read_text()
    assert "Inside tiny" in page
    assert 'data-layer="1"' in page
    assert "graph: 4 layers" in ran.out
    assert "activation_map: not shown; looks at samples, and none were given." in ran.out


@pytest.mark.slow
@pytest.mark.once
def test_a_page_and_records_with_samples_and_a_training(pellucid_command: Command, tmp_path: Path) -> None:
    weights = np.eye(2)
    with pellucid.Recorder(NumpyModel([Dense(weights, np.zeros(2), "relu")], (2,)), np.ones((4, 2))) as recorder:
        for _ in range(3):
            weights *= 0.5
            recorder.epoch(loss=float(np.square(weights).sum()))
    pellucid.save(recorder.view, tmp_path / "training.safetensors")
    base = f"visualize tiny.keras data.npz:x_test --all --index 1,4 {QUICK}"
    ran = pellucid_command(f"{base} --training {tmp_path}/training.safetensors --lang zh --out {tmp_path}/inside.html")
    assert ran.code == 0, ran.err
    page = (tmp_path / "inside.html").read_text()
    assert '<html lang="zh">' in page
    assert page.count('class="sample-button"') == 2
    assert "样本 4" in page  # by its number in the data
    assert "data.npz:x_test" in page
    assert "training: " in ran.out
    ran = pellucid_command(f"{base} --out {tmp_path}/inside.safetensors")
    assert ran.code == 0, ran.err
    (maps,) = (record for record in pellucid.load(tmp_path / "inside.safetensors") if isinstance(record, View) and record.view == "activation_map")
    assert len(maps) == 2


@pytest.mark.slow
@pytest.mark.once
def test_what_tensorflow_would_have_programmers_do_otherwise_is_kept_back() -> None:
    script = (
        "import logging; from pellucid.apps.quiet import start_framework; start_framework(); "
        "log = logging.getLogger('tensorflow'); log.warning('5 out of the last 12 calls triggered tf.function retracing.'); log.warning('something else')"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ, "KERAS_BACKEND": "tensorflow"})
    assert "something else" in ended.stderr
    assert "retracing" not in ended.stderr


FRAMEWORKS = "tensorflow", "keras", "torch", "jax", "onnxruntime"
REPORT = """
import sys
import pellucid.apps.cli
code = pellucid.apps.cli.main(sys.argv[1:])
print([name for name in {frameworks} if name in sys.modules])
sys.exit(code)
"""


@pytest.mark.once
def test_the_page_of_records_is_the_same_and_needs_neither_network_nor_framework(pellucid_command: Command, place: Path, tmp_path: Path) -> None:
    kept, page, again = (tmp_path / name for name in ("kept.safetensors", "inside.html", "again.html"))
    ran = pellucid_command(f"visualize tiny.keras --all --out {page} --records {kept} {QUICK}")
    assert ran.code == 0, ran.err
    assert f"written: {kept}" in ran.out
    script = REPORT.format(frameworks=FRAMEWORKS)
    line = [sys.executable, "-c", script, "report", str(kept), "--inside", "--out", str(again)]
    ended = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(Path(pellucid.__file__).parents[1])})
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "[]"
    first, second = (TIMES.sub("", path.read_text(encoding="utf-8")) for path in (page, again))
    assert second == first
    assert "looks at samples, and none were given." in second  # why the other views are missing is kept as well


TIMES = re.compile(r"<span><b>made in</b>[^<]*</span>| · [^<·]* s(?=</dd>)")
"""Whatever says how long it took, which records do not keep."""


@pytest.mark.once
def test_a_page_of_some_views(pellucid_command: Command, tmp_path: Path) -> None:
    ran = pellucid_command(f"visualize tiny.keras --all --view filters,graph --out {tmp_path}/some.safetensors")
    assert ran.code == 0, ran.err
    assert [record.view for record in pellucid.load(tmp_path / "some.safetensors") if isinstance(record, View)] == ["graph", "filters"]


@pytest.mark.once
def test_records_of_another_network_or_of_no_inside(pellucid_command: Command, tmp_path: Path) -> None:
    for name, width in (("one", 2), ("other", 3)):
        model = NumpyModel([Dense(np.eye(2, width), np.zeros(width))], (2,))
        graph = pellucid.visualize(model, view="graph", network=name)
        pellucid.save(replace(graph, provenance={**graph.provenance, "fingerprint": f"of {name}"}), tmp_path / f"{name}.safetensors")
        pellucid.save(pellucid.explain(model, np.ones((1, 2)), "occlusion", network=name), tmp_path / f"explained_{name}.safetensors")
    page = f"--inside --out {tmp_path}/page.html"
    ran = pellucid_command(f"report {tmp_path}/one.safetensors {tmp_path}/explained_one.safetensors {page}")
    assert ran.code == 0, ran.err
    assert "1 view; 1 record that shows nothing of the inside left out" in ran.out
    (tmp_path / "page.html").unlink()
    ran = pellucid_command(f"report {tmp_path}/one.safetensors {tmp_path}/other.safetensors {page}")
    assert ran.code == 2
    assert "the records are of 2 networks, one (of one), other (of other), and a page" in ran.err
    ran = pellucid_command(f"report {tmp_path}/explained_one.safetensors {page}")
    assert ran.code == 2
    assert "no view among the records" in ran.err
    assert not list(tmp_path.glob("page.*"))
    ran = pellucid_command(f"report {tmp_path}/one.safetensors --out {tmp_path}/page.html")
    assert "--inside" in ran.out
    assert "evaluate" not in ran.out  # nothing was explained
    ran = pellucid_command(f"report {tmp_path}/explained_one.safetensors --no-evaluate --out {tmp_path}/page.html")
    assert "1 record, 1 sample; without evaluations: pellucid evaluate" in ran.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--all --view graph,grap --out wrong.html", "'grap'"),
        ("--all --view training --out wrong.html", "--training"),
        ("--view graph,filters --out wrong.html", "--all --view graph,filters"),
        ("--all --layer maps --out wrong.html", "leave out one of the two"),
        ("--all --out wrong.png", "known: .html"),
        ("--all --training data.npz --out wrong.html", "data.npz"),
        ("--all --lang xx --out wrong.html", "language"),
        ("--all --index 9 --out wrong.html", "9"),
        ("--training data.npz --out wrong.html", "--all"),
        ("--records kept.safetensors --out wrong.html", "--records goes with --all"),
        ("--all --records kept.html --out wrong.html", "--records 'kept.html' has no suffix"),
        ("--all --records kept.safetensors --out wrong.safetensors", "the page beside which they are kept in .html"),
        ("--all --set loss_landscape.path=no.safetensors --out wrong.html", "there is no file 'no.safetensors'"),
        ("--view activation_map --out wrong.svg", "known: .html"),
    ],
)
def test_mistakes_are_one_line(pellucid_command: Command, place: Path, options: str, said: str) -> None:
    ran = pellucid_command(f"visualize tiny.keras data.npz:x_test {options}")
    assert ran.code == 2
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not list(place.glob("wrong.*"))


def test_the_graph_as_svg_and_as_every_other_file(pellucid_command: Command, tmp_path: Path) -> None:
    for suffix in ("svg", "png", "html", "safetensors"):
        ran = pellucid_command(f"visualize tiny.keras --view graph --out {tmp_path}/graph.{suffix}")
        assert ran.code == 0, ran.err
    root = ElementTree.parse(tmp_path / "graph.svg").getroot()  # noqa: S314 - our own
    assert root.tag.endswith("svg")
    labels = [re.sub(r"_\d+,", ",", part.get("aria-label") or "") for part in root.iter() if part.get("class") == "layer"]
    assert labels == ["input, Input, 8 × 8 × 1", "maps, Conv2D, 6 × 6 × 3", "flatten, Flatten, 108", "scores, Dense, 3"]
