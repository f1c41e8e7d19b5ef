"""Anything with the `submit` of concurrent.futures as an executor: a thread pool, Dask's `client.get_executor()`, joblib's loky, MPI's pool."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from pellucid.core.errors import PlanError
from pellucid.plans.shards import Done, Shard


@dataclass(frozen=True)
class Pool:
    """Shards submitted to a pool that the user has made. As many are under way as keeps its workers busy, so that memory does not grow with the data.

    `ahead` is how many shards are submitted at a time, 0 for twice as many as it has workers.
    """

    pool: Any
    ahead: int = 0

    @property
    def here(self) -> bool:
        return isinstance(self.pool, ThreadPoolExecutor)

    def run(self, work: Callable[[Shard], Done], shards: Iterable[Shard]) -> Iterator[Done]:
        """Each finished shard as it comes."""
        rest, most = iter(shards), self.ahead or 2 * (getattr(self.pool, "_max_workers", None) or os.cpu_count() or 1)
        pending: set[Future[Done]] = set()
        try:
            while True:
                pending |= {self.pool.submit(work, shard) for shard in itertools.islice(rest, most - len(pending))}
                if not pending:
                    return
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield future.result()
        except BrokenExecutor as error:
            raise PlanError(
                f"a worker ended before its shard was done ({error}). Where the system ended it for want of memory, take fewer workers or a smaller "
                "shard_size. What is finished is kept: run the plan again to go on."
            ) from error
        finally:
            for future in pending:
                future.cancel()
