"""Kernel SHAP, permutations over many rows, and gradients as a control: against twins, enumeration and peers; what they choose, count and keep."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
import twins
import twins_shapley

import pellucid
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.model import INPUT
from pellucid.core.records import Explanation
from pellucid.core.target import Target
from pellucid.maths.strata import Strata
from pellucid.methods import _stopping
from pellucid.methods.coalition import _gradients

ROUNDING = 1e-9
FEATURES = 12

_generator = np.random.default_rng(21)
X = _generator.normal(size=(2, FEATURES)) + 0.5
BACKGROUND = _generator.normal(size=(60, FEATURES))


def network(features: int = FEATURES, activation: str = "tanh") -> NumpyModel:
    generator = np.random.default_rng(22)
    hidden = Dense(2 * generator.normal(size=(features, 10)) / np.sqrt(features), generator.normal(size=10) / 2, activation)
    return NumpyModel([hidden, Dense(generator.normal(size=(10, 1)), np.zeros(1))], (features,), batch_size=4096)


MODEL = network()


@pytest.fixture(scope="module")
def exact() -> np.ndarray:
    return pellucid.explain(MODEL, X, "exact_shap", background=BACKGROUND, max_evaluations=10**7).values


def off(found: pellucid.Explanation, truth: np.ndarray) -> np.ndarray:
    return np.linalg.norm(found.values - truth, axis=1) / np.linalg.norm(truth, axis=1)


def bumpy(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    return np.tanh(x[:, 0] + x[:, 1] * x[:, 2]) + np.maximum(x[:, 3] * x[:, 4], 0) * x[:, 5]


def test_the_twins_agree_on_all_coalitions() -> None:
    v = twins.marginal_game(bumpy, X[0, :6], BACKGROUND[:4, :6])
    np.testing.assert_allclose(twins_shapley.shapley_by_regression(v, 6), twins.shapley_by_coalitions(v, 6), atol=ROUNDING)


def test_kernel_shap_enumerates_where_that_is_cheaper_and_agrees_with_the_paper() -> None:
    x, background = X[:, :6], BACKGROUND[:4, :6]
    found = pellucid.explain(bumpy, x, "kernel_shap", target=0, background=background, tolerance=0.001)
    expected = [twins_shapley.shapley_by_regression(twins.marginal_game(bumpy, one, background), 6) for one in x]
    np.testing.assert_allclose(found.values, expected, atol=ROUNDING)
    assert set(found.outcome.codes) == {"exact"}
    assert found.cost.evaluations.tolist() == [4 * (2**6 - 1)] * 2, "no coalition twice"


@pytest.mark.parametrize("method", ["kernel_shap", "permutation_shap", "shap"])
def test_sampled_values_lie_within_the_tolerance_and_add_up(method: str, exact: np.ndarray) -> None:
    found = pellucid.explain(MODEL, X, method, background=BACKGROUND, tolerance=0.05, max_evaluations=200_000)
    assert set(found.outcome.codes) == {"converged"}
    assert (off(found, exact) <= 1.2 * 0.05).all()
    assert (off(found, exact) > 1e-6).all()
    np.testing.assert_allclose(found.values.sum(axis=1), found.score - found.baseline_score, atol=ROUNDING)


def test_kernel_shap_serves_many_rows_with_one_regression_where_the_budget_is_small(exact: np.ndarray) -> None:
    found = pellucid.explain(MODEL, X, "kernel_shap", background=BACKGROUND, tolerance=0.0, max_evaluations=4000)
    assert (off(found, exact) <= found.statistics["relative_error"] * 1.5).all()
    assert (found.cost.evaluations <= 4000).all()
    assert (off(found, exact) < 0.5).all()


def test_a_draw_of_permutation_shap_is_the_twins() -> None:
    """One fill: the mean over the orders that were drawn is that of the twin's contributions along them."""
    from pellucid.methods.coalition._permutations import Draws

    x, fill = X[:1, :8], np.zeros((1, 8))
    model = network(8)
    found = pellucid.explain(model, x, "permutation_shap", fill=0, tolerance=0.0, max_evaluations=2 * 7 * 32 + 1, seed=3)
    orders = int(found.state["counts"][0, 0])
    assert orders >= 32
    ranks = Draws((3,), 1, 8).ranks(np.zeros(orders, int), np.arange(orders))
    v = twins.marginal_game(lambda rows: model.predict(rows)[:, 0], x[0], fill)
    expected = np.mean([twins_shapley.antithetic_order(v, np.argsort(rank)) for rank in ranks], axis=0)
    np.testing.assert_allclose(found.values[0], expected, atol=ROUNDING)


