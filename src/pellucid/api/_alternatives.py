"""What `explain(…, vary=[…])` tries in place of an option: a stated list for each option and kind of input.

| option | images, series | tables |
|---|---|---|
| baseline, fill | zeros, the sample's mean, the sample blurred (a fourteenth of its shorter side) | zeros, mean and median of each column |
| background | its even rows, its odd rows, their mean | the same |
| features | patches of half and of double size, as many superpixels (images) | – |
| score | logit, log_probability, probability | the same |
| seed | the three that follow | the same |

Means and medians of columns are those of the background, where one is given, else of the samples that are explained, from ten rows on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.errors import SettingError
from pellucid.core.layout import to_last
from pellucid.core.model import Model
from pellucid.core.target import HEADS, resolve_score
from pellucid.data.features.patches import Patches
from pellucid.data.features.pixels import Pixels
from pellucid.data.features.superpixels import Superpixels
from pellucid.data.parts import parse_features, parse_fill

if TYPE_CHECKING:
    from pellucid.api.explain import _Call

Array = np.ndarray
LEAST_ROWS, LEAST_BACKGROUND, SEEDS = 10, 4, 3
BLUR = 14
SCORES = ("logit", "log_probability", "probability")


def usual(option: str, call: _Call, options: Mapping[str, Any]) -> dict[str, Any]:
    """Name → what is tried in place of what `options` hold; a `SettingError` that says why, where there is nothing usual to try."""
    made = {"baseline": _stand_ins, "fill": _stand_ins, "background": _backgrounds, "features": _features, "score": _scores, "seed": _seeds}
    found = made[option](option, call, options)
    if not found:
        raise SettingError(f"there is no usual alternative here; give your own: vary={{'{option}': [...]}}")
    return found


def _stand_ins(option: str, call: _Call, options: Mapping[str, Any]) -> dict[str, Any]:
    """What may stand for what is absent; of several inputs what there is for each of them."""
    packing, given, background = call.model.packing, options[option], options["background"]
    if packing is None:
        found = _of_one(call.inputs, call.model.traits.channels, _reads_tokens(call.model, call.inputs), background)
        return {value if isinstance(value, str) else name: value for name, value in found.items() if not _same(given, value)}
    parts, rows = packing.unpack(call.inputs), None if background is None else packing.unpack(background)
    each = {}
    for (name, part), channels in zip(parts.items(), packing.channels, strict=True):
        wide = part if part.ndim > 1 else part[:, None]
        each[name] = _of_one(wide, channels, name in packing.tokens, None if rows is None else rows[name].reshape(-1, *wide.shape[1:]))
    now = given if isinstance(given, Mapping) else dict.fromkeys(each, given)
    common = [word for word in next(iter(each.values())) if all(word in found for found in each.values())]
    tried = {word: {name: found[word] for name, found in each.items()} for word in common}
    return {word: values for word, values in tried.items() if not all(_same(now.get(name, 0.0), value) for name, value in values.items())}


def _reads_tokens(model: Model, inputs: Array) -> bool:
    """Whether the numbers stand for words, so that there is nothing between two of them. A black box may read anything: there they are numbers."""
    if not model.traits.tokens or not np.array_equal(inputs, np.rint(inputs)):
        return False
    return any("Embedding" in layer.kind for layer in model.layers()) or any("int" in spec.dtype for spec in model.traits.inputs)


def _of_one(inputs: Array, channels: str, tokens: bool, background: Array | None) -> dict[str, Any]:
    if tokens:
        return {"token 0": 0.0}
    if inputs.ndim == 2:
        rows = inputs if background is None else background
        columns = {"mean": rows.mean(axis=0), "median": np.median(rows, axis=0)} if len(rows) >= LEAST_ROWS else {}
        return {"zeros": 0.0} | {name: row.astype(inputs.dtype) for name, row in columns.items()}
    sides = to_last(inputs, channels).shape[1:-1]
    return {"zeros": 0.0, "mean": "mean", "blur": f"blur:{max(1, round(min(sides) / BLUR))}"}


def _same(given: Any, value: Any) -> bool:
    """Whether two fills or baselines, as users write them, are the same."""
    if given is None:
        return False
    if isinstance(given, np.ndarray) or isinstance(value, np.ndarray):
        return isinstance(given, np.ndarray) and isinstance(value, np.ndarray) and np.array_equal(given, value)
    return bool(parse_fill(given) == parse_fill(value))


def _backgrounds(option: str, call: _Call, options: Mapping[str, Any]) -> dict[str, Any]:
    rows, packing = options["background"], call.model.packing
    if rows is None:
        raise SettingError("no background was given")
    if len(rows) < LEAST_BACKGROUND:
        raise SettingError(f"the background has {len(rows)} rows, and {LEAST_BACKGROUND} are needed to try parts of it")
    tokens = _reads_tokens(call.model, call.inputs) if packing is None else bool(packing.tokens)
    mean = {} if tokens else {"mean of its rows": rows.mean(axis=0, keepdims=True).astype(rows.dtype)}
    return {"even rows": rows[::2], "odd rows": rows[1::2]} | mean


def _features(option: str, call: _Call, options: Mapping[str, Any]) -> dict[str, Any]:
    """Of a grid: coarser, finer, and of the other kind. What lies on no grid, or was the user's own, has no usual alternative."""
    if call.model.packing is not None:
        return {}
    given, inputs = parse_features(options["features"]), to_last(call.inputs, call.model.traits.channels)
    side, image = min(inputs.shape[1:3]) if inputs.ndim > 2 else 0, inputs.ndim == 4
    if isinstance(given, Patches):
        count = int(given.label(inputs[:1]).counts[0])
        found = [f"patches:{size}" for size in (given.size // 2, 2 * given.size) if 1 <= size <= side // 2] + [f"superpixels:slic:{count}"] * image
    elif isinstance(given, Pixels):
        found = [f"patches:{size}" for size in (2, 4) if size <= side // 2]
    elif isinstance(given, Superpixels):
        patch = max(1, round((inputs.shape[1] * inputs.shape[2] / given.n) ** 0.5))
        found = [f"superpixels:{given.algorithm}:{n}" for n in (given.n // 2, 2 * given.n) if n > 1] + [f"patches:{patch}"]
    else:
        found = []
    return {name: name for name in found}


def _scores(option: str, call: _Call, options: Mapping[str, Any]) -> dict[str, Any]:
    head, target = call.model.traits.head, call.given["target"]
    if head not in HEADS or callable(target):
        raise SettingError("the score is what the network returns, which has one scale alone" if not callable(target) else "the target is a function")
    if "[" in str(options["layer"] or ""):
        raise SettingError(f"{options['layer']} are units of a layer, whose values have one scale alone")
    now = resolve_score(call.given["score"], head)
    return {name: name for name in SCORES if name != now}


def _seeds(option: str, call: _Call, options: Mapping[str, Any]) -> dict[str, Any]:
    if call.method.error_kind != "standard_error":
        raise SettingError("the method draws nothing")
    return {str(seed): seed for seed in range(call.given["seed"] + 1, call.given["seed"] + 1 + SEEDS)}
