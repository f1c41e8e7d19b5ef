"""`visualize`: what happens inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid.adapters import adapt
from pellucid.api import _parts
from pellucid.api._inputs import gather
from pellucid.api._provenance import describe, settings
from pellucid.core.errors import SettingError
from pellucid.core.method import ViewMethod
from pellucid.core.records import View


def visualize(
    model: Any,
    x: Any,
    view: str | ViewMethod,
    *,
    layers: Sequence[str] | str | None = None,
    network: str | None = None,
    labels: Sequence[int] | None = None,
    allow_unsafe: bool = False,
    **view_settings: Any,
) -> View:
    """Show what happens inside a network for some inputs.

    Parameters
    ----------
    model: a Keras model, a PyTorch module, a model file, or a `Model` from `pellucid.adapt`.
    x: array (samples, *shape); for several inputs a mapping name → array, or a tuple in the model's order.
    view: a name from `pellucid list views`, or a view object.
    layers: names of layers (`pellucid inspect MODEL`); None lets the view choose.
    network: a name for reports. labels: true classes, for reports.
    **view_settings: the view's own settings.

    Returns a `View`: per layer an array (samples, *layer). Raises an exception of the tree in `pellucid.core.errors`.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.eye(2), np.zeros(2), "relu")], (2,))
    >>> list(pellucid.visualize(model, np.ones((1, 2)), "activation_map").values)
    ['dense_0']
    """
    name, chosen = _parts.find_view(view, view_settings)
    names = [layers] if isinstance(layers, str) else layers
    if names is not None and not len(names):
        raise SettingError("layers is empty; give at least one name, or None to let the view choose.")
    adapted, inputs = gather(adapt(model, allow_unsafe=allow_unsafe), x)
    adapted.meet(inputs)
    _parts.check_serves(name, chosen, adapted)
    true_classes = _parts.check_labels(labels, len(inputs))
    shown = chosen.show(adapted, inputs, names)
    provenance = describe(
        adapted,
        view=name,
        title=chosen.title,
        citation=chosen.citation,
        settings=settings(chosen) | ({} if names is None else {"layers": list(names)}),
        resolved=dict(shown.resolved),
        network=network,
        labels=true_classes,
    )
    return View(name, shown.values, shown.axes, inputs, provenance)
