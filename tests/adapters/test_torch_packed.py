"""Recurrent layers that are fed by packed sequences: what is shown of them is what each sequence gives alone, without padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters import adapt
from pellucid.core import errors
from pellucid.core.target import resolve_target

torch = pytest.importorskip("torch")
nn = torch.nn
rnn = nn.utils.rnn
pytestmark = pytest.mark.once
STEPS, WIDTH, UNITS = 9, 3, 4
LENGTHS = (3, 7, 1, 5, 7, 2)
"""Not sorted, and none as long as the input."""
KINDS = {
    "LSTM": {"batch_first": True},
    "GRU": {"num_layers": 2},
    "RNN": {"batch_first": True, "bidirectional": True, "nonlinearity": "relu"},
    "deep LSTM": {"bidirectional": True, "num_layers": 2},
}
CLOSE = {"rtol": 1e-4, "atol": 1e-6}


class Packed(nn.Module):  # type: ignore[misc]
    """Lengths from the padding, a recurrent layer, and a class; `cut`: what no sample of a batch has is cut off first."""

    def __init__(self, kind: str = "LSTM", read: str = "states", *, cut: bool = False, **more: Any) -> None:
        super().__init__()
        self.read, self.cut = read, cut
        self.norm = nn.LayerNorm(WIDTH)
        self.r = getattr(nn, kind)(WIDTH, UNITS, **more)
        self.out = nn.Linear(UNITS * (2 if more.get("bidirectional") and read != "states" else 1), 3)

    def lengths(self, x: Any) -> Any:
        return (x != 0).any(-1).sum(1)

    def forward(self, x: Any) -> Any:
        lengths, first = self.lengths(x), self.r.batch_first
        x = self.norm(x[:, : lengths.max()] if self.cut else x)
        packed = rnn.pack_padded_sequence(x if first else x.transpose(0, 1), lengths.cpu(), batch_first=first, enforce_sorted=False)
        steps, states = self.r(packed)
        if self.read == "states":
            return self.out((states[0] * states[1].sigmoid() if isinstance(states, tuple) else states).sum(0))
        steps, _ = rnn.pad_packed_sequence(steps, batch_first=first)
        return self.out((steps if first else steps.transpose(0, 1)).sum(1) / lengths[:, None])


def network(kind: str = "LSTM", read: str = "states", **more: Any) -> Any:
    torch.manual_seed(5)
    return Packed(kind.split()[-1], read, **more)


def noise() -> np.ndarray:
    x = np.random.default_rng(8).normal(size=(len(LENGTHS), STEPS, WIDTH)).astype(np.float32)
    x[np.arange(STEPS) >= np.array(LENGTHS)[:, None]] = 0.0
    return x


def alone(made: Any, x: np.ndarray) -> list[np.ndarray]:
    """What the layer gives for each sequence by itself, (length, units)."""
    with torch.no_grad():
        found = [made.norm(torch.tensor(one[:length])) for one, length in zip(x, LENGTHS, strict=True)]
        return [made.r(one)[0].numpy() for one in found]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [False, True], ids=["padded", "cut"])
def test_outputs_are_those_of_each_sequence_alone_and_zero_past_its_end(kind: str, cut: bool) -> None:
    made, x = network(kind, cut=cut, **KINDS[kind]), noise()
    model = adapt(made)
    model.meet(x)
    assert [layer.name for layer in model.layers()] == ["norm", "r", "out"]
    own = {name: sum(parameter.numel() for parameter in getattr(made, name).parameters()) for name in ("norm", "r", "out")}
    assert {layer.name: layer.parameters for layer in model.layers()} == own
    wide = UNITS * (2 if KINDS[kind].get("bidirectional") else 1)
    assert model.layer("r").shape == (STEPS, wide)
    for size in (None, 2):
        model.batch_size = size
        for found in (model.activations(x, ["r", "out"])["r"], model.states(x, ["r"])["r"]):
            assert found.shape == (len(x), STEPS, wide)
            for row, length, wanted in zip(found, LENGTHS, alone(made, x), strict=True):
                np.testing.assert_allclose(row[:length], wanted, **CLOSE)
                assert not row[length:].any()


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_given_the_sequence_and_a_mask(kind: str) -> None:
    made, x = network(kind, **KINDS[kind]), noise()
    model = adapt(made)
    model.batch_size = 2
    sequence, mask = model.layer_inputs(x, ["r"])["r"]
    used = np.arange(STEPS) < np.array(LENGTHS)[:, None]
    np.testing.assert_array_equal(mask, used)
    np.testing.assert_allclose(sequence, np.where(used[..., None], model.activations(x, ["norm"])["norm"], 0.0), **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("read", ["states", "mean"])
def test_states_and_their_gradients_are_those_of_each_sequence_alone(kind: str, read: str) -> None:
    made, x = network(kind, read, **KINDS[kind]), noise()
    view = pellucid.visualize(made, x, "recurrent_state", target=1)
    assert "no gradient" not in view.provenance["resolved"]
    assert len(view.values) == KINDS[kind].get("num_layers", 1) * (2 if KINDS[kind].get("bidirectional") else 1)
    for row, length in enumerate(LENGTHS):
        single = pellucid.visualize(made, x[row : row + 1, :length], "recurrent_state", target=1)
        for name, hidden in view.values.items():
            np.testing.assert_allclose(hidden[row, :length], single.values[name][0], **CLOSE)
            still = 0.0 if "backward" in name else hidden[row, length - 1]
            np.testing.assert_array_equal(hidden[row, length:], np.broadcast_to(still, hidden[row, length:].shape))
            for what in set(single.details[name]) - {"time constant", "read", "horizon", "horizon step"}:
                np.testing.assert_allclose(view.details[name][what][row, :length], single.details[name][what][0], **CLOSE, err_msg=f"{name} {what}")
            for what in ("read", "horizon", "horizon step"):
                np.testing.assert_allclose(view.details[name][what][row], single.details[name][what][0])


def test_the_gradient_at_the_layer_is_that_of_what_each_sequence_gives() -> None:
    made, x = network(read="mean", batch_first=True), noise()
    model = adapt(made)
    target = resolve_target(1, "logit", model.predict(x))
    found = model.gradients(x, target, ("r",)).gradients["r"]
    assert found.shape == (len(x), STEPS, UNITS)
    used = np.arange(STEPS) < np.array(LENGTHS)[:, None]
    wanted = np.where(used, 1 / np.array(LENGTHS)[:, None], 0.0)[..., None] * made.out.weight[1].detach().numpy()
    np.testing.assert_allclose(found, wanted, **CLOSE)


def test_a_layer_whose_output_is_packed_is_explained() -> None:
    made, x = network(read="mean", batch_first=True), noise()
    found = pellucid.explain(made, x, "gradient_x_input", layer="r", target=1)
    assert np.abs(found.values).sum() > 0


@pytest.mark.parametrize("view", ["activation_map", "activation_statistics", "gradient_flow", "graph", "embedding"])
def test_other_views_show_it(view: str) -> None:
    made, x = network(read="mean", batch_first=True), noise()
    found = pellucid.visualize(made, x, view, **({"labels": np.arange(len(x)) % 3} if view == "gradient_flow" else {}))
    assert "r" in found.layers


def test_its_place_among_the_layers_is_seen() -> None:
    model = adapt(network(batch_first=True))
    model.meet(noise())
    calls = model.calls()
    assert calls["r"].inputs == ("norm",)
    assert calls["r"].shape == (STEPS, UNITS)
    assert "r" in calls["out"].inputs or any("r" in calls[name].inputs for name in calls["out"].inputs)


class Stacked(nn.Module):  # type: ignore[misc]
    """Tokens and their lengths as two inputs; sorted by hand; two layers, dropout on what is packed between them, and a layer that gives nothing but packed."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, WIDTH)
        self.one, self.two = nn.GRU(WIDTH, UNITS, batch_first=True), nn.LSTM(UNITS, UNITS, batch_first=True)
        self.out = nn.Linear(UNITS, 2)

    def forward(self, tokens: Any, lengths: Any) -> Any:
        order = lengths[:, 0].argsort(descending=True)
        packed = rnn.pack_padded_sequence(self.words(tokens)[order], lengths[order, 0].cpu(), batch_first=True)
        steps, _ = self.one(packed)
        _, (hidden, _) = self.two(rnn.PackedSequence(nn.functional.dropout(steps.data, 0.5, self.training), steps.batch_sizes))
        return self.out(hidden[-1][order.argsort()])


