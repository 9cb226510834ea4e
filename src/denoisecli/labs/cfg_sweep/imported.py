"""What a picture from another tool becomes in this lab."""

from __future__ import annotations

from denoisecli.interop.imported import Imported

from .config import CfgSweepConfig


def sweep_around(imported: Imported) -> None:
    """Let the picture's cfg be among the scales of the sweep."""
    cfg = imported.values.pop("cfg", None)
    if cfg is not None and not imported.values.get("scales"):
        usual = CfgSweepConfig.model_fields["scales"].default
        imported.values["scales"] = sorted({*usual, float(cfg)})
        imported.note(f"The picture's cfg {cfg:g} is among the sweep's scales.")
