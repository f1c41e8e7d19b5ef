"""The report on images in words: every sentence from the numbers that were found, and turning with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pellucid.applications._intervals import side
from pellucid.core.language import later, number, percent, signed, written
from pellucid.core.language import said as _
from pellucid.core.records import Explanation
from pellucid.figures import png_bytes
from pellucid.figures.confusion import confusion
from pellucid.figures.gallery import gallery
from pellucid.report.pictures import DPI, Picture
from pellucid.report.story import Chapter, Grid, Quality, Story

Array = np.ndarray
Found = Mapping[str, Any]
NAMES = {"resnet20": "ResNet-20", "cnn": "CNN"}
TAKEN = {"grey": later("without colour"), "ring": later("border blurred"), "middle": later("middle blurred")}
LOOKS = {"brightness": later("brightness"), "contrast": later("contrast"), "saturation": later("saturation")}


@dataclass(frozen=True)
class Pictures:
    """What is drawn once the language is known: the confusion counts, an explanation of each pair's cases, and the first pair's by both networks."""

    counts: Array
    pairs: Sequence[Explanation] = ()
    both: Sequence[tuple[Explanation, Explanation]] = field(default=())


def pair_of(pair: Found) -> list[int]:
    """The two classes."""
    return [pair["a"], pair["b"]]


def tell_story(found: Found, qualities: tuple[Quality, ...], pictures: Pictures, notes: Sequence[str]) -> Story:
    """The whole story; the language is the one spoken now."""
    network = NAMES[found["main"]]
    chapters = [_confused(found, network, pictures), _side_by_side(found, pictures), _shared(found, network), _taken_out(found, network)]
    if "networks" in found:
        chapters.append(_networks(found["networks"], found, pictures))
    lead = _("What {network} answered to {count} images that it had not seen, where it was wrong, and what the images have in common that it confuses.")
    return Story(
        title=_("Images: right and wrong answers"),
        lead=lead.format(network=network, count=number(found["held_out"])),
        noun=_("Image"),
        qualities=tuple(replace(one, network=NAMES[one.network]) for one in qualities),
        chapters=tuple(chapters),
        actions=tuple(actions(found)),
        notes=(*notes, *_notes(found)),
    )


def _notes(found: Found) -> list[str]:
    """How the networks came about, where that limits what is told."""
    told = []
    if found["main"] != "cnn":
        told.append(_("ResNet-20 was trained elsewhere, on training images of CIFAR-10; here its weights were taken as they are."))
    if found["quick"]:
        text = _("This was a quick try: the CNN was trained for a short time on {training} images, {held_out} were asked, and few were explained.")
        told.append(text.format(training=number(found["training"]), held_out=number(found["held_out"])))
    elif found["training"] < found["of"]:
        text = _("Of {count} training images the CNN was given {training}, drawn at random.")
        told.append(text.format(count=number(found["of"]), training=number(found["training"])))
    return told


def named(found: Found, pair: Found) -> str:
    """A pair of classes in words."""
    return _("{a} and {b}").format(a=found["classes"][pair["a"]], b=found["classes"][pair["b"]])


def spread(one: Found, write: Any = percent) -> str:
    """A number with its interval, as far as that is known."""
    if one["value"] is None:
        return _("not known")
    if one["low"] is None:
        return _("{value} (too few for an interval)").format(value=write(one["value"]))
    return _("{value} (95 %: {low} to {high})").format(value=write(one["value"]), low=write(one["low"]), high=write(one["high"]))


def side_of_zero(one: Found) -> int:
    """1 or −1 where the whole interval lies on that side of zero, else 0."""
    return side((one["value"], one["low"], one["high"]))


def _confused(found: Found, network: str, pictures: Pictures) -> Chapter:
    """Which classes are taken for each other, and how sure the wrong answers were."""
    heading = _("Which classes are confused?")
    if not found["pairs"]:
        told = _("{network} answered all {count} held-out images right, so that there is nothing to compare. Give it harder or more images.")
        return Chapter(heading, (told.format(network=network, count=number(found["held_out"])),))
    first, wrong = found["pairs"][0], sum(pair["wrong"] for pair in found["pairs"])
    whole = _(
        "{network} gave a wrong answer to {errors} of {count} held-out images. The classes most often taken for each other are {pair}: {share} of their images."
    )
    part = _("Together, the pairs in the table make up {wrong} of the {errors} wrong answers.")
    paragraphs = [
        whole.format(network=network, errors=number(found["errors"]), count=number(found["held_out"]), pair=named(found, first), share=spread(first["share"])),
        part.format(wrong=number(wrong), errors=number(found["errors"])),
        _doubt(found["doubt"]),
    ]
    rows = tuple((named(found, pair), number(pair["a_as_b"]), number(pair["b_as_a"]), number(pair["images"]), spread(pair["share"])) for pair in found["pairs"])
    columns = (_("Classes"), _("First answered as second"), _("Second answered as first"), _("Images of both"), _("Share confused"))
    artists = confusion(pictures.counts, found["classes"])
    picture = Picture("confusion", png_bytes(artists[0].figure.figure, DPI), _("How often each class got each answer, true classes down, answers across."))
    return Chapter(heading, tuple(paragraphs), (picture,), (Grid(columns, rows),))


def _doubt(doubt: Found) -> str:
    """How well the network's own probability tells right from wrong."""
    text = _("A probability below {below} was given with {wrong} of the wrong answers and with {right} of the right ones.")
    told = text.format(below=percent(doubt["below"], 0), wrong=spread(doubt["of_wrong"]), right=spread(doubt["of_right"]))
    if doubt["auc"] is None:
        return told
    more = _("Of a right and a wrong answer, the right one had the higher probability in {auc} of all such pairs.")
    return f"{told} {more.format(auc=spread(doubt['auc']))}"


