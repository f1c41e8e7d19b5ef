"""What a page says, as plain values: the template only lays it out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.core.comparison import Comparison
from pellucid.core.errors import SettingError
from pellucid.core.evaluation import Evaluation, Record
from pellucid.core.language import number, percent
from pellucid.core.language import said as _
from pellucid.core.outcome import Check
from pellucid.core.records import Explanation, Inspection
from pellucid.core.view import SEVERITIES, View
from pellucid.figures import scale_key
from pellucid.report import views, words
from pellucid.report.cases import Front, front_of, led
from pellucid.report.choices import choice_words
from pellucid.report.compared import Compared, side_by_side
from pellucid.report.groups import NetworkGroup, SampleGroup, group, sample_key
from pellucid.report.pictures import Picture, drawn_apart, explanation_pictures, input_picture, limits_apart, over_samples, text_of, worded
from pellucid.report.tokens import token_text
from pellucid.report.trust import Trials, Trust, believed

OWN = ("method", "view", "title", "citation", "settings", "resolved", "tolerance", "max_evaluations")
"""What belongs to one run, also where several runs agree on it."""
UNSAID = ("unit", "directed")
"""What tells figures how to draw, and a reader nothing."""


@dataclass(frozen=True)
class Line:
    """One check in words."""

    word: str
    sign: str
    text: str


@dataclass(frozen=True)
class Card:
    """One method's answer for one sample."""

    method: str
    title: str
    verdict: Line
    picture: Picture
    facts: tuple[tuple[str, str], ...]
    checks: tuple[Line, ...]
    more: tuple[Picture, ...] = ()
    trust: Trust | None = None
    choices: tuple[str, ...] = ()
    bands: bool = False
    sentence: str = ""
    """The words of a sentence with what they were worth, as HTML in which all is escaped."""

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Every picture: of several inputs one each."""
        return (self.picture, *self.more)


@dataclass(frozen=True)
class Sample:
    """One sample with all that was said of it."""

    number: int
    anchor: str
    heading: str
    status: str
    status_word: str
    verdict: str
    picture: Picture
    scores: tuple[str, ...]
    cards: tuple[Card, ...]
    scales: str
    believed: str = ""
    text: str = ""
    front: Front | None = None


@dataclass(frozen=True)
class Shown:
    """A view: its pictures, of one sample where it has samples, and what was found, each with its severity and advice."""

    title: str
    caption: str
    pictures: tuple[Picture, ...]
    findings: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Network:
    """One network's part of the page."""

    name: str
    anchor: str
    facts: tuple[tuple[str, str], ...]
    samples: tuple[Sample, ...]
    overall: tuple[Shown, ...]
    views: tuple[Shown, ...]
    inspection: Inspection | None
    common: tuple[tuple[str, str], ...]
    runs: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True)
class Page:
    """The whole report."""

    title: str
    summary: str
    networks: tuple[Network, ...]
    guide: tuple[tuple[str, str, str], ...]
    scales: tuple[tuple[str, str], ...]
    compared: tuple[Compared, ...] = ()
    thresholds: tuple[str, ...] = ()

    @property
    def explains(self) -> bool:
        """Whether something is explained or compared here; a page of views alone needs no word on errors and belief."""
        return bool(self.compared) or any(sample.cards for network in self.networks for sample in network.samples)

    @property
    def pictures(self) -> list[Picture]:
        """Every picture, in order."""
        found = []
        for network in self.networks:
            for sample in network.samples:
                found += [*(sample.front.pictures if sample.front else ()), sample.picture, *(picture for card in sample.cards for picture in card.pictures)]
            found += [picture for shown in (*network.overall, *network.views) for picture in shown.pictures]
        return found + [sample.picture for pair in self.compared for sample in pair.samples]


