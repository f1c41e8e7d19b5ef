"""The norms of a PyTorch module's gradients, layer by layer, while it is trained: added up on the device step by step, and read once a moment."""

from __future__ import annotations

from typing import Any

import torch

from pellucid.core.errors import SettingError
from pellucid.core.model import Model


class GradientMeter:
    """Watches `.grad` of a module's parameters: after each step of `optimizer` where one is given, else whenever `note` is called. `close` removes the hook."""

    def __init__(self, model: Model, optimizer: Any = None) -> None:
        owners: dict[str, list[Any]] = model._parameters()  # type: ignore[attr-defined]
        self._layers = list(owners)
        self._owned = [(place, parameter) for place, found in enumerate(owners.values()) for parameter in found]
        self._index: dict[tuple[int, ...], Any] = {}
        self._total: Any = None
        self._noted = self.steps = 0
        self._optimizer = optimizer
        if optimizer is not None and not hasattr(optimizer, "register_step_post_hook"):
            raise SettingError(
                f"optimizer is a {type(optimizer).__name__}, expected a torch.optim.Optimizer; leave it out and call recorder.step(loss) after each step, "
                "before gradients are cleared."
            )
        self._handle = None if optimizer is None else optimizer.register_step_post_hook(lambda *_: self.note())

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def note(self) -> None:
        """Take the gradients as they lie there now."""
        self.steps += 1
        placed = [(place, parameter.grad) for place, parameter in self._owned if parameter.grad is not None]
        if not placed:
            return
        device = placed[0][1].device
        dense = [grad.coalesce().values() if grad.is_sparse else grad for _, grad in placed]
        norms = torch.stack([norm.to(device, torch.float32) for norm in torch._foreach_norm(dense)])
        key = tuple(place for place, _ in placed)
        if key not in self._index:
            self._index[key] = torch.tensor(key, device=device)
        squares = norms.new_zeros(len(self._layers)).index_add_(0, self._index[key], norms.square())
        self._total = squares.sqrt_() if self._total is None else self._total.add_(squares.sqrt_())
        self._noted += 1

    def taken(self) -> dict[str, float]:
        """Layer → the mean over the steps since the last call of its gradient's norm; nothing where there was no step."""
        if self._total is None:
            return {}
        found = dict(zip(self._layers, (self._total / self._noted).tolist(), strict=True))
        self._total, self._noted = None, 0
        return found

    @property
    def rate(self) -> float | None:
        """The learning rate of the optimizer's first group, where there is one."""
        groups = getattr(self._optimizer, "param_groups", None)
        return float(groups[0]["lr"]) if groups and "lr" in groups[0] else None

    def close(self) -> None:
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
