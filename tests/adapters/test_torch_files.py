"""Files of PyTorch: weights for a module of the user's, whole modules, which are refused, and programs of torch.export with several outputs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from test_torch_module import Net, noise, seeded

import pellucid
from pellucid.adapters import adapt
from pellucid.core import errors

torch = pytest.importorskip("torch")
nn = torch.nn


def flat(x: Any) -> Any:
    return x.flatten(1)


def net(seed: int = 0) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Net(flatten=flat).eval()


def saved(what: Any, path: Path) -> Path:
    torch.save(what, path)
    return path


# ---- weights ---------------------------------------------------------------------------------------------------------

HOLD: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "state dict": ("w.pt", lambda state: state),
    "pth": ("w.pth", lambda state: state),
    "plain dict": ("w.bin", dict),
    "checkpoint": ("w.ckpt", lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}}),
    "under model": ("w.pt", lambda state: {"model": state, "args": [1, 2]}),
    "under model, deeper": ("w.pt", lambda state: {"model": {"state_dict": state}}),
    "of DataParallel": ("w.pt", lambda state: {f"module.{name}": value for name, value in state.items()}),
    "of a compiled one": ("w.pt", lambda state: {"state_dict": {f"module._orig_mod.{name}": value for name, value in state.items()}}),
    "in double precision": ("w.pt", lambda state: {name: value.double() for name, value in state.items()}),
}


@pytest.mark.parametrize("hold", HOLD)
def test_weights_go_into_a_copy_of_the_module(tmp_path: Path, hold: str) -> None:
    name, wrapped = HOLD[hold]
    trained, mine, inputs = net(1), net(2).train(), noise(4, 3, 12, 12)
    before = {key: value.clone() for key, value in mine.state_dict().items()}
    model = adapt(saved(wrapped(trained.state_dict()), tmp_path / name), module=mine)
    np.testing.assert_array_equal(model.predict(inputs), adapt(trained).predict(inputs))
    for method, options in (("saliency", {}), ("grad_cam", {}), ("exact_shap", {"features": "patches:6"})):
        found, want = (pellucid.explain(one, inputs, method, **options) for one in (model, trained))
        np.testing.assert_array_equal(found.values, want.values)
    assert model.traits.fingerprint == adapt(trained).traits.fingerprint
    assert mine.training
    assert all(torch.equal(value, before[key]) for key, value in mine.state_dict().items())


class Tied(nn.Module):
    """Two names for one tensor, of which safetensors keeps one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 4)
        self.last.weight = self.first.weight

    def forward(self, x: Any) -> Any:
        return self.last(self.first(x).tanh())


def test_safetensors_and_a_tensor_of_two_names(tmp_path: Path) -> None:
    trained, inputs = seeded(Tied), noise(3, 4)
    state = {name: value.numpy() for name, value in trained.state_dict().items() if name != "last.weight"}
    save_file(state, tmp_path / "w.safetensors")
    module = Tied()
    model = adapt(str(tmp_path / "w.safetensors"), module=module)
    np.testing.assert_array_equal(model.predict(inputs), adapt(trained).predict(inputs))
    with pytest.raises(errors.ModelError, match=r"not a model file.*pellucid\.adapt\(file, module=MyNet\(\)\)"):
        adapt(tmp_path / "w.safetensors")
    save_file({name: value for name, value in state.items() if name != "first.weight"}, tmp_path / "none.safetensors")
    with pytest.raises(errors.ModelError, match=r"missing: first\.weight, last\.weight\."):
        adapt(tmp_path / "none.safetensors", module=module)


def test_what_does_not_fit_is_one_error(tmp_path: Path) -> None:
    state = net().state_dict()
    state["extra"], state["conv.weight"] = torch.zeros(2), state["conv.weight"][:, :1]
    del state["out.bias"]
    with pytest.raises(
        errors.ModelError, match=r"module Net: missing: out\.bias; not in the module: extra; of another shape: conv\.weight \(8, 1, 3, 3\) for \(8, 3"
    ):
        adapt(saved(state, tmp_path / "w.pt"), module=net())
    with pytest.raises(errors.ModelError, match=r"missing: 0\.weight, 0\.bias; not in the module: conv\.weight, conv\.bias, .* and \d+ more\. Build"):
        adapt(saved(net().state_dict(), tmp_path / "w.pt"), module=nn.Sequential(nn.Linear(3, 3)))


