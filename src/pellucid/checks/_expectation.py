"""What every expectation has: a bound, how many samples must keep it, and what it says of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.evaluation import Evaluation
from pellucid.core.records import Explanation, t_quantile

Array = np.ndarray
PASSED, FAILED, UNDECIDED = "passed", "failed", "undecided"


@dataclass(frozen=True)
class Seen:
    """A number for each sample and its interval, each (samples,); `words` say more of each, where there is more to say."""

    values: Array
    low: Array
    high: Array
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """How an expectation ended: `word` is "passed", "failed" or "undecided"; `words` are those of the samples."""

    expectation: Expectation
    explanation: Explanation
    seen: Seen
    words: tuple[str, ...]
    word: str

    @property
    def worst(self) -> int:
        """The sample that is furthest from the bound on the wrong side, or nearest to it on the right one."""
        sign = 1 if self.expectation.at_least is not None else -1
        return int(np.argmin(sign * self.seen.values))

    def kept(self, undecided: str = "fail") -> bool:
        """Whether it counts as passed; `undecided` says as what an undecided one counts, "fail" or "pass"."""
        check_undecided(undecided)
        return self.word == PASSED or (self.word == UNDECIDED and undecided == "pass")

    def __str__(self) -> str:
        counts = ", ".join(f"{self.words.count(word)} {word}" for word in (PASSED, FAILED, UNDECIDED) if word in self.words)
        i, seen = self.worst, self.seen
        found = f"{seen.values[i]:.3g} ({seen.low[i]:.3g} to {seen.high[i]:.3g})" if seen.high[i] > seen.low[i] else f"{seen.values[i]:.3g}"
        said = f": {seen.words[i]}" if seen.words else ""
        return f"{self.word}: {self.expectation}; {counts} of {len(self.words)} samples, worst sample {i} with {found}{said}"


@dataclass(frozen=True, kw_only=True)
class Expectation(ABC):
    """One bound, `at_least` or `at_most`, that a number must keep on a share `of_samples` of the samples; `level` is that of the intervals."""

    at_least: float | None = None
    at_most: float | None = None
    of_samples: float = 1.0
    level: float = 0.95
    needs_evaluation: ClassVar[bool] = False
    """Whether it reads what `evaluate` says."""

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise SettingError(f"{type(self).__name__} needs one bound, at_least or at_most; got {self.at_least!r} and {self.at_most!r}.")
        if not 0 < self.of_samples <= 1 or not 0 < self.level < 1:
            raise SettingError(f"of_samples must lie above 0 and up to 1, level between 0 and 1; got {self.of_samples} and {self.level}.")

    @abstractmethod
    def look(self, explanation: Explanation, evaluation: Evaluation | None) -> Seen:
        """The number of each sample, with its interval."""

    @abstractmethod
    def __str__(self) -> str:
        """What is expected, in words."""

    @property
    def bound(self) -> str:
        return f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"

    def check(self, explanation: Explanation, evaluation: Evaluation | None = None) -> Result:
        """Look, and compare with the bound. All that could still turn the answer is undecided."""
        seen = self.look(explanation, evaluation)
        words = tuple(self._word(float(low), float(high)) for low, high in zip(seen.low, seen.high, strict=True))
        needed = self.of_samples * len(words) - 1e-9
        sure, possible = words.count(PASSED), len(words) - words.count(FAILED)
        return Result(self, explanation, seen, words, PASSED if sure >= needed else UNDECIDED if possible >= needed else FAILED)

    def _word(self, low: float, high: float) -> str:
        if np.isnan(low) or np.isnan(high):
            return UNDECIDED
        if self.at_least is not None:
            return PASSED if low >= self.at_least else FAILED if high < self.at_least else UNDECIDED
        bound = self.at_most if self.at_most is not None else np.inf
        return PASSED if high <= bound else FAILED if low > bound else UNDECIDED


def share_of(values: Array, error: Array, degrees: Array, inside: Array, level: float) -> Seen:
    """The share of the absolute values that lies inside, each (samples, units), `inside` between 0 and 1, with the interval that the values' errors leave
    (first order, errors independent)."""
    sizes = np.abs(values)
    total = np.maximum(sizes.sum(axis=1), 1e-300)
    share = (sizes * inside).sum(axis=1) / total
    slope = (inside - share[:, None]) / total[:, None]
    spread = np.sqrt((np.square(slope) * np.square(error)).sum(axis=1))
    reach = t_quantile((1 + level) / 2, degrees) * spread
    return Seen(share, np.clip(share - reach, 0, 1), np.clip(share + reach, 0, 1))


def check_undecided(word: object) -> None:
    """Raise for what does not say how an undecided expectation counts."""
    if word not in ("fail", "pass"):
        raise SettingError(f'undecided must be "fail" or "pass", got {word!r}.')
