"""Peak memory and seconds of loading models of full size, with random weights, and of two steps and a deck of one seed.

Writes Stable Diffusion 1.5 as one fp16 file (2.1 GB), then XL as an fp16 folder (6.9 GB), into a temporary folder; each
is loaded in a process of its own and deleted. From the repository's root: python benchmarks/models.py [sd15] [xl]
[load]; `load` leaves out what comes after loading.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

LOAD = """
import json, resource, sys, time
from denoisecli.diffusion import models, references
from denoisecli.diffusion.memory import Work, estimate
import denoisecli.diffusion.loading
ref, dtype, steps = sys.argv[1:]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
models.identity(ref)
began, busy = time.perf_counter(), time.process_time()
model = models.load_model(ref, "cpu", dtype)
load_s, cpu_s = time.perf_counter() - began, time.process_time() - busy
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import torch
parts = [part for part in model.pipe.components.values() if isinstance(part, torch.nn.Module)]
weights = sum(value.nbytes for part in parts for value in part.parameters())
began = time.perf_counter()
if steps == "steps":
    latents = model.pipe("a cat", height=256, width=256, num_inference_steps=2, output_type="latent").images
    assert latents.isfinite().all()
steps_s = time.perf_counter() - began
whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = estimate(references.locate(ref), str(model.dtype).removeprefix("torch."), Work((256, 256), 1, 2))
print(json.dumps({"weights_gb": weights / 1e9, "imports_gb": before * 1024 / 1e9, "peak_load_gb": peak * 1024 / 1e9,
    "ratio": peak * 1024 / weights, "peak_all_gb": whole * 1024 / 1e9, "load_s": load_s, "load_cpu_s": cpu_s,
    "steps_s": steps_s, "estimate_gb": found.needs("full") / 1e9}))
"""


def measure(ref: Path, dtype: str, steps: str) -> dict[str, float]:
    """Return what a process of its own took to load the model, and for two steps at 256²."""
    command = [sys.executable, "-c", LOAD, str(ref), dtype, steps]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return {key: round(value, 3) for key, value in json.loads(done.stdout.splitlines()[-1]).items()}


def deck(ref: Path, folder: Path) -> float:
    """Return the seconds of a deck of one seed, two steps at 256²."""
    began = time.perf_counter()
    words = ["sample", "-m", str(ref), "--seed", "1", "--steps", "2", "--set", "size=256x256", "--device", "cpu", "-q"]
    command = [sys.executable, "-m", "denoisecli", *words, "-o", str(folder / "deck")]
    subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure the models that were named, by default both."""
    from tests import full_size

    steps = "load" if "load" in sys.argv else "steps"
    named = {"sd15", "xl"} & set(sys.argv) or {"sd15", "xl"}
    with tempfile.TemporaryDirectory() as scratch:
        if "sd15" in named:
            file = full_size.write_file(Path(scratch) / "sd15.safetensors")
            print(
                "Stable Diffusion 1.5, one fp16 file, float32 on the CPU:", measure(file, "float32", steps), flush=True
            )
            if steps == "steps":
                print(f"  a deck of one seed, two steps at 256²: {deck(file, Path(scratch)):.1f} s", flush=True)
            file.unlink()
        if "xl" in named:
            folder = full_size.write_folder(Path(scratch) / "xl")
            print(
                "Stable Diffusion XL, an fp16 folder, bfloat16 on the CPU:",
                measure(folder, "bfloat16", steps),
                flush=True,
            )


if __name__ == "__main__":
    main()
