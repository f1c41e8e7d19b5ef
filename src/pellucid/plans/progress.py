"""How far a plan is, and how long it will take: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

EVERY = 60.0
"""Seconds between two lines where there is no terminal."""
PACE_OVER = 1800.0
"""Seconds over which the pace is measured, from which the time left follows; a shard may take minutes."""
Tell = Callable[[int, int, float | None], None]
"""Called with the samples done, those among them that failed, and, where the number of samples is not known, the part of the data that was read."""


@contextlib.contextmanager
def shown(title: str, samples: int | None, there: int, wanted: bool | None) -> Iterator[Tell]:
    """A function to tell the progress to. `there` samples were done before this run: they count as done, not for the pace. On a terminal, or in a
    notebook, a bar on standard error; with `wanted`, lines where there is none; nothing where it is False."""
    console = Console(stderr=True)
    if wanted is False or (wanted is None and not (console.is_terminal or console.is_jupyter)):
        yield lambda done, failed, fraction: None
    elif console.is_terminal or console.is_jupyter:
        with _bar(console) as bar:
            task = bar.add_task(title, total=samples, completed=there, count=_words(there, samples, 0))

            def update(done: int, failed: int, fraction: float | None) -> None:
                total = samples if samples is not None else done / fraction if fraction else None
                bar.update(task, completed=done, total=total, count=_words(done, samples, failed))

            yield update
    else:
        yield _lines(console, title, samples, there)


def _bar(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, speed_estimate_period=PACE_OVER)


def _lines(console: Console, title: str, samples: int | None, there: int) -> Tell:
    began = last = time.monotonic()

    def line(done: int, failed: int, fraction: float | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < EVERY:
            return
        last, total = now, samples if samples is not None else done / fraction if fraction else None
        left = "" if total is None else f", {clock((total - done) * (now - began) / max(done - there, 1))} left"
        console.print(f"{title}: {_words(done, samples, failed)}{left}", soft_wrap=True, highlight=False, markup=False)

    return line


def _words(done: int, samples: int | None, failed: int) -> str:
    """
    >>> _words(1200, 10000, 3), _words(5, None, 0)
    ('1,200 of 10,000 samples, 3 failed', '5 samples')
    """
    return f"{done:,}" + ("" if samples is None else f" of {samples:,}") + " samples" + (f", {failed:,} failed" if failed else "")


def clock(seconds: float) -> str:
    """
    >>> clock(75), clock(3700)
    ('1:15', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
