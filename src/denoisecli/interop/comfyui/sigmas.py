"""The levels that a sampler of ComfyUI runs through: steps and scheduler, whether its own inputs or nodes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from denoisecli.safe_text import brief

from ..imported import Imported, number, whole
from .conditions import shown
from .graph import Graph
from .values import Finder

SIGMA_MAX, SIGMA_MIN = 14.614642, 0.0291675  # of Stable Diffusion 1, 2 and XL, as ComfyUI's nodes propose them
MOST_CHAIN = 60
MOST_TEXT = 40_000
NODES = {
    "KarrasScheduler": "karras",
    "ExponentialScheduler": "exponential",
    "BetaSamplingScheduler": "beta",
    "PolyexponentialScheduler": "exponential",
}
USUAL = {"rho": {"KarrasScheduler": 7.0, "PolyexponentialScheduler": 1.0}, "alpha": 0.6, "beta": 0.6,
         "sigma_max": SIGMA_MAX, "sigma_min": SIGMA_MIN}  # fmt: skip


@dataclass
class Levels:
    """How many steps, and ComfyUI's name of the schedule."""

    steps: int | None
    scheduler: str
    written: list[float] = field(default_factory=list)
    """Levels that no scheduler made."""


class Sigmas:
    """Follows the levels of one graph, and tells the import what is not all of a run."""

    def __init__(self, graph: Graph, finder: Finder, imported: Imported) -> None:
        self.graph, self.finder, self.imported = graph, finder, imported

    def levels(self, sampler: Mapping[str, Any], last: Mapping[str, Any]) -> Levels:
        """Return a sampler's levels. last: the inputs of the sampler that ends its run, where several share it."""
        inputs = self._schedule(sampler.get("sigmas")) if "sigmas" in sampler else sampler
        steps = whole(self.finder.plain(inputs.get("steps"), "steps"))
        if isinstance(inputs.get("sigmas"), str):
            return self._manual(inputs["sigmas"])
        scheduler = self.finder.plain(inputs.get("scheduler"), "scheduler")
        denoise = number(self.finder.plain(inputs.get("denoise")))
        if denoise is not None and denoise < 1:
            self.imported.note(f"denoise {denoise:g} has no equal here; the picture starts from pure noise.")
        self._part(sampler, last, steps)
        return Levels(steps, scheduler if isinstance(scheduler, str) else "normal")

    def _manual(self, text: str) -> Levels:
        """Return levels that are written out, as ManualSigmas reads them."""
        written = [float(found) for found in re.findall(r"[-+]?\d*\.?\d+", text[:MOST_TEXT])]
        return Levels(max(len(written) - 1, 0) or None, "", written)

    def _part(self, first: Mapping[str, Any], last: Mapping[str, Any], steps: int | None) -> None:
        """Say where KSamplerAdvanced runs a part of the steps."""
        start = whole(self.finder.plain(first.get("start_at_step"))) or 0
        end = whole(self.finder.plain(last.get("end_at_step")))
        leftover = self.finder.plain(last.get("return_with_leftover_noise")) == "enable"
        cut = end is not None and steps is not None and end < steps
        if start or cut:
            to = f"{end} of {steps}" if cut else f"the last of {steps}"
            self.imported.note(
                f"Only a part of the steps was run there, {start} to {to} (KSamplerAdvanced); here all are."
            )
        elif leftover and (end is None or steps is None):
            self.imported.note("Only a part of the steps was run there (KSamplerAdvanced); here all are.")

    def _schedule(self, value: Any) -> dict[str, Any]:
        """Return the inputs of the node that makes the levels, `scheduler` among them; what changes them is told."""
        seen: set[str] = set()
        while (source := self.graph.source(value)) and source[0] not in seen and len(seen) < MOST_CHAIN:
            name, slot = source
            seen.add(name)
            kind, inputs = self.graph.kind(name), self.graph.inputs(name)
            if "sigmas" in inputs and self.graph.source(inputs["sigmas"]):
                self._tell_change(kind, inputs, slot)
                value = inputs["sigmas"]
                continue
            return self._made(kind, dict(inputs))
        return {}

    def _tell_change(self, kind: str, inputs: Mapping[str, Any], slot: int) -> None:
        if kind in ("SplitSigmas", "SplitSigmasDenoise"):
            at = brief(str(self.finder.plain(inputs.get("step", inputs.get("denoise")))))
            part = "after" if slot else "before"
            self.imported.note(f"Only the steps {part} {at} were run there ({kind}); here all are.")
        elif not kind.startswith("Reroute"):
            self.imported.note(
                f"The levels were changed by {shown(kind)} there; here they are as the schedule has them."
            )

    def _made(self, kind: str, inputs: dict[str, Any]) -> dict[str, Any]:
        if kind in NODES:
            inputs["scheduler"] = NODES[kind]
            odd = [
                f"{key} {brief(str(self.finder.plain(inputs[key])))}"
                for key in USUAL
                if key in inputs and not self._usual(kind, key, inputs)
            ]
            if odd:
                self.imported.note(
                    f"{kind} had settings of its own there ({', '.join(odd)}); here it has the usual ones."
                )
        elif "scheduler" not in inputs and kind != "ManualSigmas":
            self.imported.note(f"The levels were made by {shown(kind)} there; here they are the model's own.")
            inputs["scheduler"] = ""
        return inputs

    def _usual(self, kind: str, key: str, inputs: Mapping[str, Any]) -> bool:
        usual = USUAL[key]
        wanted = usual.get(kind) if isinstance(usual, dict) else usual
        found = number(self.finder.plain(inputs[key]))
        return found is not None and wanted is not None and math.isclose(found, float(str(wanted)), rel_tol=1e-3)
