"""How few numbers a LoRA needs: ΔW = B·A at falling rank, on a toy matrix or on a file with hundreds of layers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from denoisecli.labs import job as plans

from .config import LoraRankConfig

if TYPE_CHECKING:
    from denoisecli.labs.job import Job, Plan
    from denoisecli.media.picture_file import PictureFile
    from denoisecli.trace import Trace


def plan(config: LoraRankConfig, out: Path | None, runs_dir: Path | None, *, force: bool) -> Plan[LoraRankConfig]:
    """Return the plan of a run on a LoRA file, or, where the config names none and wants no images, on the toy."""
    from . import file as lora_file
    from . import matrix as lora_matrix

    resolved, make = (
        (lora_file.resolved, lora_file.make)
        if config.lora or config.paints
        else (lora_matrix.resolved, lora_matrix.make)
    )
    config, identity = resolved(config)
    return plans.plan(config, identity, make, out, runs_dir, force=force)


def draw(job: Job[LoraRankConfig], trace: Trace, pictures: PictureFile | None = None) -> None:
    """Draw everything, from stored things only."""
    from . import file as lora_file
    from . import matrix as lora_matrix

    if "lora" in trace.record:
        lora_file.draw(job, trace, pictures)
    else:
        lora_matrix.draw(job, trace)
