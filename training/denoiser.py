"""Train the denoiser and its text encoder together on cached latents.

    python -m training.denoiser --latents build/pocket/latents --out build/pocket/denoiser --samples 200000
    torchrun --nproc-per-node 2 -m training.denoiser ...          # two workers, half the batch each
    python -m training.denoiser ... --init WEIGHTS.safetensors    # start from earlier weights (unet.*, text.*)

x_t = sqrt(alpha_bar_t) · x0 + sqrt(1 − alpha_bar_t) · eps; loss: min(SNR, 5) / SNR · |eps_theta(x_t, t, c) − eps|²
(Hang et al. 2023, arXiv 2303.09556), with one caption in ten left empty for guidance (Ho & Salimans 2022).
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.latents import LatentSet, load_latents
from training.models import SIZES, build_denoiser, build_scheduler, build_text_encoder, tokenize
from training.runs import Lap, add_lap_options, device, half_precision, join_workers, workers
from training.tokenizer import build_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import CLIPTokenizer

SNR_CAP = 5.0
X0_CAP = 60.0  # of (1 − alpha_bar) / alpha_bar, which is 0.4 at t = 200 and 14 at 700


class Noiser:
    """The forward process and the loss weights of one noise schedule."""

    def __init__(self, place: torch.device) -> None:
        self.alpha_bar = build_scheduler().alphas_cumprod.to(place)
        snr = self.alpha_bar / (1 - self.alpha_bar)
        self.weight = snr.clamp(max=SNR_CAP) / snr
        self.in_x0 = ((1 - self.alpha_bar) / self.alpha_bar).clamp(max=X0_CAP)  # what an error in eps weighs in x0

    def add(self, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """x_t of latents x0 (n, 4, h, w) at levels t (n,)."""
        alpha_bar = self.alpha_bar[t][:, None, None, None]
        x_t = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps
        return x_t.contiguous(memory_format=torch.channels_last)

    def loss(self, prediction: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """Weighted squared error of each sample, (n,)."""
        return (prediction.float() - eps).square().mean((1, 2, 3)) * self.weight[t]


def stratified_levels(count: int, place: torch.device) -> Tensor:
    """One noise level from each of `count` equal parts of 0..999: less variance than independent draws."""
    spread = torch.arange(count, device=place) + torch.rand(count, device=place)
    return (spread / count * 1000).long().clamp_(0, 999)


@dataclass
class Batches:
    """Draws training batches; captions as token numbers, a share of them empty."""

    data: LatentSet
    tokenizer: CLIPTokenizer
    rng: np.random.Generator
    place: torch.device
    empty_share: float = 0.1

    def __post_init__(self) -> None:
        """Tokenize every caption once; keep all on the device."""
        self.latents = torch.from_numpy(self.data.latents).to(self.place)
        self.tokens = tokenize(self.tokenizer, self.data.captions).to(self.place)
        self.empty = tokenize(self.tokenizer, [""])[0].to(self.place)
        self.training = np.flatnonzero(~self.data.held_out)

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Latents (count, 4, h, w) and token numbers (count, 32)."""
        rows = torch.from_numpy(self.rng.choice(self.training, count)).to(self.place)
        empty = torch.from_numpy(self.rng.random(count) < self.empty_share).to(self.place)
        return self.latents[rows].float(), torch.where(empty[:, None], self.empty, self.tokens[rows])


@torch.no_grad()
def validation_loss(model: nn.ModuleDict, batches: Batches, noiser: Noiser, count: int) -> float:
    """The training loss on held-out latents, with the same noise and levels every time."""
    rows = torch.from_numpy(np.flatnonzero(batches.data.held_out)[:count]).to(batches.place)
    generator = torch.Generator().manual_seed(9)
    x0 = batches.latents[rows].float()
    eps = torch.randn(x0.shape, generator=generator).to(batches.place)
    t = (torch.rand(len(rows), generator=generator) * 1000).long().to(batches.place)
    losses = []
    for part in torch.arange(len(rows), device=batches.place).split(32):
        context = model["text"](batches.tokens[rows][part])[0]
        prediction = model["unet"](noiser.add(x0[part], eps[part], t[part]), t[part], context).sample
        losses.append(noiser.loss(prediction, eps[part], t[part]))
    return float(torch.cat(losses).mean())


def build_model(tokenizer: CLIPTokenizer, size: str, init: Path | None = None) -> nn.ModuleDict:
    """Denoiser and text encoder, new or with the weights of a file."""
    model = nn.ModuleDict({"unet": build_denoiser(SIZES[size]), "text": build_text_encoder(tokenizer)})
    if init is not None:
        model.load_state_dict(load_file(init))
    return model


def save_weights(model: nn.ModuleDict, path: Path) -> None:
    """Write unet.* and text.* in float32."""
    partial = path.with_name(path.name + ".partial")
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, partial)
    partial.replace(path)


class Run(Lap):
    """One training run: networks, data, and the loss of a batch."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.place, self.noiser = device(), Noiser(device())
        tokenizer = build_tokenizer(options.tokenizer)
        model = build_model(tokenizer, options.size, options.init).to(self.place)
        self.denoise = torch.compile(model["unet"]) if options.compile else model["unet"]
        join_workers()
        options.steps = math.ceil(options.samples / (options.batch * workers()))
        super().__init__(model, options, weight_decay=0.01)
        self.batches = Batches(load_latents(options.latents), tokenizer, self.rng, self.place)

    def loss(self) -> Tensor:
        """The weighted squared error of one batch."""
        x0, tokens = self.batches.draw(self.options.batch)
        t, eps = stratified_levels(len(x0), self.place), torch.randn_like(x0)
        with half_precision(self.place):
            context = self.module["text"](tokens)[0]
            prediction = self.denoise(self.noiser.add(x0, eps, t), t, context).sample
        return self.noiser.loss(prediction, eps, t).mean()

    def measure(self) -> dict[str, float]:
        """How many samples were trained on, and the loss on held-out ones."""
        seen = self.step * self.options.batch * workers()
        lost = validation_loss(self.module, self.batches, self.noiser, self.options.validate)
        return {"seen": seen, "validation": lost}

    def keep(self) -> None:
        """Write the averaged weights."""
        save_weights(self.module, self.options.out / "weights.safetensors")


def train(options: argparse.Namespace) -> None:
    """Train to `options.samples`, going on from the checkpoint in `options.out` if there is one."""
    run = Run(options)
    run.run(run.loss, run.measure, run.keep, hold=0.4)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of this stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latents", type=Path, default=Path("build/pocket/latents"))
    parser.add_argument("--tokenizer", type=Path, default=Path("build/pocket/tokenizer"), help="made if missing")
    parser.add_argument("--out", type=Path, default=Path("build/pocket/denoiser"))
    parser.add_argument("--init", type=Path, help="a safetensors file of unet.* and text.* to start from")
    parser.add_argument("--size", choices=SIZES, default="pocket")
    parser.add_argument("--samples", type=int, default=200_000, help="samples to train on, in all")
    parser.add_argument("--compile", action="store_true", help="pays on a GPU, after a minute")
    parser.add_argument("--validate", type=int, default=192, help="held-out latents to measure on")
    add_lap_options(parser, steps=None, batch=32, lr=8e-4, decay=0.998)
    return parser.parse_args(argv)


if __name__ == "__main__":
    train(parse())
