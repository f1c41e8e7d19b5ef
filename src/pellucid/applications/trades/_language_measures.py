"""What is measured of a network that reads: with and without negators, with a word changed, with its strongest words cut out; and which cases to show."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.applications import _intervals
from pellucid.applications._intervals import plain
from pellucid.applications.trades import _language_edits as edits

Array = np.ndarray
Score = Callable[[Sequence[str]], Array]
"""Sentences → the score of "positive" (sentences,): half its log-odds."""
SURE = 0.9
"""The probability from which on an answer counts as sure."""
STRONGEST, LONG_ENOUGH = 3, 8
"""Words that are cut out together, and words that a sentence must have for it."""
READABLE = (6, 26)
"""Words that a case has, at least and at most, where there is one."""


def score_of(outputs: Array) -> Array:
    """Half the log-odds of class 1, of probabilities (samples, 2): the score that is explained. 1 is a probability of 88 %, 2 one of 98 %.

    >>> score_of(np.array([[0.5, 0.5], [0.119, 0.881]])).round(2).tolist()
    [0.0, 1.0]
    """
    logs = np.log(np.maximum(outputs.astype(np.float64), np.finfo(np.float32).tiny))
    found: Array = (logs[:, 1] - logs[:, 0]) / 2
    return found


def negation(score: Score, texts: Sequence[str] | Array, outputs: Array, labels: Array, known: Collection[str]) -> dict[str, Any]:
    """Accuracy with and without negators; what taking negators out does to the score; and what a negator does to what a word of opinion is worth."""
    shorter = edits.without_negators(texts)
    negators = np.isin(np.arange(len(texts)), list(shorter))
    right = outputs.argmax(axis=1) == labels
    hits = [(int(right[part].sum()), int(part.sum())) for part in (negators, ~negators)]
    before = score_of(outputs)[list(shorter)]
    after = score(list(shorter.values())) if shorter else np.zeros(0)
    return {
        "with": plain(_intervals.share(*hits[0])),
        "without": plain(_intervals.share(*hits[1])),
        "counts": [count for _, count in hits],
        "difference": plain(_intervals.share_difference(*hits)),
        "negative_with": float((labels[negators] == 0).mean()) if negators.any() else None,
        "removed": plain(_intervals.mean(after - before)),
        "removed_size": plain(_intervals.mean(np.abs(after - before))),
        "turned": plain(_intervals.share(int(((after > 0) != (before > 0)).sum()), len(before))),
        "found": worth_of_words(score, edits.negated(texts, known)),
        "put_in": worth_of_words(score, edits.with_not(texts, known)),
    }


def worth_of_words(score: Score, pairs: Sequence[edits.Negated]) -> dict[str, Any]:
    """What words of opinion are worth in their own direction (a positive number speaks for what the word says) behind a negator and without it, from the four
    forms of each sentence; and the difference of both, which is the interaction of word and negator."""
    scores = np.stack([score([pair.forms[form] for pair in pairs]) for form in range(4)]) if pairs else np.zeros((4, 0))
    sign = np.array([pair.sign for pair in pairs], dtype=np.float64)
    behind, alone = sign * (scores[0] - scores[2]), sign * (scores[1] - scores[3])
    return {
        "count": len(pairs),
        "behind": plain(_intervals.mean(behind)),
        "alone": plain(_intervals.mean(alone)),
        "interaction": plain(_intervals.mean(behind - alone)),
        "reversed": plain(_intervals.share(int((behind < 0).sum()), len(pairs))),
    }


def changed(score: Score, texts: Sequence[str] | Array, outputs: Array, known: Collection[str]) -> dict[str, Any]:
    """What replacing a word of opinion by its opposite does: how often the answer turns, how often the score follows, and how far it goes that way. One word a
    sentence, the first, so that sentences count once."""
    first = list({one.row: one for one in reversed(edits.changes(texts, known))}.values())[::-1]
    before = score_of(outputs)[[one.row for one in first]]
    after = score([one.text for one in first]) if first else np.zeros(0)
    sign = np.array([one.sign for one in first], dtype=np.float64)
    turned, ways = (after > 0) != (before > 0), -sign * (after - before)
    agreed = (before > 0) == (sign > 0)

    def share(hits: Array) -> list[float | None]:
        return plain(_intervals.share(int(hits.sum()), len(hits)))

    return {
        "count": len(first),
        "turned": share(turned),
        "followed": share(ways > 0),
        "way": plain(_intervals.mean(ways)),
        "agreed": int(agreed.sum()),
        "turned_agreed": share(turned[agreed]),
        "from_positive": share(turned[agreed & (sign > 0)]),
        "from_negative": share(turned[agreed & (sign < 0)]),
    }


def removal(predict: Callable[[Array], Array], ids: Array, told: Sequence[tuple[list[str], Array, Array]], seed: int) -> dict[str, Any]:
    """How often the answer turns when the three words that speak for it most are cut out, and when three others are, drawn by chance, of the first `len(told)`
    sentences (samples, length) that have eight words at least."""
    draw = np.random.default_rng([seed, 3])
    rows = [row for row, (_, values, _) in enumerate(told) if len(values) >= LONG_ENOUGH]
    if not rows:
        return {"count": 0, "strongest": plain(_intervals.share(0, 0)), "chance": plain(_intervals.share(0, 0))}
    own = score_of(predict(ids[rows]))
    found = {}
    for name in ("strongest", "chance"):
        cut = ids[rows].copy()
        for place, row in enumerate(rows):
            values = told[row][1] * (1 if own[place] > 0 else -1)
            order = np.argsort(-values, kind="stable")
            gone = order[:STRONGEST] if name == "strongest" else draw.choice(order[STRONGEST:], STRONGEST, replace=False)
            cut[place, gone] = 0
        found[name] = plain(_intervals.share(int(((score_of(predict(cut)) > 0) != (own > 0)).sum()), len(rows)))
    return {"count": len(rows)} | found


def doubts(outputs: Array, labels: Array, unknown: Array) -> dict[str, Any]:
    """Whether sure answers are right, and whether unknown words (their share in each sentence) make answers worse."""
    right, sure = outputs.argmax(axis=1) == labels, outputs.max(axis=1) >= SURE
    many = unknown > np.median(unknown)
    hits = [(int(right[part].sum()), int(part.sum())) for part in (many, ~many)]
    return {
        "sure": int(sure.sum()),
        "right_when_sure": plain(_intervals.share(int(right[sure].sum()), int(sure.sum()))),
        "said_when_sure": float(outputs.max(axis=1)[sure].mean()) if sure.any() else None,
        "sure_and_wrong": [int(row) for row in np.flatnonzero(sure & ~right)],
        "many_unknown": plain(_intervals.share(*hits[0])),
        "few_unknown": plain(_intervals.share(*hits[1])),
        "unknown_difference": plain(_intervals.share_difference(*hits)),
    }


def choose(outputs: Mapping[str, Array], labels: Array, texts: Sequence[str] | Array, most: int) -> list[tuple[int, str]]:
    """Rows to show, and why each: the first network's surest and least sure answers, right and wrong, the same with a negator, and one on which the networks
    differ. Sentences of a length that reads well go first, and each is shown once."""
    one, *others = outputs.values()
    right, sure = one.argmax(axis=1) == labels, one.max(axis=1)
    lengths = np.array([len(edits.words_of(str(text))) for text in texts])
    fits = (lengths >= READABLE[0]) & (lengths <= READABLE[1])
    negators = np.array([any(edits.is_negator(word.name) for word in edits.words_of(str(text))) for text in texts])
    differ = np.any([other.argmax(axis=1) != one.argmax(axis=1) for other in others], axis=0) if others else np.zeros(len(labels), dtype=bool)
    wanted = (
        ("right, sure, with a negator", right & negators, -sure),
        ("wrong, sure", ~right & ~negators, -sure),
        ("right, sure", right & ~negators, -sure),
        ("wrong, sure, with a negator", ~right & negators, -sure),
        ("right, unsure", right & ~negators, sure),
        ("wrong, unsure", ~right & ~negators, sure),
        ("the networks differ", differ, -sure),
        ("right, unsure, with a negator", right & negators, sure),
    )
    found: list[tuple[int, str]] = []
    for why, part, order in wanted[:most]:
        rows = [int(row) for row in np.lexsort((order, ~fits)) if part[row] and int(row) not in [row for row, _ in found]]
        found += [(row, why) for row in rows[:1]]
    return found


def examples(score: Score, texts: Sequence[str] | Array, outputs: Array, told: Sequence[tuple[list[str], Array, Array]], known: Collection[str]) -> list[Any]:
    """Sentences in which the strongest word of all has an opposite: the two whose answer turns and whose score goes furthest, and the one whose goes least, as
    (change, score before, score after)."""
    strongest = [one for one in edits.changes(texts, known) if one.row < len(told) and int(np.abs(told[one.row][1]).argmax()) == one.place]
    if not strongest:
        return []
    before, after = score_of(outputs)[[one.row for one in strongest]], score([one.text for one in strongest])
    short = np.array([len(told[one.row][1]) <= READABLE[1] for one in strongest])
    turned = (before > 0) != (after > 0)
    order = np.lexsort((-np.abs(after - before), ~short))
    chosen = [int(i) for i in order if turned[i]][:2] + [int(i) for i in order[::-1] if short[i] and not turned[i]][:1]
    return [(strongest[i], float(before[i]), float(after[i])) for i in chosen]
