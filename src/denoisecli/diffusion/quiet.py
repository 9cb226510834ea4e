"""Other libraries' messages, kept from our own streams."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

_HARMLESS = (
    "Expected types for vae",  # pocket's autoencoder is a tiny one, by design
    "The config attributes {'block_out_channels'",  # which every saved AutoencoderTiny has and none reads
    "`CLIPImageProcessor` requires torchvision",  # no pipeline here looks at pictures
    "`SiglipImageProcessor` requires torchvision",
    "The following part of your input was truncated",  # reported by `truncated` in our own words
    "Token indices sequence length is longer than",
    "You have disabled the safety checker",
    "should be kept in float32: []",  # an empty list of modules
    "Guiders are currently an experimental feature",
    "for integer quantization, but only bfloat16 is supported",  # weights alone are quantised, of whichever type
    "No LoRA keys associated to",  # a file for the denoiser alone; one for nothing is an error of ours
)


@contextmanager
def quiet() -> Iterator[None]:
    """Drop diffusers' and transformers' harmless messages and progress bars inside; real warnings stay."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    handlers = _handlers()
    bars = [library for library in (diffusers_logging, transformers_logging) if library.is_progress_bar_enabled()]
    for handler in handlers:
        handler.addFilter(_is_news)
    for library in bars:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(_is_news)
        for library in bars:
            library.enable_progress_bar()


def _is_news(message: logging.LogRecord) -> bool:
    text = message.getMessage()
    adapters = "LOAD REPORT" in text and ".lora_" in text  # a second LoRA's load counts the first one's as missing
    return not adapters and not any(mark in text for mark in _HARMLESS)


@contextmanager
def silent() -> Iterator[None]:
    """Drop all that is logged inside but errors, by whichever library: for imports that tell what they lack."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def made_up_weights() -> Iterator[list[str]]:
    """Collect the parameters that a library tells it filled at random, for want of weights or of their size."""
    found: list[str] = []

    def note(message: logging.LogRecord) -> bool:
        told = message.getMessage()
        if not _RANDOM.search(told):
            return True
        found.append((_PARAMETER.search(_COLOUR.sub("", told)) or ["some"])[0])
        return False

    handlers = _handlers()
    for handler in handlers:
        handler.addFilter(note)
    try:
        yield found
    finally:
        for handler in handlers:
            handler.removeFilter(note)


_RANDOM = re.compile(r"newly initialized|Reinit due to size mismatch")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PARAMETER = re.compile(r"(?<![\w{}, .])[\w{}, .]+\.(weight|bias)")  # tried once for each run of such letters


def _handlers() -> list[logging.Handler]:
    """Return what prints the messages of diffusers and transformers."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    loggers = (diffusers_logging.get_logger("diffusers"), transformers_logging.get_logger("transformers"))
    return [handler for logger in loggers for handler in logger.handlers]
