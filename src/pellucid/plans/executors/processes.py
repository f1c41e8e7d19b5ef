"""Several processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

from pellucid.core.errors import SettingError
from pellucid.plans.executors._pool import Pool
from pellucid.plans.shards import Done, Shard


@dataclass(frozen=True)
class Processes:
    """Several processes on this machine, each of which opens the model's file itself.

    They are started afresh (`spawn`), for a framework that runs does not survive a fork; a script that uses them needs `if __name__ == "__main__":`. They
    end with the process that started them, however it ends. Each uses as many threads as its framework takes: with many workers, set OMP_NUM_THREADS and
    TF_NUM_INTRAOP_THREADS to cores ÷ workers before Python starts. Does not serve a model that is in memory only.
    """

    workers: int = 2
    here: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise SettingError(f"processes: workers is {self.workers}, expected a whole number from 1 on.")

    def run(self, work: Callable[[Shard], Done], shards: Iterable[Shard]) -> Iterator[Done]:
        """Each finished shard as it comes."""
        pool = ProcessPoolExecutor(self.workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start)
        try:
            yield from Pool(pool, self.workers + 1).run(work, shards)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _start() -> None:
    """A worker ends at once on Ctrl-C, without a word, and with its parent, even where that was killed and could not say so."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
