"""What is wrong with a recurrent layer, by name, with numbers and advice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pellucid.core.language import later
from pellucid.core.recurrence import CANDIDATE, FORGET_GATE, GRU, INPUT_GATE, LSTM, OUTPUT_GATE, RESET_GATE, SIMPLE, UPDATE_GATE
from pellucid.core.view import FAULT, NOTE, WARNING, Finding
from pellucid.views._recurrence import Run

Array = np.ndarray
VANISHED, EXPLODED = 1e-3, 100.0
"""Of the gradient's last: below this at the first step it has vanished, above that at any step it has exploded."""
LEAST = 1e-6
"""Below this a share is not told more closely."""
EDGE, STUCK, MANY = 0.01, 0.95, 0.2
"""A gate so near to 0 or 1 is saturated; a unit at so many of its steps is stuck; so many stuck units are worth a word."""
WRITTEN = 1e-3
"""A unit is written where as much as this is added to its memory at some step."""

_SATURATED = {
    INPUT_GATE: later("In {layer} the input gate of {share} of the units is stuck: within 0.01 of 0 or of 1 at 95 % of the steps or more."),
    FORGET_GATE: later("In {layer} the forget gate of {share} of the units is stuck: within 0.01 of 0 or of 1 at 95 % of the steps or more."),
    OUTPUT_GATE: later("In {layer} the output gate of {share} of the units is stuck: within 0.01 of 0 or of 1 at 95 % of the steps or more."),
    UPDATE_GATE: later("In {layer} the update gate of {share} of the units is stuck: within 0.01 of 0 or of 1 at 95 % of the steps or more."),
    RESET_GATE: later("In {layer} the reset gate of {share} of the units is stuck: within 0.01 of 0 or of 1 at 95 % of the steps or more."),
}
_STATES = later("In {layer} {share} of the units are saturated: their state is within 0.01 of −1 or of 1 at 95 % of the steps or more.")
_UNSTICK = later(
    "A stuck gate learns next to nothing: scale the input, begin with smaller weights, or regularise the kernels. It is right where one bit is kept."
)

_REMEMBER = {
    LSTM: later("The first steps teach it next to nothing: begin with a forget-gate bias of 1 or more, read every step (attention, pooling), or shorten it."),
    GRU: later("The first steps teach it next to nothing: begin with an update-gate bias of 1 or more, read every step (attention, pooling), or shorten it."),
    SIMPLE: later("The first steps teach it next to nothing: take an LSTM or a GRU, read every step (attention, pooling), or shorten it."),
}


def findings_of(run: Run, share: float) -> Iterator[Finding]:
    """All that there is to say of one cell."""
    yield from _numbers(run)
    yield from _gradient(run, share)
    yield from _saturated(run)
    yield from _unwritten(run)


def _numbers(run: Run) -> Iterator[Finding]:
    bad = 1.0 - float(np.isfinite(run.made.hidden).mean())
    if bad:
        text = later("In {layer} {share} of the states are no finite numbers.")
        yield Finding("exploding state", run.subject, text, later("Bound the activation (tanh), or scale the recurrent weights down."), {"share": bad}, FAULT)


def _gradient(run: Run, share: float) -> Iterator[Finding]:
    """How the gradient of what is read last changes on its way back."""
    if run.alone is None or run.read is None or not (run.read >= 0).any():
        return
    until = run.processed(run.used & run.until_read)
    lines = [line[kept] for line, kept in zip(run.processed(run.alone), until, strict=True) if kept.any()]
    lines = [line for line in lines if len(line) and line[-1] > 0]
    if not lines:
        return
    steps = int(np.median([len(line) for line in lines])) - 1
    if steps < 1 and run.made.hidden.shape[1] > 1:
        yield Finding(
            "read after one step",
            run.subject,
            later("The score reads {layer} after the first step that it makes alone, so that nothing else of the sequence reaches it."),
            later("Read its last state: of a layer that reads backwards that of the first time step, or the last states that it gives out."),
            {"steps": 1.0},
            WARNING,
        )
        return
    first, most = (float(np.median([measure(line) / line[-1] for line in lines])) for measure in (lambda line: line[0], np.max))
    horizons = run.horizons(share)
    reached = horizons[np.isfinite(horizons)]
    if not most <= EXPLODED:
        yield Finding(
            "exploding gradient",
            run.subject,
            later("In {layer} the gradient of the score grows to {times} times its last within {steps} steps back, {factor} times a step."),
            later("Clip the gradient by its norm in training, begin with orthogonal recurrent weights or scale them down; an LSTM or a GRU bounds its growth."),
            {"times": most, "steps": float(steps), "factor": most ** (1.0 / max(steps, 1))},
            FAULT,
        )
    elif first < VANISHED and steps > 1:
        yield Finding(
            "vanishing gradient",
            run.subject,
            later(
                "In {layer} the gradient of the score is below {share} of its last {horizon} steps back, and at most {part} of it {steps} steps back: "
                "{factor} times itself a step."
            ),
            _REMEMBER[run.cell.kind],
            {
                "part": max(first, LEAST),
                "factor": first ** (1.0 / steps),
                "steps": float(steps),
                "horizon": float(np.median(reached)) if len(reached) else float(steps),
                "share": share,
            },
            WARNING,
        )


def _stuck(values: Array, used: Array, *ends: float) -> float:
    """The share of units whose value is next to an end at nearly all steps."""
    near = np.any([np.abs(values[used] - end) < EDGE for end in ends], axis=0)
    return float((near.mean(axis=0) >= STUCK).mean()) if len(near) else 0.0


def _saturated(run: Run) -> Iterator[Finding]:
    for name, values in run.made.gates.items():
        if name != CANDIDATE:
            share = _stuck(values, run.used, 0.0, 1.0)
            if share > MANY:
                yield Finding("saturated gates", run.subject, _SATURATED[name], _UNSTICK, {"share": share}, WARNING)
    if run.cell.kind == SIMPLE and run.cell.activation == "tanh":
        share = _stuck(run.made.hidden, run.used, -1.0, 1.0)
        if share > MANY:
            yield Finding("saturated states", run.subject, _STATES, _UNSTICK, {"share": share}, WARNING)


def _unwritten(run: Run) -> Iterator[Finding]:
    """Units to whose memory no step adds anything."""
    gates = run.made.gates
    if run.cell.kind == SIMPLE:
        added = np.abs(run.made.hidden)
    else:
        opened = gates[INPUT_GATE] if run.cell.kind == LSTM else 1.0 - gates[UPDATE_GATE]
        added = np.abs(opened * gates[CANDIDATE])
    most = added[run.used].max(axis=0, initial=0.0)
    count = int((most < WRITTEN).sum())
    if count:
        text = later("{count} of {units} units of {layer} are never written: at no step of these samples is more than 0.001 added to their memory.")
        advice = later("Look at more samples; units that stay empty there too can be left out, or begin with other weights.")
        yield Finding("unit never written", run.subject, text, advice, {"count": float(count), "units": float(len(most))}, NOTE if count < len(most) else FAULT)
