"""ComfyUI's nodes, as far as we write and read them: their widgets in order, their inputs and outputs by type.

Source: ComfyUI's nodes.py and comfy_extras (INPUT_TYPES, RETURN_TYPES); sizes as its page draws them.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    # read, never written
    "KSamplerAdvanced": Kind(
        ("add_noise", "noise_seed", "steps", "cfg", "sampler_name", "scheduler", "start_at_step", "end_at_step",
         "return_with_leftover_noise"),
    ),
    "SamplerCustom": Kind(("add_noise", "noise_seed", "cfg")),
    "BasicScheduler": Kind(("scheduler", "steps", "denoise")),
    "CheckpointLoader": Kind(("config_name", "ckpt_name")),
    "UNETLoader": Kind(("unet_name", "weight_dtype")),
    "LoraLoaderModelOnly": Kind(("lora_name", "strength_model")),
    "KarrasScheduler": Kind(("steps", "sigma_max", "sigma_min", "rho")),
    "ExponentialScheduler": Kind(("steps", "sigma_max", "sigma_min")),
    "BetaSamplingScheduler": Kind(("steps", "alpha", "beta")),
    "SplitSigmas": Kind(("step",)),
    "FluxGuidance": Kind(("guidance",)),
    "ModelSamplingFlux": Kind(("max_shift", "base_shift", "width", "height")),
    "ModelSamplingSD3": Kind(("shift",)),
    "ModelSamplingAuraFlow": Kind(("shift",)),
    "CLIPLoader": Kind(("clip_name", "type", "device")),
    "DualCLIPLoader": Kind(("clip_name1", "clip_name2", "type", "device")),
    "TripleCLIPLoader": Kind(("clip_name1", "clip_name2", "clip_name3")),
    "VAELoader": Kind(("vae_name",)),
    "StringConcatenate": Kind(("string_a", "string_b", "delimiter")),
    "StringReplace": Kind(("string", "find", "replace")),
    "PrimitiveNode": Kind(("value",)),
    "PrimitiveInt": Kind(("value",)),
    "PrimitiveFloat": Kind(("value",)),
    "PrimitiveString": Kind(("value",)),
    "PrimitiveStringMultiline": Kind(("value",)),
}  # fmt: skip
SEEDS = {"seed", "noise_seed"}
