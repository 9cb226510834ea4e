"""What a run takes beside a card that samples: films, sheet, page and all, over the card's own seconds.

The card is acted: what the built-in model's denoiser gives is computed once before, and then given again after as long
as a card takes for it: 4 seeds of 20 steps in 5 s (Stable Diffusion 1.5 on an RTX 4090) or in 20 s (XL). Pictures are
decoded here, by the processor. The model is loaded already. Beside the ratio stand the seconds of CPU that were left
when the card was done, which other work on the machine touches less.
Run it: python benchmarks/hidden.py [seconds]...
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import results
from denoisecli.config.load import load_configs, settings
from denoisecli.cores import wait_patiently
from denoisecli.diffusion.model_cache import ModelCache
from denoisecli.registry import config_of, part
from denoisecli.report import Report

PACES, ROWS, GOAL = (5.0, 20.0), 4 * 2 * 20, 1.25  # seconds for so many rows of the denoiser
LABS = {
    "sample": "the default deck",
    "cfg-sweep": "the default guidance sweep",
    "fork": "the default forks",
}


class Card:
    """A denoiser that remembers what it gave, and gives it again after as long as a card takes."""

    def __init__(self, denoiser: Any) -> None:
        self.own, self.given, self.next, self.row_s, self.busy_s = denoiser.forward, list[Any](), 0, 0.0, 0.0
        self.cpu_s = 0.0  # when it was done

    def __call__(self, sample: Any, *args: Any, **more: Any) -> Any:
        """Stand in for `forward`."""
        if not self.row_s:
            self.given.append(self.own(sample, *args, **more))
            return self.given[-1]
        time.sleep(self.row_s * len(sample))
        self.cpu_s = cpu_s()
        self.busy_s += self.row_s * len(sample)
        self.next += 1
        return self.given[self.next - 1]

    def paced(self, seconds: float) -> None:
        """Begin anew, at this pace."""
        self.row_s, self.next, self.busy_s = seconds / ROWS, 0, 0.0


def cpu_s() -> float:
    """Return the seconds of CPU that this process and the films' encoders have taken."""
    return sum(os.times()[:4])


@contextmanager
def acted(denoiser: Any) -> Iterator[Card]:
    """Put a card in the denoiser's place."""
    card = Card(denoiser)
    denoiser.forward = card
    try:
        yield card
    finally:
        denoiser.forward = card.own


def make(lab: str, folder: Path) -> float:
    """Make a run and return its seconds."""
    kind = config_of({"lab": lab})
    assert kind is not None
    [config] = load_configs(kind, [], [settings(kind, [])])
    began = time.perf_counter()
    part(lab, "plan")(config, folder, None, force=True).make(Report())
    return time.perf_counter() - began


def main(paces: list[float]) -> None:
    """Print and keep the ratios."""
    wait_patiently()  # as the command line does
    cache = ModelCache()
    with cache.lent(), tempfile.TemporaryDirectory() as scratch:
        for lab, what in LABS.items():
            make(lab, Path(scratch) / lab)  # loads the model, and what a lab needs
            with acted(cache.model.pipe.unet) as card:
                make(lab, Path(scratch) / lab)
                for pace in paces:
                    card.paced(pace)
                    ratio = make(lab, Path(scratch) / lab) / card.busy_s
                    print(
                        f"{what}, {pace:g} s for a deck's sampling: {ratio:.2f} of the card's seconds, goal {GOAL}; "
                        f"{cpu_s() - card.cpu_s:.1f} s of CPU when it was done",
                        flush=True,
                    )
                    against = f"the card's own seconds, at {pace:g} s for 4 seeds of 20 steps"
                    results.note(f"{what} beside a card", against, ratio, GOAL)


if __name__ == "__main__":
    main([float(pace) for pace in sys.argv[1:]] or list(PACES))
