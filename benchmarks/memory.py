"""Peak memory of decks at Stable Diffusion XL's size: does it grow with steps and seeds?

A tiny random model is sampled at 1024², so that nearly all memory is that of states and pictures. What is measured is
private memory (RssAnon) of the command and of the ffmpegs that it starts, asked every 20 ms; arrays that lie on the
disk are the system's to keep or to drop. Linux. From the repository's root: python benchmarks/memory.py
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

import results

SIZE = 1024
RUNS = ((10, 1), (10, 4), (50, 4))  # steps, seeds
GOAL = 1.5
TINY = """
import sys
sys.path.insert(0, sys.argv[1])
from diffusers import AutoencoderKL, UNet2DConditionModel
from tests.tiny import tiny_text_sd
pipe = tiny_text_sd()
wide = (8, 8, 8, 8)
down, up = ["DownBlock2D"] * 2 + ["CrossAttnDownBlock2D"], ["CrossAttnUpBlock2D"] + ["UpBlock2D"] * 2
unet = UNet2DConditionModel.from_config(  # attention at 32² places, as in XL, and not at 128²
    pipe.unet.config, sample_size=128, block_out_channels=wide[:3], down_block_types=down, up_block_types=up)
vae = AutoencoderKL(  # 8 pixels a latent
    block_out_channels=wide, down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
    layers_per_block=1, norm_num_groups=4, mid_block_add_attention=False)
pipe.register_modules(unet=unet.eval(), vae=vae.eval())
pipe.save_pretrained(sys.argv[2])
"""


def private(process: psutil.Process) -> int:
    """Return the bytes of private memory that a process holds now; 0 once it has ended."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    found = re.search(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)
    return 1024 * int(found[1]) if found else 0


def peak_of(command: list[str]) -> tuple[int, int, float]:
    """Return the most private bytes that a command held, with its children and by itself, and its seconds."""
    began, most, alone = time.perf_counter(), 0, 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
        process = psutil.Process(running.pid)
        while running.poll() is None:
            try:
                children = process.children(recursive=True)
            except psutil.NoSuchProcess:
                break
            own = private(process)
            most, alone = max(most, own + sum(map(private, children))), max(alone, own)
            time.sleep(0.02)
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    return most, alone, time.perf_counter() - began


def main() -> None:
    """Print a row for each run, and the ratio of the largest to the smallest."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "tiny"
        subprocess.run([sys.executable, "-c", TINY, str(Path(__file__).parents[1]), str(model)], check=True)
        for steps, seeds in RUNS:
            command = [sys.executable, "-m", "denoisecli", "sample", "-m", str(model), "--steps", str(steps), "-q"]
            command += ["--seed", f"1-{seeds}", "--set", f"size={SIZE}x{SIZE}", "-o", f"{folder}/{steps}-{seeds}"]
            most, alone, seconds = peak_of(command)
            found[steps, seeds] = most
            pictures = 2 * seeds * (steps + 1) * SIZE * SIZE * 3
            gigabytes = [f"{size / 1e9:.2f} GB" for size in (most, alone, pictures)]
            told = "{} in all, {} the command itself; its pictures have {}".format(*gigabytes)
            print(f"{steps} steps, {seeds} seeds: {told}; {seconds:.0f} s", flush=True)
    ratio = found[RUNS[-1]] / found[RUNS[0]]
    print(f"{RUNS[-1]} / {RUNS[0]}: {ratio:.2f} (goal {GOAL})")
    results.note("peak memory of a deck at 1024²: 4 seeds, 50 steps", "of a deck of 1 seed, 10 steps", ratio, GOAL)


if __name__ == "__main__":
    main()
