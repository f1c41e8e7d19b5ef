"""PyTorch modules of many kinds, and the promise to leave them as they were."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.adapters import adapt
from pellucid.core import errors
from pellucid.core.model import INPUT, Model
from pellucid.core.target import Target, following_target, resolve_target

torch = pytest.importorskip("torch")
nn = torch.nn

FLOAT32 = 1e-5


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).random(shape).astype(np.float32)


def target_of(model: Model, inputs: np.ndarray, target: Any = 0, score: str = "output") -> Target:
    return resolve_target(target, score, model.predict(inputs, logits=score == "logit"))


def slopes(module: Any, inputs: np.ndarray, column: int = 0) -> np.ndarray:
    """The gradient of one output by torch itself."""
    x = torch.tensor(inputs, requires_grad=True)
    module.eval()(x)[:, column].sum().backward()
    module.zero_grad(set_to_none=True)
    return x.grad.numpy()


def seeded(build: Callable[[], Any]) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build()


class Net(nn.Module):
    """A network with a convolution, BatchNorm, dropout, in-place ReLU and a block, and `view`, as people write them."""

    def __init__(self, channels: int = 3, flatten: Callable[[Any], Any] = lambda x: x.view(x.size(0), -1)) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 8, 3, padding=1)
        self.block = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Conv2d(8, 6, 3, padding=1))
        self.relu = nn.ReLU(inplace=True)
        self.pool, self.drop = nn.MaxPool2d(2), nn.Dropout(0.5)
        self.out = nn.Linear(6 * 36, 4)
        self.flatten = flatten

    def forward(self, x: Any) -> Any:
        x = self.relu(self.conv(x))
        return self.out(self.flatten(self.drop(self.pool(self.relu(self.block(x))))))


@pytest.fixture(params=["view", "reshape"])
def net(request: pytest.FixtureRequest) -> Any:
    """Of the two, only `reshape` takes images with channels last in memory."""
    flatten = {"view": lambda x: x.view(x.size(0), -1), "reshape": lambda x: x.flatten(1)}[request.param]
    return seeded(lambda: Net(flatten=flatten))


# ---- numbers ---------------------------------------------------------------------------------------------------------


def test_the_order_in_memory_is_what_the_module_takes(net: Any, request: pytest.FixtureRequest) -> None:
    model, inputs = adapt(net), noise(7, 3, 12, 12)
    model.meet(inputs)
    expected = torch.contiguous_format if "view" in request.node.name else torch.channels_last
    assert model._meeting.format == expected  # type: ignore[attr-defined]
    np.testing.assert_allclose(model.predict(inputs), net.eval()(torch.tensor(inputs)).detach().numpy(), rtol=1e-4, atol=FLOAT32)
    np.testing.assert_allclose(model.gradients(inputs, target_of(model, inputs)).gradients[INPUT], slopes(net, inputs), rtol=1e-4, atol=FLOAT32)


@pytest.mark.parametrize("layer", ["conv", "block.0", "block.2", "block"])
def test_a_layer_before_an_in_place_relu_keeps_its_value_and_gradient(net: Any, layer: str) -> None:
    """By hand: a hook that puts in a leaf in place of the layer's output."""
    model, inputs = adapt(net), noise(5, 3, 12, 12)
    found = model.gradients(inputs, target_of(model, inputs), (layer, INPUT))
    kept: list[Any] = []

    def put_in(part: Any, _: Any, output: Any) -> Any:
        kept.append(output.detach().clone().requires_grad_())
        return kept[0] + 0

    handle = net.get_submodule(layer).register_forward_hook(put_in)
    net.eval()(torch.tensor(inputs))[:, 0].sum().backward()
    handle.remove()
    np.testing.assert_allclose(found.values[layer], kept[0].detach().numpy(), rtol=1e-4, atol=FLOAT32)
    np.testing.assert_allclose(found.gradients[layer], kept[0].grad.numpy(), rtol=1e-4, atol=FLOAT32)
    np.testing.assert_allclose(found.gradients[INPUT], slopes(net, inputs), rtol=1e-4, atol=FLOAT32)
    for asked in ([layer], [layer, "out"]):
        np.testing.assert_allclose(model.activations(inputs, asked)[layer], found.values[layer], rtol=1e-4, atol=FLOAT32)


