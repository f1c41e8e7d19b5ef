"""The methods of explanation: one file each, in folders by family; files that begin with `_` are the families' engines."""

from __future__ import annotations

from pathlib import Path

from pellucid.core.catalogue import Catalogue
from pellucid.core.errors import UnknownMethodError

METHODS = Catalogue("method", "pellucid.methods", Path(__file__).parent, UnknownMethodError)
