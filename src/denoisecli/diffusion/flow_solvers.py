"""Solvers of the flow under a model's own noise levels.

diffusers' flow solvers (DPM++ 2M, UniPC, DEIS, Heun) spread their levels in ways of their own, and most pipelines hand
σs or a shift (`mu`) to `set_timesteps`, which only the Euler scheduler takes. Here the model's own scheduler sets the
levels, with whatever it is handed, and another one takes the steps: the schedule stays the model's, the solver alone
changes, as for the other samplers.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

NEAREST = 1e-6
"""How near to σ = 1, where there is no signal, solvers in log-SNR may begin; and DEIS, in ε, may end at σ = 0."""


def solver_on(own: Any, class_name: str, options: Mapping[str, Any]) -> Any:
    """Return a scheduler of the class that steps on the levels of the model's `own` scheduler."""
    kind = _on_own_levels(class_name, inspect.signature(type(own).set_timesteps))
    made = kind(num_train_timesteps=own.config.num_train_timesteps, **options)
    made.own_levels = own
    return made


def _on_own_levels(class_name: str, told: inspect.Signature) -> type[Any]:
    """Return a class whose set_timesteps has the signature `told`: pipelines read it to decide what they hand over."""
    import diffusers

    base: Any = getattr(diffusers, class_name)

    def set_timesteps(self: Any, *args: Any, **kwargs: Any) -> None:
        own = self.own_levels
        own.set_timesteps(*args, **kwargs)
        steps = len(own.timesteps)
        base.set_timesteps(self, steps, device=own.timesteps.device)
        sigmas, timesteps = own.sigmas.to("cpu", torch.float32), own.timesteps.float()
        if self.order == 2:
            sigmas = torch.cat([sigmas[:1], sigmas[1:-1].repeat_interleave(2), sigmas[-1:]])
            timesteps = torch.cat([timesteps[:1], timesteps[1:].repeat_interleave(2)])
        elif not class_name.startswith("FlowMatch"):
            sigmas = sigmas.clamp(NEAREST if class_name.startswith("DEIS") else 0, 1 - NEAREST)
        self.sigmas, self.timesteps = sigmas, timesteps

    def signal_and_noise(_self: Any, sigma: Any) -> tuple[Any, Any]:
        return 1 - sigma, sigma

    set_timesteps.__signature__ = told  # type: ignore[attr-defined]
    methods = {"set_timesteps": set_timesteps, "own_levels": None, "__doc__": base.__doc__}
    if hasattr(base, "_sigma_to_alpha_sigma_t"):  # not by `use_flow_sigmas`: pipelines that read it give no σs
        methods["_sigma_to_alpha_sigma_t"] = signal_and_noise
    return type(class_name, (base,), methods)
