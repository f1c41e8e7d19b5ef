"""The views: what happens inside a network, one file each."""

from __future__ import annotations

from pathlib import Path

from pellucid.core.catalogue import Catalogue
from pellucid.core.errors import UnknownViewError

VIEWS = Catalogue("view", "pellucid.views", Path(__file__).parent, UnknownViewError)
