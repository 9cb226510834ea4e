"""Train the autoencoder: 256² pictures to 32² latents of four channels and back.

    python -m training.autoencoder --scenes build/pocket/scenes --out build/pocket/autoencoder --steps 6000
    python -m training.autoencoder ... --init PIPELINE_FOLDER    # start from a trained one
    python -m training.autoencoder ... --init PIPELINE_FOLDER --decoder-only    # and keep its latents as they are
    python -m training.autoencoder ... --init PIPELINE_FOLDER --decoder-only --critic 0.2    # crisp edges, at the end

From scratch it starts as an exact average-colour code (`colour_identity`), so that all training goes into detail.
The loss adds a scale-equivariance term (Kouzelis et al. 2025, arXiv 2502.09509): halving the latents has to halve the
picture, which keeps them smooth enough for a small denoiser to learn.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn
from torch.nn import functional

from training.critic import Critic
from training.models import SIZES, build_autoencoder
from training.runs import Lap, add_lap_options, device, half_precision
from training.scenes import held_out, load_shards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.scenes import Picture


def to_tensor(pictures: np.ndarray | Tensor) -> Tensor:
    """(n, h, w, 3) uint8 to (n, 3, h, w) float in −1..1, channels last in memory; a tensor stays on its device."""
    if not isinstance(pictures, Tensor):
        pictures = torch.from_numpy(np.array(pictures))
    return pictures.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_pictures(batch: Tensor) -> np.ndarray:
    """(n, 3, h, w) in −1..1 to (n, h, w, 3) uint8."""
    return ((batch.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def psnr(first: Tensor, second: Tensor) -> Tensor:
    """Peak signal-to-noise ratio (n,) in dB of pictures in −1..1: −10 log10 mean ((a − b) / 2)²."""
    return -10 * ((first.clamp(-1, 1) - second) / 2).square().mean((1, 2, 3)).log10()


@torch.no_grad()
def colour_identity(autoencoder: AutoencoderTiny, colours: Tensor) -> None:
    """Make the autoencoder an exact code of 8×8 average colours, whitened by the colours (n, 3) in 0..1.

    The first three channels of each convolution carry the colour; the others start as they were.
    """
    mean = colours.mean(0)
    variance, axes = torch.linalg.eigh(torch.cov((colours - mean).T))
    whiten = (axes / variance.clamp_min(1e-6).sqrt()).T.contiguous()
    eye = torch.eye(3)
    _carry_colour(
        autoencoder.encoder, first=eye, last=whiten, first_bias=0 * mean, last_bias=-whiten @ mean, shrink=True
    )
    _carry_colour(
        autoencoder.decoder, first=torch.linalg.inv(whiten), last=eye, first_bias=mean, last_bias=0 * mean, shrink=False
    )


def _carry_colour(
    half: nn.Module, *, first: Tensor, last: Tensor, first_bias: Tensor, last_bias: Tensor, shrink: bool
) -> None:
    """Let channels 0..2 pass through one half of the autoencoder unchanged but for its ends."""
    for layer in half.layers:
        if hasattr(layer, "conv"):  # a residual block: small at first, and silent on the colour channels
            layer.conv[4].weight.mul_(0.2)
            layer.conv[4].bias.zero_()
            layer.conv[4].weight[:3] = 0
    straight = [layer for layer in half.layers if isinstance(layer, nn.Conv2d)]
    for index, conv in enumerate(straight):
        conv.weight[:3] = 0
        if conv.bias is not None:
            conv.bias[:3] = 0
        if index == 0:
            conv.weight[:3, :3, 1, 1], conv.bias[:3] = first, first_bias
        elif index == len(straight) - 1:
            conv.weight[:3, :3, 1, 1], conv.bias[:3] = last, last_bias
        elif shrink:  # stride 2: average a 2×2 block
            conv.weight[:3, :3, 1:, 1:] = torch.eye(3)[..., None, None] / 4
        else:
            conv.weight[:3, :3, 1, 1] = torch.eye(3)


def _slopes(a: Tensor, b: Tensor) -> Tensor:
    across = (a.diff(dim=3) - b.diff(dim=3)).abs().mean()
    return across + (a.diff(dim=2) - b.diff(dim=2)).abs().mean()


def reconstruction_loss(output: Tensor, target: Tensor, detail: float) -> Tensor:
    """L1 + detail · L2, with slopes, at full, half and quarter size; `detail` weighs what PSNR measures."""
    loss = (output - target).abs().mean() + detail * (output - target).square().mean()
    loss = loss + 0.5 * _slopes(output, target)
    for weight in (0.5, 0.5):
        output, target = functional.avg_pool2d(output, 2), functional.avg_pool2d(target, 2)
        loss = loss + weight * (output - target).abs().mean() + 0.5 * weight * _slopes(output, target)
    return loss


def latent_penalty(latents: Tensor) -> Tensor:
    """0 for latents of mean 0, variance 1 and no correlation between channels."""
    mean, variance = latents.mean((0, 2, 3)), latents.var((0, 2, 3))
    flat = (latents - mean[None, :, None, None]).transpose(0, 1).flatten(1)
    covariance = flat @ flat.T / flat.shape[1]
    crossed = covariance - torch.diag(torch.diag(covariance))
    return mean.square().mean() + variance.clamp_min(1e-4).log().square().mean() + 0.3 * crossed.square().mean()


class Crops:
    """Random square crops of the training pictures, on the 8-pixel grid of the latents."""

    def __init__(self, shards: Sequence[Picture], seed: tuple[int, ...], place: torch.device) -> None:
        self.shards, self.rng, self.place, self.pool = shards, np.random.default_rng(seed), place, None
        if place.type == "cuda":  # there the pictures fit, and reading them one by one would be the bottleneck
            self.pool = torch.cat([torch.from_numpy(shard[held_out(shard) :]).to(place) for shard in shards])

    def draw(self, count: int, side: int) -> Tensor:
        """(count, 3, side, side) in −1..1, on the device."""
        if self.pool is not None:
            return self._draw_there(self.pool, count, side)
        crops = np.empty((count, side, side, 3), np.uint8)
        for row in range(count):
            shard = self.shards[int(self.rng.integers(len(self.shards)))]
            picture = shard[int(self.rng.integers(held_out(shard), len(shard)))]
            y, x = self.rng.integers(0, (picture.shape[0] - side) // 8 + 1, 2) * 8
            crops[row] = picture[y : y + side, x : x + side]
        return to_tensor(crops).to(self.place)

    def _draw_there(self, pool: Tensor, count: int, side: int) -> Tensor:
        corners = self.rng.integers(0, (pool.shape[1] - side) // 8 + 1, (2, count)) * 8
        y, x = torch.from_numpy(corners[..., None] + np.arange(side)).to(self.place)
        rows = torch.from_numpy(self.rng.integers(0, len(pool), count)).to(self.place)
        return to_tensor(pool[rows[:, None, None], y[:, :, None], x[:, None, :]])


def decoder_loss(autoencoder: AutoencoderTiny, batch: Tensor, detail: float, critic: Critic | None) -> Tensor:
    """Reconstruct from the latents as they are, hardly noisy; with a critic, look real as well."""
    with torch.no_grad():
        latents = autoencoder.encoder(batch).float()
    decoded = autoencoder.decoder(latents + 0.03 * torch.randn_like(latents)).float()
    loss = reconstruction_loss(decoded, batch, detail)
    if critic is None:
        return loss
    critic.learn(batch, decoded)
    return loss + critic.pull(decoded, loss, autoencoder.decoder.layers[-1].weight)


def training_loss(autoencoder: AutoencoderTiny, batch: Tensor, step: int, detail: float) -> Tensor:
    """Reconstruct through slightly noisy latents, and every fourth step through halved ones."""
    latents = autoencoder.encoder(batch).float()
    noisy = latents + 0.06 * torch.randn_like(latents)
    loss = reconstruction_loss(autoencoder.decoder(noisy).float(), batch, detail)
    if step % 4 == 0:
        half = max(1, len(batch) // 2)
        small = autoencoder.decoder(functional.avg_pool2d(noisy[:half], 2)).float()
        loss = loss + 0.2 * reconstruction_loss(small, functional.avg_pool2d(batch[:half], 2), detail)
    return loss + 0.05 * latent_penalty(latents)


@torch.no_grad()
def measure(autoencoder: AutoencoderTiny, pictures: Tensor) -> dict[str, object]:
    """PSNR on held-out pictures and the latents' mean and deviation a channel."""
    latents = torch.cat([autoencoder.encoder(part) for part in pictures.split(16)])
    decoded = torch.cat([autoencoder.decoder(part) for part in latents.split(16)])
    return {
        "psnr": round(float(psnr(decoded, pictures).mean()), 2),
        "mean": [round(value, 2) for value in latents.mean((0, 2, 3)).tolist()],
        "std": [round(value, 2) for value in latents.std((0, 2, 3)).tolist()],
    }


