"""What marks in a prompt mean: weights, and where a new piece begins, as ComfyUI and A1111's web UI read them.

Both take (words) for 1.1 times as strong and (words:1.3) for a strength of one's own; they differ in what brackets
inside brackets do, in escapes, and in [words], BREAK and AND, which only A1111's web UI knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

STEP = 1.1
MOST_NESTING = 100  # brackets inside brackets; deeper ones are plain text


class Piece(NamedTuple):
    """Words and their weight; `breaks`: a new chunk begins before them."""

    text: str
    weight: float
    breaks: bool = False


def pieces(prompt: str, syntax: str, *, negative: bool = False) -> list[Piece]:
    """Return a prompt's pieces. syntax: "comfy" or "a1111".

    A1111 guides what AND parts by predictions of their own, which is not done here: each is a chunk, as with BREAK. In
    a negative prompt AND is a word to it.
    """
    if syntax == "comfy":
        return list(_comfy(prompt))
    return list(_a1111(prompt if negative else " BREAK ".join(parts_apart(prompt))))


def parts_apart(prompt: str) -> list[str]:
    """Return the parts of a prompt that A1111 guides apart, their weights off ("a AND b:0.5"); one where there is no
    AND."""
    parts = _AND.split(prompt)
    return [_PART_WEIGHT.sub("", part).strip() for part in parts] if len(parts) > 1 else [prompt]


# ComfyUI: comfy/sd1_clip.py


def _comfy(prompt: str) -> Iterator[Piece]:
    r"""Yield pieces: (x) multiplies the weight around it, (x:1.3) replaces it; \( and \) are plain."""
    hidden = prompt.replace("\\)", "\0\1").replace("\\(", "\0\2")
    for text, weight in _comfy_weighted(hidden, 1.0, MOST_NESTING):
        yield Piece(text.replace("\0\1", ")").replace("\0\2", "("), weight)


def _comfy_weighted(text: str, around: float, depth: int) -> Iterator[tuple[str, float]]:
    for part in _outer_brackets(text):
        if depth <= 0 or len(part) < 2 or part[0] != "(" or part[-1] != ")":
            yield part, around
            continue
        inside, weight = part[1:-1], around * STEP
        words, colon, number = inside.rpartition(":")
        own = _number(number) if colon and words else None
        yield from _comfy_weighted(inside if own is None else words, weight if own is None else own, depth - 1)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _outer_brackets(text: str) -> Iterator[str]:
    """Yield the parts of a text: brackets that nothing encloses, with all in them, and what is between."""
    start = depth = 0
    for at, mark in enumerate(text):
        if mark == "(":
            if depth == 0 and at > start:
                yield text[start:at]
                start = at
            depth += 1
        elif mark == ")":
            depth -= 1
            if depth == 0:
                yield text[start : at + 1]
                start = at + 1
    if start < len(text):
        yield text[start:]


# A1111's web UI: modules/prompt_parser.py `parse_prompt_attention`

_TOKEN = re.compile(r"\\[\\()\[\]]|\\|[(\[)\]]|:\s*([+-]?[.\d]+)\s*\)|[^\\()\[\]:]+|:")
_BREAK = re.compile(r"(?:(?<!\s)\s+)?\bBREAK\b\s*")  # of many blanks only the first is tried
_AND = re.compile(r"\bAND\b(?!_PERP|_SALT|_TOPK)")
_PART_WEIGHT = re.compile(r":\s*[-+]?(?:\d+(?:\.\d*)?|\.\d+)\s*$")


def _a1111(prompt: str) -> Iterator[Piece]:
    r"""Yield pieces: brackets multiply, ( by 1.1, [ by 1/1.1, (x:1.3) by 1.3; \( and the like are plain.

    What is left open acts to the end. BREAK begins a new chunk. Brackets deeper than MOST_NESTING weigh nothing.
    """
    spans: list[tuple[str, bool]] = []
    weights: list[float] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}
    for match in _TOKEN.finditer(prompt):
        mark = match[0]
        if mark in opened:
            opened[mark].append(len(spans))
        elif match[1] is not None and opened["("]:
            _close(weights, opened["("], _number(match[1]) or 1.0)
        elif mark == ")" and opened["("]:
            _close(weights, opened["("], STEP)
        elif mark == "]" and opened["["]:
            _close(weights, opened["["], 1 / STEP)
        else:
            parts = [mark[1]] if len(mark) == 2 and mark[0] == "\\" else _BREAK.split(mark)
            spans += [(part, number > 0) for number, part in enumerate(parts)]
            weights += [1.0] * len(parts)
    for kind, factor in (("(", STEP), ("[", 1 / STEP)):
        for start in opened[kind][:MOST_NESTING]:
            _multiply(weights, start, factor)
    yield from _merged([(text, weight, breaks) for (text, breaks), weight in zip(spans, weights, strict=True)])


def _close(weights: list[float], opened: list[int], factor: float) -> None:
    """Weigh what stands behind the bracket that was opened last."""
    deep = len(opened) > MOST_NESTING
    start = opened.pop()
    if not deep:
        _multiply(weights, start, factor)


def _multiply(weights: list[float], start: int, factor: float) -> None:
    weights[start:] = [weight * factor for weight in weights[start:]]


def _merged(spans: list[tuple[str, float, bool]]) -> Iterator[Piece]:
    """Yield the spans, neighbours of one weight as one."""
    piece = Piece("", 1.0)
    for text, weight, breaks in spans:
        if breaks or (text and weight != piece.weight):
            if piece.text or piece.breaks:
                yield piece
            piece = Piece(text, weight, breaks)
        else:
            piece = piece._replace(text=piece.text + text)
    if piece.text or piece.breaks:
        yield piece
