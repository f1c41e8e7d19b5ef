"""Each of several inputs is drawn by the figures of its own kind: in reports, side by side, and never all in one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pellucid
import synthetic
from pellucid.core.errors import UnsupportedError
from pellucid.core.packing import InputSpec
from pellucid.diagnostics.input_range import input_range
from pellucid.figures import FIGURES
from pellucid.report import render

RECORDS = [synthetic.several(method) for method in ("integrated_gradients", "gradient_x_input", "lime", "shap", "saliency")]


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.split("<body>")[1]).split())


def test_a_report_shows_each_input() -> None:
    page = render([*RECORDS, replace(synthetic.inspection("Two inputs"), inputs=(InputSpec("image", (28, 28, 1)), InputSpec("meta", (4,))))])
    assert len(re.findall(r'alt="Of the input image: ', page)) == len(re.findall(r'alt="Of the input meta: ', page)) == 2 * len(RECORDS)
    text = text_of(page)
    assert "each input has a scale of its own" in text
    assert "Integrated Gradients and Gradient × input share one scale" in text
    assert "LIME and SHAP share one scale" in text
    assert "inputs image 28 × 28 × 1, meta 4" in text


def test_pictures_have_names_of_their_own(tmp_path: Path) -> None:
    pellucid.report([RECORDS[0], RECORDS[0]], tmp_path / "r.html", figures=tmp_path / "figures")
    names = sorted(path.stem for path in (tmp_path / "figures").iterdir() if "sample-1" in path.stem)
    stem = "two-inputs-sample-1"
    wanted = [f"{stem}-case", f"{stem}-input", *(f"{stem}-integrated-gradients-{name}{again}" for name in ("image", "meta") for again in ("", "-2"))]
    assert names == sorted(wanted)


def test_a_layer_s_values_and_pairs_are_one_picture() -> None:
    layer = replace(
        RECORDS[0],
        values=np.ones((2, 6), np.float32),
        error=np.zeros((2, 6), np.float32),
        provenance=RECORDS[0].provenance | {"resolved": {"at": "dense"}},
        baseline=None,
    )
    lime = RECORDS[2]
    square = np.einsum("ni,nj->nij", lime.values, lime.values)
    pairs = replace(lime, values=square, error=0 * square, axes=("sample", "features", "other features"), provenance=lime.provenance | {"unit": "score"})
    for record in (layer, pairs):
        assert "Of the input" not in render(record)
    with pytest.raises(UnsupportedError, match="layer 'dense'"):
        _ = layer.by_input
    assert pairs.by_input["meta"].values.shape == (2, 4, 4)


def test_a_comparison_has_columns_for_each_input() -> None:
    artists = FIGURES.load("comparison")(RECORDS[:2])
    titles = [ax.get_title() for ax in artists[0].figure.axes if ax.get_title()]
    maps = ["integrated gradients", "gradient x input"]
    assert [title.split(",")[0].split(":")[0] for title in titles[:6]] == ["image", *maps, "meta", *maps]


@pytest.mark.parametrize("figure", ["attribution_map", "input_image", "error_map", "overlay"])
def test_one_picture_of_all_is_refused(figure: str) -> None:
    with pytest.raises(UnsupportedError, match=r"of 2 inputs, image, meta.*explanation\.by_input\['image'\]"):
        FIGURES.load(figure)(RECORDS[0])
    FIGURES.load(figure)(RECORDS[0].by_input["image"])


def test_bars_of_all_inputs_keep_the_end_of_their_names() -> None:
    bars = FIGURES.load("feature_bars")(RECORDS[2], count=60)
    labels = [label.get_text() for label in bars[0].axes.get_yticklabels()]
    assert "meta: column 3" in labels
    assert all(re.fullmatch(r"(image:|ima?g?…) patch \d, \d|meta: column \d", label) for label in labels)
    assert len(set(labels)) == len(labels)


def test_an_input_in_bytes_is_noticed() -> None:
    record, packing = RECORDS[0], RECORDS[0].packing
    takes = {"takes": {"scales_input": False, "tokens": False, "channels": "last"}}
    bytes_like = packing.pack({"image": np.round(record.by_input["image"].inputs * 255), "meta": record.by_input["meta"].inputs})
    assert input_range(replace(record, provenance=record.provenance | takes)) == [None, None]
    found = input_range(replace(record, inputs=bytes_like, provenance=record.provenance | takes))
    assert [check.code for check in found] == ["suspicious_range"] * 2
