"""Slow twins of the methods, in float64, written from the papers; they share no code with the package's mathematics.

Letters are the papers': x the input, b the baseline, v the game, S a coalition, φ Shapley values, z a mask, π its weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, pairwise, permutations, product
from math import factorial, sqrt

import numpy as np
from scipy.special import ndtr

from pellucid.adapters.numpy_model import Dense
from pellucid.core.model import INPUT, Gradients, Layer, Model, Traits
from pellucid.core.target import Target

Array = np.ndarray
Function = Callable[[Array], Array]
"""Inputs (rows, features) → scores (rows,)."""


class Closed(Model):
    """A model of one score written out with its gradient, so that what a method should give is known in closed form."""

    batch_size = 100

    def __init__(self, score: Function, gradient: Function, shape: tuple[int, ...]) -> None:
        self.score, self.gradient = score, gradient
        self.traits = Traits("a closed form", input_shape=shape, output_shape=(1,), gradients=True, tokens=True, fingerprint="closed")

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        return np.asarray(self.score(inputs.astype(np.float64)))[:, None]

    def gradients(self, inputs: Array, target: Target, wrt: Sequence[str] = (INPUT,)) -> Gradients:
        outputs = self.predict(inputs)
        target = target.settled(outputs)
        weight = target.effective_weights.astype(np.float64).reshape(-1, *(1,) * (inputs.ndim - 1))
        return Gradients(target.of(outputs), outputs, {INPUT: weight * self.gradient(inputs.astype(np.float64))}, {INPUT: inputs})


class Channels(Model):
    """An image network in closed form: channel k = ReLU(w_k · pixel + c_k) over the grid, class scores Σ_k,place V[k, place, class] · channel²/2."""

    batch_size = 16

    def __init__(self, pixel: Array, shift: Array, readout: Array) -> None:
        self.pixel, self.shift, self.readout = pixel, shift, readout
        rows, columns = readout.shape[:2]
        self.traits = Traits("a closed form", (rows, columns, 1), (readout.shape[-1],), gradients=True, tokens=True, fingerprint="channels")

    def layers(self) -> tuple[Layer, ...]:
        grid = self.readout.shape[:3]
        return (Layer("conv", "Conv2D", grid, spatial=True), Layer("square", "Lambda", grid, spatial=True), Layer("head", "Dense", (self.readout.shape[-1],)))

    def activations(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        conv = np.maximum(inputs.astype(np.float64) * self.pixel + self.shift, 0)
        known = {"conv": conv, "square": conv**2 / 2, "head": np.einsum("nrck,rcko->no", conv**2 / 2, self.readout)}
        return {self.layer(name).name: known[name] for name in layers}

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        return self.activations(inputs, ["head"])["head"]

    def gradients(self, inputs: Array, target: Target, wrt: Sequence[str] = (INPUT,)) -> Gradients:
        taken = self.activations(inputs, ["conv", "square", "head"])
        target = target.settled(taken["head"])
        square = np.einsum("no,rcko->nrck", target.effective_weights.astype(np.float64), self.readout)
        conv = square * taken["conv"]
        there = {"square": square, "conv": conv, INPUT: (conv * (taken["conv"] > 0) * self.pixel).sum(axis=-1, keepdims=True)}
        return Gradients(target.of(taken["head"]), taken["head"], {name: there[name] for name in wrt}, {name: taken.get(name, inputs) for name in wrt})


def difference_gradient(score: Function, x: Array, step: float = 1e-5) -> Array:
    """∇f at one input x by central differences, element by element."""
    out = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        out[place] = (score(up[None])[0] - score(down[None])[0]) / (2 * step)
    return out


def saliency(score: Function, x: Array) -> Array:
    """|∂f/∂x| (Simonyan et al. 2013)."""
    return np.abs(difference_gradient(score, x))


def gradient_x_input(score: Function, x: Array) -> Array:
    """x ∂f/∂x (Shrikumar et al. 2016)."""
    return x * difference_gradient(score, x)


def integrated_gradients(gradient: Function, x: Array, b: Array, steps: int = 20_000) -> Array:
    """(x − b) times the mean gradient in the middle of many equal cells (Sundararajan et al. 2017, eq. 3)."""
    total = np.zeros(x.shape)
    for part in np.array_split((np.arange(steps) + 0.5) / steps, max(1, steps // 1000)):
        total += gradient(b + part.reshape(-1, *(1,) * x.ndim) * (x - b)).sum(axis=0)
    return (x - b) * total / steps


def _sums(stack: Sequence[Dense], x: Array) -> list[Array]:
    """What enters each layer's activation at one input."""
    sums = []
    for dense in stack:
        sums.append(x @ dense.weights + dense.bias)
        x = np.maximum(sums[-1], 0) if dense.activation == "relu" else sums[-1]
    return sums


def _kinks(stack: Sequence[Dense], x: Array, b: Array) -> list[float]:
    """Every place in [0, 1] where a ReLU switches on the way from b to x, the ends included: layer by layer, since between the kinks of the layers below
    what enters a layer is a straight line."""
    places = [0.0, 1.0]
    for layer, dense in enumerate(stack):
        if dense.activation != "relu":
            continue
        found = []
        for left, right in pairwise(places):
            at_left, at_right = (_sums(stack, b + t * (x - b))[layer] for t in (left, right))
            for low, high in zip(at_left, at_right, strict=True):
                if low * high < 0:
                    found.append(left + (right - left) * low / (low - high))
        places = sorted(set(places) | set(found))
    return places


