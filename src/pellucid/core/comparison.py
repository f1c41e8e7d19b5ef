"""What `compare` returns: two explanations side by side, their difference with its error, and where they part."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.exports import find_pandas
from pellucid.core.records import Explanation, t_quantile

Array = np.ndarray
TOP = (0.05, 0.10)
"""Which shares of the strongest features are compared."""
ROUNDING = 1e-5
"""Differences below this share of the largest value are rounding of single precision, whatever the errors say."""


@dataclass(frozen=True)
class Parting:
    """A feature that two explanations do not agree on: its values in both, the difference a − b, and the interval of it."""

    feature: int
    name: str
    a: float
    b: float
    difference: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.name}: {self.a:.3g} against {self.b:.3g} (difference {self.low:.3g} to {self.high:.3g})"


@dataclass(frozen=True)
class Comparison:
    """Two explanations of the same or of other samples, sample by sample.

    `a` and `b` are as they were compared: in common units and, where `scaled`, each sample divided by its L2 norm; without what work could go on from. `names`
    call them by what tells them apart, and `differing` says what that is ("method", "network", "target", "input", "score", "seed", or a setting's name).
    `same_units`: the values of both are in the same units, so that they can be read on one scale. `notes` say what was done so that they could be compared.

    `difference` (samples, *feature) is a − b, `error` its standard error and `degrees` the degrees of freedom behind it, both of that shape. `rank` (samples,)
    is Spearman's correlation of the ranks of the features' values and `rank_interval` (samples, 2) its 95 % interval as far as the values' errors leave it
    open; `overlap` (samples, 2) which share of the 5 and of the 10 % strongest both have in common. NaN where nothing is known.
    """

    a: Explanation
    b: Explanation
    names: tuple[str, str]
    differing: tuple[str, ...]
    error: Array
    degrees: Array
    rank: Array
    rank_interval: Array
    overlap: Array
    scaled: bool
    same_units: bool
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.a)

    def __getitem__(self, index: int | slice | Sequence[int] | Array) -> Comparison:
        """The comparison of some samples; the sample axis stays."""
        a, rows = self.a[index], np.atleast_1d(np.arange(len(self))[index])
        arrays = {name: getattr(self, name)[rows] for name in ("error", "degrees", "rank", "rank_interval", "overlap")}
        return replace(self, a=a, b=self.b[index], **arrays)

    @property
    def difference(self) -> Array:
        return np.asarray(self.a.values, dtype=np.float64) - self.b.values

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Lower and upper end of a pointwise interval of the difference; the degrees of Student's t are Welch's and Satterthwaite's."""
        if not 0 < level < 1:
            raise SettingError(f"level must lie between 0 and 1, got {level}; for 95 % write 0.95.")
        reach = t_quantile((1 + level) / 2, self.degrees) * self.error
        return self.difference - reach, self.difference + reach

    @property
    def change(self) -> Array:
        """How far apart both maps are, (samples,): ‖a − b‖ by the mean of ‖a‖ and ‖b‖, L2; 0 for the same, 2 for opposite ones."""
        size = (_norms(self.a.values) + _norms(self.b.values)) / 2
        return np.divide(_norms(self.difference), size, out=np.zeros(len(self)), where=size > 0)

    def parts(self, sample: int = 0, count: int = 5, level: float = 0.95) -> tuple[Parting, ...]:
        """Where they part: the strongest differences whose interval excludes 0, strongest first, none where they may all be chance. `level` holds for all of a
        sample's features together (Bonferroni), so that two explanations that differ by their errors alone part nowhere in that share of samples."""
        one = self[sample]
        mask = one.a.counted_mask[0]
        present = np.flatnonzero(mask)
        low, high = (end[0].ravel() for end in one.interval(1 - (1 - level) / max(len(present), 1)))
        a, b, difference = one.a.values[0].ravel(), one.b.values[0].ravel(), one.difference[0].ravel()
        least = ROUNDING * float(max(np.abs(a).max(), np.abs(b).max()))
        sure = present[((low > 0) | (high < 0))[present] & (np.abs(difference) > least)[present]]
        order = sure[np.argsort(-np.abs(difference[sure]), kind="stable")][:count]
        same = 0 if one.a.provenance.get("given") == one.b.provenance.get("given") else None  # two sentences have other words at a place
        return tuple(
            Parting(int(i), one.a.feature_name(int(i), same), float(a[i]), float(b[i]), float(difference[i]), float(low[i]), float(high[i])) for i in order
        )

    def rows(self, level: float = 0.95) -> list[tuple[str, ...]]:
        """A table, one row a sample: its number, the targets, the rank correlation with its interval, what the 5 and the 10 % strongest have in common, how far
        apart the maps are, and where they part most."""
        found = []
        for i in range(len(self)):
            targets = dict.fromkeys((self.a.target.labels[i], self.b.target.labels[i]))
            low, high = self.rank_interval[i]
            rank = f"{self.rank[i]:.3f}" + ("" if not np.isfinite(low) or low == high else f" ({low:.3f} to {high:.3f})")
            shares = tuple(f"{share:.0%}" for share in self.overlap[i])
            parts = "; ".join(f"{part.name} {part.difference:+.3g}" for part in self.parts(i, 3, level)) or (
                "nowhere surely" if self._known(i) else "not known"
            )
            found.append((str(self.numbers[i]), " / ".join(targets), rank, *shares, f"{self.change[i]:.0%}", parts))
        return found

    @property
    def numbers(self) -> tuple[int, ...]:
        """The number of each sample in the data, where the records know it."""
        return tuple(int(i) for i in self.a.provenance.get("indices") or range(len(self)))

    def _known(self, sample: int) -> bool:
        return bool(np.isfinite(self.error[sample]).all())

    def to_dataframe(self, level: float = 0.95) -> Any:
        """A long table (pandas), a row for each sample and feature: sample, feature, a, b, difference, low and high (pointwise, at `level`).
        `MissingExtraError` where pandas is not installed."""
        mask = self.a.counted_mask
        where, number = np.nonzero(mask.reshape(len(self), -1))
        arrays = {"a": self.a.values, "b": self.b.values, "difference": self.difference, **dict(zip(("low", "high"), self.interval(level), strict=True))}
        columns = {"sample": np.array(self.numbers)[where], "feature": np.array([self.a.feature_name(int(i)) for i in number], dtype=object)}
        return find_pandas().DataFrame(columns | {name: array.reshape(len(self), -1)[where, number] for name, array in arrays.items()})

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in HEADINGS)
        rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in self[:20].rows())
        more = f"<p>… and {len(self) - 20} more samples</p>" if len(self) > 20 else ""
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        title = f"<b>Comparison</b> of {html.escape(self.names[0])} with {html.escape(self.names[1])}"
        return f"{title}<table><tr>{head}</tr>{rows}</table>{more}" + (f"<ul>{notes}</ul>" if notes else "")

    def __repr__(self) -> str:
        return f"Comparison({self.names[0]!r}, {self.names[1]!r}, samples={len(self)}, differing={list(self.differing)})"


HEADINGS = ("sample", "target", "rank agreement", *(f"top {share:.0%} shared" for share in TOP), "apart", "where they part (a − b)")
"""The columns of `Comparison.rows`."""


def _norms(arrays: Array) -> Array:
    return np.linalg.norm(arrays.reshape(len(arrays), -1).astype(np.float64), axis=1)
