"""What a recipe says that another tool cannot be told, or takes otherwise: a sentence for each."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .files import base_name
from .recipe import Recipe
from .samplers import to_a1111, to_comfyui

TIMESTEPS = 1000  # that models of this kind were trained with
MOST_SEED = 2**50  # ComfyUI's page keeps seeds below it
WORDS = re.compile(r"\b(BREAK|AND)\b")
DYNAMIC = re.compile(r"[{}]|//|/\*")


def a1111_losses(recipe: Recipe) -> list[str]:
    """Return what A1111 will not do as the run did."""
    return [*_model(recipe, "models/Stable-diffusion"), *_loras(recipe, "models/Lora"), *_a1111(recipe), *recipe.notes]


def comfyui_losses(recipe: Recipe) -> list[str]:
    """Return what ComfyUI will not do as the run did."""
    return [*_model(recipe, "models/checkpoints"), *_loras(recipe, "models/loras"), *_comfyui(recipe), *recipe.notes]


def _model(recipe: Recipe, folder: str) -> Iterator[str]:
    if recipe.model == "pocket":
        yield "No other tool loads the pocket model: choose a checkpoint of yours, and expect another picture."
    elif recipe.model.endswith(".safetensors"):
        yield f"The model is {base_name(recipe.model)}; put it into {folder}."
    else:
        yield f"The model is {_shown(recipe.model)}; choose its checkpoint file, in {folder}."


def _shown(model: str) -> str:
    """Return a hub id as it is, of a folder the name alone."""
    return model if re.fullmatch(r"[\w.-]+/[\w.-]+", model) else base_name(model)


def _loras(recipe: Recipe, folder: str) -> Iterator[str]:
    names = dict.fromkeys(base_name(lora.file) for shot in recipe.shots for lora in shot.loras)
    if names:
        yield f"LoRAs are named by their files; put them into {folder}: {', '.join(names)}."


def _a1111(recipe: Recipe) -> Iterator[str]:
    sampler, steps = recipe.sampler, recipe.steps
    theirs = to_a1111(sampler, recipe.spacing)
    if theirs is None:
        yield f"A1111 has no {sampler.label}; choose another sampler there."
    elif sampler.name == "ddim":
        yield "A1111's DDIM evaluates the model once less than it says, so its last step differs."
        if recipe.spacing != "leading":
            yield f"A1111's DDIM spaces its timesteps in one way only (leading), not {recipe.spacing}."
    elif theirs[1] == "DDIM" and (count := _uniform_steps(steps)) != steps:
        yield f'A1111\'s schedule "DDIM" makes {count} steps of {steps}, since {steps} does not divide {TIMESTEPS}.'
    if "SDE" in sampler.label:
        yield f"{sampler.label} draws fresh noise in each step, and A1111 draws it otherwise: the picture differs."
    if recipe.guidance_rescale:
        yield "guidance_rescale needs an extension (CFG Rescale) there; without it the contrast is higher."
    if any(shot.cfg < 1 for shot in recipe.shots):
        yield "A1111 takes no CFG scale below 1."
    if any(WORDS.search(text) for text in (*(shot.prompt for shot in recipe.shots), recipe.negative_prompt)):
        yield "BREAK and AND are commands in A1111's prompts and words here."


def _comfyui(recipe: Recipe) -> Iterator[str]:
    sampler, steps = recipe.sampler, recipe.steps
    theirs = to_comfyui(sampler, recipe.spacing)
    if theirs is None:
        yield f"ComfyUI has no {sampler.label}; euler stands in for it, so the picture differs."
    elif theirs[1] == "ddim_uniform" and (count := _uniform_steps(steps)) != steps:
        yield f"ComfyUI's ddim_uniform makes {count} steps of {steps}, since {steps} does not divide {TIMESTEPS}."
    if sampler.stochastic:
        yield f"{sampler.label} draws fresh noise in each step, and ComfyUI draws it otherwise: the picture differs."
    if recipe.eta:
        yield f"eta {recipe.eta:g} (fresh noise in DDIM's steps) has no place in KSampler."
    if recipe.guidance_rescale:
        yield "RescaleCFG rescales the v of a model, not its noise: nearly the same as guidance_rescale, not equal."
    if any(shot.seed >= MOST_SEED for shot in recipe.shots):
        yield "ComfyUI's page rounds seeds of 2^50 and more; its server takes them as they are."
    if any(DYNAMIC.search(text) for text in (*(shot.prompt for shot in recipe.shots), recipe.negative_prompt)):
        yield "Curly brackets and // in prompts mean choices and comments to ComfyUI's page."


def _uniform_steps(steps: int) -> int:
    """Return how many steps there are when every (1000 // steps)-th timestep is taken, from 1 on."""
    return len(range(1, TIMESTEPS, max(TIMESTEPS // steps, 1)))
