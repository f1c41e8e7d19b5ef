"""The metrics of explanations: one file each, in folders by what they ask; files that begin with `_` are what several share."""

from __future__ import annotations

from pathlib import Path

from pellucid.core.catalogue import Catalogue
from pellucid.core.errors import UnknownMetricError

METRICS = Catalogue("metric", "pellucid.metrics", Path(__file__).parent, UnknownMetricError)
