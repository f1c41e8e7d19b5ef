"""A few rows that stand for many: real ones, each for as many as any other, and a background that gives nearly what all rows give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import SettingError

pytest.importorskip("sklearn")
Array = np.ndarray


def groups(*sizes: int) -> Array:
    """Far groups of rows, so many in each, in no order."""
    draw = np.random.default_rng(0)
    return draw.permutation([10 * i + draw.normal(scale=0.1, size=2) for i, size in enumerate(sizes) for _row in range(size)])


@pytest.mark.parametrize(("sizes", "count", "each"), [((60, 20, 10, 10), 10, (6, 2, 1, 1)), ((25, 25, 25, 25), 4, (1, 1, 1, 1)), ((90, 30), 4, (3, 1))])
def test_groups_are_stood_for_by_their_sizes(sizes: tuple[int, ...], count: int, each: tuple[int, ...]) -> None:
    rows = groups(*sizes)
    found = pellucid.typical(rows, count)
    assert tuple(np.bincount((found[:, 0].round() / 10).round().astype(int), minlength=len(sizes))) == each
    assert all((rows == row).all(axis=1).any() for row in found), "real rows"
    np.testing.assert_allclose(found.mean(axis=0), rows.mean(axis=0), atol=0.1)
    np.testing.assert_array_equal(found, pellucid.typical(rows, count))


def test_values_against_a_few_typical_rows_are_nearer_to_those_against_all_than_against_as_many_by_chance() -> None:
    data = pellucid.data.DATASETS.load("breast_cancer")("train").inputs[:400]
    rows = (data - data.mean(axis=0)) / data.std(axis=0)
    network, x = NumpyModel(random_stack(5, (rows.shape[1], 16, 2)), (rows.shape[1],), softmax=True), rows[:4]

    def values(background: Array) -> Array:
        return pellucid.explain(network, x, "expected_gradients", background=background, target=1, tolerance=0.01, max_evaluations=60_000).values

    whole = values(rows)
    typical = np.linalg.norm(values(pellucid.typical(rows, 20)) - whole)
    draw = np.random.default_rng(0)
    by_chance = [np.linalg.norm(values(rows[draw.choice(len(rows), 20, replace=False)]) - whole) for _ in range(9)]
    assert typical < np.median(by_chance)


def test_what_a_person_gave_comes_back_as_it_was_given() -> None:
    draw = np.random.default_rng(0)
    rows: dict[str, Any] = {"age": draw.uniform(20, 70, 60), "home": np.repeat(["own", "rent"], [45, 15])}
    for encoding in ("onehot", "codes"):
        table = pellucid.Table.fit(rows, encoding=encoding)
        found = pellucid.typical(rows, 8, preprocessing=table)
        assert sorted(found["home"]) == ["own"] * 6 + ["rent"] * 2
        assert set(found["age"]) <= set(rows["age"])
    pandas = pytest.importorskip("pandas")
    frame = pellucid.typical(pandas.DataFrame(rows), 8, preprocessing=table)
    assert list(frame.columns) == ["age", "home"]
    assert len(frame) == 8
    listed = [{"age": age, "home": home} for age, home in zip(rows["age"], rows["home"], strict=True)]
    assert all(row in listed for row in pellucid.typical(listed, 8, preprocessing=table))
    network = NumpyModel(random_stack(0, (3, 8, 2)), (3,), softmax=True)
    few = {name: values[:2] for name, values in rows.items()}
    onehot = pellucid.Table.fit(rows)
    explained = pellucid.explain(network, few, "exact_shap", preprocessing=onehot, background=pellucid.typical(rows, 8, preprocessing=onehot))
    assert explained.cost.evaluations.max() <= 4 * 8


def test_all_rows_are_enough_and_counts_must_mean_something() -> None:
    rows = groups(3, 3)
    assert pellucid.typical(rows, 6) is rows
    assert len(pellucid.typical(np.random.default_rng(0).normal(size=(1500, 2)), 20)) == 20
    for wrong in (0, 2.5, True):
        with pytest.raises(SettingError, match="how many rows"):
            pellucid.typical(rows, wrong)  # type: ignore[arg-type]
