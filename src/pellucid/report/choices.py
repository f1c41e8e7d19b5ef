"""What choices make of an explanation, in words."""

from __future__ import annotations

import numpy as np

from pellucid.core.choices import FEW, Choices
from pellucid.core.outcome import SEVERITY
from pellucid.core.records import Explanation
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
    return ", ".join(f"{choice.option} ({', '.join(choice.names)} for {choice.given})" for choice in choices.options)


def matters(choices: Choices) -> str:
    """Of one sample: the option that matters most, and how much the others do."""
    change, noise = choices.change[0], choices.noise[0]
    order = np.argsort(-change, kind="stable")
    first = choices.options[int(order[0])].option
    if change[order[0]] < LEAST_TOLD:
        return f"No choice changes the map: {tried(choices)}."
    choice, place = choices.furthest(0)
    alone = f"; numerical errors alone would by about {percent(noise[order[0]])}" if noise[order[0]] > LEAST_TOLD else ""
    rest = ", ".join(f"{choices.options[int(i)].option} {percent(change[int(i)])}" for i in order[1:])
    others = f" The others: {rest}." if rest else ""
    return f"The {first} matters most: with {choice.names[place]} the map changes by {percent(change[order[0]])}{alone}.{others}"


def survivors(explanation: Explanation, choices: Choices) -> str:
    """Of one sample: which of the strongest are so under every choice; of many values only how many."""
    strongest, survives = (np.flatnonzero(found[0]) for found in (choices.strongest, choices.survives))
    if not len(strongest):
        return "No value is other than 0."
    if choices.top > FEW:
        return f"{len(survives)} of the {len(strongest)} strongest values (the top 5 %) are among the strongest under every choice."
    size = np.abs(explanation.values[0].ravel())

    def names(numbers: Array) -> str:
        return "; ".join(explanation.feature_name(int(i), 0) for i in sorted(numbers, key=lambda i: -size[i]))

    rest = np.setdiff1d(strongest, survives)
    if not len(rest):
        return f"Among the strongest {len(strongest)} under every choice: {names(survives)}."
    return f"Among the strongest {len(strongest)} under every choice: {names(survives) or 'none'}. So only under some: {names(rest)}."


def _caveats(choices: Choices) -> list[str]:
    found = [f"Tried: {tried(choices)}."]
    scaled = [name for choice in choices.options for name, apart in zip(choice.names, choice.scaled, strict=True) if apart]
    if scaled:
        found.append(f"Of {', '.join(scaled)}, which has another scale, only the shape counts: its map was brought to the length of this one.")
    codes = [
        f"{choice.option} {name} ({code.replace('_', ' ')})"
        for choice in choices.options
        for name, code in zip(choice.names, choice.codes, strict=True)
        if SEVERITY[code]
    ]
    if codes:
        found.append(f"With a word of warning of their own: {', '.join(codes)}.")
    if choices.left_out:
        found.append(f"Not tried: {', '.join(f'{name} ({reason})' for name, reason in choices.left_out.items())}.")
    return found
