"""`pellucid visualize --all`: the page, its records, what it refuses; and the graph as SVG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel

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
    assert "training: " in ran.out
    ran = pellucid_command(f"{base} --out {tmp_path}/inside.safetensors")
    assert ran.code == 0, ran.err
    (maps,) = (view for view in pellucid.load(tmp_path / "inside.safetensors") if view.view == "activation_map")
    assert len(maps) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--all --view graph --out wrong.html", "leave out one of the two"),
        ("--all --layer maps --out wrong.html", "leave out one of the two"),
        ("--all --out wrong.png", "known: .html"),
        ("--all --training data.npz --out wrong.html", "data.npz"),
        ("--all --lang xx --out wrong.html", "language"),
        ("--all --index 9 --out wrong.html", "9"),
        ("--training data.npz --out wrong.html", "--all"),
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
