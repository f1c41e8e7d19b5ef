"""States, gates and gradients of recurrent layers: the framework's own numbers, the same on every framework, and known answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters import adapt
from pellucid.adapters.numpy_model import NumpyModel
from pellucid.core import errors
from pellucid.core.model import INPUT
from pellucid.core.recurrence import StateGradients
from pellucid.core.target import resolve_target
from pellucid.views import _recurrence
from pellucid.views._recurrence import back, check_states, forward

keras = pytest.importorskip("keras")
layers = keras.layers
STEPS, WIDTH = 7, 4
GRADIENT = 2e-4
"""How near a gradient gone back through in NumPy is to the framework's own, of its largest."""


def noise(samples: int = 3, *, masked: bool = False) -> np.ndarray:
    x = np.random.default_rng(4).normal(size=(samples, STEPS, WIDTH)).astype(np.float32)
    if masked:
        x[0, 4:] = 0.0
        x[1, :2] = 0.0
        x[2, 3] = 0.0
    return x


def network(*stack: Any, width: int = WIDTH, steps: int = STEPS) -> Any:
    """Layers, and a softmax over three classes."""
    made = keras.Sequential([keras.Input((steps, width)), *stack, layers.Dense(3, activation="softmax", name="out")])
    draw = np.random.default_rng(1)
    made.set_weights([draw.normal(scale=0.5, size=array.shape) for array in made.get_weights()])
    return made


def plain() -> dict[str, Any]:
    """Recurrent layers that read the input first; what reads each step is flattened."""
    return {
        "every_step": layers.LSTM(4, return_sequences=True, name="every_step"),
        "both": layers.Bidirectional(layers.GRU(5), name="both"),
    }


def odd() -> dict[str, Any]:
    """The same, of all the other kinds."""
    return {
        "reset_before": layers.GRU(3, reset_after=False, return_sequences=True, name="reset_before"),
        "simple": layers.SimpleRNN(5, activation="relu", use_bias=False, name="simple"),
        "backwards": layers.LSTM(3, go_backwards=True, return_sequences=True, name="backwards"),
        "product": layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode="mul", name="product"),
        "mean": layers.Bidirectional(layers.SimpleRNN(4), merge_mode="ave", name="mean"),
        "levels": layers.RNN([layers.LSTMCell(5), layers.GRUCell(3)], name="levels"),
    }


def masked() -> dict[str, Any]:
    """The same, of those for which masked steps are another matter."""
    return {
        "last": layers.GRU(5, name="last"),
        "every_step": layers.LSTM(5, return_sequences=True, name="every_step"),
        "both": layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="both"),
        "both_last": layers.Bidirectional(layers.SimpleRNN(5), name="both_last"),
    }


def side_by_side(chosen: dict[str, Any], *before: Any) -> Any:
    """A network in which all of them read the input, and a softmax all of them."""
    given = keras.Input((STEPS, WIDTH))
    read = given
    for layer in before:
        read = layer(read)
    made = keras.Model(given, layers.Dense(3, activation="softmax")(layers.Concatenate()([layers.Flatten()(one(read)) for one in chosen.values()])))
    draw = np.random.default_rng(1)
    made.set_weights([draw.normal(scale=0.5, size=array.shape) for array in made.get_weights()])
    return made


