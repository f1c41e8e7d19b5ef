"""Examples of units drawn: each cut where its unit sees, with its value above and its class below; lines for texts and tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pellucid.core.errors import SettingError
from pellucid.core.view import View
from pellucid.figures.top_examples import top_examples
from pellucid.report.views import caption, view_pictures

Array = np.ndarray
RNG = np.random.default_rng(0)


def view(inputs: Array, windows: Array | None, *, units: int = 3, labels: bool = True, **provenance: Any) -> View:
    """Two examples most, one at random and two least for each unit; example k of unit u is input 5 · u + k."""
    number = np.arange(5 * units).reshape(units, 5)
    found: dict[str, Array] = {
        "unit": np.arange(units) + 10,
        "least": -1.0 - number[:, 3:],
        "between": 0.0 * number[:, 2:3],
        "above_half": np.full(units, 0.25),
    }
    for kind, part in (("most", slice(0, 2)), ("between", slice(2, 3)), ("least", slice(3, 5))):
        found |= {f"{kind}_index": 100 + number[:, part], f"{kind}_kept": number[:, part]}
        if labels:
            found[f"{kind}_label"] = number[:, part] % 2
        if windows is not None:
            found[f"{kind}_window"] = windows[number[:, part]]
    if labels:
        found |= {"owner": np.ones(units, int), "owner_share": np.tile([0.9, 0.8, 0.95], (units, 1))}
    axes = {"layer": ("unit", "example")}
    return View("top_examples", {"layer": 1.0 + number[:, :2]}, axes, inputs, {"class_names": ["cat", "dog"], **provenance}, {"layer": found})


def test_images_are_cut_to_what_the_unit_sees() -> None:
    windows = np.stack([RNG.integers(0, 4, (15, 2)), RNG.integers(6, 12, (15, 2))], axis=-1)
    one = view(RNG.random((15, 12, 12, 1)), windows)
    images = top_examples(one, sample=1)
    assert len(images) == 10
    for k, image in enumerate(images):
        (top, bottom), (left, right) = windows[5 + k]
        np.testing.assert_allclose(image.get_array(), one.inputs[5 + k, top:bottom, left:right, 0])
    left, right, bottom, top = images[0].get_extent()
    beside = {text.get_text(): text.get_position() for text in images[0].axes.texts if abs(text.get_position()[0] - (left + right) / 2) < 1e-6}
    assert {name for name, (_, y) in beside.items() if 0 < y - top < 0.3} == {"6"}  # above the first: its value
    assert {name for name, (_, y) in beside.items() if 0 < bottom - y < 0.1} == {"dog"}
    texts = {text.get_text() for text in images[0].axes.texts}
    assert "unit 11\nabove half: 25.0%\nclass dog: 90.0%" in texts
    assert {"most", "at random", "least"} <= texts


def test_channels_first_and_series() -> None:
    windows = np.tile(np.array([[2, 5], [1, 9]]), (15, 1, 1))
    one = view(RNG.random((15, 3, 12, 12)), windows, takes={"channels": "first"})
    np.testing.assert_allclose(top_examples(one)[0].get_array(), one.inputs[0, :, 2:5, 1:9].transpose(1, 2, 0))
    series = view(RNG.random((15, 20, 2)), np.tile(np.array([[3, 9]]), (15, 1, 1)), labels=False)
    lines = top_examples(series)
    assert len(lines) == 2 * 15
    np.testing.assert_allclose(lines[1].get_xydata(), np.stack([np.arange(3, 9), series.inputs[0, 3:9, 1]], axis=1))


def test_texts_show_the_word_of_the_place_and_tables_what_is_unusual() -> None:
    windows = np.tile(np.array([[2, 3]]), (15, 1, 1))
    tokens = RNG.integers(1, 9, (15, 4))
    given: list[dict[str, Any]] = [{}] * 115
    given[100] = {"names": ["a", "rather", "dull", "film"], "of": [0, 1, 2, 3]}
    found = [text.get_text() for text in top_examples(view(tokens, windows, takes={"tokens": True}, given=given))]
    assert found[0] == "#100: a rather [dull] film"
    assert found[1] == f"#101: {tokens[1, 0]} {tokens[1, 1]} [{tokens[1, 2]}] {tokens[1, 3]}"
    rows = [2 * row for row in range(115)]
    found = [text.get_text() for text in top_examples(view(tokens, windows, takes={"tokens": True}, given=given, indices=rows))]
    assert found[0] == "#200: a rather [dull] film"  # its number in the data that the samples were taken from
    table = np.zeros((15, 6)) + RNG.normal(size=(15, 6)) * 0.1
    table[0, 4] = 9.0
    found = [text.get_text() for text in top_examples(view(table, None))]
    assert found[0].startswith("#100: feature 4 = 9, ")


def test_rows_of_tables_are_told_in_the_words_of_who_gave_them() -> None:
    table = np.zeros((15, 4)) + RNG.normal(size=(15, 4)) * 0.1
    table[0] = [3.0, 0.0, 9.0, 9.0]
    given: list[dict[str, Any]] = [{}] * 115
    given[100] = {"names": ["age", "sum", "job"], "data": ["70 years", "0", "judge"], "of": [0, 1, 2, 2]}
    found = [text.get_text() for text in top_examples(view(table, None, given=given, takes={"feature_names": list("abcd")}))]
    assert set(found[0].removeprefix("#100: ").split(", ")) == {"job = judge", "age = 70 years", "sum = 0"}
    assert {part[:4] for part in found[1].removeprefix("#101: ").split(", ")} == {"a = ", "b = ", "c = ", "d = "}


def test_a_report_shows_eight_units_a_picture() -> None:
    one = view(RNG.random((50, 12, 12, 1)), None, units=10)
    assert [picture.name for picture in view_pictures(one, 0, "x")] == ["x-layer", "x-layer-8"]
    assert "A row a unit" in caption(one, None)
    with pytest.raises(SettingError, match="10 units are shown"):
        top_examples(one, sample=10)
