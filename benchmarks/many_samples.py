"""Ten thousand digits explained by the command line, killed at twenty random moments: the same bytes as without, and flat memory.

    python benchmarks/many_samples.py [--samples 10000] [--kills 20] [--method integrated_gradients] [--workers 1] [--shard-size N] [--model cnn.keras]

Explains the samples of MNIST's test part once without a break, watching the resident memory of the process after every shard, then again with SIGKILL at
random moments, those included in which workers start, and compares every file but the journal. Without --model the reference CNN is trained on 5,000 digits
first. Data is looked for as always (PELLUCID_DATA). Nothing is asserted; what was measured is printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PELLUCID = [sys.executable, "-m", "pellucid.apps.cli"]
PAGE = 4096


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--samples", type=int, default=10_000)
    asked.add_argument("--kills", type=int, default=20)
    asked.add_argument("--method", default="integrated_gradients")
    asked.add_argument("--workers", type=int, default=1)
    asked.add_argument("--shard-size", type=int)
    asked.add_argument("--model", type=Path)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = given.model or folder / "cnn.keras"
        if given.model is None:
            subprocess.run([*PELLUCID, "train", "cnn", "mnist5000", "--out", model], check=True)  # noqa: S603 - our own command
        choice = ["--index", f"0:{given.samples}", "--method", given.method, "--workers", str(given.workers)]
        choice += [] if given.shard_size is None else ["--shard-size", str(given.shard_size)]
        command = [*PELLUCID, "explain", str(model), "mnist:test", *choice, "--out"]
        seconds, start, resident = watched([*command, str(folder / "whole")], folder / "whole")
        samples = json.loads((folder / "whole" / "manifest.json").read_text())["result"]["samples"]
        print(f"{samples:,} samples by {given.method}, {given.workers} worker(s), without a break: {seconds:.0f} s, of them {start:.0f} to the first shard")
        warm = np.array(resident[len(resident) // 10 :], float)
        print(f"resident after warm-up: {warm.min():.0f} to {warm.max():.0f} MB over {len(warm)} shards, {warm.max() / warm.min() - 1:.1%} apart")
        begun = time.perf_counter()
        died, lost = killed([*command, str(folder / "killed")], folder / "killed", given.kills, seconds, start)
        print(f"killed {died} times at work, shards found at the start of each run {lost}, {time.perf_counter() - begun:.0f} s in all")
        print(f"the same bytes: {same(folder / 'whole', folder / 'killed')}")


def lines(out: Path) -> int:
    journal = out / "journal.jsonl"
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def watched(command: list[str], out: Path) -> tuple[float, float, list[float]]:
    """Seconds from the first line of the journal to the end and to the first shard, and MB of the process and its children after each shard."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:  # noqa: S603
        seen, begun, first, resident = 0, None, None, []
        while running.poll() is None:
            now = lines(out)
            begun = begun or (time.perf_counter() if now else None)
            first = first or (time.perf_counter() if now > 1 else None)
            if now > seen:
                seen = now
                resident.append(memory(running.pid))
            time.sleep(0.02)
    return time.perf_counter() - (begun or 0.0), (first or 0.0) - (begun or 0.0), [one for one in resident if one]


def memory(parent: int) -> float:
    """Resident MB of a process and of those it has started."""
    total = 0
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if int(path.name) == parent or int((path / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                total += int((path / "statm").read_text().split()[1])
        except (OSError, ValueError, IndexError):
            continue
    return total * PAGE / 1e6


def killed(command: list[str], out: Path, kills: int, whole: float, start: float) -> tuple[int, list[int]]:
    """How many runs died at work, and how many shards each run found. A kill falls at a random moment: while it starts, or in 1.5 × its share of the work."""
    draw, died, found = np.random.default_rng(0), 0, []
    for _ in range(kills):
        found.append(len(list(out.glob("shard-*.safetensors"))) if out.exists() else 0)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:  # noqa: S603
            before = lines(out)
            while lines(out) == before and running.poll() is None:
                time.sleep(0.01)
            time.sleep(draw.uniform(0, start + 1.5 * (whole - start) / kills))
            died += running.poll() is None
            running.kill()
    subprocess.run(command, check=True)  # noqa: S603
    return died, found


def same(one: Path, other: Path) -> bool:
    files = [sorted(path.name for path in folder.iterdir() if path.name != "journal.jsonl") for folder in (one, other)]
    return files[0] == files[1] and all((one / name).read_bytes() == (other / name).read_bytes() for name in files[0])


if __name__ == "__main__":
    main()
