"""What became of every pipeline of diffusers that makes pictures or clips from text and is in no row of the families.

docs/models.md has the same rows.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from denoisecli.diffusion.denoiser import NAMES, OTHER_NAMES

VERSION = "0.42"
"""Of diffusers, whose pipelines are all named here."""

RECORDED: dict[str, tuple[tuple[int, ...], float | None, str]] = {
    "ltx2": ((4, 3, 16, 32), 4.0, "LTX2Pipeline"),
    "kandinsky6": ((4, 2, 16, 32), 4.0, "Kandinsky6TI2VAPipeline"),
    "cosmos2": ((4, 16, 32), 5.0, "Cosmos2TextToImagePipeline"),
    "cosmos3": ((4, 3, 16, 32), 4.0, "Cosmos3OmniPipeline"),
    "skyreels": ((4, 3, 16, 32), 4.0, "SkyReelsV2Pipeline"),
    "kandinsky5_video": ((4, 2, 8, 16), 4.0, "Kandinsky5T2VPipeline"),
    "hunyuan_video15": ((4, 3, 8, 16), 4.0, "HunyuanVideo15Pipeline"),
    "animatediff": ((4, 3, 16, 32), 4.0, "AnimateDiffPipeline"),
    "allegro": ((4, 2, 16, 32), 4.0, "AllegroPipeline"),
    "latte": ((4, 3, 8, 8), 4.0, "LattePipeline"),
    "sana_video": ((4, 3, 16, 32), 4.0, "SanaVideoPipeline"),
    "motif_video": ((4, 3, 16, 32), 4.0, "MotifVideoPipeline"),
    "easyanimate": ((4, 5, 16, 32), 4.0, "EasyAnimatePipeline"),
    "anyflow": ((4, 3, 16, 32), 4.0, "AnyFlowPipeline"),
    "bria": ((4, 16, 32), 4.0, "BriaPipeline"),
    "cogview3": ((4, 16, 32), 4.0, "CogView3PlusPipeline"),
    "hunyuan_dit": ((4, 4, 8), 4.0, "HunyuanDiTPipeline"),
    "ovis": ((4, 16, 32), 4.0, "OvisImagePipeline"),
    "glm_image": ((4, 16, 32), 4.0, "GlmImagePipeline"),
    "kandinsky22": ((4, 16, 32), 4.0, "KandinskyV22Pipeline"),
    "kandinsky3": ((4, 8, 8), 5.0, "Kandinsky3Pipeline"),
    "deepfloyd": ((3, 32, 64), 4.0, "IFPipeline"),
    "lumina": ((4, 4, 8), None, "LuminaPipeline"),
    "nucleus": ((4, 16, 32), None, "NucleusMoEImagePipeline"),
}
"""Recorded bit for bit with tiny random weights: the axes of a state, the scale measured at 4 (None where the pipeline
mixes otherwise, with the residual told), the class."""

REFUSED = {
    "cosmos_video": ("CosmosTextToWorldPipeline", "latents of several shapes in one run"),
    "skyreels_forcing": ("SkyReelsV2DiffusionForcingPipeline", "never steps its own scheduler but copies of it"),
}
"""Refused, with a sentence that has these words."""

_PARTS = "a part that cannot be made from a config alone"
NOT_TRIED: dict[str, tuple[str, ...]] = {
    f"{_PARTS}: a processor of words and pictures, or a tokenizer of its own": (
        "BriaFibo2Pipeline", "BriaFiboPipeline", "DreamLiteMobilePipeline", "DreamLitePipeline", "KolorsPipeline",
        "LongCatImagePipeline", "OmniGenPipeline", "QwenImage21Pipeline", "ZImageOmniPipeline",
    ),
    "several passes in one call, or chunks one after another": (
        "AnyFlowFARPipeline", "HeliosPipeline", "HeliosPyramidPipeline", "LTX2DFRPipeline",
        "LTX2DFRTemporalRefinePipeline", "LTXI2VLongMultiPromptPipeline",
    ),
    "the loop of one that was tried": (
        "Flux2KleinKVPipeline",
        "AnimateDiffSDXLPipeline", "Cosmos2_5_PredictBasePipeline", "PRXPipeline", "PRXPixelPipeline",
    ),
    "a prior and a decoder, pipelines of their own, and both in one": (
        "KandinskyCombinedPipeline", "KandinskyPipeline", "KandinskyPriorPipeline", "KandinskyV22CombinedPipeline",
        "KandinskyV22PriorPipeline", "LDMTextToImagePipeline", "StableCascadeCombinedPipeline",
        "StableCascadeDecoderPipeline", "StableCascadePriorPipeline", "StableUnCLIPPipeline",
    ),
    "no picture: sound, or a solid": (
        "AceStepPipeline", "AudioLDM2Pipeline", "LongCatAudioDiTPipeline", "ShapEPipeline", "StableAudioPipeline",
        "StableAudio3Pipeline",
    ),
}  # fmt: skip
"""Not tried here, and why; many of them would be recorded by the general rules."""

VARIANTS = re.compile(
    "Control|Img|Inpaint|ImageTo|Image2|VideoTo|Video2|Edit|Adapter|Pix2Pix|Upsc|Upsa|SuperRes|Fill|Kontext|I2I|I2V"
    "Pipe|Transfer|PAG|Onnx|ToAudio|VACE|WanAnimate|Framepack|Condition|InContext|HDR|SRP|Variation|Marigold|VideoDiff|ConsisID|Refiner|Emb2Emb|Layered|SanaWM"
)
"""In names of pipelines that start from a picture, follow one, or perturb attention beside the loop of another."""


def from_text() -> set[str]:
    """Return diffusers' own pipelines that take a prompt, have a denoiser, and whose scheduler steps.

    Left out are those that diffusers has given up, and VARIANTS.
    """
    import diffusers

    found = set()
    for name in dir(diffusers):
        kind = getattr(diffusers, name, None) if name.endswith("Pipeline") and not VARIANTS.search(name) else None
        if isinstance(kind, type) and issubclass(kind, diffusers.DiffusionPipeline) and _steps_from_text(kind):
            found.add(name)
    return found


def _steps_from_text(kind: Any) -> bool:
    source = inspect.getsource(kind)
    parts, call = (inspect.signature(method).parameters for method in (kind.__init__, kind.__call__))
    steps = "scheduler.step(" in source or "].step(" in source
    return (
        steps
        and bool({*NAMES, *OTHER_NAMES} & parts.keys())
        and "prompt" in call
        and ".deprecated." not in kind.__module__
    )


def rows() -> str:
    """Return the lines of docs/models.md about all this."""
    tried = ", ".join(f"`{name}`" for *_, name in sorted(RECORDED.values(), key=lambda row: row[2].lower()))
    lines = [f"Recorded bit for bit by the general rules: {tried}.", "", "| not tried | pipelines |", "| --- | --- |"]
    lines += [f"| {why} | {', '.join(f'`{name}`' for name in names)} |" for why, names in NOT_TRIED.items()]
    return "\n".join(lines)
