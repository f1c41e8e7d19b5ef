"""A text whose words carry what they were worth, as HTML that needs neither a picture nor colours to be read."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from pellucid.core.errors import SettingError, UnsupportedError
from pellucid.core.language import said as _
from pellucid.core.language import written
from pellucid.core.records import Explanation

Array = np.ndarray
FOR, AGAINST = (244, 165, 130), (146, 197, 222)
"""Red and blue at full strength (red, green, blue of 255), light enough that black letters stand out on them 10 times and more."""
LEVEL = 0.95


def token_text(explanation: Explanation, *, sample: int = 0, tokens: Sequence[str] | None = None, limit: float | None = None) -> str:
    """One sample's words in their order, each a span: red behind what spoke for the target, blue behind what spoke against it, the stronger the deeper; the
    sign also by a line below, solid for, dotted against, none where the 95 % interval holds zero; the number with this error as a title. A second paragraph
    says so. `limit` is the value of full colour (default: the strongest of this sample), which gives several texts one scale.

    `tokens` are the words by number, where the record does not name them; padding is left out. Everything is escaped. `UnsupportedError` for values that are
    not one a token.

    >>> import numpy as np, pellucid
    >>> found = pellucid.explain(lambda x: x @ np.array([[1.0], [-2.0]]), np.array([[3.0, 4.0]]), "shap")
    >>> token_text(found, tokens=["good", "<film>"]).count("<span"), "&lt;film&gt;" in token_text(found, tokens=["good", "<film>"])
    (4, True)
    """
    if explanation.values.ndim != 2 or explanation.of_pairs:
        raise UnsupportedError(
            f"'{explanation.method}' gives values of shape {explanation.values.shape[1:]} a sample, not one a token; draw 'attribution_map'."
        )
    one = explanation[sample]
    present = [int(i) for i in np.flatnonzero(one.feature_mask[0])]
    if tokens is not None and len(tokens) < present[-1] + 1:
        raise SettingError(f"{len(tokens)} tokens were given, and the explanation has {present[-1] + 1}; give one for each.")
    names = [one.feature_name(i, 0) if tokens is None else str(tokens[i]) for i in present]
    values, errors = one.values[0], one.interval(LEVEL)[1][0] - one.values[0]
    reach = float(limit if limit is not None else np.abs(values[present]).max()) or 1.0
    said = [_said(float(values[i]), float(errors[i]), explanation.error_kind) for i in present]
    sure = (values != 0) & ~(np.abs(values) <= errors)  # where no error is known (NaN) the sign is taken as it is
    spans = [_span(name, float(values[i]) / reach, text, lined=bool(sure[i])) for name, i, text in zip(names, present, said, strict=True)]
    style = "line-height:1.9;print-color-adjust:exact;-webkit-print-color-adjust:exact"
    return f'<p class="tokens" style="{style}">{" ".join(spans)}</p>\n{_key(one, reach)}'


def _said(value: float, error: float, kind: str) -> str:
    number = written(f"{value:+.3g}")
    if kind == "exact":
        return number
    return (
        _("{value}, error not known").format(value=number)
        if kind == "none"
        else _("{value} ± {error} (95 %)").format(value=number, error=written(f"{error:.2g}"))
    )


def _span(name: str, strength: float, said: str, *, lined: bool = True) -> str:
    """A word; black letters, whatever the page's own colour is."""
    part, colour = min(abs(strength), 1.0), FOR if strength > 0 else AGAINST
    behind = ",".join(str(round(255 + part * (end - 255))) for end in colour)
    line = "" if not lined else f";text-decoration:underline {'solid' if strength > 0 else 'dotted'} 2px;text-underline-offset:4px"
    title = html.escape(_("{word}: {titles}").format(word=name, titles=said) if said else name)
    return f'<span style="background:rgb({behind});color:#000;padding:1px 3px;border-radius:2px{line}" title="{title}">{html.escape(name)}</span>'


def _key(one: Explanation, reach: float) -> str:
    """What colours and lines mean, in words."""
    scale = html.escape(_(one.target.score.replace("_", " ")))
    label = one.target.labels[0]
    keys = (_span(_("for {target}").format(target=label), 1, ""), _span(_("against {target}").format(target=label), -1, ""))
    said = _("{plus} (solid line) {minus} (dotted line), no line: not told apart from 0; parts of the {score}, full colour at ± {reach}.")
    said = said.format(plus=keys[0], minus=keys[1], score=scale, reach=written(f"{reach:.2g}"))
    return f'<p class="tokens-key" style="font-size:.85em">{said}</p>'
