"""How a shell finds `denoisecli`, and makes small runs with it."""

import os
import sys
from pathlib import Path

from tests import warm

SMALL = {
    "DENOISECLI_STEPS": "1", "DENOISECLI_SIZE": "64", "DENOISECLI_SEEDS": "1", "DENOISECLI_FILM__SIZE": "320x320",
    "DENOISECLI_FILM__FPS": "5", "DENOISECLI_FILM__HOLD_S": "0.2", "DENOISECLI_FRAMES": "3",
}  # fmt: skip


def surroundings(**environment):
    """Return the environment in which `denoisecli` is found, and makes its runs small."""
    path = os.pathsep.join([str(Path(warm.command()).parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, **SMALL, "PATH": path, **environment}
