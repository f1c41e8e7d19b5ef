"""The norms of a PyTorch module's gradients, layer by layer, while it is trained: added up on the device step by step, and read once a moment."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch

from pellucid.core.errors import SettingError
from pellucid.core.model import Model


class GradientMeter:
    """Watches `.grad` of a module's parameters: after each step of `optimizer` (or of several, each of which tells of its own parameters) where one is given,
    else whenever `note` is called. `close` removes the hooks."""

    def __init__(self, model: Model, optimizer: Any = None) -> None:
        owners: dict[str, list[Any]] = model._parameters()  # type: ignore[attr-defined]
        self._layers = list(owners)
        self._owned = [(place, parameter) for place, found in enumerate(owners.values()) for parameter in found]
        self._index: dict[tuple[int, ...], Any] = {}
        self._total: Any = None
        self._noted = [0] * len(self._layers)
        self._optimizers = [] if optimizer is None else list(optimizer) if isinstance(optimizer, (list, tuple)) else [optimizer]
        for one in self._optimizers:
            if not hasattr(one, "register_step_post_hook"):
                raise SettingError(
                    f"optimizer is a {type(one).__name__}, expected a torch.optim.Optimizer, or a list of them; leave it out and call recorder.step(loss) "
                    "after each step, before gradients are cleared."
                )
        self._made = [0] * max(len(self._optimizers), 1)
        self._handles = [one.register_step_post_hook(functools.partial(self._stepped, which, self._of(one))) for which, one in enumerate(self._optimizers)]

    @property
    def steps(self) -> int:
        """How many were made; of several optimizers by the busiest."""
        return max(self._made)

    def _stepped(self, which: int, owned: Sequence[tuple[int, Any]], *_: Any) -> None:
        self.note(owned, which)

    def _of(self, optimizer: Any) -> list[tuple[int, Any]]:
        """The parameters that an optimizer moves, all of the module's where there is one optimizer."""
        moved = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        return self._owned if len(self._optimizers) == 1 else [(place, parameter) for place, parameter in self._owned if id(parameter) in moved]

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def note(self, owned: Sequence[tuple[int, Any]] | None = None, which: int = 0) -> None:
        """Take the gradients, of all parameters or of some, as they lie there now, after a step of an optimizer."""
        self._made[which] += 1
        owned = self._owned if owned is None else owned
        placed = [(place, parameter.grad) for place, parameter in owned if parameter.grad is not None]
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
        for place in {place for place, _ in owned}:
            self._noted[place] += 1

    def taken(self) -> dict[str, float]:
        """Layer → the mean over the steps since the last call of its gradient's norm; nothing where there was no step."""
        if self._total is None:
            return {}
        found = {name: total / max(noted, 1) for name, total, noted in zip(self._layers, self._total.tolist(), self._noted, strict=True)}
        self._total, self._noted = None, [0] * len(self._layers)
        return found

    @property
    def rate(self) -> float | None:
        """The learning rate of the first optimizer's first group, where there is one."""
        groups = getattr(self._optimizers[0], "param_groups", None) if self._optimizers else None
        return float(groups[0]["lr"]) if groups and "lr" in groups[0] else None

    def close(self) -> None:
        while self._handles:
            self._handles.pop().remove()
