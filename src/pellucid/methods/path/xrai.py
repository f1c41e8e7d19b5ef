"""XRAI: regions of an image, ranked by the attribution that they hold."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from scipy.ndimage import find_objects
from skimage.morphology import dilation, disk
from skimage.segmentation import felzenszwalb

from pellucid.core.errors import CombinationError, SettingError
from pellucid.core.layout import to_last
from pellucid.core.method import Attribution, Method, Task
from pellucid.core.model import Model
from pellucid.methods import _stopping
from pellucid.methods.path import _integration, _nested
from pellucid.methods.path._nested import Integral

Array = np.ndarray

SCALES = (50.0, 100.0, 150.0, 250.0, 500.0, 1200.0)
SIDE, SMOOTHING, SMALLEST, MARGIN, LEAST_GAIN = 224.0, 0.8, 150.0, 5.0, 50.0
"""The authors' segmentation of 224 × 224 images: smoothing and margin of regions in pixels, the smallest region, and how many pixels a region must add."""
SHARED = 2.0
"""One jump of the gradient shows alike in pixels that lie together: the variance of the error of a region's sum over that of as many independent pixels,
calibrated on the reference CNN."""


@dataclass(frozen=True)
class Xrai(Method):
    """Which regions of an image moved the score most, from a black and from a white baseline.

    Use it for images, where single pixels say little. Integrated Gradients from two plain baselines, `low` and `high` (by default each sample's own smallest
    and largest value), are averaged and summed over channels; Felzenszwalb segmentations at six scales, their segments widened by a margin, give overlapping
    regions; then, again and again, the region with the most attribution per pixel that is not yet chosen joins the map, and its new pixels get that density:

        values_p = Σ_{q ∈ R} A_q / |R|,   R the new pixels of p's region,      Σ_p values_p = f(x) − (f(low) + f(high))/2.

    The authors' scales, made for 224 × 224, are scaled with the side of the image and its areas with the area, so that small images are cut alike.

    Shapes: values and error (samples, rows, columns), in units of the score per pixel. `error` is one standard deviation of the quadrature error of a region's
    mean (kind "bound"), the regions and their order taken as given: an order that is close may still change. `tolerance` is kept by each of the
    two Integrated Gradients, ‖error‖₁/‖values‖₁ before regions are formed, each with half of `max_evaluations`.
    Source: Kapishnikov, Bolukbasi, Viégas, Terry 2019, arXiv:1906.02825 (their code takes the largest channel in place of the sum). Does not see
    what no segment outlines, and gives every pixel of a region the same.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> image = np.zeros((1, 16, 16, 1))
    >>> image[0, 4:12, 4:12] = 1
    >>> found = pellucid.explain(NumpyModel([Dense(image.reshape(-1, 1), np.zeros(1))], (16, 16, 1)), image, "xrai")
    >>> bool(found.values[0, 8, 8] > found.values[0, 0, 0])
    True
    """

    low: float | None = None
    high: float | None = None

    title: ClassVar[str] = "XRAI"
    answers: ClassVar[str] = "Which regions of the image moved the score most?"
    family: ClassVar[str] = "path"
    promises: ClassVar[frozenset[str]] = frozenset({"completeness"})
    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})
    error_kind: ClassVar[str] = "bound"
    default_tolerance: ClassVar[float] = 0.02
    default_max_evaluations: ClassVar[int] = 2046
    modalities: ClassVar[tuple[str, ...]] = ("image",)
    citation: ClassVar[str] = "Kapishnikov, Bolukbasi, Viégas, Terry 2019, arXiv:1906.02825"

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            value = getattr(self, name)
            if value is not None and not np.isfinite(value):
                raise SettingError(f"{name} must be a number, the value of every element of that baseline, got {value}.")

    @classmethod
    def refuses(cls, model: Model) -> str:
        shape = model.traits.input_shape
        return super().refuses(model) or ("needs images; a table has no regions" if shape is not None and len(shape) == 1 else "")

    def explain(self, task: Task) -> Attribution:
        inputs = task.inputs
        if inputs.ndim not in (3, 4):
            raise CombinationError(f"method 'xrai' got inputs of shape {inputs.shape}, expected images.")
        _stopping.require(task.max_evaluations, 2 * _nested.LEAST_NODES, "Integrated Gradients from two baselines")
        axes = tuple(range(1, inputs.ndim))
        lowest, highest = inputs.min(axis=axes, keepdims=True), inputs.max(axis=axes, keepdims=True)
        levels = [extreme if given is None else np.full_like(extreme, given) for given, extreme in ((self.low, lowest), (self.high, highest))]
        found, at_starts = zip(*(self._from(task, level, number) for number, level in enumerate(levels)), strict=True)
        values, error, counts = self._maps(task, (found[0].values + found[1].values) / 2, np.hypot(found[0].error, found[1].error) / 2)
        at_start = (at_starts[0] + at_starts[1]) / 2
        worse = [first if first.severity >= second.severity else second for first, second in zip(found[0].stops, found[1].stops, strict=True)]
        gradients = found[0].nodes + found[1].nodes
        return Attribution(
            values=values,
            error=error,
            error_kind=self.error_kind,
            axes=("sample", "row", "column"),
            evaluations=gradients + 2,
            gradients=gradients,
            stops=worse,
            degrees=np.minimum(found[0].degrees, found[1].degrees),
            baseline_score=at_start,
            statistics={"regions": counts, "integrated_gradients_error": np.maximum(found[0].estimate, found[1].estimate)},
            state={f"{name}_{number}": array for number, one in enumerate(found) for name, array in one.state.items()},
        )

    def _from(self, task: Task, level: Array, number: int) -> tuple[Integral, Array]:
        """Integrated gradients from a plain baseline, and its score."""
        starts = np.broadcast_to(level, task.inputs.shape)
        at_start = task.model.scores(np.ascontiguousarray(starts), task.target)
        state = {name.removesuffix(f"_{number}"): array for name, array in task.state.items() if name.endswith(f"_{number}")}
        half = replace(task, max_evaluations=task.max_evaluations // 2, state=state, progress=lambda part: task.progress((number + part) / 2))
        return _integration.integrate(half, starts, task.scores - at_start), at_start

    def _maps(self, task: Task, attribution: Array, error: Array) -> tuple[Array, Array, Array]:
        """The maps, their errors and how many regions each has."""
        images, shares, variances = task.inputs, attribution, np.square(error)
        if images.ndim == 4:
            images, shares, variances = (to_last(array, task.model.traits.channels) for array in (images, attribution, variances))
            shares, variances = shares.sum(axis=-1), variances.sum(axis=-1)
        else:
            images = images[..., None]
        labels = np.stack([ranked(share, *regions(image)) for image, share in zip(images, shares, strict=True)])
        values, errors = np.empty(shares.shape), np.empty(shares.shape)
        for i, label in enumerate(labels):
            size = np.bincount(label.ravel())
            values[i] = (np.bincount(label.ravel(), shares[i].ravel()) / size)[label]
            errors[i] = (np.sqrt(SHARED * np.bincount(label.ravel(), variances[i].ravel())) / size)[label]
        return values, errors, labels.reshape(len(labels), -1).max(axis=1) + 1


def regions(image: Array) -> tuple[Any, int]:
    """Overlapping regions of an image (rows, columns, channels) as a sparse matrix (regions, pixels), and how many pixels a region must add."""
    shape = image.shape[:2]
    scale = (shape[0] * shape[1]) ** 0.5 / SIDE
    low, high = float(image.min()), float(image.max())
    stretched = 2 * (image.astype(np.float64) - low) / (high - low) - 1 if high > low else np.zeros(image.shape)
    margin = max(1, round(MARGIN * scale))
    members: dict[bytes, Array] = {}
    for wanted in SCALES:
        segments = _segments(stretched, {"scale": wanted * scale, "sigma": SMOOTHING * scale, "min_size": max(1, round(SMALLEST * scale**2))})
        for number, box in enumerate(find_objects(segments + 1)):
            place = tuple(slice(max(side.start - margin, 0), min(side.stop + margin, size)) for side, size in zip(box, shape, strict=True))
            inside = np.argwhere(dilation(segments[place] == number, disk(margin)))
            pixels = np.ravel_multi_index(tuple((inside + [side.start for side in place]).T), shape)
            members.setdefault(pixels.tobytes(), pixels)
    ends = np.cumsum([0, *(len(pixels) for pixels in members.values())])
    columns = np.concatenate(list(members.values()))
    matrix = sparse.csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(members), shape[0] * shape[1]))
    return matrix, max(1, round(LEAST_GAIN * scale**2))


def _segments(image: Array, settings: Mapping[str, float]) -> Array:
    with warnings.catch_warnings():  # more than three channels are meant
        warnings.filterwarnings("ignore", "Got image with third dimension", RuntimeWarning)
        return np.asarray(felzenszwalb(image, channel_axis=-1, **settings))


def ranked(attribution: Array, members: Any, least: int) -> Array:
    """Which region each pixel (rows, columns) got its value from, numbered in the order in which they joined; pixels that none covered form the last."""
    flat = attribution.ravel()
    free, order = np.ones(flat.size), np.full(flat.size, -1)
    for number in range(members.shape[0] + 1):
        area = members @ free
        fresh = area >= least
        if not fresh.any():
            order[free > 0] = number
            break
        density = np.divide(members @ (flat * free), area, out=np.full(len(area), -np.inf), where=fresh)
        best = int(np.argmax(density))
        pixels = members.indices[members.indptr[best] : members.indptr[best + 1]]
        pixels = pixels[free[pixels] > 0]
        order[pixels], free[pixels] = number, 0.0
    return order.reshape(attribution.shape)
