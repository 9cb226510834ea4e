"""An open LoRA file: its layers, their factors and how strongly each is applied."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.errors import ModelError

from .adapter import AdapterConfig
from .built_in import lora_path
from .keys import DIFFERENCES, Layer, layers_of
from .safetensors import DTYPES, TensorFile, decode, open_tensors

if TYPE_CHECKING:
    from numpy.typing import NDArray


LARGEST = 1e40
"""Above any float32; products of three such numbers, squared and added up, stay in float64's range."""


@dataclass(frozen=True)
class LoraFile:
    """A LoRA, read layer by layer: no more than one layer of it is ever in memory."""

    file: TensorFile
    layers: tuple[Layer, ...]
    adapter: AdapterConfig

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.file.path

    @property
    def rank(self) -> int:
        """The highest rank of its layers."""
        return max(layer.rank for layer in self.layers)

    @property
    def trigger_words(self) -> str:
        """The words that it was trained to be called by; "" where it does not tell."""
        return _trigger_words(self.file)

    @property
    def extras(self) -> list[str]:
        """Tensors that belong to no layer; truncation copies them."""
        known = {key for layer in self.layers for key in (layer.down, layer.up, layer.alpha, layer.mid)}
        return [name for name in self.file.tensors if name not in known]

    @property
    def differences(self) -> list[str]:
        """Those of them that are whole differences, which no cut makes smaller."""
        return [name for name in self.extras if DIFFERENCES.search(name)]

    def factors(self, layer: Layer) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
        """Return up (rows, rank) and down (rank, columns); ΔW = scale · up · down.

        A middle factor (Tucker, as LyCORIS writes it) is multiplied into down: that is exact, and any tool reads it.
        """
        up, down = self._factor(layer.up, layer.rank, 1), self._factor(layer.down, layer.rank, 0)
        if layer.mid:
            mid = self._factor(layer.mid, layer.rank, 0).reshape(layer.rank, layer.rank, -1)
            down = np.einsum("rsk,si->rik", mid, down, dtype=np.float64).reshape(layer.rank, -1)
        return up, down

    def _factor(self, name: str, rank: int, axis: int) -> NDArray[np.floating[Any]]:
        """Return a factor as a matrix that has `rank` along `axis`. Raises ModelError where it holds no weights."""
        values = self.file.read(name)
        if values.dtype == np.float64 and np.abs(values).max() > LARGEST:
            raise self._too_large(name)
        return values.reshape((-1, rank) if axis else (rank, -1))

    def scale(self, layer: Layer) -> float:
        """Return alpha / rank: the stored alpha, else what PEFT's metadata says, else 1."""
        if layer.alpha is not None:
            return self.alpha(layer.alpha) / layer.rank
        said = self.adapter.scale(layer.name, layer.rank)
        return 1.0 if said is None else said

    def alpha(self, name: str) -> float:
        """Return the one number that an alpha tensor holds. Raises ModelError where it is no finite number."""
        raw, dtype = self.file.raw(name), self.file.tensors[name].dtype
        if dtype in DTYPES:
            value = float(decode(raw, dtype)[0])
        elif dtype in ("I8", "I16", "I32", "I64"):
            value = float(int.from_bytes(raw, "little", signed=True))
        else:
            raise ModelError(f"{self.path}: {name} is stored as {dtype}, which is not read here.", "Save it as F32.")
        if not np.isfinite(value):
            raise ModelError(f"{self.path}: {name} is {value}, not a number.", "Use another file.")
        if abs(value) > LARGEST:
            raise self._too_large(name)
        return value

    def _too_large(self, name: str) -> ModelError:
        what = f"{name} holds numbers above {LARGEST:g}, which no model has."
        return ModelError(f"{self.path}: {what}", "The training went wrong; use another file.")


@contextlib.contextmanager
def open_lora(path: str | Path) -> Iterator[LoraFile]:
    """Open a LoRA as kohya, LyCORIS (LoCon), PEFT or diffusers write it. Raises ModelError saying what else it is."""
    with open_tensors(path) as file:
        layers = layers_of(file.tensors, file.path)
        yield LoraFile(file, layers, AdapterConfig.of(file.metadata, file.path))


def names_of(refs: Iterable[str]) -> str:
    """Return what LoRAs are called by, in one text: the words that they were trained on, and their files' names."""
    told: list[str] = []
    for path in map(lora_path, refs):
        with open_tensors(path) as file:
            told += [_trigger_words(file), path.stem]
    return " ".join(told)


def _trigger_words(file: TensorFile) -> str:
    return file.metadata.get("ss_trigger_words", "")  # as kohya's trainers note them
