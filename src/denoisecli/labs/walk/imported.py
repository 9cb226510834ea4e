"""What a picture from another tool becomes in this lab."""

from __future__ import annotations

from denoisecli.interop.imported import Imported


def walk_from(imported: Imported) -> None:
    """Let one picture's seed be where a walk starts."""
    imported.take_one_cfg()
    seeds = imported.values.get("seeds")
    if isinstance(seeds, list) and len(seeds) == 1 and isinstance(seeds[0], int):
        imported.values["seeds"] = [seeds[0], seeds[0] + 1]
        imported.note(f"A walk needs two seeds; the picture's is {seeds[0]}.")
