"""Inversion: what a layer still knows of the input, shown by inputs that the layer does not tell from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pellucid.core.errors import SettingError, unknown
from pellucid.core.language import later
from pellucid.core.layout import from_last, to_last
from pellucid.core.loss import SQUARED, Loss
from pellucid.core.method import Progress
from pellucid.core.model import INPUT, Layer, Model
from pellucid.core.scene import Scene, Shown, ViewMethod
from pellucid.core.view import NOTE, WARNING, Finding
from pellucid.maths.climbing import BUDGET, LIMIT, NOISE, TOLERANCE, Plateau
from pellucid.maths.colour import channel_root
from pellucid.maths.parameterisation import Coefficients, Palette, Parameterisation, Pixels
from pellucid.maths.variation import total_variation
from pellucid.views._ascent import Ascent, Objective, ascend, model_objective, side_by_side, within
from pellucid.views._feature_findings import above_a_limit
from pellucid.views._units import is_head

Array = np.ndarray
PARAMETERISATIONS = ("fourier", "pixels")
LAYERS = 4
"""Layers that are inverted where none are named."""
TOGETHER = 32e6
"""Bytes of inputs, in float64, that are climbed side by side."""
MARGIN, WIDE = 0.05, 0.5
"""By what share the range of given images and series, and that of rows of a table, is widened."""
FEW_COLOURS = 4
TINY = 1e-10
"""A residual that is none."""
ALMOST, HARDLY, FAR = 0.95, 0.5, 0.1
"""The correlation with the input from which a layer is said to know it almost wholly, below which hardly; and the residual from which no inverse was found."""
FINER = 20.0
"""By what steps are smaller after a first plateau, for a residual that is small."""
ENDS = (NOISE, TOLERANCE, BUDGET, LIMIT)


@dataclass(frozen=True)
class Inversion(ViewMethod):
    """Inputs that give a layer the same values as the given one, found from noise: what they share is what the layer knows, what differs it has forgotten.

    Use it to see at which depth position, colour or detail are lost. From several random starts ‖Φ(x) − Φ(x₀)‖² / ‖Φ(x₀)‖² is made as small as it gets, Φ being
    the layer (Mahendran & Vedaldi 2015), by gradient ascent on its negative logarithm; x lies in the range of the given inputs, a little widened. It ends on a
    measured plateau. Without `layers`, four are taken, evenly over the depth, the head left out.

    restarts: random starts for each sample. most: samples that are inverted, the first ones. parameterisation: "fourier", coefficients scaled by 1/frequency, a
    prior of smooth inputs, or "pixels"; tables have no other. variation: the greatest total variation, as a multiple of the given inputs'; None for no limit.
    range: (low, high) instead of the given inputs' own. budget: the most steps. tolerance: a climb ends when, by the line through its last third, 16 steps
    more would bring less than this share of all that it gained in the logarithm of the residual; then once more, in steps a twentieth as large.
    Shapes: per layer (samples, restarts, *input), channels last. Details: "residual", that ratio, and "correlation" with the input (samples, restarts);
    "spread" (samples, *grid), the standard deviation over restarts as a share of the range, averaged over channels: 0 where the layer determines the input;
    "steps" and "end" (samples, restarts; 0: no rise beyond its error, 1: below the tolerance, 2: budget, 3: budget, flat above the limit).
    Does not say that what is not found is lost: a climb may stop short, which its residual shows; and a smooth prior fills in what the layer does not tell.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.array([[0.0, 2.0], [1.0, 0.0]]), np.zeros(2)), Dense(np.ones((2, 1)), np.zeros(1))], (2,))
    >>> view = pellucid.visualize(model, np.array([[0.3, -0.7]]), "inversion", layers="dense_0")
    >>> view.values["dense_0"].mean(axis=1).round(1)
    array([[ 0.3, -0.7]], dtype=float32)
    """

    restarts: int = 3
    most: int = 2
    parameterisation: str = "fourier"
    variation: float | None = 1.5
    range: Any = None
    budget: int = 1024
    tolerance: float = 0.01

    title: ClassVar[str] = "Inversion"
    answers: ClassVar[str] = "What does a layer still know of the input?"
    citation: ClassVar[str] = "Mahendran & Vedaldi 2015, arXiv:1412.0035"
    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})
    several_inputs: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.parameterisation not in PARAMETERISATIONS:
            raise SettingError(unknown("parameterisation", self.parameterisation, PARAMETERISATIONS))
        for name in ("restarts", "most", "budget"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise SettingError(f"{name} must be a whole number of at least 1, got {value!r}.")
        if self.variation is not None and not self.variation > 0:
            raise SettingError(f"variation={self.variation} must be above 0, or None for no limit.")

    @classmethod
    def refuses(cls, model: Model) -> str:
        reason = super().refuses(model)
        if not reason and model.traits.tokens and any("Embedding" in layer.kind for layer in model.layers()):
            return "changes an input's values step by step, and this network reads tokens, whole numbers that have no gradient"
        return reason

    def show(self, scene: Scene) -> Shown:
        model, inputs = scene.model, scene.inputs[: self.most]
        chosen, real = scene.chosen(_default(model)), to_last(inputs, model.traits.channels).astype(np.float64)
        made = _parameterisation(self.parameterisation, real, self.range)
        reach = made.palette.high - made.palette.low
        limit = None if self.variation is None else self.variation * float(total_variation(real, reach).max(initial=0.0)) or None
        values, details, findings, ended = {}, {}, [], {}
        for i, layer in enumerate(chosen):
            wanted = model.activations(inputs, [layer.name])[layer.name].astype(np.float64)
            norms = np.square(wanted).reshape(len(wanted), -1).sum(axis=1)
            if not norms.all():
                findings.append(_silent(layer))
                norms = np.where(norms > 0, norms, 1.0)
            part = within(scene.progress, i / len(chosen), (i + 1) / len(chosen))
            climb = self._climbed(scene, made, limit, layer, wanted, norms, part)
            found = climb.inputs.reshape(len(real), self.restarts, *real.shape[1:])
            values[layer.name] = found.astype(np.float32)
            details[layer.name] = self._measured(climb, real, found, reach)
            details[layer.name]["residual"] = _residuals(model, layer.name, climb.inputs, wanted, norms)
            findings += _told(layer, details[layer.name]) + _cut(layer, details[layer.name], int(self.budget))
            ended[layer.name] = dict(Counter(climb.ends))
        axes = ("sample", "restart", *_axes_of(real))
        each = dict.fromkeys(("residual", "correlation", "steps", "end"), ("sample", "restart")) | {"spread": ("sample", *_axes_of(real)[: real.ndim - 2 or 1])}
        resolved = {"samples inverted": len(inputs), "ended": ended, "low": made.palette.low.min().item(), "high": made.palette.high.max().item()}
        resolved |= {"parameterisation": self.parameterisation if real.ndim > 2 else "pixels"}
        return Shown(values, dict.fromkeys(values, axes), resolved, details, each, findings, inputs=inputs)

    def _climbed(self, scene: Scene, made: Parameterisation, limit: float | None, layer: Layer, wanted: Array, norms: Array, progress: Progress) -> Ascent:
        """All samples and starts, as many at a time as there is room for."""
        of = np.repeat(np.arange(len(wanted)), self.restarts)
        seeds = np.stack([of, np.tile(np.arange(self.restarts), len(wanted))], axis=1)
        together = max(1, int(TOGETHER // (8 * max(int(np.prod(made.grid)) * made.channels, 1))))
        parts = [np.arange(start, min(start + together, len(of))) for start in range(0, len(of), together)]
        found, part = [], scene.model.below(layer.name)
        for rows in parts:
            objective = _objective(part, wanted[of[rows]], norms[of[rows]], scene.model.traits.channels)
            told = within(progress, rows[0] / len(of), (rows[-1] + 1) / len(of))
            plateau = Plateau(int(self.budget), float(self.tolerance))
            found.append(ascend(objective, made, plateau, seeds=seeds[rows], seed=scene.seed, limit=limit, finer=FINER, progress=told))
        return side_by_side(found)

    def _measured(self, climb: Ascent, real: Array, found: Array, reach: Array) -> dict[str, Array]:
        """What the inversions of a layer are worth, their residuals aside."""
        shape = (len(real), self.restarts)
        spread = found.std(axis=1) / np.where(reach > 0, reach, 1.0)
        ends = np.array([ENDS.index(end) for end in climb.ends])
        return {
            "correlation": _correlation(found, real),
            "spread": (spread.mean(axis=-1) if real.ndim > 2 else spread).astype(np.float32),
            "steps": climb.steps.reshape(shape),
            "end": ends.reshape(shape),
        }


def _objective(part: Any, wanted: Array, norms: Array, channels: str) -> Objective:
    """−log₁₀ of the residual and its gradient, both of one pass through the `part` of a model up to a layer: as a logarithm, so that the plateau is seen
    whatever the residual's size."""
    size = wanted[0].size

    def value(inputs: Array, rows: Array) -> tuple[Array, Array]:
        found = part.gradients(inputs, Loss(wanted[rows].astype(np.float32), SQUARED, ()))
        share = found.scores * size / norms[rows] + TINY
        slope = -size / (np.log(10) * norms[rows] * share)
        return -np.log10(share), slope.reshape(-1, *[1] * (inputs.ndim - 1)) * found.gradients[INPUT]

    return model_objective(value, channels)


