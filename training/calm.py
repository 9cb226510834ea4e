"""The decoder's last lap: what no picture has is drawn as the picture it stands for, or as blur; never as hatching.

    python -m training.calm --pipeline build/pocket/first --latents build/pocket/latents \
        --outside build/pocket/outside --out build/pocket/decoder

Only the decoder's first stage learns, the one at the latents' own resolution: its features for latents outside of
what pictures have shall be those that it had, before this lap, for the latents that they stand for
(`training.outside`). Its features for pictures' latents, and for x_t, which has to look like noise, shall stay. No
picture is decoded for that, so a step costs a tenth of one that compares pixels, and all later stages stay as they
are. Where a picture cannot be told, the mean of features is blur.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn

from training.latents import load_latents
from training.models import Trunk, build_scheduler
from training.runs import Lap, add_lap_options, device

if TYPE_CHECKING:
    from collections.abc import Sequence


class Lessons:
    """Draws what is given, what it means, and how much it weighs: about half of it stays as it is."""

    def __init__(self, latents: Path, outside: Path, keep: float, seed: tuple[int, ...], place: torch.device) -> None:
        self.keep = keep
        data = load_latents(latents)
        self.clean = torch.from_numpy(data.latents[~data.held_out]).to(place)
        kept = [torch.load(path, weights_only=True) for path in sorted(outside.glob("*.pt"))]
        self.given, self.meant, self.stays = (
            torch.cat([one[name] for one in kept]).to(place) for name in ("given", "meant", "stays")
        )
        self.rng, self.place = np.random.default_rng(seed), place
        self.alpha_bar = build_scheduler().alphas_cumprod.to(place)

    def _some(self, among: Tensor, count: int) -> Tensor:
        return torch.from_numpy(self.rng.integers(0, len(among), count)).to(self.place)

    def noised(self, count: int) -> Tensor:
        """x_t of pictures at random levels."""
        latents = self.clean[self._some(self.clean, count)].float()
        alpha_bar = self.alpha_bar[self._some(self.alpha_bar, count)][:, None, None, None]
        return alpha_bar.sqrt() * latents + (1 - alpha_bar).sqrt() * torch.randn_like(latents)

    def draw(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Latents given and meant, (count, 4, h, w), and weights (count,)."""
        noisy = max(1, count // 8)
        sampled, clean = max(1, count // 6), max(1, count // 4)
        pictures = self.clean[self._some(self.clean, clean)].float()
        drawn = self.stays[self._some(self.stays, sampled)].float()
        stays = torch.cat([pictures + 0.03 * torch.randn_like(pictures), drawn, self.noised(noisy)])
        rows = self._some(self.given, max(1, count - len(stays)))
        weight = torch.ones(len(stays) + len(rows), device=self.place)
        weight[: len(stays)] = self.keep
        given, meant = (torch.cat([stays, part[rows].float()]) for part in (self.given, self.meant))
        return given, meant, weight


@torch.no_grad()
def measure(stage: nn.Module, before: nn.Module, lessons: Lessons) -> dict[str, float]:
    """Relative squared error of features: of latents outside, and of pictures' own."""
    found = {}
    for name, given, meant in (
        ("outside", lessons.given[:24].float(), lessons.meant[:24].float()),
        ("pictures", lessons.clean[:16].float(), lessons.clean[:16].float()),
        ("many steps", lessons.stays[:16].float(), lessons.stays[:16].float()),
    ):
        right = before(meant)
        found[name] = round(float((stage(given) - right).square().mean() / right.var()), 5)
    return found


def train(options: argparse.Namespace) -> None:
    """Train to `options.steps`, going on from the checkpoint in `options.out` if there is one."""
    place = device()
    autoencoder = AutoencoderTiny.from_pretrained(options.pipeline, subfolder="vae").float()
    autoencoder = autoencoder.to(place, memory_format=torch.channels_last)
    before = Trunk(copy.deepcopy(autoencoder.decoder)).requires_grad_(False)
    stage = Trunk(autoencoder.decoder)
    lap = Lap(stage, options)
    lessons = Lessons(options.latents, options.outside, options.keep, (options.seed, lap.step, lap.rank), place)
    scale = before(lessons.clean[:64].float()).var((0, 2, 3)).clamp_min(1e-4)[None, :, None, None]

    def loss() -> Tensor:
        given, meant, weight = lessons.draw(options.batch)
        apart = ((stage(given) - before(meant)).square() / scale).mean((1, 2, 3))
        return (weight * apart).mean()

    lap.run(
        loss,
        lambda: measure(stage, before, lessons),
        lambda: autoencoder.save_pretrained(options.out / "autoencoder"),
        warmup=30,
        hold=0.3,
    )


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of this stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", type=Path, default=Path("build/pocket/first"))
    parser.add_argument("--latents", type=Path, default=Path("build/pocket/latents"))
    parser.add_argument("--outside", type=Path, default=Path("build/pocket/outside"))
    parser.add_argument("--out", type=Path, default=Path("build/pocket/decoder"))
    parser.add_argument("--keep", type=float, default=60.0, help="weight of what has to stay as it is")
    add_lap_options(parser, steps=2000, batch=24, lr=1e-3, decay=0.99, every=120)
    return parser.parse_args(argv)


if __name__ == "__main__":
    train(parse())
