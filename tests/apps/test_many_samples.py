"""`pellucid explain … --out DIR`: any number of samples into a folder, gone on with by the same command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid

Command = Callable[[str], Any]
EXPLAIN = "explain tiny.keras data.npz:x_test --method integrated_gradients"


def compared(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "journal.jsonl"}


@pytest.mark.parametrize(("index", "numbers"), [(":", [0, 1, 2, 3, 4]), ("1:4", [1, 2, 3]), ("3", [3]), ("4,0,2", [4, 0, 2]), ("::-2", [4, 2, 0])])
def test_any_choice_of_samples(pellucid_command: Command, tmp_path: Path, index: str, numbers: list[int]) -> None:
    ran = pellucid_command(f"{EXPLAIN} --index {index} --out {tmp_path / 'out'} --shard-size 2 --class-names a,b,c --target b")
    assert ran.code == 0, ran.err
    assert f"{len(numbers)} of {len(numbers)} samples explained" in ran.out
    found = pellucid.Explanations(tmp_path / "out")
    assert found.numbers == numbers
    record = found.load()
    assert record.target.labels == ("b",) * len(numbers)
    assert record.provenance["labels"] == [number % 3 for number in numbers]
    assert (record.provenance["data"], record.provenance["network"]) == ("data.npz:x_test", "tiny")


def test_the_same_command_goes_on(pellucid_command: Command, tmp_path: Path) -> None:
    line = f"{EXPLAIN} --index : --out {tmp_path / 'out'} --shard-size 2"
    assert pellucid_command(line).code == 0
    whole = compared(tmp_path / "out")
    (tmp_path / "out" / "shard-00001.safetensors").unlink()
    ran = pellucid_command(line)
    assert ran.code == 0
    assert "held some of it already" in ran.out
    assert compared(tmp_path / "out") == whole
    assert "damaged" not in ran.out
    shard = tmp_path / "out" / "shard-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    assert "damaged, and explained again: shard-00002.safetensors" in pellucid_command(line).out
    assert compared(tmp_path / "out") == whole
    other = pellucid_command(line + " --seed 3")
    assert other.code == 2
    assert "seed: 0 there, 3 here" in other.err
    assert len(other.err.splitlines()) == 1


def test_several_methods_have_a_folder_each(pellucid_command: Command, tmp_path: Path) -> None:
    ran = pellucid_command(f"explain tiny.keras data.npz:x_test --method saliency,shap --features patches:4 --index : --out {tmp_path / 'two'}")
    assert ran.code == 0, ran.err
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["saliency", "shap"]
    assert len(pellucid.Explanations(tmp_path / "two" / "shap")) == 5


def test_what_fails_is_told_and_the_rest_goes_on(pellucid_command: Command, place: Path, tmp_path: Path) -> None:
    line = "explain tiny.keras data.npz:x_bad --method saliency"
    ran = pellucid_command(f"{line} --index : --out {tmp_path / 'out'}")
    assert ran.code == 0, ran.err
    assert "4 of 5 samples explained" in ran.out
    assert "1 failed: 1 × NonFiniteError, first sample 1" in ran.out
    strict = pellucid_command(f"{line} --index : --out {tmp_path / 'out'} --strict")
    assert strict.code == 2
    assert "1 × NonFiniteError" in strict.err
    all_failed = pellucid_command(f"{line} --index 1 --out {tmp_path / 'none'}")
    assert all_failed.code == 2
    assert "none of the 1 samples could be explained" in all_failed.err


def test_a_folder_that_is_there_is_taken_whatever_its_name(pellucid_command: Command, tmp_path: Path) -> None:
    (tmp_path / "run.v2").mkdir()
    assert pellucid_command(f"{EXPLAIN} --index : --out {tmp_path / 'run.v2'}").code == 0
    assert pellucid.Explanations(tmp_path / "run.v2").complete


def test_images_without_the_axis_of_their_channel_and_whole_numbers(pellucid_command: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", (np.random.default_rng(0).random((7, 8, 8)) * 255).astype(np.uint8))
    ran = pellucid_command(f"explain tiny.keras {tmp_path / 'x.npy'} --method saliency --index : --out {tmp_path / 'out'}")
    assert ran.code == 0, ran.err
    assert pellucid.Explanations(tmp_path / "out").load().inputs.shape == (7, 8, 8, 1)


def test_networks_with_several_inputs(pellucid_command: Command, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    image, table = keras.Input((8, 8, 1), name="image"), keras.Input((3,), name="table")
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(image), table])
    keras.Model([image, table], keras.layers.Dense(2, activation="softmax")(joined)).save(tmp_path / "both.keras")
    draw = np.random.default_rng(0)
    np.savez(tmp_path / "both.npz", image=draw.random((7, 8, 8, 1), np.float32), table=draw.random((7, 3), np.float32))
    line = f"explain {tmp_path / 'both.keras'} {tmp_path / 'both.npz'} --method integrated_gradients --index 1: --shard-size 4 --out {tmp_path / 'out'}"
    ran = pellucid_command(line)
    assert ran.code == 0, ran.err
    found = pellucid.Explanations(tmp_path / "out")
    assert found.numbers == [1, 2, 3, 4, 5, 6]
    assert {name: part.values.shape for name, part in found.load().by_input.items()} == {"image": (6, 8, 8, 1), "table": (6, 3)}
    plan = pellucid.Plan(tmp_path / "both.keras", dict(np.load(tmp_path / "both.npz")), "integrated_gradients", index=slice(1, None), shard_size=4)
    again = plan.run(tmp_path / "again")
    np.testing.assert_array_equal(again.load().values, found.load().values)


@pytest.mark.slow
def test_as_a_program_with_workers(place: Path, tmp_path: Path) -> None:
    """A good end leaves stderr empty, whoever worked; the bytes are the same."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    for workers in (1, 2):
        command = [sys.executable, "-m", "pellucid.apps.cli", *EXPLAIN.split(), "--index", ":", "--shard-size", "2"]
        goal = ["--workers", str(workers), "--out", str(tmp_path / str(workers))]
        ran = subprocess.run([*command, *goal], cwd=place, capture_output=True, text=True, env=environment, check=False)
        assert (ran.returncode, ran.stderr) == (0, "")
    assert compared(tmp_path / "1") == compared(tmp_path / "2")
