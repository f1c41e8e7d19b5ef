"""Attention: which tokens or image patches each head looks at, and what adds up over the layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any, ClassVar

import numpy as np

from pellucid.core.errors import PellucidError, SettingError, UnknownLayerError, UnsupportedError, unknown
from pellucid.core.language import later
from pellucid.core.model import Model
from pellucid.core.scene import Scene, Shown, ViewMethod
from pellucid.core.target import Target, resolve_score, resolve_target
from pellucid.core.view import NOTE, WARNING, Finding
from pellucid.maths import attention as maths
from pellucid.views import _attention
from pellucid.views._attention import Read, Source

Array = np.ndarray
NETWORK = "network"
"""The subject of what all layers make together."""
MAINLY = 0.5
"""The mean share from which a head is said to look mainly somewhere."""
ALIKE = 0.99
"""The entropy, in parts of the most that is possible, from which a head is said to look everywhere alike."""

BEFORE = (0, 1, 2, 5)
"""How many tokens may stand before those of patches: a class token, one of distillation, four registers."""


@dataclass(frozen=True)
class Attention(ViewMethod):
    """How much each head of each attention layer looks from every token at every other, and what that adds up to over the layers.

    Use it to see whether heads read neighbours, separators or content, whether a mask does what it should, and where a transformer has its view of an image
    from. Served are Keras's MultiHeadAttention, GroupQueryAttention and Attention, PyTorch's nn.MultiheadAttention (also within TransformerEncoder), a
    softmax over keys that is a layer of its own, and attention written out as layers called query, key and value (or q_proj, …, or qkv in one). Shares are
    recomputed from what these layers are given and shown only where they give what the network itself makes of them, which also tells heads and masks.

    Rollout (Abnar & Zuidema 2020) multiplies Â = (1 − residual) · mean over heads of A + residual · I over the layers. Gradient-weighted rollout (Chefer et al.
    2021, arXiv:2103.15679) sums R ← R + Ā R, Ā = mean over heads of (∂s/∂A · A)⁺, for the score s of `target`. Both are read at the tokens that the network
    reads after its last attention, which its gradient shows: a class token, or the mean of all.

    heads: their number, where layers are written out and it is to be this one. target: a class by number or name, "predicted" by default.
    residual: the share of each layer that goes past its attention.
    Shapes: per layer (samples, heads, queries, keys), rows add up to 1. Of "network", where all layers have the same tokens: (samples, queries, keys), the
    rollout; `details["network"]`: "rollout" and "relevance" (samples, tokens), the first adding up to 1, the second in the score's unit without a sign, and
    "read" (samples, tokens), the weights with which tokens are read, and "seen", 1 for tokens that are no padding.
    Does not say what the output depends on: attention is not importance, and other shares can give the same output (Jain & Wallace 2019, arXiv:1902.10186).
    For that take an explanation, such as `integrated_gradients` or `shap`.

    >>> import numpy as np
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> from pellucid.views.attention import Attention
    >>> Attention.refuses(NumpyModel([Dense(np.eye(2), np.zeros(2))], (2,)))
    'needs attention layers; this network shows none'
    """

    heads: int | None = None
    target: Any = "predicted"
    residual: float = 0.5

    title: ClassVar[str] = "Attention"
    answers: ClassVar[str] = "Which tokens or image patches does each head look at?"
    citation: ClassVar[str] = "Abnar & Zuidema 2020, arXiv:2005.00928; Chefer, Gur & Wolf 2021, arXiv:2103.15679"

    def __post_init__(self) -> None:
        if not 0 <= self.residual <= 1:
            raise SettingError(f"residual={self.residual} must be a share from 0 to 1.")
        if self.heads is not None and self.heads < 1:
            raise SettingError(f"heads={self.heads} must be at least 1.")

    @classmethod
    def refuses(cls, model: Model) -> str:
        return super().refuses(model) or ("" if _attention.sources(model) else "needs attention layers; this network shows none")

    def show(self, scene: Scene) -> Shown:
        found, failed = self._read(scene, _chosen(scene))
        if not found:
            told = "; ".join(f"'{name}': {why}" for name, why in failed.items())
            advice = "Its heads can be given: heads=…." if self.heads is None else "Leave heads= out to have them found."
            raise UnsupportedError(f"no attention of this network can be told: {told}. {advice}")
        values = {name: one.shares for name, one in found.items()}
        axes: dict[str, tuple[str, ...]] = dict.fromkeys(values, ("sample", "head", "query", "key"))
        resolved: dict[str, Any] = {f"attention of {name}": one.how for name, one in found.items()}
        findings = [finding for name, one in found.items() for finding in _patterns(name, one)] + [_unread(name, why) for name, why in failed.items()]
        details: dict[str, dict[str, Array]] = {}
        if len({one.shares.shape[-2:] for one in found.values()}) == 1 and values[next(iter(values))].shape[-2] == values[next(iter(values))].shape[-1]:
            values[NETWORK], details[NETWORK], more = self._together(scene, found)
            axes[NETWORK] = ("sample", "query", "key")
            resolved |= more
        else:
            resolved["rollout"] = "none: the layers do not all attend among the same tokens"
        resolved |= patches(scene.inputs.shape[1:], next(iter(found.values())).shares.shape[-1], scene.model.traits.channels)
        of_tokens = {name: ("sample", "token") for of_all in details.values() for name in of_all}
        return Shown(values, axes, resolved, details, of_tokens, findings)

    def _read(self, scene: Scene, chosen: list[Source]) -> tuple[dict[str, Read], dict[str, str]]:
        """What could be read, and why the rest could not."""
        found, failed, looked = {}, {}, _attention.Looked(scene.model, scene.inputs, chosen)
        for i, source in enumerate(chosen):
            one = _attention.read(looked, source, self.heads)
            if isinstance(one, str):
                failed[source.name] = one
            else:
                found[source.name] = one
            scene.progress((i + 1) / (len(chosen) + 1))
        return found, failed

    def _together(self, scene: Scene, found: Mapping[str, Read]) -> tuple[Array, dict[str, Array], dict[str, Any]]:
        """The rollout (samples, queries, keys), what is read of it and of the gradient-weighted one, and what is to be said."""
        shares = [one.shares for one in found.values()]
        whole = maths.rollout(shares, self.residual)
        try:
            target = self._target(scene)
            gradients = _gradients(scene, found, target)
        except PellucidError as error:
            if self.target != "predicted":
                raise
            gradients = str(error)
        seen = list(found.values())[-1].seen
        if isinstance(gradients, str):
            return (
                whole,
                {"rollout": _at(whole, seen), "read": _even(seen), "seen": seen.astype(np.uint8)},
                {"relevance": f"none: {gradients}", "read at": "the mean of all tokens"},
            )
        read = np.abs(gradients[-1]).sum(axis=(1, 3))
        read = (read > 1e-6 * read.max(axis=1, keepdims=True)) & seen
        read = np.where(read.any(axis=1, keepdims=True), read, seen)
        relevance = maths.gradient_rollout(shares, gradients)
        counts = read.sum(axis=1)
        said = "one token" if (counts == 1).all() else "the mean of all tokens" if (read == seen).all() else "the mean of the tokens that are read"
        details = {"rollout": _at(whole, read), "relevance": _at(relevance, read), "read": _even(read), "seen": seen.astype(np.uint8)}
        return whole, details, {"read at": said, "target": list(target.labels)}

    def _target(self, scene: Scene) -> Target:
        traits = scene.model.traits
        score = resolve_score(None, traits.head)
        names = scene.class_names or None
        outputs = scene.model.predict(scene.inputs, logits=score == "logit")
        return resolve_target(self.target, score, outputs, names, head=traits.head, class_axis=traits.class_axis)


def _chosen(scene: Scene) -> list[Source]:
    """The attentions that were asked for, each by its own name or by that of a layer that it is made of; all where none was."""
    every = _attention.sources(scene.model)
    if scene.layers is None:
        return every
    found = []
    for name in scene.layers:
        source = next((one for one in every if name == one.name or name in one.parts), None)
        if source is None:
            raise UnknownLayerError(unknown("attention layer", name, [one.name for one in every]))
        found.append(source)
    return [source for source in every if source in found]


def _gradients(scene: Scene, found: Mapping[str, Read], target: Target) -> list[Array] | str:
    """The gradient of the target's score with respect to each layer's shares, or why there is none."""
    blind = [name for name, one in found.items() if not one.at]
    if blind:
        return f"the layer that takes in what '{blind[0]}' attends to is not known"
    if not scene.model.traits.gradients:
        return f"{scene.model.traits.framework} gives no gradients"
    cotangents = scene.model.gradients(scene.inputs, target, [one.at for one in found.values()]).gradients
    return [one.gradient(cotangents[one.at]) for one in found.values()]


def _even(chosen: Array) -> Array:
    return np.asarray(chosen / chosen.sum(axis=1, keepdims=True))


def _at(pairs: Array, chosen: Array) -> Array:
    """The mean of the rows of the chosen tokens, (samples, keys)."""
    found: Array = np.einsum("nq,nqk->nk", _even(chosen), pairs)
    return found


def patches(shape: tuple[int, ...], tokens: int, channels: str) -> dict[str, Any]:
    """How tokens lie over an image, where they can: the grid of patches, after as many tokens that stand for none. Patches are as near to squares as can be.

    >>> patches((32, 32, 3), 17, "last")
    {'patches': [4, 4], 'tokens before the patches': 1}
    """
    if len(shape) != 3:
        return {}
    height, width = shape[1:] if channels == "first" else shape[:2]
    for before in BEFORE:
        count = max(tokens - before, 0)
        for rows in (isqrt(count * height // width), isqrt(count * height // width) + 1):
            if rows and count % rows == 0 and rows * width == count // rows * height:
                return {"patches": [rows, count // rows], "tokens before the patches": before}
    return {}


# ---- what heads do --------------------------------------------------------------------------------------------------


def _patterns(name: str, read: Read) -> list[Finding]:
    """Heads that look mainly at one token, at a neighbour, at themselves, or everywhere alike."""
    shares, seen = read.shares.astype(np.float64), read.seen
    if shares.shape[-1] < 3 or shares.shape[-2] != shares.shape[-1]:
        return []
    rows = seen[:, None, :].astype(float)  # queries that count
    each = rows.sum(axis=-1)
    sinks = _sinks(shares, rows)
    places = {offset: _next_to(shares, seen, offset) for offset in (-1, 0, 1)}
    visible = np.maximum((shares > 0).sum(axis=-1), 2)
    spread = -(shares * np.log(np.maximum(shares, 1e-30))).sum(axis=-1) / np.log(visible)
    spread = ((spread * rows).sum(axis=-1) / np.maximum(each, 1)).mean(axis=0)
    found = [
        _told(name, "attention sink", sinks * (spread < ALIKE), SINK),
        _told(name, "previous-token head", places[-1], PREVIOUS),
        _told(name, "next-token head", places[1], FOLLOWING),
        _told(name, "self head", places[0], SELF),
        _told(name, "uniform heads", spread, UNIFORM, ALIKE),
    ]
    return [finding for finding in found if finding is not None]


def _sinks(shares: Array, rows: Array) -> Array:
    """By head, the share that the one key which all look at most has on average, not counting its own look at itself."""
    others = shares * (1 - np.eye(shares.shape[-1])) * rows[..., None]
    counts = rows[:, 0].sum(axis=-1)[:, None, None] - rows
    into = others.sum(axis=2) / np.maximum(counts, 1)
    found: Array = into.max(axis=-1).mean(axis=0)
    return found


def _next_to(shares: Array, seen: Array, offset: int) -> Array:
    """By head, the mean share of the key `offset` places on, over queries for which it is there to be seen."""
    tokens = shares.shape[-1]
    queries = np.arange(max(0, -offset), tokens - max(0, offset))
    there = (seen[:, queries] & seen[:, queries + offset])[:, None].astype(float)
    along = shares[:, :, queries, queries + offset] * there
    found: Array = (along.sum(axis=-1) / np.maximum(there.sum(axis=-1), 1)).mean(axis=0)
    return found


SINK = later("{count} of {heads} heads of {layer} look mainly at one token, whichever token looks; head {head} gives it {share} on average.")
PREVIOUS = later("{count} of {heads} heads of {layer} look mainly at the previous token; head {head} gives it {share}.")
FOLLOWING = later("{count} of {heads} heads of {layer} look mainly at the next token; head {head} gives it {share}.")
SELF = later("{count} of {heads} heads of {layer} look mainly from each token at itself; head {head} gives it {share}.")
UNIFORM = later("{count} of {heads} heads of {layer} look at all tokens nearly alike; the entropy of head {head} is {share} of the most possible.")
ADVICE: Mapping[str, str] = {
    "attention sink": later(
        "Such a token is often one to rest on, such as the first or a separator, and its share says little of its meaning; take an explanation for that."
    ),
    "uniform heads": later("They average over the tokens. In a network that is not trained, or trained too little, all heads do."),
}


def _told(layer: str, code: str, shares: Array, text: str, least: float = MAINLY) -> Finding | None:
    """A finding of the heads whose share is at least so large; none where there are none."""
    count = int((shares >= least).sum())
    if not count:
        return None
    head = int(shares.argmax())
    return Finding(code, layer, text, ADVICE.get(code, ""), {"count": count, "heads": len(shares), "head": head, "share": float(shares[head])}, NOTE)


def _unread(layer: str, why: str) -> Finding:
    text = later("The attention of {layer} is not shown: what is recomputed from its queries, keys and values is not what the network makes of them.")
    advice = later("It may add positions to its scores or turn its queries, or have other heads than are tried; a softmax layer of its own would show it.")
    return Finding("attention not shown", layer, text, advice, {}, WARNING)
