"""Other tools' names of samplers and schedules into ours, and ours into theirs."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np

from denoisecli.config.samplers import COMFYUI_SCHEDULERS, SAMPLERS, Sampler
from denoisecli.process.comfyui_sigmas import Training, levels
from denoisecli.process.sampler_sigmas import Way, way

from .imported import Imported

A1111_SCHEDULES = {"Uniform": "linspace", "Normal": "linspace", "DDIM": "leading", "Simple": "trailing",
                   "SGM Uniform": "trailing"}  # fmt: skip
"""A1111's "Schedule type" by diffusers' spacing of the timesteps. Source: its modules/sd_schedulers.py: uniform and
normal go from the first to the last timestep, ddim takes every 1000//n-th from 1 on, the others leave out the end."""
A1111_AUTOMATIC = {"DPM++ 2M": "Karras", "DPM2": "Karras", "DPM2 a": "Karras", "DPM++ 2M SDE": "Exponential"}
"""What "Automatic" means where it is not "Uniform". Source: A1111 1.9, modules/sd_samplers_kdiffusion.py."""
A1111_SUFFIXES = ("Karras", "Exponential", "Polyexponential", "SGM Uniform")
A1111_SPELT = {"normal": "Normal", "karras": "Karras", "simple": "Simple", "sgm_uniform": "SGM Uniform",
               "ddim_uniform": "DDIM", "exponential": "Exponential", "beta": "Beta"}  # fmt: skip
"""How ComfyUI's names stand in A1111's text, where other tools write it."""
COMFYUI_SUFFIXES = ("karras", "exponential", "sgm_uniform", "simple", "normal", "ddim_uniform", "beta")
COMFYUI_SCHEDULES = {"normal": "linspace", "ddim_uniform": "leading", "simple": "trailing", "sgm_uniform": "trailing"}
"""ComfyUI's "scheduler" by spacing. Source: its comfy/samplers.py."""
NEAR = 0.015
"""Relative: how far levels may be from a spacing's that stands for their schedule. sgm_uniform is 0.5 to 1.3 % from
trailing, which moves the latents by a thousandth of their spread."""
_UNIPC = "UniPC is solved with order 3 in ComfyUI and 2 here: the latents differ by up to a hundredth of their spread."
SOLVERS = {
    "unipc": _UNIPC,
    "unipc_bh1": _UNIPC,
    "deis": "DEIS is solved otherwise in ComfyUI: the latents differ by about two hundredths of their spread.",
    "kdpm2": "DPM2 asks the model between two timesteps, which ComfyUI rounds: the latents differ by about two "
    "thousandths of their spread.",
    "lms": "LMS is solved a little otherwise in ComfyUI: the latents differ by up to 0.003 of their spread.",
}
"""Samplers whose steps differ where the levels are the same, and by how much: docs/parity.md."""
ON_SCHEDULES = dict.fromkeys(("unipc", "unipc_bh1", "kdpm2"), "")
"""What of it is left where `schedule: comfy-…` lets a sampler run as ComfyUI does."""


def solver_gap(name: str, schedule: str | None) -> str:
    """Return in one sentence how a sampler's steps differ from ComfyUI's on the same levels; "" where they do not."""
    told = SOLVERS.get(name, "")
    return ON_SCHEDULES.get(name, told) if schedule else told


_MULTISTEP = ("DPMSolverMultistepScheduler", "DEISMultistepScheduler", "UniPCMultistepScheduler")
_SECOND = ("KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler")
APART = {
    *((spacing, name) for spacing in ("linspace", "leading") for name in _MULTISTEP),
    *((spacing, name) for spacing in ("linspace", "leading", "trailing") for name in _SECOND),
    ("trailing", "UniPCMultistepScheduler"),
    ("linspace", "DDIMScheduler"),
}
"""Spacings that give a sampler other levels here than the scheduler of that name in ComfyUI: diffusers' multistep
solvers leave the last timestep out, ComfyUI's KSampler asks for a step more for dpm_2 and uni_pc, and diffusers' DDIM
does not step to where it goes on. The levels of ComfyUI itself are taken then (`schedule`)."""
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
        known = {_bare(row.a1111[0]) for row in SAMPLERS.values() if row.a1111}
        if _bare(name) not in known and _others(imported, name, None):
            return
    if schedule == "Automatic":
        schedule = A1111_AUTOMATIC.get(name, "Uniform")
    theirs = [row for row in SAMPLERS.values() if row.a1111 and _same(row.a1111[0], name)]
    if not theirs and _others(imported, name, schedule):
        return
    if not any(_same(schedule, each) for each in A1111_SCHEDULES):
        schedule = A1111_SPELT.get(schedule.lower().replace(" ", "_"), schedule)
    _take(imported, [(row, row.a1111) for row in SAMPLERS.values()], name, schedule, A1111_SCHEDULES)