def test_samples_that_a_module_sorts_itself_are_shown_as_it_sorts_them() -> None:
    torch.manual_seed(1)
    made = Stacked().eval()
    tokens = np.random.default_rng(2).integers(1, 11, (4, 6))
    lengths = np.array([[2], [6], [3], [1]])
    with torch.no_grad():
        packed = rnn.pack_padded_sequence(made.words(torch.tensor(tokens[[1, 2, 0, 3]])), [6, 3, 2, 1], batch_first=True)
        wanted = rnn.pad_packed_sequence(made.one(packed)[0], batch_first=True)[0].numpy()
    view = pellucid.visualize(made, {"tokens": tokens, "lengths": lengths}, "activation_map", layers=["one", "two"])
    assert {name: one.shape for name, one in view.values.items()} == {"one": (4, 6, UNITS), "two": (4, 6, UNITS)}
    np.testing.assert_allclose(view.values["one"], wanted, **CLOSE)
    assert list(pellucid.visualize(made, {"tokens": tokens, "lengths": lengths}, "recurrent_state").values) == ["one", "two"]


class Strided(nn.Module):  # type: ignore[misc]
    """A convolution halves the time steps before they are packed."""

    def __init__(self) -> None:
        super().__init__()
        self.halve, self.r, self.out = nn.Conv1d(WIDTH, WIDTH, 2, 2), nn.GRU(WIDTH, UNITS, batch_first=True), nn.Linear(UNITS, 2)

    def forward(self, x: Any) -> Any:
        lengths = ((x != 0).any(-1).sum(1) + 1) // 2
        x = self.halve(x.transpose(1, 2)).transpose(1, 2)
        return self.out(self.r(rnn.pack_padded_sequence(x, lengths.clamp(max=x.shape[1]).cpu(), batch_first=True, enforce_sorted=False))[1][-1])


