"""Figures of tables show the record's numbers: steps that add up, a dot a sample at its attribution, means with their intervals."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.colors import to_rgba

import pellucid
import synthetic
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.features import FeatureMap
from pellucid.core.records import Explanation
from pellucid.figures import FIGURES, panels, png_bytes
from pellucid.figures._canvas import AGAINST, FOR, MUTED, families
from pellucid.figures._features import held_numbers, in_figures, row_name, shown_value
from pellucid.figures.summary_bars import mean_absolute

Array = np.ndarray
HALF = NormalDist().inv_cdf(0.975)
NAMES = ("age", "income", "a very long name of a feature that has no room", "年龄", "place", "debt")
DRAW = np.random.default_rng(0)
ROWS = {"age": DRAW.uniform(20, 70, 12), "home": DRAW.choice(["own", "rent", "free"], 12), "children": DRAW.integers(0, 4, 12)}


def draw(name: str, *args: object, **keywords: object) -> tuple:
    return FIGURES.load(name)(*args, **keywords)


@pytest.fixture
def record() -> Explanation:
    """Six features of twenty rows; what is not attributed is nothing."""
    made, generator = synthetic.explanation("shap", 20), np.random.default_rng(1)
    inputs, values = generator.normal(size=(20, 6)), generator.normal(size=(20, 6)) * [1, 4, 2, 0.5, 3, 0.1]
    base = np.full(20, 0.25)
    provenance = {name: entry for name, entry in made.provenance.items() if name != "labels"}
    return replace(
        made, inputs=inputs, values=values, error=0.05 * np.abs(values), features=FeatureMap(np.arange(6)[None], NAMES, "columns"), baseline=inputs[:1],
        baseline_score=base, score=base + values.sum(axis=1), degrees=np.full(20, np.inf), provenance=provenance,
        target=replace(made.target, labels=("malignant",) * 20),
    )  # fmt: skip


@pytest.fixture
def given() -> Explanation:
    """Rows as a person gave them, through a real network."""
    table = pellucid.Table.fit(ROWS, units={"age": "years"})
    return pellucid.explain(NumpyModel(random_stack(0, (5, 8, 2)), (5,), softmax=True), ROWS, "exact_shap", preprocessing=table, background=ROWS)


# ---- waterfall ----


def test_a_waterfall_leads_from_the_base_score_to_the_score(record: Explanation) -> None:
    *bars, whiskers, base, score = draw("waterfall", record, sample=3, count=3)
    order = np.argsort(-np.abs(record.values[3]))
    expected = np.append(record.values[3, order[:3]], record.values[3, order[3:]].sum())
    np.testing.assert_allclose([bar.get_width() for bar in bars], expected)
    starts = [bar.get_x() for bar in bars]
    np.testing.assert_allclose(starts, 0.25 + np.cumsum(expected) - expected)
    assert starts[-1] + bars[-1].get_width() == pytest.approx(record.score[3])
    assert (base.get_xdata()[0], score.get_xdata()[0]) == (0.25, record.score[3])
    assert [bar.get_facecolor() for bar in bars] == [to_rgba(FOR if value > 0 else AGAINST) for value in expected]
    half = HALF * record.error[3, order]
    halves = np.append(half[:3], np.sqrt(np.square(half[3:]).sum()))
    middles = np.cumsum(expected) + 0.25
    np.testing.assert_allclose([segment[:, 0] for segment in whiskers.get_segments()], np.stack([middles - halves, middles + halves], 1), rtol=1e-4)
    assert bars[0].axes.get_xlabel() == "logit of malignant"


def test_a_waterfall_names_features_with_what_the_sample_holds(record: Explanation) -> None:
    artists = draw("waterfall", record, sample=2)
    axes, order = artists[0].axes, np.argsort(-np.abs(record.values[2]))
    labels = [label.get_text() for label in axes.get_yticklabels()]
    full = [f"{NAMES[i]} = {in_figures(record.inputs[2, i])}" for i in order]
    assert labels[0] == "base score 0.25"
    assert labels[-1] == f"score {in_figures(record.score[2])}"
    assert [bar.get_label() for bar in artists[:6]] == full
    assert [len(label) for label in labels if "…" in label] == [38]
    assert all(label.endswith(name.partition(" = ")[2]) for label, name in zip(labels[1:-1], full, strict=True))
    assert [label for label in labels[1:-1] if "…" not in label] == [name for name in full if len(name) <= 38]
    low, high = axes.get_xlim()
    texts = [text for text in axes.texts if text.get_text()]
    assert [text.get_text() for text in texts] == [in_figures(value, "+.3g") for value in record.values[2, order]]
    assert all(low < text.xy[0] < high for text in texts)
    assert [text.get_ha() for text in texts] == ["left" if value > 0 else "right" for value in record.values[2, order]]


def test_a_waterfall_joins_no_single_feature_and_shows_what_is_not_attributed(record: Explanation) -> None:
    names = [label.get_text() for label in draw("waterfall", record, count=5)[0].axes.get_yticklabels()]
    assert not any("others" in name for name in names)
    missing = replace(record, score=record.score + 3.0)
    *bars, _, _, _ = draw("waterfall", missing)
    assert bars[-1].get_label() == "not attributed"
    assert bars[-1].get_width() == pytest.approx(3.0)
    assert bars[-1].get_facecolor() == to_rgba(MUTED)
    assert "not attributed" not in [bar.get_label() for bar in draw("waterfall", record)[:-3]]


def test_a_waterfall_of_exact_values_has_no_whiskers(record: Explanation) -> None:
    assert len(draw("waterfall", replace(record, error=0 * record.error, error_kind="exact"))) == 6 + 2


def test_what_does_not_add_up_has_no_waterfall(record: Explanation) -> None:
    with pytest.raises(UnsupportedError, match="feature_bars"):
        draw("waterfall", replace(record, baseline_score=None))
    with pytest.raises(UnsupportedError, match="attribution_map"):
        draw("waterfall", synthetic.explanation("saliency"))


# ---- beeswarm ----


def test_a_swarm_has_a_row_a_feature_and_a_dot_a_sample(record: Explanation) -> None:
    *rows, zero = draw("beeswarm", record, count=4)
    order = np.argsort(-np.abs(record.values).mean(axis=0))[:4]
    assert len(rows) == 4
    for place, (dots, feature) in enumerate(zip(rows, order, strict=True)):
        offsets = np.asarray(dots.get_offsets())
        np.testing.assert_allclose(offsets[:, 0], record.values[:, feature])
        assert (np.abs(offsets[:, 1] - place) < 0.5).all()
        low, high = np.percentile(record.inputs[:, feature], (5, 95))
        np.testing.assert_allclose(dots.get_array(), np.clip((record.inputs[:, feature] - low) / (high - low), 0, 1))
        assert dots.get_clim() == (0, 1)
        assert dots.get_label() == NAMES[feature]
    assert zero.get_xdata()[0] == 0
    bar = next(child for child in rows[0].axes.child_axes)
    assert [label.get_text() for label in bar.get_yticklabels()] == ["low", "high"]
    half = np.median(HALF * record.error[:, order])
    assert f"± {half:.2g}" in rows[0].axes.get_xlabel()


def test_a_swarm_piles_dots_that_would_hide_each_other_and_draws_the_same_twice(record: Explanation) -> None:
    crowd = replace(record, values=np.where(np.arange(6) == 1, 5.0, record.values))
    (first, *_), (again, *_) = draw("beeswarm", crowd), draw("beeswarm", crowd)
    heights = np.sort(np.asarray(first.get_offsets())[:, 1])
    assert len(np.unique(heights)) == 20
    assert (np.abs(heights) <= 0.42).all()
    np.testing.assert_allclose(np.diff(heights), heights[1] - heights[0])
    np.testing.assert_array_equal(first.get_offsets(), again.get_offsets())
    lone = draw("beeswarm", record[:1])[0]
    assert np.asarray(lone.get_offsets())[0, 1] == 0


def test_a_swarm_of_one_hot_columns_is_gray(record: Explanation) -> None:
    hot = np.eye(3)[np.arange(20) % 3]
    labels = np.array([[0, 0, 0, 1]])
    own = np.linspace(0, 1, 20)[:, None]
    joined = replace(record, inputs=np.concatenate([hot, own], axis=1), values=record.values[:, [1, 0]], error=record.error[:, [1, 0]],
                     features=FeatureMap(labels, ("place", "age"), "groups"))  # fmt: skip
    place, age, _ = draw("beeswarm", joined)
    assert (place.get_label(), age.get_label()) == ("place", "age")
    place.axes.figure.canvas.draw()
    assert {tuple(colour[:3]) for colour in place.get_facecolors()} == {to_rgba(MUTED)[:3]}
    assert not np.ma.getmaskarray(place.get_offsets()).any()
    assert "gray: a category" in place.axes.child_axes[0].get_ylabel()
    assert len({tuple(colour) for colour in age.get_facecolors()}) > 10
    assert shown_value(joined, 0, 0) == ""
    assert row_name(joined, 0, 0) == "place"
    with pytest.raises(UnsupportedError, match="category"):
        draw("dependence", joined, feature="place")


def test_samples_with_features_of_their_own_have_no_summary(record: Explanation) -> None:
    own = replace(record, features=FeatureMap(np.broadcast_to(np.arange(6), (20, 6)), NAMES, "superpixels"))
    for name in ("beeswarm", "summary_bars"):
        with pytest.raises(UnsupportedError, match="feature_bars"):
            draw(name, own)


# ---- dependence ----


def test_dependence_is_attribution_over_the_features_own_value(record: Explanation) -> None:
    dots, whiskers, _ = draw("dependence", record, feature="income")
    np.testing.assert_allclose(dots.get_offsets(), np.stack([record.inputs[:, 1], record.values[:, 1]], 1))
    half = HALF * record.error[:, 1]
    ends = [segment[:, 1] for segment in whiskers.get_segments()]
    np.testing.assert_allclose(ends, np.stack([record.values[:, 1] - half, record.values[:, 1] + half], 1), rtol=1e-4)
    coloured = draw("dependence", record, feature=1, colour="debt")[0]
    np.testing.assert_allclose(coloured.get_array(), record.inputs[:, 5])
    np.testing.assert_allclose(coloured.get_clim(), np.percentile(record.inputs[:, 5], (5, 95)))
    assert coloured.axes.child_axes[0].get_ylabel() == "debt"
    with pytest.raises(SettingError, match="income"):
        draw("dependence", record, feature="incom")
    with pytest.raises(SettingError, match="numbered 0 to 5"):
        draw("dependence", record, feature=6)


# ---- summary_bars ----


def test_summary_bars_are_means_of_absolute_values_with_a_t_interval(record: Explanation) -> None:
    stats = pytest.importorskip("scipy.stats")
    *bars, whiskers = draw("summary_bars", record)
    sizes = np.abs(record.values)
    order = np.argsort(-sizes.mean(axis=0))
    np.testing.assert_allclose([bar.get_width() for bar in bars], sizes.mean(axis=0)[order])
    assert [bar.get_label() for bar in bars] == [NAMES[i] for i in order]
    over = stats.t.ppf(0.975, 19) * sizes.std(axis=0, ddof=1) / np.sqrt(20)
    half = np.hypot(over, HALF * record.error.mean(axis=0))[order]
    means = sizes.mean(axis=0)[order]
    ends = np.array([segment[:, 0] for segment in whiskers.get_segments()])
    np.testing.assert_allclose(ends, np.stack([np.maximum(means - half, 0), means + half], 1), rtol=3e-3, atol=1e-12)
    said = bars[0].axes.get_xlabel()
    assert "95 % t interval over samples, numerical error included" in said
    assert "not known" in draw("summary_bars", replace(record, error_kind="none", error=np.full((20, 6), np.nan)))[0].axes.get_xlabel()
    exact = draw("summary_bars", replace(record, error_kind="exact", error=0 * record.error))
    np.testing.assert_allclose(exact[-1].get_segments()[0][1, 0], means[0] + over[order][0], rtol=3e-3)


def test_the_interval_of_a_summary_covers_the_mean_of_the_data() -> None:
    """Of 400 data sets of 30 rows each, the interval of a feature holds the mean absolute value of all rows in about 95 %."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(400, 30, 1))
    made = synthetic.explanation("shap", 30)
    truth, inside = np.sqrt(2 / np.pi), 0
    for rows in values:
        one = replace(
            made, values=rows, error=0 * rows, error_kind="exact", features=FeatureMap(np.zeros((1, 28, 28, 1), int), ("a",)), degrees=np.full(30, np.inf)
        )
        mean, half = mean_absolute(one)
        inside += bool(abs(mean[0] - truth) <= half[0])
    assert 0.92 < inside / 400 < 0.975


