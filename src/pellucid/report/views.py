"""Views in a report: the pictures of each, what to read in them, and what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pellucid.core.language import later
from pellucid.core.language import number as in_figures
from pellucid.core.language import said as _
from pellucid.core.view import View
from pellucid.figures import FIGURES, png_bytes
from pellucid.report import data_pictures, feature_pictures, graph_svg, input_pictures, signal_pictures, training_pictures, unit_pictures
from pellucid.report.pictures import Picture

Figure = tuple[str, str, Mapping[str, Any], str]
"""The end of a picture's name, the figure that draws it, its keywords, and the picture's text."""
DPI = 110

SHOWS: Mapping[str, Callable[[View, int], Iterator[Figure]]] = {
    "gradient_flow": signal_pictures.gradient_flow,
    "loss_landscape": signal_pictures.loss_landscape,
    "attention": input_pictures.of_attention,
    "feature_visualization": feature_pictures.of_features,
    "top_examples": input_pictures.of_top_examples,
    "inversion": input_pictures.of_inversion,
    "graph": graph_svg.of_graph,
    "activation_statistics": unit_pictures.of_activation_statistics,
    "filters": unit_pictures.of_filters,
    "training": training_pictures.of_training,
    "embedding": data_pictures.of_embedding,
    "similarity": data_pictures.of_similarity,
    "decision_boundary": data_pictures.of_boundary,
}
"""Views whose pictures are not one a layer by the figure of the view's own name: what draws them, for one sample where the view has samples."""


def _png(figure: Any) -> bytes:
    return png_bytes(figure, DPI)


def view_pictures(view: View, row: int, stem: str) -> list[Picture]:
    """The pictures of a view, of one of its samples where it has an entry for each."""
    return [picture for _layer, picture in pictures_by_layer(view, row, stem)]


def pictures_by_layer(view: View, row: int, stem: str, written: Callable[[Any], bytes] = _png) -> Iterator[tuple[str, Picture]]:
    """The same, each with the layer that it is of, empty where it is of none; `written` makes a PNG of a figure."""
    for end, figure, keywords, text in SHOWS.get(view.view, _by_layer)(view, row):
        artists = FIGURES.load(figure)(view, **keywords)
        drawn = artists[0].figure
        if drawn is not None:
            yield str(keywords.get("layer") or ""), Picture(f"{stem}-{end}", written(drawn.figure), text)


def _by_layer(view: View, row: int) -> Iterator[Figure]:
    """One picture a layer."""
    figure = view.view if view.view in FIGURES else "activation_map"
    for layer, values in view.values.items():
        shown = values[row] if view.by_sample(layer) else values
        title = f"{layer}  ({' × '.join(str(n) for n in shown.shape)})"
        text = _("{layer}: values of shape {shape}, from {low} to {high}")
        low, high = (in_figures(end, 3) for end in (shown.min(), shown.max()))
        yield layer, figure, {"layer": layer, "sample": row, "title": title}, text.format(layer=layer, shape=shown.shape, low=low, high=high)


def caption(view: View, number: int | None) -> str:
    """What to read in the pictures of a view; `number` is the report's of the sample that is shown, where it has one."""
    return caption_for(view, _("sample {number}").format(number=number) if number else _("the first input given") if len(view) > 1 else _("one input"))


def caption_for(view: View, which: str) -> str:
    """The same, where the sample that is shown is called so."""
    if view.view in CAPTIONS:
        return _(CAPTIONS[view.view]).format(which=which)
    if any("time" in axes for axes in view.axes.values()):
        return _("For {which}. Time runs to the right, one row a unit; the scale is symmetric about zero.").format(which=which)
    if any("token" in axes for axes in view.axes.values()):
        return _("For {which}. Tokens run to the right, one row a unit; each layer has a scale of its own.").format(which=which)
    return _("For {which}. All tiles of a layer share one scale; the number on a tile is its channel.").format(which=which)


