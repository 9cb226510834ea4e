"""Encode every rendered shard once, so that the denoiser trains on latents.

    python -m training.latents --scenes build/pocket/scenes --autoencoder build/pocket/autoencoder/autoencoder \
        --out build/pocket/latents

`NNN.npy` holds (count, 4, 32, 32) float16; `NNN.jsonl` is the scenes' own index.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from diffusers import AutoencoderTiny

from training.autoencoder import to_tensor
from training.runs import device
from training.scenes import held_out, load_shards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.captions import Attributes

AT_ONCE = (
    64 if torch.cuda.is_available() else 2
)  # on a processor what two pictures need still fits its caches: 3.5 times as fast


@dataclass(frozen=True)
class LatentSet:
    """All latents (n, 4, 32, 32) float16 of a folder, their words, and which of them are held out."""

    latents: np.ndarray
    words: list[Attributes]
    held_out: np.ndarray

    @property
    def captions(self) -> list[str]:
        """One caption a row."""
        return [words.caption for words in self.words]


def load_latents(folder: Path) -> LatentSet:
    """Read every shard of a folder into memory."""
    shards = load_shards(folder)
    held = [np.arange(len(latents)) < held_out(latents) for latents, _ in shards]
    words = [row for _, rows in shards for row in rows]
    return LatentSet(np.concatenate([latents for latents, _ in shards]), words, np.concatenate(held))


@torch.no_grad()
def encode_folder(scenes: Path, autoencoder: AutoencoderTiny, out: Path, limit: int | None = None) -> int:
    """Encode the shards that are not encoded yet; return how many."""
    out.mkdir(parents=True, exist_ok=True)
    done = 0
    for path in sorted(scenes.glob("*.npy"))[:limit]:
        target = out / path.name
        if target.exists():
            continue
        pictures = np.load(path, mmap_mode="r")
        parts = [pictures[start : start + AT_ONCE] for start in range(0, len(pictures), AT_ONCE)]
        latents = np.concatenate([_encode(autoencoder, part) for part in parts])
        shutil.copy(path.with_suffix(".jsonl"), target.with_suffix(".jsonl"))
        partial = target.with_suffix(".npy.partial")
        with partial.open("wb") as file:
            np.save(file, latents)
        partial.rename(target)
        done += 1
    return done


def _encode(autoencoder: AutoencoderTiny, pictures: np.ndarray) -> np.ndarray:
    """(n, 256, 256, 3) uint8 to (n, 4, 32, 32) float16."""
    batch = to_tensor(torch.from_numpy(np.array(pictures)).to(device()))
    return autoencoder.encoder(batch).half().cpu().numpy()


def main(argv: Sequence[str] | None = None) -> None:
    """Encode a folder of shards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=Path, default=Path("build/pocket/scenes"))
    parser.add_argument("--autoencoder", type=Path, default=Path("build/pocket/autoencoder/autoencoder"))
    parser.add_argument("--out", type=Path, default=Path("build/pocket/latents"))
    parser.add_argument("--limit", type=int, help="encode only the first shards")
    options = parser.parse_args(argv)
    autoencoder = AutoencoderTiny.from_pretrained(options.autoencoder).to(device(), memory_format=torch.channels_last)
    print(encode_folder(options.scenes, autoencoder, options.out, options.limit), "shards encoded")


if __name__ == "__main__":
    main()