def test_an_interval_of_sizes_ends_at_zero(record: Explanation) -> None:
    *bars, whiskers = draw("summary_bars", record[[0, 1]])
    ends = np.array([segment[:, 0] for segment in whiskers.get_segments()])
    assert (ends[:, 0] >= -1e-12).all()
    assert (ends[:, 0] < 1e-12).any()
    assert (ends[:, 1] > [bar.get_width() for bar in bars]).all()


def test_one_sample_is_no_summary(record: Explanation) -> None:
    with pytest.raises(UnsupportedError, match="at least 2"):
        draw("summary_bars", record[:1])


# ---- what a person gave ----


def test_rows_as_they_were_given_are_shown_with_units_and_words(given: Explanation) -> None:
    held = held_numbers(given)
    np.testing.assert_allclose(held[:, 0], ROWS["age"], rtol=1e-5)
    np.testing.assert_allclose(held[:, 2], ROWS["children"], atol=1e-5)
    assert np.isnan(held[:, 1]).all()
    assert shown_value(given, 4, 0) == f"{ROWS['age'][4]:.6g} years"
    assert row_name(given, 4, 1) == f"home = {ROWS['home'][4]}"
    assert row_name(given, 4, 2, 9) == f"chil… = {ROWS['children'][4]}"
    labels = {bar.get_label() for bar in draw("waterfall", given, sample=4)[:3]}
    assert labels == {f"age = {ROWS['age'][4]:.6g} years", f"home = {ROWS['home'][4]}", f"children = {ROWS['children'][4]}"}
    dots = draw("dependence", given, feature="age", colour="children")[0]
    np.testing.assert_allclose(np.asarray(dots.get_offsets())[:, 0], ROWS["age"], rtol=1e-5)
    assert dots.axes.get_xlabel() == "age (years)"
    with pytest.raises(UnsupportedError, match="home"):
        draw("dependence", given, feature="age", colour="home")


