"""Where a network attends, and the shares with which it does: read from a softmax that gives them, or recomputed from queries, keys and values and held against
what the network makes of them. That check tells heads, scale and mask; what does not pass it is not shown."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pellucid.core.errors import PellucidError
from pellucid.core.model import Layer, Model
from pellucid.maths import attention

Array = np.ndarray
ROLES = (("query", "queries", "q", "wq"), ("key", "keys", "k", "wk"), ("value", "values", "v", "wv"))
FUSED = ("qkv", "wqkv")
FILLING = ("proj", "projection", "lin", "linear", "dense", "to", "self", "layer")
"""Words in names that say nothing of which attention it is."""
DENSE = ("Dense", "Linear", "EinsumDense", "Conv1D", "NonDynamicallyQuantizableLinear")
KERAS, TORCH, BARE = ("MultiHeadAttention", "GroupedQueryAttention", "GroupQueryAttention"), ("MultiheadAttention",), ("Attention",)
FOLLOWING = 8
"""How many layers after the values are looked at for the one that takes in what was attended."""
CLOSE, COARSE = 2e-3, 1e-2
"""How far a recomputed output may lie from the network's own, in parts of its root mean square; and where that is in bfloat16, which has eight bits."""
MASKED = -1e4
"""An added score below this hides a key."""
FLOOR = 1e-3
"""Errors, in parts of what is let pass, that are no more than rounding."""
Mask = tuple[Array | None, Array | None, str]
"""Which keys are hidden, what is added to the scores, and what is said of it."""


@dataclass(frozen=True)
class Source:
    """One attention: its name, how it is read ("shares", "keras", "torch", "bare", "parts" or "fused"), and the layers that it is made of."""

    name: str
    kind: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Read:
    """What was read of one attention: shares (samples, heads, queries, keys), and which keys any query sees (samples, keys); the layer `at` whose output's
    gradient tells that of the shares, with its kernel (heads, size, width) and the values, where they are known; `how` in words."""

    shares: Array
    how: str
    seen: Array
    at: str = ""
    kernel: Array | None = None
    value: Array | None = None

    def gradient(self, cotangent: Array) -> Array:
        """The gradient with respect to the shares, of that at the output of layer `at`."""
        if self.kernel is None or self.value is None:
            return cotangent.reshape(self.shares.shape).astype(np.float64)
        return attention.at_weights(cotangent.astype(np.float64), self.kernel, self.value)


@dataclass(frozen=True)
class Inside:
    """Queries, keys and values (samples, tokens, heads, size), with one head where their number is to be found; `made` turns what was attended into what the
    network makes of it, `wanted` is that, by the layer that it was seen at; `masks` are arrays that may hide keys."""

    query: Array
    key: Array
    value: Array
    heads: int | None
    wanted: Mapping[str, Array]
    made: Callable[[Array], Array] = lambda context: context.reshape(*context.shape[:2], -1)
    kernel: Array | None = None
    masks: Sequence[Array] = ()
    scales: tuple[float | None, ...] = (None, 1.0)
    known: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Way:
    """One way to read an attention: what is hidden, what is added, that in words, the scale (None for one over the root of a head's size), and the heads."""

    hidden: Array | None
    added: Array | None
    said: str
    scale: float | None
    count: int


# ---- which layers attend --------------------------------------------------------------------------------------------


def sources(model: Model) -> list[Source]:
    """Every attention of a network, in the order its layers are called, as far as kinds and names of layers tell."""
    table = model.layers()
    place = {layer.name: i for i, layer in enumerate(table)}
    found = [Source(layer.name, kind, (layer.name,)) for layer in table if (kind := _kind(layer)) and not (kind == "shares" and layer is table[-1])]
    taken = [place[source.name] for source in found if source.kind == "shares"]
    for group in _groups(table):
        last = max(place[name] for name in group.parts)
        if not any(last < at <= last + FOLLOWING for at in taken):  # its softmax is a layer of its own, and shows the shares as they are
            found.append(group)
    return sorted(found, key=lambda source: place[source.parts[0]])


