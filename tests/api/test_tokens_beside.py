"""Tokens beside other inputs: gradient methods attribute at their embedding, and the others stay what they are in each sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from embedding_model import EmbeddingModel
from pellucid.core import errors
from pellucid.core.model import INPUT, Gradients, Layer, Model
from pellucid.core.packing import InputSpec, Packing
from pellucid.core.target import Target
from pellucid.methods import METHODS

Array = np.ndarray
LENGTH, UNITS = 6, 12
ALONE = EmbeddingModel.drawn(1, LENGTH, UNITS, 24, "tanh")
DRAW = np.random.default_rng(2)
X = {"ids": DRAW.integers(1, 30, (5, LENGTH)), "mask": np.array([[1] * 6, [1] * 4 + [0] * 2, [1] * 6, [0] * 2 + [1] * 4, [1] * 5 + [0]])}
BACKGROUND = {"ids": DRAW.integers(1, 30, (8, LENGTH)), "mask": np.ones((8, LENGTH), int)}
SERVED = [name for name in METHODS if {"gradients"} == METHODS.load(name).needs and "layer" in METHODS.load(name).accepts]


class Masked(Model):
    """`EmbeddingModel` with the vectors of masked tokens zero; `kinds`: a third input with an embedding of its own, added to the vectors."""

    batch_size = 256

    def __init__(self, packing: Packing | None = None, *, kinds: bool = False, twice: bool = False, mask_first: bool = False) -> None:
        self.packing, self.kinds, self.twice, self.mask_first = packing, kinds, twice, mask_first
        self.table = np.random.default_rng(7).normal(size=(4, UNITS))
        names = ("mask", "ids") if mask_first else ("ids", "mask", "kinds") if kinds else ("ids", "mask")
        shape = None if packing is None else (packing.total,)
        tokens = packing is not None and all(packing.whole)
        self.traits = replace(ALONE.traits, input_shape=shape, tokens=tokens, inputs=tuple(InputSpec(name, (LENGTH,)) for name in names))

    def packed(self, packing: Packing) -> Model:
        return Masked(packing, kinds=self.kinds, twice=self.twice, mask_first=self.mask_first)

    def layers(self) -> tuple[Layer, ...]:
        kinds = (Layer("kinds", "Embedding", (LENGTH, UNITS)),) if self.kinds else ()
        return (Layer("words", "Embedding", (LENGTH, UNITS)), Layer("places", "Embedding", (LENGTH, UNITS)), *kinds)

    def activations(self, inputs: Array, layers: Sequence[str]) -> dict[str, Array]:
        x = self.packing.unpack(inputs)
        ids = x["ids"] * x["mask"] if self.twice else x["ids"]
        places = np.broadcast_to(np.linspace(0, 1, LENGTH)[:, None], (len(inputs), LENGTH, UNITS))
        return {name: ALONE.embed(ids) if name == "words" else places if name == "places" else self.table[np.rint(x["kinds"]).astype(int)] for name in layers}

    def vectors(self, inputs: Array, words: Array) -> Array:
        """What the dense layers are given."""
        rest = self.activations(inputs, ["kinds"])["kinds"] if self.kinds else 0.0
        return (words + rest) * self.packing.unpack(inputs)["mask"][..., None]

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        return ALONE.upper.predict(self.vectors(inputs, self.activations(inputs, ["words"])["words"]))

    def above(self, layer: str, context: Array) -> Model:
        return _Above(self, context)

    def gradients(self, inputs: Array, target: Target, wrt: Sequence[str] = (INPUT,)) -> Gradients:
        raise errors.UnsupportedError("tokens have no gradient")


class _Above(Model):
    """The same from the words' vectors on, all else that of one sample."""

    batch_size = 256

    def __init__(self, whole: Masked, context: Array) -> None:
        self.whole, self.context = whole, context
        self.traits = replace(whole.traits, input_shape=(LENGTH, UNITS), tokens=False, inputs=())

    def _given(self, inputs: Array) -> Array:
        return self.whole.vectors(np.repeat(self.context, len(inputs), axis=0), inputs)

    def predict(self, inputs: Array, *, logits: bool = False) -> Array:
        return ALONE.upper.predict(self._given(inputs))

    def gradients(self, inputs: Array, target: Target, wrt: Sequence[str] = (INPUT,)) -> Gradients:
        found = ALONE.upper.gradients(self._given(inputs), target, wrt)
        mask = self.whole.packing.unpack(self.context)["mask"][..., None]
        return replace(found, gradients={INPUT: found.gradients[INPUT] * mask}, values={INPUT: inputs})


