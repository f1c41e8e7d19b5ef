"""What words were worth to a network over many sentences, whether two networks agree on them, and whether the strongest ones decide."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from pellucid.applications import _intervals
from pellucid.applications._intervals import Interval, plain
from pellucid.core.records import Explanation

Array = np.ndarray
TOP = 8
"""Words for and words against that are shown."""
SAY_NOTHING = frozenset((
    "film", "films", "movie", "movies", "picture", "story", "it", "its", "this", "that", "the", "a", "an", "and", "or", "of",
    "to", "in", "on", "at", "for", "with", "is", "are", "was", "as", "by", "from", "one",
))  # fmt: skip
"""Words that say no opinion, by the project's own choice: where such a word weighs, the network may have learned a habit of its data."""
LEAST_WORDS = 5
"""Words that a sentence needs for a correlation of ranks."""


@dataclass(frozen=True)
class Worth:
    """What a word gave the score of "positive" on average over the sentences that have it: (mean, low, high)."""

    word: str
    mean: Interval
    sentences: int
    in_training: int

    @property
    def sure(self) -> float:
        """The end of the interval that is nearer to zero; 0 where it holds zero."""
        low, high = self.mean[1:]
        return low if low > 0 else high if high < 0 else 0.0


def contributions(explanation: Explanation) -> list[tuple[list[str], Array, Array]]:
    """For each sentence its words in small letters, their values and their errors."""
    found = []
    for row, one in enumerate(explanation.provenance["given"]):
        count = min(len(one["names"]), explanation.values.shape[1])
        present = explanation.feature_mask[row, :count]
        names = [name.lower().replace("’", "'") for name, there in zip(one["names"], present, strict=False) if there]
        found.append((names, *(array[row, :count][present].astype(np.float64) for array in (explanation.values, explanation.error))))
    return found


def by_word(told: Sequence[tuple[list[str], Array, Array]], counts: Mapping[str, int], *, least: int) -> list[Worth]:
    """Known words (those of `counts`, which says in how many training sentences each stands) that at least `least` sentences have, first those whose mean is
    surest to differ from zero. Of a word that a sentence has more than once the sum counts."""
    sums: dict[str, list[float]] = {}
    for names, values, _ in told:
        own: dict[str, float] = {}
        for name, value in zip(names, values, strict=True):
            own[name] = own.get(name, 0.0) + float(value)
        for name, value in own.items():
            sums.setdefault(name, []).append(value)
    found = [Worth(name, _intervals.mean(np.array(values)), len(values), counts[name]) for name, values in sums.items() if _counts(name, counts, values, least)]
    return sorted(found, key=lambda one: (-abs(one.sure), -abs(one.mean[0]), one.word))


def _counts(name: str, counts: Mapping[str, int], values: Sequence[float], least: int) -> bool:
    return name in counts and len(values) >= least and any(letter.isalpha() for letter in name)


def ranked(worth: Mapping[str, Mapping[str, Worth]], *, seed: int = 0) -> dict[str, Any]:
    """Network → word → worth as plain JSON: the words that speak for and against most surely, on average over the networks; those that say no opinion and yet
    weigh; how many are sure to weigh; and whether the networks rank the words alike. All networks must have been asked about the same sentences."""
    names = list(next(iter(worth.values())))
    sure = {name: float(np.mean([of[name].sure for of in worth.values()])) for name in names}
    order = sorted(names, key=lambda name: (-abs(sure[name]), name))

    def told(chosen: Sequence[str]) -> list[dict[str, Any]]:
        one = next(iter(worth.values()))
        return [
            {
                "word": name,
                "sentences": one[name].sentences,
                "training": one[name].in_training,
                "worth": {net: plain(of[name].mean) for net, of in worth.items()},
            }
            for name in chosen
        ]

    first, *others = ([of[name].mean[0] for name in names] for of in worth.values())
    silent = [name for name in order if name in SAY_NOTHING]
    return {
        "counted": len(names),
        "for": told([name for name in order if sure[name] > 0][:TOP]),
        "against": told([name for name in order if sure[name] < 0][:TOP]),
        "sure": {net: {"for": sum(one.sure > 0 for one in of.values()), "against": sum(one.sure < 0 for one in of.values())} for net, of in worth.items()},
        "silent": told([name for name in silent if sure[name]][:3]),
        "silent_asked": len(silent),
        "silent_sure": {net: sum(of[name].sure != 0 for name in silent) for net, of in worth.items()},
        "rank": plain(_intervals.rank_agreement(np.array(first), np.array(others[0]), seed=seed)) if others else [None] * 3,
    }


def sentences_with(texts: Sequence[Sequence[str]], known: Collection[str]) -> dict[str, int]:
    """In how many of these lists of words each known word stands."""
    found = dict.fromkeys(known, 0)
    for words in texts:
        for word in set(words):
            if word in found:
                found[word] += 1
    return found


def agreement_within(a: Sequence[tuple[list[str], Array, Array]], b: Sequence[tuple[list[str], Array, Array]]) -> tuple[Interval, int]:
    """The rank correlation of the words' values within a sentence, its mean over the sentences of both with at least `LEAST_WORDS` words, and how many."""
    found = [
        float(spearmanr(one[1], other[1]).statistic)
        for one, other in zip(a, b, strict=False)
        if len(one[1]) >= LEAST_WORDS and np.ptp(one[1]) and np.ptp(other[1])
    ]
    return _intervals.mean(np.array(found)), len(found)


def same_strongest(a: Sequence[tuple[list[str], Array, Array]], b: Sequence[tuple[list[str], Array, Array]]) -> Interval:
    """The share of sentences in which both have the same strongest word."""
    return _intervals.share(sum(int(np.abs(one[1]).argmax() == np.abs(other[1]).argmax()) for one, other in zip(a, b, strict=True)), len(a))


def concentration(told: Sequence[tuple[list[str], Array, Array]], count: int) -> Interval:
    """Which part of all that the words of a sentence were worth (sizes) its `count` strongest have, the mean over sentences with more words than that."""
    sizes = [np.sort(np.abs(values))[::-1] for _, values, _ in told if len(values) > count and np.abs(values).sum() > 0]
    return _intervals.mean(np.array([size[:count].sum() / size.sum() for size in sizes]))


def relative_error(told: Sequence[tuple[list[str], Array, Array]]) -> float:
    """The median over sentences of the size of the errors beside that of the values (L2)."""
    parts = [float(np.linalg.norm(error) / np.linalg.norm(values)) for _, values, error in told if np.linalg.norm(values) > 0]
    return float(np.median(parts)) if parts else float("nan")
