"""Weights files that are mapped into memory: their pages are given back while a model is loaded in another dtype.

A mapped file counts as the process's memory from the first look at a page until the file is let go, which is when the
whole model is there. So weights of 2 GB that are used in a wider dtype cost these 2 GB beside their 4. What was read
is not needed again: its pages are given back to the system, which keeps them in its cache and reads them again from
there, or from the file, if somebody asks.
"""

from __future__ import annotations

import ctypes
import re
import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from mmap import PAGESIZE
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .taps import all_on, tapped

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

EVERY = 256 << 20  # bytes that are loaded between two looks at what is mapped
_DONTNEED = 4  # Linux, asm-generic/mman-common.h
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+ +(/.*)\n")
_PRESENT, _SWAPPED, _OF_FILE = (np.uint64(1 << bit) for bit in (63, 62, 61))  # Linux, admin-guide/mm/pagemap.rst


def give_back(files: Collection[Path]) -> int:
    """Give the pages of mapped files back to the system, and return the bytes of these mappings; 0 but on Linux.

    A mapping that somebody has written to is left alone: what was written is in its pages only.
    """
    ranges = [(start, stop) for start, stop in _mappings(files) if not _written(start, stop)]
    libc = ctypes.CDLL(None)
    for start, stop in ranges:
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(stop - start), _DONTNEED)
    return sum(stop - start for start, stop in ranges)


@contextmanager
def given_back(files: Collection[Path]) -> Iterator[None]:
    """Give the pages of these files back again and again while diffusers and transformers load a model from them."""
    from diffusers.models import model_loading_utils

    loaded = 0

    def load(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        nonlocal loaded
        result = original(*args, **kwargs)
        loaded += sum(getattr(value, "nbytes", 0) for value in (*args, *kwargs.values()))
        if loaded >= EVERY:
            loaded = 0
            give_back(files)
        return result

    with all_on(tapped(owner, name, load) for owner, name in _setters(model_loading_utils)):
        yield
    give_back(files)


def _setters(diffusers: Any) -> Iterator[tuple[Any, str]]:
    """Yield the functions by which a weight takes its place; older releases have others, and are left alone."""
    if sys.platform != "linux":
        return
    if hasattr(diffusers, "set_module_tensor_to_device"):  # it comes with accelerate
        yield diffusers, "set_module_tensor_to_device"
    if find_spec("transformers.core_model_loading") is not None:
        yield import_module("transformers.core_model_loading"), "set_param_for_module"


def _mappings(files: Collection[Path]) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of every mapping of these files in this process."""
    wanted = {str(file.resolve()) for file in files}
    try:
        text = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    for match in _MAPPING.finditer(text):
        if match[3] in wanted:
            yield int(match[1], 16), int(match[2], 16)


def _written(start: int, stop: int) -> bool:
    """Return whether a page of a mapping is the process's own and no longer the file's; True where nobody can tell."""
    try:
        with Path("/proc/self/pagemap").open("rb") as table:
            table.seek(start // PAGESIZE * 8)
            pages = np.frombuffer(table.read((stop - start) // PAGESIZE * 8), np.uint64)
    except OSError:
        return True
    return bool((((pages & (_PRESENT | _SWAPPED)) != 0) & ((pages & _OF_FILE) == 0)).any())
