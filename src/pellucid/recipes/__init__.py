"""Reference networks and their training. Importing this loads no framework; building or training a network does."""

from __future__ import annotations

from pathlib import Path

from pellucid.core.catalogue import Catalogue
from pellucid.core.errors import UnknownNetworkError

NETWORKS = Catalogue("network", "pellucid.recipes.networks", Path(__file__).parent / "networks", UnknownNetworkError, plain=True)

__all__ = ["NETWORKS"]
