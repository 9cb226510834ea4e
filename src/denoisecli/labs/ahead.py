"""States that are decoded while others are still sampled, where that goes on elsewhere and leaves the processor idle.

Nothing is taken on trust: a picture is known by the latents that it was drawn of, and a WebP by its picture. What a run
comes to is the same byte for byte, whether anything was made ahead or not.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli import cores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.diffusion.decode import Decoder, Kind
    from denoisecli.diffusion.models import Model

    Latents = NDArray[np.float32]  # (n, C, h, w)

IDLE = 0.25
"""Share of one core that a process takes at most where its denoiser computes elsewhere."""
MOST_BYTES = 1 << 29
"""Of pictures that wait to be taken: those of a default deck of 1024²."""


@dataclass(frozen=True)
class Made:
    """What was made ahead of one latent: its picture, (H, W, 3), and that as WebP."""

    picture: NDArray[np.uint8]
    coded: bytes


class Ahead:
    """Hears the states of a run as they come, and decodes them meanwhile; see `pictures.decoding_ahead`.

    The decoder of states is fitted to those of the first half of the first batch (`early`), so it begins there, and by
    then it is known how idle the processor is.
    """

    def __init__(self, model: Model, kind: Kind, rows: int, steps: int, apart: int | None = None) -> None:
        self.model, self.kind, self.steps, self.pictures = model, kind, steps, 2 * rows * steps
        self.rows, self.apart = rows, apart
        self.to_come, self.over = rows * steps, False
        self.began = 0.0, 0.0
        self.heard: list[tuple[Latents, Latents]] = []
        self.halves: list[Latents] = []
        self.key = b""  # of what the decoder was fitted to
        self.drawer: Future[Decoder] | None = None
        self.made: dict[bytes, tuple[Future[list[Made]], int]] = {}
        self.coded: dict[bytes, bytes] = {}
        self.pool: ThreadPoolExecutor | None = None

    def hear(self, x_t: Latents, x0: Latents) -> None:
        """Take the next state of a batch and its guess."""
        self.to_come -= len(x_t)
        if self.over or self.to_come < 0:  # of another run that follows
            return
        if self.pool is not None:
            self._decode(np.concatenate([x_t, x0]))
            return
        if not self.heard:
            self.began = time.perf_counter(), time.process_time()
        self.heard.append((x_t, x0))
        if len(x_t) != len(self.heard[0][0]):  # the pipeline was called anew, for other rows
            self.stop()
        elif len(self.heard) == early_steps(self.steps):
            self._begin() if self._idle() else self.stop()

    def hear_halves(self, without: Latents, with_prompt: Latents) -> None:
        """Take the guesses of the two halves in a step. Those of the row that is taken apart are drawn."""
        if self.over or self.apart is None or len(without) != self.rows:  # of several batches, who knows which it is
            return
        halves = np.stack([without[self.apart], with_prompt[self.apart]])
        if self.pool is not None:
            self._decode(halves)
        else:
            self.halves.append(halves)

    @property
    def listeners(self) -> dict[str, Any]:
        """What `sample_batch` is to tell, by its arguments."""
        return {"on_state": self.hear} | ({} if self.apart is None else {"on_halves": self.hear_halves})

    def stop(self) -> None:
        """Leave what has not begun, wait for what has, and forget all."""
        self.over = True
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)
        self.pool, self.drawer = None, None
        self.made.clear()
        self.heard.clear()
        self.halves.clear()

    def fitted_to(self, examples: NDArray[Any] | None) -> Decoder | None:
        """Return the decoder that was fitted to these, which has many a picture at hand; None where there is none."""
        if self.drawer is None or _digest(examples) != self.key:
            self.stop()
            return None
        return _AtHand(self, self.drawer.result())

    def webp(self, picture: NDArray[np.uint8]) -> bytes:
        """Return a picture as WebP."""
        from denoisecli.media.picture_file import webp

        return self.coded.pop(_digest(picture), None) or webp(picture)

    def _idle(self) -> bool:
        """Tell whether somebody else computes."""
        wall, cpu = time.perf_counter() - self.began[0], time.process_time() - self.began[1]
        return cpu < IDLE * wall

    def _begin(self) -> None:
        """Fit the decoder, and decode what has been heard so far."""
        from denoisecli.diffusion.decode import can_draw_ahead, decoder

        canvases, guesses = (np.stack(track, axis=1) for track in zip(*self.heard, strict=True))
        if not can_draw_ahead(self.model, self.kind, canvases.shape[2:]):
            self.stop()
            return
        examples = early_examples(canvases, guesses, self.pictures)
        self.key = _digest(examples)
        self.pool = ThreadPoolExecutor(1, "ahead")  # the decoder spreads its work itself, as it does after
        self.drawer = self.pool.submit(decoder, self.model, self.kind, examples)
        for latents in (*map(np.concatenate, self.heard), *self.halves):
            self._decode(latents)
        self.heard.clear()
        self.halves.clear()

    def _decode(self, latents: Latents) -> None:
        side = self.model.info.scale_factor
        most = MOST_BYTES // (latents.shape[-1] * latents.shape[-2] * side**2 * 3)
        if self.pool is not None and len(self.made) + len(latents) <= most:
            made = self.pool.submit(self._make, latents)
            self.made |= {_digest(one): (made, row) for row, one in enumerate(latents)}

    def _make(self, latents: Latents) -> list[Made]:
        from denoisecli.media.picture_file import webp

        assert self.drawer is not None
        pictures = self.drawer.result().decode(latents)
        return [*cores.in_order(lambda picture: Made(picture, webp(picture)), pictures)]


class _AtHand:
    """A decoder that has many a picture at hand."""

    def __init__(self, ahead: Ahead, by: Decoder) -> None:
        self.ahead, self.by, self.name = ahead, by, by.name

    def decode(self, latents: NDArray[Any]) -> NDArray[np.uint8]:
        """Return sRGB pictures, (n, H, W, 3), uint8, for latents (n, C, h, w)."""
        found = [self.ahead.made.pop(_digest(one), None) for one in latents]
        left = [row for row, place in enumerate(found) if place is None]
        drawn = dict(zip(left, self._decoded(latents[left]), strict=True)) if left else {}
        return np.stack([drawn[row] if place is None else self._taken(*place) for row, place in enumerate(found)])

    def _decoded(self, latents: NDArray[Any]) -> NDArray[np.uint8]:
        """Decode what was not made, behind what is being made: two at once would share the threads otherwise."""
        pool = self.ahead.pool
        return self.by.decode(latents) if pool is None else pool.submit(self.by.decode, latents).result()

    def _taken(self, future: Future[list[Made]], row: int) -> NDArray[np.uint8]:
        made = future.result()[row]
        self.ahead.coded[_digest(made.picture)] = made.coded
        return made.picture


def early_steps(steps: int) -> int:
    """Return how many of a run's steps count as early."""
    return steps // 2 + 1


def early_examples(canvases: NDArray[Any], guesses: NDArray[Any], pictures: int) -> NDArray[Any] | None:
    """Return what a decoder of states is fitted to, (n, C, h, w), of early states (seed, state, C, h, w).

    They look like the later ones to it: the first canvases are noise, and the guesses are pictures from the middle of
    the way on. None where there are few pictures.
    """
    from denoisecli.diffusion.fitted_decoder import examples

    return examples([canvases.swapaxes(0, 1), guesses.swapaxes(0, 1)], pictures)


def _digest(array: NDArray[Any] | None) -> bytes:
    if array is None:
        return b"none"
    return blake2b(np.ascontiguousarray(array).data, digest_size=20, key=repr(array.shape).encode()[:64]).digest()
