"""A pass does not pay for fresh pages of memory again and again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

PASSES, MOST = 10, 500
FRESH = f"""
import resource
import numpy as np
import torch
import pellucid

network = torch.nn.Sequential(torch.nn.Conv2d(1, 32, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(32, 10))
model, inputs = pellucid.adapt(network), np.random.default_rng(0).random((64, 1, 28, 28), dtype=np.float32)
for _ in range(3):
    model.predict(inputs)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({PASSES}):
    model.predict(inputs)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / {PASSES})
"""
"""A fresh process, for what an earlier test has let go teaches the C library as much. Each pass makes two tensors of 5.5 MB, 1,350 pages each."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc learns from what it is given back")
def test_a_pass_takes_the_pages_of_the_one_before() -> None:
    pytest.importorskip("torch")
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    ended = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True, check=True, env=own)
    assert float(ended.stdout) < MOST
