"""A page says which choice matters most and what survives them all, and shows comparisons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from test_report import EVIL, words

import synthetic
from pellucid.report import render, write_figures
from pellucid.report.choices import choice_words
from pellucid.report.sections import compose


def test_the_choice_that_matters_most_and_what_survives() -> None:
    record = synthetic.varied(synthetic.explanation("shap"))
    told = choice_words(record, 1)
    assert told[0].startswith("The score matters most: with probability the map changes by 200 %; numerical errors alone would by about 7.1 %.")
    assert "The others: baseline 50 %." in told[0]
    names = [record.feature_name(int(i)) for i in np.argsort(-np.abs(record.values[1]))[:5]]
    assert told[1] == f"Among the strongest 5 under every choice: {'; '.join(names)}."
    assert "Tried: baseline (mean, blur:2 for 0.0), score (probability for logit)." in told
    assert any("brought to the length of this one" in text for text in told)
    assert told[-1] == "Not tried: seed (draws nothing)."
    assert choice_words(synthetic.explanation("shap"), 0) == ()


def test_what_depends_on_a_choice_is_named() -> None:
    record = synthetic.varied(synthetic.explanation("shap", 1))
    first = int(np.argmax(np.abs(record.values[0])))
    without = record.choices.options[0].values.copy()
    without[0, 1, first] = 0
    options = (replace(record.choices.options[0], values=without, codes=("converged", "budget_exhausted")),)
    told = choice_words(replace(record, choices=replace(record.choices, options=options, left_out={})), 0)
    assert told[0].startswith("The baseline matters most: with blur:2")
    assert f"So only under some: {record.feature_name(first)}." in told[1]
    assert told[-1] == "With a word of warning of their own: baseline blur:2 (budget exhausted)."
    many = replace(record, choices=replace(record.choices, top=10))
    assert "10 of the 10 strongest values (the top 5 %)" in choice_words(many, 0)[1]
    same = replace(record.choices.options[0], values=np.repeat(record.values[:, None], 2, axis=1))
    assert choice_words(replace(record, choices=replace(record.choices, options=(same,))), 0)[0].startswith("No choice changes the map")


def test_choices_stand_on_the_cards_escaped() -> None:
    record = synthetic.varied(synthetic.explanation("shap", 1))
    evil = replace(record.choices, options=(replace(record.choices.options[0], names=(EVIL, "b")), *record.choices.options[1:]))
    page = render([replace(record, choices=evil), synthetic.varied(synthetic.explanation("integrated_gradients", 1))])
    text = words(page)
    assert text.count("Does it depend on choices?") == 2
    assert "60 for other choices" in text
    assert EVIL not in page
    assert len(compose([synthetic.varied(synthetic.explanation("integrated_gradients", 1))]).networks[0].samples[0].cards[0].pictures) == 2
    both = compose([synthetic.varied(synthetic.several("integrated_gradients"))]).networks[0].samples[0].cards[0]
    assert len(both.pictures) == 4


def test_a_comparison_is_a_section_of_its_own(tmp_path) -> None:
    pair = replace(synthetic.compared(), names=(EVIL, "LIME"), notes=("Made up.",))
    page = render([synthetic.explanation("shap", 2), pair])
    text = words(page)
    assert EVIL not in page
    assert "compared with LIME" in text
    assert "rank agreement 0.200, 0.100 to 0.300 as far as errors leave it open" in text
    assert "top 5% shared 25 %" in text
    part = pair.parts(0)[0]
    assert f"{part.name} {part.a:.3g} {part.b:.3g} {part.difference:.3g} ({part.low:.3g} to {part.high:.3g})".replace("-", "−") in text
    assert "Made up." in text
    alone = words(render(pair))
    assert "1 comparison" in alone
    assert "0 networks" not in alone
    files = write_figures(synthetic.compared(), tmp_path)
    assert [path.name for path in files] == ["compared-1-sample-0.png", "compared-1-sample-1.png"]


def test_where_nothing_parts_it_says_so() -> None:
    pair = synthetic.compared()
    assert "They part nowhere for sure." in words(render(replace(pair, error=pair.error + 1e3)))
    assert "Errors are not known" in words(render(replace(pair, error=pair.error * np.nan)))
