"""What wrong answers have in common, in numbers with intervals. Arrays in, plain JSON out; knows no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats
from scipy.ndimage import gaussian_filter

from pellucid.applications._intervals import mean, rank_agreement, share

Array = np.ndarray
Numbers = dict[str, Any]
"""Plain JSON; an end of an interval that cannot be known is None."""
SIDE = 0.7
"""Height and width of the middle, as parts of the image's: half of the area."""
BLUR = 0.125
"""Standard deviation of the blur, as a part of the height."""
SMOOTH = 1 / 16
"""Standard deviation over which maps are smoothed before they are counted, as a part of the height."""
GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue in what the eye takes for brightness (ITU-R BT.601)."""


def mean_of(values: Array) -> Numbers:
    """The mean over samples with its interval: value, low, high, count.

    >>> mean_of(np.array([1.0, 3.0]))["value"], mean_of(np.array([1.0]))["low"]
    (2.0, None)
    """
    return _plain(mean(values)) | {"count": len(values)}


def share_of(hits: Array) -> Numbers:
    """A share of samples, hits (samples,) of booleans, with its interval, in the same form.

    >>> share_of(np.array([True, False]))["value"]
    0.5
    """
    return _plain(share(int(np.sum(hits)), len(hits))) | {"count": len(hits)}


def difference_of(first: Array, second: Array) -> Numbers:
    """The mean of the first minus that of the second, of different samples, with Welch's 95 % interval."""
    if not len(first) or not len(second):
        return {"value": None, "low": None, "high": None}
    value = float(np.mean(first) - np.mean(second))
    if min(len(first), len(second)) < 2 or np.ptp(first) + np.ptp(second) == 0:
        return {"value": value, "low": None, "high": None}
    interval = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    return {"value": value, "low": float(interval.low), "high": float(interval.high)}


def change_of(before: Array, after: Array) -> Numbers:
    """Right answers to the same samples before and after: both shares, and the change with a 95 % interval for paired shares (Bonett & Price 2012: a sample of
    each kind of change added, so that no change does not count as certain).

    >>> one = change_of(np.array([True, True, False, True]), np.array([True, False, False, False]))
    >>> one["before"], one["after"], one["value"], one["turned_wrong"]
    (0.75, 0.25, -0.5, 2)
    """
    worse, better, count = int((before & ~after).sum()), int((~before & after).sum()), len(before)
    lost, won = (worse + 1) / (count + 2), (better + 1) / (count + 2)
    middle, reach = won - lost, 1.959964 * float(np.sqrt((won + lost - (won - lost) ** 2) / (count + 2)))
    shares = {"before": float(before.mean()), "after": float(after.mean())}
    return shares | {
        "value": (better - worse) / count,
        "low": middle - reach,
        "high": middle + reach,
        "turned_wrong": worse,
        "turned_right": better,
        "count": count,
    }


def confusions(labels: Array, answers: Array, classes: int) -> Array:
    """How often class i was answered j, (classes, classes)."""
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels, answers), 1)
    return counts


def strongest_pairs(counts: Array, most: int) -> list[Numbers]:
    """The pairs of classes that are most often taken for each other, in either direction: a, b, how often a was answered b and b was answered a, the images of
    both, and the share of these that were so confused with Wilson's interval. Ties by the order of classes; pairs never confused are left out."""
    both = np.triu(counts + counts.T, 1)
    found = []
    for place in np.argsort(-both, axis=None, kind="stable")[:most]:
        a, b = (int(i) for i in np.unravel_index(place, both.shape))
        wrong, images = int(both[a, b]), int(counts[[a, b]].sum())
        if wrong:
            share = share_of(np.arange(images) < wrong)
            found.append({"a": a, "b": b, "a_as_b": int(counts[a, b]), "b_as_a": int(counts[b, a]), "wrong": wrong, "images": images, "share": share})
    return found


