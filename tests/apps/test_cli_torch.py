"""Files of TorchScript and torch.export on the command line, and files that look like them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pellucid

torch = pytest.importorskip("torch")
nn = torch.nn


@pytest.fixture
def net(place: Path) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 3), nn.Softmax(dim=1)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(module), place / "script.pt")
    torch.save(module.state_dict(), place / "weights.pt")
    return module


@pytest.fixture
def program(net: Any, place: Path) -> None:
    """The same network as a file of torch.export."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = torch.export.export(net, (torch.zeros(2, 1, 8, 8),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
        torch.export.save(found, place / "program.pt2")


@pytest.mark.parametrize(("name", "shown"), [("script.pt", ("TorchScript", "shows no layers")), ("program.pt2", ("Conv2d", "3 × 6 × 6"))])
def test_a_file_is_inspected_and_explained(
    net: Any, program: None, pellucid_command: Callable[[str], Any], place: Path, name: str, shown: tuple[str, ...]
) -> None:
    """The data has no axis of channels, or has it last; the network has it first, as its convolution's weights tell."""
    refused = pellucid_command(f"inspect {name}")
    assert refused.code
    assert "--allow-unsafe" in refused.err
    ran = pellucid_command(f"inspect {name} --allow-unsafe")
    assert ran.code == 0, ran.err
    for words in ("grad_cam", *shown):
        assert words in ran.out
    for key in ("x_test", "x_flat"):
        ran = pellucid_command(f"explain {name} data.npz:{key} --method exact_shap --features patches:4 --index 0:2 --out s.safetensors --allow-unsafe")
        assert ran.code == 0, ran.err
        (found,) = pellucid.load(place / "s.safetensors")
        assert found.inputs.shape == (2, 1, 8, 8)
        assert found.outcome.codes == ("exact", "exact")
        want = pellucid.explain(net, found.inputs, "exact_shap", features="patches:4").values
        assert abs(found.values - want).max() < 1e-5 * abs(want).max()
    ran = pellucid_command(f"explain {name} data.npz:x_test --method shap --background data.npz:x_test[0:2] --index 0:2 --out map.png --allow-unsafe")
    assert ran.code == 0, ran.err


def test_layers_of_torchscript_are_not_there_and_the_error_names_who_needs_none(net: Any, pellucid_command: Callable[[str], Any]) -> None:
    cam = pellucid_command("explain script.pt data.npz:x_test --method grad_cam --out c.safetensors --allow-unsafe")
    assert cam.code
    assert "TorchScript shows no layers. These can:" in " ".join(cam.err.split())


def test_a_file_of_weights_says_what_it_needs(net: Any, pellucid_command: Callable[[str], Any]) -> None:
    for flag in ("", " --allow-unsafe"):
        ran = pellucid_command("explain weights.pt data.npz:x_test --method saliency --out s.safetensors" + flag)
        assert ran.code
        assert "module=MyNet()" in ran.err


def test_workers_open_it_too(net: Any, pellucid_command: Callable[[str], Any], place: Path) -> None:
    """Each process finds the same fingerprint."""
    ran = pellucid_command("explain script.pt data.npz:x_test --method saliency --index 0:4 --shard-size 2 --workers 2 --out many --allow-unsafe")
    assert ran.code == 0, ran.err
    assert len(pellucid.Explanations(place / "many")) == 4