def relu_gradient(stack: Sequence[Dense], x: Array, output: int) -> Array:
    """The gradient of one output at one input: the product of weights and switches."""
    back = np.eye(stack[-1].weights.shape[1])[output]
    for dense, entering in zip(reversed(stack), reversed(_sums(stack, x)), strict=True):
        back = dense.weights @ (back * (entering > 0) if dense.activation == "relu" else back)
    return back


def relu_integrated_gradients(stack: Sequence[Dense], x: Array, b: Array, output: int) -> Array:
    """Integrated Gradients of a ReLU network without any quadrature error: between two kinks the gradient is constant."""
    places = _kinks(stack, x, b)
    pieces = pairwise(places)
    return (x - b) * sum((right - left) * relu_gradient(stack, b + (left + right) / 2 * (x - b), output) for left, right in pieces)


def marginal_game(score: Function, x: Array, background: Array) -> Callable[[Sequence[int]], float]:
    """v(S): the mean score over background rows with the features in S taken from x. Keeps what it has computed."""
    known: dict[frozenset[int], float] = {}

    def v(members: Sequence[int]) -> float:
        key = frozenset(members)
        if key not in known:
            rows = background.astype(np.float64).copy()
            rows[:, list(key)] = x[list(key)]
            known[key] = float(np.mean(score(rows)))
        return known[key]

    return v


def shapley_by_coalitions(v: Callable[[Sequence[int]], float], n: int) -> Array:
    """φ_j = Σ_S |S|!(n−|S|−1)!/n! (v(S∪j) − v(S)), literally (Shapley 1953)."""
    phi = np.zeros(n)
    for j in range(n):
        others = [i for i in range(n) if i != j]
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            phi[j] += weight * sum(v((*s, j)) - v(s) for s in combinations(others, size))
    return phi


def shapley_by_orders(v: Callable[[Sequence[int]], float], n: int) -> Array:
    """The mean over all n! orders of what each feature adds when it joins."""
    phi = np.zeros(n)
    for order in permutations(range(n)):
        for place, j in enumerate(order):
            phi[j] += v(order[: place + 1]) - v(order[:place])
    return phi / factorial(n)


def lime_weight(z: Sequence[int], width: float) -> float:
    """π(z) of the lime package for images: √exp(−d²/width²), d the cosine distance of z to the mask of ones; 1 for the empty mask."""
    ones = len(z)
    cosine = sum(z) / (sqrt(sum(z)) * sqrt(ones)) if any(z) else 0.0
    return float(np.sqrt(np.exp(-((1 - cosine) ** 2) / width**2)))


def lime_limit(v: Callable[[Sequence[int]], float], n: int, width: float) -> tuple[Array, float]:
    """What LIME's weighted least squares tend to with unlimited masks: all 2^n once each, by the normal equations. Coefficients and weighted R²."""
    masks = list(product((0, 1), repeat=n))
    design = np.array([(1, *z) for z in masks], dtype=float)
    y = np.array([v([j for j in range(n) if z[j]]) for z in masks])
    pi = np.array([lime_weight(z, width) for z in masks])
    solution = np.linalg.solve(design.T @ (pi[:, None] * design), design.T @ (pi * y))
    residual, mean = y - design @ solution, np.average(y, weights=pi)
    return solution[1:], float(1 - np.sum(pi * residual**2) / np.sum(pi * (y - mean) ** 2))


def smooth_gradient(gradient: Function, x: Array, sigma: float, draws: int, seed: int) -> Array:
    """E ∇f(x + σε) by plain Monte Carlo, no pairs (Smilkov et al. 2017)."""
    noise = np.random.default_rng(seed).standard_normal((draws, *x.shape))
    return gradient(x + sigma * noise).mean(axis=0)


def smooth_gradient_relu(weights: Array, bias: Array, readout: Array, x: Array, sigma: float) -> Array:
    """E ∇ Σ_k v_k ReLU(w_k·x + c_k) at x + σε: a unit is on with probability Φ((w_k·x + c_k)/(σ‖w_k‖)); exact."""
    return weights @ (readout * ndtr((x @ weights + bias) / (sigma * np.linalg.norm(weights, axis=0))))


def smooth_gradient_tanh(weights: Array, bias: Array, readout: Array, x: Array, sigma: float) -> Array:
    """The same for tanh units: what enters a unit is normal, so that one Gauss–Hermite sum per unit does."""
    nodes, rule = np.polynomial.hermite_e.hermegauss(200)
    entering = (x @ weights + bias)[:, None] + sigma * np.linalg.norm(weights, axis=0)[:, None] * nodes
    return weights @ (readout * ((1 - np.tanh(entering) ** 2) @ rule / rule.sum()))


def grad_cam(activations: Array, gradients: Array, positive: bool = True) -> Array:
    """One map: ReLU(Σ_k α_k A^k), α_k = 1/Z Σ_ij ∂y/∂A^k_ij (Selvaraju et al. 2017, eqs. 1, 2), place by place."""
    rows, columns, channels = activations.shape
    out = np.zeros((rows, columns))
    for k in range(channels):
        alpha = sum(gradients[i, j, k] for i in range(rows) for j in range(columns)) / (rows * columns)
        out += alpha * activations[:, :, k]
    return np.maximum(out, 0) if positive else out
