"""An ear at the attention of a denoiser: what each place of the picture reads of the text, layer by layer.

Taps, not patches: a hook names the layer that runs, and where it calls
`torch.nn.functional.scaled_dot_product_attention` the kernel computes what it always does; the text's share is
computed beside it (`attention_shares`) and summed up over the layers of one evaluation. So the picture is the same bit
for bit.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from denoisecli.errors import UsageError

from .attention_shares import Attended, shares
from .concept_evaluations import Evaluated, Streams, by_name
from .taps import tapped
from .text_axis import STREAMS, picture_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from .concepts import Concept
    from .text_axis import TextAxis

Groups = dict[int, torch.Tensor]


@dataclass
class Heard:
    """What one evaluation read: sums over layers by their number of places, and the layers' names.

    sums: (rows, groups, places) in float32.
    """

    sums: Groups = field(default_factory=dict)
    layers: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, layer: str, read: torch.Tensor) -> None:
        """Add what a layer read, (rows, groups, places)."""
        places = read.shape[-1]
        self.sums[places] = self.sums[places] + read if places in self.sums else read
        self.layers[places].append(layer)

    def add_concepts(self, maps: Iterator[tuple[str, torch.Tensor]]) -> None:
        """Set maps of concepts, a layer's (rows, concepts, places) each, behind the groups."""
        sums: Groups = {}
        for _, read in maps:
            places = read.shape[-1]
            sums[places] = sums[places] + read if places in sums else read
        for places, read in sums.items():
            self.sums[places] = torch.cat((self.sums[places], read), dim=1)

    def rows(self, chosen: slice | Sequence[int]) -> Heard:
        """Return some rows of the batch."""
        return Heard({places: read[chosen] for places, read in self.sums.items()}, self.layers)

    def spread(self, sources: Sequence[int]) -> Heard:
        """Return it for all rows where only those were evaluated that are their own sources (`shared_rows`).

        A row of the first half that stands on one of the second had no evaluation of its half: it read nothing.
        """
        run, half = sorted(set(sources)), len(sources) // 2
        unread = [row < half <= source for row, source in enumerate(sources)]
        found = self.rows([run.index(source) for source in sources])
        for read in found.sums.values():
            read[unread] = 0
        return found


