"""Heads of attention drawn: every share where it belongs, one scale, tokens by their words, patches over the image, the rollout as bars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text

from pellucid.core.errors import UnknownLayerError
from pellucid.core.language import percent
from pellucid.core.view import View
from pellucid.figures.attention import attention
from pellucid.report.views import view_pictures

Array = np.ndarray
RNG = np.random.default_rng(0)


def view(tokens: int = 6, *, seen: int = 5, layers: int = 2, inputs: Array | None = None, given: bool = True, **resolved: Any) -> View:
    """Three heads in each layer, of two samples."""
    values = {f"block.{i}": RNG.dirichlet(np.ones(tokens), (2, 3, tokens)).astype(np.float32) for i in range(layers)}
    axes = dict.fromkeys(values, ("sample", "head", "query", "key"))
    shown = np.tile((np.arange(tokens) < seen).astype(np.uint8), (2, 1))
    details = {"network": {"rollout": RNG.random((2, tokens)), "relevance": RNG.random((2, tokens)), "read": shown / seen, "seen": shown}}
    words = {"names": ["the", "cat", "antidisestablishment"], "of": [-1, 0, 1, 2, 2, -1]}
    provenance: dict[str, Any] = {"resolved": {"target": ["1", "0"]} | resolved, "class_names": ["dull", "good"]}
    provenance |= {"given": [words, words]} if given else {}
    return View(
        "attention",
        values | {"network": RNG.random((2, tokens, tokens))},
        axes | {"network": ("sample", "query", "key")},
        np.zeros((2, tokens)) if inputs is None else inputs,
        provenance,
        details,
        dict.fromkeys(details["network"], ("sample", "token")),
    )


def test_every_head_of_every_layer_is_drawn_on_one_scale_without_padding() -> None:
    one = view()
    images = attention(one, sample=1)
    assert len(images) == 6
    for i, image in enumerate(images):
        np.testing.assert_allclose(image.get_array(), one.values[f"block.{i // 3}"][1, i % 3, :5, :5])
    assert {image.get_clim() for image in images} == {(0.0, float(max(one.values[name][1][:, :5, :5].max() for name in ("block.0", "block.1"))))}
    assert [image.axes.get_ylabel() for image in images if image.axes.get_ylabel()] == ["block.0", "block.1"]


def test_tokens_are_named_by_their_words_or_by_their_numbers() -> None:
    images = attention(view(), layer="block.1")
    assert [label.get_text() for label in images[0].axes.get_yticklabels()] == ["·", "the", "cat", "antidisest…", "…"]
    assert [label.get_text() for label in images[2].axes.get_xticklabels()] == ["·", "the", "cat", "antidisest…", "…"]
    images = attention(view(given=False), layer="block.0")
    assert [label.get_text() for label in images[0].axes.get_xticklabels()] == ["0", "1", "2", "3", "4"]
    assert not attention(view(64, seen=64), layer="block.0")[0].axes.get_xticklabels()
    with pytest.raises(UnknownLayerError, match=r"did you mean 'block\.1'"):
        attention(view(), layer="blocks.1")


def test_the_rollout_is_bars_of_the_tokens_that_are_there() -> None:
    one = view()
    bars = attention(one, layer="network", sample=1)
    found = one.details["network"]
    np.testing.assert_allclose([bar.get_height() for bar in bars], np.concatenate([found["rollout"][1, :5], found["relevance"][1, :5]]))
    assert bars[-1].axes.get_title(loc="left") == "gradient-weighted, for dull"
    del found["relevance"]
    assert len(attention(one, layer="network")) == 5


def test_patches_lie_over_the_image_and_the_class_token_is_left_out() -> None:
    grid = {"patches": [2, 3], "tokens before the patches": 1}
    one = view(7, seen=7, inputs=RNG.random((2, 8, 12, 1)), **grid)
    read = one.details["network"]["read"]
    read[:] = np.eye(7)[0]
    images = attention(one, sample=1)
    for i, image in enumerate(images):
        np.testing.assert_allclose(image.get_array(), one.values[f"block.{i // 3}"][1, i % 3, 0, 1:].reshape(2, 3), rtol=1e-6)
    maps = attention(one, layer="network", sample=1)
    for image, name in zip(maps, ("rollout", "relevance"), strict=True):
        np.testing.assert_allclose(image.get_array(), one.details["network"][name][1, 1:].reshape(2, 3))
        assert tuple(image.get_extent()) == (0, 12, 8, 0)


def test_what_goes_past_the_image_is_told() -> None:
    images = RNG.random((2, 8, 8, 1))
    beside = attention(view(17, seen=1, inputs=images, patches=[4, 4], **{"tokens before the patches": 1}), layer="block.0")
    past = 1 - np.mean([np.sum(image.get_array()) for image in beside])
    texts = [text.get_text() for text in beside[0].axes.figure.findobj(Text)]
    assert any(f"over the image; {percent(float(past))} of it goes to tokens that are no patch" in text for text in texts)
    all_of_it = attention(view(16, seen=16, inputs=images, patches=[4, 4], **{"tokens before the patches": 0}), layer="block.0")
    assert any(text.get_text().endswith("over the image") for text in all_of_it[0].axes.figure.findobj(Text))


def test_a_report_shows_few_layers_each_and_many_only_together() -> None:
    assert [picture.name for picture in view_pictures(view(), 0, "x")] == ["x-heads", "x-block.0", "x-block.1", "x-network"]
    assert [picture.name for picture in view_pictures(view(layers=5), 0, "x")] == ["x-heads", "x-network"]
    assert [picture.name for picture in view_pictures(view(layers=1), 0, "x")] == ["x-block.0", "x-network"]
