"""Coloured words: the number, the sign and the error of each can be read without colours, and nothing a text holds becomes HTML."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import pellucid
import synthetic
from embedding_model import EmbeddingModel
from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.features import FeatureMap
from pellucid.core.records import Explanation
from pellucid.report.tokens import AGAINST, FOR, token_text

WORDS = ["not", "<script>alert('x')</script>", '"good"', "电影", "&"]


class Spans(HTMLParser):
    """The spans of a piece of HTML: their attributes and their text; every other element's name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.spans: list[dict[str, str]] = []
        self.others: list[str] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "span"
        if self.inside:
            self.spans.append({name: value or "" for name, value in attrs} | {"text": ""})
        else:
            self.others.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "span"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.spans[-1]["text"] += data


def colour(span: dict[str, str]) -> tuple[int, ...]:
    found = re.search(r"background:rgb\((\d+),(\d+),(\d+)\)", span["style"])
    assert found is not None
    return tuple(int(part) for part in found.groups())


@pytest.fixture
def record() -> Explanation:
    made = synthetic.explanation("shap", 1)
    values = np.array([[-0.8, 0.4, 0.02, 0.0, 0.2]])
    return replace(made, inputs=np.ones((1, 5)), values=values, error=np.array([[0.1, 0.05, 0.05, 0.0, 0.01]]), degrees=np.array([np.inf]), baseline=None,
                   features=FeatureMap(np.arange(5)[None], ("a", "b", "c", "d", "e"), "words"), target=replace(made.target, labels=("<good>",)))  # fmt: skip


def test_words_stand_in_order_as_they_were_written(record: Explanation) -> None:
    found = Spans(token_text(record, tokens=WORDS))
    assert [span["text"] for span in found.spans] == [*WORDS, "for <good>", "against <good>"]
    assert found.others == ["p", "p"]


def test_the_background_goes_with_the_value_and_the_line_with_the_sign(record: Explanation) -> None:
    spans = Spans(token_text(record, tokens=WORDS)).spans
    assert colour(spans[0]) == AGAINST
    assert colour(spans[1]) == tuple(round((255 + end) / 2) for end in FOR)
    assert colour(spans[3]) == (255, 255, 255)
    lines = [(re.findall(r"underline (\w+)", span["style"]) or [""])[0] for span in spans]
    assert lines == ["dotted", "solid", "", "", "solid", "solid", "dotted"]
    half = colour(Spans(token_text(record, tokens=WORDS, limit=1.6)).spans[0])
    assert half == tuple(round((255 + end) / 2) for end in AGAINST)


def test_the_title_holds_the_number_and_its_error(record: Explanation) -> None:
    titles = [span["title"] for span in Spans(token_text(record, tokens=WORDS)).spans]
    assert titles[0] == "not: −0.8 ± 0.2 (95 %)"
    assert titles[1] == "<script>alert('x')</script>: +0.4 ± 0.098 (95 %)"
    assert titles[2] == '"good": +0.02 ± 0.098 (95 %)'
    assert Spans(token_text(replace(record, error_kind="exact"))).spans[0]["title"] == "a: −0.8"
    unknown = replace(record, error_kind="none", error=np.full((1, 5), np.nan))
    first = Spans(token_text(unknown)).spans[0]
    assert first["title"] == "a: −0.8, error not known"
    assert "dotted" in first["style"]


def test_black_letters_stand_out_on_every_colour(record: Explanation) -> None:
    """Contrast at least 7 by WCAG 2, at full strength of both."""
    for span in Spans(token_text(record, tokens=WORDS)).spans:
        assert "color:#000" in span["style"]
        parts = [part / 255 for part in colour(span)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        assert (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) / 0.05 >= 7


def test_words_come_from_what_was_given_and_padding_is_left_out() -> None:
    text = pellucid.Text.fit(["a really good film", "not good"], length=6)
    model = EmbeddingModel.drawn(1, 6, 4, len(text.vocabulary), "tanh")
    found = pellucid.explain(model, ["A really good film", "not good"], "exact_shap", preprocessing=text)
    assert [span["text"] for span in Spans(token_text(found, sample=1)).spans][:-2] == ["not", "good"]


def test_what_is_no_list_of_tokens_is_refused(record: Explanation) -> None:
    with pytest.raises(UnsupportedError, match="attribution_map"):
        token_text(synthetic.explanation("saliency"))
    with pytest.raises(SettingError, match="give one for each"):
        token_text(record, tokens=["a"])