REFUSED: dict[str, tuple[str, Callable[[], Any], type[Exception], str]] = {
    "a module": ("m.pt", net, errors.UnsafeModelError, r"m\.pt' is a pickle that holds a test_torch_module\.Net.*weights_only=False.*torch\.export\.save"),
    "arguments": ("m.ckpt", lambda: {"state_dict": net().state_dict(), "args": argparse.Namespace(a=1)}, errors.UnsafeModelError, r"argparse\.Namespace"),
    "a tensor": ("m.pt", lambda: torch.zeros(3), errors.ModelError, "holds a Tensor, no weights by name"),
    "no weights": ("m.pt", lambda: {"epoch": 3, "loss": 0.1}, errors.ModelError, "holds a dict with epoch, loss, no weights by name"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_holds_no_weights_is_said(tmp_path: Path, what: str) -> None:
    name, build, kind, words = REFUSED[what]
    with pytest.raises(kind, match=words):
        adapt(saved(build(), tmp_path / name), module=net())


def test_a_module_goes_with_a_file_of_weights(tmp_path: Path) -> None:
    weights = saved(net().state_dict(), tmp_path / "w.pt")
    for module, words in ((Net, r"module= is the class Net; expected .* as MyNet\(\) gives"), (lambda x: x, "module= is a function")):
        with pytest.raises(errors.SettingError, match=words):
            adapt(weights, module=module)
    with pytest.raises(errors.SettingError, match="goes with a file of weights, and a Net was given"):
        adapt(net(), module=net())
    with pytest.raises(errors.ModelError, match=r"not a file of weights; known: \.pt, \.pth"):
        adapt(tmp_path / "w.onnx", module=net())
    with pytest.raises(errors.DataNotFoundError, match=r"no file of weights.*none\.pt"):
        adapt(tmp_path / "none.pt", module=net())
    (tmp_path / "bad.pt").write_bytes(b"no archive")
    (tmp_path / "bad.safetensors").write_bytes(b"no archive")
    for bad in ("bad.pt", "bad.safetensors"):
        with pytest.raises(errors.DamagedModelError, match=bad):
            adapt(tmp_path / bad, module=net())
    with torch.device("meta"):
        empty = Net()
    with pytest.raises(errors.ModelError, match="device 'meta'"):
        adapt(weights, module=empty)


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_a_lazy_module_takes_its_shapes_from_the_weights(tmp_path: Path) -> None:
    trained, inputs = seeded(lambda: nn.Sequential(nn.Linear(5, 3))), noise(2, 5)
    model = adapt(saved(trained.state_dict(), tmp_path / "w.pt"), module=nn.Sequential(nn.LazyLinear(3)))
    np.testing.assert_array_equal(model.predict(inputs), adapt(trained).predict(inputs))


# ---- files without a module ------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("unsafe", [False, True])
def test_a_file_that_is_no_network_is_named_for_what_it_is(tmp_path: Path, unsafe: bool) -> None:
    told: dict[str, tuple[Any, type[Exception], str]] = {
        "weights.pt": (net().state_dict(), errors.ModelError, r"holds weights \(1\d tensors by name.*adapt\('weights\.pt', module=MyNet\(\)\)"),
        "checkpoint.pth": ({"state_dict": net().state_dict()}, errors.ModelError, r"holds weights.*module=MyNet\(\)"),
        "module.pt": (net(), errors.UnsafeModelError, r"is a pickle that holds a test_torch_module\.Net.*not opened here.*weights_only=False"),
        "list.pt": ([1, 2], errors.ModelError, "holds a list, which is no network"),
    }
    for name, (what, kind, words) in told.items():
        with pytest.raises(kind, match=words):
            adapt(saved(what, tmp_path / name), allow_unsafe=unsafe)
        torch.save(what, tmp_path / f"old_{name}", _use_new_zipfile_serialization=False)
        with pytest.raises(kind, match=words.replace(r"\('weights", r"\('old_weights")):
            adapt(tmp_path / f"old_{name}", allow_unsafe=unsafe)
    torch.export.save(torch.export.export(nn.Linear(4, 3), (torch.zeros(2, 4),)), tmp_path / "program.pt2")
    (tmp_path / "program.pt").write_bytes((tmp_path / "program.pt2").read_bytes())
    with pytest.raises(errors.ModelError, match=r"program\.pt' is a file of torch\.export; give it a name that ends in \.pt2"):
        adapt(tmp_path / "program.pt", allow_unsafe=unsafe)
    (tmp_path / "bad.pt").write_bytes(b"no archive")
    with pytest.raises(errors.DamagedModelError, match=r"bad\.pt"):
        adapt(tmp_path / "bad.pt", allow_unsafe=unsafe)
    with pytest.raises(errors.DataNotFoundError, match=r"none\.pt"):
        adapt(tmp_path / "none.pt", allow_unsafe=unsafe)


# ---- torch.export ----------------------------------------------------------------------------------------------------


class Several(nn.Module):
    """Outputs in a mapping, one of them a pair."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.shape, self.colour = nn.Conv2d(3, 4, 3), nn.Linear(4, 3), nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        pooled = self.conv(x).relu().mean((2, 3))
        return {"shape": self.shape(pooled).softmax(1), "more": (self.colour(pooled), pooled)}


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_one_of_several_outputs_of_an_exported_program(tmp_path: Path) -> None:
    module, inputs = seeded(Several).eval(), noise(4, 3, 8, 8)
    program = torch.export.export(module, (torch.tensor(inputs),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    torch.export.save(program, tmp_path / "net.pt2")
    model = adapt(tmp_path / "net.pt2", allow_unsafe=True)
    assert pellucid.inspect(model).outputs == {"shape": (3,), "more.0": (2,), "more.1": (4,)}
    for output, score in (("shape", "logit"), ("more.0", "output"), ("more.1", "output")):
        for method, options in (("saliency", {}), ("grad_cam", {}), ("exact_shap", {"features": "patches:4"})):
            found, want = (pellucid.explain(one, inputs, method, target={output: 1}, **options) for one in (model, module))
            assert found.provenance["score"] == want.provenance["score"] == score
            np.testing.assert_allclose(found.values, want.values, rtol=1e-3, atol=1e-5 * np.abs(want.values).max())
    with pytest.raises(errors.SettingError, match=r"several outputs: 'shape' \(3,\), 'more\.0' \(2,\)"):
        pellucid.explain(model, inputs, "saliency")
    with pytest.raises(errors.SettingError, match="unknown output 'size'"):
        pellucid.explain(model, inputs, "saliency", target={"size": 1})


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_program_that_takes_more_than_tensors_is_refused(tmp_path: Path) -> None:
    class Scales(nn.Module):
        def forward(self, x: Any, factor: int) -> Any:
            return x * factor

    torch.export.save(torch.export.export(Scales(), (torch.zeros(2, 4), 3)), tmp_path / "net.pt2")
    with pytest.raises(errors.UnsupportedError, match="takes 3 besides tensors"):
        adapt(tmp_path / "net.pt2", allow_unsafe=True)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_layers_of_a_program_for_any_size_are_known_before_data(tmp_path: Path) -> None:
    module = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)))
    sizes = ({0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC},)
    torch.export.save(torch.export.export(module, (torch.zeros(2, 3, 9, 8),), dynamic_shapes=sizes), tmp_path / "net.pt2")
    model = adapt(tmp_path / "net.pt2", allow_unsafe=True)
    assert (model.traits.input_shape, model.traits.channels) == ((3, None, None), "first")
    assert pellucid.inspect(model).methods["grad_cam"] == ""
