"""TorchScript files on the command line, and files that look like them."""

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


def test_a_torchscript_file_is_inspected_and_explained(net: Any, pellucid_command: Callable[[str], Any], place: Path) -> None:
    """The data has no axis of channels, or has it last; the network has it first, as its convolution's weights tell."""
    refused = pellucid_command("inspect script.pt")
    assert refused.code
    assert "--allow-unsafe" in refused.err
    shown = pellucid_command("inspect script.pt --allow-unsafe")
    assert shown.code == 0, shown.err
    assert "TorchScript" in shown.out
    assert "grad_cam" in shown.out
    assert "shows no layers" in shown.out
    for key in ("x_test", "x_flat"):
        ran = pellucid_command(f"explain script.pt data.npz:{key} --method exact_shap --features patches:4 --index 0:2 --out s.safetensors --allow-unsafe")
        assert ran.code == 0, ran.err
        (found,) = pellucid.load(place / "s.safetensors")
        assert found.inputs.shape == (2, 1, 8, 8)
        want = pellucid.explain(net, found.inputs, "exact_shap", features="patches:4").values
        assert abs(found.values - want).max() < 1e-5 * abs(want).max()
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
