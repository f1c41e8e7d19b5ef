"""What explanations cost, how precise they are and what they hold in memory, beside the peers in one run: `make bench`.

    python benchmarks/run.py                 all sections; writes benchmarks/RESULTS.md
    python benchmarks/run.py NAME ...        these sections; RESULTS.md keeps the others as they were
    python benchmarks/run.py --list          their names
    python benchmarks/run.py --out FILE      another page than benchmarks/RESULTS.md

Each section is a file of `sections/` and runs in a process of its own, one thread, peers in the same process. Nothing is asserted. Data that does not
come with a package is looked for in the folder that PELLUCID_DATA names; a section that needs it says so where it is not there. The peers, beside what
Pellucid's extras install:

    pip install --no-deps torchlens captum shapiq xplique einops deprecated grad-cam ttach opencv-python-headless quantus cachetools
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECTIONS = (
    "ig_error",
    "ig_time",
    "ig_memory",
    "shap_error",
    "shap_time",
    "lime_top5",
    "lime_time",
    "lime_table",
    "masks_224",
    "grad_cam",
    "mask_memory",
    "overheads",
    "adapters",
    "metrics_road",
    "metrics_mprt",
    "metrics_time",
    "feature_visualization",
    "views_activations",
    "views_training_signals",
    "views_recurrent",
    "views_embedding",
    "training_recorder",
    "inside_page",
)
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"} | {
    f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA")
}
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}
PREPARED = {"digits": "digits.npz", "table": "mlp_wide.npz"}
"""Modules whose `prepare` trains networks once for all sections, and what each writes last. BENCH_NETWORKS may name a folder that keeps them between runs."""


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("names", nargs="*", metavar="NAME", help="sections to measure; all where none is named")
    asked.add_argument("--out", type=Path, default=HERE / "RESULTS.md", metavar="FILE", help="the page to write")
    asked.add_argument("--list", action="store_true", help="print the sections' names")
    asked.add_argument("--child", metavar="NAME", help=argparse.SUPPRESS)
    asked.add_argument("--case", nargs=2, metavar=("NAME", "ARGUMENTS"), help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.list:
        print("\n".join(SECTIONS))
        return 0
    if given.child:
        return child(given.child)
    if given.case:
        print(json.dumps(section(given.case[0]).case(*json.loads(given.case[1]))))
        return 0
    unknown = [name for name in given.names if name not in SECTIONS]
    if unknown:
        asked.error(f"unknown section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    return measure(given.names or SECTIONS, given.out)


def section(name: str) -> Any:
    """The module of a section, or one that prepares networks."""
    warnings.filterwarnings("ignore")
    return importlib.import_module(name if name in PREPARED else f"sections.{name}")


def measure(names: Sequence[str], out: Path) -> int:
    """Run the sections one after the other and write the page after each, so that nothing is lost; returns how many failed."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("BENCH_NETWORKS", folder)
        for name, written in PREPARED.items():
            if not (Path(os.environ["BENCH_NETWORKS"]) / written).exists() and not run_child(name)[0]:
                print(f"could not prepare the networks of {name}.py", file=sys.stderr)
                return 1
        for name in sorted(names, key=SECTIONS.index):
            print(f"\n=== {name}", flush=True)
            began = time.perf_counter()
            good, found = run_child(name)
            failed += not good
            write(out, name, found, time.perf_counter() - began)
    return failed


def run_child(name: str) -> tuple[bool, dict[str, Any]]:
    """Run a section in its own process; what it says goes through, what it found comes back."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "found.json"
        environment = os.environ | ONE_THREAD | QUIET | {"BENCH_ANSWER": str(answer)}
        ended = subprocess.run([sys.executable, str(HERE / "run.py"), "--child", name], env=environment, check=False)  # noqa: S603 - this very script
        if answer.exists():
            found = json.loads(answer.read_text(encoding="utf-8"))
            return not found.get("failed"), found
        return False, {"lines": [f"Did not run: the process ended with status {ended.returncode}."], "bars": []}


def child(name: str) -> int:
    """In the process of one section: measure, and leave what was found."""
    answer = Path(os.environ["BENCH_ANSWER"])
    if name in PREPARED:
        section(name).prepare()
        answer.write_text("{}", encoding="utf-8")
        return 0
    from places import MissingDataError
    from reporting import Report, versions

    report = Report(lambda line: print(line, flush=True))
    found: dict[str, Any] = {}
    try:
        module = section(name)
        found = {"title": module.TITLE, "about": module.__doc__, "packages": versions(("pellucid", *module.PACKAGES))}
        module.measure(report)
    except MissingDataError as error:
        report.say(f"Skipped: {error}.")
    except Exception as error:  # noqa: BLE001 - a section that fails must not take the others with it
        traceback.print_exc()
        report.say(f"\nEnded early: {type(error).__name__}: {' '.join(str(error).split())[:400]}")
        found["failed"] = True
    answer.write_text(json.dumps(found | report.as_plain()), encoding="utf-8")
    return 0


def write(out: Path, name: str, found: dict[str, Any], took: float) -> None:
    """Put one section into the page."""
    from reporting import Bar, page, read_page, section_text

    rows, sections = read_page(out.read_text(encoding="utf-8")) if out.exists() else ({}, {})
    rows[name] = [Bar(**bar).row(name) for bar in found["bars"]]
    packages = f"Python {platform.python_version()}, {found.get('packages', '')}".rstrip(", ")
    sections[name] = section_text(name, found.get("title", name), found.get("about", ""), found["lines"], packages, took)
    out.write_text(page(SECTIONS, rows, sections), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
