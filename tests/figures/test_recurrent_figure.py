"""The figure of a recurrent layer draws the record's own numbers, on one time axis and on honest scales."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from pellucid.core.errors import SettingError
from pellucid.core.view import View
from pellucid.figures import FIGURES

STEPS, UNITS, SAMPLES = 9, 5, 2
GATES = ("input gate", "forget gate", "output gate")


def draw(view: View, **more: Any) -> dict[str, list[Any]]:
    """The artists by the part that each is of."""
    found: dict[str, list[Any]] = {}
    for artist in FIGURES.load("recurrent_state")(view, **more):
        found.setdefault(artist.get_gid(), []).append(artist)
    return found


def a_view(units: int = UNITS, channels: int = 2, *, tokens: bool = False, masked: int = 0) -> View:
    """An LSTM's record of random numbers, the last steps masked."""
    draw = np.random.default_rng(0)
    shape = (SAMPLES, STEPS, units)
    details = {name: draw.random(shape).astype(np.float32) for name in GATES} | {name: draw.normal(size=shape) for name in ("candidate", "cell")}
    details |= {name: np.exp(np.linspace(-6, 0, STEPS))[None].repeat(SAMPLES, axis=0) for name in ("gradient", "decay")}
    details |= {"read": np.full(SAMPLES, 8), "horizon": np.array([7.0, np.inf]), "horizon step": np.array([1.0, np.nan])}
    details["time constant"] = np.arange(units)[::-1] + 1.0
    for name in (*GATES, "candidate"):
        details[name][:, STEPS - masked :] = np.nan
    inputs = draw.integers(1, 9, (SAMPLES, STEPS)) if tokens else draw.normal(size=(SAMPLES, STEPS, channels))
    told = {"names": ["one", "two", "three"], "of": [0, 0, 1, 2, -1, -1, 0, 1, 2]}
    provenance = {"takes": {"tokens": tokens}, "settings": {"share": 0.01}} | ({"given": [told] * SAMPLES} if tokens else {})
    return View("recurrent_state", {"r": draw.normal(size=shape)}, {"r": ("sample", "time", "unit")}, inputs.astype(np.float32), provenance, {"r": details})


def test_gates_and_states_are_drawn_slowest_on_top_on_their_own_scales() -> None:
    view = a_view()
    found = draw(view, sample=1)
    for name in (*GATES, "candidate", "cell"):
        (image,) = found[name]
        np.testing.assert_allclose(image.get_array(), view.details["r"][name][1].T)  # time constants fall with the unit's number
    np.testing.assert_allclose(found["hidden"][0].get_array(), view.values["r"][1].T)
    assert {image.get_clim() for name in GATES for image in found[name]} == {(0.0, 1.0)}
    for name in ("candidate", "cell", "hidden"):
        low, high = found[name][0].get_clim()
        assert low == -high
        assert high == pytest.approx(np.abs(np.asarray(found[name][0].get_array())).max())
    assert list(found) == ["input", *GATES, "candidate", "cell", "hidden", "gradient", "decay"]
    assert len({artist.axes.get_xlim() for artists in found.values() for artist in artists}) == 1


def test_units_are_sorted_by_their_time_constants_and_of_many_the_liveliest_are_shown() -> None:
    view = a_view(units=96)
    view.values["r"][:, :, ::3] = 0.1  # 32 units that never move
    image = draw(view)["hidden"][0]
    lively = [unit for unit in range(96) if unit % 3]
    np.testing.assert_allclose(image.get_array(), view.values["r"][0].T[lively])
    assert "64 of 96" in image.axes.figure.axes[0].child_axes[-1].get_xlabel()


def test_the_gradient_is_on_a_logarithmic_scale_with_its_horizon() -> None:
    view = a_view()
    found = draw(view)
    np.testing.assert_allclose(found["gradient"][0].get_ydata(), view.details["r"]["gradient"][0])
    assert found["gradient"][0].axes.get_yscale() == "log"
    assert found["horizon"][0].get_xdata()[0] == 1.0
    texts = [text.get_text() for text in found["gradient"][0].axes.texts]
    assert texts == ["7 steps back below 1% of its last"]
    never = draw(view, sample=1)
    assert "horizon" not in never
    assert [text.get_text() for text in never["gradient"][0].axes.texts] == ["never below 1% of its last"]


@pytest.mark.parametrize("reach", [0.3, 1.0, 4.0, 14.0])
def test_the_scale_of_the_gradient_names_at_least_two_numbers(reach: float) -> None:
    view = a_view()
    for name in ("gradient", "decay"):
        view.details["r"][name] = np.exp(np.linspace(-reach, 0.4, STEPS))[None].repeat(SAMPLES, axis=0)
    ax = draw(view)["gradient"][0].axes
    low, high = ax.get_ylim()
    assert len([tick for tick, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True) if low <= tick <= high and label.get_text()]) >= 2


def test_the_input_is_lines_a_map_or_words() -> None:
    view = a_view()
    np.testing.assert_allclose(np.stack([line.get_ydata() for line in draw(view)["input"]], axis=-1), view.inputs[0])
    wide = a_view(channels=20)
    np.testing.assert_allclose(draw(wide)["input"][0].get_array(), wide.inputs[0].T)
    told = draw(a_view(tokens=True))["input"]
    assert [text.get_text() for text in told] == ["one", "one", "two", "three", "·", "·", "one", "two", "three"]
    assert [text.get_position()[0] for text in told] == list(range(STEPS))


def test_masked_ends_are_left_out() -> None:
    found = draw(a_view(tokens=True, masked=3))
    assert [text.get_text() for text in found["input"]] == ["one", "one", "two", "three", "·", "·"]
    assert found["forget gate"][0].axes.get_xlim() == (-0.5, 5.5)


def test_a_record_without_gradients_and_an_axes_of_ones_own() -> None:
    view = a_view()
    details = {name: array for name, array in view.details["r"].items() if name in GATES}
    ax = Figure().add_subplot()
    artists = FIGURES.load("recurrent_state")(
        View("recurrent_state", view.values, view.axes, view.inputs, view.provenance, {"r": details}), ax=ax, title="mine"
    )
    assert ax.get_title() == "mine"
    assert all(artist.axes in ax.child_axes for artist in artists)
    with pytest.raises(SettingError, match="sample 5"):
        draw(view, sample=5)
