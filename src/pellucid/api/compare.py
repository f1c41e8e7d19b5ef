"""`compare`: two explanations, and where they part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.api._provenance import plain
from pellucid.api.units import units_of
from pellucid.core.comparison import TOP, Comparison
from pellucid.core.errors import SettingError, ShapeError, UnsupportedError
from pellucid.core.features import FeatureMap
from pellucid.core.inputs import on_host
from pellucid.core.metric import unit_importance
from pellucid.core.records import Explanation
from pellucid.maths.agreement import overlap, spearman_interval, unit_errors
from pellucid.maths.correlation import spearman
from pellucid.maths.statistics import welch_degrees

Array = np.ndarray
MOST = 40


def compare(a: Explanation, b: Explanation, *, features: Any = None, scaled: bool | None = None, seed: int = 0) -> Comparison:
    """The difference of two explanations with its error, whether they rank features alike, and where they part.

    Parameters
    ----------
    a, b: explanations by two methods, of two networks, of two classes, or of two inputs of one shape, sample by sample; of one target each.
    features: what is compared: "patches:4", "superpixels:slic:30", a label map, … (cut from the inputs of `a`). By default the features of both where they are
        the same, else the coarser of the two, to which the finer are added up (of what does not nest, each element bears its share), and where neither has
        features the pixels of an image or the numbers of all else. An added-up error is the sum of its parts' errors: as large as it can be, never smaller.
    scaled: each sample of each map divided by its L2 norm, so that only the shape of the maps is compared. None does so where their units differ: parts of
        a score of the same scale have the same units, all else only where method and scale are the same. `Comparison.notes` say so.
    seed: of the draws behind the interval of the rank agreement.

    Returns a `Comparison`. Errors of `a` and `b` count as independent: that of the difference is the root of the sum of their squares, with the degrees of
    freedom of Welch and Satterthwaite. Runs that share draws (one seed, one set of masks) may differ by less than that, or by more.
    The interval of the rank correlation is found by adding more noise of the size of the errors, and following what that does back to none: see
    `pellucid.maths.agreement.spearman_interval`. Maps without a sign (HSIC, Sobol, …) are compared with the size of one that has a sign.
    Raises `ShapeError` for other numbers or shapes of samples, `UnsupportedError` for several targets or values that lie on no common units.

    >>> import numpy as np, pellucid
    >>> old, new = (lambda x, w=w: x @ np.array([[1.0], [w]]) for w in (2.0, -1.0))
    >>> found = pellucid.compare(*(pellucid.explain(model, np.array([[3.0, 4.0]]), "shap") for model in (old, new)))
    >>> print(found.parts()[0])
    column 1: 8 against -4 (difference 12 to 12)
    """
    _check(a, b, seed)
    first, second, notes = _in_common_units(a, b, on_host(features))
    first, second, more = _alike_in_sign(first, second)
    units = [_unit(one) for one in (a, b)]
    scaled = units[0] != units[1] if scaled is None else bool(scaled)
    notes += more + _about_units(units, scaled)
    first, second = (_scaled(one) if scaled else one for one in (_bare(first), _bare(second)))
    squares = [np.square(one.error.astype(np.float64)) for one in (first, second)]
    told = _differing(a, b)
    return Comparison(
        first,
        second,
        _names(told),
        tuple(told),
        np.sqrt(squares[0] + squares[1]),
        welch_degrees(*squares, *(one.degrees.reshape(-1, *(1,) * (one.values.ndim - 1)) for one in (first, second))),
        *_agreement(first, second, int(seed)),
        scaled,
        scaled or units[0] == units[1],
        notes,
        {"seed": int(seed), "features": plain(features)},
    )


def _check(a: Explanation, b: Explanation, seed: int) -> None:
    for one, name in ((a, "a"), (b, "b")):
        if not isinstance(one, Explanation):
            raise SettingError(f"compare takes two explanations, and {name} is {type(one).__name__}; make one with pellucid.explain(model, x, method).")
        if one.targets:
            raise UnsupportedError(f"{name} is of several targets, {', '.join(one.targets)}; choose one: explanation.at({one.targets[0]!r}).")
    if len(a) != len(b):
        raise ShapeError(f"a holds {len(a)} samples, b {len(b)}; they are compared one by one: choose as many of each, e.g. a[:{min(len(a), len(b))}].")
    if a.inputs.shape != b.inputs.shape or a.packing != b.packing:
        raise ShapeError(f"a is of inputs of shape {a.inputs.shape[1:]}, b of {b.inputs.shape[1:]}; compare explanations of inputs of one shape.")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise SettingError(f"seed must be a whole number of at least 0, got {seed!r}.")


def _in_common_units(a: Explanation, b: Explanation, features: Any) -> tuple[Explanation, Explanation, tuple[str, ...]]:
    """Both by the same features, and what was done for it."""
    if features is None and _of_the_same(a, b):
        return a, b, ()
    for one in (a, b):
        if not one.on_grid:
            text = f"values of shape {one.values.shape[1:]} at layer '{one.layer}' lie on no grid over the input"
            raise UnsupportedError(f"{text}; compare them with values at the same layer.")
    if features is not None:
        return *_both_by(a, b, units_of(a, features)), ("Both were added up over the features that were given.",)
    having = [one.features for one in (a, b) if one.features is not None]
    if not having:
        return *_both_by(a, b, units_of(a, "pixels")), ("Their values lie on other grids: both were laid over the input, pixel by pixel.",)
    units = min(having, key=lambda found: len(found.names))
    return *_both_by(a, b, units), (f"Their features differ: both were brought to the coarser ones, {len(units.names)} {units.kind}.",)


def _of_the_same(a: Explanation, b: Explanation) -> bool:
    """Whether the values of both are of the same features, elements or units of a layer."""
    if a.values.shape != b.values.shape or a.layer != b.layer or a.of_pairs != b.of_pairs or (a.features is None) != (b.features is None):
        return False
    return a.features is None or b.features is None or np.array_equal(a.features.labels, b.features.labels)


def _both_by(a: Explanation, b: Explanation, units: FeatureMap) -> tuple[Explanation, Explanation]:
    return _by(a, units), _by(b, units)


def _by(explanation: Explanation, units: FeatureMap) -> Explanation:
    """The same by other features: values added up over their elements, and errors too, which is what they can be at most."""
    values, error = (unit_importance(replace(explanation, values=array), units) for array in (explanation.values, explanation.error))
    resolved = {name: item for name, item in explanation.provenance.get("resolved", {}).items() if name != "at"}
    provenance = dict(explanation.provenance) | {"resolved": resolved}
    return replace(explanation, values=values, error=error, axes=("sample", "feature"), features=units, provenance=provenance)


def _alike_in_sign(a: Explanation, b: Explanation) -> tuple[Explanation, Explanation, tuple[str, ...]]:
    """Where only one of them has values with a direction, its size."""
    directed = [bool(one.provenance.get("directed", True)) for one in (a, b)]
    if directed[0] == directed[1]:
        return a, b, ()
    sized = [replace(one, values=np.abs(one.values), provenance=dict(one.provenance) | {"directed": False}) for one in (a, b)]
    signed = (a, b)[directed.index(True)]
    return sized[0], sized[1], (f"The values of one have no sign: of {signed.method} the size is compared.",)


def _unit(explanation: Explanation) -> str:
    """What the values are, in words that are the same where they can be subtracted."""
    scale = explanation.target.score.replace("_", " ")
    return f"parts of the {scale}" if explanation.provenance.get("unit") == "score" else f"values of {explanation.method} for the {scale}"


def _about_units(units: Sequence[str], scaled: bool) -> tuple[str, ...]:
    if scaled:
        why = f"a holds {units[0]}, b {units[1]}" if units[0] != units[1] else "as was asked"
        return (f"Each sample's map was divided by its L2 norm ({why}): only the shape of the maps is compared.",)
    return () if units[0] == units[1] else (f"The units differ (a holds {units[0]}, b {units[1]}) and were left as they are, as was asked.",)


def _bare(explanation: Explanation) -> Explanation:
    """Without what only its maker needs."""
    return replace(explanation, statistics={}, state={}, choices=None, continuation=None)


def _scaled(explanation: Explanation) -> Explanation:
    """Each sample divided by its L2 norm, errors to first order."""
    pairs = [unit_errors(values.astype(np.float64).ravel(), error.ravel()) for values, error in zip(explanation.values, explanation.error, strict=True)]
    values, error = (np.stack(rows).reshape(explanation.values.shape) for rows in zip(*pairs, strict=True))
    return replace(explanation, values=values, error=error)


def _agreement(a: Explanation, b: Explanation, seed: int) -> tuple[Array, Array, Array]:
    """Per sample Spearman's correlation, its interval, and what the strongest have in common."""
    rank, interval, shared = np.empty(len(a)), np.empty((len(a), 2)), np.empty((len(a), len(TOP)))
    mask = a.counted_mask
    for row in range(len(a)):
        here = mask[row]
        x, y, x_error, y_error = (array[row][here].astype(np.float64) for array in (a.values, b.values, a.error, b.error))
        rank[row] = float(spearman(x, y))
        interval[row] = spearman_interval(x, y, x_error, y_error, np.random.default_rng(seed))
        shared[row] = [overlap(x, y, max(1, math.ceil(share * len(x)))) for share in TOP]
    return rank, interval, shared


