"""A progress bar that appears only where something takes longer than two seconds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pellucid.core.method import Progress as Report

PATIENCE = 2.0


@contextlib.contextmanager
def progress_after_patience(title: str, wanted: bool | None) -> Iterator[Report]:
    """A function that takes the fraction done. The bar goes to standard error, after `PATIENCE` seconds; None asks for it on a terminal or in a notebook."""
    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter if wanted is None else wanted):
        yield lambda fraction: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(title, total=1.0)
    began, shown = time.monotonic(), False

    def report(fraction: float) -> None:
        nonlocal shown
        if not shown and time.monotonic() - began > PATIENCE:
            bar.start()
            shown = True
        if shown:
            bar.update(task, completed=fraction)

    try:
        yield report
    finally:
        if shown:
            bar.stop()
