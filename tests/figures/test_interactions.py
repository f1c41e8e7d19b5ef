"""The square of pairs, bars of pairs, and their card in a report."""

from __future__ import annotations

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import AxesImage

import synthetic
from pellucid.core.errors import UnsupportedError
from pellucid.core.records import Explanation
from pellucid.figures import FIGURES, png_bytes
from pellucid.report.pictures import explanation_picture


@pytest.fixture
def record() -> Explanation:
    """Pairs of the 49 patches of two digits, main effects ten times larger."""
    made = synthetic.explanation("shap", 2)
    generator = np.random.default_rng(0)
    live = made.values != 0
    pairs = generator.normal(size=(2, 49, 49)) * live[:, :, None] * live[:, None, :]
    values = pairs + pairs.transpose(0, 2, 1) + 10 * np.eye(49) * live[:, :, None]
    return replace(made, method="shapley_interactions", values=values, error=0.1 * np.abs(values), axes=("sample", "patches", "other patches"))


def test_the_square_shows_the_pairs_of_the_strongest_features_on_a_symmetric_scale(record: Explanation) -> None:
    image, *cells = FIGURES.load("interactions")(record, sample=1)
    shown = np.asarray(image.get_array())
    apart = record.values[1] * (1 - np.eye(49))
    chosen = np.sort(np.argsort(-np.abs(apart).sum(axis=1), kind="stable")[:12])
    np.testing.assert_allclose(shown, apart[np.ix_(chosen, chosen)])
    np.testing.assert_array_equal(shown, shown.T)
    low, high = image.get_clim()
    assert low == -high == -np.abs(shown).max()
    assert len(cells) == 12
    assert [label.get_text() for label in image.axes.get_xticklabels()] == [record.features.names[i] for i in chosen]
    assert FIGURES.load("interactions")(record, limit=3.0, count=4)[0].get_array().shape == (4, 4)
    assert png_bytes(image.axes.figure).startswith(b"\x89PNG")


def test_bars_of_pairs_name_both_and_show_each_once(record: Explanation) -> None:
    apart = replace(record, values=record.values * (1 - np.eye(49)))
    bars = FIGURES.load("feature_bars")(apart, sample=0, count=5)
    upper = np.triu(apart.values[0], 1)
    expected = upper.ravel()[np.argsort(-np.abs(upper), axis=None, kind="stable")[:5]]
    np.testing.assert_allclose([bar.get_width() for bar in bars[:5]], expected)
    assert all("\n× " in label.get_text() for label in bars[0].axes.get_yticklabels())


def test_a_map_of_pairs_is_one_of_shares(record: Explanation) -> None:
    image = FIGURES.load("attribution_map")(record, sample=0)[0]
    np.testing.assert_allclose(image.get_array()[::4, ::4].ravel(), record.shares[0])
    np.testing.assert_allclose(record.shares[0], np.diagonal(record.values[0]) + (record.values[0] * (1 - np.eye(49))).sum(axis=1) / 2)
    with pytest.raises(UnsupportedError, match="feature_bars"):
        FIGURES.load("error_map")(record)


def test_a_comparison_draws_pairs_as_a_square_beside_maps(record: Explanation) -> None:
    artists = FIGURES.load("comparison")([synthetic.explanation("shap", 2), record])
    images = [artist.get_array().shape for artist in artists if isinstance(artist, AxesImage)]
    assert images.count((12, 12)) == 2
    assert images.count((28, 28)) == 4


def test_a_card_of_pairs_is_a_picture_of_three(record: Explanation) -> None:
    before = dict(mpl.rcParams)
    picture = explanation_picture(record, 1, None, "pairs")
    width, height = picture.size
    assert height > width > 500
    assert "pairs" in picture.alt
    assert dict(mpl.rcParams) == before


def test_a_method_without_pairs_is_told_which_has_them() -> None:
    with pytest.raises(UnsupportedError, match="shapley_interactions"):
        FIGURES.load("interactions")(synthetic.explanation("shap"))


def test_pairs_of_nothing_are_drawn(record: Explanation) -> None:
    blank = replace(record, values=0 * record.values, error=0 * record.error)
    image = FIGURES.load("interactions")(blank)[0]
    assert image.get_clim() == (-1, 1)
