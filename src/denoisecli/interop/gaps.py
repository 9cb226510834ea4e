"""What a recipe says that another tool cannot be told, or takes otherwise: a sentence for each."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .a1111.write import said
from .comfyui.levels import Told, proven, start_gap, told, way_of
from .comfyui.stages import way
from .files import base_name
from .imported import APART
from .recipe import Recipe
from .samplers import solver_gap, to_a1111

TIMESTEPS = 1000  # that models of this kind were trained with
MOST_SEED = 2**50  # ComfyUI's page keeps seeds below it
FORGETFUL = {"ddim", "ddpm", "euler", "euler_karras", "heun", "kdpm2", "flow_euler", "flow_heun"}
"""Samplers whose step knows nothing of those before it."""
MOST_SURELY = 150  # characters that surely have room in 77 tokens
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
    yield from _a1111_words(recipe)
    if recipe.start:
        yield f"Open {base_name(recipe.start.image)} in its img2img tab; a seed's noise is the first draw there."
        if recipe.start.mask:
            yield "Its mask is not in the text; paint it there."
    yield from _a1111_phases(recipe)


def _a1111_phases(recipe: Recipe) -> Iterator[str]:
    """Say which of the phases' settings A1111's prompt editing cannot."""
    own = {"prompt": recipe.shots[0].prompt, "negative_prompt": recipe.negative_prompt}
    lost = [key.replace("_", " ") for key, text in own.items() if not said(recipe, key, text)[1]]
    if lost:
        yield f"The {' and '.join(lost)} changes on the way, but has marks (: | [ ]) that A1111 would read as editing."
    changed = {key for phase in recipe.phases for key in phase.changed} - own.keys()
    if changed:
        yield f"Phases change {', '.join(sorted(changed))}, which A1111's text cannot say; it has the run's own."


def _a1111_words(recipe: Recipe) -> Iterator[str]:
    texts = (*(shot.prompt for shot in recipe.shots), recipe.negative_prompt)
    if recipe.prompt_syntax != "a1111" and any(WORDS.search(text) for text in texts):
        yield "BREAK and AND are commands in A1111's prompts and words here."
    if recipe.prompt_syntax == "a1111" and any(APART.search(shot.prompt) for shot in recipe.shots):
        yield "A1111 guides the parts around AND each by itself; here they were read as with BREAK."
    if recipe.prompt_syntax == "comfy":
        yield "The prompt's weights are ComfyUI's, which A1111 applies otherwise; they are plain text there."
    if recipe.schedule:
        yield f"The levels are ComfyUI's ({recipe.schedule}); A1111's of that name may differ."


def _comfyui(recipe: Recipe) -> Iterator[str]:
    sampler = recipe.sampler
    how = told(recipe)
    yield from _comfyui_levels(recipe, how)
    if sampler.stochastic:
        yield (
            f"{sampler.label} draws fresh noise in each step, and ComfyUI draws it otherwise: the picture differs, its "
            "latents by 0.1 to 0.4 of their spread."
        )
    if recipe.eta:
        yield f"eta {recipe.eta:g} (fresh noise in DDIM's steps) has no place in KSampler."
    yield from _comfyui_stages(recipe)
    if recipe.guidance_rescale:
        yield "RescaleCFG rescales the v of a model, guidance_rescale its noise: the picture differs."
    if any(shot.seed >= MOST_SEED for shot in recipe.shots):
        yield "ComfyUI's page rounds seeds of 2^50 and more; its server takes them as they are."
    texts = [*(shot.prompt for shot in recipe.shots), recipe.negative_prompt]
    if any(DYNAMIC.search(text) for text in texts):
        yield "Curly brackets and // in prompts mean choices and comments to ComfyUI's page."
    if recipe.prompt_syntax == "plain" and any(len(text) > MOST_SURELY for text in texts):
        yield "ComfyUI hears prompts beyond 77 tokens, which are cut here where prompt_syntax is plain."
    if recipe.prompt_syntax == "a1111":
        yield "The prompt's weights are A1111's, which ComfyUI reads and applies otherwise; they are plain text there."


def _comfyui_stages(recipe: Recipe) -> Iterator[str]:
    """Say what of the phases and of the picture that it starts from is otherwise there."""
    how, changed = way(recipe), {key for phase in recipe.phases for key in phase.changed}
    if how == "lost" and recipe.phases:
        yield "Its phases are not in the graph, which has the run's own settings in all steps."
    if how == "lost" and recipe.start:
        yield f"It started from {base_name(recipe.start.image)}, which is not in the graph: that starts from noise."
    if how != "row":
        return
    if recipe.start:
        names = " and ".join(base_name(name) for name in (recipe.start.image, recipe.start.mask) if name)
        yield f"Put {names} into ComfyUI's input folder; a seed's noise is its first draw there."
        if recipe.start.mask:
            yield "ComfyUI keeps what the mask keeps in each guess, and softens the mask's edge: the edge differs."
    if recipe.phases and recipe.sampler.name not in FORGETFUL:
        yield "At each phase its solver begins anew there; here it remembers, if it stays."
    if "scale" in changed:
        yield "The enlarged picture's noise is the seed's first draw there, and its next one here."
    if "model" in changed:
        others = dict.fromkeys(base_name(phase.model) for phase in recipe.phases if phase.model)
        yield f"Phases take another model; choose its file in their loaders: {', '.join(others)}."


def _comfyui_levels(recipe: Recipe, how: Told) -> Iterator[str]:
    """Say how the levels, the start and the solver differ."""
    sampler = recipe.sampler
    if sampler.comfyui is None:
        yield (
            f"ComfyUI has no {sampler.label}; euler stands in for it, so the picture differs, its latents by 0.1 to "
            "0.5 of their spread."
        )
    elif not proven(sampler):
        if how.scheduler == "ddim_uniform" and (count := _uniform_steps(recipe.steps)) != recipe.steps:
            yield f"ComfyUI's ddim_uniform makes {count} steps of {recipe.steps}."
    elif recipe.schedule is None:
        if not way_of(recipe).straight:
            yield (
                f"diffusers' {sampler.label} does not step to where it goes on with this spacing ({recipe.spacing}), "
                "ComfyUI's does: the picture differs, its latents by a quarter of their spread."
            )
        elif (gap := start_gap(recipe, how)) > 1e-5:
            yield f"ComfyUI starts from noise {gap:.1%} stronger or weaker: pictures differ by a level or two of 255."
        if how.scheduler is not None and way_of(recipe).sigmas[-1] > 0:
            yield (
                f"{sampler.label} ends at the level {way_of(recipe).sigmas[-1]:.3f} here and at 0 in ComfyUI: the "
                "latents differ by 0.004 to 0.008 of their spread."
            )
        if how.sigmas:
            yield "None of ComfyUI's schedules has these levels, so they are written out (ManualSigmas)."
    if told := solver_gap(sampler.name, recipe.schedule):
        yield told


def _uniform_steps(steps: int) -> int:
    """Return how many steps there are when every (1000 // steps)-th timestep is taken, from 1 on."""
    return len(range(1, TIMESTEPS, max(TIMESTEPS // steps, 1)))