def test_gradients_and_permutations_alone_have_one_limit(exact: np.ndarray) -> None:
    for control in ("gradients", "none"):
        found = pellucid.explain(MODEL, X, "permutation_shap", background=BACKGROUND, control=control, tolerance=0.02, max_evaluations=10**6)
        assert set(found.outcome.codes) == {"converged"}
        assert (off(found, exact) <= 1.2 * 0.02).all()
        assert (found.cost.gradients > 0).all() == (control == "gradients")
        assert (found.cost.gradients <= found.cost.evaluations).all()


def gradient_of(model: NumpyModel) -> object:
    target = Target(np.ones((1, 1), np.float32), "output", ("0",))
    return lambda z: model.gradients(z[None], target).gradients[INPUT][0]


def test_the_control_along_orders_has_the_mean_that_its_pairs_draw() -> None:
    """Over all orders the control's mean is the twin's sum over subsets; the package's weighted pairs tend to the same."""
    from itertools import permutations

    model, x, b = network(5), X[0, :5], BACKGROUND[0, :5]
    gradient = gradient_of(model)
    orders = [twins_shapley.slope_control(gradient, x, b, order, _gradients.EVEN) for order in permutations(range(5))]
    mean = twins_shapley.slope_control_mean(gradient, x, b, _gradients.EVEN)
    np.testing.assert_allclose(np.mean(orders, axis=0), mean, atol=ROUNDING)
    run = _run(model, x[None], b[None])
    run.look()
    run._draw_pairs(4000.0)
    error = np.sqrt(run.pairs.squares[0] / run.pairs.counts[0] ** 2)
    assert (np.abs(run.pairs.means[0] - mean) <= 4.5 * error + ROUNDING).all()
    assert (error < 0.1 * np.abs(mean).max()).all()


def test_what_the_control_leaves_is_contributions_less_the_twins_control() -> None:
    model, x, b = network(5), X[0, :5], BACKGROUND[0, :5]
    run = _run(model, x[None], b[None])
    run.look()
    run._draw_orders(6.0)
    orders = [np.argsort(rank) for rank in run.draws[1].ranks(np.zeros(6, int), np.arange(6))]
    v = twins.marginal_game(lambda rows: model.predict(rows)[:, 0], x, b[None])
    left = []
    for order in orders:
        added = np.zeros(5)
        for place, j in enumerate(order):
            added[j] = v(order[: place + 1].tolist()) - v(order[:place].tolist())
        left.append(added - twins_shapley.slope_control(gradient_of(model), x, b, order, _gradients.EVEN))
    np.testing.assert_allclose(run.orders.sums[0], np.sum(left, axis=0), atol=ROUNDING)


def _run(model: NumpyModel, x: np.ndarray, fill: np.ndarray) -> _gradients.GradientRun:
    from pellucid.core.features import FeatureMap
    from pellucid.core.method import Task
    from pellucid.methods.coalition._game import Game

    scores = model.predict(x)[:, 0]
    features = FeatureMap(np.arange(x.shape[1])[None], tuple("abcdefgh"[: x.shape[1]]), "columns")
    target = Target(np.ones((len(x), 1), np.float32), "output", ("0",) * len(x))
    game = Game(Task(model, x, target, scores, 0.01, 10**6, 0, features=features, fills=fill[None]))
    run = _gradients.GradientRun(game, game.players[0], asked=True)
    run.empty = game.empty([game.players[0]])[0]
    return run


