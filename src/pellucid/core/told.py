"""What records hold in English words, said in the language that is spoken: records stay the same whatever a reader speaks.

A method, a check or a verdict writes a sentence once, with its numbers in it. Here stand these sentences with placeholders where numbers and names go; a
text that is one of them, or several of them one after the other, is taken apart and said anew.
"""

from __future__ import annotations

import re
from functools import cache

from pellucid.core.language import current, said, written
from pellucid.core.language import later as _

PHRASES = frozenset({"how", "why", "unit", "bound", "better", "kind", "first", "second"})
"""Placeholders for words that are said anew themselves; all others hold numbers and names, which stay."""
COUNTS = frozenset({"number", "row", "column"})
"""Placeholders for nothing but digits, so that no name of a user's is taken for one that nobody gave."""
SENTENCES = (
    # how a method ended: methods/_stopping.py
    _("Exact: {how}."),
    _("one gradient, no approximation"),
    _("one pass, layer '{layer}'"),
    _("all {count} masks"),
    _("all {count} masks of {features} features that differ from the fill"),
    _("all {count} coalitions of {features} features that differ from the fill"),
    _("all {count} coalitions that the hierarchy of {features} features allows"),
    _("windows taken away one at a time, {count} evaluations"),
    _("features taken away one at a time, {count} evaluations"),
    _("Computed to within {tolerance} of this method's definition ({used} {unit})."),
    _("Computed with {used} {unit} as asked; estimated error {error}."),
    _("The budget ended after {used} {unit} with an error of about {error}; {tolerance} was asked for."),
    _("The budget ended after {used} evaluations with the values within {error} but their order not settled."),
    _("Raise max_evaluations or the tolerance."),
    _("Raise max_evaluations to about {count}, or accept tolerance={tolerance}."),
    _("Raise max_evaluations to about {count}, or ask for fewer of the strongest (top=)."),
    _("evaluations"),
    _("gradients"),
    _("circular orders"),
    _("pairs of orders"),
    _("evaluations of paired coalitions"),
    _("evaluations along permutations"),
    _("{unit}, {count} of them with a gradient, which counts twice"),
    _("an unknown part"),
    _("Nothing to explain: {why}."),
    _("every feature equals its fill"),
    _("the input equals its fill everywhere"),
    _("the input equals its baseline"),
    _("no draw was made"),
    _("no element moved the score"),
    _("no place of layer '{layer}' speaks for the target"),
    _("Choose another baseline, fill or feature division."),
    _("The values miss f(x) − f(baseline) by {part} of their sizes after {steps} steps; what they would be after more is not estimated."),
    _("The values miss f(x) − f(baseline) by {part} of their sizes after {steps} steps; at most {tolerance} was asked for."),
    _("Raise steps, or the tolerance."),
    _("The strongest, in order at {confidence} % confidence: {order}."),
    # what checks found: diagnostics
    _("The values miss f(x) − f(baseline) by {gap}, more than the estimated error explains."),
    _("Lower the tolerance; if the gap stays, the network is not differentiable along the path (rounding, argmax, a custom gradient)."),
    _("The shares miss f(x) − f(fill) by {gap}."),
    _("The model does not give the same score for the same input; make it deterministic (dropout off, no random layers)."),
    _("The input runs from {low} to {high} in whole numbers, and the network has no layer that rescales it."),
    _("If it was trained on values in [0, 1], give x / 255."),
    _("The linear surrogate explains only {part} of the variance: do not rely on it."),
    _("Use finer or fewer features, another fill, or a method without a surrogate (shap, integrated_gradients)."),
    # what speaks for a verdict: core/verdict.py
    _("Its numbers are computed as precisely as was asked."),
    _("{title} is better than random importances: {value} against {chance} ({better} is better)."),
    _("{title} is no clearer than random importances: {value} against {chance} ({better} is better)."),
    _("{title} is worse than random importances: {value} against {chance} ({better} is better)."),
    _("lower"),
    _("higher"),
    _("With random weights in the network the map is another one ({title} {value}, {bound})."),
    _("With random weights in the network the map changes only in part ({title} {value}, {bound})."),
    _("The map hardly changes when the network's weights are replaced by noise: it shows the input, not the network ({title} {value}, {bound})."),
    _("Small changes of the input leave the map as it is ({title} {value}, {bound})."),
    _("Small changes of the input change the map in part ({title} {value}, {bound})."),
    _("Small changes of the input make another map ({title} {value}, {bound})."),
    _("at most {high}"),
    _("at least {low}"),
    _("for it at most {low}, against it from {high}"),
    _("numerical error"),
    _("faithfulness"),
    _("sanity"),
    _("robustness"),
    _("localisation"),
    # why something was not measured, or does not serve
    _("The network is not at hand."),
    _("It was not asked for."),
    _("{metric} was not measured: it {why}."),
    _("explains at least twice more, {needed} evaluations a sample, and a quick look takes {taken}"),
    _("needs gradients, which {framework} does not give"),
    _("needs a network with layers; {framework} shows none"),
    _("serves one input; this network takes {count}: {names}"),
    _("compares maps by SSIM, which takes images of at least {size}; use similarity='spearman'"),
    _("needs what the input was set against, and the method knows nothing of the kind"),
    # why a view does not serve: core/scene.py, views, api/visualize.py
    _("needs the network's weights, which {framework} does not show"),
    _("needs a recurrent layer; this network has none"),
    _("needs attention layers; this network shows none"),
    _("needs an output that names one class, (classes,); this network's is of shape {shape}"),
    _("changes an input's values step by step, and this network reads tokens, whole numbers that have no gradient"),
    _("changes an input's values step by step, and tokens are whole numbers, which have no gradient; see what excites a unit in top_examples"),
    _("goes from sample to sample through what lies between, and this network reads whole numbers (tokens), between which there is nothing"),
    _("needs the true classes of the samples: labels=[...], one a sample."),
    _("view '{view}' needs the true classes of the samples: labels=[...], one a sample."),
    _("looks at samples, and none were given."),
    # what was done so that two explanations could be compared: api/compare.py
    _("Their features differ: both were brought to the coarser ones, {count} {kind}."),
    _("The values of one have no sign: of {method} the size is compared."),
    _("Each sample's map was divided by its L2 norm (as was asked): only the shape of the maps is compared."),
    _("Each sample's map was divided by its L2 norm (a holds {first}, b {second}): only the shape of the maps is compared."),
    _("The units differ (a holds {first}, b {second}) and were left as they are, as was asked."),
    _("parts of the {score}"),
    _("values of {method} for the {score}"),
    # an order of features: methods/coalition/lime.py
    _("the rest"),
    _("{names} (tied)"),
    _("{names} (not settled)"),
    _("columns"),
    _("patches"),
    _("pixels"),
    _("given features"),
    _("superpixels"),
    _("windows"),
    _("words"),
    # scales of a score, as `Target.score` without underlines
    _("logit"),
    _("centered logit"),
    _("log probability"),
    _("probability"),
    _("output"),
    # what can be varied, and how an explanation can end: core/choices.py, core/outcome.py
    _("baseline"),
    _("fill"),
    _("features"),
    _("score"),
    _("background"),
    _("exact"),
    _("converged"),
    _("fixed"),
    _("suspicious range"),
    _("incomplete"),
    _("inefficient"),
    _("nothing to explain"),
    _("budget exhausted"),
    _("poor fit"),
)
NAMES = (
    _("row {row}, column {column}"),
    _("pixel ({row}, {column})"),
    _("superpixel {number}"),
    _("step {number}"),
    _("steps {number} to {row}"),
    _("{name}, step {number}"),
    _("{name}, steps {number} to {row}"),
    _("channel {number}"),
    _("column {number}"),
    _("feature {number}"),
    _("unit {number}"),
    _("no word"),
)
"""What features are called where nobody named them: data/features, core/naming.py."""
NUMBER = r"[+−-]?\d[\d.,]*(?:e[+-]?\d+)?"


