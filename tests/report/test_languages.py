"""A report in Chinese: no text of the program's own stays English, records stay what they are, and figures draw letters that a font has."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from matplotlib.text import Text

import pellucid
import synthetic
from pellucid.adapters.numpy_model import Dense, NumpyModel
from pellucid.api.inside import look
from pellucid.core.errors import SettingError
from pellucid.core.language import current, number, percent, said, speaking
from pellucid.core.outcome import Check
from pellucid.core.records import Explanation
from pellucid.core.told import named, told
from pellucid.core.verdict import Thresholds, fact_of
from pellucid.diagnostics import completeness, efficiency, input_range, surrogate_fit
from pellucid.figures import FIGURES, _canvas
from pellucid.methods import _stopping
from pellucid.report import languages, report
from pellucid.report.languages import FOLDER, language
from pellucid.report.speech import told_html
from pellucid.report.trust import LOOKS

CHINESE = re.compile(r"[\u4e00-\u9fff]")
ENGLISH = re.compile(r"[A-Za-z]{2,} [a-z]{2,}")
"""Two words in a row of which the second is no name."""
NAMES = re.compile(r"\([A-Z][\w -]+\)|Keras on TensorFlow|synthetic rings|draws nothing")
"""Names in English beside their Chinese, and words of the records here."""


class Reader(HTMLParser):
    """What a reader of a page reads and hears: texts and texts of pictures, less what is marked as English, code or style."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = []
        self.texts: list[str] = []
        self.language = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "html":
            self.language = given.get("lang") or ""
        if tag not in ("img", "meta", "link", "br", "input", "hr"):
            self.open.append((tag, tag in ("style", "script", "code") or (tag != "html" and given.get("lang") == "en")))
        for name in ("alt", "title", "aria-label"):
            self.handle_data(given.get(name) or "")

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip() and not any(left for _tag, left in self.open):
            self.texts.append(" ".join(data.split()))


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def records() -> list:
    methods = ("saliency", "integrated_gradients", "smooth_grad", "grad_cam", "lime", "shap")
    found = [synthetic.explanation(method, 2) for method in methods]
    varied = synthetic.varied(synthetic.explanation("integrated_gradients", 2, seed=3))
    return [*found, varied, synthetic.evaluation(found[1]), synthetic.view(), synthetic.states(), synthetic.inspection(), synthetic.compared()]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("zh") / "report.html"
    return report(records(), path, lang="zh", evaluate=False).read_text(encoding="utf-8")


def own_texts() -> list[str]:
    """The program's own English texts of two words or more, without placeholders, that Chinese says otherwise."""
    with (FOLDER / "zh.po").open("rb") as file:
        ids = [(str(message.id), str(message.string)) for message in read_po(file) if message.id]
    return [text for text, new in ids if " " in text.strip() and "{" not in text and text not in new]


def test_the_page_says_its_language_and_leaves_no_text_of_its_own_in_english(page: str) -> None:
    reader = read(page)
    assert reader.language == "zh"
    everything = "\n".join(reader.texts)
    assert len(own_texts()) > 150
    assert [text for text in own_texts() if text in everything] == []
    for words in ("如何阅读本页", "是否可信？", "每张归因图都附有误差、计算代价，以及是否可靠的说明。", "预测为“"):
        assert words in everything
    assert [text for text in reader.texts if ENGLISH.search(NAMES.sub("", text))] == []


def test_what_has_no_translation_is_marked_as_english_and_escaped(page: str) -> None:
    with speaking(language("zh")):
        assert told_html("Something <b>of its own</b>.") == '<span lang="en">Something &lt;b&gt;of its own&lt;/b&gt;.</span>'
        assert told("Something of its own.") is None
    assert "记录中自带的、没有译文的文字也保留英文。" in page


def test_the_english_page_is_as_before(tmp_path: Path) -> None:
    page = report(records(), tmp_path / "r.html", evaluate=False).read_text(encoding="utf-8")
    reader = read(page)
    assert reader.language == "en"
    assert not CHINESE.search("".join(reader.texts))
    assert "How to read this page" in page


def test_a_language_is_spoken_while_a_report_is_written_and_no_longer(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"unknown language 'xx'\. Known: en, zh"):
        report(synthetic.explanation(), tmp_path / "r.html", lang="xx")
    assert list(tmp_path.iterdir()) == []
    report(synthetic.explanation(), tmp_path / "r.html", lang="zh", evaluate=False)
    assert current().tag == "en"
    assert said("How to read this page") == "How to read this page"


def test_numbers_are_written_as_the_language_has_them() -> None:
    with speaking(language("zh")):
        assert (number(1234.5, 5), percent(0.125)) == ("1,234.5", "12.5%")