def _kind(layer: Layer) -> str:
    for kind, names in (("keras", KERAS), ("torch", TORCH), ("bare", BARE)):
        if layer.kind in names:
            return "" if kind == "bare" and layer.shape is None else kind
    return "shares" if layer.kind == "Softmax" and layer.shape is not None and len(layer.shape) == 3 else ""


def _groups(table: Sequence[Layer]) -> list[Source]:
    """Layers of queries, keys and values that have the same name but for that word, and such as make all three at once."""
    by_stem: dict[tuple[str, ...], dict[int, str]] = {}
    found = []
    for layer in table:
        if layer.kind not in DENSE:
            continue
        words = _words(layer.name)
        if any(word in FUSED for word in words) or words[-2:] == ["c", "attn"]:
            found.append(Source(_called(layer.name, [word for word in words if word not in FUSED]), "fused", (layer.name,)))
        roles = [(role, i) for role, names in enumerate(ROLES) for i, word in enumerate(words) if word in names]
        if len(roles) == 1:
            role, i = roles[0]
            by_stem.setdefault((*words[:i], "*", *words[i + 1 :]), {})[role] = layer.name
    for stem, parts in by_stem.items():
        if set(parts) == {0, 1, 2}:
            found.append(Source(_called(parts[0], [word for word in stem if word != "*"]), "parts", (parts[0], parts[1], parts[2])))
    return found


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def _called(name: str, words: list[str]) -> str:
    """What is left of a layer's name when its role and what fills up are taken away: "blocks.0.attention.query" is "blocks.0.attention"."""
    kept = list(words)
    while kept and kept[-1] in FILLING:
        kept.pop()
    end = re.match("[^a-z0-9]*".join(map(re.escape, kept)), name.lower()) if kept else None
    return name[: end.end()] if end and end.end() else name


# ---- what they hold -------------------------------------------------------------------------------------------------


class Looked:
    """A network looked at with some inputs: what its layers are given and what they make of it, each read once."""

    def __init__(self, model: Model, inputs: Array, ahead: Sequence[Source] = ()) -> None:
        """What `ahead` will be read for is read together, which compiles once, where all of it can be."""
        self.model, self.inputs = model, inputs
        self.weights = model.weights() if model.has_weights else {}
        self._given: dict[str, tuple[Array, ...]] = {}
        self._made: dict[str, Array] = {}
        parts = [name for source in ahead for name in source.parts]
        into = [source.name for source in ahead if source.kind in ("keras", "torch", "bare")]
        follow = [layer.name for source in ahead if source.kind in ("parts", "fused") for layer in following(model, source)]
        with contextlib.suppress(PellucidError):
            self.made([*parts, *(name for name in follow if model.layer(name).kind in DENSE)])
        with contextlib.suppress(PellucidError):
            self._given |= model.layer_inputs(inputs, list(dict.fromkeys([*into, *follow])))

    def made(self, names: Sequence[str]) -> dict[str, Array]:
        """Layer → its output."""
        missing = [name for name in dict.fromkeys(names) if name not in self._made]
        if missing:
            self._made |= self.model.activations(self.inputs, missing)
        return {name: self._made[name] for name in names}

    def given(self, name: str) -> tuple[Array, ...]:
        """What a layer is given."""
        if name not in self._given:
            self._given |= self.model.layer_inputs(self.inputs, (name,))
        return self._given[name]

    def arrays(self, name: str) -> tuple[Array, ...]:
        """The same; nothing where it is not shown."""
        try:
            return self.given(name)
        except PellucidError:
            return ()


def following(model: Model, source: Source) -> Sequence[Layer]:
    """The layers after those of queries, keys and values, one of which takes in what was attended."""
    table = model.layers()
    last = max(i for i, layer in enumerate(table) if layer.name in source.parts)
    return table[last + 1 : last + 1 + FOLLOWING]


