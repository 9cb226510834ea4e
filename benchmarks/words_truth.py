"""How true maps of words are, where the truth is known: the built-in model's scenes, whose parts have known places.

Random prompts in the model's own words. The landmark's pixels are found by differencing: the same noise is painted with
two other landmarks instead, and where the picture differs from both, the landmark is. Its word's map should be highest
there; words of the sky should lie above those of the foreground. Maps are means over the steps, as in DAAM.
Run it: python benchmarks/words_truth.py [prompts]
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from denoisecli.diffusion.models import load_model
from denoisecli.diffusion.recorder import record
from denoisecli.diffusion.vocabulary import words_of

PROMPTS, STEPS, CFG = 100, 8, 5.0
AROUND = 2  # latent pixels: differences are averaged over so many to every side, for outlines differ most
DIFFERS = 0.4  # of the largest difference: what lies above it is the landmark
FORM = "a {landmark} on a {terrain} at {time}, {sky}, {foreground}, {style}"

Map = NDArray[np.float32]


@dataclass
class Scene:
    """A prompt's parts, by attribute, and the number of its noise."""

    parts: dict[str, str]
    seed: int

    def prompt(self, landmark: str = "") -> str:
        """Return it in the model's form, with another landmark if one is named."""
        return FORM.format(**(self.parts | ({"landmark": landmark} if landmark else {})))


def scenes(count: int) -> tuple[list[Scene], list[str]]:
    """Return scenes drawn from the model's words, and all landmarks."""
    known, draw = words_of("pocket"), random.Random(0)
    drawn = [{name: draw.choice(words) for name, words in known.items()} for _ in range(count)]
    return [Scene(parts, seed) for seed, parts in enumerate(drawn)], known["landmark"]


def painted(pipe: Any, prompts: list[str], seed: int) -> Map:
    """Return pictures of some prompts from one noise, (n, H, W, 3) in 0..1."""
    noise = [torch.Generator().manual_seed(seed) for _ in prompts]
    told = {"num_inference_steps": STEPS, "guidance_scale": CFG, "output_type": "np"}
    return pipe(prompts, generator=noise, **told).images


def heard(pipe: Any, scene: Scene) -> tuple[Map, dict[str, Map]]:
    """Return a scene's picture, and the mean map of each attribute's words."""
    keys = [scene.parts[name] for name in ("landmark", "sky", "foreground")]
    with record(pipe, words=keys) as trace:
        picture = painted(pipe, [scene.prompt()], scene.seed)[0]
    maps = trace["words"][0].astype(np.float32).mean(axis=0)
    return picture, dict(zip(("landmark", "sky", "foreground"), maps, strict=True))


def landmark_of(picture: Map, others: Map, side: int) -> Map:
    """Return how much the surroundings of each place differ from both other pictures, (side, side)."""
    differs = np.abs(others - picture).mean(axis=-1).min(axis=0)
    coarse = np.pad(differs.reshape(side, len(differs) // side, side, -1).mean(axis=(1, 3)), AROUND, mode="edge")
    return sliding_window_view(coarse, (2 * AROUND + 1, 2 * AROUND + 1)).mean(axis=(2, 3))


def height_of(found: Map) -> float:
    """Return how high a map's weight lies over its least value: 0 at the top of the picture, 1 at its bottom."""
    rows = (found - found.min()).sum(axis=1)
    return float((rows * np.linspace(0, 1, len(rows))).sum() / rows.sum())


def area_under_curve(found: Map, truth: NDArray[np.bool_]) -> float:
    """Return how often a place of the truth has more than a place beside it."""
    ranks = found.ravel().argsort().argsort()[truth.ravel()]
    inside, outside = truth.sum(), (~truth).sum()
    return float((ranks.sum() - inside * (inside - 1) / 2) / (inside * outside))


def main() -> None:
    """Print the table of docs/words.md."""
    pipe = load_model("pocket", "cpu").pipe
    pipe.set_progress_bar_config(disable=True)
    drawn, landmarks = scenes(int(sys.argv[1]) if len(sys.argv) > 1 else PROMPTS)
    rows: dict[str, list[tuple[bool, float, float, bool]]] = defaultdict(list)
    draw = random.Random(1)
    for scene in drawn:
        picture, maps = heard(pipe, scene)
        others = draw.sample([other for other in landmarks if other != scene.parts["landmark"]], 2)
        differs = landmark_of(picture, painted(pipe, [scene.prompt(other) for other in others], scene.seed), 32)
        truth, own = differs > DIFFERS * differs.max(), maps["landmark"]
        on = bool(truth[np.unravel_index(own.argmax(), own.shape)])
        r = float(np.corrcoef(own.ravel(), differs.ravel())[0, 1])
        above = height_of(maps["sky"]) < height_of(maps["foreground"])
        rows[scene.parts["landmark"]].append((on, area_under_curve(own, truth), r, above))
    print(f"{'landmark':14} scenes  peak on it  area under curve  r     sky above foreground")
    for name, found in [*sorted(rows.items()), ("all", [row for each in rows.values() for row in each])]:
        on, area, r, above = np.array(found, float).T
        print(f"{name:14} {len(on):6}  {on.mean():10.0%}  {area.mean():16.2f}  {r.mean():.2f}  {above.mean():20.0%}")


if __name__ == "__main__":
    main()
