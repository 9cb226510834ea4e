"""The attribute probe: a small CNN that reads the grammar's attributes off a picture. It judges; it is not shipped.

python -m training.probe --scenes build/pocket/scenes --out build/pocket/probe.pt
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.autoencoder import to_tensor
from training.captions import GRAMMAR, UNTOLD
from training.runs import device, rate, save_whole
from training.scenes import held_out, load_shards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.captions import Attributes

SIDE = 96


class Probe(nn.Module):
    """Thumbnails (n, 3, 96, 96) in −1..1 to one row of logits for each attribute."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width in (24, 48, 96, 160):
            layers += [nn.Conv2d(inputs, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU()]
            if width > 24:
                layers += [nn.Conv2d(width, width, 3, 1, 1), nn.BatchNorm2d(width), nn.ReLU()]
            inputs = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(2 * inputs, sum(len(words) for words in GRAMMAR.values()))

    def features(self, thumbnails: Tensor) -> Tensor:
        """(n, 320): mean and maximum over the picture of the last layer."""
        maps = self.body(thumbnails)
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)

    def forward(self, thumbnails: Tensor) -> tuple[Tensor, ...]:
        """Logits, one tensor an attribute in the grammar's order."""
        return self.head(self.features(thumbnails)).split([len(words) for words in GRAMMAR.values()], 1)


def thumbnails(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """(n, 96, 96, 3) uint8."""
    return np.stack([cv2.resize(np.asarray(one), (SIDE, SIDE), interpolation=cv2.INTER_AREA) for one in pictures])


def labels(words: Sequence[Attributes]) -> Tensor:
    """Class numbers (n, attributes), UNTOLD where a scene does not say."""
    return torch.tensor([one.classes() for one in words])


@torch.no_grad()
def accuracy(probe: Probe, small: np.ndarray, words: Sequence[Attributes]) -> dict[str, float]:
    """Share of the pictures that tell an attribute whose the probe reads right; `mean` over those that any tells."""
    probe.eval()
    parts = [probe(to_tensor(small[start : start + 64]).to(device())) for start in range(0, len(small), 64)]
    truth, found = labels(words).to(device()), {}
    for index, name in enumerate(GRAMMAR):
        told = truth[:, index] != UNTOLD
        if told.any():
            right = torch.cat([part[index] for part in parts]).argmax(1) == truth[:, index]
            found[name] = float(right[told].float().mean())
    return {**found, "mean": float(np.mean(list(found.values())))}


def _augment(batch: Tensor, rng: np.random.Generator) -> Tensor:
    """Now and then blur, always a little noise: the probe must not live on the finest texture."""
    if rng.random() < 0.4:
        batch = functional.avg_pool2d(batch, 3, 1, 1)
    return batch + float(rng.uniform(0, 0.08)) * torch.randn_like(batch)


def _mirrored(truth: Tensor) -> Tensor:
    """The class numbers of pictures that are turned left to right."""
    side, turned = list(GRAMMAR).index("side"), truth.clone()
    turned[:, side] = torch.where(truth[:, side] == UNTOLD, UNTOLD, 1 - truth[:, side])
    return turned


def train_probe(small: np.ndarray, words: Sequence[Attributes], steps: int, seed: int = 0) -> Probe:
    """Train a probe on thumbnails of renders."""
    torch.manual_seed(seed)
    place = device()
    rng, truth = np.random.default_rng(seed), labels(words).to(place)
    probe = Probe().to(place)
    optimizer = torch.optim.AdamW(probe.parameters(), lr=3e-3, weight_decay=0.02)
    for step in range(steps):
        rows = rng.integers(0, len(small), 64)
        batch, right = _augment(to_tensor(small[rows]).to(place), rng), truth[rows]
        if rng.random() < 0.5:
            batch, right = batch.flip(3), _mirrored(right)
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * rate(step, step / steps, warmup=50, hold=0.0)
        losses = [
            functional.cross_entropy(logits, right[:, index], ignore_index=UNTOLD, label_smoothing=0.05)
            for index, logits in enumerate(probe(batch))
        ]
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        optimizer.step()
    return probe.eval()


def load_probe(path: Path) -> Probe:
    """A trained probe."""
    probe = Probe().to(device())
    probe.load_state_dict(torch.load(path, weights_only=True, map_location=device())["probe"])
    return probe.eval()


def split(folder: Path) -> tuple[np.ndarray, list[Attributes], np.ndarray, list[Attributes]]:
    """Thumbnails and words of the training pictures, then of the held-out ones."""
    shards = load_shards(folder)
    train = [(shard[held_out(shard) :], words[held_out(shard) :]) for shard, words in shards]
    held = [(shard[: held_out(shard)], words[: held_out(shard)]) for shard, words in shards]
    return (
        np.concatenate([thumbnails(shard) for shard, _ in train]),
        [one for _, words in train for one in words],
        np.concatenate([thumbnails(shard) for shard, _ in held]),
        [one for _, words in held for one in words],
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Train the probe and say how well it reads renders it has not seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=Path, default=Path("build/pocket/scenes"))
    parser.add_argument("--out", type=Path, default=Path("build/pocket/probe.pt"))
    parser.add_argument("--steps", type=int, default=1200)
    options = parser.parse_args(argv)
    small, words, held_small, held_words = split(options.scenes)
    probe = train_probe(small, words, options.steps)
    result = accuracy(probe, held_small, held_words)
    save_whole({"probe": probe.state_dict(), "held_out": result}, options.out)
    print(json.dumps({name: round(value, 3) for name, value in result.items()}))


if __name__ == "__main__":
    main()
