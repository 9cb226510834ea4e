"""A small decoder that draws as the model's own does, at less than half of its work: for the states of a run.

    python -m training.preview states --pipeline build/pocket/model --out build/pocket/preview --files 24
    python -m training.preview train --pipeline build/pocket/model --out build/pocket/preview

It has the first stage and the last of the whole decoder, and fewer blocks between them. It is taught on what it will
draw: `states` keeps x_t and x0 of guided runs, guesses out of range as they are drawn, scaled into it. `train` fits its
pictures to those of the whole decoder, in decibels, so that smooth guesses count as much as noise. Both go on where
they were killed; `vae/` has the averaged weights, as an AutoencoderTiny.
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

from training.grid import build_solver
from training.models import SIZES, Trunk
from training.outside import in_range
from training.runs import Lap, add_lap_options, device, save_whole
from training.sampling import Sampler, starting_noise
from training.soften import SOLVERS, draw_contexts

if TYPE_CHECKING:
    from collections.abc import Sequence

STEPS = (6, 8, 12, 20, 20)
SCALES = (1.0, 3.0, 5.0, 7.5, 7.5, 12.0)
RUNS = 4  # a file
CROP = 16  # latents a side: a quarter of a picture's work
HELD_OUT = 8  # of the states, one in so many is never learnt
MEASURED = 24  # of each kind
FLOOR = 1e-5  # of a squared error, 56 dB: nearer nobody sees
BORDER = 2  # of the impulse that tells the last stage's kernel
NO_ENCODER = {"encoder_block_out_channels": (4,) * 4, "num_encoder_blocks": (0,) * 4}
"""Of an AutoencoderTiny that shall only decode: as small as the class allows, and never taught."""


@torch.no_grad()
def run(sampler: Sampler, seed: int) -> Tensor:
    """x_t and x0 of one sampler, number of steps and guidance, (n, 4, 32, 32), as they are drawn."""
    rng = np.random.default_rng((23, seed))
    solver = build_solver(str(rng.choice(SOLVERS)))
    solver.set_timesteps(int(rng.choice(STEPS)))
    scale = float(rng.choice(SCALES))
    context = torch.cat([sampler.embed([""]).expand(RUNS, -1, -1), draw_contexts(sampler, rng, RUNS)])
    noise = starting_noise([int(one) for one in rng.integers(1 << 31, size=RUNS)]).to(device())
    x_t, canvases, guesses = noise * solver.init_noise_sigma, [], []
    for t in solver.timesteps:
        x = solver.scale_model_input(x_t, t)
        alpha_bar = solver.alphas_cumprod[t.round().long().clamp(0, 999)]
        uncond, cond = sampler.unet(torch.cat([x, x]), t, context).sample.chunk(2)
        eps = uncond + scale * (cond - uncond)
        canvases.append(x)
        guesses.append((x - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt())
        x_t = solver.step(eps, t, x_t).prev_sample
    return torch.cat([*canvases, *(in_range(guess, guesses[-1]) for guess in guesses)])


def keep_states(options: argparse.Namespace) -> None:
    """Write the files that are missing."""
    sampler = Sampler.from_folder(options.pipeline)
    for number in range(options.files):
        path = options.out / "states" / f"{number:03}.pt"
        if not path.exists():
            torch.manual_seed(number)
            save_whole({"latents": run(sampler, number).half().cpu()}, path)
            print(path.name, flush=True)


def stages(layers: Sequence[nn.Module]) -> list[list[nn.Module]]:
    """The layers of an AutoencoderTiny's decoder, cut before each upsampling."""
    found: list[list[nn.Module]] = [[]]
    for layer in layers:
        if isinstance(layer, nn.Upsample):
            found.append([])
        found[-1].append(layer)
    return found


def smaller(whole: AutoencoderTiny, blocks: Sequence[int]) -> AutoencoderTiny:
    """A decoder of fewer blocks that begins with the weights of the whole one's, evenly chosen among its blocks."""
    told = {key: value for key, value in whole.config.items() if not key.startswith("_")}
    small = AutoencoderTiny.from_config({**told, **NO_ENCODER, "num_decoder_blocks": tuple(blocks)})
    pairs = zip(stages(small.decoder.layers), stages(whole.decoder.layers), strict=True)
    for ours, theirs in pairs:
        kinds = [type(layer).__name__ == "AutoencoderTinyBlock" for layer in theirs]
        first, many = kinds.index(True) if any(kinds) else 0, sum(kinds)
        own = sum(type(layer).__name__ == "AutoencoderTinyBlock" for layer in ours)
        chosen = first + np.linspace(0, many - 1, own).round().astype(int) if own else []
        given = [*theirs[:first], *(theirs[place] for place in chosen), *theirs[first + many :]]
        for layer, other in zip(ours, given, strict=True):
            layer.load_state_dict(other.state_dict())
    return small.to(whole.device)


