"""Words of ComfyUI that act in a part of a run become phases, by the levels that its sampler goes through."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from denoisecli.config.phases import share_of
from denoisecli.process.comfyui_sigmas import Sigmas, Training

from ..imported import Imported
from .conditions import JOINED, RANGED, Prompts
from .ranges import acting

WORDS = ("prompt", "negative_prompt")
MOST_WORDS = 200_000  # letters in all phases: each has its prompts in full
LONG = "The prompts that acted in parts of the run are too long to be written as phases."
EMPTY_STEP = "In some steps no prompt acted there; here one acts in all of them."


def take_ranges(imported: Imported, prompts: Sequence[Prompts], sigmas: Sigmas, *, comfy: bool) -> None:
    """Put the phases of a run whose words act in ranges into an import; the last one's words are the run's.

    prompts: the positive and the negative ones. sigmas: the levels (steps + 1,). comfy: whether ComfyUI's weights are
    read, as with CLIP.
    """
    if all((start, end) == (0.0, 1.0) for side in prompts for _, start, end in side.acts):
        return
    training, steps = Training.scaled_linear(), len(sigmas) - 1
    sides = [acting(side.acts, sigmas, training) for side in prompts]
    if not all(sides[0]):
        imported.note(EMPTY_STEP)
        return
    groups = [(words, len(list(group))) for words, group in itertools.groupby(zip(*sides, strict=True))]
    if sum(len(text) + 2 for words, _ in groups for side in words for text in side) > MOST_WORDS:
        imported.note(LONG)
        return
    texts = [(tuple(", ".join(filter(None, side)) for side in words), count) for words, count in groups]
    runs = [
        (words, sum(count for _, count in group)) for words, group in itertools.groupby(texts, key=lambda run: run[0])
    ]
    written = _written(imported, [words for words, _ in runs], comfy=comfy)
    last, ends = written[-1], itertools.accumulate(count for _, count in runs)
    phases = [
        {"until": share_of(end, steps)}
        | {key: now for key, now, then in zip(WORDS, words, last, strict=True) if now != then}
        for end, words in zip(ends, written[:-1], strict=False)
    ]
    imported.values |= dict(zip(WORDS, last, strict=True)) | ({"phases": phases} if phases else {})
    joined = any(sum(map(bool, step)) > 1 for side in sides for step in side)
    told = (RANGED,) if joined else (RANGED, JOINED)
    imported.notes = [note for note in imported.notes if not note.startswith(told)]


def _written(imported: Imported, texts: Sequence[tuple[str, ...]], *, comfy: bool) -> list[tuple[str, ...]]:
    """Return prompts as one syntax of ours writes all of them, and note which it is."""
    probe = Imported(imported.source)
    probe.set_prompts("\n".join(text for text, _ in texts), "\n".join(text for _, text in texts),
                      syntax="comfy" if comfy else None)  # fmt: skip
    if "prompt_syntax" in probe.values:
        imported.values["prompt_syntax"] = probe.values["prompt_syntax"]
        return list(texts)
    imported.values.pop("prompt_syntax", None)
    return [tuple(re.sub(r"\\([()])", r"\1", text) for text in words) for words in texts]
