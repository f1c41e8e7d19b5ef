"""Sentences of opinion: which words carried the sentiment, what negation does, and what a changed word does, to two networks that read."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.applications._intervals import plain, share
from pellucid.applications._quality import accuracy
from pellucid.applications._work import Result, Work
from pellucid.applications.trades import _language_edits as edits
from pellucid.applications.trades import _language_measures as measures
from pellucid.applications.trades import _language_words as words
from pellucid.applications.trades._language_story import tell_story
from pellucid.core.records import Explanation
from pellucid.data.dataset import Dataset
from pellucid.data.preprocessings.text import Text
from pellucid.recipes import NETWORKS
from pellucid.recipes.schedule import Schedule

Array = np.ndarray
Watch = Callable[[str], AbstractContextManager[Any]]
READERS = {"bilstm": 2e-3, "transformer": 1e-3}
"""Both networks, with the learning rate of few sentences; of many each has its own schedule."""
FEW = 1000
"""Sentences to train on below which many passes in small batches are needed."""
LENGTH, LEAST, LEAST_OF_FEW, LEAST_IN_TRAINING = 60, 5, 3, 3
"""Words that are read of a sentence; sentences that must have a word before anything is said of it, and where there are few; times it must occur in training to
be known."""
SCORED: dict[str, Any] = {"score": "centered_logit"}
BUDGET, QUICK_BUDGET, CASE_BUDGET = 512, 128, 20_000
"""Evaluations a sentence: where means over many are wanted, and for a case."""
QUICK_SENTENCES, QUICK_CASES, CASES = 40, 2, 8
SECOND, QUICK_SECOND = 100, 10
"""Sentences on which a second method is asked."""


@dataclass(frozen=True)
class _Read:
    """What a network makes of the held-out sentences: probabilities (samples, 2), and what each word of the first `len(told)` was worth by two methods."""

    outputs: Array
    told: list[tuple[list[str], Array, Array]]
    otherwise: list[tuple[list[str], Array, Array]]


def language(
    out: str | os.PathLike[str] = "pellucid-language",
    *,
    seed: int = 0,
    lang: str = "en",
    quick: bool = False,
    watch: Watch | None = None,
    tell: Callable[[str], None] | None = None,
) -> Result:
    """Sentences of film critics to a bidirectional LSTM and a small transformer: which words spoke for and against, negation, and words replaced by opposites.

    Writes `index.html`, `result.json`, records and both networks (with their preprocessing) into the folder `out`. Without the reviews the 240 sentences that
    the project wrote itself take their place, and that is told. `lang` is "en" or "zh", `quick` a try of under a minute.
    Errors: `SettingError` (a language that is not spoken), `OutputError` (a folder that cannot be made), `MissingExtraError` (no TensorFlow).
    """
    work = Work.start("language", out, seed=seed, lang=lang, quick=quick, watch=watch, tell=tell)
    parts = work.spoken(work.load("movie_reviews", "sentences"))
    text = _train(work, parts)
    work.tell("what every word is worth")
    read = {name: _read(work, name, parts[1], text) for name in READERS}
    work.qualities += [accuracy(name, one.outputs, _labels(parts[1])) for name, one in read.items()]
    work.found |= {"quick": work.quick} | _about(parts, text) | {"words": _words(work, parts, text, read), "agreement": _agreement(read)}
    work.tell("negation and changed words")
    work.found |= _edited(work, parts[1], text, read)
    work.tell("explaining cases")
    shown = _examples(work, parts[1], text, read)
    _cases(work, parts[1], text, read)
    return work.finish(lambda: tell_story(work.found, tuple(work.qualities), shown, work.notes))


def _labels(data: Dataset) -> Array:
    return np.asarray(data.labels)


def _train(work: Work, parts: tuple[Dataset, Dataset]) -> Text:
    """Both networks; words that are rare in what is trained on are unknown words to them, so that they learn what to make of one."""
    rows = [words_of(text) for text in parts[0].inputs]
    counts: dict[str, int] = {}
    for name in (name for row in rows for name in row):
        counts[name] = counts.get(name, 0) + 1
    text = Text.fit(parts[0].inputs, length=LENGTH, truncate=True, most=2 + sum(count >= LEAST_IN_TRAINING for count in counts.values()))
    for name, rate in READERS.items():
        schedule = Schedule(epochs=30, batch=16, rate=rate) if len(rows) < FEW else None
        build = functools.partial(NETWORKS.load(name), vocabulary=len(text.vocabulary))
        work.train(name, build, parts, preprocessing=text, schedule=schedule, quick_epochs=15 if schedule else 2)
    return text


def words_of(text: str) -> list[str]:
    """The words of a sentence as the vocabulary holds them."""
    return [word.name for word in edits.words_of(str(text))]


def _read(work: Work, name: str, held: Dataset, text: Text) -> _Read:
    """What a network answers, and what the words were worth, by SHAP and by Integrated Gradients."""
    some = range(min(len(held), QUICK_SENTENCES) if work.quick else len(held))
    asked: dict[str, Any] = {"preprocessing": text, "target": 1, "case": False} | SCORED
    shap = work.explain(name, "shap", held, some, max_evaluations=QUICK_BUDGET if work.quick else BUDGET, **asked)
    paths = work.explain(name, "integrated_gradients", held, some[: QUICK_SECOND if work.quick else SECOND], **asked)
    return _Read(work.outputs(name, held, text), words.contributions(shap), words.contributions(paths))


def _about(parts: tuple[Dataset, Dataset], text: Text) -> dict[str, Any]:
    """What was read."""
    return {
        "data": parts[1].name,
        "training": len(parts[0]),
        "held_out": len(parts[1]),
        "vocabulary": len(text.vocabulary) - 2,
        "negated_in_training": sum(any(edits.is_negator(word) for word in words_of(one)) for one in parts[0].inputs),
    }


def _words(work: Work, parts: tuple[Dataset, Dataset], text: Text, read: dict[str, _Read]) -> dict[str, Any]:
    """Words for and against over the held-out sentences, to both networks."""
    counts = words.sentences_with([words_of(one) for one in parts[0].inputs], text.vocabulary[2:])
    least = LEAST if len(parts[0]) >= FEW else LEAST_OF_FEW
    worth = {name: {one.word: one for one in words.by_word(of.told, counts, least=least)} for name, of in read.items()}
    return words.ranked(worth, seed=work.seed) | {
        "least": least,
        "explained": len(next(iter(read.values())).told),
        "concentration": {name: [plain(words.concentration(of.told, count)) for count in (1, 3)] for name, of in read.items()},
    }


def _agreement(read: dict[str, _Read]) -> dict[str, Any]:
    """Both networks beside each other, and both methods of each."""
    one, other = read.values()
    within, sentences = words.agreement_within(one.told, other.told)
    same = one.outputs.argmax(axis=1) == other.outputs.argmax(axis=1)
    return {
        "within": plain(within),
        "sentences": sentences,
        "strongest": plain(words.same_strongest(one.told, other.told)),
        "answers": plain(share(int(same.sum()), len(same))),
        "methods": {
            name: {"within": plain(words.agreement_within(of.told, of.otherwise)[0]), "error": words.relative_error(of.told)} for name, of in read.items()
        },
    }


def _score(work: Work, name: str, text: Text) -> measures.Score:
    """The score of sentences that stand in no data set."""
    return lambda texts: measures.score_of(work.models[name].predict(np.asarray(text.inputs(list(texts)), dtype=np.float32)))


def _edited(work: Work, held: Dataset, text: Text, read: dict[str, _Read]) -> dict[str, Any]:
    """Negators, opposites, words cut out and doubts, of both networks."""
    known, labels = set(text.vocabulary), _labels(held)
    unknown = np.array([np.mean([word not in known for word in words_of(one)]) for one in held.inputs])
    ids = np.asarray(text.inputs(held.inputs), dtype=np.float32)
    found: dict[str, Any] = {"negation": {}, "changes": {}, "removal": {}, "doubts": {}}
    for name, of in read.items():
        score = _score(work, name, text)
        found["negation"][name] = measures.negation(score, held.inputs, of.outputs, labels, known)
        found["changes"][name] = measures.changed(score, held.inputs, of.outputs, known)
        found["removal"][name] = measures.removal(work.models[name].predict, ids, of.told, work.seed)
        found["doubts"][name] = measures.doubts(of.outputs, labels, unknown)
    return found


def _examples(work: Work, held: Dataset, text: Text, read: dict[str, _Read]) -> list[Explanation]:
    """Sentences before and after their strongest word was replaced, each an explanation of both, to the first network."""
    name, of = next(iter(read.items()))
    chosen = measures.examples(_score(work, name, text), held.inputs, of.outputs, of.told, set(text.vocabulary))
    found = []
    for change, before, after in chosen[: 1 if work.quick else None]:
        pair = replace(held, inputs=np.array([str(held.inputs[change.row]), change.text]), labels=None)
        asked: dict[str, Any] = {"preprocessing": text, "target": 1, "max_evaluations": QUICK_BUDGET if work.quick else CASE_BUDGET, "case": False}
        found.append(work.explain(name, "shap", pair, (0, 1), **asked | SCORED))
        others = {other: [float(one) for one in _score(work, other, text)(pair.inputs.tolist())] for other in list(read)[1:]}
        work.found.setdefault("examples", []).append(
            {
                "row": change.row,
                "word": change.word,
                "opposite": change.opposite,
                "texts": [str(one) for one in pair.inputs],
                "scores": {name: [before, after], **others},
            }
        )
    return found


def _cases(work: Work, held: Dataset, text: Text, read: dict[str, _Read]) -> None:
    """The sentences to look into, to both networks by both methods."""
    outputs = {name: of.outputs for name, of in read.items()}
    chosen = measures.choose(outputs, _labels(held), held.inputs, QUICK_CASES if work.quick else CASES)
    work.found["cases"] = [{"row": row, "why": why, "text": str(held.inputs[row])} for row, why in chosen]
    rows = [row for row, _ in chosen]
    for name in read:
        work.explain(name, "shap", held, rows, preprocessing=text, max_evaluations=QUICK_BUDGET if work.quick else CASE_BUDGET, **SCORED)
        work.explain(name, "integrated_gradients", held, rows, preprocessing=text, **SCORED)
