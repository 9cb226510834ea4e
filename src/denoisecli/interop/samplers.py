"""Other tools' names of samplers and schedules into ours, and ours into theirs."""

from __future__ import annotations

from ..config.samplers import SAMPLERS, Sampler
from .imported import Imported

A1111_SCHEDULES = {"Uniform": "linspace", "Normal": "linspace", "DDIM": "leading", "Simple": "trailing",
                   "SGM Uniform": "trailing"}  # fmt: skip
"""A1111's "Schedule type" by diffusers' spacing of the timesteps. Source: its modules/sd_schedulers.py: uniform and
normal go from the first to the last timestep, ddim takes every 1000//n-th from 1 on, the others leave out the end."""
A1111_AUTOMATIC = {"DPM++ 2M": "Karras", "DPM2": "Karras", "DPM2 a": "Karras", "DPM++ 2M SDE": "Exponential"}
"""What "Automatic" means where it is not "Uniform". Source: A1111 1.9, modules/sd_samplers_kdiffusion.py."""
A1111_SUFFIXES = ("Karras", "Exponential", "Polyexponential", "SGM Uniform")
COMFYUI_SCHEDULES = {"normal": "linspace", "ddim_uniform": "leading", "simple": "trailing", "sgm_uniform": "trailing"}
"""ComfyUI's "scheduler" by spacing. Source: its comfy/samplers.py."""
INVOKEAI = {
    "ddim": "ddim", "ddpm": "ddpm", "pndm": "pndm", "deis": "deis", "lms": "lms", "euler": "euler",
    "euler_k": "euler_karras", "euler_a": "euler_a", "heun": "heun", "kdpm_2": "kdpm2", "kdpm_2_a": "kdpm2_a",
    "dpmpp_2m": "dpmpp_2m", "dpmpp_2m_k": "dpmpp_2m_karras", "dpmpp_2m_sde": "dpmpp_2m_sde",
    "dpmpp_2m_sde_k": "dpmpp_2m_sde_karras", "unipc": "unipc", "lcm": "lcm", "k_lms": "lms", "k_euler": "euler",
    "k_euler_a": "euler_a", "k_heun": "heun", "k_dpm_2": "kdpm2", "k_dpm_2_a": "kdpm2_a", "k_dpmpp_2": "dpmpp_2m",
}  # fmt: skip
"""InvokeAI's names (invokeai/backend/stable_diffusion/schedulers), those of version 2 (k_...) too. It is built on
diffusers, so the spacing is the model's own."""


def to_a1111(sampler: Sampler, spacing: str) -> tuple[str, str] | None:
    """Return A1111's (Sampler, Schedule type) for one of ours; None where it has none."""
    return _to(sampler.a1111, A1111_SCHEDULES, spacing)


def to_comfyui(sampler: Sampler, spacing: str) -> tuple[str, str] | None:
    """Return ComfyUI's (sampler_name, scheduler) for one of ours; None where it has none."""
    return _to(sampler.comfyui, COMFYUI_SCHEDULES, spacing)


def _to(theirs: tuple[str, str | None] | None, schedules: dict[str, str], spacing: str) -> tuple[str, str] | None:
    if theirs is None:
        return None
    return theirs[0], theirs[1] or next(name for name, ours in schedules.items() if ours == spacing)


def from_a1111(imported: Imported, name: str, schedule: str | None) -> None:
    """Take A1111's sampler; before 1.9 the schedule was the end of its name, and none meant the plain one."""
    if schedule is None:
        suffix = next((end for end in A1111_SUFFIXES if name.endswith(f" {end}")), None)
        name, schedule = (name.removesuffix(f" {suffix}"), suffix) if suffix else (name, "Uniform")
    if schedule == "Automatic":
        schedule = A1111_AUTOMATIC.get(name, "Uniform")
    _take(imported, [(row, row.a1111) for row in SAMPLERS.values()], name, schedule, A1111_SCHEDULES)


def from_comfyui(imported: Imported, name: str, scheduler: str) -> None:
    """Take ComfyUI's sampler and scheduler."""
    _take(imported, [(row, row.comfyui) for row in SAMPLERS.values()], name, scheduler, COMFYUI_SCHEDULES)


def from_invokeai(imported: Imported, name: str) -> None:
    """Take InvokeAI's scheduler."""
    if name in INVOKEAI:
        imported.values["sampler"] = INVOKEAI[name]
    else:
        imported.note(f'The sampler "{name[:60]}" has no equal here; ddim is taken.')


def _take(
    imported: Imported,
    table: list[tuple[Sampler, tuple[str, str | None] | None]],
    name: str,
    schedule: str,
    schedules: dict[str, str],
) -> None:
    """Take the sampler and its spacing; where the schedule is unknown, the plain one; no unknown sampler."""
    rows = [(row, theirs[1]) for row, theirs in table if not row.flow and theirs and _same(theirs[0], name)]
    if not rows:
        imported.note(f'The sampler "{name[:60]}" has no equal here; ddim is taken.')
        return
    exact = [row for row, own in rows if own and _same(own, schedule)]
    spacing = next((ours for theirs, ours in schedules.items() if _same(theirs, schedule)), None)
    plain, own = rows[0]
    imported.values["sampler"] = (exact or [plain])[0].name
    if exact or own:  # DDIM and the like have one schedule, whatever else is written
        return
    if spacing:
        imported.values["spacing"] = spacing
    else:
        imported.note(f'{plain.label} has no schedule "{schedule[:40]}" here; its own is taken.')


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()