def read(looked: Looked, source: Source, heads: int | None = None) -> Read | str:
    """The shares of one attention, or why they cannot be told."""
    if source.kind == "shares":
        found = looked.made(source.parts)[source.name]
        alike = bool(np.allclose(found.sum(axis=-1), 1, atol=1e-2))
        seen = np.asarray((found > 0).any(axis=(1, 2)))
        return Read(found, f"{found.shape[1]} heads, as the network gives them", seen, source.name) if alike else "its rows do not add up to 1"
    try:
        inside = _INSIDE[source.kind](looked, source)
    except PellucidError as error:
        return str(error)
    if isinstance(inside, str):
        return inside
    return _fitted(inside, looked.inputs if looked.model.traits.tokens and looked.inputs.ndim == 2 else None, heads)


def _projected(x: Array, kernel: Array, bias: Array | None) -> Array:
    """x (samples, tokens, width) through kernel (width, heads, size)."""
    found: Array = np.einsum("ntw,whd->nthd", x.astype(np.float64), kernel, optimize=True)
    return found if bias is None else found + bias


def _of_keras(looked: Looked, source: Source) -> Inside | str:
    arrays = looked.weights.get(source.name, ())
    if len(arrays) not in (4, 8):
        return f"has {len(arrays)} arrays of weights, not those of queries, keys, values and outputs"
    kernels, biases = (arrays, [None] * 4) if len(arrays) == 4 else (arrays[::2], arrays[1::2])
    if any(kernel.ndim != 3 for kernel in kernels):
        return f"has kernels of the shapes {[kernel.shape for kernel in kernels]}, of which only those over one axis of tokens are served"
    given, masks = _given(looked, source.name)
    if given[0].ndim != 3:
        return f"is given {given[0].shape[1:]}, and only attention over one axis of tokens is served, (tokens, width)"
    query, value, key = given[0], given[min(1, len(given) - 1)], given[2] if len(given) > 2 else given[min(1, len(given) - 1)]
    parts = [_projected(x, kernels[i], biases[i]) for i, x in enumerate((query, key, value))]
    wanted = looked.made((source.name,))

    def made(context: Array) -> Array:
        found: Array = np.einsum("nqhd,hdw->nqw", context, kernels[3], optimize=True)
        return found if biases[3] is None else found + biases[3]

    return Inside(parts[0], parts[1], parts[2], parts[0].shape[2], wanted, made, kernels[3], masks, (None,))


def _of_torch(looked: Looked, source: Source) -> Inside | str:
    own, last = list(looked.weights.get(source.name, ())), looked.weights.get(f"{source.name}.out_proj", ())
    if not own or not last:
        return "its projections have no weights of their own"
    bias = own.pop() if own[-1].ndim == 1 else None
    kernels = np.split(own[0], 3) if len(own) == 1 else own
    if len(kernels) != 3:
        return f"has {len(own)} arrays of weights, not those of queries, keys and values"
    biases = [None] * 3 if bias is None else np.split(bias, 3)
    given, masks = _given(looked, source.name)
    given = [*given, *given[-1:] * 2][:3]
    parts = [_projected(x, kernel.T[:, None], added) for x, kernel, added in zip(given, kernels, biases, strict=True)]
    out, after = last[0].astype(np.float64), last[1] if len(last) > 1 else 0.0

    def made(context: Array) -> Array:
        found: Array = context.reshape(*context.shape[:2], -1) @ out.T + after
        return found

    return Inside(parts[0], parts[1], parts[2], None, looked.made((source.name,)), made, out.T[None], masks, (None,))


def _bare(looked: Looked, source: Source) -> Inside | str:
    given, masks = _given(looked, source.name)
    query, value, key = given[0], given[1], given[2] if len(given) > 2 else given[1]
    scale = [float(np.ravel(one)[0]) for one in looked.weights.get(source.name, ()) if one.size == 1]
    parts = [x.astype(np.float64)[:, :, None] for x in (query, key, value)]
    return Inside(parts[0], parts[1], parts[2], 1, looked.made((source.name,)), masks=masks, scales=(*scale, 1.0, None))


