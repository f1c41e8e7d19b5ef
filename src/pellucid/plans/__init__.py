"""A plan over many samples: written down, streamed to disk shard by shard, gone on with after a kill. Ends in the same bytes whoever works on it."""

from pellucid.plans.executors import EXECUTORS, Executor
from pellucid.plans.explanations import Explanations
from pellucid.plans.plan import Plan
from pellucid.plans.shards import Failure

__all__ = ["EXECUTORS", "Executor", "Explanations", "Failure", "Plan"]
