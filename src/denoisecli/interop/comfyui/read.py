"""ComfyUI's graph: from each sampler up to its prompts, model, LoRAs, levels and size, and down to the picture.

Links are followed by what they carry, and what cannot be found or has no equal is said. Source of the names:
ComfyUI's nodes.py and comfy_extras.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container
from typing import Any

import numpy as np

from denoisecli.config.fields import MOST_STEPS
from denoisecli.config.phases import share_of
from denoisecli.config.samplers import COMFYUI_SCHEDULERS
from denoisecli.process.comfyui_sigmas import Training
from denoisecli.process.comfyui_sigmas import levels as levels_of
from denoisecli.safe_text import brief

from ..imported import Imported, number, whole
from ..samplers import from_comfyui, tell_solver
from .conditions import EMPTY_LATENTS, MOST_TEXTS, PICTURE, Conditions, Prompts, shown
from .families import Family, family_of, unsure
from .graph import Graph, graph_of
from .latents import Latents
from .levels import read_levels
from .model import Model, Models
from .pictures import Begun, begun
from .read_ranges import WORDS, take_ranges
from .rows import MOST_SAMPLERS, Rows, enlarged
from .sigmas import Levels, Sigmas
from .values import Finder

NEGATIVE = "negative prompt"
SAMPLER_INPUTS = {"latent_image", "latent"}
SIDES = {"width", "height"}  # a size may be taken from a picture without going on with it
ENDS = {
    "LatentMultiply",
    "VAEDecode",
    "VAEDecodeTiled",
    "SaveImage",
    "PreviewImage",
    "SaveLatent",
    "CreateVideo",
    "SaveVideo",
}
SAMPLER_NODES = {
    "SamplerDPMPP_2M_SDE": "dpmpp_2m_sde", "SamplerDPMPP_SDE": "dpmpp_sde", "SamplerDPMPP_3M_SDE": "dpmpp_3m_sde",
    "SamplerDPMPP_2S_Ancestral": "dpmpp_2s_ancestral", "SamplerEulerAncestral": "euler_ancestral", "SamplerLMS": "lms",
    "SamplerLCMUpscale": "lcm", "SamplerDPMAdaptative": "dpm_adaptive", "SamplerER_SDE": "er_sde",
    "SamplerSASolver": "sa_solver",
}  # fmt: skip
"""Samplers that are nodes of their own, by the names that the others have."""
CHANGE = ("prompt", "negative_prompt", "cfg", "sampler", "loras")
"""Settings that a phase may have of its own."""
FILTER = "bilinear"
"""How a phase enlarges."""
BAKED = "Baked VAE"  # what loaders of more than one thing call the checkpoint's own
GUIDERS = {
    "DualCFGGuider": "Two prompts were guided apart there (DualCFGGuider); here the first is.",
    "PerpNegGuider": "The negative prompt acted at right angles there (PerpNegGuider); here it acts as usual.",
}


def read(text: str) -> Imported | None:
    """Return the settings in a graph, of either form; None where the text is no graph with a sampler."""
    graph = graph_of(text)
    if graph is None:
        return None
    samplers = {name: None for name in graph.nodes if _is_sampler(graph, name)}  # a set in order
    if not samplers:
        return None
    some, rows = list(samplers)[:MOST_SAMPLERS], Rows(graph, samplers)
    led = {name: _led_by(graph, name) for name in some}
    making = [name for name in some if not _prepares(rows, name, led)] or some
    firsts = [name for name in making if not _feeders(graph, name, making)] or making[:1]
    readers = [_Reader(graph, name, samplers, rows.stages_of(name)) for name in firsts]
    stages = sum(len(reader.stages) - 1 for reader in readers)
    return _together([reader.read() for reader in readers], firsts, len(samplers) - stages)


def _together(found: list[Imported], names: list[str], samplers: int) -> Imported:
    """Return one import for all first passes where they differ in seed and cfg alone; else the first, and say so."""
    imported = found[0]
    alike = [one for one in found if _but(one.values) == _but(imported.values) and one.elsewhere == imported.elsewhere]
    seeds = list(dict.fromkeys(seed for one in alike for seed in one.values.get("seeds", [])))
    scales = list(dict.fromkeys(one.values["cfg"] for one in alike if "cfg" in one.values))
    if len(alike) < samplers or len(alike) != max(len(seeds), 1) * max(len(scales), 1):
        if samplers > 1:
            imported.note(f"The graph has {samplers} samplers; the first pass is taken (node {names[0][:20]}).")
        return imported
    if seeds:
        imported.values["seeds"] = seeds
    if len(scales) > 1:
        imported.values["scales"] = scales
    return imported


def _but(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in ("seeds", "cfg")}


def _is_sampler(graph: Graph, name: str) -> bool:
    inputs = graph.inputs(name)
    told = {"positive", "steps"} <= inputs.keys() or {"sampler", "sigmas"} <= inputs.keys()
    return bool(told and SAMPLER_INPUTS & inputs.keys())


def _feeders(graph: Graph, name: str, samplers: Container[str]) -> list[str]:
    """Return the samplers whose latents this one goes on with."""
    inputs = graph.inputs(name)
    above = [up for key in SAMPLER_INPUTS if key in inputs for up in graph.up(inputs[key], EMPTY_LATENTS, SIDES)]
    return [up for up in above if up in samplers]


def _led_by(graph: Graph, name: str) -> set[str]:
    """Return the nodes above a sampler but for those above its latents."""
    inputs = graph.inputs(name).items()
    return {up for key, value in inputs if key not in SAMPLER_INPUTS for up in graph.up(value)}


def _prepares(rows: Rows, name: str, led: dict[str, set[str]]) -> bool:
    """Tell whether a sampler makes what one of another model is led by, such as a depth map."""
    return any(name in above and rows.file_of(other) != rows.file_of(name) for other, above in led.items())


class _Reader:
    """Reads what leads to one sampler."""

    def __init__(self, graph: Graph, name: str, samplers: Container[str], stages: list[str]) -> None:
        self.graph, self.name = graph, name
        self.finder = Finder(graph)
        self.imported = Imported("ComfyUI")
        self.inputs = dict(graph.inputs(name))
        self.stages = stages
        self.samplers = samplers
        self.guider = ""
        self.above: set[str] = set()
        self.begun: Begun | None = None

    def read(self) -> Imported:
        """Return the settings, and the sentences on what is not the same here."""
        self._gather()
        conditions = Conditions(self.graph, self.finder, self.imported)
        positive = conditions.prompts(self.inputs.get("positive"), "positive")
        model = Models(self.graph, self.finder).model(self.inputs.get("model"), positive.clips)
        self.above = {up for value in self.graph.inputs(self.name).values() for up in self.graph.up(value)}
        family = family_of(self.graph, self.above, model.file or "")
        negative = (conditions if self._mixes() else conditions.silent()).prompts(
            self.inputs.get("negative"), "negative"
        )
        levels = Sigmas(self.graph, self.finder, self.imported).levels(self.inputs, self._last_stage())
        self._numbers(levels, positive, family)
        self.begun = begun(self.graph, self.finder, self.imported, self.inputs.get("latent_image"))
        self._start()
        self._sampler(levels, family)
        self.imported.set_prompts(self._text(positive, "prompt"), self._text(negative, NEGATIVE),
                                  syntax="comfy" if family is None else None)  # fmt: skip
        if not positive.unread:
            self._ranges((positive, negative), levels, family)
        Latents(self.graph, self.finder, self.imported).read(self.inputs)
        self._model(model, family)
        self._clip_skip(positive)
        self._below(model)
        self._take_back()
        if len(self.stages) > 1:
            self._phases()
        return self.imported

    def _start(self) -> None:
        """Take a picture that is here, and the share of the steps that are taken of it, as the start."""
        steps, found = self.imported.values.get("steps"), self.begun
        denoise = number(self.finder.plain(self.inputs.get("denoise")))
        first = whole(self.finder.plain(self.inputs.get("start_at_step"))) or 0
        if found is None or not isinstance(steps, int):
            return
        if denoise is not None and 0 < denoise < 1:  # its steps are the last of as many more
            first = int(steps / denoise) - steps
            steps += first
        if not 0 <= first < steps <= MOST_STEPS:
            return
        start = {"image": found.image, "strength": share_of(steps - first, steps)}
        self.imported.values |= {"steps": steps, "start": start | ({"mask": found.mask} if found.mask else {})}
        self.imported.note("A seed's noise is its first draw there; here the second, where the autoencoder draws, too.")

    def _take_back(self) -> None:
        """Leave out what was told of a picture that is here after all."""
        if "start" in self.imported.values:
            if self.begun is not None and self.begun.size is not None:
                self.imported.values["size"] = self.begun.size
            told = (
                PICTURE,
                "denoise ",
                "Only a part of the",
                *(("The size could",) if "size" in self.imported.values else ()),
            )
            self.imported.notes = [note for note in self.imported.notes if not note.startswith(told)]

    def _phases(self) -> None:
        """Take samplers that go on with each other's run as phases; the last one's settings are the run's.

        But its size and its model are the first one's.
        """
        steps = self.imported.values.get("steps")
        ends = [whole(self.finder.plain(self.graph.inputs(name).get("end_at_step"))) for name in self.stages[:-1]]
        if not isinstance(steps, int) or any(end is None or not 0 < end < steps for end in ends):
            return
        found = [self.imported, *(_Reader(self.graph, name, (), [name]).read() for name in self.stages[1:])]
        _in_one_syntax(found)
        run = {key: found[-1].values.get(key) for key in CHANGE}
        phases = [
            {key: _said(found[at].values, key) for key in CHANGE if found[at].values.get(key) != run[key]}
            | self._of_its_own(name, found[at])
            for at, name in enumerate(self.stages)
        ]
        if any(stage.elsewhere.get("loras") != found[0].elsewhere.get("loras") for stage in found):
            self.imported.note("LoRAs change on the way there, and are not in this folder; put them into `phases`.")
        if not any(phases):
            return
        until = [{"until": share_of(end or 0, steps)} for end in ends]
        listed = [end | phase for end, phase in zip(until, phases, strict=False)]
        self.imported.values["phases"] = listed + ([phases[-1]] if phases[-1] else [])
        self.imported.values = {key: value for key, value in (self.imported.values | run).items() if value is not None}
        self.imported.note("Where its samplers change the solver begins anew there; here it remembers, if it stays.")

    def _of_its_own(self, name: str, stage: Imported) -> dict[str, Any]:
        """Return the model and the scale of a stage, where they are not the first one's or the one's before."""
        own: dict[str, Any] = {}
        at = self.stages.index(name)
        scales = [self._scale(each) for each in self.stages[: at + 1]]
        if scales[-1] != 1:
            own["scale"] = float(f"{math.prod(scales):.6g}")
        if at and stage.values.get("model") != self.imported.values.get("model"):
            own["model"] = stage.values.get("model")
        return own

    def _scale(self, name: str) -> float:
        """Return how many times as long the sides are in a stage as in the one before."""
        source = self.graph.source(self.graph.inputs(name).get("latent_image"))
        scale = enlarged(self.graph, source[0]) if source and self.stages.index(name) else None
        if source and scale:
            method = str(self.graph.inputs(source[0]).get("upscale_method"))
            if method != FILTER:
                self.imported.note(f"Its latents were enlarged by {shown(method)} there; here by {FILTER}.")
            self.imported.note("Its larger latents' noise is a seed's first draw there; here its next one.")
        return scale or 1.0

    def _ranges(self, prompts: tuple[Prompts, Prompts], levels: Levels, family: Family | None) -> None:
        """Take words that act in a part of the run as phases, of a model with the levels of Stable Diffusion."""
        steps, name = self.imported.values.get("steps"), self.finder.plain(self.inputs.get("sampler_name"))
        if (family is not None and family.flow) or not isinstance(steps, int) or not 1 <= steps <= MOST_STEPS:
            return
        if levels.scheduler not in COMFYUI_SCHEDULERS and not levels.written:
            return
        sigmas = np.array(levels.written or levels_of(levels.scheduler, Training.scaled_linear(), steps, str(name)))
        if len(sigmas) == steps + 1:
            take_ranges(self.imported, prompts, sigmas, comfy=family is None)

    def _mixes(self) -> bool:
        """Tell whether the negative prompt was heard: at cfg 1 ComfyUI leaves it out."""
        plain = self.guider in ("", "CFGGuider") and number(self.finder.plain(self.inputs.get("cfg"), "cfg")) == 1
        return not plain and self.guider != "BasicGuider"

    def _gather(self) -> None:
        """Add the inputs of the nodes that a SamplerCustom takes its guidance and noise from."""
        for key in ("guider", "noise", "sampler"):
            source = self.graph.source(self.inputs.get(key))
            if source is None:
                continue
            kind, found = self.graph.kind(source[0]), self.graph.inputs(source[0])
            if key == "guider":
                self.guider = kind
            if key == "noise" and "noise_seed" not in found and (added := self._added_noise()):
                found = added
            elif key == "noise" and "noise_seed" not in found:
                self.imported.note("No noise was added there (DisableNoise); here the run starts from noise.")
            self.inputs = {each: value for each, value in found.items() if each not in self.inputs} | self.inputs
            if key == "sampler" and "sampler_name" not in found:
                self.inputs["sampler_name"] = _sampler_name(kind)
        self._rename()

    def _rename(self) -> None:
        """Give the inputs of guiders the names that they have in plain samplers; say what has no equal."""
        for ours, theirs in (("positive", "conditioning"), ("positive", "cond1"), ("cfg", "cfg_conds")):
            if theirs in self.inputs and ours not in self.inputs:
                self.inputs[ours] = self.inputs[theirs]
        if self.guider in GUIDERS:
            self.imported.note(GUIDERS[self.guider])
        if str(self.finder.plain(self.inputs.get("add_noise", "enable"))).lower() in ("disable", "false"):
            self.imported.note("No noise was added there (add_noise); here the run starts from noise.")

    def _added_noise(self) -> dict[str, Any]:
        """Return the inputs of the noise that was added to the latents before the sampler, as our graphs have it."""
        source = self.graph.source(self.inputs.get("latent_image"))
        added = self.graph.inputs(source[0]) if source and self.graph.kind(source[0]) == "AddNoise" else {}
        noise = self.graph.source(added.get("noise"))
        return self.graph.inputs(noise[0]) if noise else {}

    def _last_stage(self) -> dict[str, Any]:
        return self.graph.inputs(self.stages[-1])

    def _numbers(self, levels: Levels, positive: Prompts, family: Family | None) -> None:
        seed = whole(self.finder.plain(self.inputs.get("seed", self.inputs.get("noise_seed")), "seed"))
        cfg = 1.0 if self.guider == "BasicGuider" else number(self.finder.plain(self.inputs.get("cfg"), "cfg"))
        if positive.guidance is not None:
            cfg = self._guidance(positive.guidance, cfg, family)
        found = {"seeds": None if seed is None else [seed], "steps": levels.steps, "cfg": cfg}
        self.imported.values |= {key: value for key, value in found.items() if value is not None}
        for key, what in (("seeds", "seed"), ("steps", "number of steps"), ("cfg", "cfg")):
            if found[key] is None:
                self.imported.note(f"The {what} could not be found in the graph{self._made_by(key)}.")

    def _made_by(self, key: str) -> str:
        """Return which node computed a number, in brackets."""
        names = {"seeds": ("seed", "noise_seed"), "steps": ("steps",), "cfg": ("cfg",)}[key]
        value = next((self.inputs[name] for name in names if name in self.inputs), None)
        maker = self.finder.find(value).maker
        return f" (it was computed by {shown(maker)})" if maker else ""

    def _guidance(self, guidance: float, cfg: float | None, family: Family | None) -> float | None:
        """Return the cfg of a model that hears its guidance as a number; its mixing of two halves is told."""
        if family is None or not family.hears:
            if family is not None:
                self.imported.note(f"The guidance {guidance:g} that the model may have heard is left out.")
            return cfg
        if cfg is not None and cfg != 1:
            self.imported.note(f"Beside the guidance {guidance:g} that {family.name} hears, cfg {cfg:g} mixed two "
                               "halves there; here the guidance alone acts.")  # fmt: skip
        else:
            self.imported.note(f"The guidance {guidance:g} that {family.name} hears is the cfg here (there: cfg 1).")
        return guidance

    def _sampler(self, levels: Levels, family: Family | None) -> None:
        sampler = self.finder.plain(self.inputs.get("sampler_name"), "sampler_name")
        if isinstance(sampler, str) and levels.written:
            self._written(sampler, levels.written)
        elif isinstance(sampler, str):
            from_comfyui(self.imported, sampler, levels.scheduler, flow=family is not None and family.flow)
        else:
            self.imported.note("The sampler could not be found in the graph; the usual one is taken.")

    def _written(self, sampler: str, written: list[float]) -> None:
        """Take the sampler of ours whose levels these are; other levels are told."""
        row, spacing = next(read_levels(sampler, written), (None, ""))
        if row is None:
            from_comfyui(self.imported, sampler, "normal")
            self.imported.note("The levels were written out there (ManualSigmas); here they are the schedule's.")
            return
        self.imported.values["sampler"] = row.name
        if row.spaced:
            self.imported.values["spacing"] = spacing
        tell_solver(self.imported)

    def _text(self, prompts: Prompts, what: str) -> str:
        """Return a prompt, and say where it is not surely the one that was used."""
        texts = prompts.texts
        if len(texts) > 1 and (what != NEGATIVE or self._mixes()):
            self.imported.note("Several texts were combined there; here they are joined by commas.")
        makers = "" if what == NEGATIVE and not self._mixes() else _named(prompts.unread)
        if makers and texts:
            self.imported.note(f"The {what} was computed by {makers}; what is in the graph is taken.")
        elif makers:
            self.imported.note(f"The {what} could not be found in the graph: it was computed by {makers}.")
        elif not texts and not prompts.clips and not prompts.zeroed and what == "prompt":
            self.imported.note("The prompt could not be found in the graph.")
        if len(texts) > MOST_TEXTS:
            self.imported.note(f"Of the {len(texts)} texts of the {what} the first {MOST_TEXTS} are taken.")
        return ", ".join(texts[:MOST_TEXTS])

    def _model(self, model: Model, family: Family | None) -> None:
        if model.file is not None:
            self.imported.set_model(model.file)
        elif model.unread:
            self.imported.note(f"The model could not be found in the graph: it comes from {shown(model.unread[-1])}.")
        else:
            self.imported.note("The model could not be found in the graph.")
        for lora, strength, text in model.loras:
            self.imported.add_lora(lora, strength, text)
        if model.rescale is not None:
            self.imported.values["guidance_rescale"] = model.rescale
            self.imported.note("RescaleCFG rescales the v of a model, guidance_rescale its noise: the picture differs.")
        if model.others:
            self.imported.note(
                f"Changes of the model without an equal here: {', '.join(dict.fromkeys(model.others))[:200]}."
            )
        if family is not None:
            self.imported.note(family.told)
        elif unsure(self.graph, self.above, model.file or ""):
            self.imported.note("The graph does not say of which family the model is; a flow model wants flow_euler.")
        if model.shift is not None and (family is None or model.shift != family.shift):
            self.imported.note(f"Its levels were shifted by {model.shift:g} there; here by the model's own shift.")

    def _clip_skip(self, positive: Prompts) -> None:
        """Take ComfyUI's count of layers from the end, -1 the last, as A1111's from 1."""
        layer = self._layer(positive.clips)
        if layer is not None and layer < -1:
            self.imported.values["clip_skip"] = -layer

    def _layer(self, clips: list[Any]) -> int | None:
        for value in clips:
            for name in self.graph.up(value):
                for key in ("stop_at_clip_layer", "clip_skip"):
                    found = whole(self.finder.plain(self.graph.inputs(name).get(key)))
                    if found is not None:
                        return found
        source = self.graph.source(self.inputs.get("positive"))
        return whole(self.finder.plain(self.graph.inputs(source[0]).get("clip_skip"))) if source else None

    def _below(self, model: Model) -> None:
        """Say what became of the latents behind the sampler that does not become of them here."""
        changed = []
        for name in self.graph.down(self.stages[-1]):
            kind = self.graph.kind(name)
            if name in self.samplers:
                break
            vae = self.graph.source(self.graph.inputs(name).get("vae"))
            file = shown(str(self.graph.inputs(vae[0]).get("vae_name", BAKED))) if vae else BAKED
            if model.whole and file != BAKED:
                self.imported.note(f"The picture was decoded by another VAE ({file}); here by the model's own.")
            if kind not in ENDS and not kind.startswith(("Reroute", "Save", "Preview")) and name in self.graph.readers:
                changed.append(shown(kind))
        if changed:
            names = ", ".join(dict.fromkeys(changed))[:200]
            self.imported.note(f"Behind the sampler the picture was changed there: {names}.")


def _named(kinds: list[str]) -> str:
    return brief(", ".join(dict.fromkeys(map(shown, dict.fromkeys(kinds)))), 200)


def _said(values: dict[str, Any], key: str) -> Any:
    """Return a stage's own setting; of LoRAs none where it has none."""
    return values.get(key, []) if key == "loras" else values.get(key)


def _in_one_syntax(stages: list[Imported]) -> None:
    """Let the words of all stages be in ComfyUI's syntax where those of one are: brackets are then escaped."""
    if any("prompt_syntax" in stage.values for stage in stages):
        for stage in stages:
            if "prompt_syntax" not in stage.values:
                stage.values |= {key: re.sub(r"[()]", r"\\\g<0>", str(stage.values.get(key, ""))) for key in WORDS}
        stages[0].values["prompt_syntax"] = "comfy"


def _sampler_name(kind: str) -> str | None:
    """Return the sampler that a node of its own stands for, such as SamplerDPMPP_2M_SDE."""
    return SAMPLER_NODES.get(kind, kind or None)
