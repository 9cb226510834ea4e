"""A1111's "parameters" text, read with its own grammar: prompt, negative prompt, one line of `key: value` pairs.

Grammar: modules/infotext_utils.py `parse_generation_parameters` of AUTOMATIC1111/stable-diffusion-webui.
"""

from __future__ import annotations

import json
import re

from ..imported import Imported, number, whole
from ..samplers import from_a1111

PAIR = re.compile(r'\s*(\w[\w \-/]{1,80}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
MOST_LINE = 20_000  # characters of pairs: the pattern's time grows with the square of them
NEGATIVE = "Negative prompt:"
LEAST_PAIRS = 3  # fewer, and the last line belongs to the prompt
READ = {
    "Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Model", "Model hash", "Eta DDIM", "RNG",
    "Version", "User", "Lora hashes", "TI hashes", "VAE", "VAE hash", "Denoising strength", "Clip skip",
    "Variation seed", "Variation seed strength", "ENSD", "CFG rescale", "Template", "Negative Template", "Batch size",
    "Batch pos",
}  # fmt: skip


def parse(text: str) -> tuple[str, str, dict[str, str]]:
    """Return prompt, negative prompt and the pairs of an infotext."""
    *lines, last = text.strip().split("\n")
    pairs = PAIR.findall(last[:MOST_LINE])
    if len(pairs) < LEAST_PAIRS:
        lines, pairs = [*lines, last], []
    prompt: list[str] = []
    negative: list[str] | None = None
    for line in (line.strip() for line in lines):
        if negative is None and line.startswith(NEGATIVE):
            negative = [line.removeprefix(NEGATIVE).strip()]
        else:
            (prompt if negative is None else negative).append(line)
    return "\n".join(prompt), "\n".join(negative or []), {key: _unquoted(value) for key, value in pairs}


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        try:
            return str(json.loads(value))
        except ValueError:
            return value
    return value.strip()


def read(text: str) -> Imported | None:
    """Return the settings in an infotext; None where the text is none."""
    prompt, negative, pairs = parse(text)
    if not pairs:
        return None
    imported = Imported("A1111")
    imported.set_prompts(prompt, negative, "\\()[]")
    _read_numbers(imported, pairs)
    if "Sampler" in pairs:
        from_a1111(imported, pairs["Sampler"], pairs.get("Schedule type"))
    if "Model" in pairs:
        imported.set_model(pairs["Model"])
    _tell(imported, pairs)
    return imported


def _read_numbers(imported: Imported, pairs: dict[str, str]) -> None:
    for theirs, ours, reader in (("Steps", "steps", whole), ("CFG scale", "cfg", number),
                               ("Eta DDIM", "eta", number)):  # fmt: skip
        found = reader(pairs.get(theirs))
        if found is not None:
            imported.values[ours] = found
    seed, size = whole(pairs.get("Seed")), re.fullmatch(r"(\d{1,6})x(\d{1,6})", pairs.get("Size", ""))
    if seed is not None:
        imported.values["seeds"] = [seed]
    if size:
        imported.values["size"] = [int(size[1]), int(size[2])]
    rescale = number(pairs.get("CFG rescale"))
    if rescale is not None:
        imported.values["guidance_rescale"] = rescale


def _tell(imported: Imported, pairs: dict[str, str]) -> None:
    """Note what makes the same settings another picture here."""
    rng = pairs.get("RNG", "GPU")
    if rng != "CPU":
        imported.note(
            f"The noise was drawn on the {rng} there; here it is drawn on the CPU, so the seed means another."
        )
    if "Denoising strength" in pairs and not any(key.startswith("Hires") for key in pairs):
        imported.note(
            "It was made from another picture (img2img), which is not in the file; here it starts from noise."
        )
    hires = [key for key in pairs if key.startswith("Hires")]
    if hires:
        imported.note("The second pass (hires fix) is left out; `size` is that of the first pass.")
    if number(pairs.get("Variation seed strength")):
        imported.note("A variation seed was mixed in, which has no equal here (`walk` goes between two seeds).")
    if (whole(pairs.get("Clip skip")) or 1) > 1:
        imported.note(f"Clip skip {pairs['Clip skip']} has no equal here.")
    if whole(pairs.get("ENSD")):
        imported.note("ENSD shifts the seed of the noise within steps; it has no equal here.")
    if pairs.get("Sampler") == "DDIM" and "Version" in pairs:
        imported.note("A1111's DDIM evaluates one step fewer than it says.")
    others = [key for key in pairs if key not in READ and key not in hires]
    if others:
        imported.note(f"Left out, for want of an equal: {', '.join(others)[:300]}.")
