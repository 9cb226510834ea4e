"""Teach the denoiser to follow its words a part of the way, so that usual guidance stays within what pictures have.

    python -m training.soften states --pipeline build/pocket/model --out build/pocket/softened --files 20
    python -m training.soften train --pipeline build/pocket/model --out build/pocket/softened --steps 5000

A caption says nearly all there is to say of a scene, so the gap between the guesses with and without it is wide, and
7.5 times that gap is no picture any more (`training.guesses`). Where captions say little of their pictures, as on the
web, the gap is narrow: if a share 1 − s of all captions belonged to other pictures, the best guess with words would be

    cond' = uncond + s · (cond − uncond),

so guidance w with the new weights is guidance s · w with the old. `states` keeps what the old weights guess on their
own guided runs and on the results of these, noised again; `train` fits the denoiser to cond' there, and to uncond
without words. The text encoder stays as it is. Both go on where they were killed; `unet/` has the averaged weights.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from training.captions import KEY, random_attributes
from training.denoiser import Noiser
from training.grid import build_solver
from training.runs import Average, Log, device, gather, load_checkpoint, rate, save_whole
from training.sampling import Sampler, starting_noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

SHARE = 0.4
SOLVERS = ("ddim", "dpmpp_2m", "euler_a")
STEPS = (4, 6, 8, 12, 20)
SCALES = (1.0, 3.0, 5.0, 7.5, 7.5, 12.0)
RUNS = 8  # a file
NOISED = 3  # states made from each result
WITHOUT = 0.25  # share of a batch that is learnt without words


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
        scale = SHARE * float(self.rng.choice(SCALES))
        context = draw_contexts(self.sampler, self.rng, RUNS)
        noise = starting_noise([int(seed) for seed in self.rng.integers(1 << 31, size=RUNS)]).to(device())
        x_t = noise * solver.init_noise_sigma
        for t in solver.timesteps:
            x = solver.scale_model_input(x_t, t)
            level = t.round().long().clamp(0, 999).expand(RUNS).to(device())
            uncond, cond = self.guess(x, level, context)
            x_t = solver.step(uncond + scale * (cond - uncond), t, x_t).prev_sample
        for _ in range(NOISED):
            t = torch.from_numpy(self.rng.integers(1000, size=RUNS)).to(device())
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


class Softening:
    """The run: the denoiser, what it is to guess, and the step that moves it on."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.step = options, 0
        sampler = Sampler.from_folder(options.pipeline)
        self.unet, self.empty = sampler.unet.train(), sampler.embed([""]).detach()[0]
        self.average = Average(self.unet, options.decay)
        self.optimizer = torch.optim.AdamW(self.unet.parameters(), lr=options.lr, betas=(0.9, 0.98), weight_decay=0.0)
        state = load_checkpoint(options.out / "checkpoint.pt")
        if state is not None:
            self.unet.load_state_dict(state["unet"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.average.restore(state["average"])
            self.step = int(state["step"])
        self.rng = np.random.default_rng((options.seed, self.step))
        self.read()

    def read(self) -> None:
        """Take the states that are there now; the first file is for measuring alone."""
        self.states = load_states(self.options.out / "states")
        self.held = len(torch.load(self.options.out / "states" / "000.pt", weights_only=True)["t"])

    def rows(self, chosen: Tensor, without: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """x_t, t, context and the eps to learn of some states; `without` says which have no words, (n,)."""
        part = {name: value[chosen].to(device()) for name, value in self.states.items()}
        share = torch.where(without, 0.0, SHARE)[:, None, None, None]
        context = torch.where(without[:, None, None], self.empty, part["context"].float())
        x_t = part["x_t"].float().contiguous(memory_format=torch.channels_last)
        return x_t, part["t"], context, part["uncond"].float() + share * part["gap"].float()

    def advance(self) -> Tensor:
        """One optimizer step; return its loss."""
        count = self.options.batch
        chosen = torch.from_numpy(self.rng.integers(self.held, len(self.states["t"]), count))
        without = torch.arange(count) < round(WITHOUT * count)
        x_t, t, context, target = self.rows(chosen, without.to(device()))
        loss = nn.functional.mse_loss(self.unet(x_t, t, context).sample, target)
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.lr * rate(self.step, self.step / self.options.steps)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        self.optimizer.step()
        self.average.update()
        self.step += 1
        return loss.detach()

    @torch.no_grad()
    def guess(self, chosen: Tensor, *, without: bool) -> tuple[Tensor, Tensor]:
        """eps (n, 4, 32, 32) as guessed and as it is to be, of some states with their words or without any."""
        x_t, t, context, target = self.rows(chosen, torch.full((len(chosen),), without, device=device()))
        parts = zip(x_t.split(32), t.split(32), context.split(32), strict=True)
        return torch.cat([self.unet(*part).sample for part in parts]), target

    def errors(self) -> dict[str, float]:
        """Mean squared errors on held-out states, and that of the gap as a share of what the gap is to be."""
        chosen = torch.arange(0, self.held, max(1, self.held // self.options.validate))
        cond, cond_wanted = self.guess(chosen, without=False)
        uncond, uncond_wanted = self.guess(chosen, without=True)
        gap, wanted = cond - uncond, cond_wanted - uncond_wanted
        return {
            "with": float((cond - cond_wanted).square().mean()),
            "without": float((uncond - uncond_wanted).square().mean()),
            "gap": float((gap - wanted).square().mean() / wanted.square().mean()),
        }

    def checkpoint(self, losses: list[Tensor], seconds: float) -> None:
        """Measure the averaged weights, log, and save all that a resumed run needs."""
        with self.average:
            row = {name: float(f"{value:.3g}") for name, value in self.errors().items()}
            copy.deepcopy(self.unet).half().save_pretrained(self.options.out / "unet")
        a_second = round(len(losses) * self.options.batch / max(seconds, 1e-9), 1)
        self.log.write(step=self.step, train=float(f"{gather(losses):.3g}"), **row, samples_per_s=a_second)
        state = {"unet": self.unet.state_dict(), "optimizer": self.optimizer.state_dict()}
        save_whole({**state, "average": self.average.state(), "step": self.step}, self.options.out / "checkpoint.pt")

    def train(self) -> None:
        """Train to `--steps`."""
        self.log = Log(self.options.out / "log.jsonl")
        losses: list[Tensor] = []
        started = time.monotonic()
        while self.step < self.options.steps:
            losses.append(self.advance())
            elapsed = time.monotonic() - started
            if elapsed > self.options.every or self.step == self.options.steps:
                self.checkpoint(losses, elapsed)
                self.read()
                losses, started = [], time.monotonic()


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of this stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("states", "train"))
    parser.add_argument("--pipeline", type=Path, default=Path("build/pocket/model"))
    parser.add_argument("--out", type=Path, default=Path("build/pocket/softened"))
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--runs", type=int, default=4, help=f"batches of {RUNS} runs a file")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--decay", type=float, default=0.998, help="of the weights' moving average")
    parser.add_argument("--validate", type=int, default=96, help="held-out states to measure on")
    parser.add_argument("--every", type=float, default=240, help="seconds between checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Keep states, or train on them."""
    options = parse(argv)
    if options.what == "states":
        keep_states(options)
    else:
        Softening(options).train()


if __name__ == "__main__":
    main()
