"""Every command on a tiny network; every mistake is one line, exit code 2, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid

Command = Callable[[str], Any]
PLAIN = "explain tiny.keras data.npz:x_test --index 0:2 --method"
EXPLAIN = "explain tiny.keras data.npz:x_test --index 0:2 --features patches:4 --method"


def contents(folder: Path) -> Mapping[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*")}


@pytest.mark.parametrize("what", ["methods", "views", "datasets", "networks", "features", "fills"])
def test_list(pellucid_command: Command, what: str) -> None:
    ran = pellucid_command(f"list {what}")
    assert ran.code == 0
    assert len(ran.out.splitlines()) > 1


def test_list_methods_shows_what_decides(pellucid_command: Command) -> None:
    out = pellucid_command("list methods").out
    for word in ("integrated_gradients", "0.02", "gradients", "standard error", "arXiv:1703.01365", "--background"):
        assert word in out


def test_inspect(pellucid_command: Command) -> None:
    ran = pellucid_command("inspect tiny.keras")
    assert ran.code == 0
    for word in ("maps", "Conv2D", "6 × 6 × 3", "input 8 × 8 × 1, output 3", "357", "activation_map", "grad_cam yes"):
        assert word in ran.out, word


@pytest.mark.parametrize("suffix", ["html", "safetensors", "png"])
def test_explain_writes(pellucid_command: Command, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out.{suffix}"
    ran = pellucid_command(f"{EXPLAIN} saliency,shap --set smooth=1 --out {out}")
    assert ran.code == 2  # a setting that neither takes
    assert not out.exists()
    ran = pellucid_command(
        f"{EXPLAIN} saliency,shap,lime,integrated_gradients --set rule=midpoint --set integrated_gradients.steps=9 --baseline 0.1 --out {out}"
    )
    assert ran.code == 0, ran.err
    assert out.stat().st_size > 1000
    assert contents(tmp_path) == {out.name: out.stat().st_size}
    assert "saliency" in ran.out
    assert str(out) in ran.out


def test_a_report_says_whether_to_believe_it(pellucid_command: Command, tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    ran = pellucid_command(f"{PLAIN} saliency --out {out}")
    assert ran.code == 0, ran.err
    assert "verdict" in ran.out
    page = out.read_text(encoding="utf-8")
    assert page.count("<b>Worth believing? <span") == page.count('<figure class="card">') == ran.out.count("Not checked: localisation.")
    assert "not checked.</b>" not in page
    ran = pellucid_command(f"{PLAIN} saliency --no-evaluate --out {out}")
    assert (ran.code, "verdict" in ran.out) == (0, False)
    assert "not checked.</b>" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_has_the_rows_of_every_method(pellucid_command: Command, tmp_path: Path, suffix: str) -> None:
    pandas, out, records = pytest.importorskip("pandas"), tmp_path / f"out.{suffix}", tmp_path / "out.safetensors"
    line = "explain tiny.keras data.npz:x_test --index 3,1 --features patches:4 --method shap,saliency --out"
    for goal in (out, records):
        ran = pellucid_command(f"{line} {goal}")
        assert ran.code == 0, ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([out.name, records.name])
    table = pandas.read_csv(out) if suffix == "csv" else pandas.read_parquet(out)
    shap, saliency = pellucid.load(records)
    assert table["method"].tolist() == ["shap"] * 8 + ["saliency"] * 128
    assert table["sample"].tolist() == [3] * 4 + [1] * 4 + [3] * 64 + [1] * 64
    np.testing.assert_array_equal(table["value"], np.concatenate([shap.values.ravel(), saliency.values.ravel()]))
    assert table["input_1"][8:17].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0]
    assert table["input_1"][:8].isna().all()
    if suffix == "csv":
        assert pandas.read_csv(out, dtype=str)["input_1"][16] == "0"


@pytest.mark.parametrize("missing", ["pandas", "pyarrow"])
def test_without_what_writes_a_table_nothing_is_begun(pellucid_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr("pellucid.apps.tables.find_spec", lambda name: None if name == missing else object())
    ran = pellucid_command(f"explain none.keras data.npz:x_test --method shap --out {tmp_path / 'out.parquet'}")  # what comes after would fail
    assert (ran.code, ran.out) == (2, "")
    assert "pip install 'pellucid[tables]'" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_records_hold_what_was_asked(pellucid_command: Command, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    options = "--index 3,1 --target b --class-names a,b,c --score probability --tolerance 0.2 --seed 5 --background data.npz:x_test[0:3]"
    ran = pellucid_command(f"explain tiny.keras data.npz:x_test --method shap --features patches:4 {options} --out {out}")
    assert ran.code == 0, ran.err
    (record,) = pellucid.load(out)
    assert len(record) == 2
    assert record.target.labels == ("b", "b")
    assert record.target.score == "probability"
    assert record.class_names == ("a", "b", "c")
    assert (record.provenance["seed"], record.provenance["tolerance"]) == (5, 0.2)
    assert list(record.provenance["labels"]) == [0, 1]


@pytest.mark.parametrize("suffix", ["html", "safetensors", "png"])
def test_visualize_writes(pellucid_command: Command, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out.{suffix}"
    ran = pellucid_command(f"visualize tiny.keras data.npz:x_test --view activation_map --layer maps --index 1 --out {out}")
    assert ran.code == 0, ran.err
    assert "maps" in ran.out
    assert out.stat().st_size > 500


def test_an_unsafe_file_opens_when_asked_to(pellucid_command: Command) -> None:
    assert pellucid_command("inspect lambda.keras --allow-unsafe").code == 0


BAD = {
    "unknown method": (f"{EXPLAIN} shapp --out o.html", "did you mean 'shap'"),
    "a view as method": (f"{EXPLAIN} activation_map --out o.html", "activation_map"),
    "a table of a view": ("visualize tiny.keras data.npz:x_test --view activation_map --out o.csv", "known: .html"),
    "unknown suffix": (f"{EXPLAIN} shap --out o.pdf", ".safetensors"),
    "workers for a file": (f"{EXPLAIN} shap --out o.html --workers 2", "need a folder"),
    "records to go on from, for a folder": (f"{EXPLAIN} shap --out o --resume a_file", "goes on by itself"),
    "a folder in a file": (f"{EXPLAIN} shap --out a_file/o", "a_file"),
    "a mistake, with a folder": (f"{PLAIN} saliency --target 7 --out o", "unknown class 7"),
    "no such sample, with a folder": ("explain tiny.keras data.npz:x_test --method saliency --index 9 --out o", "the data has 5"),
    "a folder that is a file": (f"{EXPLAIN} shap --out a_file/o.html", "a_file"),
    "a folder that is not there": (f"{EXPLAIN} shap --out nowhere/o.html", "nowhere"),
    "unknown setting": (f"{EXPLAIN} shap --set stepps=3 --out o.html", "stepps"),
    "unreadable setting": (f"{EXPLAIN} shap --set steps --out o.html", "name=value"),
    "setting of another method": (f"{EXPLAIN} shap --set lime.steps=3 --out o.html", "lime"),
    "unknown layer": (f"{PLAIN} grad_cam --layer map --out o.html", "did you mean 'maps'"),
    "an option nobody takes": (f"{PLAIN} saliency --baseline 0 --out o.html", "does not take"),
    "unknown class": (f"{PLAIN} saliency --target 7 --out o.html", "unknown class 7"),
    "unknown class name": (f"{PLAIN} saliency --target cat --out o.html", "unknown class 'cat'"),
    "too few names": (f"{PLAIN} saliency --class-names a,b --out o.html", "2 names"),
    "unknown score": (f"{PLAIN} saliency --score loggit --out o.html", "did you mean 'logit'"),
    "negative tolerance": (f"{EXPLAIN} shap --tolerance -1 --out o.html", "tolerance"),
    "unknown features": ("explain tiny.keras data.npz:x_test --method shap --features patchs:4 --out o.html", "did you mean 'patches'"),
    "no such sample": ("explain tiny.keras data.npz:x_test --method saliency --index 9 --out o.html", "the data has 5"),
    "empty range": ("explain tiny.keras data.npz:x_test --method saliency --index 4:4 --out o.html", "no sample"),
    "unreadable index": ("explain tiny.keras data.npz:x_test --method saliency --index first --out o.html", "0:6"),
    "wrong shape": ("explain tiny.keras data.npz:x_wide --method saliency --out o.html", "(2, 9, 8, 1)"),
    "one digit": ("explain tiny.keras data.npz:x_one --method saliency --index 0 --out o.html", "has shape (8, 8, 1), the model takes (samples, 8, 8, 1)"),
    "NaN": ("explain tiny.keras data.npz:x_bad --method saliency --out o.html", "np.nan_to_num(array)"),
    "unknown key": ("explain tiny.keras data.npz:x_tets --method saliency --out o.html", "x_test"),
    "unknown data set": ("explain tiny.keras mnits:test --method saliency --out o.html", "did you mean 'mnist'"),
    "data that is not there": ("explain tiny.keras none.npz:x --method saliency --out o.html", "none.npz"),
    "model that is not there": ("explain none.keras data.npz:x_test --method saliency --out o.html", "none.keras"),
    "damaged model": ("explain damaged.keras data.npz:x_test --method saliency --out o.html", "damaged.keras"),
    "unsafe model": ("explain lambda.keras data.npz:x_test --method saliency --out o.html", "ambda"),
    "a model that is data": ("inspect data.npz", ".keras"),
    "damaged model, inspected": ("inspect damaged.keras", "damaged.keras"),
    "unknown view": ("visualize tiny.keras data.npz:x_test --view maps --out o.html", "activation_map"),
    "unknown layer of a view": ("visualize tiny.keras data.npz:x_test --view activation_map --layer map --out o.html", "did you mean 'maps'"),
    "unknown network": ("train cnnn mnist5000 --out o.keras", "did you mean 'cnn'"),
    "unknown data to train on": ("train cnn mnits --out o.keras", "did you mean 'mnist'"),
    "network in another format": ("train cnn mnist5000 --out o.h5", ".keras"),
    "network into a file": ("train cnn mnist5000 --out a_file/o.keras", "a_file"),
    "demo into a file": ("demo --out a_file/demo", "a_file"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_one_line_and_leaves_nothing(pellucid_command: Command, place: Path, name: str) -> None:
    line, word = BAD[name]
    before = contents(place)
    ran = pellucid_command(line)
    assert ran.code == 2, ran
    assert word in ran.err, ran.err
    assert len(ran.err.strip().splitlines()) == 1, ran.err
    assert "Traceback" not in ran.err
    assert contents(place) == before


@pytest.mark.parametrize("line", ["explain", "list nothing", "explian", "explain tiny.keras data.npz:x_test --method shap --out o.html --seed one"])
def test_usage_errors(pellucid_command: Command, line: str) -> None:
    ran = pellucid_command(line)
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_as_a_program(place: Path) -> None:
    """In a process of its own: a mistake is one line on stderr, and a good end leaves stderr empty."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    run = [sys.executable, "-m", "pellucid.apps.cli"]
    good = subprocess.run([*run, "inspect", "tiny.keras"], cwd=place, capture_output=True, text=True, env=environment, check=False)
    assert (good.returncode, good.stderr) == (0, "")
    assert "scores" in good.stdout
    bad = subprocess.run([*run, "inspect", "damaged.keras"], cwd=place, capture_output=True, text=True, env=environment, check=False)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert len(bad.stderr.splitlines()) == 1


