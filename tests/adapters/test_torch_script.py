"""TorchScript, scripted and traced, in memory and from a file: the numbers of the module it was made of, without layers."""

from __future__ import annotations

import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_torch_module import Net, noise, seeded, target_of

import pellucid
from pellucid.adapters import adapt
from pellucid.core import errors
from pellucid.core.model import INPUT

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional
FLOAT32 = 1e-5
WAYS = ("script", "trace", "frozen")


def made(module: Any, way: str, *inputs: Any) -> Any:
    """A module as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = module.eval()
        if way == "trace":
            return torch.jit.trace(module, tuple(torch.as_tensor(one) for one in inputs), strict=False)
        scripted = torch.jit.script(module)
        return torch.jit.freeze(scripted) if way == "frozen" else scripted


def written(module: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(module, path)
    return path


class Images(nn.Module):
    """A network with a block, dropout, BatchNorm and ReLU in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.drop, self.out = nn.Conv2d(3, 8, 3, padding=1), nn.Dropout(0.5), nn.Linear(8 * 36, 4)
        self.block = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.softmax(self.out(self.drop(self.block(self.conv(x))).flatten(1)), dim=1)


# ---- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ts", ".torchscript", "memory"])
@pytest.mark.parametrize("way", WAYS)
def test_it_gives_the_numbers_of_its_module(tmp_path: Path, way: str, suffix: str) -> None:
    module, inputs = seeded(Images), noise(5, 3, 12, 12)
    script = made(module, way, inputs)
    model = adapt(script if suffix == "memory" else written(script, tmp_path / f"net{suffix}"), allow_unsafe=True)
    own = adapt(module)
    assert (model.traits.framework, model.traits.input_shape, model.traits.channels) == ("TorchScript", (3, None, None), "first")
    target = target_of(own, inputs, "predicted", "logit")
    for logits in (False, True):
        np.testing.assert_allclose(model.predict(inputs, logits=logits), own.predict(inputs, logits=logits), rtol=1e-4, atol=FLOAT32)
    assert (model.traits.head, model.traits.output_shape) == ("softmax", (4,))
    found, want = model.gradients(inputs, target).gradients[INPUT], own.gradients(inputs, target).gradients[INPUT]
    for _ in range(3):  # TorchScript compiles what it has run a few times
        np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-5 * np.abs(want).max())
        found = model.gradients(inputs, target).gradients[INPUT]
    if suffix in (".pt", "memory"):
        for method in ("integrated_gradients", "shap", "rise"):
            options = {"features": "patches:6"} if method == "shap" else {}
            mine, his = (pellucid.explain(one, inputs, method, **options) for one in (model, module))
            assert mine.provenance["score"] == his.provenance["score"] == "logit"
            np.testing.assert_allclose(mine.values, his.values, rtol=1e-3, atol=1e-4 * np.abs(his.values).max())


def test_double_precision_of_what_holds_its_weights_in_its_code() -> None:
    module, inputs = seeded(lambda: nn.Sequential(nn.Linear(5, 3), nn.Tanh())).double(), noise(4, 5).astype(np.float64)
    script = made(module, "frozen")
    assert not list(script.parameters())
    found = adapt(script).predict(inputs)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, module(torch.tensor(inputs)).detach().numpy(), rtol=1e-12)


def test_new_weights_are_seen() -> None:
    script, inputs = made(seeded(Images), "script"), noise(3, 3, 12, 12)
    model = adapt(script)
    before = model.predict(inputs, logits=True)
    with torch.no_grad():
        script.out.bias += 1
    np.testing.assert_allclose(model.predict(inputs, logits=True), before + 1, rtol=1e-4)


