"""Interaction indices of pairs: from every coalition, and from the arcs of circular orders."""

from __future__ import annotations

from math import comb

import numpy as np

from pellucid.maths.coalitions import all_coalitions, exact_shapley

Array = np.ndarray


def with_main_effects(pairs: Array, shares: Array) -> Array:
    """Interactions (…, features, features), zero on the diagonal, with the main effects there: shares less half of what each feature has in pairs."""
    main = shares - pairs.sum(axis=-1) / 2
    return np.asarray(pairs + main[..., None] * np.eye(shares.shape[-1]))


def exact_interactions(scores: Array, features: int) -> Array:
    """Interaction indices with main effects, (features, features), from the scores of `all_coalitions`:
    Σ_S |S|!(n−|S|−2)!/(n−1)! · (v(S∪ij) − v(S∪i) − v(S∪j) + v(S)). Grabisch & Roubens 1999."""
    pairs, numbers = np.zeros((features, features)), np.arange(2**features)
    sizes = all_coalitions(features).sum(axis=1)
    weights = np.array([1 / ((features - 1) * comb(features - 2, size)) for size in range(features - 1)])
    for i in range(features):
        for j in range(i + 1, features):
            without = numbers[(numbers >> i | numbers >> j) & 1 == 0]
            joint = scores[without | 1 << i | 1 << j] - scores[without | 1 << i] - scores[without | 1 << j] + scores[without]
            pairs[i, j] = pairs[j, i] = weights[sizes[without]] @ joint
    return with_main_effects(pairs, exact_shapley(scores, features))


def arcs(places: Array) -> Array:
    """Every arc of circular orders but the empty and the full ones, as coalitions (orders, features − 1, features, features), uint8.

    `places` (orders, features) are the features' places on the circle. Axis 1 is the arc's length less one, axis 2 the place where it starts.
    """
    features = places.shape[1]
    beyond = (places[:, None, None] - np.arange(features)[:, None]) % features
    return np.asarray(beyond < np.arange(1, features)[:, None, None]).astype(np.uint8)


def arc_interactions(places: Array, scores: Array, empty: Array, full: float) -> Array:
    """What circular orders say of every pair, and of every feature by itself: (orders, features, features) as `exact_interactions`.

    `scores` are (orders, features − 1, features) as in `arcs`, `empty` (orders,). Two features on a circle have two arcs between them, S and the rest;
    by chance each length of S is as likely as any other and each S of a length too, which are the weights of the index. So are the arcs that end beside
    a feature those of its Shapley value, one of each length on each side. Shares add up to full − empty exactly.
    """
    orders, features = places.shape
    ends = np.broadcast_to(empty[:, None, None], (orders, 1, features)), np.full((orders, 1, features), full)
    arc = np.concatenate([ends[0], scores, ends[1]], axis=1)
    later = np.roll(arc, -1, axis=2)  # the arc that starts one place later
    joint = arc[:, 2:] - arc[:, 1:-1] - later[:, 1:-1] + later[:, :-2]  # of places a and a + s + 1, over the arc between them
    starts, lengths = np.arange(features), np.arange(features - 1)
    over = np.zeros((orders, features, features))
    over[:, starts, (starts + lengths[:, None] + 1) % features] = joint
    opening = (arc[:, 1:] - later[:, :-1]).mean(axis=1)  # the first place of an arc joins the others
    joining = arc[:, 1:] - arc[:, :-1]  # the last place does, which lies at start + length − 1
    closing = np.mean([np.roll(joining[:, length], length, axis=1) for length in range(features)], axis=0)
    rows = np.arange(orders)[:, None]
    pairs = ((over + over.transpose(0, 2, 1)) / 2)[rows[..., None], places[:, :, None], places[:, None, :]]
    return with_main_effects(pairs, ((opening + closing) / 2)[rows, places])
