"""Every exception Pellucid raises on purpose, in one tree, so that one `except` can catch them all.

    PellucidError
     ├─ InputError (ValueError)              what was given to explain cannot be used
     │   ├─ ShapeError                       wrong shape, or a missing batch axis
     │   ├─ DtypeError                       not numbers
     │   ├─ NonFiniteError                   NaN or infinity
     │   └─ EmptyError                       no sample at all
     ├─ UnknownNameError (LookupError)       a name that is in no catalogue
     │   ├─ UnknownMethodError, UnknownViewError, UnknownMetricError, UnknownLayerError, UnknownClassError,
     │   └─ UnknownDatasetError, UnknownNetworkError, UnknownApplicationError, UnknownPartError
     ├─ SettingError (TypeError, ValueError) a keyword or a value that a method does not take
     │   ├─ CombinationError                 parts that do not fit together
     │   └─ SeveralOutputsError              a network with several outputs, and no word of which one
     ├─ ModelError                           the model cannot be used
     │   ├─ DamagedModelError                a file that cannot be read
     │   ├─ UnsafeModelError                 a file that would run code
     │   └─ UnsupportedError                 a method that cannot serve this model
     ├─ DataNotFoundError (FileNotFoundError)
     ├─ OutputError (OSError)                a file that cannot be written
     ├─ FormatError (ValueError)             a record file that cannot be read
     ├─ MissingExtraError (ImportError)      an optional package is not installed
     ├─ PlanError (RuntimeError)             a plan over many samples cannot go on, or explained none of them
     └─ StrictError                          strict=True and a check failed

Each text says what came, what was expected and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping


class PellucidError(Exception):
    """The root of every error raised on purpose."""

    def __str__(self) -> str:  # LookupError and OSError would quote or renumber the text
        return str(self.args[0]) if self.args else ""


class InputError(PellucidError, ValueError):
    """The samples, baseline or background cannot be used."""


class ShapeError(InputError):
    """An array has another shape than the model takes."""


class DtypeError(InputError):
    """An array does not hold numbers."""


class NonFiniteError(InputError):
    """An array holds NaN or infinity."""


class EmptyError(InputError):
    """There is no sample."""


class UnknownNameError(PellucidError, LookupError):
    """A name stands in no catalogue."""


class UnknownMethodError(UnknownNameError):
    """No explanation method has this name."""


class UnknownMetricError(UnknownNameError):
    """No metric has this name."""


class UnknownViewError(UnknownNameError):
    """No view has this name."""


class UnknownLayerError(UnknownNameError):
    """The network has no layer of this name."""


class UnknownClassError(UnknownNameError):
    """The network has no class of this name or number."""


class UnknownDatasetError(UnknownNameError):
    """No data set has this name."""


class UnknownNetworkError(UnknownNameError):
    """No reference network has this name."""


class UnknownApplicationError(UnknownNameError):
    """No application has this name."""


class UnknownPartError(UnknownNameError):
    """No features, fill or figure has this name."""


class SettingError(PellucidError, TypeError, ValueError):
    """A keyword is unknown, or its value cannot be used."""


class CombinationError(SettingError):
    """Two settings do not fit together."""


class SeveralOutputsError(SettingError):
    """The network returns several outputs and the target does not say which one it is of. `shapes` holds theirs by name, None where one is unknown."""

    def __init__(self, text: str, shapes: Mapping[str, tuple[int | None, ...] | None] | None = None) -> None:
        super().__init__(text)
        self.shapes = dict(shapes or {})


class ModelError(PellucidError):
    """The model cannot be used."""


class DamagedModelError(ModelError, ValueError):
    """A model file cannot be read."""


class UnsafeModelError(ModelError):
    """A model file would run code of its own."""


class UnsupportedError(ModelError):
    """A method or view cannot serve this model."""


class DataNotFoundError(PellucidError, FileNotFoundError):
    """A data set or file is in none of the places looked in."""


class OutputError(PellucidError, OSError):
    """A file cannot be written."""


class FormatError(PellucidError, ValueError):
    """A record file cannot be read."""


class MissingExtraError(PellucidError, ImportError):
    """An optional package is not installed."""


class PlanError(PellucidError, RuntimeError):
    """A plan over many samples cannot go on, or explained none of them."""


class StrictError(PellucidError):
    """`strict=True` was asked for and a check failed."""


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """The text for a name that is not known: the nearest one, then all of them.

    >>> unknown("method", "shapp", ["lime", "shap"])
    "unknown method 'shapp'; did you mean 'shap'? Known: lime, shap."
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    return f"unknown {kind} '{name}'{hint} Known: {', '.join(names)}."
