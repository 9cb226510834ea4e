"""A card that is not there: tensors that say they lie on `mps` or `cuda`, and are computed on the CPU.

What a real card refuses raises here too: float64 (on mps), tensors of two devices in one call, NumPy of what was not
copied back, draws from a CPU's generator. It knows nothing of a card's kernels, of their rounding, or of their speed,
and hears torch's functions as Python calls them, in the thread that has the card.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

if TYPE_CHECKING:
    from collections.abc import Iterator

Tensor = torch.Tensor
ASIDE = {"device", "_parse_to", "_has_compatible_shallow_copy_type"}
"""They move nothing."""
FROM_ANYWHERE = {Tensor.to, Tensor.cpu, Tensor.copy_, Tensor.type, Tensor.new_tensor, torch.tensor, torch.as_tensor}
PICKS = {Tensor.__getitem__, Tensor.__setitem__}
"""On a card they take indices from the host."""
TO_NUMPY = {Tensor.numpy, Tensor.__array__}
NOT_ON_MPS = {torch.float64, torch.complex128, torch.float8_e4m3fn}
_DEVICE_OF = {Tensor.device.__get__}


class OnCard(Tensor):
    """A tensor that lies on the card."""

    __torch_function__ = torch._C._disabled_torch_function_impl


class Card(TorchFunctionMode):
    """While it is on, what is made on its device, or moved there, is `OnCard`."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.place = kind, torch.device(kind, 0)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _DEVICE_OF:
            return self.place if isinstance(args[0], OnCard) else func(*args)
        if getattr(func, "__name__", "") in ASIDE:
            return func(*args, **kwargs)
        given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        there = self._target(func, args, kwargs, given)
        self._check(func, args, given)
        if there and getattr(kwargs.get("generator"), "device", self.place).type != self.kind:
            raise RuntimeError(f"Expected a '{self.kind}' device type for generator but found 'cpu'")
        made = func(*map(self._host, args), **{name: self._host(value) for name, value in kwargs.items()})
        if not any(isinstance(one, Tensor) for one in tree_leaves(made)):
            return made
        return tree_map(lambda one: self._placed(one, given, there=there), made)

    def _is_device(self, one: Any) -> bool:
        return isinstance(one, torch.device) or (isinstance(one, str) and one.partition(":")[0] in ("cpu", self.kind))

    def _host(self, one: Any) -> Any:
        return torch.device("cpu") if self._is_device(one) and torch.device(one).type == self.kind else one

    def _target(self, func: Any, args: Any, kwargs: Any, given: list[Tensor]) -> bool:
        """Return whether what a call makes lies on the card."""
        told = [torch.device(one).type for one in (*args, *kwargs.values()) if self._is_device(one)]
        if told:
            return told[0] == self.kind
        if func is Tensor.to and len(args) > 1 and isinstance(args[1], Tensor):
            return isinstance(args[1], OnCard)
        return func is not Tensor.cpu and any(isinstance(one, OnCard) for one in given)

    def _check(self, func: Any, args: Any, given: list[Tensor]) -> None:
        if func in FROM_ANYWHERE or not any(isinstance(one, OnCard) for one in given):
            return
        if func in TO_NUMPY:
            raise TypeError(f"can't convert {self.place} device type tensor to numpy. Use Tensor.cpu() first.")
        if func in PICKS:
            if not isinstance(args[0], OnCard) and any(one.ndim for one in given if isinstance(one, OnCard)):
                raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
        elif any(one.ndim and not isinstance(one, OnCard) for one in given):
            raise RuntimeError(f"Expected all tensors to be on the same device, {self.place} and cpu, in {func}")

    def _placed(self, one: Any, given: list[Tensor], *, there: bool) -> Any:
        if not isinstance(one, Tensor) or any(one is own and isinstance(own, OnCard) == there for own in given):
            return one
        if there and self.kind == "mps" and one.dtype in NOT_ON_MPS:
            raise TypeError(f"Cannot convert a MPS Tensor to {one.dtype} dtype: the MPS framework doesn't support it.")
        return one.as_subclass(OnCard if there else Tensor) if there or isinstance(one, OnCard) else one


@contextmanager
def card(kind: str) -> Iterator[Card]:
    """Have a card of this kind, `mps` or `cuda`, inside. Load models before, or in `_pop_mode_temporarily`."""
    own = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with pytest.MonkeyPatch.context() as patch, Card(kind) as mode:
            if kind == "cuda":
                patch.setattr(torch.cuda, "device_count", lambda: 1)
            yield mode
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(own)
