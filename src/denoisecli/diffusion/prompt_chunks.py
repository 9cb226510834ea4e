"""Prompts with weights, and beyond 77 tokens, for Stable Diffusion 1, 2 and XL, as ComfyUI and A1111's web UI do it.

Both cut a prompt into chunks of 75 tokens, encode each with its own start and end, and put them one behind the other.
ComfyUI then moves each token's vector away from that of an empty prompt, (z − z_empty)·w + z_empty; A1111 multiplies
the vectors by their weights and brings the chunk's mean back to what it was. Sources: comfy/sd1_clip.py and
modules/sd_hijack_clip.py, sd_emphasis.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from denoisecli.errors import UsageError

from .prompt_syntax import Piece, pieces

if TYPE_CHECKING:
    from .models import Model

ROOM = 75  # tokens of a chunk, beside its start and end, where the encoder reads as many
LARGE = 8  # tokens: ComfyUI cuts a piece of so many where a chunk ends, and moves a smaller one whole
BACK = 20  # tokens: how far A1111 goes back to a comma rather than cut behind it
MOST_CHUNKS = 200

Token = tuple[int, float]


@dataclass(frozen=True)
class Encoder:
    """A CLIP text encoder of a pipeline, its tokenizer, and which of its layers counts."""

    tokenizer: Any
    model: Any
    layer: int
    """Index into the hidden states; −1 the last."""
    normed: bool
    """Whether the final layer norm is applied to it."""
    pooled: bool = False

    @property
    def padding(self) -> int:
        """Return the token that fills a chunk."""
        return int(self.tokenizer.pad_token_id)

    @property
    def room(self) -> int:
        """Return the tokens of a chunk, beside its start and end."""
        return min(ROOM, int(self.model.config.max_position_embeddings) - 2)

    def ids(self, text: str) -> list[int]:
        """Return a text's tokens, without start and end."""
        return [int(one) for one in self.tokenizer(text, add_special_tokens=False, verbose=False).input_ids]

    def encode(self, chunks: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the vectors of some chunks, (chunk, token, width), and the pooled ones."""
        tokens = torch.tensor(chunks, device=self.model.device)
        found = self.model(tokens, output_hidden_states=True)
        hidden = found.hidden_states[self.layer]
        if self.normed:
            hidden = getattr(self.model, "text_model", self.model).final_layer_norm(hidden)
        return hidden, found[0] if self.pooled else None


def encoders(model: Model, clip_skip: int) -> list[Encoder]:
    """Return the text encoders of a Stable Diffusion 1, 2 or XL pipeline. Raises UsageError for any other.

    clip_skip: 1 takes the last layer, 2 the one before; XL takes the one before at least.
    """
    pipe = model.pipe
    first, second = getattr(pipe, "text_encoder", None), getattr(pipe, "text_encoder_2", None)
    if getattr(pipe, "unet", None) is None or first is None or not hasattr(pipe, "tokenizer"):
        raise UsageError(
            f"Weights in prompts are known for Stable Diffusion 1, 2 and XL, not for {model.info.ref}.",
            "Leave prompt_syntax at plain.",
        )
    if second is None:
        return [Encoder(pipe.tokenizer, first, -clip_skip, normed=True)]
    layer = -max(clip_skip, 2)
    return [
        Encoder(pipe.tokenizer, first, layer, normed=False),
        Encoder(pipe.tokenizer_2, second, layer, normed=False, pooled=True),
    ]


@torch.inference_mode()
def weighted(
    model: Model, prompts: Sequence[str], syntax: str, clip_skip: int = 1
) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    """Return (vectors, pooled) of a prompt and its negative ones, all of one length.

    vectors: (1, token, width); pooled: (1, width), for XL alone.

    A shorter one is repeated, as ComfyUI does: attention over its tokens twice is attention over them once.
    Raises UsageError for a model without CLIP encoders.
    """
    parts = encoders(model, clip_skip)
    read = [pieces(prompt, syntax, negative=at > 0) for at, prompt in enumerate(prompts)]
    found = [_one(parts, words, syntax) for words in read]
    length = math.lcm(*(vectors.shape[1] for vectors, _ in found))
    return [(vectors.repeat(1, length // vectors.shape[1], 1), pooled) for vectors, pooled in found]


def _one(parts: Sequence[Encoder], words: Sequence[Piece], syntax: str) -> tuple[torch.Tensor, torch.Tensor | None]:
    made = [_encoded(part, words, syntax) for part in parts]
    length = min(vectors.shape[1] for vectors, _ in made)
    pooled = next((each for _, each in made if each is not None), None)
    return torch.cat([vectors[:, :length] for vectors, _ in made], dim=-1), pooled


def _encoded(part: Encoder, words: Sequence[Piece], syntax: str) -> tuple[torch.Tensor, torch.Tensor | None]:
    chunks = (comfy_chunks if syntax == "comfy" else a1111_chunks)(part, words)
    if len(chunks) > MOST_CHUNKS:
        raise UsageError(f"A prompt has {len(chunks)} pieces of {part.room} tokens; at most {MOST_CHUNKS} are read.",
                         "Make it shorter.")  # fmt: skip
    vectors, pooled = part.encode([[token for token, _ in chunk] for chunk in chunks])
    weights = torch.tensor(
        [[weight for _, weight in chunk] for chunk in chunks], device=vectors.device, dtype=torch.float32
    )
    if bool((weights != 1).any()):
        weigh = _from_empty if syntax == "comfy" else _mean_kept
        vectors = weigh(part, vectors, weights.to(vectors.dtype)[..., None])
    return vectors.reshape(1, -1, vectors.shape[-1]), None if pooled is None else pooled[:1]


def _from_empty(part: Encoder, vectors: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return (z − z_empty)·w + z_empty, and z itself where w is 1."""
    empty, _ = part.encode([[token for token, _ in closed(part, [])]])
    return torch.where(weights == 1, vectors, (vectors - empty) * weights + empty)


def _mean_kept(_: Encoder, vectors: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return z·w, each chunk scaled so that its mean is that of z."""
    scaled = vectors * weights
    kept: torch.Tensor = scaled * (vectors.mean(dim=(1, 2), keepdim=True) / scaled.mean(dim=(1, 2), keepdim=True))
    return kept


def closed(part: Encoder, tokens: Sequence[Token]) -> list[Token]:
    """Return a whole chunk: start, the tokens, end, padding."""
    start, end = int(part.tokenizer.bos_token_id), int(part.tokenizer.eos_token_id)
    chunk = [(start, 1.0), *tokens, (end, 1.0)]
    return chunk + [(part.padding, 1.0)] * (part.room + 2 - len(chunk))


def comfy_chunks(part: Encoder, words: Sequence[Piece]) -> list[list[Token]]:
    """Return the chunks of a prompt as ComfyUI cuts it: a small piece is not cut in two."""
    chunks: list[list[Token]] = [[]]
    for text, weight, _ in words:
        tokens = [(one, weight) for one in part.ids(text)]
        small = len(tokens) < min(LARGE, part.room)
        while len(tokens) + len(chunks[-1]) > part.room:
            room = 0 if small else part.room - len(chunks[-1])
            chunks[-1] += tokens[:room]
            tokens = tokens[room:]
            chunks.append([])
        chunks[-1] += tokens
    return [closed(part, chunk) for chunk in chunks]


def a1111_chunks(part: Encoder, words: Sequence[Piece]) -> list[list[Token]]:
    """Return the chunks of a prompt as A1111 cuts it: BREAK begins one, and a full one ends at a comma near its end."""
    chunks: list[list[Token]] = [[]]
    commas, room = set(part.ids(",")), part.room
    comma = -1
    for text, weight, breaks in words:
        if breaks:
            chunks.append([])
            comma = -1
        for token in part.ids(text):
            if token in commas:
                comma = len(chunks[-1])
            elif len(chunks[-1]) == room and comma != -1 and len(chunks[-1]) - comma <= BACK:
                moved = chunks[-1][comma + 1 :]
                del chunks[-1][comma + 1 :]
                chunks.append(moved)
                comma = -1
            if len(chunks[-1]) == room:
                chunks.append([])
                comma = -1
            chunks[-1].append((token, weight))
    return [closed(part, chunk) for chunk in chunks]