@dataclass(frozen=True)
class Draft:
    """Records put together, of which nothing has been drawn yet; `noun` is what a case is called ("Applicant")."""

    groups: Sequence[NetworkGroup]
    trials: Trials
    pairs: Sequence[Comparison]
    title: str = ""
    noun: str = ""

    @classmethod
    def of(cls, records: Sequence[Record], title: str | None, reasons: Mapping[str, str], noun: str = "") -> Draft:
        """Records by network and sample; an error where an evaluation came alone."""
        if not records:
            raise SettingError("a report needs at least one record, got none.")
        groups = group(records)
        trials = Trials({record.identity: record for record in records if isinstance(record, Evaluation)}, reasons)
        trials.check(groups)
        return cls(groups, trials, [record for record in records if isinstance(record, Comparison)], title or "", noun)

    def page(self) -> Page:
        """Everything on one page."""
        return self._page([_network(found, stem, self.trials, self.noun) for found, stem in self._stems], self.pairs)

    def around(self) -> Page:
        """What stands around the cases: the same without them."""
        return self._page([_network(found, stem, self.trials, self.noun, cases=False) for found, stem in self._stems], self.pairs)

    def cases(self) -> Iterator[tuple[SampleGroup, Page]]:
        """A page for each case, drawn when it is asked for."""
        for found, stem in self._stems:
            for each in found.samples.values():
                rows = [explanation[row] for explanation, row in each.rows]
                common, runs = _reproduce(rows)
                sample = _sample(each, stem, self.trials, self.noun)
                yield each, self._page([Network(found.name, stem, (), (sample,), (), (), None, common, runs)])

    @property
    def _stems(self) -> list[tuple[NetworkGroup, str]]:
        return list(zip(self.groups, _unique([slug(found.name) for found in self.groups]), strict=True))

    def _page(self, networks: Sequence[Network], pairs: Sequence[Comparison] = ()) -> Page:
        names = dict.fromkeys(name for found in self.groups for name in (*found.methods, *(view.view for view in found.views)))
        guide = tuple((words.plain_title(name), _(answer), _(limit)) for name in names for answer, limit in (words.answers(name),))
        used = dict.fromkeys(explanation.target.score for found in self.groups for explanation in found.explanations)
        scales = tuple((_(score.replace("_", " ")), _(words.SCORES[score])) for score in used if score in words.SCORES)
        compared = tuple(side_by_side(pair, f"compared-{i + 1}") for i, pair in enumerate(pairs))
        title = self.title or _("What the network saw, and why it decided")
        summary = _summary(self.groups, len(self.pairs))
        return Page(title, summary, tuple(networks), tuple(row for row in guide if row[1]), scales, compared, self.trials.thresholds)


def compose(records: Sequence[Record], title: str | None = None, reasons: Mapping[str, str] | None = None) -> Page:
    """Everything a report says of these records; `reasons` say, by `identity_of` an explanation, why it has no evaluation."""
    return Draft.of(records, title, reasons or {}).page()


def slug(name: str) -> str:
    """A part of a file name: letters, digits and hyphens.

    >>> slug("CNN <b>/../x"), slug("卷积")
    ('cnn-b-x', '卷积')
    """
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-")[:40] or "network"


def _unique(stems: list[str]) -> list[str]:
    return [stem if stems.count(stem) == 1 else f"{stem}-{stems[: i + 1].count(stem)}" for i, stem in enumerate(stems)]


def _summary(groups: Sequence[NetworkGroup], compared: int) -> str:
    samples = len({key for found in groups for key in found.samples})
    methods = len({name for found in groups for name in found.methods})
    parts = []
    if samples:
        explained, by = count(samples, _("1 sample"), _("{count} samples")), count(methods, _("1 method"), _("{count} methods"))
        parts.append(_("{samples} explained by {methods}").format(samples=explained, methods=by))
    views = sum(len(found.views) for found in groups)
    if views:
        parts.append(count(views, _("1 view of what happens inside"), _("{count} views of what happens inside")))
    if compared:
        parts.append(count(compared, _("1 comparison"), _("{count} comparisons")))
    return _(", ").join([*parts, count(len(groups), _("1 network"), _("{count} networks"))] if groups else parts)


def count(how_many: int, one: str, many: str) -> str:
    """
    >>> count(1, "1 sample", "{count} samples"), count(3, "1 sample", "{count} samples")
    ('1 sample', '3 samples')
    """
    return one if how_many == 1 else many.format(count=number(how_many))


def _network(found: NetworkGroup, stem: str, trials: Trials, noun: str, *, cases: bool = True) -> Network:
    inspection = found.inspections[0] if found.inspections else None
    records: list[Explanation | View] = [*found.explanations, *found.views]
    framework = inspection.framework if inspection else next((str(r.provenance["framework"]) for r in records if r.provenance.get("framework")), "")
    facts = [(_("framework"), framework)] if framework else []
    if inspection:
        facts += [
            (_("parameters"), number(inspection.parameters)),
            *_inputs(inspection),
            (_("ends in"), inspection.head or _("no softmax or sigmoid")),
        ]
    samples = tuple(_sample(each, stem, trials, noun) for each in found.samples.values()) if cases else ()
    numbers = {key: each.number for key, each in found.samples.items()}
    shown = tuple(_shown(view, numbers, f"{stem}-view-{i + 1}" if len(found.views) > 1 else f"{stem}-view") for i, view in enumerate(found.views))
    common, runs = _reproduce(records)
    overall = tuple(_overall(explanation, f"{stem}-{slug(explanation.method)}-{i + 1}") for i, explanation in enumerate(found.explanations))
    return Network(found.name, stem, tuple(facts), samples, tuple(filter(None, overall)), shown, inspection, common, runs)


