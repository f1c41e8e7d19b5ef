"""The words of a text as bars in their order."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from matplotlib.colors import to_rgba

import pellucid
import synthetic
from embedding_model import EmbeddingModel
from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.features import FeatureMap
from pellucid.core.records import Explanation
from pellucid.figures import FIGURES, png_bytes
from pellucid.figures._canvas import AGAINST, FOR

HALF = NormalDist().inv_cdf(0.975)


def draw(*args: object, **keywords: object) -> tuple:
    return FIGURES.load("token_bars")(*args, **keywords)


@pytest.fixture
def record() -> Explanation:
    """Two sentences, of 12 words and of 7 with padding."""
    made, generator = synthetic.explanation("shap", 2), np.random.default_rng(0)
    values = generator.normal(size=(2, 12))
    labels = np.stack([np.arange(12), np.where(np.arange(12) < 7, np.arange(12), -1)])
    values[1, 7:] = 0
    names = tuple(f"word {i + 1}" for i in range(12))
    return replace(made, inputs=np.ones((2, 12)), values=values, error=0.1 * np.abs(values), features=FeatureMap(labels, names, "words"), baseline=None,
                   degrees=np.full(2, np.inf))  # fmt: skip


def test_bars_stand_in_the_order_of_the_text_with_their_intervals(record: Explanation) -> None:
    *bars, whiskers = draw(record)
    np.testing.assert_allclose([bar.get_height() for bar in bars], record.values[0])
    np.testing.assert_allclose([bar.get_x() + bar.get_width() / 2 for bar in bars], np.arange(12))
    assert [bar.get_facecolor() for bar in bars] == [to_rgba(FOR if value > 0 else AGAINST) for value in record.values[0]]
    half = HALF * record.error[0]
    ends = [segment[:, 1] for segment in whiskers.get_segments()]
    np.testing.assert_allclose(ends, np.stack([record.values[0] - half, record.values[0] + half], 1), rtol=1e-4)
    low, high = bars[0].axes.get_ylim()
    assert low <= (record.values[0] - half).min()
    assert high >= (record.values[0] + half).max()


def test_padding_is_left_out_and_given_words_are_upright_below(record: Explanation) -> None:
    said = ["这", "部", "电影", "<b>", "an-unpronounceable-word", "$x", "."]
    *bars, _ = draw(record, sample=1, tokens=said)
    assert [bar.get_label() for bar in bars] == said
    ticks = bars[0].axes.get_xticklabels()
    assert [tick.get_text() for tick in ticks] == [*said[:4], "an-unpronou…", *said[5:]]
    assert {tick.get_rotation() for tick in ticks} == {90}
    assert png_bytes(bars[0].axes.figure).startswith(b"\x89PNG")
    with pytest.raises(SettingError, match="give one for each"):
        draw(record, tokens=said)


def test_a_long_text_goes_on_in_further_lines_on_one_scale(record: Explanation) -> None:
    artists = draw(record, per_line=5)
    bars = artists[:12]
    axes = [bar.axes for bar in bars]
    assert [axes.count(one) for one in dict.fromkeys(axes)] == [5, 5, 2]
    assert len({one.get_ylim() for one in axes}) == len({one.get_xlim() for one in axes}) == 1
    np.testing.assert_allclose([bar.get_height() for bar in bars], record.values[0])
    assert len(artists) == 12 + 3
    ends = np.concatenate([[segment[:, 1] for segment in whiskers.get_segments()] for whiskers in artists[12:]])
    np.testing.assert_allclose(np.diff(ends, axis=1)[:, 0], 2 * HALF * record.error[0], rtol=1e-4)
    assert len(draw(replace(record, error_kind="exact"), per_line=5)) == 12


def test_words_that_a_preprocessing_told_of_are_the_names() -> None:
    text = pellucid.Text.fit(["a really good film", "not good"], length=6)
    model = EmbeddingModel.drawn(1, 6, 4, len(text.vocabulary), "tanh")
    found = pellucid.explain(model, ["A really good film", "not good"], "exact_shap", preprocessing=text)
    bars = draw(found, sample=1)
    assert [bar.get_label() for bar in bars] == ["not", "good"]
    np.testing.assert_allclose([bar.get_height() for bar in bars], found.values[1, :2], rtol=1e-6)


def test_a_map_has_no_words() -> None:
    with pytest.raises(UnsupportedError, match="attribution_map"):
        draw(synthetic.explanation("saliency"))
