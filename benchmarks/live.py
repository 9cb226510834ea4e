"""What the live page costs in headless Chromium: opening, the first guess, twenty steps, frames, memory.

Goals, on two idle cores: ready in 3 s, first guess 0.5 s after a change, 20 steps at cfg 7.5 in 2.5 s, 95 % of the
frames within 20 ms while it samples, 600 MB. Says the machine's load, on which all of it depends.
Run it: python benchmarks/live.py [rounds]
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from denoisecli.diffusion.references import POCKET
from denoisecli.labs.pages import look_of
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.tools.live.page import live_html
from denoisecli.tools.live.tool import weights

GOALS = {"first guess": 0.5, "20 steps": 2.5, "frame p95": 0.020, "ready": 3.0, "memory": 600.0}
PROMPT = "a castle on a grassy hill at noon, clear sky, field of flowers, watercolor"
ROUND = """async (prompt) => {
  const frame = () => new Promise(requestAnimationFrame);
  const field = document.querySelector('textarea.words');
  const began = performance.now();
  field.value = prompt;
  field.dispatchEvent(new Event('input'));
  await frame(); await frame();
  const [gaps, big] = [[], document.querySelector('.hero b')];
  let [last, first, sampled] = [performance.now(), null, null];
  while (!document.body.hasAttribute('data-done')) {
    await frame();
    const now = performance.now();
    gaps.push(now - last);
    last = now;
    const canvas = document.querySelector('figure canvas');
    if (first === null && canvas.width > 32 && !canvas.parentNode.classList.contains('blank')) first = now - began;
    if (sampled === null && big.textContent === '20') sampled = now - began;
  }
  gaps.sort((a, b) => a - b);
  return [first, sampled ?? last - began, gaps[Math.floor(0.95 * gaps.length)], last - began].map((ms) => ms / 1000);
}"""


def page(folder: str) -> Path:
    """Write the live page of one seed, with its LoRAs, and return it."""
    config = SampleConfig(seeds=(7,))
    model = next(weights(config, POCKET, exact=False))
    path = Path(folder) / "live.html"
    path.write_bytes(live_html(config, model.packs, POCKET / "tokenizer", look_of("dark"), sliders=model.sliders))
    return path


def memory() -> float:
    """Return the MB that the largest renderer process holds."""
    return max(held(place) for place in Path("/proc").iterdir() if place.name.isdigit())


def held(place: Path) -> float:
    """Return the resident MB of a process in /proc that is a renderer, else 0."""
    try:
        if b"--type=renderer" in (place / "cmdline").read_bytes():
            rows = (place / "status").read_text().splitlines()
            return int(next(row for row in rows if row.startswith("VmRSS")).split()[1]) / 1024
    except (OSError, StopIteration):  # it ended meanwhile
        pass
    return 0.0


def measured(browser: Any, path: Path, rounds: int) -> dict[str, float]:
    """Return the median of each number."""
    tab = browser.new_page(viewport={"width": 1400, "height": 900})
    tab.goto(path.as_uri())
    tab.wait_for_selector("body[data-ready]", state="attached", timeout=120_000)
    ready = float(tab.locator(".engine").inner_text().split("ready in ")[1].split(" ")[0])
    tab.wait_for_selector("body[data-done]", state="attached", timeout=120_000)
    rows = [tab.evaluate(ROUND, f"{PROMPT}{' ' * turn}, {turn}") for turn in range(rounds)]
    first, sampled, frame, drawn = (statistics.median(column) for column in zip(*rows, strict=True))
    found = {"ready": ready, "first guess": first, "20 steps": sampled, "drawn": drawn, "frame p95": frame}
    return found | {"memory": memory()}


def main() -> None:
    """Print the numbers beside their goals."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        found = measured(browser, page(folder), rounds)
        browser.close()
    for name, value in found.items():
        print(f"{name:12} {value:8.3f}" + (f"   goal {GOALS[name]}" if name in GOALS else ""))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