def endings() -> list[Check]:
    """What methods and checks really say."""
    return [
        _stopping.exact("one gradient, no approximation"),
        _stopping.exact(f"all {2**12:,} coalitions of 12 features that differ from the fill"),
        _stopping.converged(0.01, 0.02, 1234, "evaluations along permutations, 20 of them with a gradient, which counts twice"),
        _stopping.fixed(0.013, 50, "gradients"),
        _stopping.fixed(np.inf, 50, "gradients"),
        _stopping.exhausted(0.2, 0.05, 300, "evaluations of paired coalitions", 0.5),
        _stopping.exhausted(np.inf, 0.05, 300, "evaluations", 0.5),
        _stopping.nothing("every feature equals its fill"),
    ]


def test_every_ending_that_methods_state_has_words() -> None:
    for check in endings():
        with speaking(language("zh")):
            found = told(str(check))
        assert found is not None, str(check)
        assert not ENGLISH.search(found), found
        for digits in re.findall(r"\d+", str(check)):
            assert digits in found


def linear(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1) @ np.arange(1.0, 1 + x[0].size)[:, None]


def test_what_real_methods_say_has_words() -> None:
    """Every sentence of real explanations of several families, their checks and their verdicts."""
    x = np.random.default_rng(0).normal(size=(2, 5))
    sentences: set[str] = set()
    for method, more in {
        "lime": {"max_evaluations": 40, "tolerance": 1e-6},
        "shap": {},
        "permutation_shap": {"max_evaluations": 120, "tolerance": 1e-9},
        "kernel_shap": {},
        "partition_shap": {},
        "sobol": {"max_evaluations": 2000},
        "hsic": {},
        "feature_ablation": {},
    }.items():
        found = pellucid.explain(lambda x: linear(x) ** 3, x, method, **more)
        sentences |= {str(outcome) for outcome in found.outcome}
        judged = pellucid.evaluate(lambda x: linear(x) ** 3, found, ["deletion", "insertion"], progress=False)
        sentences |= {fact.text for verdict in judged.verdicts for fact in verdict.facts}
    assert len(sentences) > 10
    with speaking(language("zh")):
        assert [text for text in sentences if told(text) is None] == []


@pytest.mark.parametrize(("limits", "value"), [(limits, value) for limits in ("similarity", "change") for value in (0.01, 0.7, 4.0)])
def test_facts_of_a_verdict_have_words(limits: str, value: float) -> None:
    record = synthetic.explanation("integrated_gradients", 1)
    score = next(iter(synthetic.evaluation(record).scores.values()))
    score = replace(score, title="Weight randomisation", group="sanity", better="lower", limits=limits, values=np.array([value]), error=np.zeros(1))
    fact = fact_of(score, 0, Thresholds())
    assert fact is not None
    with speaking(language("zh")):
        found = told(fact.text)
    assert found is not None
    assert "权重随机化" in found
    assert f"{value:.2g}" in found


def test_checks_have_words() -> None:
    for module in (completeness, efficiency, input_range, surrogate_fit):
        source = Path(module.__file__).read_text(encoding="utf-8")
        texts = re.findall(r'^        f?"(.+)",$', source, re.MULTILINE)
        assert len(texts) >= 3
        for text in texts[1:3]:
            plain = re.sub(r"\{[^}]*\} %", "61 %", text)
            plain = re.sub(r"\{[^}]*\}", "12", plain)
            with speaking(language("zh")):
                assert told(plain) is not None, plain


def test_why_views_are_missing_has_words() -> None:
    draw = np.random.default_rng(0)
    network = NumpyModel([Dense(draw.normal(size=(5, 4)), np.zeros(4), "relu"), Dense(draw.normal(size=(4, 3)), np.zeros(3))], (5,))
    given = {"network": (network, draw.normal(size=(40, 5))), "no data": (network, None), "function": (linear, draw.normal(size=(40, 5)))}
    views = ["recurrent_state", "attention", "gradient_flow", "filters", "loss_landscape", "top_examples"]
    for name, (model, x) in given.items():
        missing = look(model, x, views=views, progress=False).missing
        with speaking(language("zh")):
            assert [(view, reason) for view, reason in missing.items() if told(reason) is None] == [], name
        assert len(missing) >= 4


def test_an_order_of_features_has_words() -> None:
    text = "The strongest, in order at 95 % confidence: row 1, column 2; age and row 3, column 4 and the next, row 0, column 5 (tied); the rest."
    with speaking(language("zh")):
        assert told(text) == "最强的特征，按 95% 置信度排序：第 1 行第 2 列；age、第 3 行第 4 列、其后的第 0 行第 5 列（并列）；其余。"