@pytest.mark.parametrize("name", ["waterfall", "beeswarm", "dependence", "summary_bars"])
def test_figures_of_tables_draw_where_they_are_told_and_change_nothing(name: str, record: Explanation) -> None:
    (ax,) = panels(("scatter",), 3.0)
    before, values = dict(mpl.rcParams), record.values.copy()
    artists = draw(name, record, ax=ax, **({"feature": 3} if name == "dependence" else {}))
    assert artists[0].axes is ax
    assert png_bytes(ax.figure).startswith(b"\x89PNG")
    assert dict(mpl.rcParams) == before
    np.testing.assert_array_equal(record.values, values)


def test_values_of_nothing_are_drawn(record: Explanation) -> None:
    blank = replace(record, values=0 * record.values, error=0 * record.error, inputs=0 * record.inputs, score=np.full(20, 0.25))
    for name in ("waterfall", "beeswarm", "summary_bars"):
        assert png_bytes(draw(name, blank)[0].figure).startswith(b"\x89PNG")
    assert png_bytes(draw("dependence", blank, feature=0, colour=1)[0].figure).startswith(b"\x89PNG")


def test_a_chinese_font_is_found_that_is_newer_than_matplotlibs_list(monkeypatch: pytest.MonkeyPatch) -> None:
    if not any("CJK" in path for path in font_manager.findSystemFonts()):
        pytest.skip("no Chinese font is installed")
    manager = font_manager.fontManager
    monkeypatch.setattr(manager, "ttflist", [font for font in manager.ttflist if "CJK" not in font.name])
    families.cache_clear()
    try:
        assert any("CJK" in name for name in families())
    finally:
        families.cache_clear()