def _side_by_side(found: Found, pictures: Pictures) -> Chapter:
    """The pictures of each pair, and what their maps say in numbers."""
    heading = _("What do right and wrong answers look like side by side?")
    if not pictures.pairs:
        return Chapter(heading, (_("No class was taken for another, so there is no wrong answer to lay beside a right one."),))
    shown = [
        _(
            "Each picture shows one pair of classes: the surest wrong answer in each direction, and beside it the image of the same true class, "
            "answered right, that is most like it to the network."
        ),
        _("All maps of a picture ask the same question on one scale: red regions speak for the first class of the pair, blue ones for the second."),
        _contested(found),
        _middle(found),
        _("The numbers of the table are from Integrated Gradients, smoothed, against a blurred image: what colour alone says over wide areas is not in them."),
    ]
    columns = (_("Classes"), _("Spoke against the answer: confused"), _("Spoke against it: right"), _("In the middle: confused"), _("In the middle: right"))
    rows = tuple(
        (named(found, pair), *(spread(region[what][kind], _whole) for what in ("against", "middle") for kind in ("wrong", "right")))
        for pair, region in zip(found["pairs"], found["regions"], strict=True)
    )
    drawn = tuple(_pair_picture(found, place, one) for place, one in enumerate(pictures.pairs))
    return Chapter(heading, tuple(shown), drawn, (Grid(columns, rows),))


def _whole(value: float) -> str:
    return percent(value, 0)


def _pairs_where(found: Found, what: str, side: int) -> list[str]:
    """The pairs for which confused images surely have more (1), or less (−1), of something than right ones."""
    both = zip(found["pairs"], found["regions"], strict=True)
    return [named(found, pair) for pair, region in both if side_of_zero(region[what]["difference"]) == side]


def _contested(found: Found) -> str:
    """Whether more spoke against the answer in the confused images."""
    more, less = (_pairs_where(found, "against", side) for side in (1, -1))
    told = []
    if more:
        text = _("In confused images more spoke against the answer than in right ones ({pairs}): the wrong answer was contested within the image.")
        told.append(text.format(pairs="; ".join(more)))
    if less:
        text = _("In confused images less spoke against the answer than in right ones ({pairs}): the maps give no sign of doubt.")
        told.append(text.format(pairs="; ".join(less)))
    return " ".join(told) or _("That in confused images more spoke against the answer than in right ones is not shown.")


def _middle(found: Found) -> str:
    """Whether the network looked elsewhere in the confused images."""
    more, less = (_pairs_where(found, "middle", side) for side in (1, -1))
    told = [_("The middle has {area} of the area.").format(area=percent(found["regions"][0]["area"], 0))]
    if more:
        told.append(_("In confused images more of the map lies there than in right ones: {pairs}.").format(pairs="; ".join(more)))
    if less:
        told.append(
            _("In confused images less of the map lies there than in right ones, so that the border counted more: {pairs}.").format(pairs="; ".join(less))
        )
    if not more and not less:
        told.append(_("That the network looked at other parts of the confused images than of the right ones is not shown."))
    return " ".join(told)


