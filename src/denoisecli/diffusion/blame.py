"""Whose fault an error is that a library raises while it runs a model: the machine's, the model's or ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from denoisecli.errors import DenoiseError, ModelError, is_of_memory

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def blamed(ref: str) -> Iterator[None]:
    """Tell what a library raises while it runs a model from elsewhere as that model's fault, by its name.

    Its configs were checked and its parts were built; values that do not fit each other show when they are used.
    """
    try:
        yield
    except DenoiseError:
        raise
    except Exception as error:
        if ref == "pocket" or is_of_memory(error):
            raise
        told = f"{ref} cannot be run: {type(error).__name__}: {one_line(error)}"
        raise ModelError(told, "Its configs and weights may not fit each other: download it again.") from error


def one_line(error: BaseException) -> str:
    """Return the first sentence of a foreign error, short enough to read."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= 200 else f"{lines[0][:197]}..."