def options(method: str) -> dict[str, Any]:
    return {"background": BACKGROUND} if "background" in METHODS.load(method).accepts else {}


@pytest.mark.parametrize("method", SERVED)
def test_each_method_gives_tokens_their_sums_and_the_mask_nothing(method: str) -> None:
    asked = {"target": 1, "tolerance": 0.01} if METHODS.load(method).error_kind == "bound" else {"target": 1}
    same = {"baseline": {"ids": 0}} if "baseline" in METHODS.load(method).accepts else {}  # at a layer it is what token 0 is there
    found = pellucid.explain(Masked(), X, method, **asked, **same, **options(method))
    assert found.values.shape == found.error.shape == (5, 2 * LENGTH)
    assert found.packing.names == ("ids", "mask")
    ids, mask = found.by_input["ids"], found.by_input["mask"]
    assert not mask.values.any()
    assert not np.nan_to_num(mask.error).any()
    assert not ids.values[X["mask"] == 0].any(), "a token that is masked out does not matter"
    at_layer = pellucid.explain(Masked(), X, method, layer="words", **asked, **options(method))
    reach = {"bound": 0.05, "standard_error": 0.4}.get(found.error_kind, 1e-6)
    np.testing.assert_allclose(ids.values, at_layer.values.sum(axis=-1), atol=reach * np.abs(ids.values).max())
    np.testing.assert_allclose(found.score, Masked(found.packing).predict(found.inputs)[:, 1])
    assert found.provenance["resolved"]["embedding"] == "words"
    assert found.provenance["resolved"]["others"] == "mask"


