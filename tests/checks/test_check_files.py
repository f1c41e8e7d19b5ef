"""Files of expectations: from the command line and in pytest, as users start them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.apps.cli import main
from pellucid.checks import CHECKS
from pellucid.checks._picture import save_picture

MODEL = NumpyModel([Dense(np.array([[4.0], [-1.0], [3.0], [2.0]]), np.zeros(1))], (4,))
KEPT = '[[expect]]\nthat = "inside"\nname = "first"\ntruth = [0]\nat_least = 0.39\n'
NOT_KEPT = '[[expect]]\nthat = "inside"\nname = "second"\ntruth = [1]\nat_least = 0.5\n'
RECORDS = 'records = "today.safetensors"\n[explain]\nmethod = "gradient_x_input"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records of today and of last week in a folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    x = np.ones((2, 4))
    pellucid.save(pellucid.explain(MODEL, x, "gradient_x_input"), tmp_path / "today.safetensors")
    pellucid.save(pellucid.explain(MODEL, x, "gradient_x_input"), tmp_path / "week.safetensors")
    return tmp_path


def written(folder: Path, text: str, name: str = "reasons.pellucid.toml") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return name


def test_every_expectation_is_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    week = '[[expect]]\nthat = "change"\nsince = "week.safetensors"\nat_most = 0.1\n'
    assert main(["check", written(folder, RECORDS + KEPT + week)]) == 0
    assert "2 of 2 expectations kept" in capsys.readouterr().out
    assert not (folder / "pellucid-figures").exists()


def test_one_that_is_not_fails_with_figures_and_a_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", written(folder, RECORDS + KEPT + NOT_KEPT), "--out", "pictures"]) == 1
    out = capsys.readouterr().out
    assert "second: failed" in out
    assert "0.1" in out
    assert (folder / "pictures" / "second.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("similarity", "code"), [("[-2, -1.5]", 1), ("[1.5, 2]", 0)])
def test_thresholds_of_a_file_turn_its_verdict(folder: Path, capsys: pytest.CaptureFixture[str], similarity: str, code: int) -> None:
    """Below and above all that a similarity can be; at_least=0 asks that nothing be not supported."""
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax", kernel_initializer=keras.initializers.GlorotUniform(seed=0))])
    model.save(folder / "net.keras")
    pellucid.save(pellucid.explain(model, np.ones((2, 4), np.float32), "gradient_x_input"), folder / "today.safetensors")
    asked = f'[evaluate]\nmetrics = "weight_randomisation"\nthresholds = {{similarity = {similarity}}}\n[[expect]]\nthat = "verdict"\nat_least = 0\n'
    assert main(["check", written(folder, 'model = "net.keras"\n' + RECORDS + asked)]) == code
    assert f"{1 - code} of 1 expectations kept" in capsys.readouterr().out


def test_the_picture_shows_the_place_the_figures_and_what_was_before(folder: Path) -> None:
    image = pellucid.explain(lambda x: x.reshape(len(x), -1).sum(axis=1, keepdims=True), np.ones((2, 8, 8, 1)), "occlusion", window=2)
    inside, change = CHECKS.load("inside"), CHECKS.load("change")
    left = save_picture(inside(truth=(0, 0, 4, 4), at_least=0.9, name="there").check(image), folder, "left")
    right = save_picture(inside(truth=(4, 4, 8, 8), at_least=0.9, name="there").check(image), folder, "right")
    assert left.read_bytes() != right.read_bytes()  # the same map and words: the place alone differs
    worse = save_picture(inside(truth=(0, 0, 4, 4), at_least=0.8, name="there").check(image), folder, "worse")
    assert left.read_bytes() != worse.read_bytes()  # the words alone differ
    one, two = (save_picture(change(since=replace(image, values=image.values * by), at_most=0.0).check(image), folder, str(by)) for by in (2, 3))
    assert one.read_bytes() != two.read_bytes()
    assert width(one) > width(left)
    assert width(save_picture(inside(truth={0}, at_least=0.9).check(pellucid.load("today.safetensors")[0]), folder, "table")) > 300


def width(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[16:20], "big")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense = 1\n" + RECORDS + KEPT, "nonsense"),
        (RECORDS, "expects nothing"),
        (RECORDS + KEPT.replace("inside", "insight"), "insight"),
        (RECORDS + KEPT.replace("at_least", "at_leats"), "at_leats"),
        ("model = 'm.keras'\n" + KEPT, "data"),
        (RECORDS.replace("today", "tomorrow") + KEPT, "tomorrow"),
        ('undecided = "maybe"\n' + RECORDS + KEPT, "undecided"),
        ("= 3", "TOML"),
        (RECORDS + "[[expect]]\nthat = [1]\nat_least = 0.1\n", "expectation 1"),
        ('records = "today.safetensors"\nexplain = 3\n' + KEPT, "explain"),
        (RECORDS + "[evaluate]\nthresholds = 0.5\n" + KEPT, "thresholds must be a table"),
        (RECORDS + "[evaluate]\nthresholds = {levle = 0.5}\n" + KEPT, "levle"),
        (RECORDS + "[evaluate]\nthresholds = {change = [2, 1]}\n" + KEPT, "change must be (low, high)"),
        ('records = "today.safetensors"\n' + KEPT + '[expect.explain]\nmethod = "saliency"\n', "saliency"),
    ],
)
def test_mistakes_are_told_in_one_line(folder: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    assert main(["check", written(folder, text)]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_four_numbers_of_columns_are_no_box(folder: Path) -> None:
    assert main(["check", written(folder, RECORDS + KEPT.replace("[0]", "[0, 1, 2, 3]"))]) == 0


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest as a user starts it, with the plugin named where the installation has not announced it yet."""
    from importlib.metadata import entry_points

    known = any(point.value == "pellucid.apps.pytest_plugin" for point in entry_points(group="pytest11"))
    line = [sys.executable, "-m", "pytest", *([] if known else ["-p", "pellucid.apps.pytest_plugin"]), "-p", "no:cacheprovider", *arguments]
    return subprocess.run(line, cwd=folder, env=os.environ | {"PYTEST_ADDOPTS": ""}, capture_output=True, text=True, check=False)


