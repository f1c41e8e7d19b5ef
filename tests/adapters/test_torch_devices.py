"""PyTorch modules on every device there is, and never by the way of another: what no device is named for would come out on torch's default one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_torch_module import Net, Series, noise, seeded, target_of

import pellucid
from pellucid.adapters import _torch, adapt
from pellucid.core.model import INPUT
from pellucid.methods import METHODS

torch = pytest.importorskip("torch")
nn = torch.nn

THERE = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
DEVICES = [pytest.param(name, marks=pytest.mark.skipif(not there, reason=f"there is no {name} here")) for name, there in THERE.items()]
ACROSS_DEVICES = 1e-3
"""Relative difference that another device's order of additions, and TF32, explain."""


class Reads(nn.Module):
    """Tokens, an image and numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.conv, self.out = nn.Embedding(9, 4), nn.Conv2d(1, 4, 3), nn.Linear(6, 3)

    def forward(self, ids: Any, image: Any, numbers: Any) -> Any:
        return self.out(torch.cat([self.embedding(ids).mean(1) + self.conv(image).mean((2, 3)), numbers], 1)).softmax(1)


def several(count: int = 3) -> dict[str, np.ndarray]:
    return {"ids": np.random.default_rng(1).integers(1, 9, (count, 5)), "image": noise(count, 1, 6, 6), "numbers": noise(count, 2)}


def classes() -> Any:
    return seeded(lambda: nn.Sequential(Net(flatten=lambda x: x.flatten(1)), nn.Softmax(dim=1))).eval()


def every_verb(module: Any, inputs: np.ndarray) -> list[np.ndarray]:
    """What each verb gives, and each method in a few evaluations."""
    model = adapt(module)
    target = target_of(model, inputs, "predicted", "logit")
    found = [model.predict(inputs), model.activations(inputs, ["0.conv"])["0.conv"], model.below("0.conv").predict(inputs)]
    found += model.gradients(inputs, target, (INPUT, "0.block.2")).gradients.values()
    found.append(model.above("0.block", inputs[:1]).predict(model.activations(inputs, ["0.block"])["0.block"]))
    for name in METHODS:
        method = METHODS.load(name)
        options: dict[str, Any] = {"features": "patches:6"} if "features" in method.accepts else {}
        options |= {"background": inputs} if "background" in method.accepts else {}
        found.append(pellucid.explain(module, inputs, name, target="predicted", max_evaluations=20_000, tolerance=3.0, **options).values)
    found.append(pellucid.explain(module, inputs, "integrated_gradients", target=pellucid.Several(0, 1), layer="0.conv").values)
    return found


@pytest.mark.parametrize("device", DEVICES)
def test_the_numbers_of_a_device_are_those_of_the_host(device: str) -> None:
    inputs = noise(3, 3, 12, 12)
    host, there = adapt(classes()), adapt(classes().to(device))
    target = target_of(host, inputs, "predicted", "logit")
    pairs = [(host.predict(inputs), there.predict(inputs))]
    for name in (INPUT, "0.conv"):
        pairs.append((host.gradients(inputs, target, (name,)).gradients[name], there.gradients(inputs, target, (name,)).gradients[name]))
    for method, options in (("integrated_gradients", {}), ("exact_shap", {"features": "patches:6"}), ("grad_cam", {})):
        pairs.append(tuple(pellucid.explain(model, inputs, method, **options).values for model in (host, there)))  # type: ignore[arg-type]
    for want, found in pairs:
        np.testing.assert_allclose(found, want, rtol=ACROSS_DEVICES, atol=ACROSS_DEVICES * np.abs(want).max())
    here, away = (seeded(lambda: Series(nn.LSTM(3, 4, batch_first=True), 4)) for _ in range(2))
    want, found = (pellucid.explain(one, noise(2, 7, 3), "saliency", target=0).values for one in (here, away.to(device)))
    np.testing.assert_allclose(found, want, rtol=ACROSS_DEVICES, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_the_random_state_of_a_device_is_put_back(device: str) -> None:
    class Draws(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return nn.functional.dropout(self.linear(x), training=True)

    module = seeded(Draws).to(device)
    get = torch.get_rng_state if device == "cpu" else getattr(torch, device).get_rng_state
    before = get()
    adapt(module).predict(noise(8, 4))
    assert torch.equal(get(), before)


def test_what_is_drawn_on_mps_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its state is asked for in another way than CUDA's; without one, torch's functions are played."""
    state = [7]
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: list(state))
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda kept: state.__setitem__(slice(None), kept))

    lies = nn.Linear(2, 2)
    vars(lies)["_parameters"] = {"weight": type("There", (), {"device": torch.device("mps"), "requires_grad": False})()}
    with _torch.borrowed(lies, gradients=False):
        state[0] = 8
    assert state == [7]


def test_no_tensor_is_made_on_the_default_device() -> None:
    """On `meta`, a tensor has no numbers: one made there by mistake could give none."""
    module, inputs = classes(), noise(2, 3, 12, 12)
    want = every_verb(module, inputs)
    with torch.device("meta"):
        found = every_verb(module, inputs)
    assert len(found) == len(want) > 20
    for mine, his in zip(found, want, strict=True):
        np.testing.assert_array_equal(mine, his)


def test_nor_for_several_inputs_tokens_or_states() -> None:
    module, x = seeded(Reads).eval(), several()
    series = seeded(lambda: Series(nn.LSTM(3, 4, batch_first=True), 4))
    tokens = seeded(lambda: nn.Sequential(nn.Embedding(9, 4), nn.Flatten()))
    features = {"ids": "columns", "image": "patches:3", "numbers": "columns"}

    def all_of() -> list[np.ndarray]:
        return [
            adapt(series).states(noise(2, 7, 3), ["recurrent"])["recurrent"],
            pellucid.explain(series, noise(2, 7, 3), "saliency", target=0).values,
            pellucid.explain(tokens, x["ids"], "integrated_gradients", target=1).values,
            pellucid.explain(module, x, "feature_ablation", target=1, features=features).values,
        ]

    want = all_of()
    with torch.device("meta"):
        found = all_of()
    for mine, his in zip(found, want, strict=True):
        np.testing.assert_array_equal(mine, his)


def test_cudnns_settings_stay_the_callers_but_for_what_it_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    cudnn, seen = torch.backends.cudnn, []
    monkeypatch.setattr(cudnn, "deterministic", True)

    class Notes(nn.Module):
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Any) -> Any:
            seen.append((cudnn.enabled, cudnn.deterministic))
            return self.inner(x)

    for module, inputs in ((Notes(seeded(lambda: Series(nn.LSTM(3, 4, batch_first=True), 4))), noise(2, 7, 3)), (Notes(nn.Linear(4, 2)), noise(2, 4))):
        model = adapt(module)
        model.meet(inputs)
        seen.clear()
        model.gradients(inputs, target_of(model, inputs))
        assert seen[-1] == (isinstance(module.inner, nn.Linear), True)
        assert (cudnn.enabled, cudnn.deterministic) == (True, True)
