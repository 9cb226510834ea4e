"""How few numbers a LoRA needs: ΔW = B·A at falling rank, on a toy matrix or on a file with hundreds of layers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..config.lora_rank import LoraRankConfig
from . import plan as plans

if TYPE_CHECKING:
    from .plan import Plan


def plan(config: LoraRankConfig, out: Path | None, runs_dir: Path | None, *, force: bool) -> Plan[LoraRankConfig]:
    """Return the plan of a run on a LoRA file, or, where the config names none and wants no images, on the toy."""
    if config.lora or config.paints:
        from . import lora_file as lab
    else:
        from . import lora_matrix as lab  # type: ignore[no-redef]
    config, identity = lab.resolved(config)
    return plans.plan(config, identity, lab.make, out, runs_dir, force=force)
