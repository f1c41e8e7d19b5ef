"""Sobol indices against functions whose indices are known, and their stated error at the moment of stopping."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import twins_masks
from test_coverage import calibrate

import pellucid
from pellucid.core.errors import SettingError
from pellucid.methods.coalition import _masks

ROUNDING = 1e-9
A = np.array([0.0, 0.5, 2.0, 4.5, 9.0, 99.0])


def g(x: np.ndarray) -> np.ndarray:
    """The input is all ones and the fill zero, so that what comes is the mask itself."""
    return twins_masks.g_function(A, np.asarray(x, np.float64))


KNOWN: dict[str, tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]] = {
    "g": (g, twins_masks.g_indices(A)),
    "ishigami": (lambda x: twins_masks.ishigami(np.asarray(x, np.float64)), twins_masks.ishigami_indices()),
    "linear": (lambda x: np.asarray(x, np.float64) @ np.arange(1.0, 8), np.arange(1.0, 8) ** 2 / 140),
    "product": (lambda x: np.asarray(x, np.float64)[:, 0] * np.asarray(x, np.float64)[:, 1], np.array([4 / 7, 4 / 7, 0])),
}


def run(name: str, seed: int = 0, **settings: object) -> pellucid.Explanation:
    score, truth = KNOWN[name]
    asked = {"target": 0, "features": "columns", "seed": seed, "max_evaluations": 10**6} | settings
    return pellucid.explain(score, np.ones((1, len(truth))), "sobol", **asked)


@pytest.mark.parametrize("name", KNOWN)
def test_known_indices_are_found(name: str) -> None:
    found, truth = run(name, tolerance=0.02), KNOWN[name][1]
    assert found.outcome.codes == ("converged",)
    assert np.linalg.norm(found.values[0] - truth) <= 0.03 * np.linalg.norm(truth)


CASES = [
    ("g", 0.2, 200),
    ("linear", 0.15, 100),
    pytest.param("g", 0.05, 300, marks=pytest.mark.slow),
    pytest.param("ishigami", 0.1, 300, marks=pytest.mark.slow),
    pytest.param("ishigami", 0.03, 200, marks=pytest.mark.slow),
    pytest.param("linear", 0.3, 300, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "tolerance", "seeds"), CASES)
def test_the_stated_error_is_right_at_the_moment_of_stopping(name: str, tolerance: float, seeds: int) -> None:
    calibrate([run(name, seed, tolerance=tolerance) for seed in range(seeds)], KNOWN[name][1][None]).check(tolerance)


def test_the_row_of_the_fill_is_one_more_input() -> None:
    """f = m1·(1 − b) + b, b one of two rows: with m uniform and b a coin the variance can be written down."""
    fill = np.array([[0.0, 0.0], [1.0, 0.0]])
    found = pellucid.explain(
        lambda x: np.asarray(x, np.float64)[:, 0] * 2 - 1, np.array([[3.0, 1.0]]), "sobol", target=0, background=fill, tolerance=0.01, max_evaluations=10**6
    )
    by_row = [(3 - b) ** 2 / 12 * 4 for b in (0.0, 1.0)]
    means = [2 * (3 + b) / 2 for b in (0.0, 1.0)]
    truth = np.mean(by_row) / (np.mean(by_row) + np.var(means))
    assert found.values[0, 0] == pytest.approx(truth, rel=0.02)
    assert found.values[0, 1] == 0


def test_features_that_do_nothing_get_exactly_nothing_and_like_ones_the_same() -> None:
    found = pellucid.explain(
        lambda x: np.tanh(x[:, 0] + x[:, 1]) * x[:, 2], np.array([[0.7, 0.7, 1.0, 2.0, 0.0]]), "sobol", target=0, tolerance=0.05, max_evaluations=10**5
    )
    assert not found.values[0, 3:].any()
    assert abs(found.values[0, 0] - found.values[0, 1]) <= 4 * found.error[0, :2].sum()


def test_going_on_gives_what_going_through_gives() -> None:
    seen = []

    def counting(x: np.ndarray) -> np.ndarray:
        seen.append(len(x))
        return g(x)

    x = np.stack([np.ones(6), np.array([1.0, 1, 0, 1, 0, 1])])
    asked = {"target": 0, "features": "columns"}
    for early, late in (
        ({"tolerance": 0.4}, {"tolerance": 0.1}),
        ({"max_evaluations": 700, "tolerance": 0.001}, {"max_evaluations": 5000, "tolerance": 0.001}),
    ):
        through = pellucid.explain(g, x, "sobol", **asked, **{"max_evaluations": 10**5} | late)
        first = pellucid.explain(counting, x, "sobol", **asked, **{"max_evaluations": 10**5} | early)
        seen.clear()
        second = first.refine(**{"max_evaluations": 10**5} | late)
        np.testing.assert_allclose(second.values, through.values, atol=ROUNDING)
        np.testing.assert_allclose(second.error, through.error, atol=ROUNDING)
        np.testing.assert_array_equal(second.cost.evaluations, through.cost.evaluations)
        assert sum(seen) == (second.cost.evaluations - first.cost.evaluations).sum() + 2, "the 2 are the prediction"


def test_a_small_stream_gives_the_same_as_a_wide_one(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = run("g", max_evaluations=2000)
    monkeypatch.setattr(_masks, "NUMBERS_AT_ONCE", 60)
    np.testing.assert_allclose(run("g", max_evaluations=2000).values, wide.values, atol=ROUNDING)


def test_a_constant_score_an_input_that_is_its_fill_and_a_small_budget() -> None:
    flat = pellucid.explain(lambda x: np.full(len(x), 0.3), np.ones((1, 4)), "sobol", target=0)
    assert not flat.values.any()
    assert flat.outcome.codes == ("converged",)
    blank = pellucid.explain(g, np.stack([np.ones(6), np.zeros(6)]), "sobol", target=0)
    assert blank.outcome[1].code == "nothing_to_explain"
    assert blank.cost.evaluations[1] == 0
    with pytest.raises(SettingError, match="too few: 2 points of 32 designs over 6 features needs at least 448"):
        run("g", max_evaluations=400)


def test_tokens_are_there_or_not_and_never_something_between() -> None:
    """On a scale of numbers half of token 8 is token 4, which stands for another word."""
    seen: list[np.ndarray] = []

    def reads(ids: np.ndarray) -> np.ndarray:
        seen.append(ids[..., :4].copy())
        return (ids[:, 0] == 8) + 0.5 * (ids[:, 1] == 3) + 0.1 * ids[:, 4]

    text = pellucid.Text(("", "[UNK]", "a", "b", "c", "d", "e", "f", "g"), 4, tokenizer="whitespace")
    found = pellucid.explain(lambda ids: reads(np.pad(ids, ((0, 0), (0, 1))))[:, None], ["g b c d"], "sobol", preprocessing=text, tolerance=0.02, target=0)
    assert set(np.unique(np.concatenate(seen))) <= {0.0, 3.0, 4.0, 5.0, 8.0}
    np.testing.assert_allclose(found.values[0], [0.8, 0.2, 0, 0], atol=0.03)

    def several(ids: np.ndarray, size: np.ndarray) -> np.ndarray:
        seen.append(ids.copy())
        return ((ids[:, 0] == 8) + size[:, 0])[:, None]

    seen.clear()
    found = pellucid.explain(several, {"ids": np.array([[8, 3]]), "size": np.array([[1.0]])}, "sobol", tolerance=0.02, max_evaluations=10**5, target=0)
    assert set(np.unique(np.concatenate(seen))) <= {0, 3, 8}
    np.testing.assert_allclose(found.values[0], [0.75, 0, 0.25], atol=0.03)  # variances 1/4 of a coin and 1/12 of a number between 0 and 1