def test_a_module_that_changes_its_input_in_place_changes_no_array_of_ours() -> None:
    module = nn.Sequential(nn.ReLU(inplace=True), seeded(lambda: nn.Linear(4, 2)))
    inputs = noise(5, 4) - 0.5
    before, model = inputs.copy(), adapt(module)
    found = model.gradients(inputs, target_of(model, inputs))
    np.testing.assert_allclose(found.gradients[INPUT], (inputs > 0) * module[1].weight.detach().numpy()[0], rtol=FLOAT32)
    pellucid.explain(module, inputs, "integrated_gradients", target=0)
    pellucid.explain(module, inputs, "exact_shap", target=0)
    np.testing.assert_array_equal(inputs, before)


def test_gray_images_are_contiguous_in_the_way_that_view_wants() -> None:
    """NumPy gives an axis of length one any stride, which torch would take for channels last."""
    module, inputs = seeded(lambda: Net(channels=1)), noise(1, 1, 12, 12)
    repeated = np.broadcast_to(inputs, (4, 1, 12, 12))[np.arange(4)]
    assert repeated.strides[1] == repeated.itemsize
    np.testing.assert_allclose(adapt(module).predict(repeated), np.tile(adapt(module).predict(inputs), (4, 1)), rtol=1e-4)


def test_nothing_below_a_layer_is_differentiated(net: Any) -> None:
    """A function below the layer that would fail backwards."""

    class Wall(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            raise AssertionError("went below the layer")

    class Walled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.first = net, nn.Conv2d(3, 3, 1)

        def forward(self, x: Any) -> Any:
            return self.net(Wall.apply(self.first(x)))

    model, inputs = adapt(Walled()), noise(3, 3, 12, 12)
    target = target_of(model, inputs)
    assert np.abs(model.gradients(inputs, target, ("net.conv",)).gradients["net.conv"]).max() > 0
    with pytest.raises(AssertionError, match="went below"):
        model.gradients(inputs, target)


def test_half_precision_is_computed_as_it_is() -> None:
    module = seeded(lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))).to(torch.bfloat16)
    inputs = noise(4, 6)
    found = pellucid.explain(module, inputs, "saliency", target=1)
    own = module(torch.tensor(inputs).bfloat16()).detach().float().numpy()
    np.testing.assert_array_equal(adapt(module).predict(inputs), own)
    assert found.values.dtype == np.float32


def test_new_weights_are_seen(net: Any) -> None:
    model, inputs = adapt(net), noise(2, 3, 12, 12)
    before = model.predict(inputs)
    with torch.no_grad():
        net.out.bias += 1
    np.testing.assert_allclose(model.predict(inputs), before + 1, rtol=1e-4)


# ---- left as it was --------------------------------------------------------------------------------------------------


def everything(module: Any, inputs: np.ndarray) -> None:
    """Each verb once."""
    model = adapt(module)
    target = target_of(model, inputs, "predicted")
    model.gradients(inputs, target, (INPUT, "block.2"))
    model.activations(inputs, ["conv", "out"])
    model.above("block", inputs[:1]).predict(model.activations(inputs, ["block"])["block"])
    model.below("conv").predict(inputs)
    for method in ("integrated_gradients", "grad_cam", "exact_shap"):
        pellucid.explain(model, inputs, method, **({"features": "patches:6"} if method == "exact_shap" else {}))
    pellucid.visualize(model, inputs, "activation_map")


def test_the_module_is_left_as_it_was(net: Any) -> None:
    net.train()
    net.block.eval()
    net.out.bias.requires_grad_(False)
    net.conv.weight.grad = torch.ones_like(net.conv.weight)
    own_hook = net.conv.register_forward_hook(lambda *_: None)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    modes = [part.training for part in net.modules()]
    tracked = [parameter.requires_grad for parameter in net.parameters()]
    python, numpy, torchs = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    settings = torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    everything(net, noise(5, 3, 12, 12))
    assert [part.training for part in net.modules()] == modes
    assert [parameter.requires_grad for parameter in net.parameters()] == tracked
    assert torch.equal(net.conv.weight.grad, torch.ones_like(net.conv.weight))
    assert [parameter.grad is None for parameter in net.parameters()].count(False) == 1
    assert list(net.conv._forward_hooks) == [own_hook.id]
    assert not any(part._forward_pre_hooks for part in net.modules())
    assert sum(len(part._forward_hooks) for part in net.modules()) == 1
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert all(value.stride() == state[name].stride() for name, value in net.state_dict().items())
    assert random.getstate() == python
    np.testing.assert_array_equal(np.random.get_state()[1], numpy)
    assert torch.equal(torch.get_rng_state(), torchs)
    assert (torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()) == settings


