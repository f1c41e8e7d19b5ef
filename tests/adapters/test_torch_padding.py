"""nn.TransformerEncoder as it comes, with sequences of different lengths: it lays them end to end where no gradient is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters import adapt
from pellucid.core.target import Target

torch = pytest.importorskip("torch")
nn = torch.nn

FLOAT32 = 1e-5
pytestmark = pytest.mark.once


class Encoder(nn.Module):
    """Tokens, 0 for padding, to two classes, by the mean over what is no padding."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.tokens, self.places = nn.Embedding(50, 16, padding_idx=0), nn.Parameter(0.3 * torch.randn(1, 12, 16))
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 2)
        self.head = nn.Linear(16, 2)

    def forward(self, tokens: Any) -> Any:
        hidden = self.encoder(self.tokens(tokens) + self.places, src_key_padding_mask=tokens == 0)
        there = (tokens != 0)[..., None].float()
        return self.head((hidden * there).sum(dim=1) / there.sum(dim=1))


@pytest.fixture(scope="module")
def tokens() -> np.ndarray:
    found = np.random.default_rng(0).integers(1, 50, (4, 12))
    found[0, 7:] = found[1, 4:] = 0
    return found


def test_layers_of_padded_sequences_are_read(tokens: np.ndarray) -> None:
    module = Encoder().eval()
    model = adapt(module)
    found = model.activations(tokens, ["encoder.layers.0.norm2", "encoder.layers.1.norm2"])
    hidden = module.tokens(torch.tensor(tokens)) + module.places  # with gradients, where torch lays nothing end to end
    for i, layer in enumerate(module.encoder.layers):
        hidden = layer(hidden, src_key_padding_mask=torch.tensor(tokens == 0))
        np.testing.assert_allclose(found[f"encoder.layers.{i}.norm2"], hidden.detach().numpy(), atol=FLOAT32)
    np.testing.assert_allclose(model.predict(tokens), module(torch.tensor(tokens)).detach().numpy(), atol=FLOAT32)
    within = model.gradients(tokens, Target(np.tile([1.0, 0.0], (4, 1)), "output", ()), ["encoder.layers.1.norm2"]).gradients["encoder.layers.1.norm2"]
    np.testing.assert_allclose(within[0, 0], module.head.weight[0].detach().numpy() / 7, atol=FLOAT32)


def test_attention_of_padded_sequences_is_shown(tokens: np.ndarray) -> None:
    module = Encoder().eval()
    view = pellucid.visualize(module, tokens, "attention", target=0)
    hidden = module.tokens(torch.tensor(tokens)) + module.places
    hide = torch.tensor(tokens == 0)
    for i, layer in enumerate(module.encoder.layers):
        want = layer.self_attn(hidden, hidden, hidden, key_padding_mask=hide, average_attn_weights=False)[1].detach().numpy()
        np.testing.assert_allclose(view.values[f"encoder.layers.{i}.self_attn"], want, atol=FLOAT32)
        hidden = layer(hidden, src_key_padding_mask=hide)
    assert view.details["network"]["rollout"][0, 7:].max() == 0
    assert view.details["network"]["rollout"].sum(axis=1) == pytest.approx(1)


def test_the_encoder_is_put_back(tokens: np.ndarray) -> None:
    module = Encoder().train()
    adapt(module).activations(tokens, ["head"])
    assert module.encoder.use_nested_tensor
    assert module.training
