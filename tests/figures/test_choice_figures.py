"""What choices make of values is drawn as their range: bands behind bars, a map beside maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from test_channels import channels_first, coloured

import synthetic
from pellucid.core.errors import UnsupportedError
from pellucid.figures.choice_spread import choice_spread
from pellucid.figures.comparison import comparison
from pellucid.figures.feature_bars import feature_bars, strongest


def test_each_bar_lies_on_the_range_of_its_feature() -> None:
    record = synthetic.varied(synthetic.explanation("shap"))
    artists = feature_bars(record, sample=1, count=6)
    bands, bars = artists[:6], artists[6:12]
    chosen = strongest(record, 1, 6)
    assert all(isinstance(artist, Rectangle) for artist in (*bands, *bars))
    np.testing.assert_allclose([band.get_x() for band in bands], record.choices.low[1, chosen], rtol=1e-6)
    np.testing.assert_allclose([band.get_x() + band.get_width() for band in bands], record.choices.high[1, chosen], rtol=1e-6)
    np.testing.assert_allclose([bar.get_width() for bar in bars], record.values[1, chosen], rtol=1e-6)
    plain = feature_bars(replace(record, choices=None), sample=1, count=6)
    assert len(artists) == len(plain) + 6


@pytest.mark.parametrize("method", ["integrated_gradients", "saliency", "lime"])
def test_the_spread_is_that_of_the_maps_as_they_are_shown(method: str) -> None:
    record = synthetic.varied(coloured(synthetic.explanation(method)))
    shown = choice_spread(record, sample=1)[0].get_array()
    apart = record.features is not None
    maps = [record.values, record.values + 0.01, 0.5 * record.values, -record.values]
    over = [replace(record, values=values).to_input()[1] for values in maps]
    flat = [one.max(axis=-1) if apart or method == "saliency" else one.sum(axis=-1) for one in over]
    np.testing.assert_allclose(shown, np.ptp(flat, axis=0), atol=1e-6)


def test_the_layout_of_channels_does_not_matter() -> None:
    last = coloured(synthetic.explanation("integrated_gradients"))
    mine, theirs = (choice_spread(synthetic.varied(record))[0].get_array() for record in (channels_first(last), last))
    np.testing.assert_allclose(mine, theirs)


def test_maps_on_one_figure_are_followed_by_their_spread() -> None:
    varied, plain = synthetic.varied(synthetic.explanation("shap")), synthetic.explanation("integrated_gradients")
    images = [artist for artist in comparison([varied, plain]) if isinstance(artist, AxesImage)]
    assert [image.axes.get_title().split("\n")[0] for image in images[:4]] == [
        "input, logit 3",
        f"shap: {varied.target.labels[0]}",
        "choice spread",
        f"integrated gradients: {plain.target.labels[0]}",
    ]
    assert images[2].axes.get_title().endswith("most: score")
    np.testing.assert_allclose(images[6].get_array(), choice_spread(varied, sample=1)[0].get_array())
    both = comparison([synthetic.varied(synthetic.several("integrated_gradients", 1))])
    assert sum("choice spread" in artist.axes.get_title() for artist in both if isinstance(artist, AxesImage)) == 2


def test_without_choices_there_is_no_spread() -> None:
    with pytest.raises(UnsupportedError, match="vary="):
        choice_spread(synthetic.explanation())
