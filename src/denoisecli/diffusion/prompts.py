"""What a model's text encoder cannot take in: unknown words, and what stands past its length."""

from __future__ import annotations

import bisect
import re
from typing import Any

_WORD = re.compile(r"[^\W\d_]+")


def truncated(pipe: Any, prompt: str) -> str:
    """Return the end of the prompt that the text encoder cuts off; empty where all of it fits."""
    tokenizer = getattr(pipe, "tokenizer", None)
    if tokenizer is None:
        return ""
    room = tokenizer.model_max_length - 2  # the start and the end token

    def fits(length: int) -> bool:
        return bool(len(tokenizer(prompt[:length], add_special_tokens=False, verbose=False).input_ids) <= room)

    if fits(len(prompt)):
        return ""
    kept = bisect.bisect_left(range(1, len(prompt) + 1), True, key=lambda length: not fits(length))
    cut = prompt[:kept].rpartition(" ")  # a word that is cut in two is lost, where words are told by spaces
    straddles = not prompt[kept].isspace() and not prompt[kept - 1 : kept].isspace()
    return prompt[len(cut[0]) if straddles and cut[1] else kept :].strip()


def unknown_words(pipe: Any, prompt: str) -> list[str]:
    """Return the prompt's words that the tokenizer has no token of its own for, each once, in their order.

    A model with a vocabulary of its own, such as pocket, was trained on whole words: one in pieces means nothing to
    it. Models with CLIP's vocabulary of 49,408 tokens know most words in pieces; for them the list stays empty.
    """
    tokenizer = getattr(pipe, "tokenizer", None)
    if tokenizer is None or tokenizer.vocab_size > 10_000:
        return []
    vocabulary = tokenizer.get_vocab()
    words = dict.fromkeys(_WORD.findall(prompt.lower()))
    return [word for word in words if f"{word}</w>" not in vocabulary]
