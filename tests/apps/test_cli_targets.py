"""`--target`: all that Python takes and that can be written, with the numbers of the call in Python, into files and folders."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.apps.cli import main
from pellucid.apps.targets import of_all, parse_target
from pellucid.core.errors import SettingError

Command = Callable[[str], Any]
NAMES = ["4", "9", "red fox"]
MASK = np.array([True, False, True, False])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with a class per time step, one with a class, one with two outputs; their samples; a mask."""
    keras = pytest.importorskip("keras")
    layers = keras.layers
    folder, draw = tmp_path_factory.mktemp("targets"), np.random.default_rng(0)

    def save(name: str, inputs: Any, outputs: Any) -> None:
        model = keras.Model(inputs, outputs)
        model.set_weights([draw.normal(scale=0.5, size=weight.shape) for weight in model.get_weights()])
        model.save(folder / name)

    x = keras.Input((4, 2))
    save("steps.keras", x, layers.Dense(3, activation="softmax")(layers.GRU(5, return_sequences=True)(x)))
    save("one.keras", x, layers.Dense(3, activation="softmax")(layers.Flatten()(x)))
    flat = layers.Flatten()(x)
    save("two.keras", x, {"age": layers.Dense(2, name="age")(flat), "kind": layers.Dense(3, activation="softmax", name="kind")(flat)})
    np.savez(folder / "data.npz", x_test=draw.normal(size=(5, 4, 2)).astype("float32"), y_test=np.arange(5) % 3, class_names=np.array(NAMES))
    np.save(folder / "mask.npy", MASK)
    np.save(folder / "classes.npy", np.array([2, 0, 1]))
    return folder


def samples(files: Path) -> np.ndarray:
    with np.load(files / "data.npz") as data:
        return data["x_test"]


def kept(record: pellucid.Explanation) -> dict[str, Any]:
    """What of the provenance does not say where the samples came from."""
    return {name: said for name, said in record.provenance.items() if name not in ("data", "indices", "batch_size", "network", "labels")}


GOOD: dict[str, tuple[str, list[str], Any]] = {
    "a name": ("one.keras", ["red fox"], "red fox"),
    "a number that is a name": ("one.keras", ["9"], "9"),
    "a number": ("one.keras", ["2"], 2),
    "a contrast by names": ("one.keras", ["('4', 'red fox')"], ("4", "red fox")),
    "a contrast by numbers": ("one.keras", ["((0, 2),)"], ((0, 2),)),
    "one for each sample": ("one.keras", ["[2, '9', predicted]"], [2, "9", "predicted"]),
    "classes from a file": ("one.keras", ["@classes.npy"], [2, 0, 1]),
    "several": ("one.keras", ["4", "2", "('4', '9')", "[0, 1, 2]"], pellucid.Several("4", 2, ("4", "9"), [0, 1, 2])),
    "a position and a class": ("steps.keras", ["(3, 1)"], (3, 1)),
    "a position from the end and a name": ("steps.keras", ["(-1, 'red fox')"], (-1, "red fox")),
    "what is predicted at a position": ("steps.keras", ["(2, predicted)"], (2, "predicted")),
    "a contrast at a position": ("steps.keras", ["(0, ('4', '9'))"], (0, ("4", "9"))),
    "all positions": ("steps.keras", ["(..., 1)"], (..., 1)),
    "all of it": ("steps.keras", ["(...,)"], (...,)),
    "a region": ("steps.keras", ["('@mask.npy', 'red fox')"], (MASK, "red fox")),
    "several at positions": ("steps.keras", ["(0, 1)", "(..., 1)"], pellucid.Several((0, 1), (..., 1))),
    "an output": ("two.keras", ["{age: 1}"], {"age": 1}),
    "several of an output": ("two.keras", ["{kind: '9'}", "{'kind': [0, 1, 2]}"], {"kind": pellucid.Several("9", [0, 1, 2])}),
}


