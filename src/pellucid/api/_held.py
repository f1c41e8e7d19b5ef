"""What a record keeps of the network it explains, so that it can be gone on with: little enough that thousands of records can be kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pellucid.adapters import adapt
from pellucid.api._inputs import packed
from pellucid.core.model import Model
from pellucid.core.packing import Packing


@dataclass(frozen=True)
class Held:
    """What the user gave: adapted for each call, and again when work goes on, so that a record keeps alive neither what was traced or compiled for the call
    nor, of a file, the network. A `Model` is the user's to keep, and serves as it is.

    `output` and `packing` say how the call read it. A network that has changed in between has another fingerprint, by which it is noticed.
    """

    given: Any
    allow_unsafe: bool = False
    output: str = ""
    packing: Packing | None = None

    @classmethod
    def of(cls, given: Any, allow_unsafe: bool) -> Held:
        if isinstance(given, Held):
            return given
        return cls(Path(given).absolute() if isinstance(given, (str, Path)) else given, allow_unsafe)

    def model(self) -> Model:
        """The network as the call had it."""
        found = adapt(self.given, allow_unsafe=self.allow_unsafe)
        if self.output and found.traits.output != self.output:
            found = found.reading(self.output)
        return found if self.packing is None or found.packing is not None else packed(found, self.packing)

    def read_as(self, model: Model) -> Held:
        """The same, read as this model of it is."""
        if isinstance(self.given, Model) and model.traits.output == self.given.traits.output:
            return Held(model)  # it, or what it keeps of itself with its inputs packed
        return replace(self, output=model.traits.output, packing=model.packing)
