"""Views of tables from the command line: columns are called as the data set calls them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.core.language import number
from pellucid.figures.top_examples import top_examples

Command = Callable[[str], Any]


def test_columns_are_called_as_the_file_calls_them(pellucid_command: Command, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="relu", name="first"), layers.Dense(2, activation="softmax")])
    network.save(tmp_path / "net.keras")
    rows = np.random.default_rng(0).normal(size=(20, 3)).round(3)
    (tmp_path / "loans.csv").write_text("age,sum,years\n" + "\n".join(",".join(map(str, row)) for row in rows))
    ran = pellucid_command(f"visualize {tmp_path}/net.keras {tmp_path}/loans.csv --view top_examples --layer first --out {tmp_path}/out.safetensors")
    assert ran.code == 0, ran.err
    (view,) = pellucid.load(tmp_path / "out.safetensors")
    index = int(view.details[view.layers[0]]["most_index"][0, 0])
    held = {f"{name} = {number(value, 3)}" for name, value in zip(("age", "sum", "years"), rows[index], strict=True)}
    assert set(top_examples(view)[0].get_text().removeprefix(f"#{index}: ").split(", ")) == held
    ran = pellucid_command(
        f"visualize {tmp_path}/net.keras {tmp_path}/loans.csv --index 0:3 --view decision_boundary --set points=5 --set columns=age,years "
        f"--out {tmp_path}/slice.safetensors"
    )
    assert ran.code == 0, ran.err
    (view,) = pellucid.load(tmp_path / "slice.safetensors")
    assert view.provenance["resolved"]["axes"] == ["age", "years"]