@pytest.mark.parametrize("name", GOOD)
def test_records_of_files_and_folders_equal_pythons(pellucid_command: Command, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    network, texts, target = GOOD[name]
    monkeypatch.chdir(files)
    call = ["explain", network, "data.npz:x_test", "--method", "integrated_gradients", "--index", "3,0,4"]
    given = [word for text in texts for word in ("--target", text)]
    assert main([*call, *given, "--out", str(tmp_path / "out.safetensors")]) == 0
    assert main([*call, *given, "--out", str(tmp_path / "out"), "--shard-size", "2"]) == 0
    names = NAMES if "age" not in str(target) else None
    wanted = pellucid.explain(network, samples(files)[[3, 0, 4]], "integrated_gradients", target=target, class_names=names)
    (record,) = pellucid.load(tmp_path / "out.safetensors")
    many = pellucid.Explanations(tmp_path / "out")
    assert many.numbers == [3, 0, 4]
    for found, close in ((record, 0), (many.load(), 1e-5)):  # shards of two: another batch
        assert found.target == wanted.target
        np.testing.assert_allclose(found.values, wanted.values, rtol=0, atol=close * np.abs(wanted.values).max())
        np.testing.assert_allclose(found.score, wanted.score, rtol=close)
    assert kept(record) == kept(wanted)


def test_a_folder_is_gone_on_with_and_says_its_target(pellucid_command: Command, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    call = ["explain", "one.keras", "data.npz:x_test", "--method", "saliency", "--index", ":", "--out", str(tmp_path / "out"), "--shard-size", "2"]
    two = ["--target", "4", "--target", "('4','9')"]
    assert main([*call, *two]) == 0
    before = (tmp_path / "out" / "shard-00001.safetensors").read_bytes()
    (tmp_path / "out" / "shard-00001.safetensors").unlink()
    assert main([*call, *two]) == 0
    assert (tmp_path / "out" / "shard-00001.safetensors").read_bytes() == before
    assert pellucid.Explanations(tmp_path / "out").manifest["plan"]["target"] == {"several": ["4", {"tuple": ["4", "9"]}]}
    assert main([*call, "--target", "4"]) == 2


@pytest.mark.parametrize("target", [pellucid.Several("4", (..., 1)), {"age": pellucid.Several(0, 1)}, (..., 1), [(0, "a"), 3]])
def test_a_plan_in_writing_holds_the_target(target: Any) -> None:
    plan = pellucid.Plan("m.keras", "data.npz", "saliency", target=target)
    assert pellucid.Plan.from_json(plan.to_json()).keywords["target"] == target


@pytest.mark.parametrize("suffix", ["html", "png", "csv", "parquet"])
def test_reports_and_figures_of_several(pellucid_command: Command, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.chdir(files)
    call = ["explain", "one.keras", "data.npz:x_test", "--method", "saliency,integrated_gradients", "--index", "0:2", "--target", "4", "--target", "9"]
    assert main([*call, "--out", str(tmp_path / f"o.{suffix}")]) == 0
    assert (tmp_path / f"o.{suffix}").stat().st_size > 500


def test_a_name_is_a_name_whatever_it_looks_like() -> None:
    odd = ["(un)known", "3", "[a", "@me", "'quoted'"]
    for name in odd:
        assert parse_target([name], odd) == name
    assert parse_target(["'3'"]) == "3"
    assert parse_target(["(0, 3)"], odd) == (0, 3)
    assert parse_target(["cat-fish"]) == "cat-fish"


BAD = {
    "(3, 1": "cannot be read; write it as in Python",
    "(3, red-fox)": "names with other signs than letters in quotes",
    "(3, 1.5)": "cannot be read",
    "(3, True)": "cannot be read",
    "('\\d', 1)": "cannot be read",
    "('@mask.png', 1)": "is no .npy file",
    "('@none.npy', 1)": "does not exist",
    "('@mask.npy', 1)": "the mask in the target has shape (4,)",
    "(0, 1)": "names 2 axes, the output has 1: (3,)",
    "[0, 1]": "--target holds 2 entries, --index chooses 3 samples",
    "[0, 1, 7]": "unknown class 7",
    "[0, 1, cat]": "unknown class 'cat'",
    "{age: 0}": "there is no 'age'",
    "('4', '4')": "two different classes",
}


@pytest.mark.parametrize("out", ["o.safetensors", "o"])
@pytest.mark.parametrize("text", BAD)
def test_mistakes_are_one_line_before_any_work(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], text: str, out: str
) -> None:
    monkeypatch.chdir(files)
    call = ["explain", "one.keras", "data.npz:x_test", "--method", "saliency", "--index", "0:3", "--target", text, "--out", str(tmp_path / out)]
    assert main(call) == 2
    told = capfd.readouterr().err
    assert BAD[text] in told
    assert len(told.splitlines()) == 1
    assert not os.listdir(tmp_path)


def test_an_entry_for_each_goes_with_its_sample() -> None:
    assert of_all([7, 8], [3, 1], 5) == ["predicted", 8, "predicted", 7, "predicted"]
    assert of_all((0, 1), [3, 1], 5) == (0, 1)
    with pytest.raises(SettingError, match="names a sample twice"):
        of_all([7, 8], [3, 3], 5)


def test_several_outputs_need_a_name(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(files)
    for target in ([], ["--target", "0"], ["--target", "{age: 0}", "--target", "{kind: 0}"]):
        call = ["explain", "two.keras", "data.npz:x_test", "--method", "saliency", "--index", "0", "--out", str(tmp_path / "o.html")]
        assert main([*call, *target]) == 2
        assert "output" in capfd.readouterr().err
