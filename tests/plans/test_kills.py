"""Killed at any moment and started again, a plan ends in the same bytes as one that was not; memory does not grow."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from plan_parts import compared

import pellucid

HERE = Path(__file__).parent
SCRIPT = f"""
    import resource, sys, time
    sys.path[:0] = [{str(HERE)!r}]
    import pellucid, plan_parts
    out, count, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    net = plan_parts.network()
    def slow(inputs):
        time.sleep(pause)
        return net.predict(inputs)
    x = plan_parts.samples(count)
    x[[7, 150]] = float("nan")
    class Watched:
        here = True
        def run(self, work, shards):
            for number, shard in enumerate(shards):
                yield work(shard)
                if number % 10 == 9:
                    rss = int(open("/proc/self/statm").read().split()[1])
                    print("pages", rss, flush=True)
    pellucid.Plan(slow, x, "occlusion", shard_size=int(sys.argv[4])).run(out, executor=Watched())
"""
"""A black box: `pause` seconds a call, so that a kill meets the work at every stage."""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(SCRIPT))
    return path


def killed_until_done(script: Path, out: Path, options: list[str], kills: int, longest: float, seed: int) -> int:
    """Runs, killed after a random time since the first sign of work, then once to the end; returns how many of them died at work."""
    draw, died = np.random.default_rng(seed), 0
    for _ in range(kills):
        running = subprocess.Popen([sys.executable, script, out, *options], stdout=subprocess.DEVNULL)
        lines = _lines(out)
        while _lines(out) == lines and running.poll() is None:
            time.sleep(0.01)
        time.sleep(draw.uniform(0, longest))
        died += running.poll() is None
        running.kill()
        running.wait()
    subprocess.run([sys.executable, script, out, *options], check=True, stdout=subprocess.DEVNULL)
    return died


def _lines(out: Path) -> int:
    return (out / "journal.jsonl").read_bytes().count(b"\n") if (out / "journal.jsonl").exists() else 0


def test_three_kills_end_in_the_same_bytes(script: Path, tmp_path: Path) -> None:
    options = ["200", "0.002", "8"]
    subprocess.run([sys.executable, script, tmp_path / "whole", *options], check=True, stdout=subprocess.DEVNULL)
    died = killed_until_done(script, tmp_path / "killed", options, 3, 0.15, seed=0)
    assert died == 3
    assert compared(tmp_path / "killed") == compared(tmp_path / "whole")
    found = pellucid.Explanations(tmp_path / "killed")
    assert (len(found), len(found.failures), found.complete) == (198, 2, True)


@pytest.mark.slow
def test_twenty_kills_among_ten_thousand_samples_end_in_the_same_bytes(script: Path, tmp_path: Path) -> None:
    options = ["10000", "0.001", "50"]
    subprocess.run([sys.executable, script, tmp_path / "whole", *options], check=True, stdout=subprocess.DEVNULL)
    died = killed_until_done(script, tmp_path / "killed", options, 20, 0.1, seed=1)
    assert died == 20
    assert compared(tmp_path / "killed") == compared(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="looks into /proc")
def test_memory_is_flat(script: Path, tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, script, tmp_path / "out", "20000", "0", "50"], check=True, capture_output=True, text=True)
    pages = [int(line.split()[1]) for line in ran.stdout.splitlines()]
    assert len(pages) == 40
    warm = pages[4:]
    assert max(warm) <= 1.05 * min(warm), pages
