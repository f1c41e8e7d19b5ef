"""A record of images with channels first is drawn as the same record with channels last."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import synthetic
from pellucid.core.records import Explanation
from pellucid.figures import limits
from pellucid.figures.attribution_map import attribution_map
from pellucid.figures.error_map import error_map
from pellucid.figures.input_image import input_image
from pellucid.figures.overlay import overlay


def coloured(record: Explanation) -> Explanation:
    """In three channels of different strength."""
    inputs = np.concatenate([record.inputs, 0.5 * record.inputs, record.inputs[:, ::-1]], axis=-1)
    over = record.values.shape == record.inputs.shape
    grown = {name: np.concatenate([getattr(record, name)] * 2 + [getattr(record, name)[:, ::-1]], axis=-1) for name in ("values", "error")} if over else {}
    return replace(record, inputs=inputs, baseline=np.zeros_like(inputs[:1]), **grown)


def channels_first(record: Explanation) -> Explanation:
    """As a PyTorch network takes it."""
    over = record.values.shape == record.inputs.shape
    turned = {name: np.moveaxis(getattr(record, name), -1, 1) for name in ("inputs", "baseline", *(("values", "error") if over else ()))}
    features = record.features and replace(record.features, labels=np.moveaxis(record.features.labels, -1, 1))
    return replace(record, **turned, features=features, provenance=dict(record.provenance) | {"takes": {"channels": "first"}})


@pytest.mark.parametrize("draw", [attribution_map, error_map, input_image, overlay])
@pytest.mark.parametrize("method", ["integrated_gradients", "saliency", "lime", "grad_cam"])
def test_figures_do_not_depend_on_the_layout(draw: object, method: str) -> None:
    last = coloured(synthetic.explanation(method))
    first = channels_first(last)
    assert first.inputs.shape == (3, 3, 28, 28)
    for mine, theirs in zip(draw(first, sample=1), draw(last, sample=1), strict=True):
        assert type(mine) is type(theirs)
        if hasattr(mine, "get_array") and mine.get_array() is not None:
            np.testing.assert_array_equal(np.asarray(mine.get_array()), np.asarray(theirs.get_array()))
        if hasattr(mine, "get_segments"):
            np.testing.assert_array_equal(np.asarray(mine.get_segments()), np.asarray(theirs.get_segments()))
    assert limits([(first, 1), (first, 1)]) == limits([(last, 1), (last, 1)])


@pytest.mark.parametrize("layout", [lambda record: record, channels_first])
def test_a_feature_of_all_channels_shows_its_own_value(layout: object) -> None:
    gray = synthetic.explanation("lime")
    record = layout(coloured(gray))
    np.testing.assert_allclose(attribution_map(record)[0].get_array(), attribution_map(gray)[0].get_array())
    np.testing.assert_allclose(error_map(record)[0].get_array(), error_map(gray)[0].get_array())
    apart = np.arange(3) + 3 * np.broadcast_to(gray.features.labels, (1, 28, 28, 3))
    names = tuple(f"{name}, channel {i}" for name in gray.features.names for i in range(3))
    each = replace(coloured(gray), features=replace(gray.features, labels=apart, names=names))
    each = replace(each, values=np.repeat(gray.values, 3, axis=1), error=np.repeat(gray.error, 3, axis=1))
    np.testing.assert_allclose(attribution_map(each)[0].get_array(), 3 * attribution_map(gray)[0].get_array(), rtol=1e-6)
