"""A progress bar that appears only where something takes longer than two seconds."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

PATIENCE = 2.0


class Report(Protocol):
    """Takes the fraction done and, where there is a name for it, what is being done now."""

    def __call__(self, fraction: float, now: str = "") -> None: ...


def silent(fraction: float, now: str = "") -> None:
    """Shows nothing."""


@contextlib.contextmanager
def progress_after_patience(title: str, wanted: bool | None) -> Iterator[Report]:
    """A function that takes the fraction done. The bar goes to standard error, after `PATIENCE` seconds; None asks for it on a terminal or in a notebook.

    A clock of its own starts it: a single call of a slow model may take longer than that, before there is anything to report.
    """
    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter if wanted is None else wanted):
        yield silent
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(title, total=None)  # until something is known of how far it is, the bar shows that there is work
    timer = threading.Timer(PATIENCE, bar.start)
    timer.daemon = True
    timer.start()

    def report(fraction: float, now: str = "") -> None:
        bar.update(task, total=1.0, completed=fraction, description=f"{title}: {now}" if now else title)

    try:
        yield report
    finally:
        timer.cancel()
        timer.join()
        if bar.live.is_started:
            bar.stop()
