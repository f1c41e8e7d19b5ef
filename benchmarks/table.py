"""Thirty columns: scikit-learn's breast cancer data and an MLP at two stages of its training, as plain NumPy and as weights for torch.

How hard its Shapley values are to sample depends on the stage and on the score: at the probability interactions are strong and grow with training, at the
logit the MLP is nearly linear.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from places import networks

Array = np.ndarray
STAGES = {"early": (4, (64, 64)), "late": (20, (64, 64)), "wide": (4, (512, 512))}
"""Epochs and hidden layers. "late": the held-out loss is lowest. "early": still at .96 of held-out rows right, and the peers err as much as where the bars were
set. "wide": thirty times as many multiplications an evaluation."""
BACKGROUND = 100
TRAINED = 400
BATCH = 32


@dataclass(frozen=True)
class Table:
    """Standardised columns: held-out rows to explain, the background, and what was trained on with its labels."""

    rows: Array
    background: Array
    trained: Array
    labels: Array


def table() -> Table:
    """Fixed for ever: the background is 100 of the rows that the MLPs were trained on."""
    from sklearn.datasets import load_breast_cancer

    inputs, labels = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(7).permutation(len(inputs))
    trained = inputs[order[:TRAINED]]
    scaled = ((inputs[order] - trained.mean(axis=0)) / trained.std(axis=0)).astype(np.float32)
    return Table(scaled[TRAINED:], scaled[:BACKGROUND], scaled[:TRAINED], labels[order[:TRAINED]])


def prepare() -> None:
    """Train the MLP (ReLU, Adam, cross-entropy) to each stage and write its weights."""
    import torch
    from torch import nn

    data = table()
    inputs, labels = torch.from_numpy(data.trained), torch.from_numpy(data.labels).float()
    for stage, (epochs, hidden) in STAGES.items():
        torch.manual_seed(0)
        sizes = (inputs.shape[1], *hidden, 1)
        linear = [nn.Linear(before, after) for before, after in itertools.pairwise(sizes)]
        network = nn.Sequential(*(part for layer in linear for part in (layer, nn.ReLU())))[:-1]
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        for _ in range(epochs):
            for rows in torch.randperm(TRAINED).split(BATCH):
                optimizer.zero_grad()
                nn.functional.binary_cross_entropy_with_logits(network(inputs[rows])[:, 0], labels[rows]).backward()
                optimizer.step()
        arrays = {}
        for i, layer in enumerate(linear):
            arrays |= {f"kernel_{i}": layer.weight.detach().numpy().T.copy(), f"bias_{i}": layer.bias.detach().numpy().copy()}
        np.savez(networks() / f"mlp_{stage}.npz", **arrays)


def weights(stage: str) -> list[tuple[Array, Array]]:
    """Kernel (before, after) and bias of each dense layer."""
    with np.load(networks() / f"mlp_{stage}.npz", allow_pickle=False) as stored:
        return [(stored[f"kernel_{i}"], stored[f"bias_{i}"]) for i in range(len(STAGES[stage][1]) + 1)]


@dataclass(frozen=True)
class Mlp:
    """The MLP in NumPy, a function from rows to (rows, 1): a black box for Pellucid and a fast model for its peers."""

    layers: list[tuple[Array, Array]]
    score: str = "probability"

    def __call__(self, x: Array) -> Array:
        x = np.asarray(x, dtype=np.float32)
        for kernel, bias in self.layers[:-1]:
            x = x @ kernel
            x += bias
            np.maximum(x, 0, out=x)
        kernel, bias = self.layers[-1]
        logit = x @ kernel + bias
        return logit if self.score == "logit" else 1 / (1 + np.exp(-logit))
