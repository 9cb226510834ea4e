"""Words of prompts that are read before the pipeline reads them: with weights in them, or by an earlier layer.

The pipeline is called with embeddings then, and hears no text. What they were made of is known all the same: the chunks
of a prompt with weights (`prompt_chunks`), or what the encoders are given once more (`text_readings`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .embeddings import encoded, skipped
from .prompt_chunks import a1111_chunks, comfy_chunks, encoders
from .prompt_syntax import pieces
from .prompt_words import Prompt, Spelled, prompt_of, read_back
from .taps import all_on
from .text_readings import Readings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .models import Model
    from .prompt_chunks import Encoder, Token


@dataclass(frozen=True)
class Followed:
    """What `record` listens to in a call with embeddings. words: as `record` takes them; prompts: as they were read.

    encoding: what `encode_prompt` is told besides, for concepts.
    """

    words: bool | Sequence[str]
    prompts: tuple[Prompt | None, Prompt | None]
    encoding: Mapping[str, Any] = field(default_factory=dict)


def followed(
    model: Model, words: bool | Sequence[str], texts: tuple[str, str], syntax: str, clip_skip: int
) -> Followed:
    """Return words to listen to in a call with what `embeddings.encoded` made of a prompt and a negative one.

    Raises UsageError as `encoded` does.
    """
    told = skipped(model, clip_skip)
    if syntax != "plain":
        first, second = weighted_prompts(encoders(model, clip_skip)[0], texts, syntax)
    else:
        readings = Readings(model.pipe)
        with all_on(readings.taps()):
            encoded(model, *texts, clip_skip=clip_skip)
        first, second = (readings.prompt(text, negative=number > 0) for number, text in enumerate(texts))
    return Followed(words, (first if texts[0] else None, second if texts[1] else None), told)


def weighted_prompts(part: Encoder, texts: Sequence[str], syntax: str) -> list[Prompt]:
    """Return prompts with weights as their chunks were read, one behind the other; marks are no words.

    A shorter one is repeated up to the length of all (`prompt_chunks.weighted`); its words have every turn's tokens.
    """
    cut = comfy_chunks if syntax == "comfy" else a1111_chunks
    read = [pieces(text, syntax, negative=number > 0) for number, text in enumerate(texts)]
    chunked = [cut(part, words) for words in read]
    length = math.lcm(*map(len, chunked))
    return [
        prompt_of("".join(f" {one.text}" if one.breaks else one.text for one in words),
                  _spelled(part, chunks * (length // len(chunks)), len(chunks)), negative=number > 0)
        for number, (words, chunks) in enumerate(zip(read, chunked, strict=True))
    ]  # fmt: skip


def _spelled(part: Encoder, chunks: Sequence[Sequence[Token]], own: int) -> Spelled:
    """Return the text of the first `own` chunks without their starts, ends and padding; the others repeat them."""
    end = int(part.tokenizer.eos_token_id)
    ids, places = list[int](), list[int]()
    for number, chunk in enumerate(chunks[:own]):
        tokens = [token for token, _ in chunk]
        text = tokens[1 : tokens.index(end, 1)]
        ids += text
        places += [number * len(chunk) + 1 + at for at in range(len(text))]
    turn = own * len(chunks[0])
    read = read_back(part.tokenizer, ids)
    turns = range(len(chunks) // own)
    origin = (tuple(turn * again + places[at] for again in turns for at in tokens) for tokens in read.origin)
    return Spelled(read.text, tuple(origin))
