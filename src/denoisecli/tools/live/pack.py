"""The model as the page carries it: ONNX graphs, and the installed weights as int8 by channel or as float16.

Weights are storage only: the page makes float32 of them once, and every engine computes in float32. int8 has one step
for each output channel, step = max|w| / 127, so that w ≈ q · step with |error| ≤ step, step / 2 for most.

There is a pack for each part of the model: uint32 length of the header, the header (JSON), then the bytes, in
little-endian. The header says where the graph lies, how many floats the weights are, how many of them are fixed, and of
each tensor [first float, count, kind, first byte, channels]; kinds are FLOAT16, FLOAT32, and ROWS and COLUMNS, int8
whose channel is the slow or the fast axis, with the steps as float32 behind the numbers. Tensors behind the fixed ones
are inputs of the graph, since LoRAs change them: [..., name in the graph, shape there]; tuner: the graph that does.
"""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tensors = dict[str, NDArray[Any]]

FLOAT16, ROWS, COLUMNS, FLOAT32 = range(4)
ROW = 5  # what the header tells of any tensor
LEAST = 2048  # numbers: smaller tensors, biases and norms above all, stay as they are
KEPT = ("vae",)  # the decoder is 0.5 MB smaller in int8 and 36 dB instead of exact
WEIGHTS = {
    "text_encoder": "model.safetensors",
    "unet": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
}
CONFIGS = {"scheduler": "scheduler_config.json"}
OTHER = "The live page carries models of the pocket's shape only: use model: pocket, or denoisecli sample for this one."


@dataclass(frozen=True)
class Graphs:
    """What `training/live.py` wrote: the graphs, and where in them each tensor of the model goes.

    parts: by name {folder, floats, tensors: [[key, "as it is" or "transposed", first float, shape]], inputs: {key: name
    in the graph} of the last of them}; models: what the configs of the parts and of the scheduler have to say;
    schedule: ᾱ, √ᾱ and √(1−ᾱ) of each timestep, float32, as torch computes them; tuner: the graph of w + a · b.
    """

    parts: Mapping[str, Any]
    models: Mapping[str, Any]
    onnx: Mapping[str, bytes]
    schedule: bytes
    tuner: bytes


@cache
def graphs() -> Graphs:
    """Return the graphs that came with the package."""
    with zipfile.ZipFile(BytesIO(_resource("graphs.zip"))) as archive:
        told = json.loads(archive.read("graphs.json"))
        onnx = {name: archive.read(f"{name}.onnx") for name in told["parts"]}
        return Graphs(told["parts"], told["models"], onnx, archive.read("schedule.f32"), archive.read("tuner.onnx"))


@dataclass(frozen=True)
class Engine:
    """ONNX Runtime Web: a classic script that makes `ort`, its wasm, both gzipped, and {package, version, …}."""

    about: Mapping[str, str]
    script: bytes
    wasm: bytes


@cache
def engine() -> Engine:
    """Return the engine that came with the package."""
    with zipfile.ZipFile(BytesIO(_resource("engine.zip"))) as archive:
        about = json.loads(archive.read("about.json"))
        return Engine(about, archive.read("ort.js.gz"), archive.read("ort.wasm.gz"))


def _resource(name: str) -> bytes:
    return (resources.files(__package__) / name).read_bytes()


