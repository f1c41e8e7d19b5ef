"""Estimators of scikit-learn: which of their methods is explained, under which names, and what is refused."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters import adapt
from pellucid.adapters.black_box import BlackBox
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core import errors

pytest.importorskip("sklearn")
from sklearn import cluster, ensemble, linear_model, model_selection, neural_network, pipeline, preprocessing, svm

from pellucid.adapters.sklearn_estimator import SklearnEstimator

PREDICTION, VALUES = 1e-5, 1e-3


def close(mine: np.ndarray, theirs: np.ndarray, relative: float = PREDICTION) -> None:
    assert mine.shape == theirs.shape
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=relative * np.abs(theirs).max())


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(60, 6))


@pytest.fixture(scope="module")
def kinds(table: np.ndarray) -> np.ndarray:
    return np.array(["low", "middle", "high"])[np.clip(np.digitize(table[:, 0] + table[:, 1], [-0.5, 0.5]), 0, 2)]


@pytest.fixture(scope="module")
def twin(oracle: NumpyModel, table: np.ndarray, kinds: np.ndarray) -> Any:
    """The oracle's weights in an MLPClassifier."""
    model = neural_network.MLPClassifier((8, 5), max_iter=201, tol=10.0, n_iter_no_change=1).fit(table, kinds)
    model.coefs_ = [dense.weights for dense in oracle.stack]
    model.intercepts_ = [dense.bias for dense in oracle.stack]
    return model


METHODS: dict[str, dict[str, Any]] = {
    "shap": {"tolerance": 0.0, "max_evaluations": 40},
    "exact_shap": {},
    "lime": {"tolerance": 0.0, "max_evaluations": 200},
    "feature_ablation": {},
    "sobol": {"tolerance": 0.0, "max_evaluations": 512},
}


@pytest.mark.parametrize("method", METHODS)
def test_it_equals_the_oracle(oracle: NumpyModel, twin: Any, table: np.ndarray, method: str) -> None:
    close(adapt(twin).predict(table), oracle.predict(table))
    mine, theirs = (pellucid.explain(one, table[:4], method, target=1, score="probability", **METHODS[method]) for one in (twin, oracle))
    close(mine.values, theirs.values, VALUES)


def test_classes_bear_their_names(twin: Any, table: np.ndarray) -> None:
    record = pellucid.explain(twin, table[:2], "exact_shap", target="middle")
    assert record.class_names == ("high", "low", "middle")
    assert record.target.labels == ("middle", "middle")
    assert pellucid.explain(twin, table[:2], "exact_shap", class_names=["a", "b", "c"]).class_names == ("a", "b", "c")


def test_columns_bear_their_names(table: np.ndarray, kinds: np.ndarray) -> None:
    """An estimator that was fitted on a table of pandas is given one; it would warn, and a pipeline that chooses columns by name would fail."""
    pandas = pytest.importorskip("pandas")
    from sklearn.compose import ColumnTransformer

    names = [f"measure {i}" for i in range(6)]
    chosen = ColumnTransformer([("some", preprocessing.StandardScaler(), names[:2])])
    model = pipeline.make_pipeline(chosen, linear_model.LogisticRegression()).fit(pandas.DataFrame(table, columns=names), kinds)
    record = pellucid.explain(model, pandas.DataFrame(table[:2], columns=names), "exact_shap")
    assert record.features is not None
    assert record.features.names == tuple(names)
    assert not np.any(record.values[:, 2:])
    assert np.any(record.values[:, :2])
    turned = pandas.DataFrame(table[:2], columns=names)[names[::-1]]
    np.testing.assert_array_equal(pellucid.explain(model, turned, "exact_shap").values, record.values)
    with pytest.raises(errors.InputError, match=r"the model was fitted on measure 0, measure 1"):
        pellucid.explain(model, turned.rename(columns={"measure 0": "other"}), "exact_shap")