@pytest.mark.parametrize(("scale", "tolerance"), [(1.0, 0.05), (1.0, 0.1), (0.3, 0.05)])
def test_left_to_itself_it_costs_little_more_than_the_cheaper_of_the_two(scale: float, tolerance: float) -> None:
    wide = scale * np.random.default_rng(5).normal(size=(1, 16))
    rows = scale * np.random.default_rng(6).normal(size=(50, 16))

    def used(control: str) -> float:
        found = [
            pellucid.explain(network(16), wide, "permutation_shap", background=rows, tolerance=tolerance, control=control, seed=seed).cost for seed in range(4)
        ]
        return float(np.mean([cost.evaluations + cost.gradients for cost in found]))

    assert used("auto") < 1.3 * min(used("gradients"), used("none"))


def test_shap_says_which_estimator_it_took_and_why_nothing_else_was_needed() -> None:
    wide = np.random.default_rng(5).normal(size=(1, 16))
    rows = np.random.default_rng(6).normal(size=(50, 16))
    model = network(16)
    box = lambda z: model.predict(z)  # noqa: E731
    taken = {
        "kernel regression": pellucid.explain(box, wide, "shap", target=0, fill=0),
        "permutations": pellucid.explain(box, wide, "shap", target=0, background=rows, tolerance=0.2),
        "permutations with gradients": pellucid.explain(model, 0.3 * wide, "shap", background=0.3 * rows, tolerance=0.05),
    }
    assert {name: one.provenance["resolved"]["estimator"] for name, one in taken.items()} == {name: name for name in taken}
    words = ("paired coalitions", "along permutations)", "of them with a gradient, which counts twice)")
    for one, word in zip(taken.values(), words, strict=True):
        assert word in str(one.outcome[0].stop)
    for one in list(taken.values())[1:]:
        assert told(one) == [int(one.cost.evaluations[0]), *one.cost.gradients[one.cost.gradients > 0]]


def told(found: Explanation) -> list[int]:
    """The evaluations, and the gradients among them, that the one sample's ending tells of."""
    return [int(number) for number in re.findall(r"(\d+) (?:evaluations|of them)", str(found.outcome[0].stop))]


def test_gradients_are_given_up_where_they_would_cost_more() -> None:
    def jagged(gain: float) -> NumpyModel:
        generator = np.random.default_rng(7)
        return NumpyModel(
            [Dense(gain * generator.normal(size=(16, 60)), generator.normal(size=60), "tanh"), Dense(generator.normal(size=(60, 1)), np.zeros(1))], (16,)
        )

    x, rows = np.random.default_rng(8).normal(size=(1, 16)), np.random.default_rng(9).normal(size=(40, 16))
    found = pellucid.explain(jagged(3.0), x, "permutation_shap", background=rows, tolerance=0.05, max_evaluations=30_000)
    assert found.provenance["resolved"]["estimator"] == "permutations"
    assert 0 < found.cost.gradients[0] < 2000
    assert found.cost.evaluations[0] + found.cost.gradients[0] <= 30_000
    assert told(found) == [found.cost.evaluations[0], found.cost.gradients[0]]
    ended = pellucid.explain(jagged(3.0), x, "permutation_shap", background=rows, tolerance=0.01, max_evaluations=10_000)
    stop, spent = ended.outcome[0].stop, ended.cost.evaluations[0] + ended.cost.gradients[0]
    assert (stop.code, told(ended)) == ("budget_exhausted", [ended.cost.evaluations[0], ended.cost.gradients[0]])
    advised = int(re.search(r"about ([\d,]+), or", stop.advice)[1].replace(",", ""))
    assert advised == _stopping.rounded_up(spent * (stop.numbers["relative_error"] / 0.01) ** 2), "the budget counts gradients twice"


