"""Gradient flow: what each layer is told to change, and whether that reaches the first one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pellucid.core.errors import SettingError, UnknownLayerError, UnsupportedError, unknown
from pellucid.core.language import later
from pellucid.core.loss import Loss
from pellucid.core.model import Model
from pellucid.core.scene import DATA, Scene, Shown, ViewMethod
from pellucid.core.view import FAULT, WARNING, Finding
from pellucid.views import _truth

Array = np.ndarray
Layers = Mapping[str, tuple[Array, ...]]
VANISHING, EXPLODING = 1e-3, 1e2
"""First over last layer's RMS gradient, and the length of a gradient over that of the layer's weights (`docs/theory/gradient-flow.md`)."""
PROBED, FIRST = 64e6, 32
"""Bytes of layers' outputs, and samples, for which the gradient with respect to these outputs is taken: another pass, kept short."""
QUANTITIES = ("gradient_norm", "gradient_rms", "weight_norm", "weight_rms", "noise", "update_ratio", "share_without", "activation_gradient_rms")


@dataclass(frozen=True)
class GradientFlow(ViewMethod):
    """How large the gradient of the loss is in each layer, beside the weights that it would change.

    Use it where a network does not learn or its loss leaps: it tells a gradient that vanishes on its way to the first layers, one that explodes, and layers
    that none reaches. The gradient is that of the mean loss over `samples` drawn from the data, in batches of `batch`, of the network as it predicts:
    nothing is dropped out, batch normalisation uses its running statistics (which a network that was never trained does not have yet).

    Shapes: per layer the RMS gradient of each of its weights, (weights,), as the model orders them: kernel, bias. In the details per layer numbers: L2 norm
    and RMS per parameter of gradient and weights (layers of different size compare by RMS); `update_ratio`, the length of a step of plain SGD at
    `learning_rate` over that of the weights; `noise`, the standard error of the gradient, as a length: what it would differ by with other samples (NaN of
    one batch); `share_without`, the share of parameters whose gradient is exactly zero; `activation_gradient_rms`, the RMS gradient of one sample's loss
    with respect to one number that the layer gives out (from the first samples; NaN where a framework does not serve it). Units: loss per unit of a weight.
    `loss`: "auto" is cross-entropy before a softmax, binary before a sigmoid; with `truth`, (samples, *output), any kind.

    Flagged: vanishing, where the first layer's RMS gradient is less than 1/1000 of the last one's (kernels alone, embeddings aside); exploding, where a
    gradient is 100 times as long as a layer's weights, or not finite. Healthy networks, trained or not, lie between 1/10 and 4, and below 10
    (`docs/theory/gradient-flow.md`). That about 1/1000 is a good update ratio is a rule of thumb (Karpathy, CS231n) and advice only: optimisers such as
    Adam take steps of another length. Does not say whether training will succeed, nor what dropout and batches' own statistics do to the gradient while a
    network is trained.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.eye(2), np.zeros(2))], (2,), softmax=True)
    >>> view = pellucid.visualize(model, np.array([[1.0, 0.0]]), "gradient_flow", labels=[1])
    >>> view.values["dense_0"].round(3)
    array([0.517, 0.731])
    """

    title: ClassVar[str] = "Gradient flow"
    answers: ClassVar[str] = "How much is each layer told to change, and does the gradient reach the first one?"
    citation: ClassVar[str] = "Glorot & Bengio 2010, AISTATS; Hochreiter et al. 2001; noise: McCandlish et al. 2018, arXiv:1812.06162"
    looks_at: ClassVar[str] = DATA
    needs: ClassVar[frozenset[str]] = frozenset({"gradients", "weights", "labels"})

    samples: int = 512
    batch: int = 64
    learning_rate: float = 1e-3
    loss: str = "auto"
    truth: Any = None

    def __post_init__(self) -> None:
        if self.samples < 1 or self.batch < 1 or not 0 < self.learning_rate < np.inf:
            raise SettingError(f"samples {self.samples}, batch {self.batch} and learning_rate {self.learning_rate} must all be above 0.")
        object.__setattr__(self, "needs", _truth.without_labels(type(self).needs, self.truth))

    @classmethod
    def refuses(cls, model: Model) -> str:
        missing = "" if model.has_weights else f"needs the network's weights, which {model.traits.framework} does not show"
        return missing or ("" if not model.layers() else super().refuses(model))

    def show(self, scene: Scene) -> Shown:
        judge = _truth.judge(scene, self.loss, self.truth)
        weights = scene.model.weights()
        asked = list(weights) if scene.layers is None else list(scene.layers)
        if lacking := [name for name in asked if name not in weights]:
            raise UnknownLayerError(unknown("layer with weights", lacking[0], weights))
        sums = _Sums()
        probed: dict[str, dict[str, Array]] = {}
        mean_loss, total = float("nan"), min(self.samples, judge.known)
        for inputs, rows in _truth.drawn(scene, judge.known, total, self.batch, np.random.default_rng(scene.seed)):
            loss = judge.loss(rows)
            sums.add(scene.model.weight_gradients(inputs, loss), len(rows))
            if not probed:
                probed, mean_loss = _at_outputs(scene.model, inputs, loss, asked)
            scene.progress(sums.samples / total)
        details = {name: _numbers(weights[name], sums, name, self.learning_rate) | probed.get(name, {}) for name in asked}
        values = {name: np.array([_rms([one]) for one in sums.mean(name)]) for name in asked}
        resolved = {"loss": judge.kind, "samples": sums.samples, "batches": sums.batches, "loss of the first samples": mean_loss}
        findings = list(_findings(scene, {name: weights[name] for name in asked}, sums, details))
        return Shown(values, dict.fromkeys(asked, ("weight",)), resolved, details, dict.fromkeys(QUANTITIES, ()), findings)


