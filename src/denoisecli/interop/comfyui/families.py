"""Which family of models a ComfyUI graph is made for: told by its loaders, its latents and its files' names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .graph import Graph


@dataclass(frozen=True)
class Family:
    """A family: how it is called, "" where it is none that we know.

    flow: whether it is sampled along a flow; hears: whether its guidance is an input.
    clips: the `type` of ComfyUI's text encoder loaders; files: a pattern of model files' names; nodes: classes that
    only it needs.
    """

    name: str
    clips: tuple[str, ...] = ()
    files: str = r"(?!)"
    nodes: tuple[str, ...] = ()
    flow: bool = True
    hears: bool = False
    shift: float | None = None
    """How far the levels of its own scheduler are shifted, where that is a number."""

    @property
    def told(self) -> str:
        """What the import says of it."""
        if not self.name:
            return "It was made by a flow model, but the graph does not say of which family."
        return f"It was made by a model of the family {self.name}; choose one of it."


FAMILIES = (
    Family("Flux", ("flux", "flux2"), r"flux|kontext|chroma.?flux", ("ModelSamplingFlux", "FluxGuidance",
           "CLIPTextEncodeFlux", "EmptyFlux2LatentImage", "Flux2Scheduler"), hears=True),
    Family("Chroma", ("chroma",), r"chroma"),
    Family("Stable Diffusion 3", ("sd3",), r"sd_?3(\.5|5)?_?(medium|large|turbo)|sd3|stable.?diffusion.?3",
           ("TripleCLIPLoader", "CLIPTextEncodeSD3"), shift=3.0),
    Family("Qwen-Image", ("qwen_image",), r"qwen", ("TextEncodeQwenImageEdit", "TextEncodeQwenImageEditPlus")),
    Family("Z-Image", ("lumina2_z", "z_image"), r"z[_-]?image", shift=3.0),
    Family("Lumina 2", ("lumina2",), r"lumina", ("CLIPTextEncodeLumina2",)),
    Family("Wan", ("wan",), r"(?<![a-z])wan[\d_.]", ("WanImageToVideo", "WanVaceToVideo", "WanFirstLastFrameToVideo",
           "Wan22ImageToVideoLatent")),
    Family("HunyuanVideo", ("hunyuan_video", "hunyuan_video_15"), r"hunyuan.?video", ("EmptyHunyuanLatentVideo",),
           hears=True, shift=7.0),
    Family("Hunyuan Image", ("hunyuan_image",), r"hunyuan.?image"),
    Family("HiDream", ("hidream",), r"hidream", ("QuadrupleCLIPLoader", "CLIPTextEncodeHiDream")),
    Family("LTX Video", ("ltxv",), r"ltx", ("EmptyLTXVLatentVideo", "LTXVConditioning")),
    Family("AuraFlow", (), r"aura.?flow", shift=1.73),
    Family("OmniGen 2", ("omnigen2",), r"omnigen"),
    Family("Cosmos", ("cosmos",), r"cosmos", flow=False),
    Family("Stable Cascade", ("stable_cascade",), r"cascade", ("StableCascade_EmptyLatentImage",), flow=False),
    Family("Stable Audio", ("stable_audio",), r"stable.?audio", ("EmptyLatentAudio",), flow=False),
    Family("PixArt", ("pixart",), r"pixart", ("CLIPTextEncodePixArtAlpha",), flow=False),
)  # fmt: skip
"""Source: ComfyUI's nodes.py (CLIPLoader, DualCLIPLoader) and comfy/supported_models.py."""
NOISE_FILES = r"v[12]-|sd_?v?(1|2|xl)|sdxl|stable.?diffusion.?(v?[12]|xl)|pony|illustrious"
"""Names of models that predict noise: a latent node of another family does not make them flow models."""
FLOW_NODES = {"EmptySD3LatentImage", "ModelSamplingSD3", "ModelSamplingAuraFlow"}
"""Latents of 16 channels, and shifts: only families along a flow have such."""
NOISE_CLIPS = {"stable_diffusion", "sdxl"}
SPLIT = ("unet_name", "diffusion_model")  # a denoiser alone, as families since Flux come


def family_of(graph: Graph, names: set[str], model: str) -> Family | None:
    """Return the family of a graph's part, the nodes `names` above a sampler; None for Stable Diffusion 1, 2 and XL."""
    clips = {str(value) for name in names for value in _types(graph.inputs(name))}
    kinds = {graph.kind(name) for name in names}
    lowered = model.lower()
    by_file = next((one for one in FAMILIES if re.search(one.files, lowered)), None)
    by_clip = next((one for one in FAMILIES if clips & set(one.clips)), None)
    by_node = next((one for one in FAMILIES if kinds & set(one.nodes)), None)
    if by_file or by_clip:
        return by_file or by_clip
    if re.search(NOISE_FILES, lowered):
        return by_node
    other = sorted(name for name in clips - NOISE_CLIPS if re.fullmatch(r"[\w.-]{1,40}", name))
    if other:  # what its text encoder's loader calls it; all that came since Flux are flows
        return Family(other[0])
    return by_node or (Family("") if kinds & FLOW_NODES else None)


def unsure(graph: Graph, names: set[str], model: str) -> bool:
    """Tell whether a denoiser comes alone, and nothing says of which family it is."""
    alone = any(key in graph.inputs(name) for name in names for key in SPLIT)
    return alone and not re.search(NOISE_FILES, model.lower())


def _types(inputs: dict[str, Any]) -> list[Any]:
    """Return the `type` of a text encoder's loader."""
    loads = any(key.startswith("clip_name") for key in inputs)
    return [inputs["type"]] if loads and isinstance(inputs.get("type"), str) else []
