"""Train the denoiser and its text encoder together on cached latents.

    python -m training.denoiser --latents build/pocket/latents --out build/pocket/denoiser --samples 200000
    torchrun --nproc-per-node 2 -m training.denoiser ...          # two workers, half the batch each
    python -m training.denoiser ... --init WEIGHTS.safetensors    # start from earlier weights (unet.*, text.*)

x_t = sqrt(alpha_bar_t) · x0 + sqrt(1 − alpha_bar_t) · eps; loss: min(SNR, 5) / SNR · |eps_theta(x_t, t, c) − eps|²
(Hang et al. 2023, arXiv 2303.09556), with one caption in ten left empty for guidance (Ho & Salimans 2022).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.latents import LatentSet, load_latents
from training.models import SIZES, build_denoiser, build_scheduler, build_text_encoder, tokenize
from training.runs import (
    Average,
    Log,
    agree,
    average_gradients,
    by_steps_or_clock,
    device,
    gather,
    half_precision,
    join_workers,
    load_checkpoint,
    rate,
    save_whole,
    workers,
)
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


class Run:
    """One training run: everything a checkpoint has to hold, and the step that moves it on."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.place = device()
        self.options, self.noiser, self.step = options, Noiser(self.place), 0
        self.rank = join_workers()
        tokenizer = build_tokenizer(options.tokenizer)
        self.model = build_model(tokenizer, options.size, options.init).to(self.place)
        self.denoise = torch.compile(self.model["unet"]) if options.compile else self.model["unet"]
        self.average = Average(self.model, options.decay)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=options.lr, betas=(0.9, 0.98), weight_decay=0.01)
        self.log = Log(options.out / "log.jsonl")
        state = load_checkpoint(options.out / "checkpoint.pt")
        if state is not None:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.average.restore(state["average"])
            self.step = int(state["step"])
        torch.manual_seed(1_000_003 * self.rank + options.seed + self.step)
        rng = np.random.default_rng((options.seed, self.step, self.rank))
        self.batches = Batches(load_latents(options.latents), tokenizer, rng, self.place)
        self.begun, self.progress = time.monotonic(), self.seen / options.samples
        self.first = self.progress

    @property
    def seen(self) -> int:
        """Samples trained on so far."""
        return self.step * self.options.batch * workers()

    def _measure_progress(self) -> float:
        """Share of the run that is done, 0..1: by samples, or by the clock if `--minutes` is up sooner."""
        share = self.seen / self.options.samples
        return agree(by_steps_or_clock(share, self.first, self.begun, self.options.minutes))

    def advance(self) -> Tensor:
        """One optimizer step; return its loss."""
        x0, tokens = self.batches.draw(self.options.batch)
        t, eps = stratified_levels(len(x0), self.place), torch.randn_like(x0)
        with half_precision(self.place):
            context = self.model["text"](tokens)[0]
            prediction = self.denoise(self.noiser.add(x0, eps, t), t, context).sample
        loss = self.noiser.loss(prediction, eps, t).mean()
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.lr * rate(self.step, self.progress)
        self.optimizer.zero_grad()
        loss.backward()
        average_gradients(self.model.parameters())
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.average.update()
        self.step += 1
        self.progress = self._measure_progress()
        return loss.detach()

    def checkpoint(self, losses: list[Tensor], seconds: float) -> None:
        """Measure the averaged weights, log, and save all that a resumed run needs; the first worker does it."""
        if self.rank:
            return
        with self.average:
            validation = validation_loss(self.model, self.batches, self.noiser, self.options.validate)
            save_weights(self.model, self.options.out / "weights.safetensors")
        self.log.write(
            seen=self.seen,
            train=round(gather(losses), 4),
            validation=round(validation, 4),
            samples_per_s=round(len(losses) * workers() * self.options.batch / max(seconds, 1e-9), 1),
        )
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        save_whole({**state, "average": self.average.state(), "step": self.step}, self.options.out / "checkpoint.pt")


def train(options: argparse.Namespace) -> None:
    """Train to `options.samples`, going on from the checkpoint in `options.out` if there is one."""
    run = Run(options)
    losses: list[Tensor] = []
    started = time.monotonic()
    while run.progress < 1:
        losses.append(run.advance())
        elapsed = time.monotonic() - started
        if elapsed > options.every or run.progress >= 1:
            run.checkpoint(losses, elapsed)
            losses, started = [], time.monotonic()


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of this stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latents", type=Path, default=Path("build/pocket/latents"))
    parser.add_argument("--tokenizer", type=Path, default=Path("build/pocket/tokenizer"), help="made if missing")
    parser.add_argument("--out", type=Path, default=Path("build/pocket/denoiser"))
    parser.add_argument("--init", type=Path, help="a safetensors file of unet.* and text.* to start from")
    parser.add_argument("--size", choices=SIZES, default="pocket")
    parser.add_argument("--samples", type=int, default=200_000, help="samples to train on, in all")
    parser.add_argument("--minutes", type=float, help="anneal and stop after so long, if that is sooner")
    parser.add_argument("--batch", type=int, default=32, help="samples a step and worker")
    parser.add_argument("--lr", type=float, default=8e-4)
    parser.add_argument("--compile", action="store_true", help="pays on a GPU, after a minute")
    parser.add_argument("--decay", type=float, default=0.998, help="of the weights' moving average")
    parser.add_argument("--validate", type=int, default=192, help="held-out latents to measure on")
    parser.add_argument("--every", type=float, default=180, help="seconds between checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


if __name__ == "__main__":
    train(parse())