def alike(features: Array, labels: Array, classes: int) -> tuple[Array, Array]:
    """How alike the classes are inside: the cosine of the class means, (classes, classes), and the middle that is taken from all of them, (units,).

    `features` (samples, units). Without the middle all cosines would be near 1, units being at least 0.
    """
    means = np.stack([features[labels == one].mean(axis=0) for one in range(classes)])
    middle = means.mean(axis=0)
    unit = _unit(means - middle)
    return unit @ unit.T, middle


def nearest(features: Array, others: Array, middle: Array, count: int) -> Array:
    """Rows of the `others` that lie nearest by cosine, (samples, count), nearest first; a sample among them that is the same vector counts too."""
    near = _unit(features - middle) @ _unit(others - middle).T
    return np.argsort(-near, axis=1, kind="stable")[:, :count]


def alike_and_confused(cosines: Array, counts: Array, seed: int) -> Numbers:
    """Whether pairs of classes that are alike inside are confused more: Spearman's correlation over all pairs, its interval by drawing pairs anew, as if they
    knew nothing of each other though each class is in many. None where nothing is confused."""
    upper = np.triu_indices(len(counts), 1)
    both = (counts + counts.T)[upper]
    return _plain(rank_agreement(cosines[upper], both, seed=seed) if both.any() else (np.nan,) * 3) | {"count": len(both)}


def middle_of(shape: tuple[int, ...]) -> Array:
    """The middle of an image, (height, width), True inside."""
    inside = np.zeros(shape[:2], bool)
    edge = [round(side * (1 - SIDE) / 2) for side in shape[:2]]
    inside[edge[0] : shape[0] - edge[0], edge[1] : shape[1] - edge[1]] = True
    return inside


def changed(images: Array) -> Mapping[str, Array]:
    """The images with something taken out: "grey" without colour (of three channels), "ring" and "middle" with that part blurred. Shades from 0 to 1."""
    height = images.shape[1]
    blurred = gaussian_filter(images, (0, BLUR * height, BLUR * height, 0))
    inside = middle_of(images.shape[1:])[None, :, :, None]
    found = {"ring": np.where(inside, images, blurred), "middle": np.where(inside, blurred, images)}
    return ({"grey": np.repeat((images @ GREY)[..., None], 3, axis=3)} if images.shape[3] == 3 else {}) | found


def looks(images: Array) -> Mapping[str, Array]:
    """Per image, (samples,): brightness (mean shade), contrast (standard deviation of the shades), saturation (mean of largest minus smallest channel)."""
    shades = images @ GREY if images.shape[3] == 3 else images.mean(axis=3)
    found = {"brightness": shades.mean(axis=(1, 2)), "contrast": shades.std(axis=(1, 2))}
    return found | ({"saturation": np.ptp(images, axis=3).mean(axis=(1, 2))} if images.shape[3] == 3 else {})


def smoothed(maps: Array) -> Array:
    """Maps (samples, height, width) without what changes its sign from pixel to pixel."""
    return np.asarray(gaussian_filter(maps, (0, SMOOTH * maps.shape[1], SMOOTH * maps.shape[1])))


def inside_share(maps: Array, inside: Array) -> Array:
    """Which share of a map's size lies where `inside` is True, (samples,), maps (samples, height, width); NaN of an empty map."""
    sizes = np.abs(maps)
    whole = sizes.sum(axis=(1, 2))
    return np.divide(sizes[:, inside].sum(axis=1), whole, out=np.full(len(maps), np.nan), where=whole > 0)


def against_share(maps: Array) -> Array:
    """Which share of a map's size speaks against, (samples,)."""
    sizes = np.abs(maps).sum(axis=(1, 2))
    return np.divide(np.maximum(-maps, 0).sum(axis=(1, 2)), sizes, out=np.full(len(maps), np.nan), where=sizes > 0)


def _plain(interval: tuple[float, float, float]) -> Numbers:
    """Value, low and high as JSON knows them."""
    return {name: float(end) if np.isfinite(end) else None for name, end in zip(("value", "low", "high"), interval, strict=True)}


def _unit(vectors: Array) -> Array:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
