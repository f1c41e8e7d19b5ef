"""One shard after the other, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from pellucid.plans.shards import Done, Shard


@dataclass(frozen=True)
class Serial:
    """One shard after the other, in this process, with the model that is open in it.

    It serves every model, and one network already uses all cores of a machine where it is large.
    """

    here: ClassVar[bool] = True

    def run(self, work: Callable[[Shard], Done], shards: Iterable[Shard]) -> Iterator[Done]:
        """Each finished shard, in order."""
        return map(work, shards)