@pytest.mark.parametrize("first", [0, 1], ids=["full", "short"])
def test_time_steps_that_are_fewer_than_the_inputs_are_as_many_as_were_padded(first: int) -> None:
    x = np.ones((2, 8, WIDTH), np.float32)
    x[1 - first, 3:] = 0.0
    model = adapt(Strided())
    model.batch_size = 1
    assert model.activations(x, ["r"])["r"].shape == (2, 4, UNITS)


def test_longer_sequences_than_were_met_are_refused() -> None:
    class Cuts(Strided):
        def forward(self, x: Any) -> Any:
            return super().forward(x[:, : (x != 0).any(-1).sum(1).max()])

    x = np.ones((2, 8, WIDTH), np.float32)
    x[0, 4:] = 0.0
    model = adapt(Cuts())
    model.batch_size = 1
    with pytest.raises(errors.UnsupportedError, match="a packed sequence of 4 steps, after ones of 2 at most"):
        model.activations(x, ["r"])


def test_layers_of_one_length_a_batch_are_refused() -> None:
    made, x = network(cut=True, batch_first=True), noise()
    model = adapt(made)
    model.batch_size = 2
    target = resolve_target(1, "logit", model.predict(x))
    for read in (model.activations, model.layer_inputs, lambda x, names: model.gradients(x, target, names)):
        with pytest.raises(errors.UnsupportedError, match=r"layer 'norm' meets \(7, 3\) in one batch and \(5, 3\) in another"):
            read(x, ["norm"])


def test_the_module_is_left_as_it_was() -> None:
    made, x = network(batch_first=True), noise()
    pellucid.visualize(made, x, "recurrent_state")
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in made.modules())
