"""What choices make of an explanation, in words."""

from __future__ import annotations

import numpy as np

from pellucid.core.choices import FEW, Choices
from pellucid.core.language import said as _
from pellucid.core.outcome import SEVERITY
from pellucid.core.records import Explanation
from pellucid.core.told import named, told
from pellucid.report.words import percent

Array = np.ndarray
LEAST_TOLD = 1e-3
"""A change below this is none."""


def choice_words(explanation: Explanation, row: int) -> tuple[str, ...]:
    """The option that matters most, what survives every choice, and what to know of how that was found; nothing where no choice was varied."""
    choices = None if explanation.choices is None else explanation.choices.of(np.array([row]))
    if choices is None:
        return ()
    return (matters(choices), survivors(explanation[row], choices), *_caveats(choices))


def tried(choices: Choices) -> str:
    """What was tried in place of what: "baseline (mean, blur:2 for 0.0)"."""
    text = _("{option} ({others} for {given})")
    return _(", ").join(text.format(option=_(choice.option), others=_(", ").join(choice.names), given=choice.given) for choice in choices.options)


def matters(choices: Choices) -> str:
    """Of one sample: the option that matters most, and how much the others do."""
    change, noise = choices.change[0], choices.noise[0]
    order = np.argsort(-change, kind="stable")
    first = _(choices.options[int(order[0])].option)
    if change[order[0]] < LEAST_TOLD:
        return _("No choice changes the map: {tried}.").format(tried=tried(choices))
    choice, place = choices.furthest(0)
    most = _("The {option} matters most: with {name} the map changes by {change}.")
    if noise[order[0]] > LEAST_TOLD:
        most = _("The {option} matters most: with {name} the map changes by {change}; numerical errors alone would by about {noise}.")
    text = most.format(option=first, name=choice.names[place], change=percent(change[order[0]]), noise=percent(noise[order[0]]))
    rest = _(", ").join(f"{_(choices.options[int(i)].option)} {percent(change[int(i)])}" for i in order[1:])
    return _("{sentence} {next}").format(sentence=text, next=_("The others: {rest}.").format(rest=rest)) if rest else text


def survivors(explanation: Explanation, choices: Choices) -> str:
    """Of one sample: which of the strongest are so under every choice; of many values only how many."""
    strongest, survives = (np.flatnonzero(found[0]) for found in (choices.strongest, choices.survives))
    if not len(strongest):
        return _("No value is other than 0.")
    if choices.top > FEW:
        text = _("{count} of the {total} strongest values (the top 5 %) are among the strongest under every choice.")
        return text.format(count=len(survives), total=len(strongest))
    size = np.abs(explanation.values[0].ravel())

    def names(numbers: Array) -> str:
        return _("; ").join(named(explanation.feature_name(int(i), 0)) for i in sorted(numbers, key=lambda i: -size[i]))

    rest = np.setdiff1d(strongest, survives)
    if not len(rest):
        return _("Among the strongest {count} under every choice: {names}.").format(count=len(strongest), names=names(survives))
    text = _("Among the strongest {count} under every choice: {names}. So only under some: {others}.")
    return text.format(count=len(strongest), names=names(survives) or _("none"), others=names(rest))


def _caveats(choices: Choices) -> list[str]:
    found = [_("Tried: {tried}.").format(tried=tried(choices))]
    scaled = [name for choice in choices.options for name, apart in zip(choice.names, choice.scaled, strict=True) if apart]
    if scaled:
        text = _("Of {names}, which has another scale, only the shape counts: its map was brought to the length of this one.")
        found.append(text.format(names=_(", ").join(scaled)))
    codes = [
        _("{option} {name} ({code})").format(option=_(choice.option), name=name, code=_(code.replace("_", " ")))
        for choice in choices.options
        for name, code in zip(choice.names, choice.codes, strict=True)
        if SEVERITY[code]
    ]
    if codes:
        found.append(_("With a word of warning of their own: {names}.").format(names=_(", ").join(codes)))
    if choices.left_out:
        left = _(", ").join(_("{name} ({reason})").format(name=name, reason=told(reason) or reason) for name, reason in choices.left_out.items())
        found.append(_("Not tried: {names}.").format(names=left))
    return found
