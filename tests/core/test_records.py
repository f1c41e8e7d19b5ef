"""Records: indexing, joining, intervals, painting, and what they refuse."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from scipy import stats

import synthetic
from pellucid.core.errors import CombinationError, SettingError
from pellucid.core.features import FeatureMap
from pellucid.core.language import Language, speaking
from pellucid.core.outcome import Check, Outcome, Outcomes
from pellucid.core.records import Cost, Explained, Explanation, concat, resize, t_quantile
from pellucid.core.view import View

QUANTILE = 0.002
"""What `t_quantile` promises from 5 degrees of freedom on, relative."""
ROUNDING = 1e-12


def record(count: int = 4, *, features: FeatureMap | None = None, width: int = 6, kind: str = "standard_error") -> Explanation:
    generator = np.random.default_rng(count)
    return Explanation(
        method="lime",
        values=generator.normal(size=(count, width)),
        error=generator.uniform(0.1, 1, size=(count, width)),
        error_kind=kind,
        axes=("sample", "feature"),
        inputs=generator.normal(size=(count, 6)),
        prediction=generator.normal(size=(count, 2)),
        score=np.arange(count, dtype=float),
        target=Explained(tuple(f"class {i}" for i in range(count)), "logit"),
        cost=Cost(np.arange(count) + 10, np.zeros(count, int), 1.5),
        outcome=Outcomes(tuple(Outcome(Check("converged", f"sample {i}")) for i in range(count))),
        degrees=np.arange(count) + 20.0,
        baseline=np.zeros((1, 6)),
        baseline_score=-np.arange(count, dtype=float),
        features=features,
        statistics={"r_squared": np.arange(count) / 10},
    )


def same(first: Explanation, second: Explanation) -> None:
    for name in ("values", "error", "inputs", "prediction", "score", "degrees", "baseline_score"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)
    np.testing.assert_array_equal(first.cost.evaluations, second.cost.evaluations)
    np.testing.assert_array_equal(first.statistics["r_squared"], second.statistics["r_squared"])
    assert first.target == second.target
    assert first.outcome == second.outcome


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (1, [1]),
        (-1, [3]),
        (np.int64(2), [2]),
        (slice(1, 3), [1, 2]),
        (slice(None, None, -1), [3, 2, 1, 0]),
        ([3, 0], [3, 0]),
        (np.array([True, False, True, False]), [0, 2]),
    ],
)
def test_indexing_keeps_the_sample_axis_and_takes_every_array(index, rows: list[int]) -> None:
    whole = record()
    part = whole[index]
    assert len(part) == len(rows)
    np.testing.assert_array_equal(part.values, whole.values[rows])
    np.testing.assert_array_equal(part.score, rows)
    np.testing.assert_array_equal(part.cost.evaluations, np.array(rows) + 10)
    np.testing.assert_array_equal(part.statistics["r_squared"], np.array(rows) / 10)
    np.testing.assert_array_equal(part.degrees, np.array(rows) + 20.0)
    assert part.target.labels == tuple(f"class {i}" for i in rows)
    assert [outcome.stop.text for outcome in part.outcome] == [f"sample {i}" for i in rows]
    assert part.baseline.shape == (1, 6)


def test_a_baseline_and_features_per_sample_go_with_their_sample() -> None:
    labels = np.stack([np.arange(6), np.zeros(6, int), np.arange(6) % 2])
    whole = replace(record(3, features=FeatureMap(labels, tuple("abcdef"))), baseline=np.arange(18.0).reshape(3, 6))
    part = whole[2]
    np.testing.assert_array_equal(part.baseline, whole.baseline[2:])
    np.testing.assert_array_equal(part.features.labels, labels[2:])


@pytest.mark.parametrize("index", [4, -5])
def test_a_sample_that_is_not_there_is_an_index_error(index: int) -> None:
    with pytest.raises(IndexError, match=f"sample {index} of 4"):
        record()[index]


def test_iteration_gives_single_samples_that_join_to_the_whole() -> None:
    whole = record()
    assert [len(one) for one in whole] == [1] * 4
    same(concat(list(whole)), whole)
    assert concat(list(whole)).cost.seconds == pytest.approx(whole.cost.seconds)


def test_records_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        record().values = np.zeros(1)


def test_concat_refuses_nothing_and_what_does_not_fit() -> None:
    with pytest.raises(SettingError, match="at least one"):
        concat([])
    with pytest.raises(SettingError, match="must agree"):
        concat([record(), replace(record(), method="shap")])
    with pytest.raises(SettingError, match="must agree"):
        concat([record(), record(width=5)])


def test_concat_joins_features_and_baselines_that_one_side_shares() -> None:
    shared, own = record(2, features=FeatureMap(np.arange(6)[None], tuple("abcdef"))), record(3)
    own = replace(own, features=FeatureMap(np.tile(np.arange(6)[::-1], (3, 1)), tuple("abcdef")), baseline=np.ones((3, 6)))
    joined = concat([shared, own])
    np.testing.assert_array_equal(joined.features.labels[[0, 4]], [np.arange(6), np.arange(6)[::-1]])
    np.testing.assert_array_equal(joined.baseline[:, 0], [0, 0, 1, 1, 1])


@pytest.mark.parametrize("degrees", [5, 7, 12, 29, 100, 1e9, np.inf])
@pytest.mark.parametrize("level", [0.8, 0.9, 0.95, 0.99])
def test_quantiles_are_students(degrees: float, level: float) -> None:
    assert float(t_quantile((1 + level) / 2, degrees)) == pytest.approx(stats.t.ppf((1 + level) / 2, degrees), rel=QUANTILE if level < 0.99 else 3 * QUANTILE)


def test_intervals_are_values_and_error_times_the_quantile_of_each_sample() -> None:
    whole = replace(record(3), degrees=np.array([6.0, 30.0, np.inf]))
    low, high = whole.interval(0.9)
    for i, degrees in enumerate((6, 30, np.inf)):
        reach = stats.t.ppf(0.95, degrees) * whole.error[i]
        np.testing.assert_allclose(high[i] - whole.values[i], reach, rtol=QUANTILE)
        np.testing.assert_allclose(whole.values[i] - low[i], reach, rtol=QUANTILE)


def test_intervals_of_images_broadcast_over_their_axes() -> None:
    image = replace(record(2), values=np.zeros((2, 3, 4, 1)), error=np.ones((2, 3, 4, 1)), degrees=np.array([5.0, np.inf]))
    _, high = image.interval()
    assert high.shape == (2, 3, 4, 1)
    assert high[0, 0, 0, 0] > high[1, 0, 0, 0]


@pytest.mark.parametrize("level", [0, 1, 95, -0.5])
def test_levels_out_of_range_are_refused(level: float) -> None:
    with pytest.raises(SettingError, match=r"for 95 % write 0\.95"):
        record().interval(level)


def test_the_feature_mask_marks_padding() -> None:
    labels = np.array([[0, 1, 2, 2, 2, 2], [0, 0, 0, 1, 1, -1]])
    assert record(2, features=FeatureMap(labels, tuple("abc")), width=3).feature_mask.tolist() == [[True, True, True], [True, True, False]]
    assert record(2).feature_mask.all()
    shared = record(3, features=FeatureMap(labels[:1], tuple("abc")), width=3)
    assert shared.feature_mask.shape == (3, 3)
    assert shared.feature_mask.all()


def test_to_input_paints_features_and_leaves_what_belongs_to_none_at_zero() -> None:
    labels = np.array([[0, 1, 2, 2, -1, 0]])
    painted = replace(record(2, features=FeatureMap(labels, tuple("abc")), width=3), values=np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])).to_input()
    assert painted.tolist() == [[1, 2, 3, 3, 0, 1], [4, 5, 6, 6, 0, 4]]


def test_to_input_of_an_input_shaped_record_is_its_values() -> None:
    whole = record()
    assert whole.to_input() is whole.values


def test_a_map_over_channels_is_painted_on_all_of_them() -> None:
    labels = np.array([[0, 1], [1, 0]])[None, ..., None]
    assert FeatureMap(labels, ("a", "b")).spread(np.array([[5.0, 7.0]]), (2, 2, 3))[0, 0].tolist() == [[5] * 3, [7] * 3]


def test_feature_labels_must_be_whole_numbers() -> None:
    with pytest.raises(CombinationError, match=r"labels.astype\(int\)"):
        FeatureMap(np.zeros((1, 3)), ("a",))


def test_layer_maps_are_resized_between_cell_centres() -> None:
    ramp = np.arange(4.0)[None, None, :] * np.ones((1, 3, 1))
    wide = resize(ramp, (1, 6, 8, 1))
    assert wide.shape == (1, 6, 8, 1)
    # 8 pixels over 4 cells: centres at −.25, .25, .75, ... cells; the ends hold
    np.testing.assert_allclose(wide[0, 0, :, 0], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0], atol=ROUNDING)
    np.testing.assert_allclose(resize(ramp, (1, 3, 4)), ramp)
    np.testing.assert_allclose(resize(np.full((1, 5, 5), 2.5), (1, 28, 28, 1)), 2.5)


def test_html_escapes_names() -> None:
    evil = replace(record(1), target=Explained(("<script>alert(1)</script>",), "logit"))
    assert "<script>" not in evil._repr_html_()
    assert "&lt;script&gt;" in evil._repr_html_()
    view = View("activation_map", {"<i>": np.zeros((1, 2))}, {"<i>": ("sample", "unit")}, np.zeros((1, 3)))
    assert "<i>" not in view._repr_html_()


def test_views_are_indexed_by_sample() -> None:
    view = View("activation_map", {"dense": np.arange(6.0).reshape(3, 2)}, {"dense": ("sample", "unit")}, np.arange(3.0)[:, None])
    assert len(view) == 3
    assert view[-1].values["dense"].tolist() == [[4.0, 5.0]]
    assert view[[2, 0]].inputs.tolist() == [[2.0], [0.0]]


def test_a_view_keeps_what_belongs_to_no_sample_and_takes_rows_of_what_does() -> None:
    one = synthetic.diagnosed()[1]
    assert one.values["dense"].shape == (2, 3)
    assert one.details["dense"]["mean"].tolist() == [0.5, -1.0]
    assert one.details["dense"]["each"].tolist() == [[1.0]]


def test_findings_are_told_with_their_numbers_in_the_language_spoken() -> None:
    (finding,) = synthetic.diagnosed().findings
    assert str(finding) == "dense: 2 of 6 units are dead (33.3%). Lower the learning rate."
    with speaking(Language("de", {finding.text: "{layer}: {share_dead} tot", finding.advice: "Langsamer."}.__getitem__, ",", ".", "{} %")):
        assert str(finding) == "dense: 33,3 % tot Langsamer."
    assert synthetic.diagnosed().worst == finding
    assert synthetic.view().worst is None


def test_concat_of_exact_and_sampled_shares_keeps_the_standard_error() -> None:
    exact, sampled = replace(record(), error_kind="exact"), replace(record(), error_kind="standard_error")
    assert concat([exact, sampled]).error_kind == concat([sampled, exact]).error_kind == "standard_error"
    assert concat([exact, exact]).error_kind == "exact"


@pytest.mark.parametrize("degrees", [1.0, 1.5, 2.0, 2.4, 3.0, 3.5, 4.0])
def test_few_degrees_of_freedom_are_never_too_narrow(degrees: float) -> None:
    from scipy import stats

    for probability in (0.8, 0.975, 0.995):
        assert t_quantile(probability, degrees) >= 0.995 * stats.t.ppf(probability, degrees)
    np.testing.assert_allclose(t_quantile(0.975, np.array([1.0, 2.0])), stats.t.ppf(0.975, [1, 2]), rtol=1e-9)


def test_true_labels_and_listed_targets_go_with_their_samples() -> None:
    whole = replace(record(3), provenance={"labels": [8, 4, 5], "target": [1, 2, 0], "seed": 0})
    assert len(whole) == 3
    assert whole[::-1].provenance == {"labels": [5, 4, 8], "target": [0, 2, 1], "seed": 0}
    assert concat([whole[2], whole[0]]).provenance["labels"] == [5, 8]
    assert "labels" not in concat([whole[2], replace(record(), provenance={})]).provenance
    view = View("activation_map", {"a": np.zeros((3, 2))}, {"a": ("sample", "unit")}, np.zeros((3, 2)), {"labels": [8, 4, 5]})
    assert view[1:].provenance["labels"] == [4, 5]
