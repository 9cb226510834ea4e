"""Sample the pocket model from its parts: DDIM with guidance, batched, without a pipeline around it."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from training.autoencoder import to_pictures
from training.models import build_scheduler, tokenize
from training.runs import device

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from diffusers import AutoencoderTiny, UNet2DConditionModel
    from torch import Tensor
    from transformers import CLIPTextModel, CLIPTokenizer


BATCH = 256 if torch.cuda.is_available() else 16


def starting_noise(seeds: Sequence[int]) -> Tensor:
    """x_T (n, 4, 32, 32), each row from its own seed."""
    return torch.stack([torch.randn(4, 32, 32, generator=torch.Generator().manual_seed(s)) for s in seeds])


def guided_run(
    guess: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], solver: Any, noise: Tensor, scale: Callable[[Tensor], Any]
) -> Tensor:
    """The result (n, 4, 32, 32) of a guided run from noise of variance 1.

    guess(x, t): eps without words and with them, at levels t (n,). scale(t): guidance at a level of the solver's.
    """
    x_t = noise * solver.init_noise_sigma
    for t in solver.timesteps:
        x = solver.scale_model_input(x_t, t)
        uncond, cond = guess(x, t.round().long().clamp(0, 999).expand(len(x)).to(x.device))
        x_t = solver.step(uncond + scale(t) * (cond - uncond), t, x_t).prev_sample
    return x_t


def _draws(scheduler: Any) -> bool:
    return "generator" in signature(scheduler.step).parameters


@dataclass
class Sampler:
    """The trained parts, ready to sample."""

    unet: UNet2DConditionModel
    text: CLIPTextModel
    tokenizer: CLIPTokenizer
    autoencoder: AutoencoderTiny

    @classmethod
    def from_folder(cls, folder: Path) -> Sampler:
        """Load a pipeline folder in float32."""
        from diffusers import StableDiffusionPipeline

        pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None).to(device(), torch.float32)
        channels_last = torch.channels_last
        return cls(
            pipe.unet.to(memory_format=channels_last).eval(),
            pipe.text_encoder.eval(),
            pipe.tokenizer,
            pipe.vae.to(memory_format=channels_last).eval(),
        )

    def embed(self, captions: Sequence[str]) -> Tensor:
        """Contexts (n, 32, 128)."""
        return self.text(tokenize(self.tokenizer, list(captions)).to(self.text.device))[0]

    @torch.no_grad()
    def latents(
        self, captions: Sequence[str], noise: Tensor, cfg: float, steps: int = 20, scheduler: Any = None
    ) -> Tensor:
        """x0 (n, 4, 32, 32) after `steps` of DDIM, or another; eps = eps_uncond + cfg · (eps_cond − eps_uncond).

        What a scheduler draws afresh in each step comes from one generator, so it depends on the batch as well.
        """
        scheduler = scheduler or build_scheduler()
        scheduler.set_timesteps(steps)
        more = {"generator": torch.Generator().manual_seed(7)} if _draws(scheduler) else {}
        context = torch.cat([self.embed([""]).expand(len(noise), -1, -1), self.embed(captions)])
        x_t = noise.to(context.device) * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            x = scheduler.scale_model_input(x_t, t)
            if cfg == 1:
                eps = self.unet(x, t, context[len(noise) :]).sample
            else:
                eps_uncond, eps_cond = self.unet(torch.cat([x, x]), t, context).sample.chunk(2)
                eps = eps_uncond + cfg * (eps_cond - eps_uncond)
            x_t = scheduler.step(eps, t, x_t, **more).prev_sample
        return x_t

    def finals(self, captions: Sequence[str], noise: Tensor, cfg: float, steps: int, scheduler: Any) -> Tensor:
        """The same in batches."""
        rows = [slice(start, start + BATCH) for start in range(0, len(noise), BATCH)]
        return torch.cat([self.latents(captions[part], noise[part], cfg, steps, scheduler) for part in rows])

    @torch.no_grad()
    def pictures(self, captions: Sequence[str], noise: Tensor, cfg: float, steps: int = 20) -> np.ndarray:
        """Decoded samples (n, 256, 256, 3) uint8, made in batches."""
        parts = []
        for start in range(0, len(noise), BATCH):
            rows = slice(start, start + BATCH)
            x0 = self.latents(captions[rows], noise[rows], cfg, steps)
            parts.append(to_pictures(self.autoencoder.decoder(x0)))
        return np.concatenate(parts)