def test_the_order_of_the_inputs_changes_nothing() -> None:
    usual, other = (pellucid.explain(Masked(mask_first=first), X, "integrated_gradients", target=1, baseline={"ids": 3}) for first in (False, True))
    assert other.packing.names == ("mask", "ids")
    for name, one in other.by_input.items():
        np.testing.assert_allclose(one.values, usual.by_input[name].values, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(other.baseline_score, usual.baseline_score)


def test_without_a_mask_tokens_get_what_they_get_alone() -> None:
    x = X | {"mask": np.ones((5, LENGTH), int)}
    for method in ("integrated_gradients", "smooth_grad"):
        found = pellucid.explain(Masked(), x, method, target=1)
        alone = pellucid.explain(ALONE, X["ids"], method, target=1)
        np.testing.assert_allclose(found.by_input["ids"].values, alone.values, rtol=1e-6, atol=1e-9)
        np.testing.assert_array_equal(found.cost.gradients, alone.cost.gradients)


@pytest.mark.parametrize("baseline", [{"ids": 7}, {"ids": np.full(LENGTH, 7), "mask": X["mask"]}, {"ids": np.full((5, LENGTH), 7)}])
def test_values_add_up_to_the_difference_from_a_baseline_of_tokens(baseline: dict[str, Any]) -> None:
    found = pellucid.explain(Masked(), X, "integrated_gradients", target=0, baseline=baseline)
    model, sevens = Masked(found.packing), found.packing.pack(X | {"ids": np.full((5, LENGTH), 7)})
    np.testing.assert_allclose(found.baseline_score, model.predict(sevens)[:, 0])
    gap = found.values.sum(axis=1) - (model.predict(found.inputs)[:, 0] - found.baseline_score)
    assert (np.abs(gap) <= 0.02 * np.abs(found.values).sum(axis=1)).all()


def test_company_several_targets_going_on_and_records(tmp_path: Path) -> None:
    together = pellucid.explain(Masked(), X, "integrated_gradients", target=1)
    alone = pellucid.explain(Masked(), {name: rows[1:2] for name, rows in X.items()}, "integrated_gradients", target=1)
    np.testing.assert_allclose(together.values[1:2], alone.values, rtol=1e-9, atol=1e-12)
    both = pellucid.explain(Masked(), X, "integrated_gradients", target=pellucid.Several(0, 1))
    np.testing.assert_allclose(both.at(1).values, together.values, rtol=1e-9, atol=1e-12)
    assert both.at(0).by_input["ids"].values.shape == (5, LENGTH)
    finer = pellucid.explain(Masked(), X, "integrated_gradients", target=1, tolerance=0.3).refine(0.02)
    np.testing.assert_allclose(finer.values, together.values, atol=0.05 * np.abs(together.values).max())
    (back,) = pellucid.load(pellucid.save(together, tmp_path / "o.safetensors"))
    np.testing.assert_array_equal(back.by_input["ids"].values, together.by_input["ids"].values)
    found = pellucid.Plan(Masked(), X, "integrated_gradients", target=1, shard_size=2).run(tmp_path / "out").load()
    np.testing.assert_allclose(found.values, together.values, rtol=1e-6, atol=1e-9)
    pellucid.report(together, tmp_path / "o.html")
    assert "Of the input mask" in (tmp_path / "o.html").read_text()


def test_inputs_with_an_embedding_each_need_a_word() -> None:
    x = X | {"kinds": np.zeros((5, LENGTH), int)}
    with pytest.raises(errors.UnsupportedError, match=r"'ids' at 'words', 'kinds' at 'kinds'.*layer='words'.*baseline={'kinds': x\['kinds'\]}"):
        pellucid.explain(Masked(kinds=True), x, "integrated_gradients", target=1)
    found = pellucid.explain(Masked(kinds=True), x, "integrated_gradients", target=1, baseline={"kinds": x["kinds"]})
    assert found.by_input["ids"].values.any()
    assert found.provenance["resolved"]["others"] == "mask, kinds"


def test_a_mask_that_changes_what_is_embedded_needs_a_word() -> None:
    with pytest.raises(errors.UnsupportedError, match=r"'ids' at 'words', 'mask' at 'words'.*baseline={'mask': x\['mask'\]}"):
        pellucid.explain(Masked(twice=True), X, "integrated_gradients", target=1)
    found = pellucid.explain(Masked(twice=True), X, "integrated_gradients", target=1, baseline={"mask": X["mask"]})
    np.testing.assert_allclose(found.values, pellucid.explain(Masked(), X, "integrated_gradients", target=1).values, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("baseline", "words"),
    [
        (0, "Give a baseline for these tokens alone"),
        ({"ids": 7, "mask": 0}, "all other inputs stay"),
        ({"ids": 0.5}, "whole numbers"),
        ({"ids": "mean"}, "number of one"),
    ],
)
def test_baselines_that_move_other_inputs_or_are_no_tokens_are_refused(baseline: Any, words: str) -> None:
    with pytest.raises(errors.PellucidError, match=words):
        pellucid.explain(Masked(), X, "integrated_gradients", target=1, baseline=baseline)


def test_numbers_beside_tokens_are_refused_unless_they_stay() -> None:
    x = X | {"mask": X["mask"].astype(np.float32)}
    with pytest.raises(errors.UnsupportedError, match="whole numbers of ids do not have"):
        pellucid.explain(Masked(), x, "integrated_gradients", target=1)
    found = pellucid.explain(Masked(), x, "integrated_gradients", target=1, baseline={"mask": x["mask"]})
    np.testing.assert_allclose(found.values, pellucid.explain(Masked(), X, "integrated_gradients", target=1).values, rtol=1e-6, atol=1e-9)