def test_pytest_collects_files_of_expectations(folder: Path) -> None:
    written(folder, RECORDS + KEPT + NOT_KEPT)
    ran = run_pytest(folder, "-q")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "1 failed, 1 passed" in ran.stdout
    assert "failed: at least 0.5 of the attribution inside second" in ran.stdout
    assert (folder / "pellucid-figures" / "reasons-second.png").exists()


def test_pytest_fixture(folder: Path) -> None:
    (folder / "test_reasons.py").write_text(
        """
import numpy as np
import pellucid
from pellucid.checks import CHECKS

Inside = CHECKS.load("inside")
(explanation,) = pellucid.load("today.safetensors")

def test_kept(pellucid_expect):
    assert pellucid_expect(explanation, Inside(truth={0}, at_least=0.3)).word == "passed"

def test_not_kept(pellucid_expect):
    pellucid_expect(explanation, Inside(truth={1}, at_least=0.3))
""",
        encoding="utf-8",
    )
    ran = run_pytest(folder, "-q", "--pellucid-figures", "shown")
    assert "1 failed, 1 passed" in ran.stdout, ran.stdout + ran.stderr
    assert "picture: " in ran.stdout
    assert list((folder / "shown").glob("*.png"))


def test_what_is_undecided_fails_unless_it_is_allowed(folder: Path, oracle: NumpyModel) -> None:
    background = np.random.default_rng(0).normal(size=(20, 6))
    explanation = pellucid.explain(oracle, np.ones((1, 6)), "permutation_shap", background=background, tolerance=0.0, max_evaluations=1500)
    pellucid.save(explanation, folder / "today.safetensors")

    middle = CHECKS.load("inside")(truth={0}, at_least=0.0).check(explanation).seen.values[0]
    text = 'records = "today.safetensors"\n[explain]\nmethod = "permutation_shap"\n' + KEPT.replace("0.39", f"{middle:.12f}")
    assert main(["check", written(folder, text)]) == 1
    assert main(["check", written(folder, 'undecided = "pass"\n' + text)]) == 0