def _pair_picture(found: Found, place: int, explanation: Explanation) -> Picture:
    """A pair's cases, all turned so that red speaks for its first class."""
    pair, classes = found["pairs"][place], found["classes"]
    a, b = classes[pair["a"]], classes[pair["b"]]
    turned = _turned(pair, explanation, explanation.prediction.argmax(axis=1))
    titles = [_answered(found, explanation, row) for row in range(len(explanation))]
    below = [_("{a} or {b}?").format(a=a, b=b)] * len(titles)
    artists = gallery([(turned, row) for row in range(len(turned))], titles=titles, below=below, columns=2)
    alt = _("Images of {a} and {b}, answered wrong and right, with maps of what speaks for {a} (red) and for {b} (blue) on one scale.")
    return Picture(f"pair-{place + 1}", png_bytes(artists[0].figure.figure, DPI), alt.format(a=a, b=b))


def _shared(found: Found, network: str) -> Chapter:
    """Whether confused images lie among the wrong class inside the network, and whether they look different."""
    heading, inside = _("What do the confused images share?"), found["alike"]
    told = [_rank(inside["rank"])]
    if found["pairs"]:
        told += [_neighbours(inside, network), *_look_sentences(found)]
    told.append(
        _(
            "None of this says why: images that lie together inside may do so for their shape, their colour or their surroundings. The next "
            "chapter takes these away."
        )
    )
    columns = (_("Classes"), _("What"), _("Confused"), _("Right"), _("Difference"))
    rows = tuple(
        (
            named(found, found["pairs"][one["pair"]]),
            _(LOOKS[one["what"]]),
            written(f"{one['wrong']:.3f}"),
            "–" if one["right"] is None else written(f"{one['right']:.3f}"),
            spread(one, signed),
        )
        for one in found["looks"]
    )
    caption = _(
        "Mean over images, shades from 0 to 1: brightness is the mean shade, contrast the standard deviation of the shades, saturation the "
        "distance of the strongest from the weakest colour."
    )
    return Chapter(heading, tuple(told), (), (Grid(columns, rows, caption),) if rows else ())


def _rank(rank: Found) -> str:
    """Whether classes that are alike inside are confused more."""
    if rank["value"] is None:
        return _("Whether classes that are alike inside the network are confused more cannot be told without wrong answers.")
    text = _(
        "Over all {count} pairs of classes, the rank correlation between how alike two classes are inside the network (cosine of their means "
        "over training images) and how often they are confused is {rank}."
    )
    turn = {
        1: _("Classes that are alike inside are confused more."),
        -1: _("Classes that are alike inside are confused less."),
        0: _("That classes which are alike inside are confused more is not shown."),
    }[side_of_zero(rank)]
    return f"{text.format(count=number(rank['count']), rank=spread(rank, _two))} {turn}"


def _two(value: float) -> str:
    return written(f"{round(value, 2) + 0.0:.2f}")


def _neighbours(inside: Found, network: str) -> str:
    """Whose images lie nearest to the wrongly answered ones."""
    text = _(
        "Of the {k} training images that are nearest to a wrongly answered image in the layer before the last, {answer} are of the class that"
        " was answered and {true} of the true one; near rightly answered images, {right} are of the true class."
    )
    answer, true = inside["wrong_of_answer"], inside["wrong_of_true"]
    apart = None not in (answer["low"], true["high"]) and answer["low"] > true["high"]
    turn = (
        _("So {network} does not merely decide badly at the end: to its last layers these images are images of the other class.")
        if apart
        else _("So it is not shown that these images lie among those of the other class.")
    )
    values = {"answer": spread(answer), "true": spread(true), "right": spread(inside["right_of_true"])}
    return f"{text.format(k=number(inside['neighbours']), **values)} {turn.format(network=network)}"