def test_a_module_that_fails_is_left_as_it_was(net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = adapt(net.train()), noise(3, 3, 12, 12)
    target = target_of(model, inputs)

    def broken(x: Any) -> Any:
        raise RuntimeError("planted")

    monkeypatch.setattr(net.drop, "forward", broken)
    with pytest.raises(RuntimeError, match="planted"):
        model.gradients(inputs, target, (INPUT, "conv"))
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert not any(part._forward_hooks for part in net.modules())


def test_a_module_that_keeps_a_tensor_can_still_be_trained() -> None:
    """Tensors made under `inference_mode` could not be."""

    class Keeps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.kept = nn.Linear(3, 2), None

        def forward(self, x: Any) -> Any:
            self.kept = torch.ones(3) if self.kept is None else self.kept
            return self.linear(x * self.kept)

    module = Keeps()
    pellucid.explain(module, noise(2, 3), "exact_shap", target=0)
    module(torch.ones(1, 3, requires_grad=True)).sum().backward()
    assert module.linear.weight.grad is not None


def test_a_module_that_draws_leaves_the_callers_stream_alone() -> None:
    """Dropout that is on in evaluation too."""

    class Draws(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return nn.functional.dropout(self.linear(x), training=True)

    module, before = seeded(Draws), torch.get_rng_state()
    first, again = (adapt(module).predict(noise(8, 4)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_in_a_callers_mode(net: Any, mode: Any) -> None:
    inputs = noise(2, 3, 12, 12)
    want = pellucid.explain(net, inputs, "saliency").values
    with mode():
        np.testing.assert_array_equal(pellucid.explain(net, inputs, "saliency").values, want)


# ---- what is learned from data ---------------------------------------------------------------------------------------


def logits_of(last: Callable[[Any], Any]) -> Any:
    class Ends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = seeded(lambda: nn.Linear(5, 3))

        def forward(self, x: Any) -> Any:
            return last(self.body(x))

    return Ends()


HEADS: dict[str, tuple[Callable[[], Any], str | None]] = {
    "Softmax": (lambda: nn.Sequential(seeded(lambda: nn.Linear(5, 3)), nn.Softmax(dim=1)), "softmax"),
    "nested": (lambda: nn.Sequential(nn.Sequential(seeded(lambda: nn.Linear(5, 3)), nn.Sequential(nn.Softmax(dim=-1)))), "softmax"),
    "functional": (lambda: logits_of(lambda z: nn.functional.softmax(z, dim=1)), "softmax"),
    "of torch": (lambda: logits_of(lambda z: torch.softmax(z, -1)), "softmax"),
    "method": (lambda: logits_of(lambda z: z.softmax(dim=1)), "softmax"),
    "Sigmoid": (lambda: nn.Sequential(seeded(lambda: nn.Linear(5, 3)), nn.Sigmoid()), "sigmoid"),
    "sigmoid": (lambda: logits_of(torch.sigmoid), "sigmoid"),
    "after another": (lambda: logits_of(lambda z: torch.softmax(z + 0 * torch.softmax(z, 1), 1)), "softmax"),
    "none": (lambda: logits_of(lambda z: z), None),
    "logarithm": (lambda: logits_of(lambda z: nn.functional.log_softmax(z, dim=1)), "log_softmax"),
    "LogSoftmax": (lambda: nn.Sequential(seeded(lambda: nn.Linear(5, 3)), nn.LogSoftmax(dim=-1)), "log_softmax"),
    "method of a logarithm": (lambda: logits_of(lambda z: z.log_softmax(-1)), "log_softmax"),
    "over samples": (lambda: logits_of(lambda z: torch.softmax(z[:, None], 1)[:, 0]), None),
    "further on": (lambda: logits_of(lambda z: 2 * torch.softmax(z, 1)), None),
}


@pytest.mark.parametrize("ends", HEADS)
def test_the_head_and_the_logits_before_it(ends: str) -> None:
    build, head = HEADS[ends]
    module, inputs = build(), noise(4, 5)
    model = adapt(module)
    assert model.traits.head is None
    model.meet(inputs)
    assert model.traits.head == head
    plain = seeded(lambda: nn.Linear(5, 3))(torch.tensor(inputs)).detach().numpy()
    if head:
        np.testing.assert_allclose(model.predict(inputs, logits=True), plain, rtol=FLOAT32)
        np.testing.assert_allclose(
            model.gradients(inputs, target_of(model, inputs, 1, "logit")).gradients[INPUT], slopes(seeded(lambda: nn.Linear(5, 3)), inputs, 1)
        )
    np.testing.assert_allclose(model.predict(inputs), module(torch.tensor(inputs)).detach().numpy(), rtol=FLOAT32)


PIXELS: dict[str, tuple[Callable[[], Any], str | None, int]] = {
    "softmax over channels": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Softmax(dim=1)), "softmax", 0),
    "Softmax2d": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Softmax2d()), "softmax", 0),
    "logarithms": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.LogSoftmax(dim=1)), "log_softmax", 0),
    "no softmax": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Upsample(scale_factor=2)), None, 0),
    "sigmoids": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Sigmoid()), "sigmoid", 0),
    "moved last": (lambda: Moves(nn.Conv2d(2, 3, 3, padding=1), (0, 2, 3, 1)), None, -1),
    "moved last, softmax": (lambda: nn.Sequential(Moves(nn.Conv2d(2, 3, 3, padding=1), (0, 2, 3, 1)), nn.Softmax(dim=-1)), "softmax", -1),
}


