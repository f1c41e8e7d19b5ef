"""Who explains the shards: one file an executor. `run(work, shards)` yields each finished shard, in whatever order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pellucid.core.catalogue import Catalogue
from pellucid.core.errors import SettingError, UnknownPartError
from pellucid.data.parts import parse_part
from pellucid.plans.executors._pool import Pool
from pellucid.plans.shards import Done, Shard

EXECUTORS = Catalogue("executor", "pellucid.plans.executors", Path(__file__).parent, UnknownPartError)
Work = Callable[[Shard], Done]


@runtime_checkable
class Executor(Protocol):
    """Carries out a plan's shards. Where work is done `here`, in this process, it uses the model that is open in it; elsewhere each process opens the
    model's file itself."""

    @property
    def here(self) -> bool:
        """Whether work is done in this process."""

    def run(self, work: Work, shards: Iterable[Shard]) -> Iterator[Done]:
        """Call `work` on every shard and yield what it returns; take shards from the iterator only as fast as they are worked on."""


def find_executor(spec: Any) -> Executor:
    """An executor by name ("serial", "processes:4"), one as it is, or anything with the `submit` of concurrent.futures."""
    if isinstance(spec, str):
        found: Executor = parse_part(EXECUTORS, spec)
        return found
    if isinstance(spec, Executor):
        return spec
    if callable(getattr(spec, "submit", None)):
        return Pool(spec)
    raise SettingError(
        f"executor is {spec!r}, expected {', '.join(EXECUTORS)} (such as 'processes:4'), or an object with submit(function, *arguments), as in "
        "concurrent.futures."
    )
