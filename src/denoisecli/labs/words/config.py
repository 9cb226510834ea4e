"""What a config of the words lab holds."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Literal, Union

from pydantic import BeforeValidator, Field, model_validator

from denoisecli.config.base import FIGURE, LOOK, MACHINE, SPLIT, SamplingConfig
from denoisecli.config.fields import Int, Text
from denoisecli.safe_text import brief, shown

MOST_NAMED = 256
NEARLY = 0.8  # as `record` has it: a word that much like one of the prompt is a slip, another is a concept
_WORD = re.compile(r"\w+")


def _several(value: Any) -> Any:
    """Take one text for a list of one, and each text once."""
    if isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value):
        return tuple(dict.fromkeys(value))
    return (value,) if isinstance(value, str) else value


Words = Annotated[
    tuple[Annotated[Text, Field(min_length=1, max_length=1000)], ...],
    BeforeValidator(_several),
    Field(max_length=MOST_NAMED),
]


def _layers(value: Any) -> Any:
    """Take one layer for a list of one. Raises ValueError for what names no layers."""
    names = (value,) if isinstance(value, str) and value != "mean" else value
    named = isinstance(names, (list, tuple)) and names and all(isinstance(name, str) and name for name in names)
    if value != "mean" and not named:
        raise ValueError(f"{shown(value)} names no layers (want mean, or names of layers or blocks)")
    return names


Pool = Annotated[Union[Literal["mean"], tuple[Text, ...]], BeforeValidator(_layers), FIGURE]  # noqa: UP007


class WordsConfig(SamplingConfig):
    """Where and when each word speaks: the attention that the picture pays it, at every step."""

    lab: Literal["words"] = "words"
    """which instrument this config is for"""
    words: Annotated[Words | None, FIGURE] = None
    """words and phrases of the prompt to follow: [lighthouse, "rocky cliff"]; null: all that carry meaning"""
    concepts: Annotated[Words, FIGURE] = ()
    """words that are not in the prompt, looked for all the same: [sky, boat]; the picture is as without them"""
    pool: Pool = "mean"
    """layers whose maps are averaged: mean takes all that are fine enough, or names of layers or blocks: [mid_block]"""
    shown_seed: Annotated[Int | None, LOOK] = None
    """the one of the seeds that film and sheet show; null: the first. The page has them all"""
    max_map_bytes: Annotated[Int, Field(ge=1 << 16, le=1 << 40), MACHINE] = 1 << 30
    """most that the maps of one batch may take in memory"""
    batch: Annotated[Annotated[Int, Field(ge=1, le=1024)] | None, SPLIT] = None
    """seeds at once; null takes what fits. The split belongs to the run: it changes the last bits"""

    draft: ClassVar[dict[str, Any]] = {"seeds": (7, 21), "steps": 12}

    @model_validator(mode="after")
    def _a_seed_that_is_there(self) -> WordsConfig:
        if self.shown_seed is not None and self.shown_seed not in self.seeds:
            raise ValueError(f"shown_seed: {self.shown_seed} is none of the seeds")
        return self

    @model_validator(mode="after")
    def _one_prompt_of_one_model(self) -> WordsConfig:
        other = ("prompt", "negative_prompt", "model")
        both = [(number, key) for number, phase in enumerate(self.phases, 1) for key in phase.changed if key in other]
        if both:
            number, key = both[0]
            raise ValueError(
                f"phases: phase {number} sets {key}, and words are followed through one prompt of one model; "
                "leave it out"
            )
        return self

    @model_validator(mode="after")
    def _words_that_are_there(self) -> WordsConfig:
        """Refuse a word that is nearly in a prompt, before a model is loaded; others are heard as concepts."""
        texts = (self.prompt, self.negative_prompt)
        spoken = any(_WORD.search(text) for text in texts)
        if not self.concepts and not spoken and not self.words:
            raise ValueError("prompt: there is no word in it to follow; give it some, or name concepts")
        if not self.concepts and self.words is not None and not self.words:
            raise ValueError("words: the list is empty; name some, leave it out for all, or name concepts")
        if wrong := next((_wrong(word, ()) for word in self.concepts if word.isascii() and not _split(word)), None):
            raise ValueError(f"concepts: {wrong}")
        for word in self.words or ():
            if not any(_holds(text, word) for text in texts) and (wrong := _wrong(word, texts)):
                raise ValueError(f"words: {wrong}")
        return self


def _holds(text: str, phrase: str) -> bool:
    """Return whether the words of a phrase follow each other in a text; scripts without spaces, as letters."""
    there, wanted = _split(text), _split(phrase)
    if not wanted:
        return False
    starts = range(len(there) - len(wanted) + 1)
    found = any(all(map(_same, there[start : start + len(wanted)], wanted)) for start in starts)
    return found or (not phrase.isascii() and phrase.lower() in text.lower())


def _same(one: str, other: str) -> bool:
    """Return whether one word is the other, or its plural."""
    short, long = sorted((one, other), key=len)
    return long in (short, f"{short}s", f"{short}es", f"{short[:-1]}ies" if short.endswith("y") else short)


def _split(text: str) -> list[str]:
    return [str(word) for word in _WORD.findall(text.lower())]


def _wrong(word: str, texts: tuple[str, ...]) -> str | None:
    """Return the sentence for what is no word, or one that is nearly in the prompt; None for another word."""
    if not _split(word):
        return f'"{brief(word)}" is no word'
    parts = [part.strip() for part in word.split(",")]
    if len(parts) > 1 and all(any(_holds(text, part) for text in texts) for part in parts):
        return f'"{brief(word)}" is several words; give each by itself: [{brief(", ".join(parts))}]'
    known = [other for text in texts for other in _split(text)]
    close = get_close_matches(word.lower(), known, n=1, cutoff=NEARLY)
    return f'"{brief(word)}" is not in the prompt; did you mean "{close[0]}"?' if close else None
