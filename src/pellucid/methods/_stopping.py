"""When a method may stop and what it then says: the one place where tolerance, budget and words meet."""

from __future__ import annotations

import math

from pellucid.core.errors import SettingError
from pellucid.core.outcome import Check

MIN_PAIRS = 30
"""No sampling method stops before this many independent draws: below it an estimated error cannot be trusted."""
TINY = 1e-12


def require(budget: int, needed: int, why: str) -> None:
    """Raise where the budget does not even allow an error to be estimated."""
    if budget < needed:
        raise SettingError(f"max_evaluations={budget} is too few: {why} needs at least {needed:,} a sample.")


def relative(error: float, norm: float, span: float) -> float:
    """An error relative to the size of the answer; where that is near zero, to a hundredth of |score − baseline score|."""
    scale = max(norm, 0.01 * abs(span))
    if error <= TINY * max(1.0, scale):
        return 0.0
    return error / scale if scale > 0 else math.inf


def percent(fraction: float) -> str:
    """A fraction in words: '2 %', '0.5 %'.

    >>> percent(0.0213), percent(0.004)
    ('2.1 %', '0.4 %')
    """
    if not math.isfinite(fraction):
        return "an unknown part"
    return f"{fraction * 100:.2g} %" if fraction < 1 else f"{fraction * 100:.0f} %"


def rounded_up(number: float) -> int:
    """A number of evaluations to advise: two digits, rounded up.

    >>> rounded_up(12_345), rounded_up(7)
    (13000, 7)
    """
    step = 10 ** max(math.floor(math.log10(max(number, 1))) - 1, 0)
    return math.ceil(number / step) * step


def exact(how: str) -> Check:
    """The stop of a method that has no numerical error."""
    return Check("exact", f"Exact: {how}.", numbers={"relative_error": 0.0})


def converged(estimate: float, tolerance: float, used: int, unit: str) -> Check:
    """The stop of a method whose own error estimate has come below the tolerance."""
    return Check(
        "converged",
        f"Computed to within {percent(tolerance)} of this method's definition ({used} {unit}).",
        numbers={"relative_error": estimate, "tolerance": tolerance},
    )


def fixed(estimate: float, used: int, unit: str) -> Check:
    """The stop of a method whose number of steps the user chose."""
    return Check("fixed", f"Computed with {used} {unit} as asked; estimated error {percent(estimate)}.", numbers={"relative_error": estimate})


def exhausted(estimate: float, tolerance: float, used: int, unit: str, power: float, spent: int | None = None) -> Check:
    """The stop of a method whose budget ended first; `power` is how the error falls with effort (1 for quadrature, ½ for sampling), `spent` what `used` has
    taken of the budget where that is another number."""
    advice = "Raise max_evaluations or the tolerance."
    if math.isfinite(estimate) and tolerance > 0:
        needed = (used if spent is None else spent) * (estimate / tolerance) ** (1 / power)
        advice = f"Raise max_evaluations to about {rounded_up(needed):,}, or accept tolerance={estimate:.2g}."
    return Check(
        "budget_exhausted",
        f"The budget ended after {used} {unit} with an error of about {percent(estimate)}; {percent(tolerance)} was asked for.",
        advice,
        {"relative_error": estimate, "tolerance": tolerance},
    )


def nothing(why: str) -> Check:
    """Nothing in this sample can be attributed."""
    return Check("nothing_to_explain", f"Nothing to explain: {why}.", "Choose another baseline, fill or feature division.", {"relative_error": 0.0})