class Moves(nn.Module):
    def __init__(self, inner: Any, order: tuple[int, ...]) -> None:
        super().__init__()
        self.inner, self.order = inner, order

    def forward(self, x: Any) -> Any:
        return self.inner(x).permute(*self.order)


@pytest.mark.parametrize("ends", PIXELS)
def test_which_axis_of_a_segmentation_counts_classes(ends: str) -> None:
    build, head, axis = PIXELS[ends]
    module, inputs = seeded(build), noise(2, 2, 4, 5)
    model = adapt(module)
    model.meet(inputs)
    assert (model.traits.head, model.traits.class_axis) == (head, axis)
    logits = model.predict(inputs, logits=True)
    own = module(torch.tensor(inputs)).detach().numpy()
    axis = 1 if axis == 0 else -1
    if head == "softmax":
        np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(axis, keepdims=True), own, rtol=1e-4)
    for target in ((1, 2, 0), (np.eye(*(logits.shape[2:] if axis == 1 else logits.shape[1:3])), 2)):
        found = resolve_target(target, "logit" if head else "output", logits, head=head, class_axis=model.traits.class_axis)
        steps = model.gradients(inputs, found)
        np.testing.assert_allclose(steps.scores, found.of(logits), rtol=1e-5)
    np.testing.assert_allclose(pellucid.explain(module, inputs, "saliency", target=(1, 2, 0)).score, np.moveaxis(logits, axis, -1)[:, 1, 2, 0], rtol=1e-5)


