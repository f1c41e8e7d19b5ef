"""What a recurrent node of an ONNX graph computes, and the tensors that it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import numpy_helper

from pellucid.core.errors import UnsupportedError
from pellucid.core.recurrence import GRU, LSTM, SIMPLE, Cell, Recurrence

Array = np.ndarray
KINDS = {"LSTM": (LSTM, (0, 2, 3, 1)), "GRU": (GRU, (0, 1, 2)), "RNN": (SIMPLE, (0,))}
"""What each kind of node is, and where in ONNX's order our parts stand: an LSTM's there are input, output, forget, candidate."""
ACTIVATIONS = {"Sigmoid": "sigmoid", "Tanh": "tanh", "Relu": "relu", "Softsign": "softsign", "Softplus": "softplus"}
USUAL = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}


def recurrence(name: str, node: Any, initializers: Sequence[Any]) -> Recurrence:
    """What a node computes; refused where it does more than the cells that are known."""
    settings = {one.name: one for one in node.attribute}
    weights = {one.name: one for one in initializers}
    inputs = [*node.input, *[""] * (8 - len(node.input))]
    odd = [text for text, there in (("clip", "clip" in settings), ("peepholes", bool(inputs[7])), ("lengths of sequences", bool(inputs[4]))) if there]
    if odd or ("input_forget" in settings and settings["input_forget"].i) or any(one and one not in weights for one in inputs[1:4]):
        raise UnsupportedError(f"layer '{name}' has {', '.join(odd) or 'coupled gates, or weights that the graph computes'}, which is not served.")
    kernel, recurrent = (numpy_helper.to_array(weights[one]) for one in inputs[1:3])
    both = numpy_helper.to_array(weights[inputs[3]]) if inputs[3] else np.zeros((len(kernel), 2 * kernel.shape[1]), kernel.dtype)
    given = [one.decode() for one in settings["activations"].strings] if "activations" in settings else []
    each = len(USUAL[node.op_type])
    after = "linear_before_reset" in settings and bool(settings["linear_before_reset"].i)
    direction = settings["direction"].s.decode() if "direction" in settings else "forward"
    cells = []
    for side, (w, r, b) in enumerate(zip(kernel, recurrent, both, strict=True)):
        names = _activations(name, given[side * each : (side + 1) * each] or USUAL[node.op_type])
        cells.append(_cell(node.op_type, (w, r, b), names, after, direction == "reverse" or side == 1))
    return Recurrence((tuple(cells),), zero_where_masked=True)


def _activations(name: str, given: Sequence[str]) -> tuple[str, str]:
    """Of the candidate and the state, and of the gates."""
    two = len(given) == 3 and given[1] != given[2]  # of an LSTM, for the candidate another one than for the state
    if two or any(one not in ACTIVATIONS for one in given):
        raise UnsupportedError(f"layer '{name}' has the activations {', '.join(given)}, which are not served.")
    return ACTIVATIONS[given[-1]], ACTIVATIONS[given[0]]


def _cell(kind: str, arrays: Sequence[Array], activations: tuple[str, str], after: bool, backwards: bool) -> Cell:
    known, order = KINDS[kind]
    kernel, recurrent, both = arrays
    units = recurrent.shape[1]
    rows = np.concatenate([np.arange(units) + place * units for place in order])
    bias, inner = both[: len(rows)][rows], both[len(rows) :][rows]
    if not after:  # then it makes no difference on which side a bias stands
        bias, inner = bias + inner, 0 * inner
    return Cell(known, kernel[rows].T, recurrent[rows].T, bias, inner, activations[0], activations[1], after, backwards)


def given(name: str, node: Any, held: Sequence[str]) -> dict[str, str]:
    """The tensors that a node is given and what their axes are: "" is samples first. What the graph holds itself is none of them."""
    kept = {one for one in node.input if one and one not in held}
    if node.op_type not in KINDS:
        return dict.fromkeys((one for one in node.input if one in kept), "")
    first = any(one.name == "layout" and one.i for one in node.attribute)
    states = [one for one in node.input[5:7] if one]
    if any(one in held for one in states):
        raise UnsupportedError(f"layer '{name}' begins from states that the graph holds, which is not served.")
    return {node.input[0]: "NTH" if first else "TNH", **dict.fromkeys(states, "NDH" if first else "DNH")}


def zero_states_left_out(node: Any, initializers: Mapping[str, Any]) -> Any:
    """The node without states to begin with that are zeros."""
    copy = type(node)()
    copy.CopyFrom(node)
    for place in range(5, min(len(node.input), 7)):
        one = initializers.get(node.input[place])
        if one is not None and not numpy_helper.to_array(one).any():
            copy.input[place] = ""
    return copy