def _look_sentences(found: Found) -> list[str]:
    """Which looks set confused images apart; with a word on how many were asked."""
    clear = [one for one in found["looks"] if side_of_zero(one)]
    asked = _("Differences asked about: {count}; about one in twenty shows itself by chance alone.").format(count=number(len(found["looks"])))
    if not clear:
        return [_("In brightness, contrast and saturation, confused and right images of the same classes are not shown to differ.") + " " + asked]
    text = {
        1: _("Of {pair}, confused images have more {what} than right ones, by {value}."),
        -1: _("Of {pair}, confused images have less {what} than right ones, by {value}."),
    }
    told = [
        text[side_of_zero(one)].format(pair=named(found, found["pairs"][one["pair"]]), what=_(LOOKS[one["what"]]), value=number(abs(one["value"]), 2))
        for one in clear
    ]
    return [" ".join([*told, asked])]


def _taken_out(found: Found, network: str) -> Chapter:
    """What the answers rest on: the same images with something taken out."""
    text = {
        -1: _("{what}: right answers fall from {before} to {after}, a change of {value} percentage points."),
        1: _("{what}: right answers rise from {before} to {after}, a change of {value} percentage points."),
        0: _("{what}: right answers go from {before} to {after}; the change of {value} percentage points may be chance."),
    }
    told = [_("The same held-out images were given to {network} once more, with something taken out of them.").format(network=network)]
    for one in found["changes"]:
        if one["pair"] is None:
            values = {"before": percent(one["before"]), "after": percent(one["after"]), "value": spread(one, _points)}
            told.append(text[side_of_zero(one)].format(what=_sentence_case(_(TAKEN[one["what"]])), **values))
    told.append(_("A network never met such images in training, so that part of a fall is surprise at the change itself, not the loss of what was taken out."))
    rows = tuple(
        (
            _("all classes") if one["pair"] is None else named(found, found["pairs"][one["pair"]]),
            _(TAKEN[one["what"]]),
            number(one["count"]),
            percent(one["before"]),
            percent(one["after"]),
            spread(one, _points),
        )
        for one in sorted(found["changes"], key=lambda one: -1 if one["pair"] is None else one["pair"])
    )
    columns = (_("Classes"), _("Taken out"), _("Images"), _("Right before"), _("Right after"), _("Change, percentage points"))
    caption = _("Within a pair, the answer is whichever of the two classes has the higher score. The middle and the border have about the same area.")
    return Chapter(_("What do the answers rest on?"), tuple(told), (), (Grid(columns, rows, caption),))


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def _points(value: float) -> str:
    """A change of a share in percentage points, with its sign."""
    return written(f"{100 * value:+.1f}")


def _networks(both: Found, found: Found, pictures: Pictures) -> Chapter:
    """ResNet-20 beside the CNN."""
    change = both["accuracy"]
    text = _("On the same images the CNN is right in {cnn} and ResNet-20 in {resnet}, a difference of {value} percentage points.")
    told = [text.format(cnn=percent(change["before"]), resnet=percent(change["after"]), value=spread(change, _points))]
    text = _("Where ResNet-20 is wrong, the CNN is wrong in {wrong}; where ResNet-20 is right, in {right}.")
    wrong, right = both["wrong_where_first_wrong"], both["wrong_where_first_right"]
    apart = None not in (wrong["low"], right["high"]) and wrong["low"] > right["high"]
    turn = _("So they fail on the same images more than by chance.") if apart else _("That they fail on the same images is not shown.")
    told.append(f"{text.format(wrong=spread(wrong), right=spread(right))} {turn}")
    told.append(_("Where both are wrong, they give the same wrong answer in {share}.").format(share=spread(both["same_wrong_answer"])))
    told.append(_agree(both["maps"]))
    return Chapter(_("Do the two networks see the same?"), tuple(told), tuple(_both_pictures(found, pictures)))


def _agree(maps: Found) -> str:
    same, other = maps["same"], maps["other"]
    text = _(
        "For the true class, the maps of both networks of the same image, SHAP values of patches of 8 × 8 pixels, have a rank correlation of "
        "{same} on average over {count} images; with the map of another image it is {other}."
    )
    told = text.format(same=spread(same, _two), other=spread(other, _two), count=number(same["count"]))
    apart = None not in (same["low"], other["high"]) and same["low"] > other["high"]
    turn = (
        _("So they look at the same places more than any two maps do, and far from wholly.")
        if apart and same["high"] < 0.9
        else _("So they look at the same places.")
        if apart
        else _("That they look at the same places of an image is not shown.")
    )
    return f"{told} {turn}"