def _inputs(inspection: Inspection) -> list[tuple[str, str]]:
    """The input's shape, or each of several by its name."""
    if len(inspection.inputs) < 2:
        return [(_("input"), words.shape_words(inspection.input_shape))]
    return [(_("inputs"), _(", ").join(f"{spec.name} {words.shape_words(spec.shape)}" for spec in inspection.inputs))]


def line(check: Check) -> Line:
    """A check with its word and sign."""
    word, sign = words.SEVERITIES[check.severity]
    return Line(word, sign, str(check))


def _sample(found: SampleGroup, stem: str, trials: Trials, noun: str) -> Sample:
    explanation, row = found.first
    output = np.asarray(explanation.prediction[row])
    true = None if found.true is None else words.class_number(explanation, found.true)
    anchor = f"{stem}-sample-{found.number}"
    cards = tuple(
        replace(_card(each, i, limit, anchor), trust=trials.of(each, i)) for (each, i), limit in zip(found.rows, limits_apart(found.rows), strict=True)
    )
    status, status_word, heading = _answer(explanation, output, true)
    verdict = _verdict(cards)
    alt = _("The input of sample {number} and the network's answer: {answer}").format(number=found.number, answer=heading)
    picture = input_picture(explanation, row, true, f"{anchor}-input", alt)
    scores = tuple(dict.fromkeys(words.score_words(each, i) for each, i in found.rows))
    cards = _named_apart(cards)
    told = believed([(card.title, card.trust) for card in cards if card.trust is not None])
    text = text_of(explanation, row)
    leading = led(found)
    front = front_of(leading, trials.trial(leading.first[0]), anchor, noun)
    return Sample(found.number, anchor, heading, status, status_word, verdict, picture, scores, cards, _scales(found), told, text, front)


def _answer(explanation: Explanation, output: np.ndarray, true: int | None) -> tuple[str, str, str]:
    """Whether the network was right, as a key and a word, and its answer in words."""
    if output.ndim != 1 or output.size < 2:
        return "", "", _("output {values}").format(values=np.array2string(np.ravel(output)[:4], precision=4))
    predicted = int(output.argmax())
    heading = _("predicted “{name}”").format(name=words.class_word(explanation, predicted))
    if output.min() >= 0 and abs(output.sum() - 1) < 1e-3:
        heading = _("predicted “{name}” ({share})").format(name=words.class_word(explanation, predicted), share=percent(float(output[predicted])))
    if true is None:
        return "", "", heading
    if predicted == true:
        return "correct", _("✓ correct"), heading
    return "wrong", _("✗ misclassified"), _("{answer}, truly “{name}”").format(answer=heading, name=words.class_word(explanation, true))


def _verdict(cards: Sequence[Card]) -> str:
    """One line over all methods."""
    good = sum(card.verdict.word == "good" for card in cards)
    parts = [(_("{good} of 1 explanation good") if len(cards) == 1 else _("{good} of {count} explanations good")).format(good=good, count=len(cards))]
    for word in ("note", "warning"):
        titles = [card.title for card in cards if card.verdict.word == word]
        if titles:
            parts.append(_("{word} for {titles}").format(word=_(word), titles=_(", ").join(titles)))
    return _("; ").join(parts)


def _card(explanation: Explanation, row: int, limits: Mapping[str, float | None], anchor: str) -> Card:
    cost, outcome = explanation.cost, explanation.outcome[row]
    forward, backward = int(cost.evaluations[row]), int(cost.gradients[row])
    spent = _("{evaluations}, of which {gradients} with a gradient").format(evaluations=number(forward), gradients=number(backward))
    if explanation.choices is not None:
        spent = _("{evaluations}; {others} for other choices").format(evaluations=spent, others=number(int(explanation.choices.evaluations[row])))
    time = _("{seconds} a sample (mean of {count})").format(seconds=words.seconds(cost.seconds / max(len(explanation), 1)), count=len(explanation))
    facts = [
        (_("error"), words.error_words(explanation, row)),
        (_("evaluations"), spent),
        (_("time"), time),
    ]
    if explanation.baseline_score is not None:
        here, there = (words.in_figures(float(score[row])) for score in (explanation.score, explanation.baseline_score))
        facts.append((_("score"), _("{here} here, {there} at the baseline").format(here=here, there=there)))
    resolved = explanation.provenance.get("resolved") or {}
    if isinstance(resolved, dict) and resolved.get("layer"):
        facts.append((_("layer"), str(resolved["layer"])))
    picture, *more = explanation_pictures(explanation, row, limits, f"{anchor}-{slug(explanation.method)}")
    checks = tuple(line(check) for check in outcome.checks)
    told = choice_words(explanation, row)
    bands = explanation.features is not None or not explanation.on_grid
    found = worded(explanation, row)
    sentence = "" if found is None else token_text(found[0], tokens=found[1])
    title = words.title_of(explanation)
    return Card(explanation.method, title, line(outcome.worst), picture, tuple(facts), checks, tuple(more), choices=told, bands=bands, sentence=sentence)


