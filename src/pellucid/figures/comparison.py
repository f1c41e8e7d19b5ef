"""Samples down, methods across: what several explanations say of the same inputs, on one figure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes

from pellucid.core.apart import seen_from
from pellucid.core.errors import CombinationError
from pellucid.core.records import Explanation
from pellucid.figures._canvas import drawn as _
from pellucid.figures._features import in_figures
from pellucid.figures._grid import cells
from pellucid.figures._scales import limits
from pellucid.figures.attribution_map import attribution_map
from pellucid.figures.choice_spread import choice_spread
from pellucid.figures.feature_bars import feature_bars
from pellucid.figures.input_image import input_image
from pellucid.figures.interactions import interactions

SIDE = 1.7


def comparison(explanations: Sequence[Explanation]) -> tuple[Artist, ...]:
    """One row a sample, the input first, then one map a method; always on a figure of its own. Methods whose values have the same units share a
    scale within a row. Of several inputs each comes with the maps of its own. Units of a layer that lie on no grid are bars, pairs of features squares.
    Where choices were varied, a map is followed by its range over them, which names the option that matters most.

    The explanations must be of the same samples. A map's title names the method, its target and how the explanation ended.
    """
    if not explanations:
        raise CombinationError("a comparison needs at least one explanation, got none.")
    first = explanations[0]
    for other in explanations:
        if other.inputs.shape != first.inputs.shape or not (other.inputs == first.inputs).all():
            raise CombinationError(f"{first!r} and {other!r} are of different samples; compare explanations of the same ones.")
    groups = _by_input(explanations)
    drawn = [explanation for group in groups for explanation in group]
    pairs = any(explanation.of_pairs for explanation in drawn)
    bars = pairs or not all(explanation.on_grid for explanation in drawn)
    columns = len(groups) + len(drawn) + sum(_has_spread(explanation) for explanation in drawn)
    axes = cells(len(first), columns, (SIDE, SIDE), left=0.9 if bars else 0.08, right=0.6, below=0.85 if pairs else 0.3 if bars else 0.08)
    artists: list[Artist] = []
    for sample, row in enumerate(axes):
        places = iter(row)
        for group, name in zip(groups, first.packing.names if first.packing is not None else (_("input"),), strict=True):
            shown = seen_from(first, name)
            artists += input_image(shown, sample=sample, ax=next(places), title=_answered(first, sample, name))
            for explanation, limit in zip(group, limits([(explanation, sample) for explanation in group]), strict=True):
                artists += _drawn(explanation, sample, next(places), limit)
                if explanation.choices is not None and _has_spread(explanation):
                    most = explanation.choices.matters_most[sample]
                    artists += choice_spread(
                        explanation, sample=sample, ax=(ax := next(places)), title=_("choice spread\nmost: {option}").format(option=_(most))
                    )
                    ax.title.set_fontsize(7)
    return tuple(artists)


def _method(explanation: Explanation) -> str:
    """A method's name in a word or two: in another language that of its title, without the English in brackets."""
    title = str(explanation.provenance.get("title") or "")
    translated = _(title)
    return explanation.method.replace("_", " ") if translated == title else translated.split(" (")[0]


def _answered(explanation: Explanation, sample: int, name: str) -> str:
    score = _(explanation.target.score.replace("_", " "))
    return _("{name}, {score} {value}").format(name=name, score=score, value=in_figures(float(explanation.score[sample]), ".3g"))


def _has_spread(explanation: Explanation) -> bool:
    return explanation.choices is not None and explanation.on_grid and not explanation.of_pairs


def _by_input(explanations: Sequence[Explanation]) -> list[list[Explanation]]:
    """What is drawn beside each input; what belongs to none of several alone (a layer's values, pairs of features) beside the last."""
    packing = explanations[0].packing
    if packing is None:
        return [list(explanations)]
    whole = [explanation for explanation in explanations if explanation.layer or explanation.of_pairs]
    apart = [explanation.by_input for explanation in explanations if not (explanation.layer or explanation.of_pairs)]
    groups = [[one[name] for one in apart] for name in packing.names]
    return [*groups[:-1], groups[-1] + whole]


def _drawn(explanation: Explanation, sample: int, ax: Axes, limit: float | None) -> tuple[Artist, ...]:
    name = _method(explanation)
    if explanation.layer:
        name = _("{title} at {layer}").format(title=name, layer=explanation.layer)
    title = f"{name}: {explanation.target.labels[sample]}\n{_(explanation.outcome[sample].code.replace('_', ' '))}"
    if explanation.of_pairs:
        artists = interactions(explanation, sample=sample, ax=ax, title=title)
    elif explanation.on_grid:
        artists = attribution_map(explanation, sample=sample, ax=ax, limit=limit, title=title)
    else:
        artists = feature_bars(explanation, sample=sample, ax=ax, title=title)
    ax.title.set_fontsize(7)
    return artists