def test_which_method_gives_the_scores(table: np.ndarray, kinds: np.ndarray) -> None:
    number = table[:, 0] * 2 + 1
    cases = [
        (linear_model.LogisticRegression().fit(table, kinds), "predict_proba", 3, ("high", "low", "middle")),
        (svm.LinearSVC().fit(table, kinds), "decision_function", 3, ("high", "low", "middle")),
        (svm.LinearSVC().fit(table, kinds == "low"), "decision_function", 1, ()),
        (linear_model.LinearRegression().fit(table, number), "predict", 1, ()),
        (linear_model.LinearRegression().fit(table, np.stack([number, -number], axis=1)), "predict", 2, ()),
        (ensemble.IsolationForest(n_estimators=5, random_state=0).fit(table), "decision_function", 1, ()),
        (pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.Ridge()).fit(table, number), "predict", 1, ()),
        (
            model_selection.GridSearchCV(linear_model.LogisticRegression(), {"C": [1.0, 2.0]}, cv=2).fit(table, kinds),
            "predict_proba",
            3,
            ("high", "low", "middle"),
        ),
    ]
    for estimator, way, outputs, names in cases:
        model = adapt(estimator)
        assert isinstance(model, SklearnEstimator)
        assert (model.by, model.predict(table).shape, model.traits.class_names) == (way, (60, outputs), names)
        assert model.traits.input_shape == (6,)
        close(model.predict(table), np.asarray(getattr(estimator, way)(table)).reshape(60, -1))


def test_another_method_can_be_named(table: np.ndarray, kinds: np.ndarray) -> None:
    estimator = linear_model.LogisticRegression().fit(table, kinds)
    values = SklearnEstimator(estimator, by="decision_function")
    close(values.predict(table), estimator.decision_function(table))
    record = pellucid.explain(values, table[:3], "exact_shap", target=0)
    close(record.values, table[:3] * estimator.coef_[0], VALUES)
    with pytest.raises(errors.SettingError, match="unknown way of LogisticRegression 'predict_probe'; did you mean 'predict_proba'"):
        SklearnEstimator(estimator, by="predict_probe")


def test_gradient_methods_name_what_serves(twin: Any, table: np.ndarray) -> None:
    with pytest.raises(errors.UnsupportedError, match=r"gradients, which scikit-learn does not give. These can: .*shap"):
        pellucid.explain(twin, table[:1], "integrated_gradients")


def test_what_gives_no_scores_is_refused(table: np.ndarray, kinds: np.ndarray) -> None:
    with pytest.raises(errors.ModelError, match="KMeans gives no scores"):
        adapt(cluster.KMeans(2, n_init=1, random_state=0).fit(table))
    with pytest.raises(errors.ModelError, match=r"LogisticRegression is not fitted yet; call its fit"):
        pellucid.explain(linear_model.LogisticRegression(), table[:1], "shap")
    several = ensemble.RandomForestClassifier(2, random_state=0).fit(table, np.stack([kinds, kinds], axis=1))
    with pytest.raises(errors.UnsupportedError, match="gives 2 outputs; explain one"):
        pellucid.explain(several, table[:1], "shap")
    with pytest.raises(errors.ShapeError, match=r"x has shape \(1, 5\), the model takes \(samples, 6\)"):
        pellucid.explain(linear_model.LogisticRegression().fit(table, kinds), table[:1, :5], "shap")


@pytest.mark.parametrize("suffix", [".joblib", ".pkl", ".pickle"])
def test_a_pickle_is_never_opened(tmp_path: Path, suffix: str) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "sprung",)

    file = tmp_path / f"model{suffix}"
    file.write_bytes(pickle.dumps(Trap()))
    for allowed in (False, True):
        with pytest.raises(errors.UnsafeModelError, match=r"is a pickle, which runs code.*joblib\.load"):
            adapt(file, allow_unsafe=allowed)
    assert not (tmp_path / "sprung").exists()


def test_the_fingerprint_is_the_fit(table: np.ndarray, kinds: np.ndarray) -> None:
    first = linear_model.LogisticRegression().fit(table, kinds)
    same, other = copy.deepcopy(first), linear_model.LogisticRegression(C=0.1).fit(table, kinds)
    assert adapt(first).traits.fingerprint == adapt(same).traits.fingerprint != adapt(other).traits.fingerprint
    strange = preprocessing.FunctionTransformer(lambda x: x)
    assert adapt(pipeline.make_pipeline(strange, first)).traits.fingerprint


def test_the_estimator_is_left_as_it_was(twin: Any, table: np.ndarray) -> None:
    import joblib

    before = joblib.hash(twin)
    pellucid.explain(twin, table[:2], "shap")
    assert joblib.hash(twin) == before


def test_scikit_learn_is_not_imported_for_a_callable() -> None:
    code = (
        "import sys, numpy, pellucid; pellucid.explain(lambda x: x, numpy.ones((1, 2)), 'exact_shap'); print('sklearn' in sys.modules, 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == ["False", "False"]


def test_a_callable_that_is_no_estimator_is_a_black_box() -> None:
    assert type(adapt(lambda x: x)) is BlackBox
