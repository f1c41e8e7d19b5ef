"""What the surroundings let one expect: each feature painted over from all the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from skimage.restoration import inpaint_biharmonic

from pellucid.core.errors import CombinationError
from pellucid.core.features import FeatureMap, Fill

Array = np.ndarray


@dataclass(frozen=True)
class Inpainting(Fill):
    """Absent features hold what biharmonic inpainting makes of their surroundings.

    Use it where a constant or a blur would leave an edge or the object's colour. Each feature is painted over by itself, all others being there, by
    scikit-image (Damelin & Hoang 2018, doi:10.1155/2018/3950312), channel by channel (the last axis, as for `Mean`); the results of all features together
    are the one row, (samples, 1, *shape). Elements that belong to no feature stay as they are.
    Does not paint anew for each coalition: where two neighbours are absent together, each still holds what was made with the other in sight. Does not serve
    tables, nor methods without features (occlusion, rise), nor a feature that leaves nothing around it.

    >>> ramp = np.linspace(0, 1, 8, dtype=np.float32)[None, :, None] * np.ones((1, 8, 1), np.float32)
    >>> halves = FeatureMap((np.arange(8) // 4)[None, :, None], ("early", "late"))
    >>> Inpainting().rows_for(ramp, halves).shape
    (1, 1, 8, 1)
    """

    def rows(self, inputs: Array) -> Array:
        """`CombinationError`: without features there is nothing to paint over."""
        raise CombinationError("fill 'inpainting' paints over features, and there are none here (occlusion, rise, a baseline); use fill='blur:3' or a number.")

    def rows_for(self, inputs: Array, features: FeatureMap | None) -> Array:
        """One row per sample; `CombinationError` for a table, or a feature without surroundings."""
        if features is None:
            return self.rows(inputs)
        if inputs.ndim < 3:
            raise CombinationError(
                f"fill 'inpainting' got inputs of shape {inputs.shape}, expected images or series; a table has no surroundings: use background=samples."
            )
        painted = [_painted(sample, np.broadcast_to(features.of(i), _map_shape(features, inputs)), features.names) for i, sample in enumerate(inputs)]
        return np.stack(painted).astype(np.float32)[:, None]


def _map_shape(features: FeatureMap, inputs: Array) -> tuple[int, ...]:
    """The label map over all places; over channels only where it tells them apart."""
    return (*inputs.shape[1:-1], features.labels.shape[-1])


def _painted(sample: Array, labels: Array, names: tuple[str, ...]) -> Array:
    """One sample with every feature painted over from the others."""
    out = sample.astype(np.float64)
    together = labels.shape[-1] == 1
    for channel in range(labels.shape[-1]):
        chosen = slice(None) if together else slice(channel, channel + 1)
        source, regions = sample[..., chosen].astype(np.float64), labels[..., channel]
        for feature in np.unique(regions[regions >= 0]):
            hidden = regions == feature
            if hidden.all():
                raise CombinationError(
                    f"fill 'inpainting': {names[feature]} covers {'everything' if together else f'all of channel {channel}'}, with nothing around it; "
                    "use finer features, or fill='blur:3'."
                )
            out[hidden, chosen] = inpaint_biharmonic(source, hidden, channel_axis=-1)[hidden]
    return out