@pytest.mark.parametrize(
    ("method", "options"),
    [("kernel_shap", {"fill": 0}), ("permutation_shap", {"background": BACKGROUND, "control": "none"}), ("permutation_shap", {"background": BACKGROUND})],
    ids=["kernel", "permutations", "gradients"],
)
def test_going_on_gives_what_going_through_would_have(method: str, options: dict[str, object]) -> None:
    model = NumpyModel([*network(18).stack], (18,)) if method == "kernel_shap" else MODEL
    x = np.random.default_rng(10).normal(size=(2, 18)) if method == "kernel_shap" else X
    part = pellucid.explain(model, x, method, tolerance=0.0, max_evaluations=3000, **options)
    whole = pellucid.explain(model, x, method, tolerance=0.0, max_evaluations=9000, **options)
    on = part.refine(tolerance=0.0, max_evaluations=9000)
    assert (on.cost.evaluations > part.cost.evaluations).all()
    longer_steps = method == "permutation_shap" and "control" not in options  # gradients: other draws on the way, one limit
    apart = np.linalg.norm(on.values - whole.values, axis=1) / np.linalg.norm(whole.error, axis=1)
    assert (apart <= (4 if longer_steps else 0.6)).all(), "the same draws but for the last few, as what was scored twice is not known any more"


def test_a_state_that_would_be_too_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.methods.coalition._shapley.KEPT", 100)
    assert not pellucid.explain(MODEL, X, "permutation_shap", background=BACKGROUND, tolerance=0.3).state


def test_controls_are_checked() -> None:
    with pytest.raises(SettingError, match=r"unknown control 'gradient'.*'gradients'"):
        pellucid.explain(MODEL, X, "shap", background=BACKGROUND, control="gradient")
    with pytest.raises(UnsupportedError, match="control='gradients' needs gradients"):
        pellucid.explain(lambda z: z[:, :1], X, "permutation_shap", target=0, background=BACKGROUND, control="gradients")


def test_budgets_too_small_for_an_error_are_refused() -> None:
    for method, words in (("kernel_shap", "a regression on 12 features"), ("permutation_shap", "orders of 12 features")):
        with pytest.raises(SettingError, match=f"too few: .*{words}"):
            pellucid.explain(MODEL, X, method, fill=0, max_evaluations=20)


def test_a_wild_first_estimate_does_not_run_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once overestimated a millionfold, the error is looked at again soon."""
    from pellucid.methods.coalition._shapley import Run

    sound, seen = Run.relative, []

    def wild(self: Run, found: object) -> float:
        seen.append(self.used)
        return 1e6 if len(seen) == 1 else sound(self, found)

    monkeypatch.setattr(Run, "relative", wild)
    found = pellucid.explain(MODEL, X[:1], "permutation_shap", background=BACKGROUND, tolerance=0.1, max_evaluations=10**6, control="none")
    assert found.cost.evaluations[0] < 5 * seen[0]


def test_permutations_leave_out_rows_only_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    keep = Strata.add

    def watched(self: Strata, *args: object) -> None:
        keep(self, *args)
        counts.append(self.counts.copy())

    monkeypatch.setattr(Strata, "add", watched)
    pellucid.explain(MODEL, X[:1], "permutation_shap", background=BACKGROUND, tolerance=0.5, control="none")
    assert counts[0].sum() == pytest.approx(32, abs=3)
    assert (counts[0] == 0).any()
    counts.clear()
    pellucid.explain(MODEL, X[:1], "permutation_shap", background=BACKGROUND[:20], tolerance=0.5, control="none")
    assert (counts[-1] >= 2).all()


@pytest.mark.filterwarnings("ignore")
def test_kernel_shap_agrees_with_shaps_kernel_explainer_within_the_sampling_error() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shap = pytest.importorskip("shap")
    x, background = np.random.default_rng(12).normal(size=(1, 18)), np.zeros((1, 18))
    model = network(18)
    found = pellucid.explain(model, x, "kernel_shap", fill=0, tolerance=0.01, max_evaluations=10**6)
    np.random.seed(0)
    theirs = np.asarray(shap.KernelExplainer(lambda z: model.predict(z)[:, 0], background).shap_values(x, nsamples=60_000, l1_reg=False, silent=True))
    assert np.linalg.norm(found.values - theirs) <= 0.02 * np.linalg.norm(theirs)