def _of_parts(looked: Looked, source: Source) -> Inside | str:
    found = looked.made(source.parts)
    arrays = [found[name].astype(np.float64) for name in source.parts]
    if source.kind == "fused":
        if arrays[0].ndim != 3 or arrays[0].shape[-1] % 3:
            return f"gives {arrays[0].shape[1:]}, which is not queries, keys and values side by side"
        arrays = np.split(arrays[0], 3, axis=-1)
    if any(array.ndim not in (3, 4) for array in arrays):
        return f"its queries, keys and values have the shapes {[array.shape[1:] for array in arrays]}, not (tokens, width)"
    heads = arrays[0].shape[2] if arrays[0].ndim == 4 else None
    whole = [array if array.ndim == 4 else array[:, :, None] for array in arrays]
    wanted, known = {}, {}
    for layer in following(looked.model, source):
        with_tokens = [array for array in looked.arrays(layer.name) if array.ndim >= 3 and array.shape[:2] == whole[0].shape[:2]]
        if with_tokens:
            wanted[layer.name] = with_tokens[0].reshape(*with_tokens[0].shape[:2], -1)
            if layer.kind in DENSE and layer.name in looked.weights:
                known[layer.name] = looked.weights[layer.name][0]
    if not wanted:
        return "no layer was found that takes in what it attends to"
    masks = [array for name in _around(source.parts[0]) for array in looked.arrays(name)]
    return Inside(whole[0], whole[1], whole[2], heads, wanted, masks=masks, known=_turned(looked, known, wanted))


def _turned(looked: Looked, kernels: Mapping[str, Array], given: Mapping[str, Array]) -> dict[str, Array]:
    """Kernels (width in, width out), whichever of its two axes a framework has first, as the layer's outputs tell."""
    found = {}
    for name, kernel in kernels.items():
        flat = kernel.reshape(-1, kernel.shape[-1]).astype(np.float64)
        output = looked.made((name,))[name][:1].reshape(1, given[name].shape[1], -1)
        x = given[name][:1].astype(np.float64)
        for one in (flat, flat.T):
            if one.shape == (x.shape[-1], output.shape[-1]):
                rest = output - x @ one  # the bias, the same at each token, where the kernel is the right way round
                if np.allclose(rest, rest[:, :1], atol=CLOSE * float(np.sqrt(np.square(output).mean()))) or kernel.ndim == 3:
                    found[name] = one
                    break
    return found


_INSIDE: Mapping[str, Callable[[Looked, Source], Inside | str]] = {
    "keras": _of_keras,
    "torch": _of_torch,
    "bare": _bare,
    "parts": _of_parts,
    "fused": _of_parts,
}


def _around(name: str) -> Iterator[str]:
    """The parts that a layer lies in, the nearest first, two at most: a mask is given to these."""
    for _ in range(2):
        name = name.rpartition(".")[0]
        if name:
            yield name


def _given(looked: Looked, name: str) -> tuple[list[Array], list[Array]]:
    """The tokens that a layer is given, and all else, which may be a mask."""
    arrays = looked.given(name)
    tokens = list(itertools.takewhile(lambda array: array.ndim == arrays[0].ndim and not _is_binary(array), arrays))[:3]
    return tokens, list(arrays[len(tokens) :])


def _is_binary(array: Array) -> bool:
    return array.dtype == bool or bool(np.isin(array, (0, 1)).all())


# ---- heads, scale and mask ------------------------------------------------------------------------------------------


