"""Data sets, and what methods are told of data: features, fills, backgrounds; preprocessing. Catalogues are made of file names; nothing is imported here."""

from __future__ import annotations

from pathlib import Path

from pellucid.core.catalogue import Catalogue
from pellucid.core.errors import UnknownDatasetError, UnknownPartError

_HERE = Path(__file__).parent

FEATURES = Catalogue("features", "pellucid.data.features", _HERE / "features", UnknownPartError)
FILLS = Catalogue("fill", "pellucid.data.fills", _HERE / "fills", UnknownPartError)
PREPROCESSINGS = Catalogue("preprocessing", "pellucid.data.preprocessings", _HERE / "preprocessings", UnknownPartError)
DATASETS = Catalogue("data set", "pellucid.data.datasets", _HERE / "datasets", UnknownDatasetError, plain=True)

__all__ = ["DATASETS", "FEATURES", "FILLS", "PREPROCESSINGS"]