class _Sums:
    """Gradients added up over batches, and what their spread is computed from: n ‖mean gradient‖² of each."""

    def __init__(self) -> None:
        self.total: dict[str, list[Array]] = {}
        self.squares: dict[str, float] = {}
        self.samples = self.batches = 0

    def add(self, found: Layers, rows: int) -> None:
        for name, arrays in found.items():
            before = self.total.get(name)
            self.total[name] = (
                [array.astype(np.float64) for array in arrays] if before is None else [was + now for was, now in zip(before, arrays, strict=True)]
            )
            self.squares[name] = self.squares.get(name, 0.0) + _norm(arrays) ** 2 / rows
        self.samples, self.batches = self.samples + rows, self.batches + 1

    def mean(self, name: str) -> list[Array]:
        return [array / self.samples for array in self.total[name]]

    def noise(self, name: str) -> float:
        """√(tr Σ / samples), Σ being the covariance of one sample's gradient, estimated between batches."""
        if self.batches < 2:
            return float("nan")
        spread = self.squares[name] - self.samples * _norm(self.mean(name)) ** 2
        return float(np.sqrt(max(spread, 0.0) / (self.batches - 1) / self.samples))


def _numbers(weights: Sequence[Array], sums: _Sums, name: str, rate: float) -> dict[str, Array]:
    gradient = sums.mean(name)
    norms = _norm(gradient), _norm(weights)
    count = sum(array.size for array in gradient)
    found = {
        "gradient_norm": norms[0],
        "gradient_rms": _rms(gradient),
        "weight_norm": norms[1],
        "weight_rms": _rms(weights),
        "noise": sums.noise(name),
        "update_ratio": rate * norms[0] / norms[1] if norms[1] else np.nan,
        "share_without": sum(int((array == 0).sum()) for array in gradient) / count,
        "activation_gradient_rms": np.nan,
    }
    return {quantity: np.array(value) for quantity, value in found.items()}


def _norm(arrays: Sequence[Array]) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(sum(float(np.square(array, dtype=np.float64).sum()) for array in arrays)))


def _rms(arrays: Sequence[Array]) -> float:
    return _norm(arrays) / float(np.sqrt(max(sum(array.size for array in arrays), 1)))