def _fitted(inside: Inside, tokens: Array | None, heads: int | None) -> Read | str:
    """The reading by which the network's own output comes out best, the simplest of equals."""
    width = inside.query.shape[2] * inside.query.shape[3]
    if heads is not None and inside.heads is None and width % heads:
        return f"its queries are {width} numbers wide, which {heads} heads cannot share evenly"
    every = np.arange(len(inside.query))
    few = np.unique([0, int((tokens == 0).sum(axis=1).argmax())]) if tokens is not None else every[:2]
    masks, counts = list(_masks(inside, tokens)), _counts(inside, heads)
    candidates = [Way(*mask, scale, count) for mask, scale, count in itertools.product(masks, inside.scales, counts)]
    for rows in (few, every):  # what fits a few samples, whose masks may hide nothing, need not fit all
        errors = [_error(inside, rows, way)[1] for way in candidates]
        for way, error in zip(candidates, errors, strict=True):
            if error <= 2 * min(errors) + FLOOR:
                at, left = _error(inside, every, way)
                if left <= 1:
                    return _settled(inside, way, at)
    tried = f"{len(counts)} numbers of heads, {len(masks)} masks" if len(counts) > 1 else f"{len(masks)} masks"
    return f"softmax(q kᵀ) v does not give what the network makes of it ({tried} tried); it may add positions to its scores, or turn its queries"


def _settled(inside: Inside, way: Way, at: str) -> Read:
    count, hidden = way.count, way.hidden
    query, key, value = _by_heads(inside, slice(None), count)
    shares = attention.shares(query, key, _scale(way.scale, query), hidden, way.added)
    kernel = inside.kernel if inside.kernel is not None else inside.known.get(at)
    kernel = None if kernel is None else kernel.reshape(count, -1, kernel.shape[-1]).astype(np.float64)
    how = f"{count} head{'s' * (count != 1)}{way.said}"
    return Read(shares.astype(np.float32), how, _seen(shares, hidden), at if kernel is not None else "", kernel, value)


def _seen(shares: Array, hidden: Array | None) -> Array:
    """Which keys a query sees that sees any, (samples, keys); one that sees none looks at all alike, which means nothing."""
    if hidden is None:
        return np.ones((len(shares), shares.shape[-1]), bool)
    open_ = np.broadcast_to(~hidden, (len(shares), hidden.shape[1], *shares.shape[2:]))
    return np.asarray((open_ & open_.any(axis=-1, keepdims=True)).any(axis=(1, 2)))


