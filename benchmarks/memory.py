"""Peak memory above the ready model, each case in a process of its own: what the process holds at its highest during a job, less what it held before.

"Ready" is after one bare pass of one image has gone through, so that the framework's own buffers are there. Where the system lets the high-water mark be
set back (Linux), it is; elsewhere the mark of the process's whole life serves.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
RUN = Path(__file__).parent / "run.py"


def above_ready(job: Callable[[], object]) -> float:
    """Megabytes by which the job raises the process's resident memory at its highest."""
    gc.collect()
    if not STATUS.exists():
        before = _highest_ever()
        job()
        return _highest_ever() - before
    CLEAR.write_text(RESET_PEAK)
    before = _status("VmRSS")
    job()
    return _status("VmHWM") - before


def _status(name: str) -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def _highest_ever() -> float:
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / 2**20 if sys.platform == "darwin" else size / 1024


def in_own_process(section: str, *arguments: Any, environment: Mapping[str, str] | None = None) -> Any:
    """What `case(*arguments)` of a section gives, run in a fresh process; arguments and answer are plain values."""
    command = [sys.executable, str(RUN), "--case", section, json.dumps(arguments)]
    variables = os.environ | dict(environment or {})
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)  # noqa: S603 - our own script
    if ended.returncode:
        raise RuntimeError(f"{section}{arguments} failed:\n{ended.stderr[-2000:]}")
    return json.loads(ended.stdout.strip().splitlines()[-1])
