"""Choices say what holds under every one of them, and go with the samples they are of."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

import synthetic
from pellucid.core.choices import Choice, Choices
from pellucid.core.records import Explanation, concat


def choices(values: list, *options: tuple[str, list], error: float = 0.0, top: int = 2) -> Choices:
    """Of one sample: its values, and for each option the values under its alternatives."""
    found = []
    for name, tried in options:
        rows = np.array([tried], dtype=float)
        count = len(tried)
        words = tuple(f"{name} {i}" for i in range(count))
        found.append(Choice(name, "own", words, rows, np.full(rows.shape, error), ("exact",) * count, (False,) * count))
    own = np.array([values], dtype=float)
    return Choices(own, np.full(own.shape, error), tuple(found), np.array([10]), np.array([6]), {}, top)


KNOWN = choices([4.0, -3.0, 1.0, 0.0], ("baseline", [[4.0, -3.0, 2.0, 0.0], [4.0, 0.0, 1.0, 0.0]]), ("fill", [[3.0, -4.0, 1.0, 0.5]]), error=0.1)


def test_the_range_is_over_every_choice_and_the_own_values() -> None:
    assert KNOWN.low.tolist() == [[3.0, -4.0, 1.0, 0.0]]
    assert KNOWN.high.tolist() == [[4.0, 0.0, 2.0, 0.5]]
    assert KNOWN.spread.tolist() == [[1.0, 4.0, 1.0, 0.5]]


def test_what_survives_is_among_the_strongest_under_every_choice() -> None:
    assert KNOWN.strongest.tolist() == [[True, True, False, False]]
    assert KNOWN.survives.tolist() == [[True, False, False, False]]
    nothing = choices([0.0, 0.0, 0.0], ("baseline", [[1.0, 0.0, 0.0]]))
    assert not nothing.strongest.any()


def test_what_matters_most_is_the_largest_relative_change() -> None:
    norm = np.sqrt(26.0)
    np.testing.assert_allclose(KNOWN.change, [[3 / norm, np.sqrt(2.25) / norm]])
    assert KNOWN.matters_most == ("baseline",)
    assert [(choice.option, place) for choice, place in (KNOWN.furthest(0), KNOWN.furthest(0, "fill"))] == [("baseline", 1), ("fill", 0)]
    np.testing.assert_allclose(KNOWN.noise, np.full((1, 2), np.sqrt(2 * 4 * 0.01) / norm))
    np.testing.assert_array_equal(choices([0.0, 0.0], ("fill", [[3.0, 4.0], [0.0, 0.0]])).change, [[1.0]])


def test_a_pair_of_features_counts_once() -> None:
    pair = np.array([[[0.0, 3.0, 1.0], [3.0, 0.5, 2.0], [1.0, 2.0, 0.0]]])
    alone = replace(KNOWN.options[0], names=("other",), values=pair[:, None], error=0 * pair[:, None])
    found = replace(KNOWN, values=pair, error=0 * pair, options=(alone,), of_pairs=True)
    assert np.argwhere(found.survives[0]).tolist() == [[0, 1], [1, 2]]


@pytest.fixture(scope="module")
def varied() -> Explanation:
    return synthetic.varied(synthetic.explanation("shap", 3))


def test_choices_go_with_their_samples(varied: Explanation) -> None:
    for index in (1, slice(1, 3), [2, 0], -1):
        part = varied[index]
        assert len(part.choices) == len(part) == len(part.choices.gradients)
        np.testing.assert_array_equal(part.choices.values, part.values)
        np.testing.assert_array_equal(part.choices.spread, varied.choices.spread[np.arange(3)[index] if not isinstance(index, int) else [index]])
    assert pickle.loads(pickle.dumps(varied)).choices.options[0].names == ("mean", "blur:2")  # noqa: S301


def test_choices_are_joined_where_they_are_the_same_and_dropped_elsewhere(varied: Explanation) -> None:
    second = varied[1:]
    first, last = second.choices.options
    second = replace(second, choices=replace(second.choices, options=(first, replace(last, codes=("poor_fit",)))))
    joined = concat([varied[0], second])
    np.testing.assert_array_equal(joined.choices.spread, varied.choices.spread)
    assert joined.choices.options[1].codes == ("poor_fit",)
    fewer = replace(varied[0], choices=replace(varied[0].choices, options=varied[0].choices.options[:1]))
    assert concat([varied[0], fewer]).choices is None
    assert concat([varied[0], replace(varied[1], choices=None)]).choices is None


@pytest.mark.parametrize("method", ["integrated_gradients", "lime"])
def test_each_input_has_the_choices_of_its_own_features(method: str) -> None:
    record = synthetic.varied(synthetic.several(method))
    apart = record.by_input
    for one in apart.values():
        assert one.choices.options[0].values.shape == (2, 2, *one.values.shape[1:])
        np.testing.assert_array_equal(one.choices.values, one.values)
        np.testing.assert_allclose(one.choices.high, np.maximum.reduce([one.values + 0.01, 0.5 * one.values, -one.values, one.values]), rtol=1e-6)


def test_a_table_has_the_range(varied: Explanation) -> None:
    pytest.importorskip("pandas")
    table = varied.to_dataframe()
    np.testing.assert_allclose(table["choice_high"] - table["choice_low"], varied.choices.spread[varied.feature_mask], rtol=1e-6)
    assert "choice_low" not in replace(varied, choices=None).to_dataframe()