def _counts(inside: Inside, heads: int | None) -> list[int]:
    """The numbers of heads that come into question; sizes of heads that are common first."""
    if heads is not None or inside.heads is not None:
        return [inside.heads or heads or 1]
    width, narrow = inside.query.shape[-1], inside.key.shape[-1]
    sizes = [size for size in range(1, width + 1) if width % size == 0 and narrow % size == 0]
    return [width // size for size in sorted(sizes, key=lambda size: (size not in (64, 32, 128, 16), size == 1, -size))]


def _by_heads(inside: Inside, rows: Array | slice, count: int) -> tuple[Array, Array, Array]:
    size = inside.query.shape[2] * inside.query.shape[3] // count
    query, key = (array[rows].reshape(*array[rows].shape[:2], -1, size) for array in (inside.query, inside.key))
    value = inside.value[rows]
    return query, key, value.reshape(*value.shape[:2], key.shape[2], -1)


def _scale(scale: float | None, query: Array) -> float:
    return float(query.shape[-1] ** -0.5) if scale is None else scale


def _error(inside: Inside, rows: Array, way: Way) -> tuple[str, float]:
    """The layer at which the network shows what is most like what comes out of this reading, and how far it lies from it: 1 is as far as is let pass."""
    query, key, value = _by_heads(inside, rows, way.count)
    nearest = ("", np.inf)
    if query.shape[2] % key.shape[2]:
        return nearest
    shares = attention.shares(query, key, _scale(way.scale, query), _taken(way.hidden, rows), _taken(way.added, rows))
    found = inside.made(attention.attended(shares, value))
    for name, wanted in inside.wanted.items():
        own = wanted[rows].astype(np.float64)
        seen = np.asarray(np.isfinite(own).all(axis=-1) & _sighted(way.hidden, rows, own.shape[:2]))
        if own.shape == found.shape and seen.any():
            apart, reach = found[seen] - own[seen], float(np.sqrt(np.square(own[seen]).mean())) or 1.0
            error = max(float(np.sqrt(np.square(apart).mean())), float(np.abs(apart).max()) / 10) / ((COARSE if _is_coarse(wanted) else CLOSE) * reach)
            nearest = min(nearest, (name, error), key=lambda one: one[1])
    return nearest


def _is_coarse(array: Array) -> bool:
    """Whether an array holds nothing but numbers of bfloat16: in single precision their lower half is zero."""
    return array.dtype.name == "bfloat16" or (array.dtype == np.float32 and not (np.ascontiguousarray(array).view(np.uint32) & 0xFFFF).any())


def _sighted(hidden: Array | None, rows: Array, shape: tuple[int, ...]) -> Array:
    """Which queries see a key, (samples, queries)."""
    return np.ones(shape, bool) if hidden is None else np.broadcast_to((~hidden).any(axis=(1, 3)), (len(hidden), shape[1]))[rows if len(hidden) > 1 else [0]]


def _taken(array: Array | None, rows: Array) -> Array | None:
    return None if array is None else array[rows] if len(array) > 1 else array


def _masks(inside: Inside, tokens: Array | None) -> Iterator[Mask]:
    """What may hide keys: (hidden, added, in words), nothing first."""
    samples, queries, keys = len(inside.query), inside.query.shape[1], inside.key.shape[1]
    later = np.triu(np.ones((queries, keys), bool), 1)[None, None] if queries == keys else None
    found: list[Mask] = [(None, None, "")]
    if tokens is not None and tokens.shape[1] == keys and (tokens == 0).any():
        found.append(((tokens == 0)[:, None, None], None, ", padding hidden"))
    for mask in {(mask.shape, mask.tobytes()): mask for mask in map(np.asarray, inside.masks)}.values():
        wide = _widened(mask, samples, queries, keys)
        if wide is not None:
            single = _meanings(wide)
            found += [*single, *(both for first, second in itertools.product(found[1:], single) if (both := _together(first, second)))]
    if queries == keys:  # Keras hides from queries of padding all that there is
        found += [(hidden | hidden.swapaxes(-1, -2), added, said) for hidden, added, said in found if hidden is not None and hidden.shape[-2] == 1]
    for hidden, added, said in found:
        yield hidden, added, said
    if later is not None:
        for hidden, added, said in found:
            yield later if hidden is None else later | hidden, added, said + ", later tokens hidden"


def _together(first: Mask, second: Mask) -> Mask | None:
    """Two masks that hide, as one."""
    (one, added, said), (two, more, _) = first, second
    return None if one is None or two is None or more is not None else (one | two, added, said)


def _meanings(mask: Array) -> list[Mask]:
    """What a mask may mean: true for what is seen, or for what is hidden, or scores to add."""
    if _is_binary(mask):
        return [(mask == 0, None, ", masked"), (mask != 0, None, ", masked")]
    low = mask < MASKED
    return [(low if low.any() else None, np.where(low, 0, mask) if (mask[~low] != 0).any() else None, ", masked")]


def _widened(mask: Array, samples: int, queries: int, keys: int) -> Array | None:
    """A mask as it broadcasts to (samples, heads, queries, keys); None where it cannot be one."""
    if mask.ndim == 2 and mask.shape == (samples, keys):
        return mask[:, None, None]
    if mask.ndim == 2 and mask.shape == (queries, keys):
        return mask[None, None]
    if mask.ndim == 3 and mask.shape[0] in (1, samples) and mask.shape[1] in (1, queries) and mask.shape[2] == keys:
        return mask[:, None]
    if mask.ndim == 4 and mask.shape[0] in (1, samples) and mask.shape[2] in (1, queries) and mask.shape[3] == keys:
        return mask
    return None
