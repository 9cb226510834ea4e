"""The families of models that are known by name: one row of facts for each, read from diffusers' own pipelines.

What can be read off a loaded pipeline is not in here (channels, sizes, what its scheduler predicts). A pipeline that is
in no row is recorded by the general rules, and the trace says so. docs/models.md is made from this list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Guidance = Literal["formula", "own", "embedded", "none"]
"""formula   u + s·(c − u), nothing after it: the recorder may mix it, each sample with a scale of its own
own       another formula, or a norm after it (Z-Image, Krea 2, Qwen-Image, Lumina 2): the pipeline mixes
embedded  the denoiser is told the scale; one evaluation
none      one evaluation, no scale"""

Latents = Literal["plain", "packed", "patched", "channels last"]


@dataclass(frozen=True)
class Family:
    """Facts of one family.

    name: short, in traces; title: for people; pipelines: diffusers' classes of it that make pictures from text.
    guidance: see above; scale_argument: what the call names the scale. needs_negative: without a negative prompt the
    pipeline runs no second evaluation. drawn: the axes in which starting noise is drawn; given: those in which the call
    takes `latents`. patch: side of the patches that latents are cut into, for the sizes that fit. patch_first: in a
    patch's channels, the place in the patch comes before the channel. labs: whether the labs paint with it.
    scale, steps, sampler, side: what the pipeline's own call defaults to (side in pixels), where a config names none.
    """

    name: str
    title: str
    pipelines: tuple[str, ...]
    guidance: Guidance = "formula"
    scale_argument: str = "guidance_scale"
    needs_negative: bool = False
    drawn: Latents = "plain"
    given: Latents = "plain"
    patch: int = 1
    patch_first: bool = False
    factor_has_patch: bool = False
    """The pipeline's `vae_scale_factor` counts the patch in."""
    float32_latents: bool = False
    unguided: float = 1.0
    """The scale at which the pipeline does without guidance."""
    scale: float = 7.5
    steps: int = 50
    sampler: str = "flow_euler"
    side: int = 1024
    fps: int = 0
    """Frames a second of the clips that it paints; 0 for pictures alone."""
    labs: bool = True
    note: str = ""
    extra: dict[str, object] = field(default_factory=dict, hash=False)
    """Arguments of the call that the labs always give."""
    embeds: tuple[str, ...] = ()
    """What its `encode_prompt` returns, by the names that the call has for it; "" where the call takes none."""


_MASKED = ("prompt_embeds", "prompt_attention_mask", "negative_prompt_embeds", "negative_prompt_attention_mask")
_TOLD_MASK = ("prompt_embeds", "prompt_embeds_mask")
_BOTH = ("prompt_embeds", "negative_prompt_embeds")
_CLIPS = "paints clips: `sample` with `video`; the other labs paint one frame"
_ONE_FRAME: dict[str, object] = {"num_frames": 1}  # where nobody asks for a clip
_UNBINNED: dict[str, object] = {"use_resolution_binning": False}  # or the size would be another one