def test_weights_are_shown_and_replaced_for_a_while() -> None:
    module, inputs = seeded(Images).eval(), noise(3, 3, 12, 12)
    model, own = adapt(made(module, "script")), adapt(module)
    for name, arrays in own.weights().items():
        for mine, his in zip(model.weights()[name], arrays, strict=True):
            np.testing.assert_array_equal(mine, his)
    assert list(model.weights()) == ["conv", "out", "block.0"]
    before = model.predict(inputs, logits=True)
    weight, bias = model.weights()["out"]
    with model.replaced_weights({"out": (weight, bias + 1)}) as changed:
        np.testing.assert_allclose(changed.predict(inputs, logits=True), before + 1, rtol=1e-4)
    np.testing.assert_array_equal(model.predict(inputs, logits=True), before)
    assert adapt(made(module, "frozen")).weights() == {}


class Ends(nn.Module):
    """A dense layer and an end. It takes what scripting takes: no functions as attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.body = seeded(lambda: nn.Linear(5, 3))


class Method(Ends):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x).softmax(-1)


class Logarithm(Ends):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.log_softmax(self.body(x), dim=1)


class Sigmoid(Ends):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.body(x))


class OverSamples(Ends):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.body(x), 0)


class FurtherOn(Ends):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * torch.softmax(self.body(x), 1)


class Branches(Ends):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 1e6:
            return self.body(x)
        return torch.softmax(self.body(x), 1)


ENDS: dict[str, tuple[Callable[[], Any], str | None, dict[str, str | None]]] = {
    "layer": (lambda: nn.Sequential(seeded(lambda: nn.Linear(5, 3)), nn.Sequential(nn.Softmax(dim=1))), "softmax", {}),
    "LogSoftmax": (lambda: nn.Sequential(seeded(lambda: nn.Linear(5, 3)), nn.LogSoftmax(dim=-1)), "log_softmax", {}),
    "Sigmoid": (lambda: nn.Sequential(seeded(lambda: nn.Linear(5, 3)), nn.Sigmoid()), "sigmoid", {}),
    "method": (Method, "softmax", {}),
    "logarithm": (Logarithm, "log_softmax", {}),
    "sigmoid": (Sigmoid, "sigmoid", {}),
    "over samples": (OverSamples, None, {}),
    "further on": (FurtherOn, None, {}),
    "one of two branches": (Branches, None, {"trace": "softmax"}),
    "none": (lambda: nn.Sequential(seeded(lambda: nn.Linear(5, 3))), None, {}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_the_head_is_found_in_the_graph(ends: str, way: str) -> None:
    build, head, elsewhere = ENDS[ends]
    inputs, head = noise(4, 5), elsewhere.get(way, head)
    script = made(build(), way, inputs)
    model = adapt(script)
    model.meet(inputs)
    assert model.traits.head == head
    logits = model.predict(inputs, logits=True)
    expected = seeded(lambda: nn.Linear(5, 3))(torch.tensor(inputs)).detach().numpy() if head else script(torch.tensor(inputs)).detach().numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-6)


PIXELS: dict[str, tuple[Callable[[], Any], str | None, int]] = {
    "softmax over channels": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Softmax(dim=1)), "softmax", 0),
    "Softmax2d": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Softmax2d()), "softmax", 0),
    "no softmax": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Upsample(scale_factor=2)), None, 0),
    "sigmoids": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Sigmoid()), "sigmoid", 0),
    "a class per step": (lambda: nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3)), None, -1),
}


@pytest.mark.parametrize("way", ["script", "trace"])
@pytest.mark.parametrize("ends", PIXELS)
def test_which_axis_counts_classes_is_that_of_the_module(ends: str, way: str) -> None:
    build, head, axis = PIXELS[ends]
    module, inputs = seeded(build), noise(2, 2, 4, 4) if "step" not in ends else noise(2, 6, 4)
    model, own = adapt(made(module, way, inputs)), adapt(module)
    model.meet(inputs)
    own.meet(inputs)
    assert (model.traits.head, model.traits.class_axis) == (own.traits.head, own.traits.class_axis) == (head, axis)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 3), nn.Linear(6, 3)

    def forward(self, left: torch.Tensor, right: torch.Tensor, scale: float = 2.0) -> torch.Tensor:
        return functional.softmax(self.a(left) * self.b(right) * scale, 1)


class Keyed(Two):
    def forward(self, x: dict[str, torch.Tensor]) -> torch.Tensor:
        return functional.softmax(self.a(x["left"]) * self.b(x["right"]), 1)


@pytest.mark.parametrize(("build", "way"), [(Two, "script"), (Two, "trace"), (Keyed, "script")])
def test_several_inputs(build: Callable[[], Any], way: str) -> None:
    module, inputs = seeded(build), {"left": noise(3, 4), "right": noise(3, 6)}
    script = made(module, way, *inputs.values())
    for method in ("saliency", "exact_shap"):
        found, want = (pellucid.explain(one, inputs, method, target=1) for one in (script, module))
        assert found.provenance["score"] == want.provenance["score"] == "logit"
        np.testing.assert_allclose(found.by_input["right"].values, want.by_input["right"].values, rtol=1e-4, atol=1e-6)
    if build is Two:
        assert adapt(script).traits.needed == ("left", "right")
        swapped = pellucid.explain(script, {"right": inputs["right"], "left": inputs["left"]}, "saliency", target=1)
        np.testing.assert_array_equal(swapped.by_input["left"].values, pellucid.explain(script, inputs, "saliency", target=1).by_input["left"].values)
        with pytest.raises(errors.InputError, match="takes 2 inputs, left, right"):
            pellucid.explain(script, inputs["left"], "saliency")


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 3), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"shape": self.a(x).softmax(1), "colour": self.b(x)}


class Pair(Named):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.b(x), self.a(x).softmax(1)


@pytest.mark.parametrize("way", ["script", "trace"])
def test_one_of_several_outputs_and_its_logits(way: str) -> None:
    inputs = noise(3, 4)
    for build, softmax, other in ((Named, "shape", "colour"), (Pair, "1", "0")):
        module = seeded(build)
        script = made(module, way, inputs)
        for output, score in ((softmax, "logit"), (other, "output")):
            found, want = (pellucid.explain(one, inputs, "saliency", target={output: 1}) for one in (script, module))
            assert found.provenance["score"] == want.provenance["score"] == score
            np.testing.assert_allclose(found.values, want.values, rtol=1e-4)
        with pytest.raises(errors.SettingError, match="several outputs"):
            pellucid.explain(script, inputs, "saliency")


class Reads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.out = nn.Embedding(10, 4), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.embedding(x).mean(1)).softmax(1)


@pytest.mark.parametrize("way", WAYS)
def test_what_takes_nothing_but_whole_numbers_is_given_them(way: str) -> None:
    module, tokens = seeded(Reads), np.random.default_rng(0).integers(1, 10, (3, 5))
    script = made(module, way, tokens)
    found, want = (pellucid.explain(one, tokens, "exact_shap", target=0) for one in (script, module))
    assert found.provenance["score"] == "logit"
    np.testing.assert_allclose(found.values, want.values, rtol=1e-4, atol=1e-6)
    model, inputs = adapt(script), tokens.astype(np.float32)
    with pytest.raises(errors.UnsupportedError, match=r"whole numbers, which have no gradient.*coalition"):
        model.gradients(inputs, target_of(model, inputs))
    with pytest.raises(errors.UnsupportedError, match=r"needs gradients, which TorchScript does not give\. These can: exact_shap"):
        pellucid.explain(script, tokens, "saliency", target=0)


def test_a_batch_is_as_large_as_for_the_module() -> None:
    """What is made within TorchScript is counted, so that memory holds it."""
    large = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for module, inputs in ((large, noise(1, 3, 96, 96)), (nn.Sequential(*(nn.Tanh() for _ in range(300))), noise(1, 1000))):
        script, own = adapt(made(module, "script")), adapt(module)
        own.meet(inputs)
        script.meet(inputs)
        assert script.batch_size == own.batch_size <= 64


def test_a_trace_of_one_sample_takes_one_at_a_time() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(12, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(x.reshape(int(x.shape[0]), 12))

    module, inputs = seeded(Fixed), noise(4, 3, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = made(module, "trace", inputs[:1])
    model = adapt(script)
    np.testing.assert_allclose(model.predict(inputs), module(torch.tensor(inputs)).detach().numpy(), rtol=1e-4, atol=1e-6)
    assert model.batch_size == 1


def test_a_module_that_holds_some_shows_its_other_layers() -> None:
    inputs = noise(3, 3, 12, 12)
    inner = made(seeded(lambda: Net(flatten=torch.flatten)).conv, "script")
    inner = made(nn.Sequential(inner, nn.Softmax2d()), "script")
    module = nn.Sequential(inner, nn.Conv2d(8, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Softmax(dim=1))
    model = adapt(module)
    np.testing.assert_allclose(model.predict(inputs, logits=True), module[:4](torch.tensor(inputs)).detach().numpy(), rtol=1e-4, atol=1e-6)
    assert model.traits.framework == "PyTorch"
    assert [layer.name for layer in model.layers()] == ["1", "2", "3", "4"]
    assert model.traits.head == "softmax"
    assert pellucid.explain(module, inputs, "grad_cam").provenance["resolved"]["layer"] == "1"
    before = adapt(module).traits.fingerprint
    for build, same in ((nn.Softmax2d, True), (lambda: nn.Softmax(dim=2), False)):
        other = nn.Sequential(made(nn.Sequential(seeded(lambda: Net(flatten=torch.flatten)).conv, build()), "script"), *module[1:])
        assert (adapt(other).traits.fingerprint == before) == same


# ---- left as it was, and the same everywhere -------------------------------------------------------------------------


def test_the_module_is_left_as_it_was() -> None:
    script, inputs = made(seeded(Images), "script"), noise(4, 3, 12, 12)
    script.train()
    script.block.eval()
    script.out.bias.requires_grad_(False)
    modes, tracked = [part.training for part in script.modules()], [parameter.requires_grad for parameter in script.parameters()]
    state, drawn = {name: value.clone() for name, value in script.state_dict().items()}, torch.get_rng_state()
    for method in ("integrated_gradients", "exact_shap"):
        pellucid.explain(script, inputs, method, **({"features": "patches:6"} if method == "exact_shap" else {}))
    assert [part.training for part in script.modules()] == modes
    assert {True, False} == set(modes)
    assert [parameter.requires_grad for parameter in script.parameters()] == tracked
    assert all(parameter.grad is None for parameter in script.parameters())
    assert all(torch.equal(value, state[name]) for name, value in script.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)


def test_a_fingerprint_is_of_the_code_and_the_weights_and_the_same_in_every_process(tmp_path: Path) -> None:
    def found(module: Any, name: str, way: str = "script") -> str:
        return adapt(written(made(module, way, noise(1, 5)), tmp_path / name), allow_unsafe=True).traits.fingerprint

    softmax = found(Method(), "a.pt")
    assert found(Method(), "b.pt") == softmax == adapt(tmp_path / "a.pt", allow_unsafe=True).traits.fingerprint
    assert len({softmax, found(Logarithm(), "c.pt"), found(OverSamples(), "d.pt")}) == 3
    frozen = [found(seeded(Method), "e.pt", "frozen"), found(nn.Sequential(nn.Linear(5, 3)), "f.pt", "frozen")]
    changed = Method()
    with torch.no_grad():
        changed.body.bias += 1
    assert len({softmax, *frozen, found(changed, "g.pt"), found(changed, "h.pt", "frozen")}) == 5
    assert len({adapt(made(seeded(lambda: Method()), "trace", noise(1, 5))).traits.fingerprint for _ in range(3)}) == 1  # torch gives each a class of its own
    large = [nn.Sequential(nn.Linear(200, 100)) for _ in range(2)]  # too large to be printed in the code
    assert len({adapt(made(one, "frozen")).traits.fingerprint for one in large}) == 2
    code = f"import pellucid; print(pellucid.adapt({str(tmp_path / 'a.pt')!r}, allow_unsafe=True).traits.fingerprint)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == softmax


# ---- mistakes --------------------------------------------------------------------------------------------------------


def test_layers_are_refused_with_what_serves(tmp_path: Path) -> None:
    model, inputs = adapt(written(made(seeded(Images), "script"), tmp_path / "net.pt"), allow_unsafe=True), noise(2, 3, 12, 12)
    assert model.layers() == ()
    with pytest.raises(errors.UnsupportedError, match=r"TorchScript shows no layers\. These can: .*integrated_gradients"):
        pellucid.explain(model, inputs, "grad_cam")
    with pytest.raises(errors.UnsupportedError, match="TorchScript shows none"):
        pellucid.visualize(model, inputs, "activation_map")
    told = r"TorchScript shows no layers.*'conv'.*torch\.export.*saliency.*shap"
    for call in (
        lambda: pellucid.explain(model, inputs, "integrated_gradients", layer="conv"),
        lambda: model.activations(inputs, ["conv"]),
        lambda: model.states(inputs, ["conv"]),
        lambda: model.gradients(inputs, target_of(model, inputs), ("conv",)),
        lambda: model.above("conv", inputs[:1]),
        lambda: model.below("conv"),
    ):
        with pytest.raises(errors.UnsupportedError, match=told):
            call()
    inspected = pellucid.inspect(model)
    assert inspected.methods["grad_cam"].endswith("TorchScript shows no layers")
    assert inspected.methods["integrated_gradients"] == ""


def test_a_wrong_shape_is_said_in_the_words_of_the_operation() -> None:
    script = made(seeded(lambda: nn.Sequential(nn.Linear(5, 3))), "script")
    with pytest.raises(errors.ShapeError, match=r"one input of shape \(4,\), float32 \(RuntimeError: mat1 and mat2 shapes cannot be multiplied"):
        pellucid.explain(script, noise(2, 4), "saliency")


def test_what_cannot_be_called_is_refused() -> None:
    class Other(nn.Module):
        @torch.jit.export
        def run(self, x: torch.Tensor) -> torch.Tensor:
            return x

    with pytest.raises(errors.ModelError, match="no method 'forward'"):
        adapt(made(Other(), "script"))


def test_statistics_of_the_batch_that_were_traced_are_refused() -> None:
    module = seeded(Images).train()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.trace(module, torch.tensor(noise(2, 3, 12, 12)), check_trace=False)
    with pytest.raises(errors.ModelError, match=r"other samples of a batch.*module\.eval\(\) before torch\.jit\.trace"):
        pellucid.explain(script, noise(2, 3, 12, 12), "saliency")


def test_a_file_is_opened_by_the_flag_only_and_torchs_warnings_stay_within(tmp_path: Path) -> None:
    path = written(made(seeded(Images), "script"), tmp_path / "net.pt")
    with pytest.raises(errors.UnsafeModelError, match=r"net\.pt' is a TorchScript file.*allow_unsafe=True, or --allow-unsafe"):
        adapt(path)
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        pellucid.explain(path, noise(2, 3, 12, 12), "integrated_gradients", allow_unsafe=True)
    assert [str(one.message) for one in leaked] == []
    (tmp_path / "cut.pt").write_bytes(path.read_bytes()[:-400])
    with pytest.raises(errors.DamagedModelError, match=r"cut\.pt"):
        adapt(tmp_path / "cut.pt", allow_unsafe=True)
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(tmp_path / "bad.pt", "w") as bad:
        for name in whole.namelist():
            bad.writestr(name, whole.read(name).replace(b"def forward", b"d f forward"))
    with pytest.raises(errors.DamagedModelError, match=r"bad\.pt' cannot be read as a TorchScript file"):
        adapt(tmp_path / "bad.pt", allow_unsafe=True)
