"""Sentences changed by a word: a negator taken out or put in, a word of opinion taken out, or replaced by its opposite."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.data.preprocessings.text import TOKENIZERS

Array = np.ndarray
NEGATORS = ("not", "never", "no", "without", "hardly", "cannot")
"""Beside all words that end in n't."""
SAID_POSITIVELY = {"cannot": "can", "can't": "can", "won't": "will", "shan't": "shall", "ain't": "is"}
REACH = 4
"""Words after a negator, up to the next mark, that count as negated by it."""
MARKS = frozenset(".,;:!?()-—")
OPPOSITES = (
    ("good", "bad"), ("best", "worst"), ("better", "worse"), ("great", "terrible"), ("funny", "unfunny"), ("fun", "boring"),
    ("entertaining", "dull"), ("beautiful", "ugly"), ("clever", "stupid"), ("smart", "dumb"), ("fresh", "stale"), ("original", "derivative"),
    ("compelling", "tedious"), ("powerful", "weak"), ("moving", "lifeless"), ("warm", "cold"), ("charming", "annoying"), ("engaging", "tiresome"),
    ("touching", "bland"), ("fascinating", "uninteresting"), ("enjoyable", "painful"), ("solid", "flimsy"), ("rich", "thin"), ("excellent", "awful"),
    ("wonderful", "horrible"), ("brilliant", "mediocre"), ("love", "hate"), ("loved", "hated"), ("loves", "hates"), ("sharp", "flat"),
    ("subtle", "clumsy"), ("honest", "phony"), ("intelligent", "mindless"), ("imaginative", "predictable"), ("gripping", "plodding"),
    ("delightful", "dreadful"), ("success", "failure"), ("succeeds", "fails"), ("triumph", "disaster"), ("masterpiece", "mess"), ("perfect", "flawed"),
    ("exciting", "dreary"), ("inspired", "uninspired"), ("believable", "implausible"), ("deep", "shallow"), ("satisfying", "disappointing"),
    ("worthy", "worthless"), ("interesting", "pointless"), ("lively", "slow"), ("easy", "difficult"), ("happy", "sad"), ("lovely", "nasty"),
    ("friendly", "rude"), ("clean", "dirty"), ("comfortable", "uncomfortable"), ("quiet", "noisy"), ("strong", "poor"), ("reliable", "unreliable"),
    ("fast", "sluggish"), ("useful", "useless"),
)  # fmt: skip
"""Words of opinion by the project's own choice: for it, against it."""
NO_QUALITIES = frozenset((
    "love", "hate", "loved", "hated", "loves", "hates", "success", "failure", "succeeds", "fails", "triumph",
    "disaster", "masterpiece", "mess", "fun", "best", "worst", "better", "worse",
))  # fmt: skip
"""Those before which "not" cannot stand by itself."""
OPPOSITE_OF: Mapping[str, str] = {one: other for pair in OPPOSITES for one, other in (pair, pair[::-1])}
SIGN: Mapping[str, int] = {word: sign for pair in OPPOSITES for word, sign in zip(pair, (1, -1), strict=True)}


@dataclass(frozen=True)
class Word:
    """A word of a sentence: as networks read it, its place among the words, and where it stands in the text."""

    name: str
    place: int
    start: int
    stop: int


@dataclass(frozen=True)
class Negated:
    """A sentence in four forms: whole, without the negator, without the word of opinion, without both. `row` is its number, `sign` the word's own (1 or −1)."""

    row: int
    negator: str
    word: str
    sign: int
    forms: tuple[str, str, str, str]


@dataclass(frozen=True)
class Changed:
    """A sentence in which a word of opinion is replaced by its opposite. `sign` is that of the word that stood there."""

    row: int
    word: str
    opposite: str
    sign: int
    place: int
    text: str


def words_of(text: str) -> list[Word]:
    """The words and marks of a sentence, in small letters and with straight apostrophes."""
    return [Word(name.replace("’", "'"), place, start, stop) for place, (name, start, stop) in enumerate(TOKENIZERS["words"](text))]


def is_negator(name: str) -> bool:
    """Whether a word (small letters) negates.

    >>> [is_negator(one) for one in ("not", "isn't", "cannot", "nothing", "isnt")]
    [True, True, True, False, False]
    """
    return name in NEGATORS or name.endswith("n't")