def test_what_a_user_named_is_not_translated() -> None:
    with speaking(language("zh")):
        assert named("row 2, column 3") == "第 2 行第 3 列"
        assert named("ECG, steps 10 to 19") == "ECG，第 10 到 19 步"
        for name in ("score", "features", "patch panel", "output", "words", "age = 40 years", "row house, column inch"):
            assert named(name) == name
    assert named("row 2, column 3") == "row 2, column 3"


def test_every_word_of_a_verdict_is_translated() -> None:
    with speaking(language("zh")):
        assert all(CHINESE.search(said(word)) for word in LOOKS)


DRAWN = {
    "attribution_map": lambda: synthetic.explanation("integrated_gradients", 1),
    "error_map": lambda: synthetic.explanation("smooth_grad", 1),
    "feature_bars": lambda: synthetic.explanation("shap", 1),
    "probabilities": lambda: synthetic.explanation("lime", 1),
    "contours": lambda: synthetic.explanation("integrated_gradients", 1),
    "overlay": lambda: synthetic.explanation("saliency", 1),
    "input_image": lambda: synthetic.explanation("saliency", 1),
    "choice_spread": lambda: synthetic.varied(synthetic.explanation("integrated_gradients", 1)),
    "activation_map": lambda: synthetic.states(),
    "activation_statistics": lambda: pellucid.visualize(units(), np.random.default_rng(0).normal(size=(50, 6)), "activation_statistics"),
    "filters": lambda: pellucid.visualize(units(), view="filters", layers="dense_0"),
    "comparison": lambda: [titled("Integrated Gradients", synthetic.explanation("integrated_gradients", 1)), synthetic.explanation("shap", 1)],
    "waterfall": lambda: tables(),
    "summary_bars": lambda: tables(),
    "beeswarm": lambda: tables(),
    "token_bars": lambda: tables(),
    "confusion": lambda: (np.eye(3, dtype=int), ("a", "b", "c")),
    "spectrogram": lambda: sound(),
}


def titled(title: str, record: Explanation) -> Explanation:
    return replace(record, provenance=dict(record.provenance) | {"title": title})


def tables() -> Explanation:
    return pellucid.explain(linear, np.random.default_rng(0).normal(size=(6, 14)), "shap", features=None)


def units() -> NumpyModel:
    weights = np.random.default_rng(1).normal(size=(6, 4)) * np.array([0, 1, 1, 1])
    return NumpyModel([Dense(weights, np.zeros(4), "relu"), Dense(weights[:4], np.zeros(4), "tanh")], (6,))


def sound() -> Explanation:
    read = pellucid.Audio(4000, rate=8000, picture="spectrogram", frame=256, hop=128)
    heard = np.random.default_rng(0).normal(size=4000)
    return pellucid.explain(lambda x: x.mean(axis=(1, 2, 3))[:, None], [(8000, heard)], "feature_ablation", preprocessing=read, fill=0.0)


def texts_of(figure: object) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_s_texts_are_chinese_and_have_their_letters(name: str) -> None:
    drawn = DRAWN[name]()
    with speaking(language("zh")):
        artists = FIGURES.load(name)(*(drawn if isinstance(drawn, tuple) else (drawn,)))
    texts = texts_of(artists[0].figure.figure)
    assert any(CHINESE.search(text) for text in texts)
    mine = own_texts()
    assert [text for text in texts if text in mine or ENGLISH.search(text)] == []
    assert [text for text in texts if not _canvas.drawable(text)] == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        artists[0].figure.figure.savefig("/dev/null", format="png")


def test_without_a_font_labels_are_english_with_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_canvas, "families", lambda: ("DejaVu Sans",))
    _canvas._warn_of_glyphs.cache_clear()
    with speaking(language("zh")):
        with pytest.warns(UserWarning, match="no font here has the letters of 'zh'") as told_of:
            artists = FIGURES.load("attribution_map")(synthetic.explanation("integrated_gradients", 1))
        FIGURES.load("feature_bars")(synthetic.explanation("shap", 1))
    assert artists[0].axes.get_title() == "attribution"
    assert len(told_of) == 1
    _canvas._warn_of_glyphs.cache_clear()


def test_a_doubtful_or_missing_translation_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
    (tmp_path / "fr.po").write_text(head + 'msgid "yes"\nmsgstr "oui"\n\n#, fuzzy\nmsgid "no"\nmsgstr "oui"\n\nmsgid "perhaps"\nmsgstr ""\n', encoding="utf-8")
    monkeypatch.setattr(languages, "FOLDER", tmp_path)
    language.cache_clear()
    try:
        with speaking(language("fr")):
            assert [said(word) for word in ("yes", "no", "perhaps")] == ["oui", "no", "perhaps"]
            assert (number(1.5), percent(0.25, 0)) == (format_decimal(1.5, locale="fr"), format_percent(0.25, locale="fr"))
    finally:
        language.cache_clear()
