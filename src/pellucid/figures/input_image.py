"""The input itself, so that a map can be compared with what it speaks of."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from pellucid.core.layout import channels_of, to_last
from pellucid.core.records import Explanation
from pellucid.core.view import View
from pellucid.figures._canvas import drawn as _
from pellucid.figures._canvas import own_axes, words
from pellucid.figures._layout import check_one_input
from pellucid.figures._picture import as_picture, aspect_of, bare, check_sample, sequence_axes


def input_image(record: Explanation | View, *, sample: int = 0, ax: Axes | None = None, title: str | None = None) -> tuple[AxesImage]:
    """One sample as an image: gray, in colour, or a sequence (time, features) as a grid."""
    check_one_input(record)
    values = to_last(record.inputs, channels_of(record))[check_sample(sample, len(record))]
    ax = own_axes(ax, "grid" if values.ndim == 2 else "picture", 2.3)
    picture = as_picture(values)
    image = ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect=aspect_of(picture.shape))
    bare(ax)
    sequence_axes(ax, values.shape)
    ax.set_title(_("input") if title is None else title, y=1.0, **words(9))
    return (image,)
