"""What a model's text encoder cannot take in: unknown words, and what stands past its length."""

from __future__ import annotations

import bisect
import inspect
import re
import sys
from typing import Any

CLIP_LENGTH = 77
_WORD = re.compile(r"[^\W\d_]+")


def truncated(pipe: Any, prompt: str) -> str:
    """Return the end of the prompt that the text encoder cuts off; empty where all of it fits."""
    tokenizer, room = _widest(pipe)
    if tokenizer is None:
        return ""

    def fits(length: int) -> bool:
        return bool(len(tokenizer(prompt[:length], add_special_tokens=False, verbose=False).input_ids) <= room)

    if fits(len(prompt)):
        return ""
    kept = bisect.bisect_left(range(1, len(prompt) + 1), True, key=lambda length: not fits(length))
    cut = prompt[:kept].rpartition(" ")  # a word that is cut in two is lost, where words are told by spaces
    straddles = not prompt[kept].isspace() and not prompt[kept - 1 : kept].isspace()
    return prompt[len(cut[0]) if straddles and cut[1] else kept :].strip()


def _widest(pipe: Any) -> tuple[Any, int]:
    """Return the tokenizer that takes in most of a prompt, and how many tokens of it; (None, 0) where there is none.

    FLUX.1 and Stable Diffusion 3 read a prompt twice: CLIP its beginning, T5 all that the call's `max_sequence_length`
    allows. Chat templates stand beside the prompt and take none of its room.
    """
    names = ("tokenizer", "tokenizer_2", "tokenizer_3", "tokenizer_4")
    found = [tokenizer for name in names if (tokenizer := getattr(pipe, name, None)) is not None]
    told = inspect.signature(pipe.__call__).parameters.get("max_sequence_length")
    most = told.default if told is not None and isinstance(told.default, int) else sys.maxsize

    def room(tokenizer: Any) -> int:
        length = int(tokenizer.model_max_length)
        own = length if length <= CLIP_LENGTH else min(length, most)
        return own - int(tokenizer.num_special_tokens_to_add())

    widest = max(found, key=room, default=None)
    return widest, 0 if widest is None else room(widest)


def unknown_words(pipe: Any, prompt: str) -> list[str]:
    """Return the prompt's words that the tokenizer has no token of its own for, each once, in their order.

    A model with a vocabulary of its own, such as pocket, was trained on whole words: one in pieces means nothing to
    it. Models with CLIP's vocabulary of 49,408 tokens know most words in pieces; for them the list stays empty.
    """
    tokenizer = getattr(pipe, "tokenizer", None)
    if tokenizer is None or tokenizer.vocab_size > 10_000:
        return []
    vocabulary = tokenizer.get_vocab()
    if not any(token.endswith("</w>") for token in vocabulary):  # another kind of vocabulary, of pieces
        return []
    words = dict.fromkeys(_WORD.findall(prompt.lower()))
    return [word for word in words if f"{word}</w>" not in vocabulary]
