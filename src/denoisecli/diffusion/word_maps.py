"""Maps of words from what the attention of a run read: which half, which words, at the size of the latents.

`record(pipe, words=True)` asks for a `Listener`. Its taps hear what the text encoders were given and what the
denoisers' layers read; after every evaluation the words' shares are taken, and in every step those of the branch that
had the prompt, and of the one that had the negative prompt, are kept in float16.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from denoisecli.amounts import size_words
from denoisecli.errors import UsageError
from denoisecli.process.words import found_at
from denoisecli.safe_text import shown, some_shown

from .attention import Ear, Heard
from .concept_evaluations import evaluated_concepts, told_of_calls, without_bar
from .concepts import encoded_concepts
from .denoiser import denoisers_of
from .followed import Followed
from .prompt_words import Prompt, Word, absent, asked_for, unread
from .text_readings import BY_NUMBER, Readings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from .branches import Branch

MAX_MAP_BYTES = 1 << 30
NEARLY = 0.8
"""How alike, by difflib's ratio, a word that is not in the prompt is to one that is where it is taken for a slip."""
SMALLEST = 4
"""Layers whose side is less than the latents' divided by this are not pooled: their places are too coarse."""

Words = bool | Sequence[str] | Mapping[str, Sequence[int]] | Followed | None


@dataclass(frozen=True)
class Asked:
    """What is to be heard. words: True for all that carry meaning, some by name, or the tokens of some by name; or some
    of prompts that were read before the call.

    concepts: words that are heard though they are in no prompt (see `concepts`).
    pool: "mean" over all layers that are not too small, or the names of layers, or of blocks of them.
    max_map_bytes: most that the maps of a recording may take.
    """

    words: Words
    concepts: Sequence[str] = ()
    pool: str | Sequence[str] = "mean"
    max_map_bytes: int = MAX_MAP_BYTES


@dataclass
class Maps:
    """What one step read: words (n, word, ...) and negative words at the latents' size, float16.

    beside: the shares that no word has: (other words and punctuation; start, end and padding), means over the rows.
    """

    words: torch.Tensor
    negative: torch.Tensor | None
    beside: torch.Tensor


@dataclass
class _Words:
    """The words of one call of the pipeline, and what the encoders read of its prompts."""

    prompt: list[Word]
    concepts: list[Word]
    negative: list[Word]
    texts: tuple[Prompt | None, Prompt | None]
    length: int | None
    """Tokens that the picture is to read; None where nobody knows."""

    @property
    def all(self) -> list[Word]:
        """Return the words of both halves, in the order of the arrays."""
        return [*self.prompt, *self.concepts, *self.negative]

    def groups(self, text: int) -> torch.Tensor:
        """Return (text tokens, groups): each half's words, its other tokens, and all that is no text.

        Behind them the ear has the concepts.
        """
        halves = zip((self.prompt, self.negative), self.texts, strict=True)
        return torch.cat([_grouped(text, words, read) for words, read in halves], dim=1)


def _grouped(text: int, words: Sequence[Word], read: Prompt | None) -> torch.Tensor:
    found = torch.zeros(text, len(words) + 2)
    for group, word in enumerate(words):
        found[[token for token in word.tokens if token < text], group] = 1
    in_words = found.sum(dim=1).clamp(max=1)
    if read is not None:
        found[[token for token in read.all_tokens if token < text], -2] = 1
        found[:, -2] *= 1 - in_words
    found[:, -1] = 1 - in_words - found[:, -2]
    return found


