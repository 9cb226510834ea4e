"""Measure a pipeline folder against renders: do samples show what the words say, do they vary, are they copies?

    python -m training.evaluate --pipeline src/denoisecli/pocket --probe build/pocket/probe.pt \
        --out build/pocket/evaluation

Writes `evaluation.json` and contact sheets. All random draws are seeded.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from scipy.linalg import sqrtm

from training.autoencoder import measure, to_tensor
from training.captions import KEY, LEFT_OUT, Attributes, random_attributes
from training.probe import Probe, accuracy, load_probe, thumbnails
from training.runs import device, save_whole
from training.sampling import Sampler, starting_noise
from training.scenes import contact_sheet, held_out, render, shard_rows
from training.synonyms import known_words

if TYPE_CHECKING:
    from collections.abc import Sequence

SCALES = (1.0, 3.0, 7.5, 12.0)
MEASURES = ("speed", "autoencoder", "by_guidance", "diversity", "copies")
"""Methods of `Evaluation`. What was measured before and is not asked for again stays in the file."""


def draw_words(count: int, pipeline: Path, seed: int = 77) -> list[Attributes]:
    """Uniform scenes to sample, of what a pipeline has words for; not those of any training seed."""
    rng, known = np.random.default_rng(seed), known_words(pipeline)
    untold = {name: "" for name in LEFT_OUT if name not in known}
    return [random_attributes(rng, **untold) for _ in range(count)]


@torch.no_grad()
def probe_features(probe: Probe, pictures: np.ndarray) -> np.ndarray:
    """(n, 320)."""
    small = to_tensor(thumbnails(pictures)).to(device())
    return torch.cat([probe.features(part) for part in small.split(64)]).cpu().numpy().astype(np.float64)


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """|m1 − m2|² + tr(C1 + C2 − 2 (C1 C2)^½) of two sets of features (Heusel et al. 2017, arXiv 1706.08500)."""
    c1, c2 = np.cov(first.T), np.cov(second.T)
    root = np.real(sqrtm(c1 @ c2))
    return float(np.square(first.mean(0) - second.mean(0)).sum() + np.trace(c1 + c2 - 2 * root))


def principal(reference: np.ndarray, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and whitened principal axes of reference features: few enough dimensions for few samples."""
    mean = reference.mean(0)
    _, deviation, axes = np.linalg.svd(reference - mean, full_matrices=False)
    dimensions = min(dimensions, len(deviation))
    return mean, axes[:dimensions].T / (deviation[:dimensions] / np.sqrt(len(reference)) + 1e-6)


def _layouts(pictures: np.ndarray) -> np.ndarray:
    """Each picture as a 16×16 colour thumbnail in 0..1, flat."""
    return np.stack([cv2.resize(one, (16, 16), interpolation=cv2.INTER_AREA) for one in pictures]).reshape(
        len(pictures), -1
    ) / np.float32(255)


def _plain(words: Attributes) -> Attributes:
    """A scene without its landmark's colour and side: with them hardly any has been drawn twice."""
    return replace(words, **dict.fromkeys(LEFT_OUT, ""))


def pairwise(pictures: np.ndarray) -> float:
    """Mean root-mean-square distance of layouts over all pairs."""
    flat = _layouts(pictures)
    distance = np.sqrt(np.square(flat[:, None] - flat[None]).mean(2))
    return float(distance[np.triu_indices(len(flat), 1)].mean())