def without(text: str, words: Sequence[Word]) -> str:
    """The sentence without these words; of "isn't" and its like the verb stays.

    >>> without("It isn't a good film.", [word for word in words_of("It isn't a good film.") if word.name in ("isn't", "good")])
    'It is a film.'
    """
    for word in sorted(words, key=lambda one: -one.start):
        head, left, tail = text[: word.start], _left_of(word.name), text[word.stop :]
        head, tail = (head.rstrip(" "), tail) if head and not left else (head, tail if left else tail.lstrip(" "))
        text = head + left + tail
    return text


def _left_of(name: str) -> str:
    """What is left of a word that is taken out."""
    return SAID_POSITIVELY.get(name, name.removesuffix("n't") if name.endswith("n't") else "")


def replaced(text: str, word: Word, other: str) -> str:
    """The sentence with another word in the place of one; "a" and "an" before it follow.

    >>> replaced("An excellent film.", words_of("An excellent film.")[1], "dull")
    'A dull film.'
    """
    head = text[: word.start]
    article = re.search(r"\b([Aa])(n?)(\s+)$", head)
    if article:
        head = head[: article.start()] + article[1] + ("n" if other[0] in "aeiou" else "") + article[3]
    return head + (other.capitalize() if text[word.start].isupper() else other) + text[word.stop :]


def without_negators(texts: Sequence[str] | Array) -> dict[int, str]:
    """Row → the sentence without its negators, of those that have any."""
    found = {}
    for row, text in enumerate(texts):
        negators = [word for word in words_of(str(text)) if is_negator(word.name)]
        shorter = without(str(text), negators)
        if negators and words_of(shorter):
            found[row] = shorter
    return found


def negated(texts: Sequence[str] | Array, known: Collection[str]) -> list[Negated]:
    """Sentences with a known word of opinion that a negator stands before, up to `REACH` words away and with no mark between; the first of each sentence."""
    found = []
    for row, text in enumerate(texts):
        words = words_of(str(text))
        pair = next(((one, word) for one in words if is_negator(one.name) for word in _following(words, one) if word.name in SIGN and word.name in known), None)
        if pair is not None:
            forms = [str(text), *(without(str(text), gone) for gone in ([pair[0]], [pair[1]], pair))]
            if words_of(forms[3]):
                found.append(Negated(row, pair[0].name, pair[1].name, SIGN[pair[1].name], (forms[0], forms[1], forms[2], forms[3])))
    return found


def _following(words: Sequence[Word], negator: Word) -> Iterator[Word]:
    for word in words[negator.place + 1 : negator.place + 1 + REACH]:
        if word.name in MARKS:
            return
        yield word


def with_not(texts: Sequence[str] | Array, known: Collection[str]) -> list[Negated]:
    """Sentences without a negator, and "not" put in right before their first known word of opinion, where that is a quality: the forms are with it, without it,
    and both without the word."""
    found = []
    for row, text in enumerate(texts):
        words = words_of(str(text))
        word = next((one for one in words if one.name in SIGN and one.name in known), None)
        if word is None or word.name in NO_QUALITIES or any(is_negator(one.name) for one in words):
            continue
        own, bare = str(text), without(str(text), [word])
        capital = own[word.start].isupper()
        head, first = own[: word.start] + ("Not" if capital else "not"), own[word.start].lower() if capital else own[word.start]
        put, alone = f"{head} {first}{own[word.start + 1 :]}", head + own[word.stop :]
        if words_of(bare):
            found.append(Negated(row, "not", word.name, SIGN[word.name], (put, own, alone, bare)))
    return found


def changes(texts: Sequence[str] | Array, known: Collection[str]) -> list[Changed]:
    """Every sentence once for each word of opinion in it that is known and whose opposite is known."""
    return [
        Changed(row, word.name, OPPOSITE_OF[word.name], SIGN[word.name], word.place, replaced(str(text), word, OPPOSITE_OF[word.name]))
        for row, text in enumerate(texts)
        for word in words_of(str(text))
        if word.name in OPPOSITE_OF and word.name in known and OPPOSITE_OF[word.name] in known
    ]