class Listener:
    """Hears the words of one pipeline. The recorder tells it what it hears; it tells what the words read."""

    def __init__(self, pipe: Any, asked: Asked) -> None:
        self.pipe, self.asked = pipe, asked
        self.read = asked.words if isinstance(asked.words, Followed) else None
        self.wanted = asked.words.words if isinstance(asked.words, Followed) else asked.words
        self.told: dict[str, Any] = {}
        self.readings = Readings(pipe)
        self.words: _Words | None = None
        self.begins = True
        self.taken: list[str] = []
        self.aside = False  # while the pipeline is called for a concept, nothing of it belongs to the run
        self.ear = Ear(denoisers_of(pipe), self.readings.axis, self._groups, self._chosen, self._prompt_tokens)
        self.pooled: dict[str, None] = {}
        self.tokens: int | None = None  # of packed latents: what is behind them is of pictures that are read
        self.bytes = 0
        self._check_pool()

    def taps(self) -> Iterator[AbstractContextManager[None]]:
        """Yield every tap: they come on together and off together."""
        yield from self.readings.taps()
        yield from self.ear.taps()
        if not self.by_own_keys:
            yield told_of_calls(self.pipe, self.hear_call)

    @property
    def by_own_keys(self) -> bool:
        """Whether concepts are heard by the keys of a U-Net's layers; in transformers they are evaluated."""
        return getattr(self.pipe, "unet", None) is not None and hasattr(self.pipe, "encode_prompt")

    def hear_call(self, call: Callable[..., Any], told: dict[str, Any]) -> None:
        """Note what the pipeline is called with, and have its concepts encoded as it would encode its prompt."""
        if self.aside:
            return
        self.told = {name: told.get(name) for name in ("prompt", "negative_prompt")}
        if not (concepts := self._concepts()):
            return
        self.aside = True
        try:
            with without_bar(self.pipe):
                self.ear.concepts = evaluated_concepts(call, told, concepts, self.ear.denoisers, self.readings)
        finally:
            self.aside = False

    def hear_texts(self, told: Mapping[str, Any], *, begins: bool) -> None:
        """Note the prompts of a call, all that are told so far. begins: they are encoded from now on."""
        self.told, self.begins = dict(told), True
        if begins:
            self.readings.heard = []
            if self.by_own_keys:
                more = self.read.encoding if self.read else {}
                self.ear.concepts = encoded_concepts(self.pipe, self._concepts(), self.readings, more)

    def _concepts(self) -> list[str]:
        """Return what is to be heard as a concept: what was asked for as one, and words that are in no prompt.

        Raises UsageError for a word that is nearly in the prompt.
        """
        if isinstance(self.wanted, (bool, Mapping)):
            return list(self.asked.concepts)
        if self.read is not None:
            prompts = [prompt for prompt in self.read.prompts if prompt is not None]
        else:
            prompts = [unread(_one(self.told.get(name))) for name in ("prompt", "negative_prompt")]
        self.taken = absent(self.wanted or (), prompts)
        known = [word for prompt in prompts for word in prompt.words]
        for key in self.taken:
            close = get_close_matches(key.lower(), known, n=1, cutoff=NEARLY)
            if close:
                raise UsageError(f"The word {key!r} is not in the prompt.", f'Did you mean "{close[0]}"?')
        return [*self.taken, *self.asked.concepts]

    def _groups(self, text: int, device: torch.device) -> torch.Tensor:
        if self.words is None or self.begins:
            words = self._arranged()
            if self.words is not None and words.all != self.words.all:
                raise UsageError("The calls inside one record() have different words.", "Record each by itself.")
            self.words, self.begins = words, False
        if self.words.length not in (None, text):
            raise UsageError(
                f"The picture reads {text} text tokens where the text encoder read {self.words.length}.",
                BY_NUMBER,
            )
        return self.words.groups(text).to(device)

    def _prompt_tokens(self) -> Sequence[int]:
        """Return the tokens of the prompt, punctuation included; none where nobody knows them."""
        assert self.words is not None
        prompt = self.words.texts[0]
        return prompt.all_tokens if prompt is not None else ()

    def _chosen(self, layer: str) -> bool:
        pool = self.asked.pool
        return pool == "mean" or any(layer == part or layer.startswith(f"{part}.") for part in pool)

    def _check_pool(self) -> None:
        if isinstance(self.asked.pool, str) and self.asked.pool != "mean":
            raise UsageError(f'pool: {self.asked.pool!r} is not "mean" or a list of layers.')
        if not self.ear.layers:
            blocks = dict.fromkeys(name.rpartition(".")[0] for name in self.ear.names)
            raise UsageError(
                f"pool: this {type(self.pipe).__name__} has no attention layer in {some_shown(self.asked.pool)}.",
                f"It has layers in {some_shown([*blocks], quoted=False)}." if blocks else "",
            )

    def _arranged(self) -> _Words:
        """Return the words of the call that begins."""
        joint = not self.by_own_keys and self.readings.axis.order != "cross"
        concepts = [Word(concept.text, (), concept=True, by_outputs=joint) for concept in self.ear.concepts]
        if isinstance(self.wanted, Mapping):
            given = [Word(text, tuple(tokens)) for text, tokens in self.wanted.items()]
            return _Words(given, concepts, [], (None, None), None)
        prompts = [self._prompt("prompt"), self._prompt("negative_prompt")]
        there = [prompt for prompt in prompts if prompt is not None]
        if not there and not concepts:
            raise UsageError(
                "The prompt is empty, so there are no words to listen to.", "Give one, or leave out words."
            )
        if self.wanted is True:
            found = [word for prompt in there for word in prompt.meaningful()]
        else:
            found = asked_for(list(self.wanted or ()), there)
        halves = [[word for word in found if word.negative is negative] for negative in (False, True)]
        return _Words(halves[0], concepts, halves[1], (prompts[0], prompts[1]), self.readings.length)

    def _prompt(self, name: str) -> Prompt | None:
        """Return one of the call's two prompts as it was read; None where it is empty."""
        if self.read is not None:
            return self.read.prompts[name == "negative_prompt"]
        text = _one(self.told.get(name))
        return self.readings.prompt(text, negative=name == "negative_prompt") if text else None

    def take(self) -> Heard:
        """Return what the evaluation that ended just now read."""
        return self.ear.take()

    def spread(self, sources: Sequence[int]) -> None:
        """Note that only those rows were evaluated that are their own sources."""
        self.ear.heard = self.ear.heard.spread(sources)

    def reduced(
        self, branches: Sequence[Branch], size: Sequence[int], steps: int, *, first: bool, exchanged: bool
    ) -> Maps:
        """Return the maps of a step at the latents' size, (h, w) or (f, h, w).

        steps: of the run, whose first this is or is not. exchanged: the branch that was taken for the unconditional
        one is the conditional one.
        """
        assert self.words is not None
        roles = {branch.role: branch.heard for branch in branches if branch.heard is not None}
        cond, uncond = roles.get("cond"), roles.get("uncond")
        if exchanged:
            cond, uncond = uncond, cond
        if cond is None:
            raise UsageError("No evaluation with the prompt was heard in a step.", "Record it without words.")
        own, others, concepts = (len(words) for words in (self.words.prompt, self.words.negative, self.words.concepts))
        read = [*range(own), *range(own + others + 4, own + others + 4 + concepts), own, own + 1]
        maps = self._resized(cond, read, size)
        if first:
            self._bound(maps, size, steps)
        negative = None
        if uncond is not None and others:
            negative = self._resized(uncond, range(own + 2, own + 2 + others), size).half()
        return Maps(maps[:, :-2].half(), negative, maps[:, -2:].flatten(2).mean(dim=(0, 2)))

    def _bound(self, maps: torch.Tensor, size: Sequence[int], steps: int) -> None:
        """Raise UsageError before maps are kept that would take more than they may."""
        assert self.words is not None
        words = len(self.words.all)
        self.bytes += len(maps) * steps * words * int(np.prod(size)) * 2
        if self.bytes > self.asked.max_map_bytes:
            needed, most = map(size_words, (self.bytes, self.asked.max_map_bytes))
            raise UsageError(
                f"The maps of {words} words would take {needed}, and {most} is the most they may.",
                f"Name fewer words, take fewer seeds at once, or allow more: max_map_bytes={self.bytes}.",
            )

    def _resized(self, heard: Heard, groups: Sequence[int], size: Sequence[int]) -> torch.Tensor:
        """Return the mean over layers at the latents' size, (n, group, ...)."""
        total, count = torch.zeros(()), 0
        for places, whole in heard.sums.items():
            read = whole[..., : self.tokens]
            grid = grid_of(read.shape[-1], size)
            if grid is None or (self.asked.pool == "mean" and grid[-1] * SMALLEST < size[-1]):
                continue
            layers = heard.layers[places]
            self.pooled |= dict.fromkeys(layers)
            mode = "bilinear" if len(size) == 2 else "trilinear"
            maps = read[:, list(groups)]
            maps = maps.reshape(*maps.shape[:2], *grid)
            total = total.to(maps.device) + torch.nn.functional.interpolate(maps, tuple(size), mode=mode)
            count += len(layers)
        if not count:
            raise UsageError("No layer's places lie on the latents' grid.", "Record it without words.")
        return total / count

    def arrays(self, runs: Sequence[Sequence[Maps]]) -> dict[str, NDArray[Any]]:
        """Return the arrays `words` and `negative_words`, (seed, step, word, h, w) float16."""
        found = {"words": [[step.words for step in steps] for steps in runs]}
        if any(step.negative is not None for steps in runs for step in steps):
            found["negative_words"] = [[self._negative(step) for step in steps] for steps in runs]
        whole = {name: torch.cat([torch.stack(steps, dim=1) for steps in tracks]) for name, tracks in found.items()}
        return {name: track.cpu().numpy() for name, track in whole.items() if track.shape[2]}

    def _negative(self, step: Maps) -> torch.Tensor:
        """Return the negative words' maps; zeros where no half read them."""
        assert self.words is not None
        if step.negative is not None:
            return step.negative
        return step.words.new_zeros((len(step.words), len(self.words.negative), *step.words.shape[2:]))

    def record(self, runs: Sequence[Sequence[Maps]], arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """Return what trace.json says of the words: `words`, `words_rest`, `words_pool`."""
        assert self.words is not None
        rows = []
        halves = ("words", [*self.words.prompt, *self.words.concepts]), ("negative_words", self.words.negative)
        for name, words in halves:
            if name in arrays:
                maps = arrays[name].astype(np.float32)
                shares = maps.reshape(*maps.shape[:3], -1).mean(axis=(0, 3)).T
                found = _found_at(arrays[name], words)
                rows += [
                    word.record | {"found_at": states, "share": _short(share)}
                    for word, states, share in zip(words, found, shares, strict=True)
                ]
        beside = torch.stack([torch.stack([step.beside for step in steps]) for steps in runs]).mean(dim=0).cpu().numpy()
        rest = {"share": _short(beside[:, 1]), "other": _short(beside[:, 0])}
        return {"words": rows, "words_rest": rest, "words_pool": list(self.pooled), "notes": _told_of(self.taken)}


def listener_of(pipe: Any, asked: Asked) -> Listener:
    """Return a pipeline's listener. Raises UsageError where its words cannot be heard."""
    for name, told in (("words", asked.words), ("concepts", asked.concepts)):
        if isinstance(told, str):
            raise UsageError(f"{name}: {told!r} is not a list of words.", f"Write {name}=[{told!r}].")
    return Listener(pipe, asked)


def _found_at(maps: NDArray[Any], words: Sequence[Word]) -> list[list[int | None]]:
    """Return when each word found its place; concepts, which compete with no word, are judged by themselves."""
    own = sum(not word.concept for word in words)
    parts = [part for part in (maps[:, :, :own], maps[:, :, own:]) if part.shape[2]]
    return [states for part in parts for states in found_at(part)]


def _told_of(taken: Sequence[str]) -> list[str]:
    """Return the note on words that are in no prompt; none where there are none."""
    if not taken:
        return []
    if len(taken) == 1:
        return [f"{shown(taken[0])} is not in the prompt: it was heard as a concept, which nothing reads."]
    return [f"{some_shown(taken)} are not in the prompt: they were heard as concepts, which nothing reads."]


def _short(values: Any) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def _one(told: Any) -> str:
    """Return the one prompt of a call."""
    texts = {text for text in (told if isinstance(told, (list, tuple)) else [told]) if text}
    if len(texts) > 1:
        raise UsageError("The pictures of this call have different prompts.", "Record words of one prompt at a time.")
    return str(next(iter(texts), ""))


def grid_of(places: int, size: Sequence[int]) -> tuple[int, ...] | None:
    """Return the grid of a layer's places, (rows, columns) or (frames, rows, columns), under latents of `size`.

    U-Nets halve a side and round up, transformers cut it into patches: both give ceil(side / k).
    """
    *frames, height, width = size
    for factor in range(1, max(height, width) + 1):
        grid = (*frames, -(-height // factor), -(-width // factor))
        if int(np.prod(grid)) == places:
            return grid
    return None