def _differing(a: Explanation, b: Explanation) -> dict[str, tuple[str, str]]:
    """What tells both apart, and what to call them by it."""
    both, found = (a, b), dict[str, tuple[str, str]]()
    told = [one.provenance for one in both]

    def note(word: str, names: Sequence[Any]) -> None:
        found[word] = (str(names[0]), str(names[1]))

    if any(told[0].get(mark) != told[1].get(mark) for mark in ("fingerprint", "network")):
        note("network", [one.get("network") or one.get("framework") or "a network" for one in told])
    if a.method != b.method:
        note("method", [one.provenance.get("title") or one.method for one in both])
    else:
        settings = [one.get("settings", {}) for one in told]
        for name in dict.fromkeys([*settings[0], *settings[1]]):
            if settings[0].get(name) != settings[1].get(name):
                note(name, [f"{name} {one.get(name)}" for one in settings])
    if a.target.labels != b.target.labels:
        alone = all(len(set(one.target.labels)) == 1 for one in both)
        note("target", [one.target.labels[0] if alone else "" for one in both])
    if not np.array_equal(a.inputs, b.inputs):
        note("input", [f"sample {', '.join(str(i) for i in one.get('indices') or ('?',))}" for one in told])
    if a.target.score != b.target.score:
        note("score", [one.target.score.replace("_", " ") for one in both])
    if told[0].get("seed") != told[1].get("seed"):
        note("seed", [f"seed {one.get('seed')}" for one in told])
    return found


def _names(told: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """What to call both: all that differs and has a short name, the seed only where nothing else does."""
    chosen = [names for word, names in told.items() if word != "seed" and any(names)] or [names for names in told.values() if any(names)]
    first, second = (", ".join(names[i] if len(names[i]) <= MOST else names[i][: MOST - 1] + "…" for names in chosen) for i in (0, 1))
    return (first, second) if first != second else (f"{first or 'the same'} (a)", f"{second or 'the same'} (b)")