def test_help_loads_no_framework() -> None:
    heavy = ("tensorflow", "keras", "matplotlib", "scipy")
    code = f"import sys; from pellucid.apps.cli import main; main(['--help']); sys.exit(any(n in sys.modules for n in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_interrupt_is_130(pellucid_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.apps import work

    def broken_off(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(work, "listing", broken_off)
    assert pellucid_command("list methods").code == 130


def test_images_without_the_axis_of_their_one_channel_are_given_it(pellucid_command: Command, place: Path) -> None:
    for line in (
        "explain tiny.keras data.npz:x_flat --method saliency --index 1 --out o.safetensors",
        "visualize tiny.keras data.npz:x_flat --view activation_map --index 1 --out v.safetensors",
    ):
        ran = pellucid_command(line)
        assert ran.code == 0, ran
    (found,) = pellucid.load(place / "o.safetensors")
    assert found.inputs.shape == (1, 8, 8, 1)


def test_records_say_where_their_samples_come_from(pellucid_command: Command, place: Path) -> None:
    for line in (
        "explain tiny.keras data.npz:x_test --method saliency --index 3,1 --out o.safetensors",
        "visualize tiny.keras data.npz:x_test --view activation_map --index 3,1 --out v.safetensors",
    ):
        ran = pellucid_command(line)
        assert ran.code == 0, ran
    for name in ("o", "v"):
        (found,) = pellucid.load(place / f"{name}.safetensors")
        assert found.provenance["indices"] == [3, 1]
        assert found.provenance["data"] == "data.npz:x_test"
