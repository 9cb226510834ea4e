"""Concepts of transformers: an evaluation for each beside the run's own, with the concept where the prompt stands.

The picture in it is the run's: what a block gets of the picture is what the run's block got. So the concept's tokens
read the picture and themselves, go through the text's own path from block to block, and are never read by the picture:
the stream of ConceptAttention (Helbling et al. 2025, arXiv 2502.04320) without a line of a model's code. What stands
for the concept (its vectors, mask and positions) is what the pipeline would tell the denoiser if it were the prompt:
the pipeline is called once for each, and stopped before its first evaluation.

Joint attention: a map is what the paper reads, softmax over the concepts of o_x · o_c, the outputs of a layer's
attention at a place of the picture and for a concept (the mean of its tokens), heads side by side. One concept alone
stands against the prompt's own tokens. Cross-attention: what one more word would get, by the keys that a concept has in
the layer, as in U-Nets.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from denoisecli.errors import UsageError

from .taps import arguments_of, called

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .text_readings import Readings

PICTURE = ("hidden_states", "sample", "x", "timestep", "timesteps", "t", "guidance", "timestep_cond")
"""Arguments of a denoiser that are the run's own whatever the prompt is; so is a vector pooled from it."""


@dataclass
class Evaluated:
    """A concept, its tokens on the text's axis, and what the denoiser is told where it stands for the prompt.

    own: names of what is not the run's. heard: in cross-attention, the keys of its tokens by layer, (heads, tokens,
    width), of the evaluation that runs.
    """

    text: str
    tokens: list[int]
    told: dict[str, Any]
    own: set[str]
    heard: dict[str, torch.Tensor] = field(default_factory=dict)
    prompt: dict[str, Any] | None = None
    """What the run's first evaluation was told in the places of what is the concept's own."""

    def keys(self, name: str, _: torch.nn.Module) -> torch.Tensor | None:
        """Return its keys in a layer of cross-attention; None beside an evaluation that has not the prompt."""
        return self.heard.get(name)

    def arguments(self, told: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what to evaluate beside an evaluation of the run; None for one that has not the prompt.

        The first one of a call has it. What differs from it is the concept's own, too.
        """
        if self.prompt is None:
            self.prompt = {name: told.get(name) for name in self.own | _differing(self.told, told)}
        if not all(_same(value, told.get(name)) for name, value in self.prompt.items()):
            return None
        return {**told, **{name: self.told[name] for name in self.prompt}}


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    """Return the names of what follows from the text in what two evaluations are told."""
    names = {name for name in one if name not in PICTURE and "pooled" not in name}
    return {name for name in names if not _same(one[name], other.get(name))}


def _same(one: Any, other: Any) -> bool:
    """Return whether two arguments say the same: tensors, lists of tensors, or anything else."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one is other or (one.shape == other.shape and one.dtype == other.dtype and bool(torch.equal(one, other)))
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        return False
    return bool(one == other)


class _Enough(BaseException):
    """Ends a call of the pipeline before its first evaluation. Not an Exception: those are the pipeline's to catch."""


def evaluated_concepts(
    call: Callable[..., Any],
    told: Mapping[str, Any],
    texts: Sequence[str],
    denoisers: Mapping[str, torch.nn.Module],
    readings: Readings,
) -> list[Evaluated]:
    """Return concepts as a call of the pipeline would tell them to its denoiser in the prompt's place.

    call: the pipeline's, which is told `told`. `readings` listens, and hears nothing of it afterwards. Raises
    UsageError for a concept without a word that reaches the denoiser.
    """
    _check_uncached(denoisers)
    before, found = readings.heard, []
    try:
        blank = _first_evaluation(call, _with_prompt(call, told, " "), denoisers)
        for text in dict.fromkeys(texts):
            readings.heard = []
            arguments = _first_evaluation(call, _with_prompt(call, told, text), denoisers)
            tokens = list(readings.prompt(text).all_tokens)
            if not tokens:
                raise UsageError(f"The concept {text!r} has no word in it.", "Name what may be seen, such as boat.")
            found.append(Evaluated(text, tokens, arguments, _differing(arguments, blank)))
    finally:
        readings.heard = before
    return found


def _check_uncached(denoisers: Mapping[str, torch.nn.Module]) -> None:
    """Raise UsageError where evaluations hand blocks' outputs on: those beside the run would change it."""
    for name, denoiser in denoisers.items():
        if getattr(denoiser, "is_cache_enabled", False):
            raise UsageError(
                f"The {name} has a cache between its steps, which concepts would be read into.",
                f"Leave them out, or call pipe.{name}.disable_cache() before.",
            )


def _with_prompt(call: Callable[..., Any], told: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return what a call is told, with a text for every prompt in it, and generators that draw the same once more."""
    made = dict[str, Any]()
    rows = next((len(told[name]) for name in ("prompt", "prompt_embeds") if _several(told.get(name))), None)
    for name, value in told.items():
        if name.removeprefix("negative_").startswith(("prompt", "pooled_prompt")):
            if isinstance(value, (str, list)) and not _listed_tensors(value):
                made[name] = [text] * len(value) if isinstance(value, list) else text
        else:
            made[name] = _drawing_again(value)
    for name in ("prompt", "negative_prompt"):
        if name in inspect.signature(call).parameters:
            made[name] = text if rows is None else [text] * rows
    return made


def _several(value: Any) -> bool:
    return isinstance(value, (list, torch.Tensor))


def _listed_tensors(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(one, torch.Tensor) for one in value)


def _drawing_again(value: Any) -> Any:
    """Return a generator that draws what this one will draw, which stays as it is; anything else as it is."""
    if isinstance(value, list):
        return [_drawing_again(one) for one in value]
    if not isinstance(value, torch.Generator):
        return value
    twin = torch.Generator(value.device)
    twin.set_state(value.get_state())
    return twin


def _first_evaluation(
    call: Callable[..., Any], told: Mapping[str, Any], denoisers: Mapping[str, torch.nn.Module]
) -> dict[str, Any]:
    """Call the pipeline up to its first evaluation, and return what that would be told."""
    found = dict[str, Any]()

    def stop(denoiser: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found.update(by_name(denoiser, args, kwargs))
        raise _Enough

    hooks = [one.register_forward_pre_hook(stop, prepend=True, with_kwargs=True) for one in denoisers.values()]
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            call(**told)
    except _Enough:
        return found
    finally:
        for hook in hooks:
            hook.remove()
    raise UsageError("The pipeline ran without its denoiser, so concepts have nothing to read.", "Leave them out.")


def by_name(denoiser: torch.nn.Module, args: Sequence[Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an evaluation by their names."""
    return arguments_of(denoiser.forward, args, told)


@contextmanager
def without_bar(pipe: Any) -> Iterator[None]:
    """Let a pipeline show no bar of its progress inside."""
    before = getattr(pipe, "_progress_bar_config", None)
    pipe._progress_bar_config = {**(before or {}), "disable": True}  # noqa: SLF001 - its own setter forgets the others
    try:
        yield
    finally:
        if before is None:
            del pipe._progress_bar_config  # noqa: SLF001
        else:
            pipe._progress_bar_config = before  # noqa: SLF001


@contextmanager
def told_of_calls(pipe: Any, tell: Callable[[Callable[..., Any], dict[str, Any]], None]) -> Iterator[None]:
    """Before each call of a pipeline, tell what it is called with by name: `tell(call, told)`."""

    def tap(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        tell(original, arguments_of(original, args, kwargs))
        return original(*args, **kwargs)

    with called(pipe, tap):
        yield


@dataclass
class Streams:
    """What the blocks and layers of one evaluation of the run got of the picture, and what concepts made of it.

    length: tokens of the picture's stream. picture_first: whether they stand before the text's.
    """

    picture_first: bool
    blocks: dict[int, torch.Tensor] = field(default_factory=dict)
    outputs: dict[str, torch.Tensor] = field(default_factory=dict)
    scores: dict[str, list[torch.Tensor]] = field(default_factory=dict)
    length: int = 0

    def with_picture(self, block: int, states: torch.Tensor) -> torch.Tensor:
        """Return what a block of a concept's evaluation gets, with the run's picture in it.

        states: (rows, tokens, width), or tokens first as ERNIE-Image has them; of the picture alone, or joined.
        """
        own = self.blocks[block]
        axis = 1 if own.shape[0] == states.shape[0] and own.shape[1] >= self.length else 0
        tokens, there = own.shape[axis], states.shape[axis]
        if tokens == self.length:
            return own
        text = states.narrow(axis, self.length if self.picture_first else 0, there - self.length)
        picture = own.narrow(axis, 0 if self.picture_first else tokens - self.length, self.length)
        return torch.cat((picture, text) if self.picture_first else (text, picture), dim=axis)

    def keep(self, layer: str, picture: torch.Tensor, prompt: torch.Tensor) -> None:
        """Keep a layer's outputs of the run. picture: (rows, heads, places, width); prompt: of the prompt's tokens."""
        self.outputs[layer] = picture
        self.scores[layer] = [_likeness(picture, prompt)]

    def score(self, layer: str, concept: torch.Tensor) -> None:
        """Set a concept's outputs of a layer, (rows, heads, tokens, width), beside the picture's."""
        if layer in self.outputs:
            self.scores[layer].append(_likeness(self.outputs[layer], concept))

    def maps(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield each layer's softmax over the concepts, (rows, concepts, places); of one, against the prompt."""
        for layer, (prompt, *concepts) in self.scores.items():
            rivals = concepts if len(concepts) > 1 else [*concepts, prompt]
            yield layer, torch.stack(rivals, dim=1).softmax(dim=1)[:, : len(concepts)]


def _likeness(picture: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Return o_x · o_c of each place, (rows, places), heads side by side; o_c is the mean over the text's tokens."""
    return torch.einsum("rhpw,rhw->rp", picture.float(), text.float().mean(dim=2))
