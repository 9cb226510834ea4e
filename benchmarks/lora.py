"""What cutting a LoRA costs: ours against the full SVD of every ΔW, which other tools take.

A LoRA of Stable Diffusion 1.5's size and rank 128 is made (random factors, decaying spectrum, float16, 151 MB) and cut,
from file to file, to rank 4 (what sd-scripts' resize_lora.py does unless told otherwise), 16 and 64. Forming ΔW and
its SVD (torch, float32) is timed on one layer of each shape in the same run and multiplied by how many there are: with
full U and V, as resize_lora.py calls it, and thin, the cheapest call there is. Seconds are of CPU time, all threads
together, so that a busy machine hits both alike.
Run it: python benchmarks/lora.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import results

GOAL = 1 / 100
RANK, CUTS = 128, (4, 16, 64)
CHANNELS = {320: 5, 640: 5, 1280: 6}  # transformers of the U-Net by width
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
OURS = """
import json, sys, time, tracemalloc
from pathlib import Path
from denoisecli.lora.file import open_lora
from denoisecli.lora.truncate import truncate
def cut(rank, out):
    with open_lora(sys.argv[1]) as lora:
        truncate(lora, {Path(out): {layer.name: rank for layer in lora.layers}})
found = {}
for rank in map(int, sys.argv[3:]):
    took = []
    for index in range(5):
        began = time.process_time()
        cut(rank, f"{sys.argv[2]}-{rank}-{index}")
        took.append(time.process_time() - began)
    found[rank] = sorted(took)[2]
tracemalloc.start()
cut(rank, sys.argv[2])
print(json.dumps({"cpu_s": found, "peak_bytes": tracemalloc.get_traced_memory()[1], "torch": "torch" in sys.modules}))
"""
THEIRS = """
import json, sys, time, torch
torch.set_num_threads(1)
found = {}
for rows, columns in json.loads(sys.argv[1]):
    up, down = torch.randn(rows, 128), torch.randn(128, columns)
    took = []
    for full in (True, False):
        began = time.process_time()
        torch.linalg.svd(up @ down, full_matrices=full)
        took.append(time.process_time() - began)
    found[f"{rows}x{columns}"] = took
print(json.dumps(found))
"""


def shapes() -> list[tuple[int, int]]:
    """Return (rows, columns) of ΔW of the 264 layers that a LoRA of Stable Diffusion 1.5 changes."""
    unet = [
        shape
        for width, count in CHANNELS.items()
        for shape in [*[(width, width)] * 8, *[(width, 768)] * 2, (8 * width, width), (width, 4 * width)] * count
    ]
    text = [*[(768, 768)] * 4, (3072, 768), (768, 3072)] * 12
    return unet + text


def make_lora(path: Path) -> None:
    """Write the file, kohya layout, layer by layer."""
    from denoisecli.lora.safetensors import Planned, encode, writing

    rng = np.random.default_rng(0)
    layers = {f"lora_unet_layer_{index}": shape for index, shape in enumerate(shapes())}
    planned: Planned = {}
    for name, (rows, columns) in layers.items():
        planned[f"{name}.lora_up.weight"] = ("F16", (rows, RANK))
        planned[f"{name}.lora_down.weight"] = ("F16", (RANK, columns))
        planned[f"{name}.alpha"] = ("F16", ())
    with writing(path, planned, {"ss_network_dim": str(RANK)}) as put:
        for name, (rows, columns) in layers.items():
            decay = 0.97 ** np.arange(RANK)
            put(f"{name}.lora_up.weight", encode(0.1 * rng.standard_normal((rows, RANK)) * decay, "F16"))
            put(f"{name}.lora_down.weight", encode(0.1 * rng.standard_normal((RANK, columns)), "F16"))
            put(f"{name}.alpha", encode(np.array([RANK / 2]), "F16"))


def child(code: str, *arguments: str) -> dict[str, Any]:
    """Run code in a fresh Python with one thread and return what it prints."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | ONE_THREAD)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Print the table."""
    counts = Counter(shapes())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "style.safetensors"
        make_lora(path)
        ours = child(OURS, str(path), f"{folder}/cut", *map(str, CUTS))
        theirs = child(THEIRS, json.dumps(list(counts)))
        print(f"{len(shapes())} layers, rank {RANK}, {path.stat().st_size / 1e6:.0f} MB; torch: {ours['torch']}")
    full, thin = (
        sum(theirs[f"{rows}x{columns}"][index] * count for (rows, columns), count in counts.items()) for index in (0, 1)
    )
    print(
        f"SVD of each ΔW, from one layer of each of {len(counts)} shapes: {full:.0f} s full U and V, {thin:.0f} s thin"
    )
    for rank in CUTS:
        seconds = ours["cpu_s"][str(rank)]
        print(f"cut to rank {rank:3}: {seconds:5.2f} s, {full / seconds:4.0f} x and {thin / seconds:4.0f} x faster")
        what = f"cutting a 151 MB LoRA of rank {RANK} to rank {rank}"
        results.note(what, "an SVD of every full matrix", seconds / full, GOAL)
    largest = max(rows * columns for rows, columns in counts) * 4 / 1e6
    print(f"peak memory: {ours['peak_bytes'] / 1e6:.1f} MB; the largest ΔW alone, in float32: {largest:.1f} MB")
    print(time.strftime("%Y-%m-%d"), f"numpy {np.__version__}", f"{os.cpu_count()} cores")


if __name__ == "__main__":
    main()