@torch.no_grad()
def last_stage(decoder: nn.Module) -> nn.Module:
    """The linear rest of a decoder as one convolution on its trunk's features, (n, width, h, w) to (n, 3, 2h, 2w).

    Its pictures are in −1..1, as AutoencoderTiny makes them of layers in 0..1. At the border it may differ: the decoder
    fills with zeros twice.
    """
    rest = nn.Sequential(*stages(decoder.layers)[-1])
    width, side = rest[1].in_channels, 2 * BORDER + 1
    silence = rest(torch.zeros(1, width, side, side))
    impulses = torch.zeros(width, width, side, side)
    impulses[range(width), range(width), BORDER, BORDER] = 1
    answers = nn.functional.pixel_unshuffle(rest(impulses) - silence, 2)[:, :, 1:-1, 1:-1]
    head = nn.Conv2d(width, answers.shape[1], 3, padding=1)
    head.weight.copy_(2 * answers.flip(-1, -2).swapaxes(0, 1))
    head.bias.copy_(2 * nn.functional.pixel_unshuffle(silence, 2)[0, :, BORDER, BORDER] - 1)
    return nn.Sequential(head, nn.PixelShuffle(2)).requires_grad_(False)


def apart(drawn: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error of each picture, (n,), in −1..1; out of range they are alike."""
    wanted = wanted.clamp(-1, 1)
    inside = torch.where(wanted == 1, drawn.clamp(max=1), torch.where(wanted == -1, drawn.clamp(min=-1), drawn))
    return (inside - wanted).square().mean((1, 2, 3))


class Lessons:
    """Crops of states: some to learn from, some to be measured on."""

    def __init__(self, folder: Path, rng: np.random.Generator) -> None:
        kept = [torch.load(path, weights_only=True)["latents"].chunk(2) for path in sorted(folder.glob("*.pt"))]
        kinds = (torch.cat(part) for part in zip(*kept, strict=True))
        learnt, self.test = [], {}
        for name, latents in zip(("canvas", "guess"), kinds, strict=True):
            held_out = torch.arange(len(latents)) % HELD_OUT == 0
            learnt.append(latents[~held_out])
            self.test[name] = latents[held_out][:: max(1, int(held_out.sum()) // MEASURED)].float()
        self.latents = torch.cat(learnt)
        self.rng = rng

    def draw(self, count: int) -> Tensor:
        """Crops (count, 4, CROP, CROP), some mirrored."""
        rows = self.rng.integers(len(self.latents), size=count)
        places = self.rng.integers(self.latents.shape[-1] - CROP + 1, size=(count, 2))
        crops = [self.latents[row, :, y : y + CROP, x : x + CROP] for row, (y, x) in zip(rows, places, strict=True)]
        return torch.stack(crops).float().to(device())


@torch.no_grad()
def measure(small: nn.Module, whole: nn.Module, head: nn.Module, lessons: Lessons) -> dict[str, float]:
    """PSNR against the whole decoder on held-out states, in decibels: means, and what nine in ten surpass."""
    found = {}
    for name, latents in lessons.test.items():
        error = torch.cat([apart(head(small(one)), head(whole(one))) for one in latents.to(device()).split(1)])
        decibels = 10 * torch.log10(4 / error.clamp_min(1e-9))
        found |= {name: round(float(decibels.mean()), 2), f"{name}, low": round(float(decibels.quantile(0.1)), 2)}
    return found


def train(options: argparse.Namespace) -> None:
    """Train to `options.steps`, going on from the checkpoint in `options.out` if there is one."""
    whole = AutoencoderTiny.from_pretrained(options.pipeline, subfolder="vae").float()
    small = smaller(whole, SIZES[options.size].preview_blocks)
    head = last_stage(whole.decoder.to(memory_format=torch.channels_last)).to(device())
    goal = Trunk(whole.decoder, last=True).to(device()).requires_grad_(False)
    trunk = Trunk(small.decoder.to(memory_format=torch.channels_last), last=True).to(device())
    lap = Lap(trunk, options)
    lessons = Lessons(options.out / "states", lap.rng)

    def loss() -> Tensor:
        latents = lessons.draw(options.batch)
        return (apart(head(trunk(latents)), head(goal(latents))) + FLOOR).log().mean()

    lap.run(
        loss,
        lambda: measure(trunk, goal, head, lessons),
        lambda: copy.deepcopy(small).half().save_pretrained(options.out / "vae"),
        warmup=50,
        hold=0.4,
    )


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of this stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("states", "train"))
    parser.add_argument("--pipeline", type=Path, default=Path("build/pocket/model"))
    parser.add_argument("--out", type=Path, default=Path("build/pocket/preview"))
    parser.add_argument("--size", choices=sorted(SIZES), default="pocket")
    parser.add_argument("--files", type=int, default=24)
    add_lap_options(parser, steps=4000, batch=8, lr=6e-4, decay=0.995, every=120)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Keep states, or train on them."""
    options = parse(argv)
    if options.what == "states":
        keep_states(options)
    else:
        train(options)


if __name__ == "__main__":
    main()
