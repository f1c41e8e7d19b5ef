"""Keeps catalogues in step with the code: takes every text that a reader is told out of the source, and writes it into each language's .po file.

`python docs/translations.py` adds what is new, empty, keeps what is translated, and drops what nobody says any more. With `--check` it changes nothing and
lists what is missing, unused, or translated with other placeholders.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from pellucid.core.catalogue import Catalogue
from pellucid.methods import METHODS
from pellucid.metrics import METRICS
from pellucid.report.words import answers
from pellucid.views import VIEWS

SOURCE = Path(__file__).resolve().parents[1] / "src" / "pellucid"
CATALOGUES = SOURCE / "report" / "catalogues"
KEYWORDS = {"_": None, "later": None, "label": None}
"""What a text stands in: said now, said later, said on a figure."""
KINDS = {".py": "python", ".html": "jinja2"}
HEADER = """# Texts of Pellucid's reports in the language '{tag}'. Kept in step with the code by `make translations`.
msgid ""
msgstr ""
"Project-Id-Version: pellucid\\n"
"Language: {tag}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
PLACEHOLDER = re.compile(r"\{\w*\}")


def texts(source: Path = SOURCE) -> Catalog:
    """Every text in the source, in the order of files, and what methods, views and metrics are called, answer and cannot tell."""
    found = Catalog()
    for path in sorted(source.rglob("*")):
        if path.suffix in KINDS:
            for _line, text, *_more in extract_from_file(KINDS[path.suffix], path, keywords=KEYWORDS):
                for one in (text,) if isinstance(text, str) else text:
                    found.add(one, locations=[(path.relative_to(source).as_posix(), 0)])
    for registry in (METHODS, VIEWS, METRICS):
        for text, where in _declared(registry):
            found.add(text, locations=[(where, 0)])
    return found


def _declared(registry: Catalogue) -> Iterator[tuple[str, str]]:
    """What the parts of a registry say of themselves, with their files."""
    for name in registry:
        part = registry.load(name)
        where = part.__module__.removeprefix("pellucid.").replace(".", "/") + ".py"
        yield from ((text, where) for text in (part.title, *answers(name)) if text)


def updated(catalogue: Catalog, template: Catalog) -> Catalog:
    """A language's catalogue with the template's texts and what it has of translations; a translation is never guessed from a similar text."""
    catalogue.update(template, no_fuzzy_matching=True, update_header_comment=False)
    catalogue.obsolete.clear()
    for message in catalogue:
        message.flags.intersection_update({"fuzzy"})  # "95 % of" is no place for a value, whatever Babel thinks
    return catalogue


def faults(catalogue: Catalog, template: Catalog) -> list[str]:
    """What is missing, doubtful or unused in a language, and translations whose placeholders are not those of the text."""
    wanted, there = _by_text(template), _by_text(catalogue)
    found = [f"not translated: {text!r}" for text in wanted if text not in there or not there[text].string]
    found += [f"doubtful (fuzzy): {text!r}" for text, message in there.items() if message.fuzzy]
    found += [f"said nowhere: {text!r}" for text in there if text not in wanted]
    for text, message in there.items():
        if message.string and set(PLACEHOLDER.findall(text)) != set(PLACEHOLDER.findall(str(message.string))):
            found.append(f"other placeholders: {text!r} is {message.string!r}")
    return found


def _by_text(catalogue: Catalog) -> dict[str, Message]:
    return {str(message.id): message for message in catalogue if message.id}


def read(path: Path) -> Catalog:
    """A language's catalogue."""
    with path.open("rb") as file:
        return read_po(file, locale=path.stem)


def main(check: bool) -> int:
    """Update every catalogue, or say what is wrong with it."""
    template, wrong = texts(), 0
    for path in sorted(CATALOGUES.glob("*.po")):
        if not check:
            into = BytesIO()
            write_po(into, updated(read(path), template), width=0, sort_by_file=True, include_lineno=False, omit_header=True)
            path.write_bytes(HEADER.format(tag=path.stem).encode() + into.getvalue())
        told = faults(read(path), template)
        wrong += len(told)
        sys.stdout.write("".join(f"{path.name}: {line}\n" for line in told) or f"{path.name}: {len(_by_text(template))} texts, all translated\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
