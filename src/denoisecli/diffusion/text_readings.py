"""What the text encoders of a pipeline were given, and where of that the tokens of a prompt reach the picture."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from denoisecli.errors import UsageError

from .prompt_words import Prompt, prompt_of, read_back
from .prompts import words_of
from .text_axis import AXES, Part, axis_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

BY_NUMBER = 'Say which tokens the words are: record(pipe, words={"lighthouse": [2]}).'


@contextmanager
def with_text_models(pipe: Any) -> Iterator[None]:
    """Let CLIP's encoders be found under `text_model` inside, where diffusers' clip_skip looks for their last norm.

    transformers 5 has no such part: the encoder is all there is.
    """
    encoders = [getattr(pipe, name, None) for name in ("text_encoder", "text_encoder_2")]
    found = [one for one in encoders if hasattr(one, "final_layer_norm") and not hasattr(one, "text_model")]
    for encoder in found:
        vars(encoder)["text_model"] = encoder  # not set as an attribute: it would be a module inside itself
    try:
        yield
    finally:
        for encoder in found:
            del vars(encoder)["text_model"]


@dataclass(frozen=True)
class Reading:
    """One row that an encoder was given: its tokens, and which of them are no padding."""

    encoder: str
    ids: list[int]
    mask: list[int]


class Readings:
    """Hears what the encoders are given whose tokens the picture reads."""

    def __init__(self, pipe: Any) -> None:
        self.pipe, self.axis = pipe, axis_of(pipe)
        self.heard: list[Reading] = []

    def taps(self) -> Iterator[AbstractContextManager[None]]:
        """Yield every tap: they come on together and off together."""
        for name in dict.fromkeys(part.encoder for part in self.axis.parts):
            if isinstance(encoder := getattr(self.pipe, name, None), torch.nn.Module):
                yield self._heard(name, encoder)

    @contextmanager
    def _heard(self, name: str, encoder: torch.nn.Module) -> Iterator[None]:
        def hear(_: Any, args: tuple[Any, ...], told: dict[str, Any]) -> None:
            ids, mask = args[0] if args else told.get("input_ids"), told.get("attention_mask")
            if isinstance(ids, torch.Tensor) and ids.ndim == 2:
                masks = mask if isinstance(mask, torch.Tensor) and mask.shape == ids.shape else torch.ones_like(ids)
                self.heard += [Reading(name, *row) for row in zip(ids.tolist(), masks.tolist(), strict=True)]

        hook = encoder.register_forward_pre_hook(hear, with_kwargs=True)
        try:
            yield
        finally:
            hook.remove()

    @property
    def length(self) -> int | None:
        """Return how many tokens the picture is to read; None where families fill up or cut by rules of their own."""
        if self.axis in AXES.values() or not self.heard:
            return None
        return len(self.heard[0].ids)

    def prompt(self, text: str, *, negative: bool = False) -> Prompt:
        """Return a prompt with the tokens of its characters, as they stand on the text's axis.

        Raises UsageError where no encoder was given a text.
        """
        if not self.heard:
            raise UsageError("The prompt was not encoded inside record(), so its words cannot be found.", BY_NUMBER)
        read, at = Prompt(text, (), ((),) * len(text), negative), self.axis.before
        for part in self.axis.parts:
            found = self._best(part, text, negative=negative)
            if found is None:
                continue
            columns = {place: at + i for i, place in enumerate(part.kept(self.pipe, found[0].mask))}
            at += len(columns)
            if part.words:
                read = read.joined(found[1], columns)
        return read

    def _best(self, part: Part, text: str, *, negative: bool) -> tuple[Reading, Prompt] | None:
        """Return the row of an encoder that most of the text is in: of equal ones the negative prompt is the last."""
        rows = [row for row in self.heard if row.encoder == part.encoder]
        if not rows:
            return None
        tokenizer = words_of(getattr(self.pipe, part.encoder.replace("text_encoder", "tokenizer")))
        read = [(row, prompt_of(text, read_back(tokenizer, row.ids), negative=negative)) for row in rows]
        return max(reversed(read) if negative else read, key=lambda one: sum(map(bool, one[1].tokens)))