def _at_outputs(model: Model, inputs: Array, loss: Loss, names: Sequence[str]) -> tuple[dict[str, dict[str, Array]], float]:
    """RMS gradients with respect to what layers give out, of as many samples as memory allows, and the mean loss of these."""
    known = {layer.name: layer for layer in model.layers() if layer.name in names and layer.shape is not None}
    made = 4.0 * sum(float(np.prod([size or 1 for size in layer.shape or ()])) for layer in known.values())
    rows = np.arange(max(1, min(len(inputs), FIRST, int(PROBED // max(made, 1.0)))))
    inputs, loss = inputs[rows], loss.unnamed(rows)  # type: ignore[assignment]
    for chosen in ([*known], [name for name, layer in known.items() if not layer.sequential]):
        try:
            found = model.gradients(inputs, loss, chosen) if chosen else None
        except UnsupportedError:  # a layer that is used twice, or whose last state alone is read
            continue
        if found is not None:
            return {name: {"activation_gradient_rms": np.array(_rms([array]))} for name, array in found.gradients.items()}, float(np.mean(found.scores))
    return {"": {}}, float(np.mean(model.scores(inputs, loss)))


# ---- what is wrong --------------------------------------------------------------------------------------------------


def _findings(scene: Scene, weights: Layers, sums: _Sums, details: Mapping[str, Mapping[str, Array]]) -> Iterator[Finding]:
    broken = [name for name, arrays in weights.items() if not all(np.isfinite(array).all() for array in arrays)]
    for name in broken:
        count = sum(int((~np.isfinite(array)).sum()) for array in weights[name])
        yield Finding(
            later("weights not finite"),
            name,
            later("Weights of {layer} that are infinite or no number: {count}."),
            later("Training has diverged: go back to weights saved before, with a lower learning rate or clipped gradients."),
            {"count": count},
            FAULT,
        )
    if broken:
        return
    yield from _without(scene, details)
    kinds = {layer.name: layer.kind for layer in scene.model.layers()}
    yield from _vanishing(kinds, weights, sums)
    yield from _exploding({name: found for name, found in details.items() if not _embeds(kinds, name)})


def _without(scene: Scene, details: Mapping[str, Mapping[str, Array]]) -> Iterator[Finding]:
    """One finding for each run of layers that no gradient reaches: on the dead one among them, else on the last."""
    names = list(details)
    for none, group in itertools.groupby(names, key=lambda name: float(details[name]["gradient_norm"]) == 0):
        run = list(group)
        if not none:
            continue
        dead = _dead(scene, run)
        if dead:
            text = later("{layer} is dead: on these samples it gives out nothing but zeros. Layers in a row without any gradient: {count}.")
            advice = later("Set its weights anew, with a lower learning rate or an activation that is never flat; activation_statistics shows its units.")
        elif len(run) == len(names):
            text = later("No layer has any gradient, up to {layer}, the last of {count}: it is zero to the last digit.")
            advice = later("The output is saturated, or the loss is already zero on these samples; take others, or see what the network gives out.")
        else:
            text = later("No gradient reaches {layer}: it is zero to the last digit. Layers in a row without any: {count}.")
            advice = later(
                "What reads the layer is flat, or the layer is not connected to the loss; see graph, and activation_statistics of the layers after it."
            )
        yield Finding(later("no gradient"), dead or run[-1], text, advice, {"count": len(run)}, FAULT)


def _dead(scene: Scene, run: Sequence[str]) -> str:
    """The first layer of a run that gives out nothing but zeros, or whose activation, a layer of its own, does; empty where there is none."""
    names, before = [layer.name for layer in scene.model.layers()], ""
    if not set(run) <= set(names):
        return ""
    found = scene.model.activations(scene.inputs[:64], names[names.index(run[0]) : names.index(run[-1]) + 2])
    for name, outputs in found.items():
        before = name if name in run else before
        if not outputs.any():
            return before
    return ""


def _embeds(kinds: Mapping[str, str], name: str) -> bool:
    """Whether a layer is a table of vectors, of which few are read and whose size says nothing."""
    return kinds.get(name, "").startswith("Embedding")


def _vanishing(kinds: Mapping[str, str], weights: Layers, sums: _Sums) -> Iterator[Finding]:
    kernels = {name: [i for i, array in enumerate(arrays) if array.ndim > 1] for name, arrays in weights.items() if name in kinds or not kinds}
    sizes = {name: _rms([sums.mean(name)[i] for i in places]) for name, places in kernels.items() if places and not _embeds(kinds, name)}
    reached = {name: size for name, size in sizes.items() if size > 0 and np.isfinite(size)}
    if len(reached) < 2:
        return
    first, last = next(iter(reached)), list(reached)[-1]
    ratio = reached[first] / reached[last]
    if ratio < VANISHING:
        yield Finding(
            later("vanishing gradient"),
            first,
            later("In {layer} the gradient of a weight is {first} (RMS), in the last layer {last}: {times} times less, a factor of {each} a layer."),
            later(
                "The first layers hardly learn. Use activations that are not flat (ReLU and the like), weights set for them (He), normalisation, or shortcuts "
                "round layers; in a recurrent network LSTM or GRU."
            ),
            {"first": reached[first], "last": reached[last], "times": 1 / ratio, "each": ratio ** (-1 / (len(reached) - 1))},
            WARNING,
        )


def _exploding(details: Mapping[str, Mapping[str, Array]]) -> Iterator[Finding]:
    advice = later("Clip the gradient, lower the learning rate, set the weights smaller (He or Glorot), or normalise between layers.")
    endless = [name for name, found in details.items() if not np.isfinite(found["gradient_norm"])]
    if endless:
        text = later("The gradient of {layer} is infinite or no number, though the weights are finite; layers of which that is so: {count}.")
        yield Finding(later("exploding gradient"), endless[0], text, advice, {"count": len(endless)}, FAULT)
        return
    over = {name: float(found["gradient_norm"] / found["weight_norm"]) for name, found in details.items() if found["weight_norm"] > 0}
    large = [name for name, ratio in over.items() if ratio > EXPLODING]
    if large:
        worst = max(large, key=lambda name: over[name])
        yield Finding(
            later("exploding gradient"),
            worst,
            later("The gradient of {layer} is {ratio} times as long as its weights; layers where it is more than {most} times as long: {count}."),
            advice,
            {"ratio": over[worst], "count": len(large), "most": EXPLODING},
            WARNING,
        )