class Ear:
    """Listens to the attention layers of some denoisers, while its taps are on.

    axis: where the text stands in their layers. groups: returns (text tokens, groups) for a number of text tokens, on a
    device: the tokens that are summed up. chosen: whether a layer is listened to, by its name. prompt: returns the
    prompt's tokens once the groups are known, none where nobody knows them.
    """

    def __init__(
        self,
        denoisers: Mapping[str, torch.nn.Module],
        axis: TextAxis,
        groups: Callable[[int, torch.device], torch.Tensor],
        chosen: Callable[[str], bool],
        prompt: Callable[[], Sequence[int]],
    ) -> None:
        self.denoisers, self.axis, self.groups, self.prompt = denoisers, axis, groups, prompt
        found = dict(_layers(denoisers))
        self.names = list(found)
        self.layers = {name: layer for name, layer in found.items() if chosen(name)}
        self.concepts: Sequence[Concept | Evaluated] = ()
        self.beside: Evaluated | None = None  # the concept whose own evaluation runs
        self.streams: Streams | None = None
        self.heard = Heard()
        self.now: _Layer | None = None
        self.picture: int | None = None
        self.stream: int | None = None
        self.joint: str | None = None  # a layer that reads text in an order that nobody knows
        self.thread = threading.get_ident()
        self.asleep: Callable[[], bool] = lambda: False
        """whether the evaluation that comes is none of the run's: a step that is passed over, or replayed"""

    def taps(self) -> Iterator[AbstractContextManager[None]]:
        """Yield every tap: they come on together and off together."""
        for name, denoiser in self.denoisers.items():
            _check_audible(name, denoiser)
            yield self._begun(denoiser)
            if self.axis.order != "cross":
                for block in _blocks(denoiser):
                    yield self._entered(block)
        for name, layer in self.layers.items():
            yield self._named(name, layer)
        yield tapped(torch.nn.functional, "scaled_dot_product_attention", self.kernel)

    @contextmanager
    def _begun(self, denoiser: torch.nn.Module) -> Iterator[None]:
        """Note how many tokens the picture of an evaluation has, and evaluate concepts beside it."""

        due: list[tuple[Evaluated, dict[str, Any]]] = []

        def begin(_: Any, args: tuple[Any, ...], told: dict[str, Any]) -> None:
            self.picture = picture_tokens(denoiser, args, told)
            due[:] = () if self.asleep() else self._due(denoiser, args, told)
            if due and self.axis.order == "cross":
                self._evaluate(denoiser, due)
            elif due:
                self.streams = Streams(self.axis.order == "picture first")
            self.now, self.stream = None, None

        def end(*_: Any) -> None:
            if self.streams is not None:
                self._evaluate(denoiser, due)
                self.heard.add_concepts(self.streams.maps())
                self.streams = None

        hooks = (
            denoiser.register_forward_pre_hook(begin, with_kwargs=True),
            denoiser.register_forward_hook(end),
        )
        try:
            yield
        finally:
            self.streams = None
            for hook in hooks:
                hook.remove()

    def _due(
        self, denoiser: torch.nn.Module, args: tuple[Any, ...], told: dict[str, Any]
    ) -> Iterator[tuple[Evaluated, dict[str, Any]]]:
        """Yield the concepts to evaluate beside an evaluation of the run, and what the denoiser is told for each."""
        for concept in self.concepts:
            if isinstance(concept, Evaluated):
                concept.heard = {}
                arguments = concept.arguments(by_name(denoiser, args, told))
                if arguments is not None:
                    yield concept, arguments

    @torch.no_grad()
    def _evaluate(self, denoiser: torch.nn.Module, due: Sequence[tuple[Evaluated, dict[str, Any]]]) -> None:
        for concept, arguments in due:
            self.beside, self.now, self.stream = concept, None, None
            try:
                denoiser.forward(**arguments)
            finally:
                self.beside = None

    @contextmanager
    def _entered(self, block: torch.nn.Module) -> Iterator[None]:
        """Keep what a block of the run gets of the picture, and give it to that of a concept's evaluation."""
        number = id(block)

        def enter(_: Any, args: tuple[Any, ...], told: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
            if self.streams is None:
                return None
            states = args[0] if args else told["hidden_states"]
            if self.beside is None:
                self.streams.blocks[number] = states
                return None
            given = self.streams.with_picture(number, states)
            return ((given, *args[1:]), told) if args else (args, told | {"hidden_states": given})

        hook = block.register_forward_pre_hook(enter, with_kwargs=True)
        try:
            yield
        finally:
            hook.remove()

    @contextmanager
    def _named(self, name: str, layer: torch.nn.Module) -> Iterator[None]:
        """Note which layer runs, and what it was told."""

        def enter(_: Any, args: tuple[Any, ...], told: dict[str, Any]) -> None:
            if self.asleep():
                return
            own = args[0] if args else told.get("hidden_states")
            text = args[1] if len(args) > 1 else told.get("encoder_hidden_states")
            text = text[0] if isinstance(text, tuple) and text else text  # pictures stand behind it (IP-Adapter)
            if isinstance(own, torch.Tensor):
                length = text.shape[1] if isinstance(text, torch.Tensor) and text.ndim > 1 else None
                self.now, self.thread = _Layer(name, _tokens(own), length), threading.get_ident()

        def leave(*_: Any) -> None:
            self.now = None

        hooks = (
            layer.register_forward_pre_hook(enter, with_kwargs=True),
            layer.register_forward_hook(leave, always_call=True),
        )
        try:
            yield
        finally:
            self.now = None
            for hook in hooks:
                hook.remove()

    def kernel(self, original: Callable[..., torch.Tensor], *args: Any, **kwargs: Any) -> torch.Tensor:
        """Tap on the kernel: it computes what it always does; inside a layer, its text columns are heard beside it."""
        result = original(*args, **kwargs)
        if self.now is not None and self.thread == threading.get_ident():
            self._hear(self.now, dict(zip(_KERNEL, args, strict=False)) | kwargs, result)
        return result

    @torch.no_grad()
    def _hear(self, layer: _Layer, told: Mapping[str, Any], result: torch.Tensor) -> None:
        q, k = told["query"], told["key"]
        if (spans := self._spans(layer, (q.shape[2], k.shape[2]))) is None:
            return
        self.now = None  # a layer that reads more than once (IP-Adapter) reads the text first
        places, columns = spans
        if self.beside is not None:
            self._hear_beside(self.beside, layer.name, k, result[:, :, columns])
            return
        given = Attended(q, k, told.get("attn_mask"), told.get("scale"))
        groups = self.groups(columns.stop - columns.start, q.device)
        keys = (concept.keys(layer.name, self.layers[layer.name]) for concept in self.concepts)
        self.heard.add(layer.name, shares(given, groups, places, columns, [own for own in keys if own is not None]))
        if self.streams is not None and self.stream is not None:
            self.streams.length = self.stream
            text, prompt = result[:, :, columns], list(self.prompt())
            self.streams.keep(layer.name, result[:, :, places], text[:, :, prompt] if prompt else text)

    def _hear_beside(self, concept: Evaluated, layer: str, keys: torch.Tensor, text: torch.Tensor) -> None:
        """Keep what a layer had of a concept in its own evaluation. text: the outputs of the text's tokens."""
        if self.streams is None:
            concept.heard[layer] = keys[-1][:, concept.tokens]  # one batch has the prompt's half last
        else:
            self.streams.score(layer, text[:, :, concept.tokens])

    def _spans(self, layer: _Layer, lengths: tuple[int, int]) -> tuple[slice, slice] | None:
        """Return where the picture stands among the queries, and the text among the keys; None where none is read."""
        if self.axis.order == "cross":
            if layer.text and lengths[0] == lengths[1] == layer.own + layer.text:
                self.joint = layer.name
            return (slice(0, lengths[0]), slice(0, lengths[1])) if lengths == (layer.own, layer.text) else None
        if self.picture is None:
            return None
        found = self.axis.spans(layer.name, layer.own, self.picture, lengths, self.stream)
        if found is None:
            return None
        self.stream = found[2]
        return found[:2]

    def take(self) -> Heard:
        """Return what was heard since the last time. Raises UsageError where no layer said a thing."""
        heard, self.heard = self.heard, Heard()
        if not heard.sums and self.joint:
            kinds = ", ".join(type(denoiser).__name__ for denoiser in self.denoisers.values())
            raise UsageError(
                f"{kinds} reads text and picture in one row (layer {self.joint}), and their order is not known for it.",
                "Record it without words.",
            )
        if not heard.sums:
            raise _deaf(self.layers, next(iter(self.denoisers)))
        return heard


@dataclass(frozen=True)
class _Layer:
    """A layer that runs: its name, and how many tokens it was told as its own and as another's."""

    name: str
    own: int
    text: int | None


def _tokens(states: torch.Tensor) -> int:
    """Return the tokens of (rows, tokens, width), or of (rows, channels, h, w)."""
    return int(states.shape[1] if states.ndim == 3 else states.shape[2:].numel())


def _blocks(denoiser: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """Yield the blocks that text and picture pass one after another."""
    for name, stack in denoiser.named_children():
        if name in STREAMS:
            yield from stack.children()


_KERNEL = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")


def _layers(denoisers: Mapping[str, torch.nn.Module]) -> Iterator[tuple[str, torch.nn.Module]]:
    """Yield the attention layers by name: those that have a processor, as diffusers calls what runs them."""
    for name, denoiser in denoisers.items():
        for path, module in denoiser.named_modules():
            if hasattr(module, "processor"):
                yield (path if len(denoisers) == 1 else f"{name}.{path}"), module


def _check_audible(name: str, denoiser: torch.nn.Module) -> None:
    """Raise UsageError for a compiled denoiser: hooks in it are not called any more."""
    compiled = hasattr(denoiser, "_orig_mod") or any(
        getattr(module, "_compiled_call_impl", None) is not None for module in denoiser.modules()
    )
    if compiled:
        raise UsageError(
            f"The {name} is compiled, so its attention cannot be listened to.", "Record words before compiling it."
        )


def _deaf(layers: Mapping[str, torch.nn.Module], denoiser: str) -> UsageError:
    """Return why nothing was heard, by the names of the processors and their backends, and the way out."""
    processors: list[Any] = [layer.processor for layer in layers.values()]
    kinds = sorted({type(processor).__name__ for processor in processors})
    told = ", ".join(kinds) or "none"
    if any("Linear" in kind for kind in kinds):
        return UsageError(f"This model's attention is linear ({told}): it has no maps of words.", "Record it without.")
    backends = {getattr(processor, "_attention_backend", None) for processor in processors} - {None}
    if names := ", ".join(sorted(str(getattr(backend, "value", backend)) for backend in backends)):
        told += f"; attention backend {names}"
    ways = [way for part, way in _WAYS.items() if part in told]
    if not ways:
        ways = ["set_attn_processor(AttnProcessor2_0())"] if denoiser == "unet" else [_WAYS["backend"]]
    return UsageError(
        f"No layer that reads the text called torch's attention kernel (processors: {told}).",
        f"Take it: {' or '.join(f'pipe.{way}' if 'disable' in way else f'pipe.{denoiser}.{way}' for way in ways)}.",
    )


_WAYS = {
    "backend": 'set_attention_backend("native")',
    "XFormers": "disable_xformers_memory_efficient_attention()",
    "Sliced": "disable_attention_slicing()",
}
"""What takes another kernel back, by what names it."""
