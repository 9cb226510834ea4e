"""The kinds of value that a config holds: each accepts what a person would write and says what it wants."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, Strict, ValidationError
from pydantic_core import InitErrorDetails

from denoisecli.safe_text import brief, is_text, safe, shown

MAX_SEED = 2**64 - 1  # torch.Generator.manual_seed takes no more
MAX_SEEDS = 4096
SIZE_MULTIPLE = 8  # one latent pixel
SIZE_RANGE = (64, 4096)


def did_you_mean(word: str, known: list[str]) -> str:
    """Return '; did you mean "x"?' for the closest known word, or ''."""
    close = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def number_text(value: float) -> str:
    """Return a number as one would type it, 7.5 and not 7.500000000001, that reads back as the same number."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def parse_seeds(value: Any) -> tuple[int, ...]:
    """Read seeds: 7, "1-4", "7, 21" or a list of those. Raises ValueError on empty, duplicate or out of range."""
    items = value if isinstance(value, (list, tuple)) else [value]
    ranges = [found for item in items for found in _ranges_of(item)]
    count = sum(map(len, ranges))
    if not count:
        raise ValueError("no seeds; give at least one, such as [7]")
    if count > MAX_SEEDS:  # none is made before
        raise ValueError(f"{count} seeds are too many (at most {MAX_SEEDS})")
    seeds = tuple(itertools.chain(*ranges))
    twice = next((seed for i, seed in enumerate(seeds) if seed in seeds[:i]), None)
    if twice is not None:
        raise ValueError(f"seed {twice} is there twice")
    return seeds


def _ranges_of(item: Any) -> list[range]:
    if isinstance(item, str):
        return [_seed_range(part.strip()) for part in item.split(",") if part.strip()]
    if isinstance(item, bool) or not isinstance(item, int):
        raise ValueError(f'{shown(item)} is not a seed (want a whole number, or a range such as "1-4")')
    if not 0 <= item <= MAX_SEED:
        raise ValueError(f"seed {shown(item)} is out of range (want 0 to 2^64 - 1)")
    return [range(item, item + 1)]


def _seed_range(text: str) -> range:
    if re.fullmatch(r"-\d{1,20}", text):
        raise ValueError(f"seed {text} is out of range (want 0 to 2^64 - 1; a random one could not be made again)")
    match = re.fullmatch(r"(\d{1,20})(?:-(\d{1,20}))?", text)
    if not match:
        raise ValueError(f'"{brief(text)}" is not a seed (want a whole number, or a range such as "1-4")')
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise ValueError(f'"{text}" runs backwards')
    if last > MAX_SEED:
        raise ValueError(f"seed {last} is out of range (want 0 to 2^64 - 1)")
    if last - first >= MAX_SEEDS:
        raise ValueError(f'"{text}" is {last - first + 1} seeds, too many (at most {MAX_SEEDS})')
    return range(first, last + 1)


def parse_size(value: Any) -> tuple[int, int]:
    """Read a size in pixels: 512, "768x512" or [768, 512] (width, height)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value, value
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(\d{1,6})\s*[x×]\s*(\d{1,6})\s*", value)):
        return int(match[1]), int(match[2])
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(type(side) is int for side in value):
        return value[0], value[1]
    raise ValueError(f'{shown(value)} is not a size (want 512, "768x512" or [768, 512])')


def _picture_size(value: Any) -> tuple[int, int]:
    width, height = parse_size(value)
    low, high = SIZE_RANGE
    for side in (width, height):
        if not low <= side <= high:
            raise ValueError(f"{shown(side)} px is out of range (want {low} to {high})")
        if side % SIZE_MULTIPLE:
            near = int(side / SIZE_MULTIPLE + 0.5) * SIZE_MULTIPLE
            raise ValueError(f"{side} is not a multiple of {SIZE_MULTIPLE}; the nearest is {near}")
    return width, height


def _film_size(value: Any) -> tuple[int, int]:
    width, height = parse_size(value)
    for side in (width, height):
        if not 320 <= side <= 7680:
            raise ValueError(f"{shown(side)} px is out of range for a film (want 320 to 7680)")
        if side % 2:
            raise ValueError(f"{side} is odd; H.264 wants even sides")
    return width, height


def whole_texts(values: Any) -> Any:
    """Return settings with all their text as UTF-8 has it, names of keys too, however deep it lies.

    Raises pydantic's ValidationError, which names the keys, where a value has bytes or halves of characters in it
    that are no text: such a config could not be written down, so no work is begun for it.
    """
    faults: list[InitErrorDetails] = []
    found = _whole(values, (), faults)
    if faults:
        raise ValidationError.from_exception_data("config", faults)
    return found


def _whole(value: Any, place: tuple[str | int, ...], faults: list[InitErrorDetails]) -> Any:
    if isinstance(value, str):
        if not is_text(value):
            problem = ValueError(f"{shown(value)} is not text in UTF-8; write it anew, or rename the file")
            faults.append(InitErrorDetails(type="value_error", loc=place, input=value, ctx={"error": problem}))
        return safe(value)
    if isinstance(value, dict):
        names = {key: safe(key) if isinstance(key, str) else key for key in value}
        return {name: _whole(value[key], (*place, str(name)), faults) for key, name in names.items()}
    if type(value) in (list, tuple):
        return type(value)(_whole(item, (*place, index), faults) for index, item in enumerate(value))
    return value


def one_of(known: list[str]) -> BeforeValidator:
    """Return a validator that takes one of `known`, or says which it may have been."""

    return BeforeValidator(OneOf(tuple(known)))


@dataclass(frozen=True)
class OneOf:
    """Takes one of `known`; a shell's completion asks which they are."""

    known: tuple[str, ...]

    def __call__(self, value: Any) -> Any:
        """Return the value. Raises ValueError where it is none of them, with the one that it may have been."""
        if isinstance(value, str) and value in self.known:
            return value
        guess = did_you_mean(value, list(self.known)) if isinstance(value, str) else ""
        raise ValueError(f"{shown(value)} is not known{guess or ' (want ' + ', '.join(self.known) + ')'}")


Int = Annotated[int, Strict()]
Float = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Text = Annotated[str, Strict()]
Name = Annotated[Text, Field(min_length=1)]
"""The name of a file, a folder or a model."""
Seeds = Annotated[tuple[int, ...], BeforeValidator(parse_seeds)]
PictureSize = Annotated[tuple[int, int], BeforeValidator(_picture_size)]
FilmSize = Annotated[tuple[int, int], BeforeValidator(_film_size)]
MOST_STEPS = 1000
Steps = Annotated[Int, Field(ge=1, le=MOST_STEPS)]
Scale = Annotated[Float, Field(ge=0, le=100)]
