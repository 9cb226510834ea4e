"""The page docs/comfyui-nodes.md: what becomes of each of ComfyUI's nodes, from the tables that the reader uses."""

from __future__ import annotations

from collections.abc import Iterator

from .conditions import ROLES
from .families import FAMILIES
from .latents import PASSED
from .model import SHIFTS
from .read import ENDS, GUIDERS, SAMPLER_NODES
from .sigmas import NODES as SCHEDULES
from .values import SWITCHES, VALUES

HEAD = """# What `import` makes of ComfyUI's nodes

This page is made from the reader's own tables. A node that is not here is followed by the input of the same name, or by
its only link, and named where it may have changed something; a prompt or number that a node computes in a way not known
is said to be so, never guessed.
"""


def rows() -> Iterator[tuple[str, str]]:
    """Yield (class of nodes, what becomes of it)."""
    yield (
        "KSampler, KSamplerAdvanced, SamplerCustom, SamplerCustomAdvanced",
        ("seed, steps, cfg, sampler and levels; a part of the steps, denoise below 1, noise not added are told"),
    )
    yield (
        "KSamplerAdvanced behind another, from the step where it ended",
        "`phases`, where settings change, or the model, where its file is in this folder",
    )
    yield "LatentUpscaleBy between two of them, the second of which adds noise", "a phase's `scale`"
    yield (
        "LoadImage, ImageScale and VAEEncode before a sampler",
        "`start`, where the picture is in this folder; else told",
    )
    yield (
        "SetLatentNoiseMask or VAEEncodeForInpaint with LoadImageMask or ImageToMask",
        "`start.mask`, where both pictures are in this folder; told how a mask acts there",
    )
    yield "CFGGuider, BasicGuider", "its cfg; BasicGuider means cfg 1"
    for kind, told in GUIDERS.items():
        yield kind, f"told: {told}"
    for kind, role in ROLES.items():
        yield kind, role.becomes
    for kind in VALUES:
        yield kind, "the input that it takes" if kind in SWITCHES else "what it makes is computed"
    for kind in SWITCHES.keys() - VALUES.keys():
        yield kind, "the input that it takes"
    for kind, name in SCHEDULES.items():
        yield kind, f"the schedule {name}; settings of its own are told"
    yield "ManualSigmas", "the sampler and spacing whose levels these are; other levels are told"
    for kind, name in SAMPLER_NODES.items():
        yield kind, f"the sampler {name}"
    yield "CheckpointLoaderSimple, UNETLoader and other loaders", "the model by its file's name"
    yield "LoraLoader, LoraLoaderModelOnly, stacks of LoRAs", "`loras`, with both strengths"
    yield "CLIPSetLastLayer", "`clip_skip`"
    yield "RescaleCFG", "`guidance_rescale`; told that it rescales another thing"
    for kind, usual in SHIFTS.items():
        yield kind, f"told where its shift is not the usual {usual:g}"
    for kind in PASSED:
        yield kind, "passed through, and told where it changes the noise"
    yield "Empty…LatentImage", "`size`; a batch or a video's length is told"
    yield (
        "Reroute, SetNode, GetNode, Anything Everywhere, subgraphs, bypassed and muted nodes",
        "as ComfyUI's page has them",
    )
    yield ", ".join(sorted(ENDS)), "the end of the way; another VAE than the checkpoint's is told"
    for family in FAMILIES:
        names = ", ".join(f"`{name}`" for name in family.clips) or "its files' names"
        yield (
            f"loaders of {family.name} ({names})",
            "told: the family of the model" + ("; its guidance is the cfg" if family.hears else ""),
        )


def page() -> str:
    """Return the page as Markdown."""
    lines = [HEAD, "| node | what becomes of it |", "| --- | --- |"]
    lines += [f"| {kind.replace('|', chr(92) + '|')} | {becomes} |" for kind, becomes in rows()]
    return "\n".join(lines) + "\n"
