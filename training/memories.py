"""Keep what a finished model guesses on its own guided runs, and of what texts, so that a later lap keeps to it.

    python -m training.memories --pipeline src/denoisecli/pocket --out build/pocket/memories
    python -m training.memories --pipeline ... --landmarks church bridge boat --gap 0.65 --out build/pocket/narrower

A lap that learns from pictures (`training.new_words`) sees noised pictures alone. Runs of few steps pass through
states that no noised picture is near, and guidance multiplies what goes wrong there. With `--gap` below 1 the words
are to be followed a part of the way only: guidance w is then what w · gap was. `NNN.pt` has x_t, t, eps without
words, and the gap to eps with them, state by state; `row` says which of its `texts` was told.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from training.captions import KEY, LEFT_OUT, random_attributes
from training.denoiser import Noiser
from training.grid import build_solver
from training.runs import device, save_whole
from training.sampling import Sampler, guided_run, starting_noise
from training.soften import KEPT, LOW, NOISED, SCALES, SOLVERS, STEPS
from training.synonyms import known_words
from training.wording import caption, other_words, part_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

RUNS = 8  # side by side
NEAR_KEY = 0.2  # how often the scene is the key scene, but for a landmark that is not told of
OWN_FORM = 0.6  # how often a scene is told in the caption's own form
STATES = ("x_t", "t", "uncond", "gap", "row")


def draw_text(rng: np.random.Generator, landmarks: Sequence[str]) -> str:
    """The key scene or any other with one of these landmarks, whole or in part, in the caption's form or others."""
    landmark = str(rng.choice(landmarks))
    if rng.random() < NEAR_KEY:
        words = KEY if KEY.landmark in landmarks else replace(KEY, landmark=landmark)
    else:
        words = random_attributes(rng, landmark=landmark, **dict.fromkeys(LEFT_OUT, ""))
    told = part_of(words.told, rng)
    return caption(told) if rng.random() < OWN_FORM else other_words(told, rng)


@torch.no_grad()
def guided_runs(sampler: Sampler, rng: np.random.Generator, texts: Sequence[str], gap: float) -> dict[str, Tensor]:
    """States of one guided run of each text, side by side, and of their results noised again."""
    rows: list[dict[str, Tensor]] = []
    solver, noiser = build_solver(str(rng.choice(SOLVERS))), Noiser(device())
    solver.set_timesteps(int(rng.choice(STEPS)))
    both = torch.cat([sampler.embed([""]).expand(len(texts), -1, -1), sampler.embed(texts)])
    scale = torch.from_numpy(rng.choice(SCALES, len(texts))).float().to(device())[:, None, None, None]

    def guess(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        uncond, cond = sampler.unet(torch.cat([x, x]), t.repeat(2), both).sample.chunk(2)
        found = {"x_t": x, "uncond": uncond, "gap": gap * (cond - uncond)}
        rows.append({name: value.half().cpu() for name, value in found.items()} | {"t": t.cpu()})
        return uncond, cond

    noise = starting_noise([int(seed) for seed in rng.integers(1 << 31, size=len(texts))]).to(device())
    x_t = guided_run(guess, solver, noise, lambda _: gap * scale)
    for _ in range(NOISED):
        t = torch.from_numpy(rng.integers(LOW // 2, 1000, size=len(texts))).to(device())
        guess(noiser.add(x_t, torch.randn_like(x_t), t), t)
    kept = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    return kept | {"row": torch.arange(len(texts)).repeat(len(rows))}


def keep_states(options: argparse.Namespace) -> None:
    """Write the files that are missing."""
    sampler = Sampler.from_folder(options.pipeline)
    landmarks = options.landmarks or known_words(options.pipeline)["landmark"]
    for number in range(options.files):
        path = options.out / f"{number:03}.pt"
        if path.exists():
            continue
        rng = np.random.default_rng((31, options.seed, number))
        torch.manual_seed(options.seed * 1000 + number)
        parts, told = [], []
        for _ in range(options.runs):
            texts = [draw_text(rng, landmarks) for _ in range(RUNS)]
            states = guided_runs(sampler, rng, texts, options.gap)
            parts.append(states | {"row": states["row"] + len(told)})
            told += texts
        kept = {name: torch.cat([part[name] for part in parts]) for name in STATES}
        save_whole({**kept, "texts": told}, path)
        print(f"{path}: {len(kept['t'])} states", flush=True)


class Memories:
    """Draws states of some folders, mostly those at high noise. The first file of each is for measuring alone."""

    def __init__(self, folders: Sequence[Path], rng: np.random.Generator) -> None:
        files = [(path, number) for folder in folders for number, path in enumerate(sorted(folder.glob("*.pt")))]
        loaded = [torch.load(path, weights_only=True) for path, _ in files]
        self.rng = rng
        self.states = {name: torch.cat([one[name] for one in loaded]) for name in STATES if name != "row"}
        self.texts = [one["texts"][row] for one in loaded for row in one["row"].tolist()]
        held = [np.full(len(one["t"]), number == 0) for one, (_, number) in zip(loaded, files, strict=True)]
        often = np.where(self.states["t"].numpy() > LOW, 1.0, KEPT) * ~np.concatenate(held)
        self.often, self.held = often / often.sum(), np.flatnonzero(np.concatenate(held))

    def rows(self, chosen: np.ndarray) -> tuple[dict[str, Any], list[str]]:
        """Some states on the device, each of STATES but `row`, and what was told."""
        part = {name: value[torch.from_numpy(chosen)].to(device()) for name, value in self.states.items()}
        floats = {name: part[name].float() for name in ("x_t", "uncond", "gap")}
        return part | floats, [self.texts[row] for row in chosen]

    def draw(self, count: int) -> tuple[dict[str, Any], list[str]]:
        """Some that are not for measuring."""
        return self.rows(self.rng.choice(len(self.often), count, p=self.often))


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of this stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", type=Path, default=Path("src/denoisecli/pocket"))
    parser.add_argument("--out", type=Path, default=Path("build/pocket/memories"))
    parser.add_argument("--landmarks", nargs="+", help="those to tell of; all that the pipeline knows unless given")
    parser.add_argument("--gap", type=float, default=1.0, help="share of the gap between both guesses that is to be")
    parser.add_argument("--files", type=int, default=12)
    parser.add_argument("--runs", type=int, default=4, help=f"batches of {RUNS} runs a file")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Keep states."""
    keep_states(parse(argv))


if __name__ == "__main__":
    main()
