"""A1111's prompt editing: words that change on the way, as the text of each step, and back.

[from:to:when] · [to:when] · [from::when] · [a|b|...], a word of the list a step. `when` is a step, or with a point a
share of the steps. Grammar: modules/prompt_parser.py `get_learned_conditioning_prompt_schedules` of
AUTOMATIC1111/stable-diffusion-webui.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

AtStep = Callable[[int], str]
"""The text of a step, counted from 1."""
WHEN = re.compile(r"\s*(\d{1,6}(?:\.\d{0,9})?|\.\d{1,9})\s*$")
OPEN, CLOSE = {"[": "]", "(": ")"}, {"]", ")"}
MOST_DEPTH = 20
MOST_BRACKETS, MOST_TEXT = 100, 20_000  # of more no editing is read: no one wrote it
HIDDEN = re.compile(r"[\[\]:|\\]")  # marks that no editing can hold as text


@dataclass(frozen=True)
class Stage:
    """Words of the steps up to `end`, counted from 0."""

    end: int
    text: str


def stages(prompt: str, steps: int) -> list[Stage]:
    """Return the words of a prompt by step; one stage where nothing changes."""
    if prompt.count("[") > MOST_BRACKETS or len(prompt) > MOST_TEXT:
        return [Stage(steps, prompt)]
    text = _text(prompt, steps, 0)
    by_step = [text(step) for step in range(1, steps + 1)]
    ends = [*(k for k in range(1, steps) if by_step[k] != by_step[k - 1]), steps]
    return [Stage(end, by_step[end - 1]) for end in ends]


def edited(found: Sequence[Stage]) -> str | None:
    """Return one prompt that has these words by step; None where a mark in them would be read as editing."""
    texts = [stage.text for stage in found]
    start = _shared(texts)
    end = _shared([text[start:][::-1] for text in texts])
    parts = [text[start : len(text) - end] for text in texts]
    if any(HIDDEN.search(part) for part in parts):
        return None
    whole = parts[0]
    for (before, _), part in zip(itertools.pairwise(found), parts[1:], strict=True):
        whole = f"[{whole}:{part}:{before.end}]"
    return texts[0][:start] + whole + texts[0][len(texts[0]) - end :]


def _shared(texts: Sequence[str]) -> int:
    """Return how many characters all begin with, cut behind a space or a comma."""
    same = 0
    for marks in zip(*texts, strict=False):
        if len(set(marks)) > 1:
            break
        same += 1
    while same and texts[0][same - 1] not in " ,":
        same -= 1
    return same


def _text(text: str, steps: int, depth: int) -> AtStep:
    """Return the text of each step; brackets that edit nothing stay as they are."""
    parts: list[AtStep] = []
    plain, at = "", 0
    while at < len(text):
        mark = text[at]
        if mark == "\\":
            plain, at = plain + text[at : at + 2], at + 2
            continue
        end = _closed(text, at) if mark == "[" and depth < MOST_DEPTH else None
        own = _bracket(text[at + 1 : end], steps, depth) if end is not None else None
        if end is None or own is None:
            plain, at = plain + mark, at + 1
            continue
        parts += [_always(plain), own]
        plain, at = "", end + 1
    parts.append(_always(plain))
    return lambda step: "".join(part(step) for part in parts)


def _always(text: str) -> AtStep:
    return lambda _: text


def _bracket(inside: str, steps: int, depth: int) -> AtStep | None:
    """Return what stands for a bracket in each step; None for one that weighs words and edits none."""
    choices = _split(inside, "|")
    if len(choices) > 1:
        texts = [_text(choice, steps, depth + 1) for choice in choices]
        return lambda step: texts[(step - 1) % len(texts)](step)
    parts = _split(inside, ":")
    when = WHEN.match(parts[-1])
    if not 2 <= len(parts) <= 3 or when is None:
        return None
    share = float(when[1])
    turn = min(steps, int(share * steps) if "." in when[1] else int(share))
    before, after = (_text(part, steps, depth + 1) for part in ["", *parts[:-1]][-2:])
    return lambda step: before(step) if step <= turn else after(step)


def _closed(text: str, start: int) -> int | None:
    """Return where the bracket that opens at `start` is closed, None where it is not."""
    waiting: list[str] = []
    at = start
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] in OPEN:
            waiting.append(OPEN[text[at]])
        elif waiting and text[at] == waiting[-1]:
            waiting.pop()
            if not waiting:
                return at
        at += 1
    return None


def _split(text: str, mark: str) -> list[str]:
    """Return the parts of a text between marks that stand in no bracket."""
    parts, depth, at = [""], 0, 0
    while at < len(text):
        if text[at] == "\\":
            parts[-1] += text[at : at + 2]
            at += 2
            continue
        depth += (text[at] in OPEN) - (text[at] in CLOSE)
        if text[at] == mark and depth == 0:
            parts.append("")
        else:
            parts[-1] += text[at]
        at += 1
    return parts
