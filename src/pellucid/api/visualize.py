"""`visualize`: what happens inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.adapters import adapt
from pellucid.api import _parts
from pellucid.api._data import Batches
from pellucid.api._given import applied_to_view, told
from pellucid.api._inputs import gather
from pellucid.api._opened import named, opened
from pellucid.api._progress import progress_after_patience
from pellucid.api._provenance import describe, settings
from pellucid.api._stream import is_stream
from pellucid.core.errors import InputError, SettingError, SeveralOutputsError
from pellucid.core.model import Model
from pellucid.core.scene import DATA, NONE, SAMPLES, Scene, ViewMethod
from pellucid.core.view import View


def visualize(
    model: Any,
    x: Any = None,
    view: str | ViewMethod = "activation_map",
    *,
    layers: Sequence[str] | str | None = None,
    class_names: Sequence[str] | None = None,
    labels: Sequence[int] | None = None,
    output: str | None = None,
    seed: int = 0,
    network: str | None = None,
    preprocessing: Any = None,
    allow_unsafe: bool = False,
    progress: bool | None = None,
    **view_settings: Any,
) -> View:
    """Show what happens inside a network.

    Parameters
    ----------
    model: a Keras model, a PyTorch module, a model file, or a `Model` from `pellucid.adapt`.
    x: array (samples, *shape); for several inputs a mapping name → array, or a tuple in the model's order. A view of a data set goes through it in batches
        and keeps none: an array, a memory map, or whatever gives batches (a data loader, a `tf.data.Dataset`). A view of the network alone needs none.
    view: a name from `pellucid list views`, or a view object.
    layers: names of layers (`pellucid inspect MODEL`); None lets the view choose.
    class_names: names of the outputs; None takes the model's own where it brings some. labels: true classes. network: a name for reports.
    output: which of several outputs of a network is read. seed: of all that is drawn.
    preprocessing: what makes the network's numbers of sentences, rows, images or series as a person gives them; `x` are then these.
    progress: a bar on standard error when it takes longer than two seconds; None shows it on a terminal.
    **view_settings: the view's own settings; one that is a record or a network takes the name of its file as well.

    Returns a `View`: per layer an array with named axes, further arrays, and findings. Raises an exception of the tree in `pellucid.core.errors`.

    >>> import numpy as np, pellucid
    >>> from pellucid.adapters.numpy_model import Dense, NumpyModel
    >>> model = NumpyModel([Dense(np.eye(2), np.zeros(2), "relu")], (2,))
    >>> list(pellucid.visualize(model, np.ones((1, 2)), "activation_map").values)
    ['dense_0']
    """
    name, chosen = _parts.find_view(view, opened(view, view_settings, allow_unsafe))
    names = [layers] if isinstance(layers, str) else layers
    if names is not None and not len(names):
        raise SettingError("layers is empty; give at least one name, or None to let the view choose.")
    _parts.check_seed(seed)
    x, given = applied_to_view(preprocessing, x)
    whole = adapt(model, allow_unsafe=allow_unsafe)
    whole = whole if output is None else _parts.split_output(whole, {output: None})[0]
    adapted, inputs, data = _looked_at(name, chosen, whole, x)
    _parts.check_serves(name, chosen, adapted)
    true_classes = _parts.check_labels(labels, len(inputs) if data is None else data.count)
    if "labels" in chosen.needs and true_classes is None:
        raise SettingError(f"view '{name}' needs the true classes of the samples: labels=[...], one a sample.")
    known = tuple(class_names if class_names is not None else adapted.traits.class_names)
    made_by = None if given is None else given.preprocessing
    with progress_after_patience(chosen.title, progress) as report:
        truth = None if true_classes is None else np.array(true_classes)
        shown = chosen.show(Scene(adapted, inputs, None if names is None else tuple(names), seed, report, truth, known, data, made_by))
    provenance = describe(
        adapted,
        view=name,
        title=chosen.title,
        citation=chosen.citation,
        settings=settings(chosen) | named(chosen, view_settings) | ({} if names is None else {"layers": list(names)}),
        resolved=dict(shown.resolved),
        seed=int(seed),
        network=network,
        class_names=list(known) or None,
        labels=true_classes if data is None else None,
        **told(given),
    )
    kept = inputs if chosen.looks_at == SAMPLES else inputs[:0]
    return View(
        name, shown.values, shown.axes, kept if shown.inputs is None else shown.inputs, provenance, shown.details, shown.detail_axes, tuple(shown.findings)
    )


def _looked_at(name: str, view: ViewMethod, model: Model, x: Any) -> tuple[Model, np.ndarray, Batches | None]:
    """The model, the samples that a view is given, and the data set that it goes through, where it does so."""
    if x is None:
        if view.looks_at != NONE:
            raise InputError(f"view '{name}' looks at samples, and none were given: pellucid.visualize(model, x, '{name}').")
        return model, np.zeros(0, np.float32), None
    if view.looks_at == DATA:
        data = Batches(model, x)
        return data.model, data.first, data
    if is_stream(x):
        raise InputError(f"view '{name}' keeps the samples it shows, so it takes an array of them and no stream; give some, e.g. the first batch.")
    model, inputs = gather(model, x)
    try:
        model.meet(inputs)
    except SeveralOutputsError as several:
        if view.looks_at != NONE or "gradients" in view.needs:
            raise
        model = model.reading(next(iter(several.shapes)))  # the network is looked at as a whole, whichever output is read
        model.meet(inputs)
    return model, inputs, None
