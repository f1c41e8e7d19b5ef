"""One small PyTorch network of each architecture, with random biases, as people write them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Written(nn.Module):
    """Parts by name, and how they are put together."""

    def __init__(self, run: Callable[[Any, Any], Any], **parts: Any) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Any) -> Any:
        return self.run(self, x)


def sequential() -> Any:
    return nn.Sequential(OrderedDict(first=nn.Linear(6, 8), tanh=nn.Tanh(), second=nn.Linear(8, 3), softmax=nn.Softmax(dim=1)))


def nested() -> Any:
    inner = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Tanh()))
    return nn.Sequential(OrderedDict(body=inner, head=nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))))


def used_twice() -> Any:
    return Written(lambda net, x: net.out(torch.tanh(net.shared(torch.tanh(net.shared(x))))), shared=nn.Linear(6, 6), out=nn.Linear(6, 3))


def recurrent(kind: str, **options: Any) -> Any:
    """The last step of a recurrent layer, by its sequence."""
    layer = getattr(nn, kind)(3, 5, batch_first=True, **options)
    width = 10 if options.get("bidirectional") else 5
    return Written(lambda net, x: net.out(net.recurrent(x)[0][:, -1]), recurrent=layer, out=nn.Linear(width, 3))


def last_state() -> Any:
    """As most write it: the last hidden state, not the sequence."""
    return Written(lambda net, x: net.out(net.lstm(x)[1][0][-1]), lstm=nn.LSTM(3, 5, batch_first=True), out=nn.Linear(5, 3))


def cells() -> Any:
    def run(net: Any, x: Any) -> Any:
        state = x.new_zeros(len(x), 5)
        for step in range(x.shape[1]):
            state = net.cell(x[:, step], state)
        return net.out(state)

    return Written(run, cell=nn.GRUCell(3, 5), out=nn.Linear(5, 3))


def packed() -> Any:
    """Padded with 0, packed to its length."""

    def run(net: Any, x: Any) -> Any:
        lengths = (x != 0).any(dim=-1).sum(dim=1).clamp(min=1).cpu()
        sequence = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, (state, _) = net.lstm(sequence)
        return net.out(state[-1])

    return Written(run, lstm=nn.LSTM(3, 5, batch_first=True), out=nn.Linear(5, 3))


def embedding() -> Any:
    return Written(lambda net, x: net.out(torch.tanh(net.embedding(x)).mean(dim=1)), embedding=nn.Embedding(20, 6, padding_idx=0), out=nn.Linear(6, 3))


def masked_tokens() -> Any:
    """The mean over what is not padding."""

    def run(net: Any, x: Any) -> Any:
        mask = (x != 0).float()[..., None]
        steps, _ = net.gru(net.embedding(x))
        return net.out((steps * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1))

    return Written(run, embedding=nn.Embedding(20, 4, padding_idx=0), gru=nn.GRU(4, 5, batch_first=True), out=nn.Linear(5, 3))


def bag() -> Any:
    return Written(lambda net, x: net.out(torch.tanh(net.bag(x))), bag=nn.EmbeddingBag(20, 6), out=nn.Linear(6, 3))


def convolution(dimensions: int) -> Any:
    conv, pool = getattr(nn, f"Conv{dimensions}d"), getattr(nn, f"AdaptiveAvgPool{dimensions}d")
    return nn.Sequential(OrderedDict(conv=conv(2, 4, 3), tanh=nn.Tanh(), pool=pool(2), flat=nn.Flatten(), out=nn.Linear(4 * 2**dimensions, 3)))


def depthwise() -> Any:
    parts = {"depth": nn.Conv2d(2, 4, 3, groups=2), "act": nn.SiLU(), "point": nn.Conv2d(4, 5, 1), "pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten()}
    return nn.Sequential(OrderedDict(parts, out=nn.Linear(5, 3)))


def transposed() -> Any:
    parts = {"down": nn.Conv2d(2, 4, 3, stride=2), "act": nn.Tanh(), "up": nn.ConvTranspose2d(4, 3, 3, stride=2), "pool": nn.AdaptiveAvgPool2d(2)}
    return nn.Sequential(OrderedDict(parts, flat=nn.Flatten(), out=nn.Linear(12, 3)))


def normalised() -> Any:
    """BatchNorm with statistics of its own, and dropout, as left by training."""
    norm = nn.BatchNorm2d(4)
    norm.running_mean, norm.running_var = torch.randn(4), torch.rand(4) + 0.5
    parts = {"conv": nn.Conv2d(2, 4, 3), "norm": norm, "relu": nn.ReLU(), "drop": nn.Dropout(0.5), "flat": nn.Flatten()}
    return nn.Sequential(OrderedDict(parts, out=nn.Linear(4 * 36, 3))).train()


def residual() -> Any:
    def run(net: Any, x: Any) -> Any:
        x = functional.relu(net.stem(x))
        return net.out((x + net.second(functional.relu(net.first(x)))).mean(dim=(2, 3)))

    parts = {"stem": nn.Conv2d(2, 4, 3), "first": nn.Conv2d(4, 4, 3, padding=1), "second": nn.Conv2d(4, 4, 3, padding=1)}
    return Written(run, **parts, out=nn.Linear(4, 3))


def in_place() -> Any:
    parts = {"conv": nn.Conv2d(2, 4, 3), "relu": nn.ReLU(inplace=True), "more": nn.Conv2d(4, 4, 3), "last": nn.LeakyReLU(0.1, inplace=True)}
    return nn.Sequential(OrderedDict(parts, flat=nn.Flatten(), out=nn.Linear(4 * 16, 3)))


def functional_activations() -> Any:
    def run(net: Any, x: Any) -> Any:
        x = functional.gelu(net.first(x))
        x = functional.layer_norm(x, x.shape[1:])
        return functional.softmax(net.out(functional.elu(x)), dim=-1)

    return Written(run, first=nn.Linear(6, 8), out=nn.Linear(8, 3))


def attention() -> Any:
    def run(net: Any, x: Any) -> Any:
        mixed, _ = net.attention(x, x, x, need_weights=False)
        return net.out((x + mixed).mean(dim=1))

    return Written(run, attention=nn.MultiheadAttention(6, 2, batch_first=True), out=nn.Linear(6, 3))


def encoder(**options: Any) -> Any:
    layer = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True, **options)
    stack = nn.TransformerEncoder(layer, 2, enable_nested_tensor=not options.get("norm_first", False))
    return Written(lambda net, x: net.out(net.encoder(x).mean(dim=1)), encoder=stack, out=nn.Linear(6, 3))


def token_encoder() -> Any:
    """Tokens and places embedded, padding masked, as in BERT."""

    def run(net: Any, x: Any) -> Any:
        places = torch.arange(x.shape[1], device=x.device)[None]
        hidden = net.norm(net.tokens(x) + net.places(places))
        hidden = net.encoder(hidden, src_key_padding_mask=x == 0)
        return net.out(hidden[:, 0])

    layer = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True)
    parts = {"tokens": nn.Embedding(20, 6, padding_idx=0), "places": nn.Embedding(8, 6), "norm": nn.LayerNorm(6)}
    return Written(run, **parts, encoder=nn.TransformerEncoder(layer, 1, enable_nested_tensor=False), out=nn.Linear(6, 3))


def vision_transformer() -> Any:
    def run(net: Any, x: Any) -> Any:
        patches = net.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([net.first.expand(len(x), -1, -1), patches], dim=1) + net.places
        return net.out(net.norm(net.encoder(x))[:, 0])

    layer = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True, norm_first=True, activation="gelu")
    parts = {"patches": nn.Conv2d(2, 6, 4, stride=4), "encoder": nn.TransformerEncoder(layer, 1, enable_nested_tensor=False), "norm": nn.LayerNorm(6)}
    net = Written(run, **parts, out=nn.Linear(6, 3))
    net.first, net.places = nn.Parameter(torch.randn(1, 1, 6)), nn.Parameter(torch.randn(1, 5, 6))
    return net


def ending(outputs: int, *last: Any) -> Any:
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, outputs), *last)


def segmentation(*last: Any) -> Any:
    return nn.Sequential(
        OrderedDict(conv=nn.Conv2d(2, 4, 3, padding=1), act=nn.Tanh(), out=nn.Conv2d(4, 3, 1), **{f"end{i}": part for i, part in enumerate(last)})
    )


def per_step() -> Any:
    return Written(
        lambda net, x: torch.softmax(net.out(net.lstm(x)[0]), dim=-1), lstm=nn.LSTM(3, 5, batch_first=True, bidirectional=True), out=nn.Linear(10, 4)
    )


def per_step_channels_first() -> Any:
    """Classes before steps, as the cross-entropy of PyTorch wants them."""
    return nn.Sequential(OrderedDict(conv=nn.Conv1d(3, 4, 3, padding=1), act=nn.Tanh(), out=nn.Conv1d(4, 5, 1), end=nn.LogSoftmax(dim=1)))


def autoencoder() -> Any:
    parts = {"down": nn.Conv2d(1, 4, 3, stride=2, padding=1), "act": nn.Tanh(), "up": nn.ConvTranspose2d(4, 1, 3, stride=2, padding=1, output_padding=1)}
    return nn.Sequential(OrderedDict(parts, end=nn.Sigmoid()))


def half(dtype: Any) -> Any:
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).to(dtype)


def autocast() -> Any:
    """Float32 weights, the work in bfloat16."""

    def run(net: Any, x: Any) -> Any:
        with torch.autocast(x.device.type, dtype=torch.bfloat16):
            x = net.out(torch.tanh(net.first(x)))
        return torch.softmax(x.float(), dim=1)

    return Written(run, first=nn.Linear(6, 8), out=nn.Linear(8, 3))


def one_at_a_time() -> Any:
    """Takes one sample at a time, as exported networks may."""
    return Written(lambda net, x: net.out(torch.tanh(net.first(x)).reshape(1, 8)), first=nn.Linear(6, 8), out=nn.Linear(8, 3))


def two_outputs() -> Any:
    def run(net: Any, x: Any) -> Any:
        x = torch.tanh(net.body(x))
        return {"kind": torch.softmax(net.kind(x), dim=1), "size": net.size(x)}

    return Written(run, body=nn.Linear(6, 8), kind=nn.Linear(8, 3), size=nn.Linear(8, 1))


NETWORKS: dict[str, Callable[[], Any]] = {
    "sequential": sequential,
    "nested": nested,
    "used twice": used_twice,
    "several outputs": two_outputs,
    "embedding": embedding,
    "embedding bag": bag,
    "masked tokens": masked_tokens,
    "lstm": lambda: recurrent("LSTM"),
    "gru": lambda: recurrent("GRU"),
    "bidirectional": lambda: recurrent("LSTM", bidirectional=True),
    "stacked": lambda: recurrent("GRU", num_layers=2),
    "last state": last_state,
    "cells": cells,
    "padded": packed,
    "conv1d": lambda: convolution(1),
    "conv2d": lambda: convolution(2),
    "conv3d": lambda: convolution(3),
    "depthwise": depthwise,
    "transposed": transposed,
    "normalised": normalised,
    "residual": residual,
    "in place": in_place,
    "functional activations": functional_activations,
    "attention": attention,
    "encoder": lambda: encoder(),
    "encoder, normalised first": lambda: encoder(norm_first=True, activation="gelu"),
    "token encoder": token_encoder,
    "vision transformer": vision_transformer,
    "regression": lambda: ending(1),
    "several numbers": lambda: ending(4),
    "binary": lambda: ending(1, nn.Sigmoid()),
    "multi-label": lambda: ending(4, nn.Sigmoid()),
    "logarithms": lambda: ending(4, nn.LogSoftmax(dim=1)),
    "segmentation": lambda: segmentation(nn.Softmax(dim=1)),
    "segmentation of logits": lambda: segmentation(nn.Upsample(scale_factor=2, mode="bilinear")),
    "class per step": per_step,
    "class per step, classes first": per_step_channels_first,
    "autoencoder": autoencoder,
    "float16": lambda: half(torch.float16),
    "bfloat16": lambda: half(torch.bfloat16),
    "float64": lambda: half(torch.float64),
    "autocast": autocast,
    "batch of one": one_at_a_time,
}


def build(name: str) -> Any:
    """The network, the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(len(name))
        return NETWORKS[name]()