def train(options: argparse.Namespace) -> None:
    """Train to `options.steps`, going on from the checkpoint in `options.out` if there is one."""
    place = device()
    shards = [pictures for folder in options.scenes for pictures, _ in load_shards(folder)]
    unseen = np.concatenate([shard[: min(8, held_out(shard))] for shard in shards])[: options.validate]
    pictures = to_tensor(unseen).to(place)
    autoencoder = _start(options, shards)
    lap = Lap(autoencoder, options, weight_decay=1e-4)
    crops = Crops(shards, (options.seed, lap.step, lap.rank), place)
    critic = Critic(options.critic, options.lr, place) if options.critic else None

    def loss() -> Tensor:
        batch = crops.draw(options.batch, options.crop)
        with half_precision(place):
            if options.decoder_only:
                return decoder_loss(autoencoder, batch, options.detail, critic)
            return training_loss(autoencoder, batch, lap.step, options.detail)

    lap.run(
        loss,
        lambda: measure(autoencoder, pictures),
        lambda: autoencoder.save_pretrained(options.out / "autoencoder"),
        hold=0.3,
    )


@torch.no_grad()
def take_over(half: nn.Module, trained: nn.Module) -> None:
    """Copy weights layer by layer; of a stage with more blocks than this one has, the last ones are left out."""
    stages = [_stages(one) for one in (half, trained)]
    for own, other in zip(*stages, strict=True):
        for layer, source in zip(own, [*other[: len(own) - 1], other[-1]], strict=True):
            layer.load_state_dict(source.state_dict())