def _both_pictures(found: Found, pictures: Pictures) -> list[Picture]:
    """The first pair's wrong and right image, each by both networks, red for the first class of the pair."""
    drawn = []
    for both in pictures.both:
        answers = both[0].prediction.argmax(axis=1)
        shown = [(_turned(found["pairs"][0], one, answers), row) for row in range(min(2, len(both[0]))) for one in both]
        titles = [_answered(found, one, row) for one, row in shown]
        artists = gallery(shown, titles=titles, below=[str(one.provenance["network"]) for one, _row in shown], columns=2)
        a, b = (found["classes"][one] for one in pair_of(found["pairs"][0]))
        alt = _("The same images to both networks, with maps of what speaks for {a} (red) and for {b} (blue) on one scale.").format(a=a, b=b)
        drawn.append(Picture("networks", png_bytes(artists[0].figure.figure, DPI), alt))
    return drawn


def _turned(pair: Found, explanation: Explanation, answers: Array) -> Explanation:
    """With values for the first class of a pair against the second; they were for the `answers` (samples,), against the other class."""
    sign = np.where(answers == pair["b"], -1, 1).reshape(-1, *(1,) * (explanation.values.ndim - 1))
    return replace(explanation, values=explanation.values * sign)


def _answered(found: Found, explanation: Explanation, row: int) -> str:
    """The true class and the answer of a sample, in words."""
    classes, true, answer = found["classes"], explanation.provenance["labels"][row], int(explanation.prediction[row].argmax())
    text = _("{true}, answered right") if true == answer else _("{true}, answered {answer}")
    return text.format(true=classes[true], answer=classes[answer])


def actions(found: Found) -> list[str]:
    """What could be done next, each from a number that was measured; nothing where nothing was shown."""
    done: list[str] = []
    if found["pairs"]:
        pair, inside = found["pairs"][0], found["alike"]
        answer, true = inside["wrong_of_answer"], inside["wrong_of_true"]
        if None not in (answer["low"], true["high"]) and answer["low"] > true["high"]:
            text = _(
                "Collect more images of {pair} that look like the confused ones: {wrong} of {images} are confused, and wrongly answered "
                "images lie among the other class inside ({share} of their nearest training images), so that another last layer alone would "
                "not mend it."
            )
            done.append(text.format(pair=named(found, pair), wrong=number(pair["wrong"]), images=number(pair["images"]), share=percent(answer["value"], 0)))
        else:
            text = _("Look at the labels of the {wrong} confused images of {pair} first: inside, they do not lie among the other class.")
            done.append(text.format(pair=named(found, pair), wrong=number(pair["wrong"])))
    done += [_change_action(one) for one in found["changes"] if one["pair"] is None and one["what"] != "middle" and side_of_zero(one) < 0]
    done += _doubt_actions(found)
    return done


def _change_action(one: Found) -> str:
    text = {
        "grey": _(
            "Test how much colour may count: train with colours changed at random and measure again. Without colour, right answers fall from "
            "{before} to {after}."
        ),
        "ring": _(
            "Test whether surroundings stand for the thing: train on images whose border comes from other images and measure again. With the "
            "border blurred, right answers fall from {before} to {after}."
        ),
    }[one["what"]]
    return text.format(before=percent(one["before"]), after=percent(one["after"]))


def _doubt_actions(found: Found) -> list[str]:
    """Whom to ask where the network doubts, or where two networks disagree."""
    doubt, done = found["doubt"], []
    if doubt["auc"] is not None and doubt["auc"]["low"] > 0.5 and doubt["share"]["value"]:
        text = _("Have a person look at answers below {below}: {share} of all images, which hold {wrong} of the wrong answers.")
        done.append(text.format(below=percent(doubt["below"], 0), share=percent(doubt["share"]["value"]), wrong=percent(doubt["of_wrong"]["value"], 0)))
    both = found.get("networks")
    if both:
        there, here = both["first_wrong_where_they_disagree"], both["first_wrong_where_they_agree"]
        if None not in (there["low"], here["high"]) and there["low"] > here["high"]:
            text = _("Let the CNN warn: where both networks disagree ({share} of images), ResNet-20 is wrong in {there}, where they agree in {here}.")
            done.append(text.format(share=percent(both["disagree"]["value"], 0), there=percent(there["value"]), here=percent(here["value"])))
    return done