def read_model(folder: Path) -> dict[str, Tensors]:
    """Return the tensors of each part of a diffusers folder. Raises ModelError where its shape is another."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    _check_configs(folder)
    found: dict[str, Tensors] = {}
    for part, name in WEIGHTS.items():
        path = folder / part / name
        try:
            found[part] = load_file(path)
        except FileNotFoundError:
            raise ModelError(f"{folder} has no {part}/{name}.", OTHER) from None
        except (SafetensorError, OSError, KeyError) as error:
            raise ModelError(f"{path} cannot be read: {error}.", "Download or install the model again.") from None
    for part in graphs().parts.values():
        _check_tensors(folder, part["folder"], part["tensors"], found[part["folder"]])
    return found


def _check_configs(folder: Path) -> None:
    for part, wanted in graphs().models.items():
        path = folder / part / CONFIGS.get(part, "config.json")
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise ModelError(f"{folder} has no {part}/{path.name} that can be read.", OTHER) from None
        other = next((key for key, value in wanted.items() if told.get(key, value) != value), None)
        if other is not None:
            raise ModelError(f"{folder} is another model: its {part} has {other} {told[other]!r}.", OTHER)


def _check_tensors(folder: Path, part: str, wanted: Sequence[Sequence[Any]], tensors: Tensors) -> None:
    for key, how, _, shape in wanted:
        there = tensors.get(key)
        if there is None:
            raise ModelError(f"{folder} is another model: its {part} has no {key}.", OTHER)
        if there.size != int(np.prod(shape)) or (how == "transposed" and there.shape != tuple(shape[::-1])):
            raise ModelError(f"{folder} is another model: {part}'s {key} is {there.shape}.", OTHER)
        if not np.isfinite(there).all():
            raise ModelError(f"{folder}: {part}'s {key} holds numbers that are not finite.", "Use another model.")


def packed(tensors: Mapping[str, Tensors], exact: bool = False) -> dict[str, bytes]:
    """Return the pack of each part of a model as `read_model` returns it.

    exact: all weights as float16, else int8 by channel.
    """
    return {name: _packed(name, tensors[part["folder"]], exact) for name, part in graphs().parts.items()}


def _packed(name: str, tensors: Tensors, exact: bool) -> bytes:
    blob, part = BytesIO(), graphs().parts[name]
    whole = exact or part["folder"] in KEPT
    rows = [
        [*_put(blob, tensors[key], how == "transposed", start, whole), *_as_input(part["inputs"], key, shape)]
        for key, how, start, shape in part["tensors"]
    ]
    fixed = min((row[0] for row in rows if len(row) > ROW), default=part["floats"])
    told = {"graph": _placed(blob, graphs().onnx[name]), "floats": part["floats"], "fixed": fixed, "tensors": rows}
    if part["inputs"]:
        told["tuner"] = _placed(blob, graphs().tuner)
    header = json.dumps(told, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 4)
    return struct.pack("<I", len(header)) + header + blob.getvalue()


def _as_input(inputs: Mapping[str, str], key: str, shape: Sequence[int]) -> list[Any]:
    return [inputs[key], shape] if key in inputs else []


def _put(blob: BytesIO, tensor: NDArray[Any], transposed: bool, start: int, whole: bool) -> list[int]:
    """Write a tensor and return its row of the header."""
    if whole or tensor.ndim < 2 or tensor.size < LEAST:
        values = np.ascontiguousarray(tensor.T if transposed else tensor)
        half = values.astype("<f2")
        exactly = np.array_equal(half.astype(np.float32), values.astype(np.float32))
        data = half.tobytes() if exactly else values.astype("<f4").tobytes()
        return [start, tensor.size, FLOAT16 if exactly else FLOAT32, _placed(blob, data)[0], 0]
    numbers, steps = quantised(tensor)
    stored = np.ascontiguousarray(numbers.T if transposed else numbers)
    kind = COLUMNS if transposed else ROWS
    at, _ = _placed(blob, stored.tobytes() + b"\0" * (-stored.size % 4) + steps.tobytes())
    return [start, tensor.size, kind, at, len(steps)]


def quantised(tensor: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return int8 (channels, rest) and the step of each channel, whose products are nearly `tensor` (channels, ...).

    Numbers are rounded to the nearest, but for a few, so that the errors of a kernel, and then those of a channel, add
    up to half a step at most: what a layer is given differs little from place to place, so errors of one sign would add
    up in what it gives (SQuant: Guo et al. 2022, arXiv 2202.07471). It takes no data, and no byte more.
    """
    kernels = tensor.astype(np.float64).reshape(*tensor.shape[:2], -1)  # (channels, given, places)
    steps = np.maximum(np.abs(kernels).max(axis=(1, 2)) / 127, 1e-12).astype("<f4")
    exact = kernels / steps[:, None, None]
    numbers = np.rint(exact)
    numbers -= too_much((numbers - exact).reshape(-1, kernels.shape[2])).reshape(numbers.shape)
    errors = numbers - exact
    for_all = too_much(errors.sum(axis=2))  # -1, 0 or 1 of each kernel
    worst = (errors * for_all[..., None]).argmax(axis=2)[..., None]
    np.put_along_axis(numbers, worst, np.take_along_axis(numbers, worst, 2) - for_all[..., None], 2)
    return numbers.reshape(len(tensor), -1).astype(np.int8), steps


def too_much(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what to take from numbers (groups, n) with errors of half at most: 1 or -1 of the worst till they cancel.

    Behind it the errors of a group add up to half at most.
    """
    count = np.rint(errors.sum(axis=1, keepdims=True))
    place = (-errors * np.sign(count)).argsort(axis=1, kind="stable").argsort(axis=1)
    taken: NDArray[np.float64] = np.sign(count) * (place < np.abs(count))
    return taken


def _placed(blob: BytesIO, data: bytes) -> list[int]:
    """Write `data` at a multiple of four bytes; return [first byte, length]."""
    at = blob.tell()
    blob.write(data + b"\0" * (-len(data) % 4))
    return [at, len(data)]
