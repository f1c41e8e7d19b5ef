"""Slow twins of the mask methods, in float64, written from the papers; they share no code with the package's mathematics.

Letters are the papers': x the input, M a mask, λ a place, p the probability of keeping, S_T total-order Sobol indices, k and l kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np

Array = np.ndarray
Function = Callable[[Array], Array]
"""Inputs (rows, *shape) → scores (rows,)."""


def without(x: Array, hidden: Array, rows: Array) -> Array:
    """x with the hidden elements taken from each fill row, (rows, *shape)."""
    return np.where(hidden, rows, x)


def feature_ablation(score: Function, x: Array, labels: Array, rows: Array) -> Array:
    """f(x) − mean_r f(x without feature j), one feature after another; `labels` has the shape of x."""
    full = float(score(x[None])[0])
    return np.array([full - float(np.mean(score(without(x, labels == j, rows)))) for j in range(labels.max() + 1)])


def windows(shape: Sequence[int], window: Sequence[int], stride: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Every place of the window: it moves by the stride until it has reached the end of each axis, and is cut at the edge."""
    starts = []
    for size, reach, step in zip(shape, window, stride, strict=True):
        along = [0]
        while along[-1] + reach < size:
            along.append(along[-1] + step)
        starts.append(along)
    for corner in product(*starts):
        yield tuple(slice(at, at + reach) for at, reach in zip(corner, window, strict=True))


def occlusion(score: Function, x: Array, rows: Array, window: Sequence[int], stride: Sequence[int]) -> Array:
    """The mean loss of the windows that hold an element (Zeiler & Fergus 2014), by two nested loops; shape of x."""
    full, total, times = float(score(x[None])[0]), np.zeros(x.shape), np.zeros(x.shape)
    for place in windows(x.shape, window, stride):
        hidden = np.zeros(x.shape, bool)
        hidden[place] = True
        total[place] += full - float(np.mean(score(without(x, hidden, rows))))
        times[place] += 1
    return total / times


def stretched(cells: Array, size: int, length: int) -> Array:
    """Bilinear stretching of an image's first axis from h cells to (h + 1) · length elements, between cell centres, the outermost carried on."""
    h = len(cells)
    out = np.zeros(((h + 1) * length, *cells.shape[1:]))
    for i in range(len(out)):
        at = (i + 0.5) * h / len(out) - 0.5
        low = int(np.floor(at))
        out[i] = (low + 1 - at) * cells[min(max(low, 0), h - 1)] + (at - low) * cells[min(max(low + 1, 0), h - 1)]
    return out


def smooth_masks(shape: Sequence[int], cells: int, p: float) -> Iterator[tuple[float, Array]]:
    """Every mask of RISE (Petsiuk et al. 2018, section 3.2) with its probability: binary cells, stretched to (h+1)C_H × (w+1)C_W, cut at every shift below a
    cell. Axes of no more than `cells` elements stay as they are."""
    counts = [size if size <= cells else cells for size in shape]
    lengths = [1 if size <= cells else -(-size // cells) for size in shape]
    for bits in product((0, 1), repeat=int(np.prod(counts))):
        grid = np.reshape(bits, counts).astype(float)
        for axis, (size, length) in enumerate(zip(shape, lengths, strict=True)):
            if size > cells:
                grid = np.moveaxis(stretched(np.moveaxis(grid, axis, 0), size, length), 0, axis)
        chance = float(np.prod([p if bit else 1 - p for bit in bits])) / float(np.prod(lengths))
        for shift in product(*(range(length) for length in lengths)):
            yield chance, grid[tuple(slice(at, at + size) for at, size in zip(shift, shape, strict=True))]


def rise(score: Function, x: Array, rows: Array, places: Sequence[int], cells: int, p: float) -> tuple[Array, float]:
    """E[f(M) M(λ)]/p over every mask (their equation 6 in the limit), and E f(M); the mask covers trailing channels alike."""
    weighted, mean = np.zeros(places), 0.0
    for chance, mask in smooth_masks(places, cells, p):
        spread = mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim))
        f = float(np.mean(score(spread * x + (1 - spread) * rows)))
        weighted += chance * f * mask
        mean += chance * f
    return weighted / p, mean


def g_function(a: Array, x: Array) -> Array:
    """Sobol's g: Π (|4x_i − 2| + a_i)/(1 + a_i) (Saltelli & Sobol 1995), x (rows, n) in [0, 1]."""
    return np.prod((np.abs(4 * x - 2) + a) / (1 + a), axis=1)


def g_indices(a: Array) -> Array:
    """Its total-order indices: V_i = 1/3/(1 + a_i)², S_Ti = V_i Π_{j≠i}(1 + V_j) / (Π(1 + V_j) − 1)."""
    v = [1 / 3 / (1 + one) ** 2 for one in a]
    whole = np.prod([1 + one for one in v]) - 1
    return np.array([v[i] * np.prod([1 + v[j] for j in range(len(v)) if j != i]) / whole for i in range(len(v))])


def ishigami(x: Array) -> Array:
    """sin z1 + 7 sin² z2 + 0.1 z3⁴ sin z1 with z = π(2x − 1), x (rows, 3) in [0, 1] (Ishigami & Homma 1990)."""
    z = np.pi * (2 * x - 1)
    return np.sin(z[:, 0]) + 7 * np.sin(z[:, 1]) ** 2 + 0.1 * z[:, 2] ** 4 * np.sin(z[:, 0])


def ishigami_indices() -> Array:
    """Its total-order indices: V1 = ½(1 + bπ⁴/5)², V2 = a²/8, V13 = b²π⁸(1/18 − 1/50)."""
    first, second, both = 0.5 * (1 + 0.1 * np.pi**4 / 5) ** 2, 49 / 8, 0.01 * np.pi**8 * (1 / 18 - 1 / 50)
    return np.array([first + both, second, both]) / (first + second + both)


def hsic(coins: Array, scores: Array, sigma: float) -> Array:
    """1/n² tr(K H L H) for each coin, K_ab = ½ − (x_a − x_b)², L_ab = exp(−(y_a − y_b)²/2σ²), H = 1 − 1/n (Gretton et al. 2005; the kernels of Novello et al.
    2022, section 3.3); over every mask there is, that is the criterion itself."""
    n = len(scores)
    h = np.eye(n) - 1 / n
    centred = h @ np.exp(-np.square(scores[:, None] - scores[None]) / 2 / sigma**2) @ h
    return np.array([np.sum((0.5 - np.square(np.subtract.outer(coin, coin))) * centred) / n**2 for coin in coins.T.astype(float)])


def hsic_of_pairs(signs: Array, scores: Array, sigma: float) -> Array:
    """½ of the mean of s s′ l(y, y′) over draws of two different pairs, each pair a mask and its complement: without bias, by four nested loops."""
    n = len(signs)
    total = np.zeros(signs.shape[1])
    for a, b in product(range(n), repeat=2):
        if a != b:
            for i, j in product((0, 1), repeat=2):
                kernel = np.exp(-((scores[a, i] - scores[b, j]) ** 2) / 2 / sigma**2)
                total += (-1) ** (i + j) * signs[a] * signs[b] * kernel / 4
    return total / (n * (n - 1)) / 2
