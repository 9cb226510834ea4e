"""What the noise film costs, against ffmpeg alone on the same raw frames.

Both encode with the same settings: `alone` is fed from memory with frames that were drawn before, `made` draws them
while it encodes. The rounds alternate, so that a noisy machine hits both alike; the ratio is the median of its pairs.
Run it: python benchmarks/noise.py [rounds]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import results
from denoisecli.figures.theme import FilmStyle, theme_named
from denoisecli.labs.noise.config import NoiseConfig
from denoisecli.labs.noise.figures.film import NoiseDrawing, frame_order
from denoisecli.labs.noise.lab import clean_picture, forward_trace, plan
from denoisecli.media.video import Held, write_video
from denoisecli.process.forward import schedule_named

GOAL = 1.0


def default_film() -> tuple[NoiseConfig, NoiseDrawing, list[tuple[int, int]]]:
    """Return the default config, its drawing, and the order of its frames."""
    config = plan(NoiseConfig(), None, Path(tempfile.gettempdir()), force=False).config
    schedule = schedule_named(config.compared[0])
    levels = schedule.paced(config.frames, config.pacing)
    trace = forward_trace(config, clean_picture(config), [schedule], [levels])
    drawing = NoiseDrawing(trace, FilmStyle(config.film.size, theme_named(config.film.theme)))
    return config, drawing, frame_order(config.frames, round(config.film.hold_s * config.film.fps), loop=config.loop)


def cost(frames: Iterable[Held], folder: str, fps: int) -> tuple[float, float]:
    """Return the (wall, CPU) seconds of one film, ffmpeg's included."""
    began, before = time.perf_counter(), sum(os.times()[:4])
    write_video(frames, Path(folder) / "film.mp4", fps)
    return time.perf_counter() - began, sum(os.times()[:4]) - before


def command_seconds(folder: str) -> float:
    """Return the wall time of `denoisecli noise`, start to end: film, sheet, stills and trace."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "denoisecli", "noise", "-q", "-o", f"{folder}/run"], check=True, capture_output=True
    )
    return time.perf_counter() - began


def main() -> None:
    """Print the ratios."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    config, drawing, order = default_film()
    drawn = {index: drawing.frame(index) for index in {index for index, _ in order}}
    sources = {"alone": drawn.__getitem__, "made": drawing.frame}
    costs: dict[str, list[tuple[float, float]]] = {"alone": [], "made": []}
    whole = []
    for turn in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for name in sorted(sources, reverse=turn % 2 == 1):
                frames = ((sources[name](index), ticks) for index, ticks in order)
                costs[name].append(cost(frames, folder, config.film.fps))
            whole.append(command_seconds(folder))
    pairs = list(zip(costs["made"], costs["alone"], strict=True))
    wall, cpu = (statistics.median(made[k] / alone[k] for made, alone in pairs) for k in (0, 1))
    command = statistics.median(a / alone for a, (_, (alone, _)) in zip(whole, pairs, strict=True))
    made, alone = (min(costs[name])[0] for name in ("made", "alone"))
    shown = sum(ticks for _, ticks in order)
    print(f"{len(order)} frames drawn, {shown} shown at {config.film.fps} a second, {config.film.size}")
    print(f"film / ffmpeg alone     {wall:.2f}   ({made:.1f} s / {alone:.1f} s, goal {GOAL}; CPU time {cpu:.2f})")
    results.note("the noise film, drawn and encoded", "ffmpeg alone on the same frames", wall, GOAL)
    print(f"command / ffmpeg alone  {command:.2f}   ({min(whole):.1f} s, with start-up, sheet, stills and trace)")


if __name__ == "__main__":
    main()