CAPTIONS: Mapping[str, str] = {
    "feature_visualization": later(
        "Inputs that the network made itself: each is what excites one class or channel most, found by gradient ascent from noise, with no more variation from "
        "place to place than real inputs allow. Below it, the score it reached and, in brackets, the share of real inputs that score lower; of a class also "
        "its probability when the image is shifted, turned and scaled. What excites a unit most need not be what it answers to in real inputs."
    ),
    "activation_statistics": later(
        "Over the whole data set, all places of a channel together. Distributions of layers lie on one scale and are as high as each other; exact zeros are "
        "left out of them and told by the bars. A unit is dead when it never answers to any sample, and saturated when nearly all of its values lie at an end "
        "of its range. Then each layer by itself."
    ),
    "filters": later(
        "The weights themselves: the same whatever the data. Tiles of a layer share one scale; of a filter over many inputs its first principal component is "
        "shown, which is one of many patterns that it holds. Of gates, what they read of the input is above, what they read of the state before below."
    ),
    "loss_landscape": later(
        "The mean loss at weights around the network's own, which lie at the cross; one unit moves each filter by its own length, in the plane of a path one "
        "unit of length. Dark is low. The way that training took, where it is known, begins at the ring. Other directions, of which there are very many, may "
        "look otherwise."
    ),
    "graph": later(
        "From the input down to the output; layers that follow one another without a branch stand together, each with its output's shape. The darker a layer, "
        "the larger its share of the network's multiply-adds, which is written where it is half a percent or more."
    ),
    "gradient_flow": later(
        "Layers from first to last, on logarithmic scales: how large the gradient of the loss is per parameter, beside the weights, and how far one step of "
        "plain gradient descent would move them. A bar that ends before its standard error tells no more than chance. The line at 1/1000 is a rule of thumb, "
        "no limit."
    ),
    "attention": later(
        "For {which}. The share that each token which looks gives each that is looked at; one scale for all heads. Attention is not importance: take an "
        "explanation to learn what the output depends on."
    ),
    "top_examples": later(
        "A row a unit: the samples of the data set that excite it most, some at random, and those that excite it least, each cut to the part that the unit's "
        "place sees. Above each the unit's answer, below it the class; beside the row the share of all samples that excite the unit to half of its most, and "
        "the class that is most common among them."
    ),
    "inversion": later(
        "For {which}. Inputs that give a layer the values it has for this one, found from random starts: what they share is what the layer knows, what differs "
        "it has forgotten. The residual says how far the layer's values still are, as a share of their square; the likeness is the correlation with the input."
    ),
    "recurrent_state": later(
        "For {which}. Time runs to the right, one row a unit, the slowest on top. Gates lie between 0, shut, and 1, open; candidate and states are signed. "
        "Below, on a logarithmic scale, how strongly the score depends on the state after each step; dashed, on what is read last alone, with the forgetting "
        "horizon."
    ),
    "training": later(
        "Epoch 0 is the network before training. Loss and metrics, training against validation; how far the weights of each layer moved in an epoch, by their "
        "size; the norms of their gradients; shares of units that are dead or saturated on the probe. Then what chosen channels answered to one sample of the "
        "probe, and the filters of the first convolution, each on one scale over all epochs."
    ),
    "embedding": later(
        "A point a sample, where the layer puts it. Trustworthiness says how far neighbours in the plane are neighbours in the layer: 1 is perfect, about "
        "0.5 chance. Distances between clusters mean nothing in t-SNE and little in UMAP; of principal components they are what two directions show of "
        "them. The layer's own neighbours of each sample are in the record."
    ),
    "similarity": later(
        "How alike pairs of layers represent the same data: 1 where one is a turn and a scaling of the other, about 0 where they have nothing in common. "
        "Layers run from first to last, from the bottom left. What two layers share need not be what the answer rests on."
    ),
    "decision_boundary": later(
        "A slice of input space through the samples, whose numbers count from 0: colours are classes, lighter where the network is less sure, lines where "
        "the class changes. A hollow mark stands for a sample that lies off the slice. Between samples lie inputs that nobody may ever meet, and another "
        "class may be nearer off the slice."
    ),
}
"""By view, what to read in its pictures; `{which}` is the sample that is shown."""
