"""Superpixels: patches that follow what is seen, on grayscale as well as on colour."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from skimage.filters import sobel
from skimage.segmentation import felzenszwalb, quickshift, slic, watershed

from pellucid.core.errors import SettingError, unknown
from pellucid.core.features import FeatureMap, Features
from pellucid.data.features._grid import as_map, grid_of

Array = np.ndarray
ALGORITHMS = ("slic", "felzenszwalb", "quickshift", "watershed")


def _nearest(segment: Callable[[float], Array], n: int, low: float, high: float) -> Array:
    """The segmentation whose number of segments comes nearest to n, by bisection: the larger the setting, the fewer the segments."""
    best = segment(high)
    for _ in range(8):
        middle = (low * high) ** 0.5
        tried = segment(middle)
        count = len(np.unique(tried))
        if abs(count - n) < abs(len(np.unique(best)) - n):
            best = tried
        if count == n:
            break
        low, high = (middle, high) if count > n else (low, middle)
    return best


def _slic(image: Array, n: int) -> Array:
    colour = image.shape[-1] == 3
    return np.asarray(
        slic(image, n_segments=n, compactness=10.0 if colour else 0.1, sigma=0, convert2lab=colour, start_label=0, enforce_connectivity=True, channel_axis=-1)
    )


def _felzenszwalb(image: Array, n: int) -> Array:
    smallest = max(2, round(image.shape[0] * image.shape[1] / n / 8))

    def segment(scale: float) -> Array:
        with warnings.catch_warnings():  # more than three channels are meant
            warnings.filterwarnings("ignore", "Got image with third dimension", RuntimeWarning)
            return np.asarray(felzenszwalb(image, scale=scale, sigma=0.4, min_size=smallest, channel_axis=-1))

    return _nearest(segment, n, 1e-3, 1e3)


def _quickshift(image: Array, n: int) -> Array:
    width = (image.shape[0] * image.shape[1] / n) ** 0.5
    colour = image.shape[-1] == 3

    def segment(reach: float) -> Array:
        return np.asarray(quickshift(image, ratio=0.5, kernel_size=max(1.0, width / 3), max_dist=reach, convert2lab=colour, rng=0, channel_axis=-1))

    return _nearest(segment, n, 0.5, 4 * width)


def _watershed(image: Array, n: int) -> Array:
    edges = np.max([sobel(image[..., channel]) for channel in range(image.shape[-1])], axis=0)
    height, width = edges.shape
    rows = min(height, max(1, round((n * height / width) ** 0.5)))
    columns = min(width, max(1, round(n / rows)))
    markers = np.zeros(edges.shape, dtype=np.int32)
    at = np.ix_(((np.arange(rows) + 0.5) * height / rows).astype(int), ((np.arange(columns) + 0.5) * width / columns).astype(int))
    markers[at] = np.arange(1, rows * columns + 1).reshape(rows, columns)
    return np.asarray(watershed(edges, markers, compactness=0.001))


_SEGMENT: dict[str, Callable[[Array, int], Array]] = {"slic": _slic, "felzenszwalb": _felzenszwalb, "quickshift": _quickshift, "watershed": _watershed}


def _unit(image: Array) -> Array:
    """The image stretched to [0, 1], so that the result does not depend on the scale of the input."""
    low, high = float(image.min()), float(image.max())
    stretched: Array = (image.astype(np.float64) - low) / (high - low) if high > low else np.zeros(image.shape)
    return stretched


@dataclass(frozen=True)
class Superpixels(Features):
    """About `n` connected regions of like colour in each sample, by scikit-image.

    Use it where outlines matter. `algorithm` is "slic" (regions of like size), "watershed" (from a grid of markers), "felzenszwalb" or
    "quickshift" (regions of any size: a plain background may be a single one, so that fewer than `n` come out). Any number of channels: three are taken as
    RGB and compared in Lab, others as they are. Label maps have shape (samples, height, width, 1), or (samples, height, width) without channels;
    the number of features differs between samples. The same image gives the same map. SLIC: doi:10.1109/TPAMI.2012.120.
    Does not give the same features to two images: compare patches instead.

    >>> image = np.zeros((1, 28, 28, 1), np.float32)
    >>> image[0, 8:20, 12:16] = 1
    >>> regions = Superpixels("slic", 30).label(image)
    >>> regions.labels.shape, 20 <= int(regions.counts[0]) <= 40
    ((1, 28, 28, 1), True)
    """

    algorithm: str = "slic"
    n: int = 30

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise SettingError(f"features 'superpixels': {unknown('algorithm', self.algorithm, ALGORITHMS)}")
        if isinstance(self.n, bool) or not isinstance(self.n, (int, np.integer)) or self.n < 1:
            raise SettingError(f"features 'superpixels': n is {self.n!r}, expected a whole number from 1 on, e.g. superpixels:slic:30.")

    def label(self, inputs: Array) -> FeatureMap:
        """One map per sample; `CombinationError` where inputs have no grid."""
        grid_of(inputs, "superpixels")
        images = inputs if inputs.ndim == 4 else inputs[..., None]
        maps = [np.unique(_SEGMENT[self.algorithm](_unit(image), self.n), return_inverse=True)[1].reshape(image.shape[:2]) for image in images]
        labels = np.stack(maps)
        return FeatureMap(as_map(labels, inputs), tuple(f"superpixel {i}" for i in range(int(labels.max()) + 1)), "superpixels")
