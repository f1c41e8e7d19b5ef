"""What `evaluate` returns: each metric's number with its interval, beside what random importances get."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.core.comparison import Comparison
from pellucid.core.errors import SettingError, unknown
from pellucid.core.records import Explanation, Inspection, t_quantile
from pellucid.core.verdict import MIXED, NOT_SUPPORTED, SUPPORTED, Verdict
from pellucid.core.view import View

Array = np.ndarray


@dataclass(frozen=True)
class Score:
    """One metric of one explanation.

    `values` (samples,) and `error` (samples,), the standard error of what the metric draws itself (0 where it draws nothing). `chance` (samples, draws) holds
    the numbers of random importances, with no column where a metric cannot be read against them. `better` is "higher", "lower" or empty. `curves` hold
    further arrays, one row a sample. `limits` names those of `Thresholds` by which a verdict reads it; by chance where it is empty. `evaluations` and
    `gradients` (samples,) count passes, `seconds` is of all samples, draws of chance included.
    """

    metric: str
    title: str
    group: str
    better: str
    values: Array
    error: Array
    chance: Array
    evaluations: Array
    gradients: Array
    seconds: float
    curves: Mapping[str, Array] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    citation: str = ""
    limits: str = ""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float:
        """The mean over samples that have a number."""
        return _mean(self.values)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Of the mean, over samples and over what the metric draws; of one sample, over what it draws alone. NaN where there is nothing to tell from.

        What is drawn for all samples alike (`curves["by_draw"]`) is not averaged out by more of them.
        """
        drawn = self.curves.get("by_draw", np.zeros((len(self.values), 0)))
        return _interval(self.values, self.error, level, drawn[np.isfinite(drawn).all(axis=1)])

    @property
    def lead(self) -> Array:
        """By how much each sample is better than the mean of its random importances, (samples,); positive is better. NaN without them."""
        if not self.chance.shape[1] or not self.better:
            return np.full(len(self.values), np.nan)
        return np.asarray((self.values - self.chance.mean(axis=1)) * (1 if self.better == "higher" else -1))

    @property
    def lead_error(self) -> Array:
        """Standard error of `lead` if the explanation were a random one too: the spread of the random ones, and of their mean, (samples,)."""
        draws = self.chance.shape[1]
        if draws < 2:
            return np.full(len(self.values), np.nan)
        return np.asarray(np.sqrt(self.chance.var(axis=1, ddof=1) * (1 + 1 / draws) + self.error**2))

    def lead_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Of the mean lead, over samples and over random importances; of one sample, from the spread of its random importances.

        Samples meet the same random importances: where their explanations are alike, so are these, and more samples do not average them out.
        """
        if len(self.values) == 1:
            reach = float(t_quantile((1 + level) / 2, max(self.chance.shape[1] - 1, 1)) * self.lead_error[0])
            return float(self.lead[0]) - reach, float(self.lead[0]) + reach
        return _interval(self.lead, self.lead_error * 0, level, self.chance[np.isfinite(self.lead)])


@dataclass(frozen=True)
class Evaluation:
    """The scores of one explanation, by metric, and the verdict on each sample; `refused` says why the metrics that were left out cannot measure it.
    `identity` is that of the explanation, `identity_of`."""

    method: str
    labels: tuple[str, ...]
    scores: Mapping[str, Score]
    verdicts: tuple[Verdict, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    identity: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[str]:
        return iter(self.scores)

    def __getitem__(self, metric: str) -> Score:
        """The score of a metric."""
        if metric not in self.scores:
            reason = self.refused.get(metric)
            raise SettingError(f"'{metric}' was not measured: it {reason}." if reason else unknown("metric", metric, self.scores))
        return self.scores[metric]

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("metric", "better", "mean", "95 % interval", "chance", "lead over chance"))
        rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows())
        left = "".join(f"<li>{html.escape(name)}: {html.escape(reason)}</li>" for name, reason in self.refused.items())
        words = ", ".join(f"{count} {html.escape(word)}" for word, count in self.words.items())
        return f"<b>Evaluation</b> of {html.escape(self.method)}, {len(self)} samples: {words}<table><tr>{head}</tr>{rows}</table>" + (
            f"<ul>{left}</ul>" if left else ""
        )

    @property
    def words(self) -> dict[str, int]:
        """How many samples have each verdict."""
        return {word: count for word in (SUPPORTED, MIXED, NOT_SUPPORTED) if (count := sum(verdict.word == word for verdict in self.verdicts))}

    def rows(self, level: float = 0.95) -> list[tuple[str, ...]]:
        """A table: metric, which way is better, mean, interval, mean of chance, lead over chance with its interval."""
        found: list[tuple[str, ...]] = []
        for name, score in self.scores.items():
            low, high = score.interval(level)
            chance = f"{_mean(score.chance):.3g}" if score.chance.size else "–"
            lead = "{:.3g} ({:.3g} to {:.3g})".format(_mean(score.lead), *score.lead_interval(level)) if score.chance.size and score.better else "–"
            found.append((name, score.better or "–", f"{score.mean:.3g}", "–" if np.isnan(low) else f"{low:.3g} to {high:.3g}", chance, lead))
        return found

    def __repr__(self) -> str:
        return f"Evaluation({self.method!r}, samples={len(self)}, metrics={list(self.scores)})"


Record = Explanation | View | Inspection | Evaluation | Comparison


def identity_of(explanation: Explanation) -> str:
    """What tells an explanation from any other: a digest of its method, its values and its inputs."""
    digest = hashlib.sha256(explanation.method.encode())
    for array in (explanation.values, explanation.inputs):
        digest.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _mean(values: Array) -> float:
    """The mean of those that are numbers; NaN where none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _interval(values: Array, error: Array, level: float, shared: Array) -> tuple[float, float]:
    """Of the mean of values, by their spread and that of what all of them share, (samples, draws), over draws; of one value, by its own error. Degrees of
    freedom are those of the sum of two variances (Satterthwaite)."""
    if not 0 < level < 1:
        raise SettingError(f"level must lie between 0 and 1, got {level}; for 95 % write 0.95.")
    finite = np.isfinite(values)
    known, count = values[finite], int(finite.sum())
    if not count:
        return float("nan"), float("nan")
    if count == 1:
        spread, degrees = float(error[finite][0]), 30.0
        if not spread:
            return (float("nan"),) * 2
    else:
        variances = [(float(known.var(ddof=1)) / count, count - 1)]
        if len(shared) and shared.shape[1] > 1:
            variances.append((float(shared.mean(axis=0).var(ddof=1)) / shared.shape[1], shared.shape[1] - 1))
        total = sum(variance for variance, _ in variances)
        below = sum(variance**2 / freedom for variance, freedom in variances)
        spread, degrees = float(np.sqrt(total)), total**2 / below if below else count - 1.0
    reach = float(t_quantile((1 + level) / 2, degrees)) * spread
    return float(known.mean()) - reach, float(known.mean()) + reach
