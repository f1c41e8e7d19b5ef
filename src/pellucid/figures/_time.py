"""What a series' preprocessing tells its figures: how far apart samples lie and in what unit, what its channels are called, and the values as measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from pellucid.core.records import Explanation
from pellucid.data.preprocessing import of_json
from pellucid.data.preprocessings.audio import Audio
from pellucid.data.preprocessings.series import Series
from pellucid.figures._features import in_figures
from pellucid.figures._layout import channels_last

Array = np.ndarray
MOST = 1400
"""Points of one line; of more samples each stretch shows its least and its largest."""


@dataclass(frozen=True)
class Told:
    """`spacing` between samples in `unit`, 0 where it is unknown; `names` of the channels with the units of what they measure; `apart` where these are
    not known to be one."""

    spacing: float = 0.0
    unit: str = ""
    names: tuple[str, ...] = ()
    apart: bool = False
    read: Series | None = None

    def mark(self, ax: Axes, steps: int, most: int = 8) -> None:
        """Ticks at round times; data stay in steps, so that whatever else is drawn by steps lies where it should."""
        if not self.spacing:
            return
        times = np.asarray(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(0.0, (steps - 1) * self.spacing))
        times = times[(times > -0.5 * self.spacing) & (times < (steps - 0.5) * self.spacing)]
        ax.xaxis.set_major_locator(FixedLocator((times / self.spacing).tolist()))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda at, _place: in_figures(round(at * self.spacing, 12))))


def told_of(explanation: Explanation) -> Told:
    """What the record says of its time and channels; nothing where no preprocessing of a series made its inputs."""
    said = explanation.provenance.get("preprocessing")
    read = of_json(said) if said else None
    if not isinstance(read, Series) or (isinstance(read, Audio) and read.picture != "waveform"):
        return Told()
    units = read.units or (read.unit,) * len(read.names)
    names = tuple(f"{name} ({unit})" if unit else name for name, unit in zip(read.names, units, strict=True))
    return Told(read.spacing, read.time_unit, names, len(units) > 1 and (len(set(units)) > 1 or not units[0]), read)


def measured(explanation: Explanation, told: Told) -> tuple[Explanation, Array]:
    """An explanation with its channels last, and its inputs as they were measured, (samples, steps, channels): the preprocessing knows where channels lie."""
    if told.read is None:
        last = channels_last(explanation)
        return last, last.inputs
    takes = dict(explanation.provenance.get("takes", {})) | {"channels": "first" if told.read.first else "last"}
    return channels_last(replace(explanation, provenance=dict(explanation.provenance) | {"takes": takes})), told.read.restored(explanation.inputs)


def thinned(values: Array, most: int = MOST) -> Array:
    """Which of many samples (n,) a line goes through: of each of equal stretches the least and the largest, in their order; all where they are few.

    >>> thinned(np.array([0, 3, -1, 2, 5, 4]), 4).tolist(), thinned(np.arange(3), 4).tolist()
    ([1, 2, 3, 4], [0, 1, 2])
    """
    if len(values) <= most:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), most // 2 + 1).astype(int)
    ends = [(start + part.argmin(), start + part.argmax()) for start, part in zip(edges[:-1], np.split(values, edges[1:-1]), strict=True)]
    return np.unique(np.array(ends))


def strongest_at(values: Array, kept: Array) -> Array:
    """For each kept sample the value of the largest amount among those nearer to it than to another."""
    if len(kept) == len(values):
        return values
    edges = np.r_[0, (kept[1:] + kept[:-1] + 1) // 2, len(values)]
    return np.array([part[np.abs(part).argmax()] for part in np.split(values, edges[1:-1])])
