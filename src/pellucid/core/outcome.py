"""Whether an explanation succeeded: a value with advice, not an exception and not silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

SEVERITY: Mapping[str, int] = {
    "exact": 0,
    "converged": 0,
    "fixed": 0,
    "suspicious_range": 1,
    "incomplete": 1,
    "inefficient": 1,
    "nothing_to_explain": 1,
    "budget_exhausted": 2,
    "poor_fit": 2,
}
"""Every code, from harmless (0) through a warning (1) to an answer not to be relied on (2).

`exact`, `converged`, `fixed` (a number of steps that the user chose) are good ends.
"""


@dataclass(frozen=True)
class Check:
    """One thing that was checked: a code of `SEVERITY`, the numbers it rests on, and what to do."""

    code: str
    text: str
    advice: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def severity(self) -> int:
        return SEVERITY[self.code]

    def __str__(self) -> str:
        return f"{self.text} {self.advice}".strip()


@dataclass(frozen=True)
class Outcome:
    """How the explanation of one sample ended: its stopping, then every check that found something. Of several targets it is that of the one that fared
    worst, and `parts` holds that of each."""

    stop: Check
    findings: tuple[Check, ...] = ()
    parts: tuple[Outcome, ...] = ()

    @property
    def checks(self) -> tuple[Check, ...]:
        return (self.stop, *self.findings)

    @property
    def worst(self) -> Check:
        """The gravest check; the first of equals."""
        return max(self.checks, key=lambda check: check.severity)

    @property
    def code(self) -> str:
        return self.worst.code

    @property
    def advice(self) -> str:
        return self.worst.advice

    @property
    def numbers(self) -> dict[str, float]:
        """All numbers of all checks."""
        return {name: value for check in self.checks for name, value in check.numbers.items()}

    @property
    def ok(self) -> bool:
        """No check found anything to warn of."""
        return self.worst.severity == 0

    def with_finding(self, finding: Check) -> Outcome:
        return replace(self, findings=(*self.findings, finding))

    def __str__(self) -> str:
        return " ".join(str(check) for check in self.checks)


@dataclass(frozen=True)
class Outcomes(Sequence[Outcome]):
    """One `Outcome` per sample, and the worst of them."""

    items: tuple[Outcome, ...]

    @overload
    def __getitem__(self, index: int) -> Outcome: ...
    @overload
    def __getitem__(self, index: slice) -> Outcomes: ...
    def __getitem__(self, index: int | slice) -> Outcome | Outcomes:
        return Outcomes(self.items[index]) if isinstance(index, slice) else self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.items)

    @property
    def worst(self) -> Outcome:
        """The outcome of the sample that fared worst; the first of equals."""
        return max(self.items, key=lambda outcome: outcome.worst.severity)

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(outcome.code for outcome in self.items)