def gradients_of_inputs(made: Any, x: np.ndarray, names: list[str], *, more: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """With respect to the network's input, which these layers are the first to read: gone back through here, and the framework's own. States are held to the
    framework's on the way. `more`: the layers give out more than their output."""
    model = adapt(made)
    model.meet(x)
    target = resolve_target(1, "logit", np.zeros((len(x), 3)), head="softmax")
    given, states = model.layer_inputs(x, names), model.states(x, names)
    if model.traits.framework in ("Keras on TensorFlow", "Keras on JAX") and not more:  # all of one pass: these take long to trace
        found = model.gradients(x, target, (INPUT, *names)).gradients
        reached = {name: StateGradients(found[name]) for name in names}
    else:
        found, reached = model.gradients(x, target).gradients, model.state_gradients(x, target, names)
    total = np.zeros(x.shape)
    for name in names:
        described = model.recurrence(name)
        levels = forward(name, described, given[name])
        check_states(name, described, levels, states[name])
        runs = back(described, levels, reached[name])
        total += sum(run.back.inputs for run in runs[: len(described.levels[0])] if run.back is not None)
    return total, found[INPUT]


@pytest.mark.filterwarnings("ignore:Layer 'flatten")  # which reads masked steps too, as is wanted here
@pytest.mark.parametrize("chosen", [plain, pytest.param(odd, marks=pytest.mark.slow), pytest.param(masked, marks=pytest.mark.slow)])
def test_states_are_the_frameworks_and_gradients_reach_the_input_as_its_own(chosen: Callable[[], dict[str, Any]]) -> None:
    parts, is_masked = chosen(), chosen is masked
    made = side_by_side(parts, *([layers.Masking()] if is_masked else []))
    mine, theirs = gradients_of_inputs(made, noise(masked=is_masked), list(parts))
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=GRADIENT * np.abs(theirs).max())


def test_last_states_that_a_layer_gives_out_count() -> None:
    """An encoder whose states another layer goes on from."""
    given = keras.Input((STEPS, WIDTH))
    steps, hidden, cell = layers.LSTM(5, return_sequences=True, return_state=True, name="r")(given)
    decoded = layers.LSTM(5, name="decoder")(steps, initial_state=[hidden, cell])
    made = keras.Model(given, layers.Dense(3, activation="softmax")(decoded))
    mine, theirs = gradients_of_inputs(made, noise(), ["r"], more=True)
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=GRADIENT * np.abs(theirs).max())


def test_torch_shows_the_same_numbers(small_rnn: Any, torch_rnn: Any) -> None:
    x = np.random.default_rng(2).normal(size=(4, 12, 5)).astype(np.float32)
    theirs, mine = (pellucid.visualize(one, x, "recurrent_state") for one in (small_rnn, torch_rnn))
    np.testing.assert_allclose(mine.values["lstm"], theirs.values["lstm"], atol=1e-5)
    assert mine.details["lstm"].keys() == theirs.details["lstm"].keys()
    for name, array in theirs.details["lstm"].items():
        np.testing.assert_allclose(mine.details["lstm"][name], array, rtol=1e-3, atol=1e-5, err_msg=name)


# ---- PyTorch -----------------------------------------------------------------------------------------------------------


def torch_network(kind: str, read: str, **more: Any) -> Any:
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.r = getattr(nn, kind)(WIDTH, 5, **more)
            wide = 5 * (2 if more.get("bidirectional") else 1)
            self.out = nn.Linear(wide if read != "last states" else 5, 3)

        def forward(self, x: Any) -> Any:
            first = more.get("batch_first", False)
            steps, states = self.r(x if first else x.transpose(0, 1))
            steps = steps if first else steps.transpose(0, 1)
            if read == "last states":
                hidden = states[0] * states[1].sigmoid() if kind == "LSTM" else states
                return torch.softmax(self.out(hidden.sum(0)), -1)
            return torch.softmax(self.out(steps.mean(1) if read == "mean" else steps[:, -1]), -1)

    torch.manual_seed(3)
    return Reads()


