"""Measure finished pictures at few and many steps: samplers × steps × guidance, right words and hatching.

    python -m training.grid --pipeline src/denoisecli/pocket --out build/pocket/grid
    python -m training.grid ... --decoder build/pocket/decoder/autoencoder    # the same latents, another decoder

Latents are kept in `finals/`, one file a cell of the grid, and judged cells in the JSON: the command goes on where it
was killed, other decoders draw the same latents, and a larger `--count` adds to what is there. `NAME.json` has a row
for each cell (probe accuracy; the mean share of hatched 16-pixel cells, and the share of pictures with more than one
in a hundred; see `training.texture`), `NAME.md` a table for each sampler.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import diffusers
import numpy as np
import torch
from diffusers import AutoencoderTiny

from denoisecli.config.samplers import SAMPLERS
from training.autoencoder import to_pictures, to_tensor
from training.captions import GRAMMAR
from training.card import few_steps
from training.evaluate import draw_words
from training.models import build_scheduler
from training.probe import Probe, accuracy, load_probe, thumbnails
from training.runs import device, save_whole
from training.sampling import BATCH, Sampler, starting_noise
from training.scenes import held_out, load_shards
from training.texture import SPOILED, Texture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


STEPS = (3, 4, 5, 6, 8, 10, 15, 20, 50)
SCALES = (7.5, 3.0, 1.0, 5.0, 12.0)
NAMES = ("ddim", "dpmpp_2m", "euler_a", "unipc")
RENDERS = 60  # of each style, for what texture they have


def build_solver(name: str, **more: object) -> Any:
    """A scheduler by denoisecli's name of it, on the model's own noise schedule."""
    row = SAMPLERS[name]
    return getattr(diffusers, row.class_name).from_config(build_scheduler().config, **{**row.options, **more})


def learn_texture(scenes: Path, autoencoder: AutoencoderTiny) -> Texture:
    """What textures the held-out renders have, as they are and through the autoencoder, by style."""
    known: dict[str, list[np.ndarray]] = {style: [] for style in GRAMMAR["style"]}
    for pictures, words in load_shards(scenes):
        for picture, one in zip(pictures[: 2 * held_out(pictures)], words, strict=False):
            if len(known[one.style]) < RENDERS:
                known[one.style].append(np.asarray(picture))
    return Texture({style: _both(autoencoder, np.stack(found)) for style, found in known.items() if found})


@torch.no_grad()
def _both(autoencoder: AutoencoderTiny, pictures: np.ndarray) -> list[np.ndarray]:
    """Each picture, and behind it what the autoencoder makes of it."""
    given = [autoencoder.decoder(autoencoder.encoder(part)) for part in to_tensor(pictures).to(device()).split(8)]
    pairs = zip(pictures, np.concatenate([to_pictures(part) for part in given]), strict=True)
    return [picture for pair in pairs for picture in pair]


@torch.no_grad()
def decode(autoencoder: AutoencoderTiny, latents: Tensor) -> np.ndarray:
    """Pictures (n, 256, 256, 3) uint8."""
    return np.concatenate(
        [to_pictures(autoencoder.decoder(part.float().to(device()))) for part in latents.split(BATCH)]
    )


class Grid:
    """The cells of the grid: sampled once, drawn and judged by any decoder."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.words = options, draw_words(options.count, options.pipeline)
        self.sampler = Sampler.from_folder(options.pipeline)

    def finals(self, name: str, steps: int, cfg: float) -> Tensor:
        """Finished latents (n, 4, 32, 32) of one cell, sampled now if they are not on disk yet."""
        path = self.options.out / "finals" / f"{name}-{steps}-{cfg:g}.pt"
        kept = torch.load(path, weights_only=True)["latents"] if path.exists() else torch.empty(0, 4, 32, 32)
        if len(kept) < len(self.words):
            more = self.words[len(kept) :]
            noise = starting_noise(range(5000 + len(kept), 5000 + len(self.words)))
            made = self.sampler.finals([one.caption for one in more], noise, cfg, steps, build_solver(name))
            kept = torch.cat([kept, made.half().cpu()])
            save_whole({"latents": kept}, path)
        return kept[: len(self.words)]

    def judge(self, pictures: np.ndarray, probe: Probe, texture: Texture) -> dict[str, float]:
        """What the probe reads right, and what is hatched."""
        hatched = [texture.outliers(one, words.style).mean() for one, words in zip(pictures, self.words, strict=True)]
        return {
            "right": round(accuracy(probe, thumbnails(pictures), self.words)["mean"], 4),
            "hatched": round(float(np.mean(hatched)), 4),
            "spoiled": round(float(np.mean(np.array(hatched) > SPOILED)), 4),
        }


def main(argv: Sequence[str] | None = None) -> None:
    """Sample, draw, judge; one JSON line a cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", type=Path, default=Path("src/denoisecli/pocket"))
    parser.add_argument("--decoder", type=Path, help="an autoencoder's folder to draw with instead of the pipeline's")
    parser.add_argument("--probe", type=Path, default=Path("build/pocket/probe.pt"))
    parser.add_argument("--scenes", type=Path, default=Path("build/pocket/scenes"))
    parser.add_argument("--out", type=Path, default=Path("build/pocket/grid"))
    parser.add_argument("--name", default="grid", help="of the JSON and the tables")
    parser.add_argument("--count", type=int, default=12, help="captions, one seed each")
    parser.add_argument("--steps", type=int, nargs="+", default=list(STEPS))
    parser.add_argument("--samplers", choices=SAMPLERS, nargs="+", default=list(NAMES))
    parser.add_argument("--cfg", type=float, nargs="+", default=list(SCALES))
    parser.add_argument("--sample-only", action="store_true", help="keep the latents, judge later")
    options = parser.parse_args(argv)
    grid, path = Grid(options), options.out / f"{options.name}.json"
    cells = list(product(options.cfg, options.steps, options.samplers))
    if options.sample_only:
        for cfg, steps, name in cells:
            grid.finals(name, steps, cfg)
            print(json.dumps({"sampler": name, "steps": steps, "cfg": cfg}), flush=True)
        return
    probe, own = load_probe(options.probe), grid.sampler.autoencoder
    texture, drawer = learn_texture(options.scenes, own), own
    if options.decoder:
        drawer = AutoencoderTiny.from_pretrained(options.decoder).to(device()).eval()
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    found = {(row["sampler"], row["steps"], row["cfg"]): row for row in rows}
    for cfg, steps, name in cells:
        if found.get((name, steps, cfg), {"captions": 0})["captions"] >= options.count:
            continue
        judged = grid.judge(decode(drawer, grid.finals(name, steps, cfg)), probe, texture)
        row = {"sampler": name, "steps": steps, "cfg": cfg, "captions": options.count, **judged}
        found[name, steps, cfg] = row
        print(json.dumps(row), flush=True)
        path.write_text(json.dumps([*found.values()], indent=1) + "\n", encoding="utf-8")
        path.with_suffix(".md").write_text(few_steps([*found.values()]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
