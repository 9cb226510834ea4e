"""How few numbers a LoRA needs: ΔW = B·A at falling rank, on a toy matrix or on a file with hundreds of layers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..config.lora_rank import LoraRankConfig
from . import plan as plans

if TYPE_CHECKING:
    from ..media.picture_file import PictureFile
    from ..trace import Trace
    from .plan import Job, Plan


def plan(config: LoraRankConfig, out: Path | None, runs_dir: Path | None, *, force: bool) -> Plan[LoraRankConfig]:
    """Return the plan of a run on a LoRA file, or, where the config names none and wants no images, on the toy."""
    from . import lora_file, lora_matrix

    resolved, make = (
        (lora_file.resolved, lora_file.make)
        if config.lora or config.paints
        else (lora_matrix.resolved, lora_matrix.make)
    )
    config, identity = resolved(config)
    return plans.plan(config, identity, make, out, runs_dir, force=force)


def draw(job: Job[LoraRankConfig], trace: Trace, pictures: PictureFile | None = None) -> None:
    """Draw everything, from stored things only."""
    from . import lora_file, lora_matrix

    if "lora" in trace.record:
        lora_file.draw(job, trace, pictures)
    else:
        lora_matrix.draw(job, trace)
