"""scikit-learn estimators: probabilities, decision values or predictions of rows of a table, with the names that the estimator knows."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.adapters.black_box import BlackBox
from pellucid.core.errors import ModelError, PellucidError, SettingError, UnsupportedError, unknown
from pellucid.core.inputs import on_host
from pellucid.core.model import Model, Traits
from pellucid.core.packing import Packing

Array = np.ndarray
WAYS = ("predict_proba", "decision_function", "predict")
"""Which method gives the scores: the first that the estimator has; `predict` only where it gives numbers and not classes."""


class SklearnEstimator(BlackBox):
    """A fitted estimator of scikit-learn, or of a library with the same interface (XGBoost's, LightGBM's): a classifier, a regressor, a pipeline or a search.

    Scores are those of `predict_proba`, else of `decision_function`, else, of a regressor, of `predict`; `by` names another. An estimator that was fitted on
    a pandas table is given one, with its own columns. Class names are the estimator's `classes_`, names of columns its `feature_names_in_`. Is explained at
    what it returns: it gives no gradients and shows no layers. Does not read columns of words, and never opens a pickle (.joblib, .pkl), which is code.

    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> SklearnEstimator(LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])).predict(np.array([[2.0]]))
    array([[5.]])
    """

    suffixes: tuple[str, ...] = ()
    rank = 50

    def __init__(self, estimator: Any, *, by: str | None = None, batch_size: int = 4096) -> None:
        self.estimator = estimator
        self.by = _way(estimator, by)
        self.columns = tuple(str(name) for name in _known(estimator, "feature_names_in_", ()))
        super().__init__(self._scores, batch_size)
        columns = _known(estimator, "n_features_in_", None)
        self.traits = Traits(
            "scikit-learn",
            input_shape=None if columns is None else (int(columns),),
            class_names=self._class_names(),
            feature_names=self.columns,
            fingerprint=_fingerprint(estimator),
            versions=_versions(estimator),
        )

    def packed(self, packing: Packing) -> Model:
        return Model.packed(self, packing)

    @classmethod
    def recognises(cls, candidate: Any) -> bool:
        found = "sklearn" in sys.modules and not isinstance(candidate, type)
        return found and callable(getattr(candidate, "get_params", None)) and any(callable(getattr(candidate, way, None)) for way in (*WAYS, "fit"))

    @classmethod
    def open(cls, candidate: Any, *, allow_unsafe: bool) -> SklearnEstimator:
        if isinstance(candidate, Path):
            raise ModelError("an estimator is an object, not a file.")
        return cls(candidate)

    def _class_names(self) -> tuple[str, ...]:
        classes = np.asarray(_known(self.estimator, "classes_", ()), dtype=object)
        one_column = self.by == "predict" or (self.by == "decision_function" and len(classes) == 2)
        return () if one_column or classes.ndim != 1 or any(isinstance(label, (list, np.ndarray)) for label in classes) else tuple(str(c) for c in classes)

    def _scores(self, rows: Array) -> Array:
        function: Callable[[Any], Any] = getattr(self.estimator, self.by)
        try:
            found = function(_table(rows, self.columns))
        except PellucidError:
            raise
        except Exception as error:
            name, text = type(self.estimator).__name__, str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            if type(error).__name__ == "NotFittedError":
                raise ModelError(f"the {name} is not fitted yet; call its fit(x, y) first.") from error
            raise ModelError(f"{name}.{self.by} cannot take rows of shape {rows.shape[1:]} ({text}).") from error
        if isinstance(found, list):
            raise UnsupportedError(f"{type(self.estimator).__name__} gives {len(found)} outputs; explain one: lambda x: estimator.{self.by}(x)[0].")
        return np.asarray(on_host(found))


def _known(estimator: Any, name: str, otherwise: Any) -> Any:
    """What fitting has left, where it has."""
    try:
        return getattr(estimator, name)
    except Exception as error:
        if isinstance(error, AttributeError) or type(error).__name__ == "NotFittedError":
            return otherwise
        raise


def _way(estimator: Any, by: str | None) -> str:
    """The method that gives the scores."""
    name = type(estimator).__name__
    there = [way for way in WAYS if callable(getattr(estimator, way, None))]
    if by is not None:
        if by not in there:
            raise SettingError(unknown(f"way of {name}", by, there))
        return by
    if there and (there[0] != "predict" or _regresses(estimator)):
        return there[0]
    fit = " It is not fitted yet; call its fit(x, y) first." if not there else ""
    raise ModelError(
        f"{name} gives no scores: it has neither predict_proba nor decision_function and is no regressor.{fit} Give a function of scores, "
        f"e.g. lambda x: estimator.predict(x)[:, None] == estimator.classes_."
    )


def _regresses(estimator: Any) -> bool:
    from sklearn.base import is_regressor

    return bool(is_regressor(estimator))


def _table(rows: Array, columns: tuple[str, ...]) -> Any:
    """Rows as an estimator was fitted on them: a table with named columns, where it was one."""
    pandas = sys.modules.get("pandas")
    return rows if not columns or pandas is None or rows.shape[1:] != (len(columns),) else pandas.DataFrame(rows, columns=list(columns))


def _fingerprint(estimator: Any) -> str:
    """A digest of its settings and of what fitting has left; of one that cannot be written down, its settings as printed."""
    import joblib

    try:
        digest = str(joblib.hash(estimator, hash_name="sha1"))
    except Exception as error:  # noqa: BLE001 - whatever a user's own part raises when it is written down
        digest = hashlib.sha256(f"{estimator!r} {type(error).__name__}".encode()).hexdigest()
    return digest[:16]


def _versions(estimator: Any) -> dict[str, str]:
    library = type(estimator).__module__.partition(".")[0]
    found = {name: getattr(sys.modules.get(name), "__version__", "") for name in ("sklearn", library)}
    return {{"sklearn": "scikit-learn"}.get(name, name): version for name, version in found.items() if version}
