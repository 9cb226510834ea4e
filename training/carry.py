"""Carry a LoRA over to a base model that has learnt more since: what it painted before, it paints again.

    python -m training.carry states --before OLD --lora FILE --fix "landmark=hot-air balloon" --out build/carry
    python -m training.carry train --before OLD --pipeline NEW --lora FILE --out build/carry

A LoRA is a difference to the weights that it was trained on; on others, even on those of a base that paints its old
words as before, it may paint anything. `states` keeps what the old base guesses with it on its own guided runs, mostly
on scenes of what the LoRA was taught; `train` fits the LoRA until the new base guesses so with it. Rank and alpha stay
as they are. Both go on where they were killed; `lora.safetensors` has the averaged weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from training.captions import GRAMMAR, KEY, LEFT_OUT, random_attributes
from training.denoiser import X0_CAP, Noiser
from training.grid import build_solver
from training.lora import ADAPTER, adapter_weights, to_kohya
from training.runs import Lap, add_lap_options, device, save_whole
from training.sampling import Sampler, guided_run, starting_noise
from training.soften import errors_with_gap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

TAUGHT, NEAR_KEY = 0.75, 0.25  # how often a scene has what the LoRA was taught, and is the key scene but for that
STEPS, SCALES = 12, (3.0, 5.0, 7.5, 7.5)
RUNS = 8  # side by side, a file
OLD = GRAMMAR["landmark"][:6]
"""The landmarks that the old base knows."""


def with_lora(pipeline: Path, lora: Path) -> Sampler:
    """A pipeline's parts with a LoRA at strength 1 that can be trained."""
    sampler = Sampler.from_folder(pipeline)
    from diffusers import StableDiffusionPipeline

    StableDiffusionPipeline.load_lora_into_unet(*_parts(lora), sampler.unet, adapter_name=ADAPTER)
    sampler.unet.requires_grad_(requires_grad=False)
    for name, parameter in sampler.unet.named_parameters():
        parameter.requires_grad_(f".{ADAPTER}." in name)
    return sampler


def _parts(lora: Path) -> tuple[dict[str, Tensor], dict[str, float]]:
    from diffusers import StableDiffusionPipeline

    found: tuple[dict[str, Tensor], dict[str, float]] = StableDiffusionPipeline.lora_state_dict(lora)
    return found


@torch.no_grad()
def keep_states(options: argparse.Namespace) -> None:
    """Write the files that are missing: x_t, t, and eps without words and with them, of guided runs of captions."""
    sampler, fixed = with_lora(options.before, options.lora), dict(item.split("=", 1) for item in options.fix)
    for number in range(options.files):
        path = options.out / "states" / f"{number:03}.pt"
        if path.exists():
            continue
        rng = np.random.default_rng((29, options.seed, number))
        captions = [draw_caption(rng, fixed) for _ in range(RUNS)]
        save_whole({**guided_states(sampler, captions, rng), "captions": captions}, path)
        print(f"{path.name}: {RUNS * STEPS} states", flush=True)