@pytest.mark.parametrize("score", ["logit", "centered_logit", "log_probability", "probability", "output"])
@pytest.mark.parametrize("ends", ["softmax", "log_softmax", "sigmoid", "one sigmoid"])
def test_every_scale_is_read_right_and_differentiated(ends: str, score: str) -> None:
    """Against the scores of the host and torch's own derivative of them."""
    classes = 1 if ends == "one sigmoid" else 3
    last = {"softmax": nn.Softmax(dim=1), "log_softmax": nn.LogSoftmax(dim=1)}.get(ends, nn.Sigmoid())
    module, inputs = seeded(lambda: nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, classes), last)), noise(4, 5)
    model = adapt(module)
    model.meet(inputs)
    for target in (0, 1):
        asked = resolve_target(target, score, model.predict(inputs, logits=True), head=model.traits.head)
        found = model.gradients(inputs, asked)
        logits = module[:3](x := torch.tensor(inputs, requires_grad=True))
        values = {"softmax": logits.softmax(1), "log_softmax": logits.softmax(1), "sigmoid": logits.sigmoid()}.get(
            ends, torch.cat([-logits, logits], 1).sigmoid()
        )
        both = torch.cat([-logits, logits], 1) if ends == "one sigmoid" else logits
        centred = both / 2 if ends == "one sigmoid" else logits - logits.mean(1, keepdim=True)
        plain = {"log_softmax": values.log(), "one sigmoid": torch.cat([-logits.sigmoid(), logits.sigmoid()], 1)}.get(ends, values)
        own = {"logit": both, "centered_logit": centred, "log_probability": values.log(), "probability": values, "output": plain}[score][:, target]
        own.sum().backward()
        np.testing.assert_allclose(found.scores, own.detach().numpy(), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(model.scores(inputs, asked), own.detach().numpy(), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.gradients[INPUT], x.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_an_attention_within_leaves_the_head_alone() -> None:
    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.out = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            mixed, _ = self.attention(x, x, x)
            return torch.softmax(self.out(mixed.mean(1)), dim=-1)

    module, inputs = seeded(Attends), noise(3, 5, 4)
    model = adapt(module)
    np.testing.assert_allclose(
        np.exp(model.predict(inputs, logits=True)), model.predict(inputs) * np.exp(model.predict(inputs, logits=True)).sum(1, keepdims=True), rtol=1e-4
    )
    assert model.traits.head == "softmax"
    assert [layer.name for layer in model.layers()] == ["attention", "out"]
    assert sum(layer.parameters for layer in model.layers()) == sum(parameter.numel() for parameter in module.parameters())


def test_layers_before_and_after_meeting_data() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.first, self.never = nn.Linear(4, 2), nn.Conv1d(3, 4, 3), nn.Linear(9, 9)

        def forward(self, x: Any) -> Any:
            return self.last(self.first(x).mean(2))

    module = Backwards()
    model = adapt(module)
    assert [(layer.name, layer.shape) for layer in model.layers()] == [("last", None), ("first", None), ("never", None)]
    assert model.traits.output_shape is None
    model.meet(noise(1, 3, 8))
    assert [(layer.name, layer.kind, layer.shape, layer.channel_axis) for layer in model.layers()] == [
        ("first", "Conv1d", (4, 6), 0),
        ("last", "Linear", (2,), -1),
    ]
    assert model.traits.output_shape == (2,)
    found = pellucid.inspect(module, input_shape=(3, 8))
    assert found.input_shape == (3, 8)
    assert found.layers == model.layers()
    assert found.methods["saliency"] == ""
    assert "grid" in found.methods["grad_cam"]
    assert pellucid.inspect(seeded(Net)).methods["grad_cam"] == ""


def test_a_network_for_any_size_meets_each() -> None:
    module = seeded(lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)))
    model = adapt(module)
    for size in (12, 8, 12):
        found = pellucid.explain(model, noise(2, 1, size, size), "exact_shap", features="patches:4", target=0)
        np.testing.assert_allclose(found.values.sum(axis=1), found.score - found.baseline_score, atol=1e-5)
        assert model.layer("0").shape == (4, size - 2, size - 2)