def _stages(half: nn.Module) -> list[list[nn.Module]]:
    """Split the layers that have weights behind each plain convolution: blocks, then the convolution."""
    found: list[list[nn.Module]] = [[]]
    for layer in half.layers:
        if isinstance(layer, nn.Conv2d):
            found[-1].append(layer)
            found.append([])
        elif hasattr(layer, "conv"):
            found[-1].append(layer)
    return found[:-1] if not found[-1] else found


def _start(options: argparse.Namespace, shards: Sequence[Picture]) -> AutoencoderTiny:
    """Networks from `--init`, else from the colour code."""
    autoencoder = build_autoencoder(SIZES[options.size])
    if options.init:
        trained = AutoencoderTiny.from_pretrained(options.init, subfolder="vae").float()
        take_over(autoencoder.encoder, trained.encoder)
        take_over(autoencoder.decoder, trained.decoder)
    else:
        sample = np.concatenate([shard[held_out(shard) :][:: max(1, len(shard) // 50)] for shard in shards])
        colours = functional.avg_pool2d((to_tensor(sample) + 1) / 2, 8).permute(0, 2, 3, 1).reshape(-1, 3)
        colour_identity(autoencoder, colours)
    autoencoder.encoder.requires_grad_(not options.decoder_only)
    return autoencoder.to(device(), memory_format=torch.channels_last)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of this stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=Path, nargs="+", default=[Path("build/pocket/scenes")])
    parser.add_argument("--out", type=Path, default=Path("build/pocket/autoencoder"))
    parser.add_argument("--init", type=Path, help="a pipeline folder whose autoencoder to start from")
    parser.add_argument("--decoder-only", action="store_true", help="keep the latents as they are")
    parser.add_argument("--critic", type=float, default=0.0, help="weight of a critic of decoded crops; decoder only")
    parser.add_argument("--size", choices=SIZES, default="pocket")
    parser.add_argument("--crop", type=int, default=64, help="side of a crop in pixels")
    parser.add_argument("--detail", type=float, default=4.0, help="weight of the squared error")
    parser.add_argument("--validate", type=int, default=96, help="held-out pictures to measure on")
    add_lap_options(parser, steps=6000, batch=16, lr=1.5e-3, decay=0.99, every=120)
    return parser.parse_args(argv)


if __name__ == "__main__":
    train(parse())
