"""Explanations whose samples have features of their own join to one, padded as the method itself pads."""

from __future__ import annotations

import numpy as np

import pellucid


def cut(counts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (samples, 6) and label maps with as many features a sample as `counts` says."""
    x = np.random.default_rng(1).normal(size=(len(counts), 6, 6, 1))
    return x, np.stack([np.arange(36).reshape(6, 6, 1) % count for count in counts])


def model(x: np.ndarray) -> np.ndarray:
    return np.stack([x.sum(axis=(1, 2, 3)), np.square(x).sum(axis=(1, 2, 3))], axis=1)


def test_parts_with_fewer_features_join_to_the_whole() -> None:
    x, labels = cut([3, 5, 2, 4])
    whole = pellucid.explain(model, x, "exact_shap", features=labels, target=1)
    parts = [pellucid.explain(model, x[i : i + 1], "exact_shap", features=labels[i : i + 1], target=1) for i in range(4)]
    joined = pellucid.concat(parts)
    np.testing.assert_allclose(joined.values, whole.values)
    np.testing.assert_array_equal(joined.feature_mask, whole.feature_mask)
    np.testing.assert_allclose(joined.to_input(), whole.to_input())
    assert joined.features is not None
    assert len(joined.features.names) == 5


def test_a_statistic_that_only_one_part_has_is_left_out() -> None:
    x, labels = cut([3, 3])
    one = pellucid.explain(model, x[:1], "lime", features=labels[:1])
    other = pellucid.explain(model, x[1:], "lime", features=labels[1:])
    del other.statistics["r_squared"]
    joined = pellucid.concat([one, other])
    assert "r_squared" not in joined.statistics
    assert len(joined.statistics["intercept"]) == 2
