"""Worked applications: data, network, explanations and a report in one go."""

from __future__ import annotations

from pathlib import Path

from pellucid.core.catalogue import Catalogue
from pellucid.core.errors import UnknownApplicationError

APPLICATIONS = Catalogue("application", "pellucid.applications.trades", Path(__file__).parent / "trades", UnknownApplicationError, plain=True)
"""One file, one application: a function `(out, *, seed, lang, quick, watch, tell)` that gives a `Result`."""

__all__ = ["APPLICATIONS"]
