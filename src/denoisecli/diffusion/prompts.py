"""What a model's text encoder cannot take in: what stands past its length."""

from __future__ import annotations

import bisect
import inspect
import sys
from typing import Any

from .families import family_named

CLIP_LENGTH = 77


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
    allows. A text that the pipeline puts around the prompt may take of its room (`_beside_template`).
    """
    names = ("tokenizer", "tokenizer_2", "tokenizer_3", "tokenizer_4")
    found = [words_of(tokenizer) for name in names if (tokenizer := getattr(pipe, name, None)) is not None]
    told = inspect.signature(pipe.__call__).parameters.get("max_sequence_length")
    most = told.default if told is not None and isinstance(told.default, int) else sys.maxsize
    if found and (beside := _beside_template(pipe, found[0], most)) is not None:
        return found[0], beside

    def room(tokenizer: Any) -> int:
        length = int(tokenizer.model_max_length)
        own = length if length <= CLIP_LENGTH else min(length, most)
        return own - int(tokenizer.num_special_tokens_to_add())

    widest = max(found, key=room, default=None)
    return widest, 0 if widest is None else room(widest)


def words_of(tokenizer: Any) -> Any:
    """Return the tokenizer itself, or that in a processor of words and pictures (FLUX.2, Kandinsky 5)."""
    return getattr(tokenizer, "tokenizer", None) or tokenizer


def _beside_template(pipe: Any, tokenizer: Any, most: int) -> int | None:
    """Return the tokens left for a prompt where the pipeline puts it into a text of its own; None where it does not.

    most: tokens that its call allows. Qwen-Image, Krea 2, Kandinsky 5 and HunyuanImage allow as many besides as they
    count for their template; FLUX.2, Z-Image and Lumina 2 take it out of them; SANA keeps two.
    """
    family = family_named(type(pipe).__name__)
    name = family.name if family else ""

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False, verbose=False).input_ids)

    template = getattr(pipe, "prompt_template_encode", None) or getattr(pipe, "prompt_template", None) or ""
    before = getattr(pipe, "prompt_template_encode_prefix", None) or template.partition("{}")[0]
    if before:
        allowed = most if most < sys.maxsize else int(pipe.tokenizer_max_length)
        kept = getattr(pipe, "prompt_template_encode_num_suffix_tokens", 0)
        return int(pipe.prompt_template_encode_start_idx) + allowed - kept - count(before)
    if name in _CHATS:
        system = [{"role": "system", "content": _CHATS[name](pipe)}] if _CHATS[name](pipe) else []
        told = [*system, {"role": "user", "content": [{"type": "text", "text": _HERE}] if system else _HERE}]
        options = {} if system else {"add_generation_prompt": True, "enable_thinking": name == "z-image"}
        chat = pipe.tokenizer.apply_chat_template(told, tokenize=False, **options)
        return most - count(chat.partition(_HERE)[0])  # what stands behind the prompt is cut off before it
    if name == "lumina2":
        return most - int(tokenizer.num_special_tokens_to_add()) - count(f"{pipe.system_prompt} <Prompt Start> ")
    return most - 2 if name in ("sana", "sana-sprint") else None


_HERE = "~the prompt~"
_CHATS: dict[str, Any] = {
    "z-image": lambda _: None,
    "flux2-klein": lambda _: None,
    "flux2": lambda pipe: [{"type": "text", "text": pipe.system_message}],
}
"""Families that tell a chat model to read the prompt, and what the system says to it first."""