def _residuals(model: Model, layer: str, found: Array, wanted: Array, norms: Array) -> Array:
    """How far a layer's values of inputs (samples · restarts, *input), channels last, are from those wanted, (samples, restarts)."""
    taken = np.ascontiguousarray(from_last(found, model.traits.channels), np.float32)
    values = model.activations(taken, [layer])[layer].astype(np.float64).reshape(len(wanted), -1, *wanted.shape[1:])
    apart = np.square(values - wanted[:, None]).reshape(*values.shape[:2], -1).sum(axis=-1)
    return np.asarray(apart / norms[:, None])


def _parameterisation(name: str, real: Array, given: Any) -> Parameterisation:
    """What the inputs are made of. Rows of a table begin in the middle of one range for all columns, so that the start does not tell of the sample."""
    grid, count = real.shape[1:-1], real.shape[-1]
    each = tuple(range(real.ndim - 1)) if grid else None
    low, high = (np.broadcast_to(np.asarray(end(real, axis=each), np.float64), (count,)).copy() for end in (np.min, np.max))
    room = (high - low if (high > low).any() else np.maximum(np.abs(high), 1.0)) * (MARGIN if grid else WIDE)
    low, high = low - room, high + room
    if given is not None:
        try:
            low, high = (np.broadcast_to(np.asarray(end, np.float64), (count,)).copy() for end in given)
        except (TypeError, ValueError):
            raise SettingError(f"range={given!r}: give (low, high), each a number or one for each of the {count} channels, e.g. range=(0, 1).") from None
        if not (low < high).all():
            raise SettingError(f"range={given!r}: each low must be below its high, e.g. range=(0, 1).")
    mean = real.mean(axis=each) if grid else (low + high) / 2
    reach = np.where(high > low, high - low, 1.0)
    root = channel_root((real - low) / reach) if grid and 1 < count <= FEW_COLOURS else np.eye(count)
    palette = Palette(low, high, np.asarray(mean), root)
    return (Coefficients if grid and name == "fourier" else Pixels)(grid, palette)


