"""The language that a reader is spoken to in: texts by their English wording, numbers as that language writes them.

Here is only what every room can ask for; where the catalogues lie and how a language is opened is the report's affair. Without one, all is English.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

MINUS = "−"


def _as_it_is(text: str) -> str:
    return text


@dataclass(frozen=True)
class Language:
    """A language: its tag ("en", "zh"), what it makes of an English text, its decimal point, the mark between thousands, and how it writes a percentage."""

    tag: str = "en"
    translate: Callable[[str], str] = _as_it_is
    point: str = "."
    group: str = ","
    percent: str = "{}%"


ENGLISH = Language()
_CURRENT: ContextVar[Language] = ContextVar("language", default=ENGLISH)


def current() -> Language:
    """The language spoken now."""
    return _CURRENT.get()


@contextmanager
def speaking(language: Language) -> Iterator[Language]:
    """Speak a language within the block, in this thread or task alone.

    >>> with speaking(Language("de", {"yes": "ja"}.get, ",", ".", "{} %")):
    ...     said("yes"), number(1234.56, 5), percent(0.125)
    ('ja', '1.234,6', '12,5 %')
    """
    token = _CURRENT.set(language)
    try:
        yield language
    finally:
        _CURRENT.reset(token)


def said(text: str) -> str:
    """An English text in the language spoken now; a text that has no translation stays as it is. Imported as `_`, so that extraction finds what is said."""
    return current().translate(text)


def later(text: str) -> str:
    """The text as it is, marked so that extraction finds what is said only later: a word of a table, a sentence that a record holds."""
    return text


def number(value: float, digits: int = 3) -> str:
    """A number to so many significant digits, thousands apart; whole numbers whole.

    >>> number(1234567), number(0.01234), number(-2.5), number(12345.6), number(float("nan"))
    ('1,234,567', '0.0123', '−2.5', '12,346', '–')
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else ("∞" if value > 0 else f"{MINUS}∞")
    if float(value).is_integer():
        return written(f"{value:,.0f}")
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    text = f"{value:,.{min(decimals, 12)}f}"
    return written(text.rstrip("0").rstrip(".") if "." in text else text)


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign.

    >>> signed(0.834), signed(-0.2), signed(0)
    ('+0.83', '−0.2', '0')
    """
    return f"+{number(value, digits)}" if value > 0 else number(value, digits)


def percent(fraction: float, decimals: int = 1) -> str:
    """A fraction as a percentage.

    >>> percent(0.8456), percent(1.0, 0), percent(float("nan"))
    ('84.6%', '100%', '–')
    """
    if not math.isfinite(fraction):
        return "–"
    return current().percent.format(written(f"{100 * fraction:,.{decimals}f}"))


def written(text: str) -> str:
    """Python's own spelling of a number in the marks of the language.

    >>> written(f"{-1234.5:,.2f}")
    '−1,234.50'
    """
    marks = {",": current().group, ".": current().point, "-": MINUS}
    return "".join(marks.get(letter, letter) for letter in text)
