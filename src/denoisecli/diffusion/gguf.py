"""GGUF files: a denoiser's weights in few bits, in one file. The other parts of the pipeline lie in a folder beside it.

The format: "GGUF", a version, the number of tensors and of notes, the notes, the tensors' names and places.
Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

from pathlib import Path

from denoisecli.errors import ModelError
from denoisecli.safe_files import open_file, why

from . import weights

SUFFIX = ".gguf"
MOST = 1 << 20  # tensors, and notes: models of today have some thousands


def check(path: Path) -> Path:
    """Return the folder that holds the other parts. Raises ModelError where there is none, or the file is no GGUF."""
    try:
        with open_file(path) as file:
            start = file.read(24)
    except OSError as error:
        raise ModelError(f"{path} {why(error)}.") from None
    counts = [int.from_bytes(start[place : place + 8], "little") for place in (8, 16)]
    if len(start) < 24 or start[:4] != b"GGUF" or not all(0 <= count <= MOST for count in counts):
        raise ModelError(f"{path} is not a GGUF file, or only the start of one.", "Download it again.")
    if (beside := weights.configs_beside(path)) is None:
        raise ModelError(
            f"{path} holds a denoiser alone, and {path.with_suffix('')}/ with the model's other parts is not there.",
            "Put the diffusers folder of the same model there; its transformer needs a config.json and no weights.",
        )
    return beside
