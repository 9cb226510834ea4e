"""Teach the denoiser to follow its words a part of the way, so that usual guidance stays within what pictures have.

    python -m training.soften states --pipeline build/pocket/model --out build/pocket/softened --files 20
    python -m training.soften train --pipeline build/pocket/model --out build/pocket/softened

A caption says nearly all there is to say of a scene, so the gap between the guesses with and without it is wide, and
7.5 times that gap is no picture any more (`training.guesses`). Where captions say little of their pictures, as on the
web, the gap is narrow: if a share 1 − s of all captions belonged to other pictures, the best guess with words would be

    cond' = uncond + s · (cond − uncond),

so guidance w with the new weights is guidance s · w with the old. `share` is small only where the gap is wide, at high
noise. `states` keeps what the old weights guess on their own guided runs and on the results of these, noised again;
`train` fits the denoiser to cond' there, to uncond without words, and to the gap between them, in x0, since that is
what guidance multiplies. The text encoder stays as it is. Both go on where they were killed; `unet/` has the averaged
weights.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from training.captions import KEY, random_attributes
from training.denoiser import X0_CAP, Noiser
from training.grid import build_solver
from training.runs import Lap, add_lap_options, device, save_whole
from training.sampling import Sampler, guided_run, starting_noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

SHARE, LOW, HIGH = 0.4, 400, 800
"""The share of the gap that is left at t ≥ HIGH; all of it is at t ≤ LOW, and a straight line lies between."""
SOLVERS = ("ddim", "dpmpp_2m", "euler_a")
STEPS = (4, 6, 8, 12, 20)
SCALES = (1.0, 3.0, 5.0, 7.5, 7.5, 12.0)
RUNS = 8  # a file
NOISED = 3  # states made from each result
KEPT = 0.3  # how often a state at t ≤ LOW is learnt, for one above: there is nothing to change there
GAP = 4.0  # what an error of the gap weighs, which guidance multiplies, for 1 of each guess


def share(t: Tensor) -> Tensor:
    """The share of the gap that is left at levels t, of the same shape."""
    return 1 - (1 - SHARE) * ((t.float() - LOW) / (HIGH - LOW)).clamp(0, 1)


def errors_with_gap(uncond: Tensor, cond: Tensor) -> Tensor:
    """Mean squared errors (n,) of both guesses and, `GAP` times, of the gap, from what each is off (n, 4, h, w)."""
    return (uncond.square() + cond.square() + GAP * (cond - uncond).square()).mean((1, 2, 3))


def draw_contexts(sampler: Sampler, rng: np.random.Generator, count: int) -> Tensor:
    """Contexts (count, 32, 128): whole captions, parts of them in any order, and mixtures of two as a walk has them."""
    whole = [KEY if rng.random() < 0.1 else random_attributes(rng) for _ in range(2 * count)]
    captions = [one.caption if rng.random() < 0.7 else _part(one.caption, rng) for one in whole]
    found = sampler.embed(captions)
    amounts = torch.from_numpy(np.where(rng.random(count) < 0.1, rng.random(count), 0.0)).float()
    return torch.lerp(found[:count], found[count:], amounts.to(found)[:, None, None])


def _part(caption: str, rng: np.random.Generator) -> str:
    phrases = caption.split(", ")
    kept = rng.permutation(len(phrases))[: int(rng.integers(1, len(phrases) + 1))]
    return ", ".join(phrases[index] for index in kept)


class States:
    """What the old weights guess: x_t, t, context, and eps with and without words, state by state."""

    def __init__(self, sampler: Sampler, seed: int) -> None:
        self.sampler, self.rng, self.seed = sampler, np.random.default_rng((11, seed)), seed
        self.rows: list[dict[str, Tensor]] = []
        self.noiser = Noiser(device())
        self.empty = sampler.embed([""])

    @torch.no_grad()
    def guess(self, x: Tensor, t: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """eps (n, 4, 32, 32) without words and with them; both are kept."""
        both = torch.cat([self.empty.expand(len(x), -1, -1), context])
        uncond, cond = self.sampler.unet(torch.cat([x, x]), t.repeat(2), both).sample.chunk(2)
        kept = {"x_t": x, "context": context, "uncond": uncond, "gap": cond - uncond}
        self.rows.append({**{name: value.half().cpu() for name, value in kept.items()}, "t": t.cpu()})
        return uncond, cond

    @torch.no_grad()
    def run(self) -> None:
        """A few guided runs side by side, and their results noised again."""
        solver = build_solver(str(self.rng.choice(SOLVERS)))
        solver.set_timesteps(int(self.rng.choice(STEPS)))
        scale = float(self.rng.choice(SCALES))
        context = draw_contexts(self.sampler, self.rng, RUNS)
        noise = starting_noise([int(seed) for seed in self.rng.integers(1 << 31, size=RUNS)]).to(device())
        x_t = guided_run(lambda x, t: self.guess(x, t, context), solver, noise, lambda t: scale * share(t))
        for _ in range(NOISED):
            t = torch.from_numpy(self.rng.integers(LOW // 2, 1000, size=RUNS)).to(device())
            again = context if self.rng.random() < 0.7 else draw_contexts(self.sampler, self.rng, RUNS)
            self.guess(self.noiser.add(x_t, torch.randn_like(x_t), t), t, again)

    def saved(self) -> dict[str, Tensor]:
        """All rows as one of each name."""
        return {name: torch.cat([row[name] for row in self.rows]) for name in self.rows[0]}


def keep_states(options: argparse.Namespace) -> None:
    """Write the files that are missing."""
    sampler = Sampler.from_folder(options.pipeline)
    for number in range(options.files):
        path = options.out / "states" / f"{number:03}.pt"
        if path.exists():
            continue
        torch.manual_seed(options.seed * 1000 + number)
        states = States(sampler, options.seed * 1000 + number)
        for _ in range(options.runs):
            states.run()
        kept = states.saved()
        save_whole(kept, path)
        print(f"{path.name}: {len(kept['t'])} states", flush=True)


def load_states(folder: Path) -> dict[str, Tensor]:
    """Every state of a folder."""
    files = [torch.load(path, weights_only=True) for path in sorted(folder.glob("*.pt"))]
    return {name: torch.cat([one[name] for one in files]) for name in files[0]}


class Softening(Lap):
    """The run: the denoiser, and what it is to guess."""

    def __init__(self, options: argparse.Namespace) -> None:
        sampler = Sampler.from_folder(options.pipeline)
        self.unet, self.empty = sampler.unet.train(), sampler.embed([""]).detach()[0]
        super().__init__(self.unet, options, betas=(0.9, 0.99))
        self.weight = Noiser(device()).in_x0
        self.states = load_states(options.out / "states")
        self.held = len(torch.load(options.out / "states" / "000.pt", weights_only=True)["t"])  # for measuring alone
        often = np.where(self.states["t"][self.held :].numpy() > LOW, 1.0, KEPT)
        self.often = often / often.sum()

    def rows(self, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """x_t, t, context of some states, and the eps to learn without words and with them."""
        part = {name: value[chosen].to(device()) for name, value in self.states.items()}
        x_t = part["x_t"].float().contiguous(memory_format=torch.channels_last)
        uncond, gap = part["uncond"].float(), part["gap"].float()
        return x_t, part["t"], part["context"].float(), uncond, uncond + share(part["t"])[:, None, None, None] * gap

    def error(self, chosen: Tensor) -> Tensor:
        """Mean over states of the squared errors in x0, by `X0_CAP`, of both guesses and, `GAP` times, of the gap."""
        x_t, t, context, *wanted = self.rows(chosen)
        both = torch.cat([self.empty.expand_as(context), context])
        eps = self.unet(torch.cat([x_t, x_t]), t.repeat(2), both).sample
        uncond, cond = (found - right for found, right in zip(eps.chunk(2), wanted, strict=True))
        return (self.weight[t] * errors_with_gap(uncond, cond)).mean() / X0_CAP

    def loss(self) -> Tensor:
        """The error of some states, drawn anew."""
        chosen = self.rng.choice(len(self.often), self.options.batch, p=self.often)
        return self.error(torch.from_numpy(self.held + chosen))

    @torch.no_grad()
    def guess(self, chosen: Tensor, *, without: bool) -> tuple[Tensor, Tensor]:
        """eps (n, 4, 32, 32) as guessed and as it is to be, of some states with their words or without any."""
        x_t, t, context, uncond, cond = self.rows(chosen)
        context = self.empty.expand_as(context) if without else context
        parts = zip(x_t.split(32), t.split(32), context.split(32), strict=True)
        return torch.cat([self.unet(*part).sample for part in parts]), uncond if without else cond

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Mean squared errors in x0 on held-out states; that of the gap as a share of what it is to be, above LOW."""
        chosen = torch.arange(0, self.held, max(1, self.held // self.options.validate))
        cond, cond_wanted = self.guess(chosen, without=False)
        uncond, uncond_wanted = self.guess(chosen, without=True)
        levels = self.states["t"][chosen]
        weight = self.weight[levels][:, None, None, None]
        gap, wanted = cond - uncond, cond_wanted - uncond_wanted
        high = weight * (levels > LOW)[:, None, None, None]
        return {
            "with": float((weight * (cond - cond_wanted).square()).mean()),
            "without": float((weight * (uncond - uncond_wanted).square()).mean()),
            "gap": float((high * (gap - wanted).square()).mean() / (high * wanted.square()).mean()),
        }

    def keep(self) -> None:
        """Write the denoiser with the averaged weights."""
        copy.deepcopy(self.unet).half().save_pretrained(self.options.out / "unet")


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of this stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("states", "train"))
    parser.add_argument("--pipeline", type=Path, default=Path("build/pocket/model"))
    parser.add_argument("--out", type=Path, default=Path("build/pocket/softened"))
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--runs", type=int, default=4, help=f"batches of {RUNS} runs a file")
    parser.add_argument("--validate", type=int, default=96, help="held-out states to measure on")
    add_lap_options(parser, steps=2100, batch=12, lr=8e-5, decay=0.998, every=240)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Keep states, or train on them."""
    options = parse(argv)
    if options.what == "states":
        keep_states(options)
    else:
        lap = Softening(options)
        lap.run(lap.loss, lap.measure, lap.keep)


if __name__ == "__main__":
    main()
