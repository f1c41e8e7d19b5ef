"""What templates ask for to speak: texts, numbers, and what a record says in its own words."""

from __future__ import annotations

from jinja2 import Environment
from markupsafe import Markup

from pellucid.core.language import current, number, percent, said, signed
from pellucid.core.told import told
from pellucid.report.words import shape_words


def taught(environment: Environment) -> Environment:
    """The environment with `_`, `told`, the ways to write a number, and `lang`, the tag of the language spoken now."""
    environment.globals.update(
        _=lambda text: Markup(said(text)),  # noqa: S704 - the catalogues are the program's own, and what is put into a text is escaped
        told=told_html,
        number=number,
        percent=percent,
        signed=signed,
        shape_words=shape_words,
        lang=current().tag,
    )
    return environment


def told_html(text: str) -> str | Markup:
    """A record's text in the language that is spoken; as it is, and marked as English, where that language has no words for it.

    >>> told_html("Raise steps, or the tolerance.")
    'Raise steps, or the tolerance.'
    """
    found = told(text)
    return Markup('<span lang="en">{}</span>').format(text) if found is None else found