def _named_apart(cards: Sequence[Card]) -> tuple[Card, ...]:
    """Two runs of one method get numbers, in their titles and file names."""
    seen: dict[str, int] = {}
    named = []
    for card in cards:
        seen[card.picture.name] = number = seen.get(card.picture.name, 0) + 1
        picture, *more = (replace(one, name=f"{one.name}-{number}") for one in card.pictures)
        named.append(card if number == 1 else replace(card, title=f"{card.title} ({number})", picture=picture, more=tuple(more)))
    return tuple(named)


def _scales(found: SampleGroup) -> str:
    """Which maps can be compared by colour."""
    sharing: dict[tuple[object, ...], list[Explanation]] = {}
    alone = []
    for explanation, row in found.rows:
        key = scale_key(next(iter(drawn_apart(explanation, row).values()))[0])
        if key is None:
            alone.append(words.title_of(explanation))
        else:
            sharing.setdefault(key, []).append(explanation)
    parts = []
    for members in sharing.values():
        titles = _(" and ").join(words.title_of(member) for member in members)
        unit = _("feature") if members[0].features is not None else _("input element")
        if len(members) > 1:
            shared = _("{titles} share one scale, symmetric about zero, in units of the {score} per {unit}")
            parts.append(shared.format(titles=titles, score=words.scale_words(members[0]), unit=unit))
        else:
            alone.append(titles)
    if alone:
        each = _("{titles}: a scale of its own, as the units differ") if len(alone) == 1 else _("{titles}: each a scale of its own, as the units differ")
        parts.append(each.format(titles=_(", ").join(alone)))
    if any(explanation.packing is not None for explanation, _row in found.rows):
        parts.append(_("each input has a scale of its own"))
    return _("Colours: {scales}. Red speaks for the target, blue against it.").format(scales=_("; ").join(parts)) if parts else ""


def _overall(explanation: Explanation, stem: str) -> Shown | None:
    """A table's explanation over all its samples."""
    pictures = over_samples(explanation, stem)
    caption = _("On the left what matters on average, with 95 % intervals over these samples; on the right each sample: how far, which way, and at what value.")
    if len(pictures) > 2:
        caption = _("{sentence} {next}").format(sentence=caption, next=_("Then the strongest columns of numbers: what each was worth, by what a sample held."))
    return Shown(_("{title} over {count} samples").format(title=words.title_of(explanation), count=len(explanation)), caption, pictures) if pictures else None


def _shown(view: View, numbers: dict[bytes, int], stem: str) -> Shown:
    number = numbers.get(sample_key(view.inputs[0])) if len(view) else None
    title = _(str(view.provenance.get("title") or words.plain_title(view.view)))
    found = tuple((SEVERITIES[finding.severity], finding.told, finding.advised) for finding in view.findings)
    return Shown(title, views.caption(view, number), tuple(views.view_pictures(view, 0, stem)), found)


def _reproduce(records: Sequence[Explanation | View]) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, tuple[tuple[str, str], ...]], ...]]:
    """What all records of a network have in common, and what each has besides."""
    if not records:
        return (), ()
    tables: list[dict[str, Any]] = [{key: words.flat(value) for key, value in record.provenance.items() if key not in UNSAID} for record in records]
    keys = [key for key in dict.fromkeys(key for table in tables for key in table) if key not in OWN and sum(key in table for table in tables) > 1]
    found = {key: {table[key] for table in tables if key in table} for key in keys}
    shared = {key: texts.pop() for key, texts in found.items() if len(texts) == 1}
    runs = []
    for record, table in zip(records, tables, strict=True):
        name = record.method if isinstance(record, Explanation) else record.view
        rest = tuple(
            (key.replace("_", " "), text) for key, text in table.items() if key not in shared and key not in ("method", "view", "title") and text != ""
        )
        runs.append((_(str(record.provenance.get("title") or words.plain_title(name))), rest))
    return tuple((key.replace("_", " "), text) for key, text in shared.items() if text != ""), tuple(runs)