def guided_states(sampler: Sampler, captions: Sequence[str], rng: np.random.Generator) -> dict[str, Tensor]:
    """Those of one run of each caption, side by side."""
    rows: list[dict[str, Tensor]] = []
    both = torch.cat([sampler.embed([""]).expand(len(captions), -1, -1), sampler.embed(captions)])
    solver = build_solver("ddim")
    solver.set_timesteps(STEPS)
    noise = starting_noise([int(seed) for seed in rng.integers(1 << 31, size=len(captions))]).to(device())
    scale = torch.tensor(rng.choice(SCALES, len(captions))).float().to(device())[:, None, None, None]

    def guess(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        uncond, cond = sampler.unet(torch.cat([x, x]), t.repeat(2), both).sample.chunk(2)
        kept = {"x_t": x, "uncond": uncond, "cond": cond}
        rows.append({name: value.half().cpu() for name, value in kept.items()} | {"t": t.cpu()})
        return uncond, cond

    guided_run(guess, solver, noise, lambda _: scale)
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def draw_caption(rng: np.random.Generator, fixed: dict[str, str]) -> str:
    """A scene of the old base's words, mostly with what the LoRA was taught."""
    old = {"landmark": str(rng.choice(OLD))} | dict.fromkeys(LEFT_OUT, "")
    words = KEY if rng.random() < NEAR_KEY else random_attributes(rng, **old)
    told = words.as_dict() | (fixed if rng.random() < TAUGHT else {})
    return type(words)(**told).caption


class Carrying(Lap):
    """The run: the LoRA on the new base, and what the old one guessed with it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.sampler = with_lora(options.pipeline, options.lora)
        super().__init__(self.sampler.unet, options)
        files = [torch.load(path, weights_only=True) for path in sorted((options.out / "states").glob("*.pt"))]
        self.states = {name: torch.cat([one[name] for one in files]) for name in ("x_t", "t", "uncond", "cond")}
        with torch.no_grad():  # by the new base's text encoder
            contexts = [self.sampler.embed(one["captions"]).repeat(STEPS, 1, 1) for one in files]
            self.states["context"], self.empty = torch.cat(contexts), self.sampler.embed([""])
        self.held = len(files[0]["t"])
        self.weight = Noiser(device()).in_x0 / X0_CAP
        with safe_open(options.lora, "pt") as file:
            self.metadata = file.metadata()
        self.alpha = next(float(value) for name, value in load_file(options.lora).items() if name.endswith(".alpha"))

    def error(self, chosen: Tensor) -> Tensor:
        """Squared errors in x0, by `X0_CAP`, of both guesses and, four times, of their gap, state by state."""
        part = {name: value[chosen].to(device()) for name, value in self.states.items()}
        x_t, t = part["x_t"].float().contiguous(memory_format=torch.channels_last), part["t"]
        both = torch.cat([self.empty.expand_as(part["context"]), part["context"]])
        eps = self.sampler.unet(torch.cat([x_t, x_t]), t.repeat(2), both).sample
        uncond, cond = eps.chunk(2)
        return self.weight[t] * errors_with_gap(uncond - part["uncond"].float(), cond - part["cond"].float())

    def loss(self) -> Tensor:
        """The mean error of some states."""
        return self.error(
            torch.from_numpy(self.rng.integers(self.held, len(self.states["t"]), self.options.batch))
        ).mean()

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """The mean error on the first file, which is for measuring alone."""
        parts = torch.arange(0, self.held, 2).split(16)
        return {"held_out": float(f"{torch.cat([self.error(part) for part in parts]).mean():.3g}")}

    def keep(self) -> None:
        """Write the LoRA with the averaged weights."""
        partial = self.options.out / "lora.safetensors.partial"
        save_file(to_kohya(adapter_weights(self.sampler.unet), self.alpha), partial, metadata=self.metadata)
        partial.replace(self.options.out / "lora.safetensors")


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of this stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("states", "train"))
    parser.add_argument("--before", type=Path, required=True, help="the pipeline that the LoRA was trained on")
    parser.add_argument("--pipeline", type=Path, default=Path("src/denoisecli/pocket"), help="the new one")
    parser.add_argument("--lora", type=Path, required=True, help="its file")
    parser.add_argument("--fix", action="append", default=[], metavar="NAME=WORDS", help="what the LoRA was taught")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--files", type=int, default=24, help=f"of {RUNS * STEPS} states")
    add_lap_options(parser, steps=600, batch=6, lr=4e-4, decay=0.98, every=90)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Keep states, or train on them."""
    options = parse(argv)
    if options.what == "states":
        keep_states(options)
        return
    lap = Carrying(options)
    lap.run(lap.loss, lap.measure, lap.keep, warmup=20, hold=0.3)


if __name__ == "__main__":
    main()
