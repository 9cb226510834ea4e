"""What an image's metadata says, in our words: settings, and sentences on what has no equal here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from denoisecli.config.base import LabConfig

from .files import base_name, found_here

LORA_TAG = re.compile(r"<(?:lora|lyco):([^:<>]{1,200})(?::([^<>]{0,60}))?>")
MOST_LORAS = 64
OTHER_TAG = re.compile(r"<(hypernet|embedding):[^<>]{1,200}>|\bembedding:\w")
EMPHASIS = re.compile(r"(?<!\\)\([^()]*:\s*[\d.]+\)|(?<!\\)\(\(|(?<!\\)\[[^\[\]]+\]|\bBREAK\b|\bAND\b")


@dataclass
class Imported:
    """Settings by our keys; `notes`: a sentence for each thing that is not the same here.

    elsewhere: settings that name files which are not on this machine; they are written as comments.
    """

    source: str
    values: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    elsewhere: dict[str, Any] = field(default_factory=dict)

    def note(self, sentence: str) -> None:
        """Add a sentence, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def set_prompts(self, prompt: str, negative: str, escaped: str = "()") -> None:
        """Take both prompts, their LoRA tags out, and tell of marks that are plain text here.

        escaped: the marks that a backslash makes plain text there, as all are here.
        """
        loras = [(match[1], match[2]) for match in LORA_TAG.finditer(prompt)]
        backslash = re.compile(rf"\\([{re.escape(escaped)}])")
        own_words = LORA_TAG.sub("", prompt).strip() if loras else prompt
        self.values["prompt"] = backslash.sub(r"\1", own_words)
        self.values["negative_prompt"] = backslash.sub(r"\1", negative)
        for name, weights in loras:
            self.add_lora(name, _first_number(weights or "1"))
        if OTHER_TAG.search(prompt + negative):
            self.note("Hypernetworks and embeddings have no equal here; their tags are left in the prompt.")
        if EMPHASIS.search(prompt + "\n" + negative):
            self.note("Weights such as (word:1.2) or [word] are plain text here, so the prompt acts differently.")

    def set_model(self, name: str) -> None:
        """Take the model by its file's name, where there is such a file here; else keep it as a comment."""
        found = found_here(name)
        if found or base_name(name) in ("pocket", "pocket.safetensors"):
            self.values["model"] = found or "pocket"
            return
        self.elsewhere["model"] = base_name(name)
        self.note(
            f'The model "{base_name(name)}" is not in this folder, so the built-in pocket model paints, and paints '
            "another picture: put the path or hub id into `model`, or name it with --model."
        )

    def add_lora(self, name: str, scale: float) -> None:
        """Take a LoRA by its file's name, where there is such a file here; else keep it as a comment."""
        if sum(len(place.get("loras", [])) for place in (self.values, self.elsewhere)) >= MOST_LORAS:
            self.note(f"There are more than {MOST_LORAS} LoRAs; the others are left out.")
            return
        found = found_here(name)
        place = self.values if found else self.elsewhere
        place.setdefault("loras", []).append({"file": found or f"{base_name(name)}", "scale": scale})
        if not found:
            self.note(f'The LoRA "{base_name(name)}" is not in this folder; put its path into `loras`.')

    def keep_valid(self, lab: type[LabConfig]) -> None:
        """Leave out the values that our configs do not take, and say so."""
        for key, value in list(self.values.items()):
            why = _objection(lab, key, value)
            if why:
                self.note(why)
                del self.values[key]


def _objection(lab: type[LabConfig], key: str, value: Any) -> str:
    """Return why a lab's config does not take a value, or nothing."""
    if key not in lab.model_fields:
        return f"{key}: the {lab.model_fields['lab'].default} lab has no such setting."
    try:
        lab.model_validate({key: value})
    except ValidationError as error:
        why = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        return f"{key}: {str(value)[:60]} cannot be taken ({why}), so the default is."
    return ""


def _first_number(text: str) -> float:
    match = re.search(r"-?\d+(?:\.\d+)?", text)
    return float(match[0]) if match else 1.0


def whole(value: Any) -> int | None:
    """Return a whole number from an int, a float without a fraction or digits; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,20}\s*", value) else None


def number(value: Any) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,20}(\.\d{0,20})?\s*", value):
        return float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12:
        return float(value)
    return None