def _others(imported: Imported, name: str, schedule: str | None) -> bool:
    """Take a sampler that is written as ComfyUI, InvokeAI or we call it; return whether one of us does so."""
    plain = name.strip().lower().replace(" ", "_")
    comfy = {row.comfyui[0] for row in SAMPLERS.values() if row.comfyui and not row.flow}
    for suffix in ("", *COMFYUI_SUFFIXES):
        if suffix and not plain.endswith(f"_{suffix}"):
            continue
        base = plain.removesuffix(f"_{suffix}").removesuffix("_gpu") if suffix else plain.removesuffix("_gpu")
        if base in comfy:
            wanted = suffix or (schedule or "normal").lower().replace(" ", "_")
            from_comfyui(imported, base, {"uniform": "normal", "ddim": "ddim_uniform"}.get(wanted, wanted))
            return True
    ours = plain if plain in SAMPLERS and not SAMPLERS[plain].flow else INVOKEAI.get(plain)
    if ours:
        imported.values["sampler"] = ours
    return bool(ours)


def from_comfyui(imported: Imported, name: str, scheduler: str, *, flow: bool = False) -> None:
    """Take ComfyUI's sampler and scheduler. flow: the model is sampled along a flow."""
    name = name.removesuffix("_gpu")  # where its noise is drawn
    if flow:
        _take_flow(imported, name, scheduler)
        return
    _take(imported, [(row, row.comfyui) for row in SAMPLERS.values()], name, scheduler, COMFYUI_SCHEDULES, APART)
    tell_solver(imported)


def tell_solver(imported: Imported) -> None:
    """Say where the sampler's steps are other ones than ComfyUI's, whatever the levels."""
    told = solver_gap(str(imported.values.get("sampler")), imported.values.get("schedule"))
    if told:
        imported.note(told)


def _take_flow(imported: Imported, name: str, scheduler: str) -> None:
    """Take the sampler of a flow model that ComfyUI calls so; Euler for every other."""
    rows = [row for row in SAMPLERS.values() if row.flow and row.comfyui and row.comfyui[0] == name]
    if not rows and name != "ddim":  # which is Euler there
        imported.note(f'The sampler "{name[:60]}" has no equal for flow models here; flow_euler is taken.')
    imported.values["sampler"] = rows[0].name if rows else "flow_euler"
    if scheduler and scheduler != "simple":
        imported.note(f'The levels were of the schedule "{scheduler[:40]}" there; here they are the model\'s own.')


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
    elsewhere: Container[tuple[str, str]] = (),
) -> None:
    """Take the sampler and its spacing, or the tool's own levels; where the schedule is unknown, the plain one.

    elsewhere: (spacing, class) whose levels are not those of the schedule that the spacing stands for.
    """
    rows = [(row, theirs[1]) for row, theirs in table if not row.flow and theirs and _same(theirs[0], name)]
    if not rows:
        imported.note(f'The sampler "{name[:60]}" has no equal here; ddim is taken.')
        return
    exact = [row for row, own in rows if own and _same(own, schedule)]
    spacing = next((ours for theirs, ours in schedules.items() if _same(theirs, schedule)), None)
    plain, own = rows[0]
    imported.values["sampler"] = (exact or [plain])[0].name
    if exact or own:  # LCM and the like have one schedule, whatever else is written
        return
    steps = imported.values.get("steps")
    named = _comfyui_name(schedule) if elsewhere else None
    near = _near(plain, spacing, named, steps) if spacing else False
    if spacing and (spacing, plain.class_name) not in elsewhere and (near or steps == 1 or _kept(plain)):
        imported.values["spacing"] = spacing
        if not near:
            imported.note(f"The levels differ a little at {steps} steps; ComfyUI's own are `schedule: comfy-{named}`.")
    elif _comfyui_name(schedule) and elsewhere:
        imported.values["schedule"] = f"comfy-{_comfyui_name(schedule)}"
    elif spacing:
        imported.values["spacing"] = spacing
    elif schedule:
        imported.note(f'{plain.label} has no schedule "{schedule[:40]}" here; its own is taken.')


def _kept(sampler: Sampler) -> bool:
    """Tell whether a spacing is kept where its levels are a little off: the picture differs by more than that."""
    return sampler.stochastic or sampler.name == "ddim"


def _near(sampler: Sampler, spacing: str, scheduler: str | None, steps: Any) -> bool:
    """Tell whether a spacing's levels are those of ComfyUI's scheduler at so many steps; the last one may differ."""
    if scheduler is None or not isinstance(steps, int) or not 1 <= steps <= 1000 or sampler.comfyui is None:
        return True
    ours = sampler_way(sampler, spacing, steps).sigmas
    theirs = levels(scheduler, Training.scaled_linear(), steps, sampler.comfyui[0])
    return len(ours) == len(theirs) and bool(np.allclose(ours[:-1], theirs[:-1], rtol=NEAR))


def sampler_way(sampler: Sampler, spacing: str, steps: int) -> Way:
    """Return the levels that a sampler of ours goes through by a spacing."""
    karras = bool(sampler.options.get("use_karras_sigmas"))
    to_zero = sampler.options.get("final_sigmas_type") != "sigma_min"
    return way(sampler.class_name, spacing, steps, karras=karras, to_zero=to_zero)


def _comfyui_name(schedule: str) -> str | None:
    plain = schedule.lower().replace(" ", "_")
    return plain if plain in COMFYUI_SCHEDULERS else None


def _bare(name: str) -> str:
    return name.lower()


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()
