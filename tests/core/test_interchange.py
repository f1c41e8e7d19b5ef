"""Explanations as JSON, and what SHAP's plots show of what a person gave: the numbers are the record's, and the words the person's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

import pellucid
from embedding_model import EmbeddingModel
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.exports import columns
from pellucid.core.records import Explanation

matplotlib.use("Agg")
Array = np.ndarray
ROWS = {"age": np.array([25.0, 40.0, 61.5, 33.0]), "home": np.array(["rent", "own", "own", "free"]), "children": np.array([0, 2, 1, 1])}
TABLE = pellucid.Table.fit(ROWS, units={"age": "years"})
ON_ROWS = NumpyModel(random_stack(0, (5, 8, 2)), (5,), softmax=True)
SENTENCES = ["a really good film", "not good"]
TEXT = pellucid.Text.fit(SENTENCES, length=6)
ON_WORDS = EmbeddingModel.drawn(1, 6, 4, len(TEXT.vocabulary), "tanh")


def of_rows(method: str = "exact_shap", **asked: Any) -> Explanation:
    return pellucid.explain(ON_ROWS, ROWS, method, preprocessing=TABLE, **{"background": ROWS, "target": 1} | asked)


def of_words(method: str = "exact_shap", **asked: Any) -> Explanation:
    return pellucid.explain(ON_WORDS, SENTENCES, method, preprocessing=TEXT, **{"target": 1} | asked)


def of_images() -> Explanation:
    network, x = NumpyModel(random_stack(1, (36, 4, 2)), (6, 6, 1)), np.random.default_rng(0).normal(size=(2, 6, 6, 1))
    return pellucid.explain(network, x, "smooth_grad", target=0, tolerance=0.5)


EVERY = {
    "a table": of_rows,
    "a table by gradients": lambda: of_rows("integrated_gradients", background=None),
    "several targets": lambda: of_rows(target=pellucid.Several(0, 1)),
    "pairs": lambda: of_rows("shapley_interactions"),
    "words": of_words,
    "tokens": lambda: of_words("integrated_gradients"),
    "an image": of_images,
    "no error": lambda: of_rows("guided_integrated_gradients", background=None),
}


@pytest.mark.parametrize("kind", EVERY)
def test_json_holds_every_row_of_the_table(kind: str) -> None:
    found = EVERY[kind]()
    said = json.loads(found.to_json(0.9))
    assert (said["type"], said["version"], said["method"], said["level"]) == ("explanation", 1, found.method, 0.9)
    table = columns(found, 0.9)
    rows = [one | {"sample": sample["sample"], "target": sample["target"]} for sample in said["explanations"] for one in sample["features"]]
    assert len(rows) == len(table["value"])
    for name, column in table.items():
        if name in ("method", "score", "outcome"):
            continue
        for row, value in zip(rows, column.tolist(), strict=True):
            if isinstance(value, float):
                assert row[name] is None if not np.isfinite(value) else row[name] == value, name
            else:
                assert row[name] == value, name
    first = said["explanations"][0]
    assert first["score"] == float(np.reshape(found.score, -1)[0])
    assert first["prediction"] == found.prediction[0].tolist()
    assert first["outcome"]["code"] == (found.outcome[0].parts or (found.outcome[0],))[0].worst.code
    assert said["provenance"]["seed"] == 0


def test_json_says_what_was_given_and_has_no_nan() -> None:
    said = json.loads(of_words().to_json(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert said["explanations"][1]["text"] == "not good"
    assert [one["feature"] for one in said["explanations"][1]["features"]] == ["not", "good"]
    rows = json.loads(of_rows().to_json())
    assert [(one["feature"], one["given"]) for one in rows["explanations"][2]["features"]] == [("age", "61.5 years"), ("home", "own"), ("children", "1")]
    assert rows["provenance"]["preprocessing"]["kind"] == "table"
    odd = replace(of_rows(), error=np.full((4, 3), np.nan), score=np.array([np.inf, 1, 2, 3]))
    found = json.loads(odd.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found["explanations"][0]["score"] is None
    assert found["explanations"][0]["features"][0]["error"] is None


def shap_library() -> Any:
    return pytest.importorskip("shap")


def test_shaps_plots_show_columns_with_what_they_held() -> None:
    shap = shap_library()
    for record in (of_rows(), of_rows("integrated_gradients", background=None), of_rows("saliency", background=None)):
        found = record.to_shap()
        ax = shap.plots.waterfall(found[1], show=False) if record.method != "saliency" else shap.plots.bar(found[1], show=False)
        texts = [label.get_text() for label in ax.get_yticklabels()]
        matplotlib.pyplot.close("all")
        assert "40 years = age" in texts
        assert "own = home" in texts
        np.testing.assert_allclose(found.data[:, 0], ROWS["age"])
    found = of_rows().to_shap()
    assert found.data[:, 1].tolist() == [2.0, 1.0, 1.0, 0.0], "places in the alphabet"
    ax = shap.plots.scatter(found[:, "home"], show=False)
    assert sorted(label.get_text() for label in ax.get_xticklabels()) == ["free", "own", "rent"]
    shap.plots.beeswarm(found, show=False)
    matplotlib.pyplot.close("all")
    np.testing.assert_array_equal(found.values, of_rows().values)


def test_shaps_plots_show_words() -> None:
    shap = shap_library()
    for record in (of_words(), of_words("integrated_gradients")):
        found = record.to_shap()
        assert found[0].data[:4].tolist() == ["a", "really", "good", "film"]
        page = shap.plots.text(found[0], display=False)
        assert "really" in page
        ax = shap.plots.waterfall(found[0], show=False)
        assert any(label.get_text().startswith("really = ") for label in ax.get_yticklabels())
        matplotlib.pyplot.close("all")


def test_missing_numbers_stay_missing() -> None:
    table = pellucid.Table.fit(ROWS, missing="mean")
    rows = ROWS | {"age": np.array([25.0, np.nan, 61.5, 33.0])}
    found = pellucid.explain(ON_ROWS, rows, "exact_shap", preprocessing=table, background=ROWS, target=1).to_shap()
    assert np.isnan(found.data[1, 0])
    assert found.display_data[1, 0] == "missing"


def test_tables_and_files_hold_what_was_given(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    from pellucid.apps.writing import write

    record = of_rows()
    for suffix, read in ((".csv", pandas.read_csv), (".parquet", pandas.read_parquet)):
        write([record], tmp_path / f"x{suffix}", "")
        table = read(tmp_path / f"x{suffix}")
        assert table["given"].astype(str).tolist() == [text for row in record.provenance["given"] for text in row["data"]]
        np.testing.assert_allclose(table["value"], record.values.ravel(), rtol=1e-6)
    write([record, of_words()], tmp_path / "x.json", "")
    both = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert both[0] == json.loads(record.to_json())
    assert both[1]["explanations"][0]["text"] == SENTENCES[0]
