"""Measure what the model guesses at each noise level: how far from the truth, and what guidance makes of it.

    python -m training.guesses --pipeline src/denoisecli/pocket --latents build/pocket/latents

Prints one JSON line a level, from held-out scenes. `cond`, `uncond`: mean squared error of the guessed latents x0, with
the words and without. `gap`: root mean square of cond − uncond. `factor`: the number that the gap would have to be
multiplied by to come nearest to the truth; 1 is a gap that is right. `guided`: standard deviation of the guess at
guidance 7.5, a channel, about 1 for a picture. A last line starts from noise alone, as sampling does.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from training.denoiser import Noiser
from training.latents import load_latents
from training.runs import device
from training.sampling import BATCH, Sampler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

LEVELS = (999, 950, 900, 800, 700, 500, 300, 100, 1)
SCALE = 7.5


def best_factor(truth: Tensor, uncond: Tensor, cond: Tensor) -> float:
    """The a of least squares in truth ≈ uncond + a · (cond − uncond)."""
    gap = cond - uncond
    return float(((truth - uncond) * gap).sum() / gap.square().sum())


@torch.no_grad()
def guesses(sampler: Sampler, captions: Sequence[str], x_t: Tensor, t: int) -> tuple[Tensor, Tensor]:
    """x0 (n, 4, 32, 32) as guessed without the words and with them, from x_t at level t."""
    alpha_bar = Noiser(x_t.device).alpha_bar[t]
    empty, found = sampler.embed([""]), []
    for start in range(0, len(x_t), BATCH):
        part, words = x_t[start : start + BATCH], sampler.embed(captions[start : start + BATCH])
        eps = sampler.unet(torch.cat([part, part]), t, torch.cat([empty.expand_as(words), words])).sample
        found.append(((torch.cat([part, part]) - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()).chunk(2))
    uncond, cond = (torch.cat(parts) for parts in zip(*found, strict=True))
    return uncond, cond


def told(uncond: Tensor, cond: Tensor, truth: Tensor | None) -> dict[str, object]:
    """The numbers of one level; those that need the truth only where there is one."""
    gap = cond - uncond
    guided = (uncond + SCALE * gap).transpose(0, 1).flatten(1).std(1)
    row: dict[str, object] = {"gap": float(gap.square().mean().sqrt()), "guided": [round(float(v), 2) for v in guided]}
    if truth is not None:
        errors = {name: float((x - truth).square().mean()) for name, x in (("cond", cond), ("uncond", uncond))}
        row = {**errors, "factor": best_factor(truth, uncond, cond), **row}
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", type=Path, default=Path("src/denoisecli/pocket"))
    parser.add_argument("--latents", type=Path, default=Path("build/pocket/latents"))
    parser.add_argument("--count", type=int, default=64, help="held-out scenes")
    parser.add_argument("--levels", type=int, nargs="+", default=list(LEVELS))
    options = parser.parse_args(argv)
    sampler, data = Sampler.from_folder(options.pipeline), load_latents(options.latents)
    rows = np.flatnonzero(data.held_out)[: options.count]
    truth = torch.from_numpy(data.latents[rows]).float().to(device())
    captions = [data.words[row].caption for row in rows]
    eps = torch.randn(truth.shape, generator=torch.Generator().manual_seed(3)).to(truth.device)
    noiser = Noiser(truth.device)
    for t in options.levels:
        x_t = noiser.add(truth, eps, torch.full((len(truth),), t, device=truth.device))
        print(json.dumps({"t": t, **told(*guesses(sampler, captions, x_t, t), truth)}), flush=True)
    print(json.dumps({"t": 951, "noise alone": True, **told(*guesses(sampler, captions, eps, 951), None)}))


if __name__ == "__main__":
    main()
