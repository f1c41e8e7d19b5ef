"""A walk over a module finds what torch's own generators find, in their order."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

from pellucid.adapters._torch_walk import parameters_of, parts_of, tensors_of  # noqa: E402


def shared() -> Any:
    """A layer used twice under two names, weights tied between two layers, and a place left empty."""
    layer, first, second = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    module = nn.Sequential(nn.ModuleDict({"a": layer, "b": nn.Sequential(nn.BatchNorm1d(3), layer)}), first, second, nn.Linear(3, 3, bias=False))
    module.register_module("nothing", None)
    return module


MODULES = {
    "shared": shared,
    "transformer": lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, batch_first=True), 2),
    "parametrised": lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)), nn.Tanh()),
    "one layer": lambda: nn.LSTM(3, 4),
    "traced": lambda: nn.Sequential(torch.jit.trace(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).eval(), torch.zeros(2, 3)), nn.Linear(3, 1)),
}


@pytest.mark.once
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", MODULES)
def test_a_walk_is_torchs_own(name: str) -> None:
    module = MODULES[name]()
    parts = parts_of(module)
    assert [(path, id(part)) for path, part in parts.items()] == [(path, id(part)) for path, part in module.named_modules()]
    named = {id(one): one for one in (*module.parameters(), *module.buffers())}
    if name != "traced":  # TorchScript makes its tensors anew at each question
        assert [id(one) for one in parameters_of(parts.values())] == [id(one) for one in module.parameters()]
        assert [id(one) for one in tensors_of(parts.values())] == list(named)
    assert len(tensors_of(parts.values())) == len(named)