def test_batch_size_is_a_function_of_shapes() -> None:
    def sizes(module: Any, *shape: int) -> int:
        model = adapt(module)
        model.meet(noise(1, *shape))
        return model.batch_size

    small = nn.Sequential(nn.Linear(6, 4))
    assert sizes(small, 6) == sizes(small, 6) == 4096
    assert sizes(nn.Sequential(nn.Conv2d(3, 64, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), 3, 224, 224) == 1

    model = adapt(small)
    model.batch_size = 64
    model.meet(noise(1, 6))
    assert model.batch_size == 64

    class Functional(nn.Module):
        """Its work shows in no layer."""

        def forward(self, x: Any) -> Any:
            return nn.functional.relu(x[:, None] * torch.ones(64, 1, 1, 1)).mean((2, 3, 4))

    assert sizes(Functional(), 3, 224, 224) == 1
    assert sizes(nn.Sequential(*(nn.ReLU() for _ in range(300))), 1000) == 64


def test_a_part_that_is_called_twice() -> None:
    class Shares(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, x: Any) -> Any:
            return self.linear(self.linear(x).relu())

    module, inputs = seeded(Shares), noise(2, 3)
    model = adapt(module)
    target = target_of(model, inputs)
    np.testing.assert_allclose(model.activations(inputs, ["linear"])["linear"], model.predict(inputs), rtol=FLOAT32)
    with pytest.raises(errors.UnsupportedError, match="'linear' is used more than once"):
        model.gradients(inputs, target, ("linear",))
    with pytest.raises(errors.UnsupportedError, match="'linear' is"):
        model.above("linear", inputs[:1])


def test_unknown_layer_lists_those_there_are(net: Any) -> None:
    with pytest.raises(errors.UnknownLayerError, match=r"did you mean 'block\.2'"):
        adapt(net).activations(noise(1, 3, 12, 12), ["block.22"])
    with pytest.raises(errors.UnsupportedError, match="'out' is the last one"):
        adapt(net).above("out", noise(1, 3, 12, 12))


def test_what_goes_round_a_layer_is_computed_from_the_context() -> None:
    class Residual(nn.Module):
        def __init__(self, together: Callable[[Any, Any], Any]) -> None:
            super().__init__()
            self.inner, self.out, self.together = nn.Linear(4, 4), nn.Linear(4, 2), together

        def forward(self, x: Any) -> Any:
            return self.out(self.together(x, self.inner(x)))

    inputs, context = noise(5, 4), noise(1, 4)
    for together in (lambda x, y: x + y, lambda x, y: torch.cat([x, y], 1)[:, 2:6]):
        module = seeded(lambda together=together: Residual(together))
        found = adapt(module).above("inner", context).predict(inputs)
        by_hand = module.out(together(torch.tensor(context).repeat(5, 1), torch.tensor(inputs)))
        np.testing.assert_allclose(found, by_hand.detach().numpy(), rtol=1e-4, atol=1e-6)


# ---- recurrent networks and tokens -----------------------------------------------------------------------------------


class Series(nn.Module):
    """A recurrent layer whose last step is read."""

    def __init__(self, recurrent: Any, width: int, time_first: bool = False) -> None:
        super().__init__()
        self.recurrent, self.out, self.time_first = recurrent, nn.Linear(width, 2), time_first

    def forward(self, x: Any) -> Any:
        steps, _ = self.recurrent(x.transpose(0, 1) if self.time_first else x)
        return self.out(steps[-1] if self.time_first else steps[:, -1])


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("time_first", [False, True])
@pytest.mark.parametrize("both_ways", [False, True])
def test_states_and_their_gradients_are_samples_first(kind: str, time_first: bool, both_ways: bool) -> None:
    recurrent = seeded(lambda: getattr(nn, kind)(3, 4, batch_first=not time_first, bidirectional=both_ways))
    model, inputs = adapt(seeded(lambda: Series(recurrent, 8 if both_ways else 4, time_first))), noise(5, 7, 3)
    states = model.states(inputs, ["recurrent"])["recurrent"]
    own, _ = recurrent(torch.tensor(inputs).transpose(0, 1) if time_first else torch.tensor(inputs))
    np.testing.assert_allclose(states, (own.transpose(0, 1) if time_first else own).detach().numpy(), rtol=1e-4, atol=1e-6)
    found = model.gradients(inputs, target_of(model, inputs), ("recurrent",)).gradients["recurrent"]
    assert found.shape == states.shape == (5, 7, 8 if both_ways else 4)
    assert not found[:, :-1].any()
    np.testing.assert_allclose(found[:, -1], np.tile(model.module.out.weight[0].detach().numpy(), (5, 1)), rtol=1e-5)  # type: ignore[attr-defined]
    assert model.layer("recurrent").sequential


def test_states_of_a_cell_that_is_called_step_by_step() -> None:
    class Stepwise(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.out = nn.GRUCell(3, 4), nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            state = torch.zeros(len(x), 4)
            for step in range(x.shape[1]):
                state = self.cell(x[:, step], state)
            return self.out(state)

    module, inputs = seeded(Stepwise), noise(3, 6, 3)
    states = adapt(module).states(inputs, ["cell"])["cell"]
    assert states.shape == (3, 6, 4)
    np.testing.assert_allclose(
        states[:, -1] @ module.out.weight.detach().numpy().T + module.out.bias.detach().numpy(), adapt(module).predict(inputs), rtol=1e-4, atol=1e-6
    )


def test_the_last_state_alone_gives_no_silent_zero() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.out = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            _, (hidden, _) = self.lstm(x)
            return self.out(hidden[-1])

    model, inputs = adapt(seeded(Last)), noise(3, 6, 3)
    with pytest.raises(errors.UnsupportedError, match=r"'lstm'.*last state"):
        model.gradients(inputs, target_of(model, inputs), ("lstm",))
    with pytest.raises(errors.UnsupportedError, match=r"'lstm'.*last state"):
        model.above("lstm", inputs[:1])
    with pytest.raises(errors.UnsupportedError, match="not a recurrent layer"):
        model.states(inputs, ["out"])


def test_tokens_are_whole_numbers_again_and_have_no_gradient() -> None:
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.out = nn.Embedding(10, 4), nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return self.out(self.embedding(x).mean(1))

    module, tokens = seeded(Reads), np.random.default_rng(0).integers(1, 10, (3, 5))
    found = pellucid.explain(module, tokens, "exact_shap", target=0)
    own = module(torch.tensor(tokens))[:, 0].detach().numpy()
    np.testing.assert_allclose(found.score, own, rtol=1e-5)
    assert adapt(module).traits.tokens
    model = adapt(module)
    inputs = tokens.astype(np.float32)
    with pytest.raises(errors.UnsupportedError, match="tokens, which have no gradient"):
        model.gradients(inputs, target_of(model, inputs))
    per_token = np.abs(module.out.weight[0].detach().numpy()).sum() / 5
    np.testing.assert_allclose(pellucid.explain(module, tokens, "saliency", target=0).values, np.full((3, 5), per_token), rtol=1e-5)
    at_embedding = model.gradients(inputs, target_of(model, inputs), ("embedding",)).gradients["embedding"]
    np.testing.assert_allclose(at_embedding, np.broadcast_to(module.out.weight[0].detach().numpy() / 5, (3, 5, 4)), rtol=1e-5)
    assert not module.embedding._forward_pre_hooks


# ---- mistakes --------------------------------------------------------------------------------------------------------


class Pair(nn.Module):
    def forward(self, a: Any, b: Any) -> Any:
        return a + b


class Two(nn.Module):
    def forward(self, x: Any) -> Any:
        return x, x


class Returns(nn.Module):
    def __init__(self, what: Any) -> None:
        super().__init__()
        self.linear, self.what = nn.Linear(3, 3), what

    def forward(self, x: Any) -> Any:
        return self.what


class Swaps(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.mean(0)


MISTAKES: dict[str, tuple[Callable[[], Any], tuple[int, ...], type[Exception], str]] = {
    "channels last": (Net, (2, 12, 12, 3), errors.ShapeError, r"input of shape \(12, 12, 3\).*x\.transpose\(0, 3, 1, 2\)"),
    "another size": (Net, (2, 3, 14, 14), errors.ShapeError, r"cannot take one input of shape \(3, 14, 14\), float32 \(RuntimeError: mat1"),
    "no batch axis": (Net, (3, 12, 12), errors.ShapeError, r"x\[None\]"),
    "several inputs": (Pair, (2, 3), errors.InputError, r"takes 2 inputs, a, b, and one array.*{'a': …, 'b': …}"),
    "several outputs": (Two, (2, 3), errors.SettingError, r"several outputs: '0' \(3,\), '1' \(3,\).*target=\{'0': 0\}"),
    "no tensor": (lambda: Returns(None), (2, 3), errors.UnsupportedError, "returns a NoneType without a tensor"),
    "no axis of samples": (Swaps, (2, 3), errors.ModelError, r"returned \(3,\) for 2 inputs"),
    "lazy": (lambda: nn.LazyLinear(3), (2, 3), errors.ModelError, r"run it once, module\(x\)"),
    "time first": (lambda: Series(nn.LSTM(3, 4), 4), (2, 7, 3), errors.ModelError, "batch_first=False.*7 time steps"),
    "batch statistics": (lambda: nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False)), (2, 3), errors.ModelError, "track_running_stats=True"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_mistakes_are_named(mistake: str) -> None:
    build, shape, kind, words = MISTAKES[mistake]
    with pytest.raises(kind, match=words):
        pellucid.explain(build(), noise(*shape), "saliency")


def test_scores_of_one_output_may_lack_its_axis() -> None:
    module = logits_of(lambda z: z[:, 0])
    np.testing.assert_allclose(
        pellucid.explain(module, noise(3, 5), "saliency").values, np.abs(slopes(seeded(lambda: nn.Linear(5, 3)), noise(3, 5))), rtol=1e-5
    )


def test_tensors_are_taken_as_inputs_and_options(net: Any) -> None:
    inputs = torch.tensor(noise(3, 3, 12, 12), requires_grad=True)
    found = pellucid.explain(net, inputs, "integrated_gradients", baseline=torch.full((3, 12, 12), 0.5), target=torch.tensor([0, 1, 2]))
    want = pellucid.explain(net, noise(3, 3, 12, 12), "integrated_gradients", baseline=np.full((3, 12, 12), 0.5, np.float32), target=[0, 1, 2])
    np.testing.assert_array_equal(found.values, want.values)


def test_what_torch_compile_wraps_is_explained_as_it_is(net: Any) -> None:
    inputs = noise(2, 3, 12, 12)
    assert [layer.name for layer in adapt(torch.compile(net)).layers()] == [layer.name for layer in adapt(net).layers()]
    np.testing.assert_array_equal(adapt(torch.compile(net)).predict(inputs), adapt(net).predict(inputs))


def test_a_target_that_follows_the_prediction(net: Any) -> None:
    model, inputs = adapt(net), noise(6, 3, 12, 12)
    want = model.gradients(inputs, target_of(model, inputs, "predicted"))
    np.testing.assert_array_equal(model.gradients(inputs, following_target(6, (4,), "output")).gradients[INPUT], want.gradients[INPUT])


# ---- files -----------------------------------------------------------------------------------------------------------


def exported(module: Any, path: Path, inputs: np.ndarray, *, samples: str = "any") -> Path:
    dynamic = ({0: torch.export.Dim.DYNAMIC},) if samples == "any" else None
    torch.export.save(torch.export.export(module.eval(), (torch.tensor(inputs),), dynamic_shapes=dynamic), path)
    return path


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("samples", ["any", "one"])
def test_an_exported_program_is_explained_as_its_module(tmp_path: Path, samples: str) -> None:
    module, inputs = seeded(lambda: nn.Sequential(Net(flatten=lambda x: x.flatten(1)), nn.Softmax(dim=1))).eval(), noise(5, 3, 12, 12)
    path = exported(module, tmp_path / "net.pt2", inputs if samples == "any" else inputs[:1], samples=samples)
    with pytest.raises(errors.UnsafeModelError, match="allow_unsafe=True"):
        adapt(path)
    model = adapt(path, allow_unsafe=True)
    assert model.traits.input_shape == (3, 12, 12)
    assert model.traits.head == "softmax"
    assert (model.batch_size == 1) == (samples == "one")
    assert model.layer("0.block.2").kind == "Conv2d"
    for method, options in (("saliency", {}), ("grad_cam", {}), ("exact_shap", {"features": "patches:6"})):
        found, want = pellucid.explain(model, inputs, method, **options), pellucid.explain(module, inputs, method, **options)
        np.testing.assert_allclose(found.values, want.values, rtol=1e-3, atol=1e-5 * np.abs(want.values).max())
    np.testing.assert_allclose(model.predict(inputs, logits=True), adapt(module).predict(inputs, logits=True), rtol=1e-4, atol=1e-5)
    with pytest.raises(errors.ShapeError, match="batch axis is missing"):
        pellucid.explain(model, inputs[0], "saliency")


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad.pt2").write_bytes(b"no archive")
    with pytest.raises(errors.DamagedModelError, match=r"bad\.pt2"):
        adapt(tmp_path / "bad.pt2", allow_unsafe=True)
