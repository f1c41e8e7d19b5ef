"""A report in the words of what a person gave: sentences with their words, rows with their units, series as lines; and nothing of it is taken for HTML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from embedding_model import EmbeddingModel
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.records import Explanation
from pellucid.report import pictures
from pellucid.report.sections import compose

Array = np.ndarray
SENTENCES = ["good <script>alert(1)</script> film", "not good"]
TEXT = pellucid.Text.fit(SENTENCES, length=12, tokenizer="whitespace")
ROWS = {"age": np.array([20.0, 40.0, 60.0]), "home": np.array(["own", "rent <b>", "own"])}
TABLE = pellucid.Table.fit(ROWS, units={"age": "years"})
SERIES = pellucid.Series(30, ("left", "right"), (0.0, 0.0), (2.0, 2.0), "mV")


def of_words(method: str) -> Explanation:
    return pellucid.explain(EmbeddingModel.drawn(1, 12, 4, len(TEXT.vocabulary), "tanh"), SENTENCES, method, preprocessing=TEXT, tolerance=0.5)


def of_rows() -> Explanation:
    return pellucid.explain(NumpyModel(random_stack(0, (3, 8, 2)), (3,), softmax=True), ROWS, "exact_shap", preprocessing=TABLE, background=ROWS)


def of_series() -> Explanation:
    raw = np.random.default_rng(0).normal(size=(2, 30, 2))
    network = NumpyModel(random_stack(1, (60, 8, 3)), (30, 2), softmax=True)
    return pellucid.explain(network, raw, "integrated_gradients", preprocessing=SERIES, tolerance=0.5)


@pytest.mark.parametrize("method", ["exact_shap", "integrated_gradients"])
def test_a_sentence_stands_in_the_report_and_its_words_in_the_cards(method: str, tmp_path: Path) -> None:
    found = of_words(method)
    (network,) = compose([found]).networks
    first, second = network.samples
    assert (first.text, second.text) == tuple(SENTENCES)
    spans = re.findall(r'<span style="background:rgb\([\d,]+\);[^"]*" title="([^"]*)">([^<]*)</span>', second.cards[0].sentence)
    assert [word for _, word in spans][:2] == ["not", "good"]
    assert spans[0][0].startswith(f"not: {found.values[1, 0]:+.3g}".replace("-", "−"))
    assert len([word for title, word in spans if ": " in title]) == 2, "two words, no padding"
    page = pellucid.report([found], tmp_path / "r.html", evaluate=False).read_text(encoding="utf-8")
    assert "<blockquote>not good</blockquote>" in page
    assert "<script>alert" not in page
    assert "good &lt;script&gt;alert(1)&lt;/script&gt; film" in page


def test_words_are_drawn_in_their_order_and_padding_is_not() -> None:
    for method in ("exact_shap", "integrated_gradients"):
        kept = pictures.worded(of_words(method), 0)
        assert kept is not None
        assert kept[1] == SENTENCES[0].split()
        np.testing.assert_array_equal(kept[0].values[0, :3], of_words(method).values[0, :3])
        assert kept[0].values[:, kept[0].feature_mask[0]].shape == (1, 3)
    assert pictures.worded(of_rows(), 0) is None
    assert pictures.worded(of_series(), 0) is None


def test_rows_are_told_with_their_units_and_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    drawn = pictures.feature_bars

    def watched(explanation: Explanation, **options: Any) -> Any:
        artists = drawn(explanation, **options)
        seen.append([label.get_text() for label in artists[0].axes.get_yticklabels()])
        return artists

    monkeypatch.setattr(pictures, "feature_bars", watched)
    page = pellucid.report([of_rows()], tmp_path / "r.html", evaluate=False).read_text(encoding="utf-8")
    assert sorted(seen[1]) == ["age = 40 years", "home = rent <b>"]
    assert "rent <b>" not in page


def test_series_are_lines_with_their_channels_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    drawn = pictures.series_line

    def watched(explanation: Explanation, **options: Any) -> Any:
        asked.append(options)
        return drawn(explanation, **options)

    monkeypatch.setattr(pictures, "series_line", watched)
    found = of_series()
    pellucid.report([found], tmp_path / "r.html", evaluate=False)
    assert [one["sample"] for one in asked] == [0, 1]
    assert asked[0]["channels"] == ["left", "right"]
    (network,) = compose([found]).networks
    assert "the series in the colours of its attribution" in network.samples[0].cards[0].picture.alt


def test_a_grid_of_many_channels_and_an_image_are_no_series() -> None:
    wide = pellucid.explain(NumpyModel(random_stack(1, (96, 3)), (12, 8)), np.ones((1, 12, 8)), "saliency")
    image = pellucid.explain(NumpyModel(random_stack(1, (144, 3)), (12, 12, 1)), np.ones((1, 12, 12, 1)), "saliency")
    assert not pictures.of_series(wide)
    assert not pictures.of_series(image)
    assert pictures.of_series(of_series())


def test_a_table_is_shown_over_all_its_samples_where_they_are_many(tmp_path: Path) -> None:
    many = {"age": np.linspace(20, 60, 9), "home": np.array(["own", "rent <b>", "own"] * 3)}
    network = NumpyModel(random_stack(0, (3, 8, 2)), (3,), softmax=True)
    found = pellucid.explain(network, many, "exact_shap", preprocessing=TABLE, background=ROWS)
    (shown,) = compose([found]).networks[0].overall
    assert shown.title == "Exact SHAP over 9 samples"
    assert [picture.name.rpartition("-")[2] for picture in shown.pictures] == ["summary", "swarm", "0"], "and how the one column of numbers was followed"
    page = pellucid.report([found], tmp_path / "r.html", evaluate=False, figures=tmp_path / "figures").read_text(encoding="utf-8")
    assert "Exact SHAP over 9 samples" in page
    assert len(list((tmp_path / "figures").glob("*-swarm.png"))) == 1
    for few in (found[:5], of_series(), of_words("exact_shap")):
        assert not compose([few]).networks[0].overall