@pytest.mark.once
@pytest.mark.parametrize("read", ["last", "mean", "last states"])
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("LSTM", {"batch_first": True, "bidirectional": True, "num_layers": 2}),
        ("GRU", {"num_layers": 2}),
        ("RNN", {"nonlinearity": "relu", "bias": False, "bidirectional": True}),
    ],
    ids=["LSTM", "GRU", "RNN"],
)
def test_torch_gradients_reach_the_input_as_its_own(kind: str, more: dict[str, Any], read: str) -> None:
    made, x = torch_network(kind, read, **more), noise()
    mine, theirs = gradients_of_inputs(made, x, ["r"])
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=GRADIENT * np.abs(theirs).max())
    view = pellucid.visualize(made, x, "recurrent_state")
    assert len(view.values) == more.get("num_layers", 1) * (2 if more.get("bidirectional") else 1)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in made.modules())
    if more.get("bidirectional") and read == "last":
        top = list(view.values)[-1]
        assert "read after one step" in [finding.code for finding in view.of(top)]  # steps[:, -1] of what reads backwards has seen one step


@pytest.mark.once
def test_a_torch_cell_called_step_by_step_has_the_gradients_that_autograd_gives() -> None:
    torch = pytest.importorskip("torch")

    class Stepwise(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.out = torch.nn.GRUCell(WIDTH, 5), torch.nn.Linear(5, 2)
            self.seen: list[Any] = []

        def forward(self, x: Any) -> Any:
            state = torch.zeros(len(x), 5)
            self.seen = []
            for step in range(x.shape[1]):
                state = self.cell(x[:, step], state)
                self.seen.append(state)
            return self.out(state)

    torch.manual_seed(0)
    module, x = Stepwise(), noise()
    view = pellucid.visualize(module, x, "recurrent_state", target=1)
    score = module(torch.tensor(x))[:, 1].sum()
    wanted = torch.stack([one.norm(dim=-1) for one in torch.autograd.grad(score, module.seen)], dim=1)
    np.testing.assert_allclose(view.details["cell"]["gradient"], wanted.numpy(), rtol=1e-4)
    assert "update gate" in view.details["cell"]


# ---- known answers -------------------------------------------------------------------------------------------------------


def one_bit() -> Any:
    """An LSTM of one unit that writes what stands in channel 1 where channel 0 says so, keeps it, and gives it out where channel 2 says so."""
    made = keras.Sequential([keras.Input((STEPS, 3)), layers.LSTM(1, name="bit"), layers.Dense(2, activation="softmax")])
    kernel = np.zeros((3, 4))
    kernel[0, 0], kernel[1, 2], kernel[2, 3] = 20.0, 5.0, 20.0
    made.set_weights([kernel, np.zeros((1, 4)), np.array([-10.0, 12.0, 0.0, -10.0]), np.array([[2.0, -2.0]]), np.zeros(2)])
    return made


def test_a_bit_is_written_once_kept_and_read() -> None:
    x = np.zeros((2, STEPS, 3), np.float32)
    x[:, :, 1] = np.where(np.arange(STEPS) % 2, 1.0, -1.0)  # channel 1 goes on and on; only at the bit is it let in
    x[:, 2, 0], x[:, -1, 2] = 1.0, 1.0
    x[:, 2, 1] = [1.0, -1.0]
    view = pellucid.visualize(one_bit(), x, "recurrent_state")
    found = view.details["bit"]
    assert found["input gate"][:, 2].min() > 0.99
    assert np.delete(found["input gate"], 2, axis=1).max() < 0.01
    assert found["forget gate"].min() > 0.99
    np.testing.assert_allclose(found["cell"][0, :, 0], np.where(np.arange(STEPS) >= 2, 1.0, 0.0), atol=0.01)
    np.testing.assert_allclose(found["cell"][1], -found["cell"][0], atol=0.01)
    assert found["output gate"][:, :-1].max() < 0.01 < 0.99 < found["output gate"][:, -1].min()
    np.testing.assert_allclose(view.values["bit"][:, :-1], 0.0, atol=0.01)
    np.testing.assert_allclose(view.values["bit"][:, -1, 0], [np.tanh(1), -np.tanh(1)], atol=0.01)
    assert found["time constant"][0] > 1e4
    assert np.isinf(found["horizon"]).all()
    assert not {"vanishing gradient", "exploding gradient"} & {finding.code for finding in view.findings}


def scaled(radius: float, steps: int = 20) -> Any:
    """A simple recurrence whose recurrent weights are an orthogonal matrix times a number, so that its gradient changes by that much a step."""
    made = network(layers.SimpleRNN(6, activation="linear", name="r"), steps=steps)
    kernel, _, bias, *rest = made.get_weights()
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    made.set_weights([kernel, radius * turn, 0 * bias, *rest])
    return made


@pytest.mark.once
@pytest.mark.parametrize(("radius", "code"), [(1.6, "exploding gradient"), (0.5, "vanishing gradient"), (1.0, None)])
def test_a_planted_growth_is_named_with_its_factor(radius: float, code: str | None) -> None:
    x = np.random.default_rng(0).normal(size=(3, 20, WIDTH)).astype(np.float32)
    view = pellucid.visualize(scaled(radius), x, "recurrent_state")
    lengths = view.details["r"]["gradient"]
    np.testing.assert_allclose(lengths[:, 1:] / lengths[:, :-1], 1 / radius, rtol=1e-4)
    found = {finding.code: finding for finding in view.findings}
    assert set(found) & {"exploding gradient", "vanishing gradient"} == ({code} if code else set())
    if code == "exploding gradient":
        assert found[code].numbers["factor"] == pytest.approx(radius, rel=1e-3)
        assert "1.6" in found[code].told
        assert found[code].advised
    if code == "vanishing gradient":
        assert found[code].numbers["part"] == pytest.approx(radius**19, rel=1e-3)
        assert found[code].numbers["factor"] == pytest.approx(radius, rel=1e-3)
        np.testing.assert_array_equal(view.details["r"]["horizon"], 7.0)  # 2⁻⁷ is the first below 1 %
        further = pellucid.visualize(scaled(radius), x, "recurrent_state", share=0.3)
        np.testing.assert_array_equal(further.details["r"]["horizon"], 2.0)


def test_of_a_layer_that_is_used_twice_the_reason_for_no_gradient_is_one_sentence() -> None:
    first, second, shared = keras.Input((STEPS, WIDTH)), keras.Input((STEPS, WIDTH)), layers.LSTM(4, name="r")
    together = layers.Concatenate()([shared(first), shared(second)])
    made = keras.Model([first, second], layers.Dense(3, activation="softmax")(together))
    view = pellucid.visualize(made, (noise(), noise() + 1), "recurrent_state")
    assert "gradient" not in view.details["r"]
    assert re.fullmatch(r"layer 'r' is used (more than once|2 times); .*\.", view.provenance["resolved"]["no gradient"])


@pytest.mark.once
def test_what_is_advised_against_forgetting_suits_the_kind_of_layer() -> None:
    def advice(layer: Any, size: float) -> str:
        made, x = network(layer, steps=20), np.random.default_rng(4).normal(size=(3, 20, WIDTH)).astype(np.float32)
        made.set_weights([size * array for array in made.get_weights()])
        (found,) = [one for one in pellucid.visualize(made, x, "recurrent_state").findings if one.code == "vanishing gradient"]
        return found.advised

    assert "update-gate" in advice(layers.GRU(4, name="r"), 0.01)
    assert "forget-gate" in advice(layers.LSTM(4, name="r"), 0.01)
    assert "take an LSTM or a GRU" in advice(layers.SimpleRNN(4, name="r"), 0.1)


@pytest.mark.once
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_layers_in_half_precision_are_served_and_wrong_gates_are_not(kind: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")

    class Last(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = getattr(torch.nn, kind)(3, 32, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.layer(x)[0][:, -1]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = Last().to(getattr(torch, precision))
    x = np.random.default_rng(0).normal(size=(6, 40, 3)).astype(np.float32)
    assert pellucid.visualize(made, x, "recurrent_state").values["layer"].shape == (6, 40, 32)
    described = _recurrence.replay

    def forgotten(cell: Any, *given: Any) -> Any:
        return described(replace(cell, bias=cell.bias + 0.2), *given)

    monkeypatch.setattr(_recurrence, "replay", forgotten)
    with pytest.raises(errors.UnsupportedError, match="its gates would be wrong"):
        pellucid.visualize(made, x, "recurrent_state")


@pytest.mark.once
def test_states_that_overflow_are_named() -> None:
    x = np.random.default_rng(0).normal(size=(2, 20, WIDTH)).astype(np.float32)
    view = pellucid.visualize(scaled(1e3), x, "recurrent_state", target=0)
    codes = {finding.code: finding for finding in view.findings}
    assert {"exploding state", "exploding gradient"} <= set(codes)
    assert 0.2 < codes["exploding state"].numbers["share"] < 0.6  # 1e3 to the 13th is beyond float32
    assert codes["exploding gradient"].numbers["factor"] == pytest.approx(1e3, rel=1e-3)


@pytest.mark.once
def test_stuck_gates_and_units_that_are_never_written_are_named() -> None:
    made = network(layers.LSTM(4, name="r"))
    kernel, recurrent, bias, *rest = made.get_weights()
    bias[:1] = -40.0  # the input gate of unit 0 is shut
    kernel[:, :1], recurrent[:, :1] = 0.0, 0.0
    made.set_weights([kernel, recurrent, bias, *rest])
    found = {finding.code: finding for finding in pellucid.visualize(made, noise(), "recurrent_state").findings}
    assert found["unit never written"].numbers == {"count": 1.0, "units": 4.0}
    assert found["saturated gates"].numbers == {"share": 0.25}
    assert "input gate" in found["saturated gates"].told


@pytest.mark.once
def test_states_that_are_not_the_networks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a layer computes something that its description does not say."""
    made, x = network(layers.GRU(5, name="r")), noise()
    model = adapt(made)
    true = model.states(x, ["r"])
    monkeypatch.setattr(model, "states", lambda inputs, names: {"r": true["r"] + 0.01})
    with pytest.raises(errors.UnsupportedError, match=r"'r'.*differ by .* of their largest"):
        pellucid.visualize(model, x, "recurrent_state")


@pytest.mark.once
def test_what_it_cannot_serve_says_why(oracle: NumpyModel, small_cnn: Any) -> None:
    with pytest.raises(errors.UnsupportedError, match="needs a recurrent layer; this network has none"):
        pellucid.visualize(oracle, np.ones((1, 6)), "recurrent_state")
    with pytest.raises(errors.UnsupportedError, match="needs a recurrent layer"):
        pellucid.visualize(small_cnn, np.ones((1, 12, 12, 1), np.float32), "recurrent_state")
    odd = network(layers.LSTM(4, activation="gelu", name="r"))
    with pytest.raises(errors.UnsupportedError, match="activation 'gelu', which is not served"):
        pellucid.visualize(odd, noise(), "recurrent_state")
    with pytest.raises(errors.UnsupportedError, match="not a recurrent layer"):
        pellucid.visualize(network(layers.LSTM(4, name="r")), noise(), "recurrent_state", layers=["out"])
    with pytest.raises(errors.SettingError, match="share is 2"):
        pellucid.visualize(network(layers.LSTM(4, name="r")), noise(), "recurrent_state", share=2)


def test_the_target_that_is_set_is_the_one_whose_gradient_is_shown() -> None:
    made, x = network(layers.LSTM(5, name="r")), noise()
    model = adapt(made)
    views = [pellucid.visualize(model, x, "recurrent_state", target=target) for target in (0, 1)]
    assert not any(view.findings for view in views)  # a healthy one
    assert [view.provenance["resolved"]["target"] for view in views] == ["0", "1"]
    first, second = (view.details["r"]["gradient"] for view in views)
    assert np.abs(first - second).max() > 1e-3
    kernel = made.get_weights()[-2]
    np.testing.assert_allclose(first[:, -1], np.linalg.norm(kernel[:, 0]), rtol=1e-4)
