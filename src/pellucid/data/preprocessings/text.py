"""Sentences: cut into words or pieces, and numbered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from pellucid.core.errors import DataNotFoundError, DtypeError, EmptyError, InputError, MissingExtraError, SettingError, unknown
from pellucid.core.features import FeatureMap
from pellucid.core.preprocessing import Preprocessing
from pellucid.data.fills.deletion import Deletion

Array = np.ndarray
PADDING, UNKNOWN = "", "[UNK]"
"""What stands in a vocabulary for nothing, and for words that are not in it."""
ABSENT = ("padding", "unknown", "mask", "deletion")
_WORDS = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
_SPACED = re.compile(r"\S+")
_STRIPPED = re.compile(r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']""")


@dataclass(frozen=True)
class Piece:
    """One token of a text: its number, and which word of the text it belongs to; −1 for what stands for no word."""

    number: int
    word: int


@dataclass(frozen=True)
class Text(Preprocessing):
    """Sentences and the whole numbers of their tokens, (samples, length), filled up with padding at the end.

    tokenizer: "words" (small letters, marks by themselves), "whitespace" (what stands between spaces, as it is), "keras" (as `TextVectorization` does it:
    small letters, punctuation dropped) or "pieces" (a Hugging Face tokenizer, kept whole as the text of its JSON file in `pieces`, which needs the package
    `tokenizers`). `vocabulary` lists the tokens by number, "" (padding) and "[UNK]" first; empty for pieces.
    length: tokens a network takes. A longer text is an error, or cut with `truncate`; a text without a word is always one.
    names: names of the network's inputs where it takes several: ids, and whatever ends in "mask" (1 for each token) or "type_ids" (zeros).
    absent_as: what stands for a word that is absent: "padding", "unknown" or "mask" (of a tokenizer that has such a token), or nothing, "deletion": the word is
    left out, and the rest moves together, as if it had never been written; for methods that leave words out, not for those that need a baseline.

    A person's feature is a word: the pieces of one word are one feature, and what stands for no word (begin, end, padding) always stays.

    >>> text = Text.fit(["a good film", "not good"], length=4)
    >>> text.vocabulary, text.inputs(["A good film"]).tolist()
    (('', '[UNK]', 'good', 'a', 'film', 'not'), [[3, 2, 4, 0]])
    """

    vocabulary: tuple[str, ...] = ()
    length: int = 64
    tokenizer: str = "words"
    truncate: bool = False
    names: tuple[str, ...] = ()
    absent_as: str = "padding"
    pieces: str = ""
    kind: ClassVar[str] = "text"

    def __post_init__(self) -> None:
        if self.tokenizer not in TOKENIZERS:
            raise SettingError(unknown("tokenizer", self.tokenizer, tuple(TOKENIZERS)))
        if self.absent_as not in ABSENT:
            raise SettingError(unknown("absent_as", self.absent_as, ABSENT))
        if self.length < 1 or bool(self.pieces) != (self.tokenizer == "pieces"):
            raise SettingError("a text needs a length of at least 1, and 'pieces', the tokenizer's JSON, with tokenizer='pieces' and only then.")
        if not self.pieces and (self.vocabulary[:2] != (PADDING, UNKNOWN) or len(set(self.vocabulary)) < len(self.vocabulary)):
            raise SettingError(f"a vocabulary begins with {PADDING!r} and {UNKNOWN!r} and names no token twice; make one with Text.fit(sentences).")

    @classmethod
    def fit(cls, texts: Sequence[str] | Array, *, length: int = 64, most: int = 20_000, tokenizer: str = "words", **settings: Any) -> Self:
        """The preprocessing of such sentences: their `most` frequent tokens, the most frequent first, of equally frequent ones by alphabet."""
        if tokenizer not in TOKENIZERS or tokenizer == "pieces":
            raise SettingError(unknown("tokenizer that is fitted", tokenizer, [name for name in TOKENIZERS if name != "pieces"]))
        counts: dict[str, int] = {}
        for text in _checked(texts):
            for token, _, _ in TOKENIZERS[tokenizer](text):
                counts[token] = counts.get(token, 0) + 1
        ranked = sorted((token for token in counts if token != UNKNOWN), key=lambda token: (-counts[token], token))
        return cls((PADDING, UNKNOWN, *ranked[: most - 2]), length, tokenizer, **settings)

    @classmethod
    def of_keras(cls, layer: Any, **settings: Any) -> Self:
        """As a Keras `TextVectorization` layer does it that has been adapted; one that does something else than its defaults is an error."""
        said = layer.get_config()
        for name, right in (("standardize", "lower_and_strip_punctuation"), ("split", "whitespace"), ("output_mode", "int")):
            if said.get(name) != right:
                raise SettingError(f"the TextVectorization layer has {name}={said.get(name)!r}, served is {right!r}; use Text.fit, or tokenize before.")
        length = said.get("output_sequence_length")
        if "length" not in settings and length is None:
            raise SettingError("the TextVectorization layer has no output_sequence_length; say how many tokens the network takes: length=….")
        return cls(tuple(str(token) for token in layer.get_vocabulary()), tokenizer="keras", **{"length": length, "truncate": True} | settings)

    @classmethod
    def of_tokenizer(cls, tokenizer: Any, *, length: int, **settings: Any) -> Self:
        """As a `tokenizers.Tokenizer` does it, or the JSON file of one."""
        said = tokenizer.to_str() if hasattr(tokenizer, "to_str") else _json_of(Path(tokenizer))
        return cls(length=length, tokenizer="pieces", pieces=said, **settings)

    def inputs(self, raw: Any) -> Array | dict[str, Array]:
        cut = self._cut(raw)
        full = all(len(pieces) == self.length for pieces in cut) or any(name.endswith("mask") for name in self.names)
        ids = np.full((len(cut), self.length), self._number_of("padding", needed=not full), dtype=np.int64)
        shown = np.zeros(ids.shape, dtype=np.int64)
        for row, pieces in enumerate(cut):
            ids[row, : len(pieces)] = [piece.number for piece in pieces]
            shown[row, : len(pieces)] = 1
        if not self.names:
            return ids
        return {name: shown if name.endswith("mask") else np.zeros_like(ids) if name.endswith("type_ids") else ids for name in self.names}

    def given(self, raw: Any) -> list[dict[str, Any]]:
        found = []
        for text, pieces in zip(_checked(raw), self._cut(raw), strict=True):
            of = [piece.word for piece in pieces]
            spans = self._pieces(text)[1][: max(of) + 1]
            own, none = [*of, *[-1] * (self.length - len(of))], [-1] * self.length
            wide = [word for name in self.names or ("",) for word in (none if _beside(name) else own)]
            found.append({"text": text, "names": [text[start:stop] for start, stop in spans], "of": wide})
        return found

    def features(self, raw: Any) -> FeatureMap:
        cut = self._cut(raw)
        labels = np.full((len(cut), self.length), -1)
        for row, pieces in enumerate(cut):
            labels[row, : len(pieces)] = [piece.word for piece in pieces]
        wide = [labels if not _beside(name) else np.full_like(labels, -1) for name in self.names or ("",)]
        return FeatureMap(np.concatenate(wide, axis=1), tuple(f"word {i + 1}" for i in range(int(labels.max()) + 1)), "words")

    @property
    def joins(self) -> bool:
        return bool(self.pieces)

    @property
    def absent(self) -> Any:
        number: Any = Deletion(float(self._padding)) if self.absent_as == "deletion" else float(self._number_of(self.absent_as))
        return number if not self.names else {name: number for name in self.names if not _beside(name)}

    def restored(self, inputs: Array) -> Array:
        """Tokens with spaces between them; what was not in the vocabulary is lost."""
        ids = np.asarray(inputs)[:, : self.length].round().astype(int)
        padding = self._number_of("padding", needed=False)
        name = self._loaded.id_to_token if self.pieces else lambda number: self.vocabulary[number]
        return np.array([" ".join(str(name(int(number))) for number in row if number != padding) for row in ids])

    # ---- how a text is cut ------------------------------------------------------------------------------------------

    def _cut(self, raw: Any) -> list[list[Piece]]:
        """The tokens of each text, checked."""
        found = []
        for row, text in enumerate(_checked(raw)):
            pieces, spans = self._pieces(text)
            if not spans:
                raise EmptyError(f"text {row} ({text[:40]!r}) holds no word; give a sentence, or leave the sample out.")
            if len(pieces) > self.length and not self.truncate:
                raise InputError(
                    f"text {row} has {len(pieces)} tokens, and the network takes {self.length} ({text[:40]!r}…); shorten it, or cut such texts: truncate=True."
                )
            found.append(pieces[: self.length])
        return found

    def _pieces(self, text: str) -> tuple[list[Piece], list[tuple[int, int]]]:
        """The tokens of a text, and where each of its words stands in it."""
        if self.pieces:
            return self._by_tokenizer(text)
        places = self._places
        cut = TOKENIZERS[self.tokenizer](text)
        return [Piece(places.get(token, 1), word) for word, (token, _, _) in enumerate(cut)], [(start, stop) for _, start, stop in cut]

    def _by_tokenizer(self, text: str) -> tuple[list[Piece], list[tuple[int, int]]]:
        """Pieces that touch are one word, as the tokenizer numbers words; those of special tokens have none."""
        found = self._loaded.encode(text)
        order: dict[int, int] = {}
        spans: list[tuple[int, int]] = []
        pieces = []
        for number, of_word, (start, stop), special in zip(found.ids, found.word_ids, found.offsets, found.special_tokens_mask, strict=True):
            if special or of_word is None:
                pieces.append(Piece(number, -1))
                continue
            if of_word not in order:
                order[of_word] = len(spans)
                spans.append((start, stop))
            word = order[of_word]
            spans[word] = min(spans[word][0], start), max(spans[word][1], stop)
            pieces.append(Piece(number, word))
        return pieces, spans

    @property
    def _places(self) -> Mapping[str, int]:
        found: Mapping[str, int] = self._once("places", lambda: {token: place for place, token in enumerate(self.vocabulary)})
        return found

    @property
    def _loaded(self) -> Any:
        return self._once("loaded", self._load)

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        """What is made of the settings when it is first needed, and is none of them."""
        known = self.__dict__.setdefault("_made", {})
        if name not in known:
            known[name] = make()
        return known[name]

    def _load(self) -> Any:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingExtraError("this preprocessing holds a Hugging Face tokenizer, which needs a package: pip install tokenizers") from error
        found = Tokenizer.from_str(self.pieces)
        found.no_padding()
        found.no_truncation()
        return found

    @property
    def _padding(self) -> int:
        """The number that fills up; where a mask tells what counts, any."""
        return self._number_of("padding", needed=not any(name.endswith("mask") for name in self.names))

    def _number_of(self, role: str, *, needed: bool = True) -> int:
        """The number of the token that stands for padding, an unknown word or a mask; 0 where there is none and none is `needed`."""
        if not self.pieces:
            token = {"padding": PADDING, "unknown": UNKNOWN, "mask": "[MASK]"}[role]
            if token not in self.vocabulary:
                raise SettingError(f"the vocabulary has no token '{token}'; use absent_as='padding' or 'unknown'.")
            return self.vocabulary.index(token)
        for token in {"padding": ("[PAD]", "<pad>"), "unknown": ("[UNK]", "<unk>"), "mask": ("[MASK]", "<mask>")}[role]:
            number = self._loaded.token_to_id(token)
            if number is not None:
                return int(number)
        if not needed:
            return 0
        raise SettingError(
            f"the tokenizer has no token for {role}: its number 0 is a word. Use another absent_as of {', '.join(ABSENT)}, or name a mask in names=…."
        )


