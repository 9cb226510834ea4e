"""Render captioned scenes, and shards of them as training data.

    python -m training.scenes --out build/pocket/scenes --shards 20 --per-shard 1000 --seed 1
    python -m training.scenes --out build/pocket/woodcut --fix "style=woodcut print" --shards 2 --per-shard 500
    python -m training.scenes --sheet build/pocket/sheet.png

A shard is `NNN.npy` (count, 256, 256, 3) uint8 and `NNN.jsonl`, one row of attributes and seed a picture. A shard
appears under its name only when it is whole, so a run that was killed goes on with the shards that are missing.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from training.canvas import blur
from training.captions import GRAMMAR, KEY, Attributes, from_mapping, random_attributes, training_attributes
from training.ground import foreground, terrain, water
from training.landmarks import afloat, lamps, landmark, smoke
from training.layout import draw_layout
from training.sky import far_hills, sky
from training.styles import PAINT, set_off

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Picture = npt.NDArray[np.uint8]


def render(words: Attributes, seed: int) -> Picture:
    """The scene (256, 256, 3) uint8 of these words; the same words and seed give the same picture."""
    scene = draw_layout(words, seed)
    picture = far_hills(scene, sky(scene))
    picture = water(scene, picture)
    picture, base = terrain(scene, picture)
    bare = smoke(scene, picture)
    picture = landmark(scene, bare)
    subject = blur((np.abs(picture - bare).max(2) > 0.01).astype(np.float32), 1.0)
    bare = foreground(scene, picture, base)
    picture = afloat(scene, bare, base)
    subject = np.maximum(subject, blur((np.abs(picture - bare).max(2) > 0.01).astype(np.float32), 1.0))
    picture = lamps(scene, np.clip(picture, 0, 1).astype(np.float32))
    painted = PAINT[words.style](set_off(picture, subject).astype(np.float32), subject)
    return (np.clip(painted, 0, 1) * 255 + 0.5).astype(np.uint8)


def shard_rows(index: int, count: int, seed: int) -> list[tuple[Attributes, int]]:
    """Words and seed of each picture of a shard."""
    rng = np.random.default_rng((seed, index))
    return [(training_attributes(rng), int(rng.integers(1 << 40))) for _ in range(count)]


def render_shard(folder: Path, index: int, count: int, seed: int, fixed: dict[str, str]) -> float:
    """Render shard `index` unless it is there; return the seconds it took."""
    target = folder / f"{index:03d}.npy"
    if target.exists():
        return 0.0
    started = time.monotonic()
    rows = [(replace(words, **fixed), number) for words, number in shard_rows(index, count, seed)]
    pictures = np.stack([render(words, number) for words, number in rows])
    lines = [json.dumps({**words.as_dict(), "seed": number}) for words, number in rows]
    target.with_suffix(".jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial = target.with_suffix(".npy.partial")
    with partial.open("wb") as file:
        np.save(file, pictures)
    partial.rename(target)
    return time.monotonic() - started


def held_out(shard: Sequence[object] | np.ndarray) -> int:
    """How many pictures at the start of a shard are never trained on, by no network."""
    return min(32, len(shard) // 4)


def load_shards(folder: Path) -> list[tuple[Picture, list[Attributes]]]:
    """Every whole shard of a folder: pictures (memory-mapped) and their attributes."""
    shards = []
    for path in sorted(folder.glob("*.npy")):
        rows = path.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
        shards.append((np.load(path, mmap_mode="r"), [from_mapping(json.loads(row)) for row in rows]))
    return shards


def contact_sheet(rows: Iterable[Sequence[Picture]], path: Path) -> None:
    """Save rows of pictures side by side."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate([np.concatenate(list(row), 1) for row in rows])).save(path)


def _sheet_rows(seed: int) -> list[list[Picture]]:
    rng = np.random.default_rng(seed)
    rows = [[render(KEY, seed * 100 + column) for column in range(6)]]
    for style in GRAMMAR["style"]:
        words = [random_attributes(rng, style=style, landmark=name) for name in GRAMMAR["landmark"]]
        rows.append([render(one, int(rng.integers(1 << 40))) for one in words])
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Render shards, or one contact sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/pocket/scenes"))
    parser.add_argument("--shards", type=int, default=20)
    parser.add_argument("--per-shard", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fix", action="append", default=[], metavar="NAME=WORDS", help="one attribute for all")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sheet", type=Path, help="only save a contact sheet of sample scenes here")
    options = parser.parse_args(argv)
    if options.sheet:
        contact_sheet(_sheet_rows(options.seed), options.sheet)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    fixed = dict(item.split("=", 1) for item in options.fix)
    with ProcessPoolExecutor(options.workers) as pool:
        jobs = [
            pool.submit(render_shard, options.out, index, options.per_shard, options.seed, fixed)
            for index in range(options.shards)
        ]
        for index, job in enumerate(jobs):
            print(json.dumps({"shard": index, "seconds": round(job.result(), 1)}), flush=True)


if __name__ == "__main__":
    main()
