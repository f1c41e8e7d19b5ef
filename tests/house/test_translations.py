"""Every text that a reader is told is in every catalogue, translated, with the same placeholders, and nothing else is; and extraction sees every text."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("translations", ROOT / "docs" / "translations.py")
assert _spec is not None
assert _spec.loader is not None
translations = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(translations)

CATALOGUES = sorted(translations.CATALOGUES.glob("*.po"))


@pytest.fixture(scope="module")
def template() -> Catalog:
    return translations.texts()


def said_in(path: Path) -> list[str]:
    """Every literal that a source file says, as Python itself reads it, f-strings too."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return [
        str(call.args[0].value)
        for call in calls
        if call.func.id in translations.KEYWORDS and call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    ]


def hidden(path: Path) -> list[int]:
    """Lines on which a file that says texts by `_` gives that name to something else; a comprehension's own name stays within it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [alias.asname for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    within = {id(name) for node in ast.walk(tree) if isinstance(node, ast.comprehension) for name in ast.walk(node.target)}
    stores = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "_" and isinstance(node.ctx, ast.Store)]
    stored = [node.lineno for node in stores if id(node) not in within]
    return stored if "_" in names else []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_a_catalogue_is_complete(path: Path, template: Catalog) -> None:
    assert len(translations._by_text(template)) > 400
    faults = translations.faults(translations.read(path), template)
    assert not faults, "\n".join(["make translations lists these, and puts what is new into the catalogue:", *faults])


def test_extraction_sees_what_python_sees(template: Catalog) -> None:
    known = translations._by_text(template)
    missed = [(path.name, text) for path in translations.SOURCE.rglob("*.py") for text in said_in(path) if text not in known]
    assert missed == []


def test_nothing_takes_the_name_by_which_texts_are_said() -> None:
    assert [(str(path), lines) for path in translations.SOURCE.rglob("*.py") if (lines := hidden(path))] == []


def test_a_text_in_an_f_string_and_a_taken_name_are_seen(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("from pellucid.core.language import said as _\ndef f():\n    _, b = 1, 2\n    return f\"{_('hidden here')}  \"\n", encoding="utf-8")
    assert said_in(planted) == ["hidden here"]
    assert hidden(planted) == [3]


def test_texts_are_found_in_code_templates_and_registries(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("_('now')\nlater('later')\nlabel('drawn')\nother('no')\n_(name)\n", encoding="utf-8")
    (tmp_path / "b.html").write_text('<p title="{{ _("in a page") }}">{{ _(word) }}</p>', encoding="utf-8")
    found = translations._by_text(translations.texts(tmp_path))
    assert {"now", "later", "drawn", "in a page"} <= set(found)
    assert {"Integrated Gradients", "Weight randomisation", "Activation maps", "Does not say in which direction a feature moves the score."} <= set(found)
    assert not {"no", "name", "word"} & set(found)


def test_faults_are_named_each() -> None:
    template, catalogue = Catalog(), Catalog(locale="zh")
    for text in ("fine {a}", "new", "doubtful", "other {a}", "empty"):
        template.add(text)
    catalogue.add("fine {a}", "好 {a}")
    catalogue.add("doubtful", "可疑", flags=["fuzzy"])
    catalogue.add("other {a}", "别的 {b}")
    catalogue.add("empty", "")
    catalogue.add("gone", "没了")
    assert translations.faults(catalogue, template) == [
        "not translated: 'new'",
        "not translated: 'empty'",
        "doubtful (fuzzy): 'doubtful'",
        "said nowhere: 'gone'",
        "other placeholders: 'other {a}' is '别的 {b}'",
    ]


def test_an_update_keeps_translations_adds_what_is_new_and_drops_what_is_gone() -> None:
    template, catalogue = Catalog(), Catalog(locale="zh")
    for text in ("kept", "kept too", "95 % of it"):
        template.add(text)
    catalogue.add("kept", "保留")
    catalogue.add("gone", "没了")
    found = translations._by_text(translations.updated(catalogue, template))
    assert {text: message.string or "" for text, message in found.items()} == {"kept": "保留", "kept too": "", "95 % of it": ""}
    assert not any(message.flags for message in found.values())
