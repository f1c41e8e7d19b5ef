"""Every explanation on a page has a verdict, or the page says that nobody looked, why, and what to run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_report import EVIL, words

import pellucid
import synthetic
from numpy_networks import random_stack
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core.errors import SettingError
from pellucid.core.evaluation import identity_of
from pellucid.core.verdict import MIXED, NOT_SUPPORTED, SUPPORTED, Thresholds
from pellucid.report import render
from pellucid.report.sections import compose

X = np.random.default_rng(0).normal(size=(2, 12))


@pytest.fixture(scope="module")
def network() -> NumpyModel:
    return NumpyModel(random_stack(1, (12, 9, 3)), (12,))


def cards(page: str) -> tuple[int, dict[str, int]]:
    text = words(page)
    known = (SUPPORTED, MIXED, NOT_SUPPORTED, "not checked")
    return page.count('<figure class="card">'), {word: sum(text.count(f"Worth believing? {sign} {word}.") for sign in "✓i!–") for word in known}


def test_every_explanation_of_this_process_has_one(network) -> None:
    records = [pellucid.explain(network, X, method, target="predicted") for method in ("saliency", "gradient_x_input", "shap", "integrated_gradients")]
    number, said = cards(page := render(records))
    assert number == sum(said.values()) == 8
    assert said["not checked"] == 0
    assert "Thresholds: intervals at 95 %; the map of a network of noise is alike up to 0.5 (for) or from 0.8 on (against)" in words(page)
    assert render(records) == page


def test_nobody_looked_where_it_was_not_asked_for_or_the_network_is_away(network) -> None:
    record = pellucid.explain(network, X, "saliency", target=0)
    for page, reason in (
        (render(record, evaluate=False), "It was not asked for."),
        (render(replace(record, continuation=None)), "The network is not at hand."),
    ):
        assert cards(page) == (2, {SUPPORTED: 0, MIXED: 0, NOT_SUPPORTED: 0, "not checked": 2})
        assert reason in words(page)
        assert "pellucid evaluate MODEL RECORDS.safetensors --out report.html" in words(page)
        assert "Not checked: faithfulness, sanity, robustness, localisation." in words(page)
        assert "Thresholds:" not in words(page)


def test_what_is_given_is_shown_with_its_own_thresholds(network) -> None:
    record = pellucid.explain(network, X, "saliency", target=0)
    given = pellucid.evaluate(network, record, ["deletion", "weight_randomisation"], thresholds=Thresholds(level=0.9, similarity=(0.2, 0.3)))
    page = words(render([given, record]))
    assert "Thresholds: intervals at 90 %; the map of a network of noise is alike up to 0.2 (for) or from 0.3 on (against)" in page
    low, high = given["deletion"].chance[0].min(), given["deletion"].chance[0].max()
    assert f"Deletion {given['deletion'].values[0]:.3g} {low:.2g} to {high:.2g} lower" in page
    with pytest.raises(SettingError, match="without its explanation"):
        render([given])


def test_the_words_of_a_sample_stand_together() -> None:
    record, other = synthetic.explanation("shap", 1), synthetic.explanation("saliency", 1)
    alone = compose([record, synthetic.evaluation(record), other]).networks[0].samples[0]
    assert alone.believed == "supported: SHAP; not checked: Saliency"
    assert compose([record, other]).networks[0].samples[0].believed == ""


def test_a_reason_is_text() -> None:
    record = synthetic.explanation("shap", 1)
    trust = compose([record], reasons={identity_of(record): EVIL}).networks[0].samples[0].cards[0].trust
    assert trust is not None
    assert trust.facts == (f"{EVIL}.",)


def test_the_guide_says_what_words_bars_and_bands_mean(network) -> None:
    guide = words(render(pellucid.explain(network, X, "saliency", target=0), evaluate=False)).split("How to read this page")[-1]
    for told in (
        "✓ supported",
        "i mixed",
        "! not supported",
        "– not checked",
        "By chance",
        "A black bar is the numerical error",
        "A gray band is the choice error",
    ):
        assert told in guide, told


def test_rows_of_a_table_are_bars_with_their_names() -> None:
    record = pellucid.explain(lambda rows: rows @ np.arange(24.0).reshape(12, 2), X, "shap", target=0)
    card = compose([record]).networks[0].samples[0].cards[0]
    assert "strongest features" in card.picture.alt
    assert card.picture.size[0] > 400
