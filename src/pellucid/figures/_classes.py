"""How classes look wherever they are told apart: ten colours that the colour-blind tell apart too, and a marker of its own beside each."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.core.view import View

COLOURS = ("#332288", "#ddaa33", "#117733", "#cc6677", "#56b4e9", "#882255", "#44aa99", "#999933", "#aa4499", "#555555")
"""After Paul Tol's muted scheme, ordered so that neighbours differ in lightness."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")


def style(number: int) -> tuple[str, str]:
    """Colour and marker of a class: ten times ten differ in one or the other.

    >>> style(0) != style(10), style(3)[0] == style(13)[0]
    (True, True)
    """
    return COLOURS[number % len(COLOURS)], MARKERS[(number + number // len(COLOURS)) % len(MARKERS)]


def class_name(view: View, number: int) -> str:
    """A class by its name; by its number where it has none."""
    names: Sequence[str] = view.provenance.get("class_names") or ()
    return str(names[number]) if 0 <= number < len(names) else str(number)