def told(text: str) -> str | None:
    """A record's text in the language that is spoken; None where that language has no words for it, and so for every text of a record's own.

    >>> told("Raise max_evaluations or the tolerance.")
    'Raise max_evaluations or the tolerance.'
    """
    if current().tag == "en":
        return text
    whole = _one(text)
    if whole is not None:
        return whole
    for end in (found.end() for found in re.finditer(r"[.)](?= )", text)):
        first = _one(text[:end])
        rest = told(text[end + 1 :]) if first is not None else None
        if rest is not None:
            return said(_("{sentence} {next}")).format(sentence=first, next=rest)
    return None


def named(name: str) -> str:
    """A name in the language that is spoken, where it is one that nobody gave: "row 2, column 3". A word that a user has for something stays."""
    return name if current().tag == "en" else _one(name, NAMES) or name


def _one(text: str, known: tuple[str, ...] = SENTENCES) -> str | None:
    """One sentence or word among those that are known."""
    if text in known:
        return said(text)
    for pattern, sentence in _patterns(known):
        found = pattern.fullmatch(text)
        if found is not None:
            values = {name: _value(name, value) for name, value in found.groupdict().items()}
            if None not in values.values():
                return said(sentence).format(**values)
    return None


def _value(name: str, value: str) -> str | None:
    if name in PHRASES:
        return told(value)
    if name == "order":
        return _in_order(value)
    if name == "name":
        return named(value)
    if name in ("title", "score"):
        return next((new for new in (said(value), said(value.capitalize())) if new not in (value, value.capitalize())), value)
    part = re.fullmatch(f"({NUMBER}) %", value)
    if part is not None:
        return current().percent.format(written(part[1]))
    return written(value) if re.fullmatch(NUMBER, value) else said(value) if value == "an unknown part" else value


def _in_order(value: str) -> str:
    """Groups of features, the strongest first: "a; b and c (tied); the rest"."""
    groups = []
    for group in value.split("; "):
        found = re.fullmatch(r"(.+?)( \((?:tied|not settled)\))?", group)
        names, link = (found[1], found[2] or "") if found is not None else (group, "")
        joined = said(_(", ")).join(map(_in_place, names.split(" and ")))
        groups.append(said(f"{{names}}{link}").format(names=joined) if link else joined)
    return said(_("; ")).join(groups)


def _in_place(name: str) -> str:
    """One of an order: a feature, the first that was not asked for, or all that follow."""
    following = name.removeprefix("the next, ")
    if following != name:
        return said(_("the next, {name}")).format(name=named(following))
    return said(name) if name == "the rest" else named(name)


@cache
def _patterns(known: tuple[str, ...]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Sentences with placeholders as what they match; those with the most words of their own first."""
    order = sorted((sentence for sentence in known if "{" in sentence), key=lambda sentence: -len(re.sub(r"\{\w+\}", "", sentence)))
    shapes = dict.fromkeys(COUNTS, r"\d+") | dict.fromkeys(("value", "chance"), NUMBER)

    def hole(found: re.Match[str]) -> str:
        return f"(?P<{found[1]}>{shapes.get(found[1], '.+?')})"

    return tuple((re.compile(re.sub(r"\\\{(\w+)\\\}", hole, re.escape(sentence))), sentence) for sentence in order)
