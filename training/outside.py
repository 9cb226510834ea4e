"""Latents outside of what pictures have, and the latents of the pictures that they stand for.

    python -m training.outside --pipeline src/denoisecli/pocket --out build/pocket/outside

Guidance and few steps lead to latents that no picture has, and a decoder that never saw one draws them as hatching.
Here runs of 3 to 8 steps at guidance 5 to 12 give such latents, and each is brought back to the data: clipped softly,
noised to t = 450, and denoised in eight steps at guidance 2.5 (SDEdit, Meng et al. 2022, arXiv 2108.01073), which
keeps its layout. `NNN.pt` has `given` and `meant`, (n, 4, 32, 32), for each run three times:

- its finished latents; meant are those brought back
- its first guess, at twice to six times the range of a picture; meant is the guess scaled into range
- the latents brought back, which mean themselves, so that what is drawn well stays

`stays`, (n / 3, 4, 32, 32), are finished latents of 20 steps at guidance 5 to 12, to be drawn as they were.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from training.captions import KEY, random_attributes
from training.denoiser import Noiser
from training.grid import NAMES, build_solver
from training.runs import save_whole
from training.sampling import Sampler, starting_noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

STEPS, SCALES = (3, 4, 5, 6, 8), (5.0, 7.5, 10.0, 12.0)
BACK_TO, BACK_STEPS, BACK_CFG = 450, 8, 2.5
EDGE = 3.0  # AutoencoderTiny's decoder clips latents to ±3 by the same tanh
MANY, MANY_SCALES = 20, (5.0, 7.5, 12.0)  # guidance 12 shall look like guidance 12
NEAR_KEY = 0.15  # share of runs of the default prompt, which is drawn most


def guided(sampler: Sampler, x_t: Tensor, t: int, context: Tensor, cfg: float) -> Tensor:
    """eps (n, 4, 32, 32) at level t; context: n rows without words, then n with them."""
    eps_uncond, eps_cond = sampler.unet(torch.cat([x_t, x_t]), t, context).sample.chunk(2)
    return eps_uncond + cfg * (eps_cond - eps_uncond)


@torch.no_grad()
def brought_back(sampler: Sampler, captions: Sequence[str], latents: Tensor, seed: int) -> Tensor:
    """Latents (n, 4, 32, 32) of the nearest pictures, so to speak: noised half-way and denoised in small steps."""
    noiser = Noiser(latents.device)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed)).to(latents.device)
    levels = np.linspace(BACK_TO, 1, BACK_STEPS).round().astype(int).tolist()
    x_t = noiser.add(EDGE * torch.tanh(latents / EDGE), noise, torch.full((len(latents),), levels[0]))
    context = torch.cat([sampler.embed([""]).expand(len(latents), -1, -1), sampler.embed(captions)])
    for t, lower in zip(levels, [*levels[1:], 0], strict=True):
        eps = guided(sampler, x_t, t, context, BACK_CFG)
        alpha_bar, next_bar = noiser.alpha_bar[t], noiser.alpha_bar[lower]
        x0 = (x_t - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()
        x_t = next_bar.sqrt() * x0 + (1 - next_bar).sqrt() * eps
    return x_t


@torch.no_grad()
def first_guess(sampler: Sampler, captions: Sequence[str], noise: Tensor, t: int, cfg: float) -> Tensor:
    """x0 (n, 4, 32, 32) as guessed from noise alone at level t."""
    context = torch.cat([sampler.embed([""]).expand(len(noise), -1, -1), sampler.embed(captions)])
    alpha_bar = Noiser(noise.device).alpha_bar[t]
    return (noise - (1 - alpha_bar).sqrt() * guided(sampler, noise, t, context, cfg)) / alpha_bar.sqrt()


def in_range(guess: Tensor, picture: Tensor) -> Tensor:
    """A guess scaled so that its 99 % quantile of |latent| is the picture's, as denoisecli draws guesses."""
    own, found = (one.abs().flatten(1).quantile(0.99, 1) for one in (picture, guess))
    return guess * (own / found).clamp(max=1)[:, None, None, None]


def gather(sampler: Sampler, index: int, count: int) -> dict[str, Tensor]:
    """One file: `count` runs of one sampler, number of steps and guidance."""
    rng = np.random.default_rng((97, index))
    captions = [(KEY if rng.random() < NEAR_KEY else random_attributes(rng)).caption for _ in range(count)]
    noise = starting_noise(range(2_000_000 + index * count, 2_000_000 + (index + 1) * count))
    stays = sampler.finals(captions[::3], noise[::3], float(MANY_SCALES[index % 3]), MANY, build_solver("ddim"))
    cfg, steps, name = (rng.choice(values) for values in (SCALES, STEPS, NAMES))
    finals = sampler.finals(captions, noise, float(cfg), int(steps), build_solver(str(name)))
    back = brought_back(sampler, captions, finals, seed=index)
    guess = first_guess(sampler, captions, noise.to(back.device), int(rng.choice([999, 951, 901, 851])), float(cfg))
    given, meant = torch.cat([finals, guess, back]), torch.cat([back, in_range(guess, back), back])
    return {"given": given.half().cpu(), "meant": meant.half().cpu(), "stays": stays.half().cpu()}


def main(argv: Sequence[str] | None = None) -> None:
    """Make the files that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", type=Path, default=Path("build/pocket/model"))
    parser.add_argument("--out", type=Path, default=Path("build/pocket/outside"))
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--per-file", type=int, default=12, help="runs in each")
    options = parser.parse_args(argv)
    sampler = Sampler.from_folder(options.pipeline)
    for index in range(options.files):
        path = options.out / f"{index:03d}.pt"
        if not path.exists():
            save_whole(gather(sampler, index, options.per_file), path)
            print(json.dumps({"file": index}), flush=True)


if __name__ == "__main__":
    main()
