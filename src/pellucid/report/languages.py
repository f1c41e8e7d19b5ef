"""The languages that reports speak: English as it stands in the code, others from one catalogue each (gettext), numbers as Unicode's CLDR has them (Babel)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from babel import Locale
from babel.messages.pofile import read_po

from pellucid.core.errors import SettingError, unknown
from pellucid.core.language import Language

FOLDER = Path(__file__).parent / "catalogues"
SOURCE = "en"


def languages() -> list[str]:
    """The tags there are: English, and one for each catalogue.

    >>> languages()
    ['en', 'zh']
    """
    return [SOURCE, *sorted(path.stem for path in FOLDER.glob("*.po"))]


@cache
def language(tag: str) -> Language:
    """A language by its tag; `SettingError` for one that there is no catalogue of.

    >>> language("zh").percent
    '{}%'
    """
    if tag not in languages():
        raise SettingError(unknown("language", tag, languages()))
    locale = Locale.parse(tag)
    symbols = locale.number_symbols["latn"]
    percent = locale.percent_formats[None].pattern.replace("#,##0", "{}").replace("%", symbols["percentSign"])
    if tag == SOURCE:
        return Language(tag, point=symbols["decimal"], group=symbols["group"], percent=percent)
    with (FOLDER / f"{tag}.po").open("rb") as file:
        texts = {str(message.id): str(message.string) for message in read_po(file, locale=locale) if message.id and message.string and not message.fuzzy}
    return Language(tag, lambda text: texts.get(text, text), symbols["decimal"], symbols["group"], percent)
