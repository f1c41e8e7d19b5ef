"""Each finding appears where its fault is planted, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import pellucid
from choices import needed, serves
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import StrictError
from pellucid.core.model import INPUT, Gradients
from pellucid.core.outcome import SEVERITY
from pellucid.core.records import Explanation
from pellucid.diagnostics import DIAGNOSTICS, examine

_generator = np.random.default_rng(0)
SOUND = NumpyModel([Dense(_generator.normal(size=(6, 8)), _generator.normal(size=8), "tanh"), Dense(_generator.normal(size=(8, 2)), np.zeros(2))], (6,))
X = _generator.normal(size=(3, 6))
BACKGROUND = _generator.normal(size=(8, 6))


def codes(record: Explanation) -> list[list[str]]:
    return [[check.code for check in outcome.findings] for outcome in record.outcome]


def test_every_diagnostic_gives_one_entry_per_sample_for_every_method() -> None:
    for method in serves("table"):
        record = pellucid.explain(SOUND, X, method, **needed(method, BACKGROUND))
        for name in DIAGNOSTICS:
            assert len(DIAGNOSTICS.load(name)(record)) == 3, (method, name)


@pytest.mark.parametrize("method", [name for name in serves("table") if name != "lime"])
def test_a_sound_explanation_has_no_finding(method: str) -> None:
    assert codes(pellucid.explain(SOUND, X, method, **needed(method, BACKGROUND))) == [[]] * 3


class WrongGradient(NumpyModel):
    """A network whose gradient is a fifth too large, as a custom gradient or a rounding layer makes it."""

    def gradients(self, inputs, target, wrt=(INPUT,)) -> Gradients:
        found = super().gradients(inputs, target, wrt)
        return replace(found, gradients={name: 1.2 * array for name, array in found.gradients.items()})


def test_completeness_finds_a_gradient_that_is_not_the_scores() -> None:
    linear = [Dense(np.ones((6, 1)), np.zeros(1))]
    record = pellucid.explain(WrongGradient(linear, (6,)), np.ones((1, 6)), "integrated_gradients", rule="midpoint", steps=16)
    assert codes(record) == [["incomplete"]]
    assert record.outcome[0].numbers["completeness_gap"] == pytest.approx(1.2)
    assert not record.outcome[0].ok
    assert codes(pellucid.explain(NumpyModel(linear, (6,)), np.ones((1, 6)), "integrated_gradients", rule="midpoint", steps=16)) == [[]]


def test_a_gap_that_the_stated_error_explains_is_no_finding() -> None:
    record = pellucid.explain(SOUND, X, "integrated_gradients")
    norm = np.abs(record.values).sum(axis=1)
    within = replace(record, statistics={"completeness_gap": 0.03 * norm, "relative_error": np.full(3, 0.02)})
    beyond = replace(record, statistics={"completeness_gap": -0.05 * norm, "relative_error": np.full(3, 0.02)})
    assert examine(within) == [[]] * 3
    assert [[check.code for check in found] for found in examine(beyond)] == [["incomplete"]] * 3


def test_a_nested_rule_does_not_call_a_wrong_gradient_converged() -> None:
    model = WrongGradient([Dense(np.ones((6, 8)), np.zeros(8), "tanh"), Dense(np.ones((8, 1)), np.zeros(1))], (6,))
    record = pellucid.explain(model, np.abs(X), "integrated_gradients", max_evaluations=255)
    assert set(record.outcome.codes) == {"budget_exhausted"}


def test_efficiency_finds_a_model_that_answers_differently_each_time() -> None:
    noise = np.random.default_rng(1)

    def restless(points: np.ndarray) -> np.ndarray:
        return points.sum(axis=1) + noise.normal(scale=0.1, size=len(points))

    record = pellucid.explain(restless, X, "exact_shap", target=0)
    # enumeration adds up by construction; what a restless model breaks is the score said against the shares
    moved = replace(record, score=record.score + 0.5)
    assert [[check.code for check in found] for found in examine(moved)] == [["inefficient"]] * 3
    assert examine(moved)[0][0].numbers["efficiency_gap"] == pytest.approx(-0.5)
    assert examine(record) == [[]] * 3


@pytest.mark.parametrize(("fit", "found"), [(0.69, ["poor_fit"]), (0.7, []), (1.0, []), (-0.2, ["poor_fit"])])
def test_surrogate_fit_finds_a_poor_fit(fit: float, found: list[str]) -> None:
    record = pellucid.explain(lambda points: points.sum(axis=1), X[:1], "lime", target=0)
    poor = replace(record, statistics={**record.statistics, "r_squared": np.array([fit])})
    assert [check.code for check in examine(poor)[0]] == found
    if found:
        assert f"explains only {max(fit, 0) * 100:.0f} %" in examine(poor)[0][0].text


def _image_record(x: np.ndarray, **traits: bool) -> Explanation:
    record = pellucid.explain(NumpyModel([Dense(np.ones((16, 2)), np.zeros(2))], (4, 4, 1)), x, "saliency")
    return replace(record, provenance={**record.provenance, "takes": {"scales_input": False, "tokens": False, **traits}})


BYTES = np.arange(0, 256, 17).reshape(1, 4, 4, 1).astype(np.float64)


@pytest.mark.parametrize(
    ("x", "found"),
    [
        (BYTES, ["suspicious_range"]),
        (BYTES / 255, []),
        (BYTES - 128, []),
        (BYTES + 0.5, []),
        (BYTES * 10, []),
        (BYTES / 17, []),
    ],
)
def test_input_range_finds_bytes(x: np.ndarray, found: list[str]) -> None:
    assert [check.code for check in examine(_image_record(x))[0]] == found


@pytest.mark.parametrize("trait", ["scales_input", "tokens"])
def test_a_network_that_scales_or_reads_tokens_may_have_bytes(trait: str) -> None:
    assert examine(_image_record(BYTES, **{trait: True})) == [[]]


def test_strict_raises_what_would_be_a_finding() -> None:
    model = WrongGradient([Dense(np.ones((6, 1)), np.zeros(1))], (6,))
    with pytest.raises(StrictError, match=r"sample 0: The values miss"):
        pellucid.explain(model, np.ones((1, 6)), "integrated_gradients", rule="midpoint", steps=16, strict=True)
    assert pellucid.explain(SOUND, X, "saliency", strict=True).outcome.worst.ok


def test_every_code_of_a_finding_warns() -> None:
    for code in ("incomplete", "inefficient", "poor_fit", "suspicious_range", "nothing_to_explain", "budget_exhausted"):
        assert SEVERITY[code] > 0
