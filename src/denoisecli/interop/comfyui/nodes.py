"""ComfyUI's nodes: their widgets in order; of those that we write, also their inputs and outputs by type.

Source: ComfyUI's nodes.py and comfy_extras (INPUT_TYPES, RETURN_TYPES); sizes as its page draws them.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

Node = dict[str, Any]
"""A node of the API form: class_type, inputs (values, or [node, slot] links)."""
AFTER_SEED = ("fixed", "increment", "decrement", "randomize")
"""What the page keeps behind a seed: what becomes of it after a run. It is a widget of the page, not of the node;
older pages keep true or false."""


@dataclass(frozen=True)
class Kind:
    """A class of nodes. widgets: names in the order of `widgets_values`; links: (name, type) of the inputs."""

    widgets: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    outputs: tuple[str, ...] = ()
    size: tuple[int, int] = (315, 106)


MODEL, CLIP, COND, LATENT = ("model", "MODEL"), ("clip", "CLIP"), "CONDITIONING", "LATENT"
_SAMPLING = (MODEL, ("positive", COND), ("negative", COND), ("latent_image", LATENT))

KINDS: dict[str, Kind] = {
    "CheckpointLoaderSimple": Kind(("ckpt_name",), (), ("MODEL", "CLIP", "VAE"), (315, 98)),
    "LoraLoader": Kind(("lora_name", "strength_model", "strength_clip"), (MODEL, CLIP), ("MODEL", "CLIP"), (315, 126)),
    "RescaleCFG": Kind(("multiplier",), (MODEL,), ("MODEL",), (315, 58)),
    "CLIPTextEncode": Kind(("text",), (CLIP,), (COND,), (425, 180)),
    "EmptyLatentImage": Kind(("width", "height", "batch_size"), (), (LATENT,)),
    "EmptySD3LatentImage": Kind(("width", "height", "batch_size"), (), (LATENT,)),
    "KSampler": Kind(
        ("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"), _SAMPLING, (LATENT,), (315, 262)
    ),
    "KSamplerAdvanced": Kind(
        ("add_noise", "noise_seed", "steps", "cfg", "sampler_name", "scheduler", "start_at_step", "end_at_step",
         "return_with_leftover_noise"), _SAMPLING, (LATENT,), (315, 334),
    ),
    "LoadImage": Kind(("image",), (), ("IMAGE", "MASK"), (315, 314)),
    "LoadImageMask": Kind(("image", "channel"), (), ("MASK",), (315, 318)),
    "ImageScale": Kind(("upscale_method", "width", "height", "crop"), (("image", "IMAGE"),), ("IMAGE",), (315, 130)),
    "VAEEncode": Kind((), (("pixels", "IMAGE"), ("vae", "VAE")), (LATENT,), (210, 46)),
    "SetLatentNoiseMask": Kind((), (("samples", LATENT), ("mask", "MASK")), (LATENT,), (210, 46)),
    "LatentUpscaleBy": Kind(("upscale_method", "scale_by"), (("samples", LATENT),), (LATENT,), (315, 82)),
    "ConditioningSetTimestepRange": Kind(("start", "end"), (("conditioning", COND),), (COND,), (315, 82)),
    "ConditioningCombine": Kind((), (("conditioning_1", COND), ("conditioning_2", COND)), (COND,), (315, 46)),
    "VAEDecode": Kind((), (("samples", LATENT), ("vae", "VAE")), ("IMAGE",), (210, 46)),
    "SaveImage": Kind(("filename_prefix",), (("images", "IMAGE"),), (), (315, 270)),
    "AddNoise": Kind((), (MODEL, ("noise", "NOISE"), ("sigmas", "SIGMAS"), ("latent_image", LATENT)), (LATENT,)),
    "RandomNoise": Kind(("noise_seed",), (), ("NOISE",), (315, 82)),
    "DisableNoise": Kind((), (), ("NOISE",), (210, 26)),
    "ManualSigmas": Kind(("sigmas",), (), ("SIGMAS",), (425, 58)),
    "KSamplerSelect": Kind(("sampler_name",), (), ("SAMPLER",), (315, 58)),
    "CFGGuider": Kind(("cfg",), (MODEL, ("positive", COND), ("negative", COND)), ("GUIDER",), (315, 98)),
    "SamplerCustomAdvanced": Kind(
        (), (("noise", "NOISE"), ("guider", "GUIDER"), ("sampler", "SAMPLER"), ("sigmas", "SIGMAS"),
             ("latent_image", LATENT)), (LATENT, LATENT), (315, 126),
    ),
    "LatentMultiply": Kind(("multiplier",), (("samples", LATENT),), (LATENT,), (315, 58)),
    "CLIPSetLastLayer": Kind(("stop_at_clip_layer",), (CLIP,), ("CLIP",), (315, 58)),
}  # fmt: skip
"""The nodes that we write."""
SEEDS = {"seed", "noise_seed"}
OTHERS = {"PrimitiveNode": ("value",), "ComfySwitchNode": ("switch",), "ResolutionSelector": ("aspect_ratio",
          "megapixels", "multiple"), "ComfyMathExpression": ("expression",)}  # fmt: skip
"""Nodes whose widgets ComfyUI 0.8.0 does not tell: of its page, of inputs that come and go, of a later version."""


def widgets(kind: str) -> tuple[str, ...]:
    """Return the names of the widgets of a class of nodes, in the order of `widgets_values`; none where unknown."""
    if kind in KINDS:
        return KINDS[kind].widgets
    return OTHERS.get(kind) or tuple(_core().get(kind, ()))


@functools.lru_cache(maxsize=1)
def _core() -> dict[str, list[str]]:
    """Return the widgets of all nodes of ComfyUI 0.8.0 that have some. Source: its classes' INPUT_TYPES."""
    text = resources.files(__package__).joinpath("widgets.json").read_text(encoding="utf-8")
    found: dict[str, list[str]] = json.loads(text)
    return found
