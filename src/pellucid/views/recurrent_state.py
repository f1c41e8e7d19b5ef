"""The states, gates and gradients of recurrent layers over time, and how far back they remember."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pellucid.core.errors import PellucidError, SettingError, UnsupportedError
from pellucid.core.model import Layer, Model
from pellucid.core.recurrence import StateGradients
from pellucid.core.scene import Scene, Shown, ViewMethod
from pellucid.core.target import Target, reads_logits, resolve_score, resolve_target
from pellucid.views._recurrence import Run, back, check_states, forward, served
from pellucid.views._recurrent_findings import findings_of

Array = np.ndarray
STEPS = ("sample", "time")
UNITS = (*STEPS, "unit")


@dataclass(frozen=True)
class RecurrentState(ViewMethod):
    """The states and every gate of an LSTM, GRU or simple recurrent layer at each time step, the score's gradient there, and how far back that reaches.

    Use it to see what a recurrent network keeps, what makes it write and forget, and whether it can learn from steps long ago. Frameworks give no gates out:
    the recurrence is gone through again from the layer's inputs and weights, and held equal to the framework's own states; where these differ by more than
    1e-3 of their largest, it refuses instead of showing wrong gates. `target` is what the score is of, by default the class that is predicted; `share` is the
    part of its last to which the gradient falls at the forgetting horizon.

    Shapes: per layer the hidden states (samples, time, units). Details: "cell" and each gate by its name, as the states; "gradient", the length of the score's
    gradient with respect to the whole state after each step, (samples, time), and "hidden gradient" and "cell gradient", those of its parts; "decay", the same
    of the last step alone that the score reads; "read", which one that is, "horizon", how many steps back it is below `share`, infinite where it never is, and
    "horizon step", where that is, (samples,); "time constant" (units,), −1 / ln of the mean share that a unit keeps a step. Each direction, and each level of a
    layer of several, is shown by itself. Gates of masked steps are NaN. Where the score has no gradient, states and gates are shown alone.
    Does not say what a state stands for, nor whether a long memory is needed.

    >>> import numpy as np, pellucid
    >>> from pellucid.views.recurrent_state import RecurrentState
    >>> RecurrentState(share=0.1).share
    0.1
    """

    title: ClassVar[str] = "States and gates over time"
    answers: ClassVar[str] = "What does a recurrent layer keep, write and forget at each step, and how far back does it remember?"
    citation: ClassVar[str] = (
        "Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735; Pascanu et al. 2013, arXiv:1211.5063; Karpathy et al. 2015, arXiv:1506.02078"
    )
    needs: ClassVar[frozenset[str]] = frozenset({"recurrent layer"})

    target: Any = "predicted"
    share: float = 0.01

    def __post_init__(self) -> None:
        if not 0.0 < float(self.share) < 1.0:
            raise SettingError(f"share is {self.share!r}, expected a number between 0 and 1, such as 0.01.")

    @classmethod
    def refuses(cls, model: Model) -> str:
        reason = super().refuses(model)
        if reason:
            return reason
        known, problems = _described(model)
        return "" if known else f"cannot go through the recurrence again: {problems[0]}"

    def show(self, scene: Scene) -> Shown:
        with np.errstate(over="ignore", invalid="ignore"):  # an exploding recurrence is told by name
            return self._gone_through(scene)

    def _gone_through(self, scene: Scene) -> Shown:
        model, inputs = scene.model, scene.inputs
        model.meet(inputs)
        names = [layer.name for layer in scene.chosen(_described(model)[0])]
        states = model.states(inputs, names)
        given = model.layer_inputs(inputs, names)
        scene.progress(0.3)
        described = {name: served(model.recurrence(name), name) for name in names}
        levels = {name: forward(name, described[name], given[name]) for name in names}
        for name in names:
            check_states(name, described[name], levels[name], states[name])
        scene.progress(0.6)
        target, reached, problem = self._gradients(scene, names)
        runs: list[Run] = []
        for name in names:
            gone = [run for level in levels[name] for run in level]
            runs += back(described[name], levels[name], reached[name]) if name in reached else gone
        scene.progress(1.0)
        resolved = {f"kind of {name}": model.layer(name).kind for name in names} | _said(target, problem)
        return self._shown(runs, resolved)

    def _shown(self, runs: Sequence[Run], resolved: Mapping[str, Any]) -> Shown:
        details = {run.subject: _details(run, self.share) for run in runs}
        axes = {name: STEPS if array.ndim == 2 else UNITS for found in details.values() for name, array in found.items() if array.ndim > 1}
        single = {"time constant": ("unit",), "horizon": ("sample",), "horizon step": ("sample",), "read": ("sample",)}
        held = {name for found in details.values() for name in found}
        found = [finding for run in runs for finding in findings_of(run, self.share)]
        return Shown(
            {run.subject: run.made.hidden.astype(np.float32) for run in runs},
            {run.subject: UNITS for run in runs},
            resolved,
            details,
            axes | {name: one for name, one in single.items() if name in held},
            found,
        )

    def _gradients(self, scene: Scene, names: Sequence[str]) -> tuple[Target | None, dict[str, StateGradients], str]:
        """The target, the gradients that reach each layer, and why there are none where there are none; a target that was asked for is an error then."""
        model = scene.model
        if not model.traits.gradients:
            return None, {}, f"{model.traits.framework} gives no gradients"
        try:
            target = _target(model, scene, self.target)
            return target, model.state_gradients(scene.inputs, target, names), ""
        except PellucidError as error:
            if self.target != "predicted":
                raise
            return None, {}, str(error)


def _target(model: Model, scene: Scene, asked: Any) -> Target:
    traits = model.traits
    score = resolve_score(None, traits.head, by_function=callable(asked))
    shape = traits.output_shape if traits.output_shape is not None else model.predict(scene.inputs[:1]).shape[1:]
    before = reads_logits(score, traits.head, shape, traits.class_axis, by_function=callable(asked))
    outputs = model.predict(scene.inputs, logits=before)
    return resolve_target(asked, score, outputs, scene.class_names or None, head=traits.head, class_axis=traits.class_axis)


def _described(model: Model) -> tuple[list[Layer], list[str]]:
    """The recurrent layers whose recurrence is known, and what is wrong with the others."""
    known, problems = [], []
    for layer in model.layers():
        if layer.sequential:
            try:
                served(model.recurrence(layer.name), layer.name)
                known.append(layer)
            except UnsupportedError as error:
                problems.append(str(error).rstrip("."))
    return known, problems


def _said(target: Target | None, problem: str) -> dict[str, Any]:
    if target is None:
        return {"no gradient": problem}
    same = len(set(target.labels)) == 1
    return {"score": target.score, "target": target.labels[0] if same else list(target.labels)}


def _details(run: Run, share: float) -> dict[str, Array]:
    """All that is shown of a cell besides its hidden states."""
    found: dict[str, Array] = {} if run.made.cell is None else {"cell": run.made.cell}
    found |= run.made.gates
    if run.norms is not None and run.alone is not None and run.read is not None:
        found |= {"gradient": run.norms, "decay": run.alone, "read": run.read}
        found |= {"horizon": run.horizons(share), "horizon step": run.horizon_steps(share)}
    if run.back is not None:
        found["hidden gradient"] = np.sqrt((run.back.hidden**2).sum(axis=-1))
        if run.back.cell is not None:
            found["cell gradient"] = np.sqrt((run.back.cell**2).sum(axis=-1))
    if run.constants is not None:
        found["time constant"] = run.constants
    lengths = {"gradient", "decay", "hidden gradient", "cell gradient"}  # of a long series smaller than float32 can tell
    return {name: array.astype(np.float64 if name in lengths else np.float32) for name, array in found.items()}
