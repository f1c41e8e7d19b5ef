"""What the report of an application on sentences tells: every sentence turns with the numbers it rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.applications._intervals import side
from pellucid.core.language import later, number, percent, signed
from pellucid.core.language import said as _
from pellucid.core.records import Explanation
from pellucid.figures import png_bytes, stacked
from pellucid.figures.intervals import intervals
from pellucid.figures.token_bars import token_bars
from pellucid.report.pictures import Picture
from pellucid.report.story import Chapter, Grid, Quality, Story

Array = np.ndarray
Found = Mapping[str, Any]
Ends = Sequence[float | None]
"""A value, and the low and the high end of its interval; None where nothing is known."""
DPI = 150
RARE = 40
"""A word that weighs in fewer training sentences rests on little."""
LOUD = 0.1
"""What a word that says no opinion must be worth to be worth a test."""
PER_LINE = 30
WHY = {
    "right, sure": later("right, and sure"),
    "right, unsure": later("right, and unsure"),
    "wrong, sure": later("wrong, and sure"),
    "wrong, unsure": later("wrong, and unsure"),
    "right, sure, with a negator": later("right and sure, with a negator"),
    "right, unsure, with a negator": later("right and unsure, with a negator"),
    "wrong, sure, with a negator": later("wrong and sure, with a negator"),
    "the networks differ": later("the two networks answer differently"),
}
"""Kinds of cases, as `choose` names them."""


def tell_story(found: Found, qualities: Sequence[Quality], shown: Sequence[Explanation], notes: Sequence[str]) -> Story:
    """The whole report."""
    lead = _(
        "Two networks learned from {training} sentences whether an opinion is for or against: bilstm, a recurrent network that reads a sentence from both "
        "ends, and transformer, a small one of its kind. What did they read in {held} sentences that they had not seen?"
    )
    return Story(
        title=_("Sentences of opinion: which words carried the sentiment"),
        lead=lead.format(training=number(found["training"]), held=number(found["held_out"])),
        noun=_("Sentence"),
        qualities=tuple(qualities),
        chapters=(
            carried(found),
            agree(found),
            negation(found),
            changed(found, shown),
            Chapter(_("How far can these explanations be relied on?"), tuple(reliable(found))),
            cases(found),
        ),
        actions=tuple(actions(found)),
        notes=(*notes, *warnings(found)),
    )


def warnings(found: Found) -> list[str]:
    """What a reader must know first."""
    told = []
    if found["data"] == "sentences":
        told.append(_("The sentences were written for Pellucid itself: good for trying and showing, no measure of how well a network reads."))
    if found["quick"]:
        told.append(_("This was a quick try: the networks were trained for a short time, and few sentences were explained."))
    return told


# ---- numbers in words ------------------------------------------------------------------------------------------------


def between(ends: Ends, write: Callable[[float], str] = signed) -> str:
    """A number and its interval."""
    value, low, high = ends
    if value is None:
        return _("not known")
    if low is None or high is None:
        return _("{value} (too few for an interval)").format(value=write(value))
    return _("{value} (95 %: {low} to {high})").format(value=write(value), low=write(low), high=write(high))


def short(ends: Ends, write: Callable[[float], str] = signed) -> str:
    """The same where a table has little room."""
    if any(one is None for one in ends):
        return between(ends, write)
    value, low, high = (write(one or 0.0) for one in ends)
    return _("{value} ({low} to {high})").format(value=value, low=low, high=high)


def each(found: Found, write: Callable[[Any], str]) -> str:
    """ "bilstm: …; transformer: …" """
    return "; ".join(_("{network}: {what}").format(network=name, what=write(one)) for name, one in found.items())


def _array(rows: Sequence[Ends]) -> Array:
    """As figures take them, (rows, 3); an end that is not known goes to the edge."""
    return np.array(
        [[np.nan, np.nan, np.nan] if row[0] is None else [row[0], -np.inf if row[1] is None else row[1], np.inf if row[2] is None else row[2]] for row in rows],
        dtype=np.float64,
    ).reshape(-1, 3)


def _rows_picture(name: str, rows: Sequence[str], series: Mapping[str, Sequence[Ends]], title: str, label: str, alt: str) -> Picture:
    artists = intervals(rows, {net: _array(values) for net, values in series.items()}, title=title, label=label)
    return Picture(name, png_bytes(artists[0].figure.figure, DPI), alt)


# ---- which words -----------------------------------------------------------------------------------------------------


def carried(found: Found) -> Chapter:
    """Which words carried the sentiment."""
    words = found["words"]
    heading = _("Which words carried the sentiment?")
    scale = _(
        "A word's contribution is its share of the score by SHAP: how far the score moves when the word joins, on average over all orders in which the words "
        "of its sentence can join; a word that is absent is cut out. The score is half the log-odds of “positive”: 0 is undecided, +1 a "
        "probability of 88 %, +2 of 98 %."
    )
    top = words["for"] + words["against"]
    if not top:
        none = _("Of {count} words that stand in at least {least} of the explained sentences, none is shown to speak for or against on average.")
        return Chapter(heading, (none.format(count=number(words["counted"]), least=number(words["least"])), scale))
    counted = _(
        "Words asked about, because they stand in at least {least} of the {sentences} explained sentences: {count}. Most surely for “positive” spoke: {good}. "
        "Most surely against it: {bad}."
    )
    names = {key: ", ".join(_("“{word}”").format(word=one["word"]) for one in words[key]) or _("none") for key in ("for", "against")}
    first = counted.format(
        least=number(words["least"]), sentences=number(words["explained"]), count=number(words["counted"]), good=names["for"], bad=names["against"]
    )
    spread = _("The strongest word of a sentence has, on average, this part of all that its words are worth: {one}. The three strongest have: {three}.")
    parts = [each(words["concentration"], lambda ends, place=place: between(ends[place], percent)) for place in (0, 1)]  # type: ignore[misc]
    nets = list(top[0]["worth"])
    picture = _rows_picture(
        "words",
        [_("{word} ({count})").format(word=one["word"], count=number(one["sentences"])) for one in top],
        {net: [one["worth"][net] for one in top] for net in nets},
        _("words for and against"),
        _("mean contribution to the score of “positive”\n(in how many sentences); 95 % t interval"),
        _("The words that spoke most surely for and against, with the mean of their contributions and its interval, to both networks"),
    )
    columns = (_("Word"), *nets, _("Held-out sentences"), _("Training sentences"))
    rows = tuple((one["word"], *(short(one["worth"][net]) for net in nets), number(one["sentences"]), number(one["training"])) for one in top)
    caption = _(
        "Mean contribution and its interval over the sentences with the word. Words are ranked by the end of the interval that is nearer to zero; the "
        "strongest of many are a little lucky, so that in other sentences their means would be somewhat smaller."
    )
    return Chapter(
        heading,
        (first, scale, spread.format(one=parts[0], three=parts[1]), *silent(words)),
        (picture,),
        (Grid(columns, rows, " ".join((caption, _("In brackets: 95 % intervals.")))),),
    )


def silent(words: Found) -> list[str]:
    """Words that say no opinion, and yet weigh."""
    loud = [one for one in words["silent"] if max(abs(ends[0] or 0.0) for ends in one["worth"].values()) >= LOUD]
    if not loud:
        return [_("Of {count} words that say no opinion, such as “film” and “the”, none weighs much.").format(count=number(words["silent_asked"]))]
    text = _("Words that say no opinion weigh too. Asked about: {count}; the strongest: {words}.")
    told = "; ".join(_("“{word}” ({worth})").format(word=one["word"], worth=each(one["worth"], between)) for one in loud)
    return [text.format(count=number(words["silent_asked"]), words=told)]


# ---- two networks ----------------------------------------------------------------------------------------------------


def agree(found: Found) -> Chapter:
    """Whether the two networks agree on words."""
    one = found["agreement"]
    rank, within = found["words"]["rank"], one["within"]
    answers = _("Both networks give the same answer to {share} of the held-out sentences.").format(share=between(one["answers"], percent))
    over = _("Over all words asked about, the mean contributions have a rank correlation of {rank}.").format(rank=between(rank))
    inside = _("Within a sentence, the words' contributions have a rank correlation of {within} on average over {count} sentences.")
    strongest = _("Both name the same word as the strongest in {share} of the sentences.").format(share=between(one["strongest"], percent))
    return Chapter(
        _("Do the two networks agree on the words?"),
        (answers, " ".join((over, inside.format(within=between(within), count=number(one["sentences"])), strongest)), _judged(within)),
    )


def _judged(within: Ends) -> str:
    """What a mean rank correlation within sentences comes to."""
    value, low = within[0], within[1]
    if value is None or low is None or low <= 0:
        return _("That the networks weigh the words of a sentence alike is not shown.")
    if value >= 0.7:
        return _("So, though built differently, they read sentences largely by the same words.")
    return _("So they agree on the words in part: an explanation of one does not speak for the other.")


# ---- negation --------------------------------------------------------------------------------------------------------


def negation(found: Found) -> Chapter:
    """What a negator does."""
    nets = found["negation"]
    first = next(iter(nets.values()))
    if not first["counts"][0]:
        return Chapter(_("Do the networks understand negation?"), (_("No held-out sentence has a negator, so that nothing can be said of negation."),))
    told = [
        _(
            "Sentences with “not”, “n't”, “never”, “no”, “without”, “hardly” or “cannot”: {count} of {total} held-out ones. Where one is taken "
            "out, “isn't” becomes “is”."
        ).format(count=number(first["counts"][0]), total=number(sum(first["counts"]))),
        *(_right(name, one) for name, one in nets.items()),
        *(_taken_out(name, one) for name, one in nets.items()),
    ]
    text = _(
        "Whether a negator turns a word is measured on four forms of a sentence: whole, without the negator, without the word of opinion behind it, and "
        "without both. Numbers count in the word's own direction: a positive one speaks for what the word says by itself. A network that understands “not "
        "good” gives “good” a negative number behind “not”."
    )
    told += [text, *(_turned(name, one) for name, one in nets.items())]
    ways = {"found": _("negator as it stands"), "put_in": _("“not” put in")}
    forms = {"alone": _("word alone"), "behind": _("behind the negator")}
    pairs = [(way, form) for way in ways for form in forms if any(one[way]["count"] for one in nets.values())]
    columns = (_("Network"), _("Negator"), _("Sentences"), _("Word alone"), _("Behind the negator"), _("Difference (interaction)"), _("Turned its sign"))
    rows = tuple(
        (
            name,
            ways[way],
            number(one[way]["count"]),
            *(short(one[way][key]) for key in ("alone", "behind", "interaction")),
            short(one[way]["reversed"], percent),
        )
        for name, one in nets.items()
        for way in ways
        if one[way]["count"]
    )
    if not pairs:
        return Chapter(_("Do the networks understand negation?"), tuple(told))
    picture = _rows_picture(
        "negation",
        [f"{ways[way]}: {forms[form]}" for way, form in pairs],
        {name: [one[way][form] for way, form in pairs] for name, one in nets.items()},
        _("what a word of opinion is worth"),
        _("change of the score in the word's own direction\n95 % t interval"),
        _("What words of opinion are worth by themselves and behind a negator, to both networks"),
    )
    caption = _(
        "“Not” was put in right before a word that says a quality, in sentences without a negator, whatever the grammar; the words are a "
        "list of the project's own."
    )
    return Chapter(
        _("Do the networks understand negation?"), tuple(told), (picture,), (Grid(columns, rows, " ".join((caption, _("In brackets: 95 % intervals.")))),)
    )


def _right(name: str, one: Found) -> str:
    """Accuracy with and without negators."""
    turn = {
        1: _("{name} is right in {with} of the sentences with a negator and in {without} of the others: more often with one, by {difference}."),
        -1: _("{name} is right in {with} of the sentences with a negator and in {without} of the others: less often with one, by {difference}."),
        0: _("{name} is right in {with} of the sentences with a negator and in {without} of the others; the difference of {difference} may be chance."),
    }[side(one["difference"])]
    return turn.format_map(
        {"name": name, "with": between(one["with"], percent), "without": between(one["without"], percent), "difference": between(one["difference"], points)}
    )


def points(value: float) -> str:
    """A difference of shares, in points."""
    return _("{value} points").format(value=signed(100 * value))


def _taken_out(name: str, one: Found) -> str:
    """What taking the negators out of a sentence does."""
    turn = {
        1: _("Without its negators, a sentence seems more positive to {name}, by {change} on average: it takes the negator itself for a word against."),
        -1: _("Without its negators, a sentence seems more negative to {name}, by {change} on average: it takes the negator itself for a word for."),
        0: _("Without its negators, a sentence seems neither more positive nor more negative to {name} on average ({change})."),
    }[side(one["removed"])]
    turned = _("The answer turns in {share}.").format(share=between(one["turned"], percent))
    return f"{turn.format(name=name, change=between(one['removed']))} {turned}"


def _turned(name: str, one: Found) -> str:
    """What a negator does to the word behind it, by the way that has more sentences."""
    way = max((one["found"], one["put_in"]), key=lambda way: int(way["count"]))
    if not way["count"]:
        return _("{name}: no sentence has a known word of opinion to measure it on.").format(name=name)
    values = {key: between(way[key]) for key in ("alone", "behind", "interaction")}
    facts = _("{name}, over {count} sentences: a word of opinion is worth {alone} by itself and {behind} behind the negator; the difference is {interaction}.")
    fact = facts.format(name=name, count=number(way["count"]), **values)
    return f"{fact} {verdict(way)}"


def verdict(way: Found) -> str:
    """What the worth of words behind a negator comes to."""
    behind, change = side(way["behind"]), side(way["interaction"])
    if behind < 0:
        return _("So the negator turns the word.")
    if behind > 0 and change < 0 and way["alone"][0]:
        kept = way["behind"][0] / way["alone"][0]
        return _("So the negator takes something from the word and does not turn it: {kept} of its worth stay.").format(kept=percent(kept, 0))
    if behind > 0 and change > 0:
        return _("So the negator makes more of the word and does not turn it.")
    if behind > 0:
        return _("So the word keeps what it says by itself: that the negator does anything to it is not shown.")
    if change < 0:
        return _("So the negator takes the word's worth away, and whether it turns it is not shown.")
    return _("What the negator does to the word is not shown.")


# ---- a word changed --------------------------------------------------------------------------------------------------


def changed(found: Found, shown: Sequence[Explanation]) -> Chapter:
    """The same sentence with a word replaced by its opposite."""
    heading, nets = _("What if a single word were another one?"), found["changes"]
    count = next(iter(nets.values()))["count"]
    if not count:
        return Chapter(heading, (_("No held-out sentence has a word of the list of opposites that the networks know."),))
    told = [
        _(
            "In {count} held-out sentences a word of opinion was replaced by its opposite, such as “good” by “bad” (the first of each sentence, by a list of "
            "the project's own)."
        ).format(count=number(count))
    ]
    for name, one in nets.items():
        text = _(
            "{name}: the score moved towards the new word in {followed}, by {way} on average. The answer turned in {turned}; where it had been what the word "
            "said, in {agreed}."
        )
        values = {"followed": one["followed"], "turned": one["turned"], "agreed": one["turned_agreed"]}
        told.append(text.format(name=name, way=between(one["way"]), **{key: between(ends, percent) for key, ends in values.items()}))
    rest = [one["turned_agreed"] for one in nets.values()]
    if all(ends[2] is not None and ends[2] < 0.5 for ends in rest):
        told.append(_("So a single word decides less than half of the sentences: in the others the rest holds the answer."))
    elif all(ends[1] is not None and ends[1] > 0.5 for ends in rest):
        told.append(_("So a single word decides most sentences, whatever else they say."))
    rows = tuple(
        (
            _("“{word}” becomes “{opposite}”").format(word=one["word"], opposite=one["opposite"]),
            one["texts"][0],
            *(_("{before} → {after}").format(before=signed(pair[0]), after=signed(pair[1])) for pair in one["scores"].values()),
        )
        for one in found.get("examples", [])
    )
    columns = (_("Word"), _("Sentence"), *(_("Score of {network}").format(network=name) for name in nets))
    caption = _("Sentences whose strongest word was replaced: the farthest ways of the score, and the shortest. Above 0 the answer is “positive”.")
    pictures = tuple(_before_after(one, explanation, place) for place, (one, explanation) in enumerate(zip(found.get("examples", []), shown, strict=False)))
    return Chapter(heading, tuple(told), pictures, (Grid(columns, rows, caption),) if rows else ())


def _before_after(one: Found, explanation: Explanation, place: int) -> Picture:
    """A sentence's words before and after, one scale."""
    net = str(explanation.provenance.get("network") or "")
    wide = min(max(int(mask.sum()) for mask in explanation.feature_mask), PER_LINE)
    lines = max(-(-int(mask.sum()) // PER_LINE) for mask in explanation.feature_mask)
    height = 1.1 * lines + 0.85 * (lines - 1)
    axes = stacked((("sentence", height), ("sentence", height)), 0.85 + 0.2 * max(wide, 18))
    titles = (
        _("{network}: with “{word}”, score {score}").format(network=net, word=one["word"], score=signed(float(explanation.score[0]))),
        _("{network}: with “{word}”, score {score}").format(network=net, word=one["opposite"], score=signed(float(explanation.score[1]))),
    )
    inner = []
    for row, (ax, title) in enumerate(zip(axes, titles, strict=True)):
        bars = token_bars(explanation, sample=row, ax=ax, per_line=PER_LINE, title=title)
        inner += list(dict.fromkeys(bar.axes for bar in bars if bar.axes is not None))
    low, high = min(ax.get_ylim()[0] for ax in inner), max(ax.get_ylim()[1] for ax in inner)
    for part in inner:
        part.set_ylim(low, high)
    alt = _("The words of a sentence with their contributions, before and after “{word}” became “{opposite}”, on one scale")
    return Picture(f"changed-{place}", png_bytes(axes[0].figure.figure, DPI), alt.format(word=one["word"], opposite=one["opposite"]))


def cases(found: Found) -> Chapter:
    """Which sentences are shown, and why these."""
    told = _("The sentences were chosen by rule: of each kind the one of which bilstm was surest, or least sure, among those of a length that reads well.")
    rows = tuple((_(WHY[one["why"]]), one["text"]) for one in found["cases"])
    return Chapter(_("Which sentences are shown as cases?"), (told,), (), (Grid((_("Why it is shown"), _("Sentence")), rows),))


# ---- how sure, and what next -----------------------------------------------------------------------------------------


def reliable(found: Found) -> list[str]:
    """How far the explanations can be relied on."""
    methods, cut = found["agreement"]["methods"], found["removal"]
    told = [
        _("SHAP draws sets of words, so that its numbers have an error, of this size beside them (the median over sentences): {errors}.").format(
            errors=each({name: one["error"] for name, one in methods.items()}, lambda error: _("not known") if error is None else percent(error))
        ),
        _("Integrated Gradients, which asks in another way, ranks the words of a sentence alike, with a rank correlation on average of: {within}.").format(
            within=each({name: one["within"] for name, one in methods.items()}, between)
        ),
    ]
    for name, one in cut.items():
        if not one["count"]:
            continue
        strong, chance = one["strongest"], one["chance"]
        apart = strong[1] is not None and chance[2] is not None and strong[1] > chance[2]
        text = (
            _(
                "{name}: with the three words cut out that speak most for its answer, the answer turns in {strong}; with three others, in "
                "{chance}: the words matter."
            )
            if apart
            else _(
                "{name}: with the three words cut out that speak most for its answer, the answer turns in {strong}; with three others, in "
                "{chance}: no difference is shown."
            )
        )
        told.append(text.format(name=name, strong=between(strong, percent), chance=between(chance, percent)))
    told.append(
        _(
            "Not checked: whether the words are reasons that a person would accept, and sentences of another kind than these. A sentence without some of its "
            "words is none that anybody would write."
        )
    )
    return told


def actions(found: Found) -> list[str]:
    """What to do next, each of a number that was measured."""
    return [*_of_negation(found), *_of_words(found), *_of_doubts(found)]


def _of_negation(found: Found) -> list[str]:
    """Where a negator does not turn words: pairs to train on."""
    failing = []
    for name, one in found["negation"].items():
        way = max((one["found"], one["put_in"]), key=lambda way: int(way["count"]))
        if way["count"] and side(way["behind"]) > 0:
            failing.append(_("{name} {worth}").format(name=name, worth=between(way["behind"])))
    if not failing:
        return []
    text = _(
        "Add pairs of the same sentence with and without a negator, and the other label, to the training data: behind a negator a word of opinion still speaks "
        "for what it says by itself ({worth}), and {count} of {total} training sentences have a negator at all."
    )
    return [text.format(worth="; ".join(failing), count=number(found["negated_in_training"]), total=number(found["training"]))]


def _of_words(found: Found) -> list[str]:
    """Words that rest on few sentences, and words that say nothing."""
    words, told = found["words"], []
    rare = [one for one in words["for"] + words["against"] if one["training"] < RARE]
    if rare:
        listed = ", ".join(_("“{word}” ({count})").format(word=one["word"], count=number(one["training"])) for one in rare)
        text = _("Collect more sentences with words that weigh much and stand in fewer than {limit} training sentences: {words}.")
        told.append(text.format(limit=number(RARE), words=listed))
    loud = [one for one in words["silent"] if max(abs(ends[0] or 0.0) for ends in one["worth"].values()) >= LOUD]
    if loud:
        listed = ", ".join(_("“{word}” ({worth})").format(word=one["word"], worth=each(one["worth"], lambda ends: signed(ends[0] or 0.0))) for one in loud)
        text = _("Test a shortcut: drop words that say no opinion and yet weigh, {words}, before training, and see whether the accuracy stays.")
        told.append(text.format(words=listed))
    return told


def _of_doubts(found: Found) -> list[str]:
    """Answers that are surer than they should be, sure and wrong ones, and unknown words."""
    told = []
    for name, one in found["doubts"].items():
        right, said = one["right_when_sure"], one["said_when_sure"]
        if said is not None and right[2] is not None and right[2] < said:
            text = _("Calibrate {name}: where it says {said} on average, and 90 % at least, it is right in {right}.")
            told.append(text.format(name=name, said=percent(said), right=between(right, percent)))
        if side(one["unknown_difference"]) < 0:
            text = _("Give {name} a larger vocabulary or ready-made word vectors: where more words are unknown than usual, it is right less often, by {value}.")
            told.append(text.format(name=name, value=between(one["unknown_difference"], points)))
    both = [set(one["sure_and_wrong"]) for one in found["doubts"].values()]
    common = sorted(set.intersection(*both)) if both else []
    if common:
        text = _("Read the held-out sentences on which all networks are sure and wrong, {count} in all (numbers {rows}, …): irony, or a wrong label.")
        told.append(text.format(count=number(len(common)), rows=", ".join(number(row) for row in common[:5])))
    return told