def _beside(name: str) -> bool:
    """Whether an input stands beside the tokens' numbers, and says something of each."""
    return name.endswith(("mask", "type_ids"))


def _by_words(text: str) -> list[tuple[str, int, int]]:
    """(token, where it begins, where it ends)."""
    return [(found.group().lower(), *found.span()) for found in _WORDS.finditer(text)]


def _by_spaces(text: str) -> list[tuple[str, int, int]]:
    return [(found.group(), *found.span()) for found in _SPACED.finditer(text)]


def _by_keras(text: str) -> list[tuple[str, int, int]]:
    parts = [(_STRIPPED.sub("", found.group().lower()), *found.span()) for found in _SPACED.finditer(text)]
    return [part for part in parts if part[0]]


TOKENIZERS: Mapping[str, Callable[[str], list[tuple[str, int, int]]]] = {
    "words": _by_words,
    "whitespace": _by_spaces,
    "keras": _by_keras,
    "pieces": _by_spaces,
}


def _checked(raw: Any) -> list[str]:
    """Texts as a list; of a table its column of text."""
    texts: Any = [raw] if isinstance(raw, str) else raw
    fields = getattr(getattr(texts, "dtype", None), "names", None)
    if fields:
        words = [name for name in fields if texts.dtype[name].kind == "U"]
        if "text" not in words and len(words) != 1:
            raise InputError(f"the table has the columns {', '.join(fields)}; call the one with the sentences 'text'.")
        texts = texts["text" if "text" in words else words[0]]
    array = texts if isinstance(texts, (list, tuple)) else np.asarray(texts, dtype=object).ravel().tolist()
    if not len(array):
        raise EmptyError("there is no text; give at least one.")
    for row, text in enumerate(array):
        if not isinstance(text, str):
            raise DtypeError(f"sample {row} is {type(text).__name__}, expected a text.")
    return [str(text) for text in array]


def _json_of(path: Path) -> str:
    """The text of a tokenizer's file."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataNotFoundError(f"the tokenizer's file {path} cannot be read ({error}); give the path of a tokenizer.json.") from error
