"""Other tools' names of samplers into ours."""

from __future__ import annotations

from ..config.samplers import SAMPLERS
from .imported import Imported

A1111_AUTOMATIC = {"DPM++ 2M": "Karras", "DPM2": "Karras", "DPM2 a": "Karras", "DPM++ 2M SDE": "Exponential"}
"""What "Schedule type: Automatic" means where it is not the plain one. Source: A1111 1.9, sd_samplers_kdiffusion.py."""
A1111_PLAIN = ("Automatic", "Uniform", "Normal")
A1111_SUFFIXES = ("Karras", "Exponential", "Polyexponential", "SGM Uniform")
INVOKEAI = {
    "ddim": "ddim", "ddpm": "ddpm", "pndm": "pndm", "deis": "deis", "lms": "lms", "euler": "euler",
    "euler_k": "euler_karras", "euler_a": "euler_a", "heun": "heun", "kdpm_2": "kdpm2", "kdpm_2_a": "kdpm2_a",
    "dpmpp_2m": "dpmpp_2m", "dpmpp_2m_k": "dpmpp_2m_karras", "dpmpp_2m_sde": "dpmpp_2m_sde",
    "dpmpp_2m_sde_k": "dpmpp_2m_sde_karras", "unipc": "unipc", "lcm": "lcm", "k_lms": "lms", "k_euler": "euler",
    "k_euler_a": "euler_a", "k_heun": "heun", "k_dpm_2": "kdpm2", "k_dpm_2_a": "kdpm2_a", "k_dpmpp_2": "dpmpp_2m",
}  # fmt: skip
"""InvokeAI's names (invokeai/backend/stable_diffusion/schedulers), those of version 2 (k_...) too."""


def from_a1111(imported: Imported, name: str, schedule: str | None) -> None:
    """Take A1111's sampler; before 1.9 the schedule was the end of its name, and none meant the plain one."""
    if schedule is None:
        suffix = next((end for end in A1111_SUFFIXES if name.endswith(f" {end}")), None)
        name, schedule = (name.removesuffix(f" {suffix}"), suffix) if suffix else (name, "Uniform")
    if schedule == "Automatic":
        schedule = A1111_AUTOMATIC.get(name, "Uniform")
    _take(imported, "a1111", name, "Uniform" if schedule in A1111_PLAIN else schedule)


def from_comfyui(imported: Imported, name: str, scheduler: str) -> None:
    """Take ComfyUI's sampler and scheduler."""
    _take(imported, "comfyui", name, scheduler)


def from_invokeai(imported: Imported, name: str) -> None:
    """Take InvokeAI's scheduler."""
    if name in INVOKEAI:
        imported.values["sampler"] = INVOKEAI[name]
    else:
        imported.note(f'The sampler "{name[:60]}" has no equal here; ddim is taken.')


def _take(imported: Imported, tool: str, name: str, schedule: str) -> None:
    """Take the sampler; where its schedule is unknown, the same with its own; where it is unknown, ddim."""
    rows = [row for row in SAMPLERS.values() if not row.flow and _is(getattr(row, tool), name)]
    equal = [row for row in rows if _same_schedule(getattr(row, tool)[1], schedule)]
    if equal or rows:
        imported.values["sampler"] = (equal or rows)[0].name
    if rows and not equal:
        imported.note(f'{rows[0].label} has no schedule "{schedule[:40]}" here; its own is taken.')
    if not rows:
        imported.note(f'The sampler "{name[:60]}" has no equal here; ddim is taken.')


def _is(theirs: tuple[str, str] | None, name: str) -> bool:
    return theirs is not None and theirs[0].lower() == name.lower()


def _same_schedule(ours: str, theirs: str) -> bool:
    return ours.lower() == theirs.lower() or (ours in A1111_PLAIN and theirs == "Uniform")
