"""A thousand explanations in a row leave the user's network, its framework and the process's memory as they were.

Memory is flat where what the process has made for itself is, after 800 to 1,000 explanations, within 5 % of what it was after 200 to 400. Of 80 to 560 MB,
which these processes have, that is 4 to 28 MB in 600 calls, behind which 7 to 47 KB a call could hide. So what is left behind is counted by the call, too: in
bytes of the heap, which are exact where the C library tells them (glibc), and in Python's objects. All of it is measured once garbage is collected: a network
that is handed in as it is, and not adapted once, leaves traced functions in cycles of references to Python's collector, which comes in its own time.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import thousand_explanations as script

BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")
NEEDS = {"keras": ("keras", BACKEND), "torch": ("torch",), "jax": ("jax",), "onnx": ("onnx", "onnxruntime"), "saved": ("tensorflow",), "callable": ()}
EVERYWHERE = ("weights", "settings", "random", "samples")
OF_MODULES = (*EVERYWHERE, "mode", "hooks", "gradients")
ASPECTS = [(case, aspect) for case in NEEDS for aspect in (OF_MODULES if case in ("keras", "torch") else EVERYWHERE)]
GENERATORS = {"keras": {"keras", BACKEND} - {"jax"}, "torch": {"torch"}, "saved": {"tensorflow"}}
"""Random generators besides Python's and NumPy's; JAX has no global one."""
FLAT = 1.05
EARLY, LATE = slice(200 // script.EVERY, 400 // script.EVERY + 1), slice(800 // script.EVERY, None)
BYTES, OBJECTS = 500, 1
"""What a call may leave: on JAX, which itself keeps something of whatever it compiles, 190 bytes and .55 objects were found, elsewhere 60 bytes and none. One
sample kept of each call is 3,136 bytes, a hook three objects."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
"""Each thread of TensorFlow makes itself a scratch of some 80 KB when it first has work, on a busy machine after hundreds of calls: it is no call's."""
RECORD = 40_000
"""Bytes a record may keep: 6 to 20 KB were found, the sample, the values and their errors among them. What is compiled for a call takes a megabyte and more."""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read as Linux tells it")]


@functools.cache
def found(case: str) -> dict[str, Any]:
    """What a process of its own found, asked once."""
    if case != "keras" and BACKEND != "tensorflow":
        pytest.skip("the same process whatever Keras runs on here: once is enough")
    for package in (*NEEDS[case], "mlxtend"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    folders = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | ONE_THREAD | {"KERAS_BACKEND": BACKEND, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": folders}
    ran = subprocess.run([sys.executable, script.__file__, case], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return dict(json.loads(ran.stdout.splitlines()[-1]))


def growth(marks: list[dict[str, int]], what: str) -> float:
    """By how much a call makes it grow."""
    early, late = ([mark[what] for mark in marks[part]] for part in (EARLY, LATE))
    calls = script.EVERY * (np.median(np.arange(len(marks))[LATE]) - np.median(np.arange(len(marks))[EARLY]))
    return float((np.median(late) - np.median(early)) / calls)


@pytest.mark.parametrize("case", NEEDS)
def test_memory_is_flat(case: str) -> None:
    marks = found(case)["marks"]
    assert len(marks) == script.CALLS // script.EVERY + 1
    early, late = (np.median([mark["made"] for mark in marks[part]]) for part in (EARLY, LATE))
    assert late <= FLAT * early, [mark["made"] for mark in marks]


@pytest.mark.parametrize("case", NEEDS)
def test_a_call_leaves_nothing_behind(case: str) -> None:
    marks = found(case)["marks"]
    assert growth(marks, "objects") <= OBJECTS, [mark["objects"] for mark in marks]
    if marks[0]["heap"] is not None:
        assert growth(marks, "heap") <= BYTES, [mark["heap"] for mark in marks]
    for what in ("files", "threads"):
        assert max(mark[what] for mark in marks[LATE]) <= max(mark[what] for mark in marks[EARLY]), what


@pytest.mark.parametrize("case", NEEDS)
def test_records_that_are_kept_are_small(case: str) -> None:
    assert np.median(np.diff(found(case)["kept"])) <= RECORD, found(case)["kept"]


@pytest.mark.parametrize(("case", "aspect"), ASPECTS)
def test_the_network_and_its_framework_are_as_they_were(case: str, aspect: str) -> None:
    what = found(case)
    assert what["seen"][aspect]
    if aspect == "random":
        assert {"python", "numpy"} | GENERATORS.get(case, set()) <= set(what["seen"]["random"])
    assert [changed for changed in what["changed"] if changed.startswith(f"{aspect}: ")] == []
