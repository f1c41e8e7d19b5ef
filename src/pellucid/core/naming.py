"""What to call a value of an explanation: by its feature, by its place, or in the words of what a person gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pellucid.core.records import Explanation

NO_WORD = "no word"
"""What a place is called at which no word stands: padding, begin and end."""


def name_of(explanation: Explanation, number: int, sample: int | None) -> str:
    """The name of a value by its number in the flattened values of one target."""
    e = explanation
    if e.features is not None and e.of_pairs:
        first, second = sorted(divmod(number, e.values.shape[-1]))
        names = [_in_words(e, one, sample) or e.features.names[one] for one in (first, second)]
        return names[0] if first == second else f"{names[0]} × {names[1]}"
    given = _in_words(e, number, sample)
    if given:
        return given
    if e.features is not None and number < len(e.features.names):
        return e.features.names[number]
    if e.packing is not None and not e.layer:
        return e.packing.name_of(number)
    place = [str(int(i)) for i in np.unravel_index(number, e.values.shape[1:])]
    return f"({', '.join(place)})" if len(place) > 1 else f"{'unit' if e.layer else 'feature'} {place[0]}"


def given_of(explanation: Explanation, sample: int) -> Mapping[str, Any]:
    """What a preprocessing told of one sample, as `Preprocessing.given` gives it; empty where none did."""
    told = explanation.provenance.get("given")
    return dict(told[sample]) if isinstance(told, list) and sample < len(told) else {}


def given_feature(explanation: Explanation, number: int, sample: int) -> tuple[str, str]:
    """The name of a feature of one sample, and what it held, as a person gave them; empty where no preprocessing told of it."""
    one = given_of(explanation, sample)
    names, data, of = one.get("names", ()), one.get("data", ()), one.get("of", ())
    features = explanation.features
    if features is None:
        if not of or explanation.values.shape[-1] != len(of):
            return "", ""
        number = of[number]
        if number < 0:
            return NO_WORD, ""
    elif features.kind != "words" and features.names != tuple(names):
        return "", ""
    if number >= len(names):
        return "", ""
    return str(names[number]), str(data[number]) if data else ""


def _in_words(explanation: Explanation, number: int, sample: int | None) -> str:
    name, data = ("", "") if sample is None else given_feature(explanation, number, sample)
    return f"{name} = {data}" if data else name
