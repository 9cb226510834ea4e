"""The model that was loaded last, kept for the next run of a batch, which lends the cache to the runs that it makes.

A kept model is handed out as if it had just been loaded: with its own scheduler and without LoRAs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar


class Kept(Protocol):
    """What the cache knows of a model: that it has a pipeline."""

    @property
    def pipe(self) -> Any: ...  # noqa: D102


Loaded = TypeVar("Loaded", bound=Kept)
Key = tuple[str, ...]


class ModelCache:
    """Holds one model: two of a real size rarely fit, and a batch seldom goes back and forth."""

    def __init__(self) -> None:
        self.key: Key | None = None
        self.model: Any = None
        self.scheduler: Any = None

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Let the models that are loaded in this block, by this thread, be kept here and be taken from here."""
        before = _lent.set(self)
        try:
            yield
        finally:
            _lent.reset(before)

    def put(self, key: Key, model: Loaded) -> Loaded:
        """Keep the model, and return it."""
        self.key, self.model, self.scheduler = key, model, model.pipe.scheduler
        return model

    def take(self, key: Key) -> Any:
        """Return the model kept under `key`, as new; None where there is none. Another one is let go first."""
        if self.key != key or self.model is None:
            self.clear()
            return None
        pipe = self.model.pipe
        if any(getattr(part, "peft_config", None) for part in pipe.components.values()):
            from .quiet import quiet

            with quiet():
                pipe.unload_lora_weights()
        pipe.scheduler = self.scheduler
        return self.model

    def clear(self) -> None:
        """Let the kept model go."""
        self.key = self.model = self.scheduler = None


_lent: ContextVar[ModelCache | None] = ContextVar("lent", default=None)


def lent() -> ModelCache | None:
    """Return the cache that whoever called us has lent; None where every model is loaded anew."""
    return _lent.get()