def bare(network: Any, inputs: Any, output: str = "") -> Any:
    """What the network itself returns, sample by sample."""
    training = [part for part in network.modules() if part.training]
    with torch.no_grad():
        found = torch.cat([read(network.eval(), inputs[i : i + 1], output) for i in range(len(inputs))])
    for part in training:
        part.training = True
    return found.float().numpy() if found.dtype != torch.float64 else found.numpy()


def read(network: Any, inputs: Any, output: str) -> Any:
    kind = next(parameter.dtype for parameter in network.parameters())
    x = inputs if isinstance(inputs, torch.Tensor) else torch.tensor(inputs)
    x = x.long() if reads_tokens(network) else x.to(kind)
    found = network(x)
    return found[output] if output else found


def reads_tokens(network: Any) -> bool:
    return any(isinstance(part, (nn.Embedding, nn.EmbeddingBag)) for part in network.modules())


def slopes(network: Any, inputs: Any, weights: Any, output: str = "") -> Any:
    """The gradient of the weighted sum of what the network returns, by torch alone, sample by sample."""
    training = [part for part in network.modules() if part.training]
    network.eval()
    found = []
    for i in range(len(inputs)):
        x = torch.tensor(inputs[i : i + 1]).to(next(network.parameters()).dtype).requires_grad_()
        (read(network, x, output).reshape(1, -1).float() * torch.tensor(weights[i : i + 1]).reshape(1, -1)).sum().backward()
        found.append(x.grad.float())
    for part in training:
        part.training = True
    network.zero_grad(set_to_none=True)
    return torch.cat(found).numpy()


def snapshot(network: Any) -> list[Any]:
    """Everything of a network that must be as it was."""
    state = [value.clone() for value in network.state_dict().values()]
    hooks = [(len(part._forward_hooks), len(part._forward_pre_hooks), len(part._backward_hooks)) for part in network.modules()]
    return [state, hooks, [part.training for part in network.modules()], [p.requires_grad for p in network.parameters()], torch.get_rng_state()]


def unchanged(before: list[Any], after: list[Any]) -> bool:
    same = all(torch.equal(a, b) for a, b in zip(before[0], after[0], strict=True)) and torch.equal(before[4], after[4])
    return same and before[1:4] == after[1:4]
