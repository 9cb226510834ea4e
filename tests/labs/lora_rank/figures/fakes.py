"""A LoRA's file and pictures that were never made."""

import numpy as np

from denoisecli.labs.lora_rank.figures.blocks import RankedFile
from denoisecli.labs.lora_rank.figures.pictures import Painted


def subject_file(blocks=7, rules=("rank-1", "rank-4", "energy-0.9", "ratio-10", "rank-16")):
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(blocks))
    spectra = np.sort(rng.random((blocks, 16)), axis=1)[:, ::-1]
    energy = np.linspace(0.4, 1, len(rules))
    rows = tuple(
        {"rule": rule, "energy": kept, "error": np.sqrt(1 - kept), "bytes": 20_000 * 4**k, "distance_to_full": 1 - kept,
         "scale": k / 2}
        for k, (rule, kept) in enumerate(zip(rules, energy, strict=True))
    )  # fmt: skip
    curve = np.linspace(0.4, 1, 16)
    return RankedFile("a style of mine", "264 layers · Stable Diffusion 1.x", 16, 6_000_000,
                      tuple(f"down {k}" for k in range(blocks)), spectra, shares, energy[:, None] * shares, curve,
                      np.tile(curve, (blocks, 1)), rows)  # fmt: skip


def painted(seeds=3):
    rng = np.random.default_rng(0)
    labels = ["off", "whole", *(row["rule"] for row in subject_file().rows)]
    pictures = {label: rng.integers(0, 255, (seeds, 32, 32, 3), np.uint8) for label in labels}
    return Painted(
        "a lighthouse on a cliff", "style · DDIM · 20 steps", tuple("abcdef"[:seeds]), pictures, 16, 6_000_000
    )
