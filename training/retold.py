"""Measure how well scenes are painted that are told in other words than captions': what of them the judge reads right.

    python -m training.retold --pipeline src/denoisecli/pocket --probe build/pocket/probe.pt

The same scenes and seeds each time, whole ones and parts; of a part, what it tells counts.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from training.autoencoder import to_tensor
from training.captions import GRAMMAR, HELD_OUT
from training.probe import load_probe, thumbnails
from training.runs import device
from training.sampling import Sampler, starting_noise
from training.synonyms import known_words
from training.wording import Scene, caption, draw_scene, other_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.probe import Probe


def scenes_to_tell(count: int, rng: np.random.Generator, pipeline: Path) -> list[Scene]:
    """Scenes of what the base model was taught, as far as its tokenizer has words for it."""
    known = known_words(pipeline)
    drawn = [{name: word for name, word in draw_scene(rng).items() if name in known} for _ in range(3 * count)]
    return [scene for scene in drawn if not set(scene.values()) & set(HELD_OUT.values())][:count]


@torch.no_grad()
def right(probe: Probe, pictures: np.ndarray, scenes: Sequence[Scene]) -> dict[str, float]:
    """Share of the told attributes that the probe reads off the pictures, each by itself and all together."""
    logits = probe(to_tensor(thumbnails(list(pictures))).to(device()))
    hits: dict[str, list[bool]] = {name: [] for name in GRAMMAR}
    for name, one in zip(GRAMMAR, logits, strict=True):
        for scene, found in zip(scenes, one.argmax(1).tolist(), strict=True):
            if name in scene:
                hits[name].append(GRAMMAR[name][found] == scene[name])
    told = {name: float(np.mean(found)) for name, found in hits.items() if found}
    return told | {"all": float(np.mean([hit for found in hits.values() for hit in found]))}


def main(argv: Sequence[str] | None = None) -> None:
    """Print a JSON line for each way of telling."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", type=Path, default=Path("src/denoisecli/pocket"))
    parser.add_argument("--probe", type=Path, default=Path("build/pocket/probe.pt"))
    parser.add_argument("--count", type=int, default=96)
    parser.add_argument("--steps", type=int, default=20, help="DDIM steps")
    parser.add_argument("--cfg", type=float, default=7.5)
    options = parser.parse_args(argv)
    sampler, probe, rng = Sampler.from_folder(options.pipeline), load_probe(options.probe), np.random.default_rng(23)
    scenes = scenes_to_tell(options.count, rng, options.pipeline)
    noise = starting_noise(range(7000, 7000 + len(scenes)))
    tellings = {"caption": [*map(caption, scenes)], "other words": [other_words(scene, rng) for scene in scenes]}
    for name, texts in tellings.items():
        found = right(probe, sampler.pictures(texts, noise, options.cfg, options.steps), scenes)
        print(json.dumps({"told": name} | {key: round(value, 3) for key, value in found.items()}), flush=True)


if __name__ == "__main__":
    main()