def _axes_of(real: Array) -> tuple[str, ...]:
    known = {2: ("column",), 3: ("time", "channel"), 4: ("row", "column", "channel")}
    return known.get(real.ndim, (*(f"axis_{k}" for k in range(real.ndim - 2)), "channel"))


def _correlation(found: Array, real: Array) -> Array:
    """Pearson's, of each inversion with its input, (samples, restarts); 0 where one of them does not vary."""
    one = found.reshape(*found.shape[:2], -1)
    two = real.reshape(len(real), 1, -1)
    one, two = one - one.mean(axis=-1, keepdims=True), two - two.mean(axis=-1, keepdims=True)
    size = np.sqrt(np.square(one).sum(axis=-1) * np.square(two).sum(axis=-1))
    return np.divide((one * two).sum(axis=-1), size, out=np.zeros(size.shape), where=size > 0)


def _silent(layer: Layer) -> Finding:
    text = later("{layer} gives nothing but zeros for an input, so that every input for which it does so is an inverse.")
    return Finding("silent layer", layer.name, text, later("See in activation_statistics whether it is dead for all inputs."), {}, WARNING)


def _cut(layer: Layer, found: Mapping[str, Array], budget: int) -> list[Finding]:
    cut, above = (found["end"] == ENDS.index(end) for end in (BUDGET, LIMIT))
    if not cut.any():
        return above_a_limit(layer.name, above)
    text = later("Of {layer}, {count} of {total} inversions still came nearer when the budget of {steps} steps ended.")
    advice = later("What they lack may be not yet found, and not forgotten; a larger budget= or a larger tolerance= lets them end by themselves.")
    return [
        Finding("budget ended", layer.name, text, advice, {"count": int(cut.sum()), "total": cut.size, "steps": budget}, NOTE),
        *above_a_limit(layer.name, above),
    ]


def _told(layer: Layer, found: Mapping[str, Array]) -> list[Finding]:
    """How much a layer knows of the inputs, as far as they could be inverted."""
    residual, alike = float(found["residual"].min(axis=1).mean()), float(found["correlation"].mean())
    numbers = {"share_residual": residual, "correlation": alike, "share_spread": float(found["spread"].mean())}
    if residual > FAR:
        text = later("No input was found that gives {layer} nearly the values it has: the nearest differ by {share_residual} of their square.")
        advice = later(
            "What it knows cannot be read from this. Allow more steps (budget), no limit of variation (variation=None), or parameterisation='pixels'."
        )
        return [Finding("not inverted", layer.name, text, advice, numbers, WARNING)]
    if alike >= ALMOST:
        text = later("{layer} still knows the input almost wholly: what gives it the same values correlates with the input by {correlation}.")
        return [Finding("input kept", layer.name, text, "", numbers, NOTE)]
    if alike < HARDLY:
        text = later(
            "{layer} knows little of how the input was: inputs that give it the same values, up to {share_residual} of their square, correlate with it by "
            "{correlation}, and differ from each other by {share_spread} of the range."
        )
        advice = later("What is the same in all of them is what the layers above can still use.")
        return [Finding("input forgotten", layer.name, text, advice, numbers, NOTE)]
    return []


def _default(model: Model) -> list[Layer]:
    """Layers with weights, evenly over the depth, the first and the last before the head among them."""
    telling: Sequence[Layer] = [layer for layer in model.layers() if layer.parameters and layer.shape is not None and not is_head(model, layer)]
    telling = telling or [layer for layer in model.layers() if layer.shape is not None] or model.layers()
    places = np.unique(np.linspace(0, len(telling) - 1, LAYERS).round().astype(int))
    return [telling[int(place)] for place in places]
