"""What an image's metadata says, in our words: settings, and sentences on what has no equal here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from denoisecli.config.base import LabConfig
from denoisecli.lora.built_in import name_of
from denoisecli.safe_text import brief, shown

from .files import base_name, found_here

LORA_TAG = re.compile(r"<(?:lora|lyco):([^:<>]{1,200})((?::[^<>:]{0,60}){0,8})>")
MOST_LORAS = 64
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
OTHER_TAG = re.compile(r"<(hypernet|embedding):[^<>]{1,200}>|\bembedding:\w")
MARKS = {
    "a1111": re.compile(r"(?<!\\)[()\[\]]|\bBREAK\b|\bAND\b"),
    "comfy": re.compile(r"(?<!\\)[()]"),
    "compel": re.compile(r"[\w)][+-]{1,5}(?=[\s,.]|$)|\)\d*\.?\d+|\)\.(?:and|blend|swap)\("),
}
"""What is more than words in a prompt, by the tool that reads it so."""
APART = re.compile(r"\bAND\b(?!_PERP|_SALT|_TOPK)")
"""What parts a prompt of A1111 into several, each with its own prediction. Source: modules/prompt_parser.py."""
WEIGHTS_ARE_WORDS = "Weights such as (word:1.2) or [word] are plain text here, so the prompt acts differently."
MOST_NOTES, MOST_TOLD = 100, 1000  # sentences, and characters of one: real files have a dozen
SHORT = 40  # words and marks: a prompt of no more surely has room in one piece of 75 tokens


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
        """Add a sentence, once, cut short; no more than MOST_NOTES in all, the last of which says so."""
        told = brief(sentence, MOST_TOLD)
        if len(self.notes) < MOST_NOTES and told not in self.notes:
            self.notes.append(told if len(self.notes) < MOST_NOTES - 1 else "There is more of this kind.")

    def tell_noise_of(self, device: str) -> None:
        """Say that the noise was drawn on another device."""
        here = "here it is drawn on the CPU, so the seed gives another picture."
        self.note(f"The noise was drawn on the {device} there; {here}")

    def take_one_cfg(self) -> None:
        """Leave out the scales of several samplers, for a lab that has one."""
        if self.values.pop("scales", None):
            self.note(f"Several cfg were there; {self.values['cfg']:g} is taken. For all of them: --lab cfg-sweep.")

    def set_prompts(self, prompt: str, negative: str, escaped: str = "()", syntax: str | None = None) -> None:
        """Take both prompts, their LoRA tags out; marks as the tool reads them where we know its syntax, else told.

        escaped: the marks that a backslash makes plain text there, as all are here. syntax: "comfy" or "a1111".
        """
        own_words, loras = _without_loras(prompt) if syntax != "comfy" else (prompt, [])
        both = own_words + "\n" + negative
        if syntax and (MARKS[syntax].search(both) or max(map(_words, (own_words, negative))) > SHORT):
            self.values |= {"prompt": own_words, "negative_prompt": negative, "prompt_syntax": syntax}
        else:
            backslash = re.compile(rf"\\([{re.escape(escaped)}])")
            self.values["prompt"] = backslash.sub(r"\1", own_words)
            self.values["negative_prompt"] = backslash.sub(r"\1", negative)
            if syntax is None and MARKS["a1111"].search(both):
                self.note(WEIGHTS_ARE_WORDS)
        for name, weights in loras:
            self._tagged_lora(name, weights)
        if OTHER_TAG.search(prompt + negative):
            self.note("Hypernetworks and embeddings have no equal here; their tags are left in the prompt.")
        if syntax == "a1111" and APART.search(own_words):
            self.note("The parts around AND were each guided by itself there; here they are read as with BREAK.")

    def _tagged_lora(self, name: str, weights: str) -> None:
        """Take a LoRA by its tag: <lora:name:text encoder's strength:denoiser's strength>, or named, te= and unet=."""
        parts = [part.strip() for part in weights.split(":")[1:]]
        named = dict(part.split("=", 1) for part in parts if "=" in part)
        plain = [number(part) for part in parts if "=" not in part]
        text = number(named.pop("te", None)) if "te" in named else next(iter(plain), None)
        unet = number(named.pop("unet", None)) if "unet" in named else plain[1] if len(plain) > 1 else None
        text = 1.0 if text is None else text
        self.add_lora(name.strip().strip("\"'"), text if unet is None else unet, text)
        left = [
            *(f"{key}={value}" for key, value in named.items()),
            *(part for part in parts if number(part) is None and "=" not in part),
        ]
        if left or len(plain) > 2:
            told = ", ".join(left)[:80] or weights[1:80]
            self.note(f'The LoRA "{base_name(name)}" had settings without an equal here: {CONTROL.sub(" ", told)}.')

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

    def add_lora(self, name: str, scale: float, text_scale: float | None = None) -> None:
        """Take a LoRA by its file's name, where there is such a file here; else keep it as a comment.

        text_scale: the strength of its part for the text encoder, where that is another.
        """
        if sum(len(place.get("loras", [])) for place in (self.values, self.elsewhere)) >= MOST_LORAS:
            self.note(f"There are more than {MOST_LORAS} LoRAs; the others are left out.")
            return
        found = found_here(name) or name_of(base_name(name))
        place = self.values if found else self.elsewhere
        own = {} if text_scale is None or text_scale == scale else {"text_scale": text_scale}
        place.setdefault("loras", []).append({"file": found or f"{base_name(name)}", "scale": scale} | own)
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
    except (ArithmeticError, TypeError, RecursionError):
        why = "it is of no kind that we know"
    else:
        return ""
    return f"{key}: {shown(value)} cannot be taken ({why}), so the default is."


def _without_loras(prompt: str) -> tuple[str, list[tuple[str, str]]]:
    """Return a prompt without its LoRA tags, and (name, weights) of each."""
    loras = [(match[1], match[2]) for match in LORA_TAG.finditer(prompt)]
    return (LORA_TAG.sub("", prompt).strip() if loras else prompt), loras


def _words(prompt: str) -> int:
    """Return how many words and marks a prompt has; a long word counts for several."""
    return sum(1 + len(word) // 8 for word in re.findall(r"\w+|[^\w\s]", prompt))


def rows_of(value: Any) -> list[dict[str, Any]]:
    """Return the tables in a list; none where there is no list."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def whole(value: Any) -> int | None:
    """Return a whole number from an int, a float without a fraction or a spelling of either; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str):
        return None
    if re.fullmatch(r"\s*[+-]?\d{1,20}\s*", value):
        return int(value)
    found = number(value)
    return int(found) if found is not None and found.is_integer() and abs(found) < 2**53 else None


def number(value: Any) -> float | None:
    """Return a finite number, from any spelling that Python's float takes; None for anything else."""
    if isinstance(value, str) and len(value) <= 40 and re.fullmatch(r"[\s\d.eE+-]+", value):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12:
        return float(value)
    return None


def one_cfg(imported: Imported) -> None:
    """Fit a picture's settings to a lab that has one scale."""
    imported.take_one_cfg()
