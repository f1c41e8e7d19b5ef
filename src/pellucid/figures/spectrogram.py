"""Sound over time and frequency, and below it what in it spoke for the target, on the same axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator

from pellucid.core.errors import UnsupportedError
from pellucid.core.records import Explanation
from pellucid.data.preprocessing import of_json
from pellucid.data.preprocessings.audio import Audio
from pellucid.figures._canvas import INK, MARGINS, POSITIVE, SIGNED, inside, own_axes, short_name, words
from pellucid.figures._canvas import drawn as _
from pellucid.figures._features import in_figures, score_of
from pellucid.figures._picture import adds_up, as_map, check_sample, colour_bar, draw_borders, flat_labels, is_signed
from pellucid.figures._time import Told, measured
from pellucid.figures.regions import outlined

Array = np.ndarray
LOUDNESS = "magma"
HEIGHTS, GAP, ASPECT = (1.0, 1.0), 0.12, 2.4


def heard_by(explanation: Explanation) -> Audio | None:
    """The preprocessing that made a spectrogram of a sound; None where none did, or the values do not lie over it."""
    said = explanation.provenance.get("preprocessing")
    read = of_json(said) if said and explanation.inputs.ndim == 4 else None
    return read if isinstance(read, Audio) and read.picture != "waveform" and explanation.on_grid and not explanation.of_pairs else None


def spectrogram(
    explanation: Explanation,
    *,
    sample: int = 0,
    ax: Axes | None = None,
    limit: float | None = None,
    areas: Sequence[Array] = (),
    signs: Sequence[float] = (),
    title: str | None = None,
) -> tuple[Artist, ...]:
    """One sound's spectrogram in decibels, and below it its attribution, in the place of `ax`, time in seconds and frequency in Hz along both.

    Channels are averaged above; below they are added up where values have a direction, shown from −limit to limit, white at zero; elsewhere the largest is
    shown. The borders of features are drawn faintly. `areas`, boolean (frequencies, times), are outlined and numbered above, by their `signs`, as `regions`
    does it. Both pictures come first, spectrogram and attribution. `UnsupportedError` where no `Audio` with a picture was given.
    """
    read = heard_by(explanation)
    if read is None:
        raise UnsupportedError("these values lie over no spectrogram: none was made by pellucid.Audio(picture=…); draw 'series_line' or 'attribution_map'.")
    one, loudness = measured(explanation[check_sample(sample, len(explanation))], Told(read=read))
    signed = is_signed(explanation)
    values = as_map(one.to_input()[0], one.inputs.shape[1:], signed=adds_up(one, signed=signed))
    inner = 2.6
    ax = own_axes(ax, "series", inner + MARGINS["series"][2] + MARGINS["series"][3], ASPECT * 2 * HEIGHTS[0] / inner)
    above, below = inside(ax, HEIGHTS, (GAP, 0.0))
    loud = above.imshow(loudness[0].mean(axis=-1), cmap=LOUDNESS, origin="lower", aspect="auto", interpolation="nearest")
    reach = float(limit if limit is not None else np.abs(values).max()) or 1.0
    shown = below.imshow(
        values,
        cmap=SIGNED if signed else POSITIVE,
        vmin=-reach if signed else 0.0,
        vmax=reach,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    artists: list[Artist] = [loud, shown]
    if one.features is not None:
        artists.append(draw_borders(below, flat_labels(one.features.of(0), one.inputs.shape[1:])))
    artists += outlined(above, areas, signs, values.shape)
    for place, part in enumerate((above, below)):
        _mark(part, read.times, read.frequencies, last=place == 1)
        part.set_ylabel(_("frequency (Hz)"), labelpad=2, **words(7))
    below.set_xlabel(_("time (s)"), labelpad=2, **words(7))
    colour_bar(loud, above, thin=True, label=_("power (dB)"))
    colour_bar(shown, below, thin=True)
    heading = _("attribution to the {score}").format(score=score_of(one, 0))
    ax.set_title(short_name(heading, 60) if title is None else title, y=1.0, **words(9))
    return tuple(artists)


def _mark(ax: Axes, times: Array, frequencies: Array, *, last: bool) -> None:
    """Ticks at round times and frequencies, between the elements where they lie."""
    for axis, places, most in ((ax.xaxis, times, 8), (ax.yaxis, frequencies, 5)):
        if len(places) > 1:
            ticks = np.asarray(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(float(places[0]), float(places[-1])))
            ticks = ticks[(ticks >= places[0]) & (ticks <= places[-1])]
            axis.set_major_locator(FixedLocator(np.interp(ticks, places, np.arange(len(places))).tolist()))
            axis.set_major_formatter(FixedFormatter([in_figures(round(float(tick), 12)) for tick in ticks]))
    ax.tick_params(labelsize=6.5, length=2, colors=INK, labelbottom=last)
