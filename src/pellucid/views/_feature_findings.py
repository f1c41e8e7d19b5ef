"""What is said of feature images: those that excite no more than real inputs do, silent units, classes that a small shift takes away, and climbs cut short."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pellucid.core.language import later
from pellucid.core.view import NOTE, WARNING, Finding
from pellucid.views._features import Subjects

Array = np.ndarray
SURE, ABOVE_REAL, NATURAL = 0.99, 99.0, 2.0
"""The probability of a class, the percentile among real inputs, and the multiple of real inputs' variation within which an image is as it should be."""
BUDGET_END, LIMIT_END = 2, 3


def findings_of(subjects: Subjects, told: Mapping[str, Array], budget: int) -> list[Finding]:
    """What is worth a word about a layer's images."""
    layer, total = subjects.layer, len(told["number"])
    silent = told["silent"].astype(bool)
    found: list[Finding] = []
    if silent.any():
        text = later("Of {layer}, {count} of {total} features gave no gradient at any start: nothing was found that excites them, and their images are noise.")
        advice = later("They may be dead: activation_statistics tells over a data set.")
        if "real" not in told:
            advice = later("Give real inputs as x: the climb then also begins at those that excite them. Or they are dead.")
        found.append(Finding("silent feature", layer, text, advice, {"count": int(silent.sum()), "total": total}, WARNING))
    if "percentile" in told:
        weak = (told["percentile"] <= ABOVE_REAL) & ~silent
        if weak.any():
            text = later("Of {layer}, {count} of {total} images excite their feature no more than the most exciting hundredth of the real inputs does.")
            advice = later(
                "Do not read them as what the feature looks for. Try a larger budget=, parameterisation='fourier', variation=None or transformations=0."
            )
            found.append(Finding("weaker than real inputs", layer, text, advice, {"count": int(weak.sum()), "total": total}, WARNING))
    if "probability" in told:
        fragile = ~(told["probability"] >= SURE)
        if fragile.any():
            numbers = {"count": int(fragile.sum()), "total": total, "share": float(told["probability"].min()), "share_sure": SURE}
            text = later(
                "Shifted, turned and scaled at random, {count} of {total} images have their class with less than {share_sure} probability; the lowest, {share}."
            )
            advice = later("The image rests on exact places. Raise transformations= or budget=.")
            found.append(Finding("fragile class", layer, text, advice, numbers, WARNING))
    if "variation" in told:
        rough = (told["variation"] > NATURAL) & ~silent
        if rough.any():
            numbers = {"count": int(rough.sum()), "total": total, "most": float(told["variation"][~silent].max())}
            text = later(
                "Of {layer}, {count} of {total} images vary more than twice as much as real inputs from place to place; the most, {most} times as much."
            )
            advice = later("Fine patterns that no real input has may excite the feature. Lower variation=, or take parameterisation='maco'.")
            found.append(Finding("unnatural variation", layer, text, advice, numbers, NOTE))
    cut = (told["end"] == BUDGET_END) & ~silent
    if cut.any():
        text = later("Of {layer}, {count} of {total} climbs still rose when the budget of {steps} steps ended.")
        advice = later(
            "The images are not the best there are. A larger budget= lets them rise to their plateau; a larger tolerance= calls them settled sooner."
        )
        found.append(Finding("budget ended", layer, text, advice, {"count": int(cut.sum()), "total": total, "steps": budget}, NOTE))
    return found + above_a_limit(layer, (told["end"] == LIMIT_END) & ~silent)


def above_a_limit(layer: str, rows: Array) -> list[Finding]:
    """Of climbs, of which `rows` are true of those that were flat when the budget ended, and above a limit."""
    if not rows.any():
        return []
    text = later("Of {layer}, {count} of {total} climbs no longer rose, but what they found was still above a limit of variation or contrast at the last step.")
    advice = later("It is rougher than it was to be. Raise that limit, or take parameterisation='fourier', whose images can be brought within it.")
    return [Finding("above a limit", layer, text, advice, {"count": int(rows.sum()), "total": rows.size}, NOTE)]