FAMILIES: tuple[Family, ...] = (
    Family("sd1", "Stable Diffusion 1", ("StableDiffusionPipeline",), sampler="ddim", side=512),
    Family("sd2", "Stable Diffusion 2", (), sampler="ddim", side=768),
    Family("sdxl", "Stable Diffusion XL", ("StableDiffusionXLPipeline",), scale=5.0, sampler="ddim"),
    Family(
        "lcm", "Latent consistency models", ("LatentConsistencyModelPipeline",), "embedded", scale=8.5, steps=4,
        sampler="lcm", side=512,
    ),
    Family("sd3", "Stable Diffusion 3, 3.5", ("StableDiffusion3Pipeline",), patch=2, scale=7.0, steps=28),
    Family(
        "z-image", "Z-Image, Z-Image Turbo", ("ZImagePipeline",), "own", patch=2, float32_latents=True, unguided=0.0,
        scale=5.0,
        note="mixes c + s·(c − u): its scale is one less than that of the usual formula, and 0 is no guidance",
        embeds=_BOTH,
    ),
    Family(
        "flux", "FLUX.1 dev, schnell", ("FluxPipeline",), "embedded", given="packed", patch=2, scale=3.5, steps=28,
        note="schnell hears no scale",
        embeds=("prompt_embeds", "pooled_prompt_embeds", ""),
    ),
    Family(
        "chroma", "Chroma", ("ChromaPipeline",), given="packed", patch=2, scale=5.0, steps=35,
        embeds=(
            "prompt_embeds", "", "prompt_attention_mask",
            "negative_prompt_embeds", "", "negative_prompt_attention_mask",
        ),
    ),
    Family(
        "flux2", "FLUX.2 dev", ("Flux2Pipeline",), "embedded", drawn="patched", given="patched", patch=2, scale=4.0,
        embeds=("prompt_embeds", ""),
    ),
    Family(
        "flux2-klein", "FLUX.2 klein", ("Flux2KleinPipeline",), drawn="patched", given="patched", patch=2, scale=4.0,
        note="the distilled ones run without guidance",
        embeds=("prompt_embeds", ""),
    ),
    Family(
        "qwen-image", "Qwen-Image", ("QwenImagePipeline",), "own", "true_cfg_scale", needs_negative=True,
        given="packed", patch=2, scale=4.0,
        note="brings the mixture back to the length of the prediction with the prompt, token by token",
        embeds=_TOLD_MASK,
    ),
    Family(
        "krea2", "Krea 2", ("Krea2Pipeline",), "own", given="packed", patch=2, unguided=0.0, scale=4.5,
        steps=28,
        note="mixes c + s·(c − u), as Z-Image",
        embeds=_TOLD_MASK,
    ),
    Family(
        "ideogram4", "Ideogram 4", ("Ideogram4Pipeline",), "own", patch=2, patch_first=True, scale=7.0, steps=48,
        side=2048, labs=False, note="a second denoiser runs without the prompt",
    ),
    Family(
        "ernie-image", "ERNIE-Image", ("ErnieImagePipeline",), drawn="patched", given="patched", patch=2,
        factor_has_patch=True, scale=4.0,
        embeds=("prompt_embeds",),
    ),
    Family(
        "lumina2", "Lumina 2", ("Lumina2Pipeline",), "own", patch=2, scale=4.0, steps=30,
        note="brings the mixture back to the length of the prediction with the prompt, row by row",
        embeds=_MASKED,
    ),
    Family(
        "sana", "SANA", ("SanaPipeline",), scale=4.5, steps=20, sampler="flow_dpmpp_2m", extra=_UNBINNED,
        embeds=_MASKED,
    ),
    Family(
        "sana-sprint", "SANA-Sprint", ("SanaSprintPipeline",), "embedded", scale=4.5, steps=2, sampler="scm",
        extra=_UNBINNED,
        embeds=_MASKED[:2],
    ),
    Family(
        "pixart", "PixArt-α, PixArt-Σ", ("PixArtAlphaPipeline", "PixArtSigmaPipeline"), patch=2, scale=4.5, steps=20,
        sampler="dpmpp_2m", extra=_UNBINNED | {"clean_caption": False},
        embeds=_MASKED,
    ),
    Family(
        "hidream", "HiDream-I1", ("HiDreamImagePipeline",), patch=2, scale=5.0,
        note="paints about 1024² pixels, whatever size is asked for",
        embeds=(
            "prompt_embeds_t5", "negative_prompt_embeds_t5", "prompt_embeds_llama3", "negative_prompt_embeds_llama3",
            "pooled_prompt_embeds", "negative_pooled_prompt_embeds",
        ),
    ),
    Family("auraflow", "AuraFlow", ("AuraFlowPipeline",), patch=2, scale=3.5, embeds=_MASKED),
    Family("cogview4", "CogView 4", ("CogView4Pipeline",), patch=2, scale=5.0, embeds=_BOTH),
    Family(
        "kandinsky5", "Kandinsky 5", ("Kandinsky5T2IPipeline",), drawn="channels last", given="channels last",
        patch=2, scale=3.5, note="paints in seven sizes alone",
        embeds=("prompt_embeds_qwen", "prompt_embeds_clip", "prompt_cu_seqlens"),
    ),
    Family(
        "hunyuan-image", "HunyuanImage 2.1", ("HunyuanImagePipeline",), "own", "guider", scale=3.5, side=2048,
        note="a guider object mixes (adaptive projected guidance); the distilled one is told the scale",
        embeds=("prompt_embeds", "prompt_embeds_mask", "prompt_embeds_2", "prompt_embeds_mask_2"),
    ),
    Family(
        "wan", "Wan 2.1, 2.2", ("WanPipeline",), patch=2, scale=5.0, sampler="flow_unipc", side=480, fps=16,
        note=_CLIPS, extra=_ONE_FRAME, embeds=_BOTH,
    ),
    Family(
        "ltx", "LTX-Video", ("LTXPipeline",), given="packed", scale=3.0, side=512, fps=25, note=_CLIPS,
        extra=_ONE_FRAME, embeds=_MASKED,
    ),
    Family(
        "hunyuan-video", "HunyuanVideo", ("HunyuanVideoPipeline",), "embedded", patch=2, scale=6.0, side=720, fps=24,
        note=_CLIPS, extra=_ONE_FRAME, embeds=("prompt_embeds", "pooled_prompt_embeds", "prompt_attention_mask"),
    ),
    Family(
        "cogvideox", "CogVideoX", ("CogVideoXPipeline",), patch=2, scale=6.0, sampler="ddim", side=480, fps=8,
        labs=False, note="clips; levels of its own, which no sampler here has",
    ),
    Family(
        "mochi", "Mochi 1", ("MochiPipeline",), patch=2, scale=4.5, steps=64, side=480, fps=30, labs=False,
        note="clips; counts its levels from noise to picture",
    ),
)  # fmt: skip
REFINERS = {"StableDiffusionXLImg2ImgPipeline": "sdxl"}
"""Pipelines that take latents up on the way and cannot begin with noise, and the family whose they are."""

BY_CLASS = {name: family for family in FAMILIES for name in family.pipelines}
BY_CLASS |= {name: family for family in FAMILIES for name, own in REFINERS.items() if own == family.name}


def family_named(class_name: str) -> Family | None:
    """Return the family of a diffusers pipeline class; None where it is in no row."""
    return BY_CLASS.get(class_name)


_GUIDES = {
    "formula": "u + s·(c − u)",
    "own": "the pipeline's own",
    "embedded": "told to the denoiser",
    "none": "none",
}


def table() -> str:
    """Return the table of docs/models.md, one row a family; a test holds the page to it."""
    columns = ("family", "in traces", "pipelines", "guidance", "the call's defaults", "labs", "to know")
    head = f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}"
    rows = [
        f"| {family.title} | `{family.name}` | {', '.join(f'`{name}`' for name in family.pipelines) or 'as SD 1'} | "
        f"{_GUIDES[family.guidance]} | {family.scale:g}, {family.steps} steps, `{family.sampler}` | "
        f"{'yes' if family.labs else 'record() alone'} | {family.note} |"
        for family in FAMILIES
    ]
    return "\n".join([head, *rows])