def nearest(layouts: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Root-mean-square distance (n,) of each layout to the nearest known one."""
    flat, known = layouts.astype(np.float64), known.astype(np.float64)
    squares = np.square(flat).sum(1)[:, None] + np.square(known).sum(1) - 2 * flat @ known.T
    return np.sqrt(np.maximum(squares.min(1), 0) / flat.shape[1])


def render_all(words: Sequence[Attributes], seeds: Sequence[int]) -> np.ndarray:
    """One picture of each scene, (n, 256, 256, 3); one process a core."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return np.stack(list(pool.map(render, words, seeds, chunksize=8)))


def telltale(real: np.ndarray, fake: np.ndarray) -> float:
    """Accuracy on new pictures of a ridge classifier that tells two sets of features apart; 0.5 is chance.

    Half of each set trains it, the other half tests it; a fair test needs the same captions on both sides.
    """
    half = len(real) // 2
    train = np.concatenate([real[:half], fake[:half]])
    target = np.concatenate([np.ones(half), -np.ones(half)])
    mean, scale = train.mean(0), train.std(0) + 1e-6
    x = (train - mean) / scale
    weights = np.linalg.solve(x.T @ x + 0.3 * len(x) * np.eye(x.shape[1]), x.T @ target)
    right = (((real[half:] - mean) / scale) @ weights > 0).sum() + (((fake[half:] - mean) / scale) @ weights < 0).sum()
    return float(right / (len(real) - half + len(fake) - half))


class Evaluation:
    """One evaluation: samples once, measures often."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.sampler = Sampler.from_folder(options.pipeline)
        self.probe = load_probe(options.probe)
        self.words = draw_words(options.count, options.pipeline)
        self.renders, self.fresh = (
            render_all(self.words, range(first, first + len(self.words))) for first in (10**12, 10**13)
        )
        self.reference = probe_features(self.probe, self.renders)

    def draw(self, captions: Sequence[str], seeds: Sequence[int], cfg: float) -> np.ndarray:
        """Decoded samples (n, 256, 256, 3)."""
        return self.sampler.pictures(captions, starting_noise(seeds), cfg, self.options.steps)

    def samples(self, cfg: float) -> np.ndarray:
        """One sample for each caption at this guidance, kept on disk so that a killed run goes on."""
        path = self.options.out / f"samples-{cfg:g}.pt"
        if not path.exists():
            seeds = range(5000, 5000 + len(self.words))
            pictures = self.draw([words.caption for words in self.words], seeds, cfg)
            save_whole({"pictures": torch.from_numpy(pictures)}, path)
        return torch.load(path, weights_only=True)["pictures"].numpy()

    def by_guidance(self) -> dict[str, dict[str, float]]:
        """Probe accuracy, Fréchet distance and telltale accuracy for each guidance, and for fresh renders."""
        mean, axes = principal(self.reference, 16)
        sets = {"renders": self.fresh, **{f"{cfg:g}": self.samples(cfg) for cfg in self.options.cfg}}
        rows = {}
        for name, pictures in sets.items():
            features = probe_features(self.probe, pictures)
            rows[name] = {
                **accuracy(self.probe, thumbnails(pictures), self.words),
                "frechet": frechet((self.reference - mean) @ axes, (features - mean) @ axes),
                "telltale": telltale(self.reference, features),
            }
        return rows

    def diversity(self) -> dict[str, float]:
        """Pairwise distance of layouts over seeds of one caption, against that of its renders."""
        captions, seeds = [KEY, *draw_words(3, self.options.pipeline, seed=5)], range(self.options.seeds)
        real = np.mean([pairwise(np.stack([render(words, 10**14 + i) for i in seeds])) for words in captions])
        ratios = {}
        for cfg in (3.0, 7.5):
            made = [pairwise(self.draw([words.caption] * len(seeds), seeds, cfg)) for words in captions]
            ratios[f"{cfg:g}"] = float(np.mean(made) / real)
        return ratios

    def copies(self) -> dict[str, float]:
        """Median distance to the nearest training picture of the same scene: of samples, and of new renders.

        The same but for the landmark's colour and side. They are rendered again, from what drew them.
        """
        trained = self._training_scenes()
        rows = [row for row, words in enumerate(self.words) if _plain(words) in trained]
        pairs = [pair for row in rows for pair in trained[_plain(self.words[row])]]
        known = iter(_layouts(render_all([words for words, _ in pairs], [seed for _, seed in pairs])))
        layouts = [np.stack([next(known) for _ in trained[_plain(self.words[row])]]) for row in rows]
        samples, fresh = (
            np.array(
                [nearest(_layouts(pictures[row : row + 1]), near)[0] for row, near in zip(rows, layouts, strict=True)]
            )
            for pictures in (self.samples(3.0), self.fresh)
        )
        found = {"samples": np.median(samples), "new renders": np.median(fresh), "least": samples.min()}
        return {name: float(value) for name, value in found.items()} | {"captions": len(rows)}

    def _training_scenes(self) -> dict[Attributes, list[tuple[Attributes, int]]]:
        seed, shards, count = self.options.trained_on
        found: dict[Attributes, list[tuple[Attributes, int]]] = defaultdict(list)
        for index in range(shards):
            for words, number in shard_rows(index, count, seed)[held_out(range(count)) :]:
                found[_plain(words)].append((words, number))
        return found

    def autoencoder(self) -> dict[str, object]:
        """PSNR on renders outside the training set."""
        return measure(self.sampler.autoencoder, to_tensor(self.fresh).to(device()))

    def speed(self) -> dict[str, float]:
        """Seconds of a 20-step sample at cfg 7.5, decoded, and milliseconds of a decode in a batch of 8."""
        times = []
        for _ in range(3):
            started = time.perf_counter()
            self.draw([KEY.caption], [1], 7.5)
            times.append(time.perf_counter() - started)
        x0 = starting_noise(range(8)).to(device())
        with torch.no_grad():
            started = time.perf_counter()
            for _ in range(3):
                self.sampler.autoencoder.decoder(x0)
        return {"sample_s": min(times), "decode_ms": (time.perf_counter() - started) / 24 * 1000}

    def sheets(self) -> None:
        """Pictures to look at: the key prompt, guidance, and random captions."""
        out = self.options.out
        key = self.draw([KEY.caption] * 12, range(1, 13), 5.0)
        contact_sheet([key[:4], key[4:8], key[8:]], out / "key.png")
        strip = [self.draw([KEY.caption], [1], cfg)[0] for cfg in (1, 3, 5, 7.5, 12)]
        contact_sheet([strip], out / "guidance.png")
        for cfg in self.options.cfg:
            pictures = self.samples(cfg)[:32]
            rows = [pictures[start : start + 8] for start in range(0, len(pictures) - 7, 8)]
            contact_sheet(rows or [pictures], out / f"random-{cfg:g}.png")


def main(argv: Sequence[str] | None = None) -> None:
    """Run every measure and write evaluation.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", type=Path, default=Path("src/denoisecli/pocket"))
    parser.add_argument("--probe", type=Path, default=Path("build/pocket/probe.pt"))
    parser.add_argument(
        "--trained-on",
        type=int,
        nargs=3,
        default=(1, 137, 400),
        metavar=("SEED", "SHARDS", "COUNT"),
        help="how the training scenes were drawn",
    )
    parser.add_argument("--out", type=Path, default=Path("build/pocket/evaluation"))
    parser.add_argument("--count", type=int, default=128, help="captions sampled at each guidance")
    parser.add_argument("--seeds", type=int, default=12, help="seeds a caption for the diversity")
    parser.add_argument("--steps", type=int, default=20, help="DDIM steps")
    parser.add_argument("--cfg", type=float, nargs="+", default=list(SCALES))
    parser.add_argument("--measures", choices=MEASURES, nargs="+", default=list(MEASURES))
    parser.add_argument("--no-sheets", dest="sheets", action="store_false", help="draw no contact sheets")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    evaluation, path = Evaluation(options), options.out / "evaluation.json"
    result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    result["captions"] = options.count
    result["probe"] = torch.load(options.probe, weights_only=True, map_location="cpu")["held_out"]
    for name in options.measures:
        result[name] = getattr(evaluation, name)()
        print(json.dumps({name: result[name]}), flush=True)
        path.write_text(json.dumps(result, indent=1), encoding="utf-8")
    if options.sheets:
        evaluation.sheets()


if __name__ == "__main__":
    main()
