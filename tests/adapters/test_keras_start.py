"""On which backend Keras starts, and what is said where there is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pellucid.adapters import _keras_start, start_keras
from pellucid.core import errors

BACKENDS = ["tensorflow", "jax", "torch"]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keras's own settings, which there are none of yet."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path / "keras.json"


@pytest.mark.parametrize(
    ("there", "written", "wanted"),
    [
        (BACKENDS, None, "tensorflow"),
        (["jax", "torch"], None, "jax"),
        (["torch"], None, "torch"),
        ([], None, None),
        (BACKENDS, "torch", "torch"),
        (["tensorflow", "jax"], "torch", "tensorflow"),
        (["jax"], "tensorflow", "jax"),
        (BACKENDS, "openvino", "tensorflow"),
    ],
)
def test_the_first_backend_there_is(there: list[str], written: str | None, wanted: str | None, settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_keras_start, "_is_there", lambda package: package in there)
    if written is not None:
        settings.write_text(json.dumps({"backend": written}))
    assert _keras_start._installed() == wanted


@pytest.mark.parametrize("content", ["{", "[]", '{"floatx": "float32"}'])
def test_settings_that_cannot_be_read_decide_nothing(content: str, settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_keras_start, "_is_there", lambda package: True)
    settings.write_text(content)
    assert _keras_start._installed() == "tensorflow"


def test_a_process_keeps_its_backend_and_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    keras = pytest.importorskip("keras")
    running = keras.config.backend()
    monkeypatch.setenv("KERAS_BACKEND", "torch" if running != "torch" else "jax")
    before = dict(os.environ)
    assert start_keras() is keras
    assert keras.config.backend() == running
    assert dict(os.environ) == before


def test_what_is_missing_is_one_error_with_the_line_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    with pytest.raises(errors.MissingExtraError, match=r"pip install 'pellucid\[tensorflow\]', or pip install 'pellucid\[jax\]', or .*\[torch\]' keras"):
        start_keras()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(errors.MissingExtraError, match=r"the backend jax \(.*\): pip install 'pellucid\[jax\]'$"):
        start_keras()


PROGRAM = """
import os, sys
import numpy as np
for package in sys.argv[2].split(","):
    sys.modules[package] = None
import pellucid
try:
    model = pellucid.adapt(sys.argv[1])
except pellucid.PellucidError as error:
    print(type(error).__name__, error)
else:
    print(model.traits.framework, model.predict(np.ones((1, 6), np.float32)).round(5).tolist(), "KERAS_BACKEND" in os.environ)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow", reason="the same processes whatever Keras runs on here: once is enough")
@pytest.mark.parametrize(
    ("chosen", "absent", "wanted"),
    [
        (None, [], "TensorFlow"),
        (None, ["tensorflow"], "JAX"),
        (None, ["tensorflow", "jax"], "torch"),
        ("torch", [], "torch"),
        ("jax", ["jax"], None),
        (None, BACKENDS, None),
    ],
)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_file_opens_on_what_is_there(keras_twin: object, suffix: str, chosen: str | None, absent: list[str], wanted: str | None, tmp_path: Path) -> None:
    for package in BACKENDS:
        if package not in absent:
            pytest.importorskip(package)
    path = tmp_path / f"model{suffix}"
    keras_twin.save(path)  # type: ignore[attr-defined]
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"} | {"KERAS_HOME": str(tmp_path)}
    environment |= {} if chosen is None else {"KERAS_BACKEND": chosen}
    line = [sys.executable, "-c", PROGRAM, str(path), ",".join(absent) or "none"]
    ran = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    if wanted is None:
        assert ran.stdout.startswith("MissingExtraError")
        assert "pip install 'pellucid[jax]'" in ran.stdout
    else:
        outputs = np.asarray(keras_twin.predict(np.ones((1, 6), np.float32), verbose=0))  # type: ignore[attr-defined]
        assert ran.stdout.strip() == f"Keras on {wanted} {outputs.round(5).tolist()} {chosen is not None}"
