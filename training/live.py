"""What `denoisecli live` puts into its pages and torch is needed for: the model's three graphs without their weights.

    python -m training.live graphs   # torch, onnx: text encoder, denoiser and decoder as ONNX -> graphs.zip
    python -m training.live engine   # npm, zopfli: ONNX Runtime Web as one classic script and its wasm -> engine.zip

The graphs know the architecture alone. They are exported with random weights, by which each constant is traced to
the tensor that it came from; the weights themselves are filled in when a page is made, from the installed model.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).parents[1] / "src" / "denoisecli"
OUT = SOURCE / "tools" / "live"
OPSET = 20
ROUNDS = 15  # of Zopfli; more gain less than a thousandth
MOST = 4096  # numbers: smaller constants that come from no tensor stay in the graph
PACKAGES = {"onnxruntime-web": "1.30.0", "esbuild": "0.28.2"}
WASM = "ort-wasm-simd-threaded.wasm"
LICENCE = """MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
FOLDERS = {"text": "text_encoder", "unet": "unet", "decoder": "vae"}
TUNED = re.compile(r".*\.attentions\..*\.weight")
"""The denoiser's tensors that its graph takes as inputs where they are matrices: those that LoRAs change."""


def graphs(pocket: Path) -> None:
    """Write `graphs.zip`: NAME.onnx for each part, `graphs.json` (where each tensor goes) and `alpha_bars.npy`."""
    import onnx
    import torch

    torch.manual_seed(0)
    found: dict[str, Any] = {"parts": {}, "models": {}}
    files: dict[str, bytes] = {}
    for name, (module, inputs, names, output) in _parts(pocket).items():
        for parameter in module.parameters():
            parameter.data = torch.randn_like(parameter) * 0.05
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            path = Path(folder) / "part.onnx"
            torch.onnx.export(
                module.eval(), inputs, str(path), input_names=names, output_names=[output], opset_version=OPSET,
                dynamo=True, external_data=False, optimize=True, verbose=False,
            )  # fmt: skip
            model = onnx.load(str(path))
        prefix = "decoder." if name == "decoder" else ""
        tensors = {prefix + key.removeprefix("part."): value.numpy() for key, value in module.state_dict().items()}
        entries, floats = _emptied(model, tensors)
        opened = _opened(model, entries)
        files[f"{name}.onnx"] = model.SerializeToString()
        found["parts"][name] = {"folder": FOLDERS[name], "floats": floats, "tensors": entries, "inputs": opened}
        found["models"][FOLDERS[name]] = _shape_of(json.loads((pocket / FOLDERS[name] / "config.json").read_text()))
    files["tuner.onnx"] = _tuner()
    scheduler = _scheduler(pocket)
    found["models"]["scheduler"] = _shape_of(json.loads((pocket / "scheduler" / "scheduler_config.json").read_text()))
    files["graphs.json"] = json.dumps(found, separators=(",", ":")).encode()
    bars = scheduler.alphas_cumprod
    files["schedule.f32"] = b"".join(t.numpy().astype("<f4").tobytes() for t in (bars, bars**0.5, (1 - bars) ** 0.5))
    _zip(OUT / "graphs.zip", files, zipfile.ZIP_DEFLATED)


def _parts(pocket: Path) -> dict[str, tuple[Any, tuple[Any, ...], list[str], str]]:
    """Return the three parts as modules of the pocket model's shape, example inputs, their names and the output's."""
    import torch
    from diffusers import AutoencoderTiny, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    class Part(torch.nn.Module):
        def __init__(self, part: Any, call: Any) -> None:
            super().__init__()
            self.part, self.call = part, call

        def forward(self, *inputs: Any) -> Any:
            return self.call(self.part, *inputs)

    words = CLIPTextConfig.from_pretrained(pocket / "text_encoder", attn_implementation="eager")
    text = CLIPTextModel(words)
    unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(pocket / "unet"))
    vae = AutoencoderTiny.from_config(AutoencoderTiny.load_config(pocket / "vae"))
    side, channels = unet.config.sample_size, unet.config.in_channels
    ids = torch.zeros(1, words.max_position_embeddings, dtype=torch.long)
    context = torch.randn(1, words.max_position_embeddings, unet.config.cross_attention_dim)
    latents = torch.randn(1, channels, side, side)
    return {
        "text": (Part(text, lambda part, ids: part(ids)[0]), (ids,), ["ids"], "context"),
        "unet": (
            Part(unet, lambda part, x, t, context: part(x, t, context).sample),
            (latents, torch.tensor([801.0]), context), ["x", "t", "context"], "eps",
        ),
        "decoder": (Part(vae.decoder, lambda part, z: part(z)), (latents,), ["z"], "picture"),
    }  # fmt: skip


def _scheduler(pocket: Path) -> Any:
    from diffusers import DDIMScheduler

    return DDIMScheduler.from_pretrained(pocket / "scheduler")


def _shape_of(config: dict[str, Any]) -> dict[str, Any]:
    """Return what a config says of the model itself, without versions and the precision it was saved in."""
    told = ("_diffusers_version", "transformers_version", "dtype", "torch_dtype", "_name_or_path")
    return {key: value for key, value in sorted(config.items()) if key not in told}


def _emptied(model: Any, tensors: Mapping[str, np.ndarray]) -> tuple[list[list[Any]], int]:
    """Take the weights out of a graph: they become external data at known places.

    Returns [tensor's name, "as it is" or "transposed", first float, shape in the graph] of each, those that LoRAs
    change last, and how many floats all are.
    """
    from onnx import TensorProto

    entries: list[list[Any]] = []
    floats = 0
    for constant, row, shape in _sources(model, tensors):
        size = math.prod(shape)
        entries.append([*row, floats, shape])
        for field in ("raw_data", "float_data"):
            constant.ClearField(field)
        constant.data_location = TensorProto.EXTERNAL
        del constant.external_data[:]
        for key, text in (("location", "w"), ("offset", str(4 * floats)), ("length", str(4 * size))):
            entry = constant.external_data.add()
            entry.key, entry.value = key, text
        floats += -(-size // 16) * 16
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output):
        value.doc_string = ""
        del value.metadata_props[:]
    del model.metadata_props[:], model.graph.value_info[:], model.graph.metadata_props[:], model.functions[:]
    return entries, floats


def _sources(model: Any, tensors: Mapping[str, np.ndarray]) -> list[tuple[Any, list[str], list[int]]]:
    """Return each constant of a graph with its tensor and its shape, those that LoRAs change last."""
    from onnx import TensorProto, numpy_helper

    by_size: dict[int, list[str]] = {}
    for key, value in tensors.items():
        by_size.setdefault(value.size, []).append(key)
    traced: list[tuple[Any, list[str], list[int]]] = []
    for constant in model.graph.initializer:
        if constant.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(constant)
        row = next((row for key in by_size.get(values.size, ()) if (row := _traced(key, tensors[key], values))), None)
        if row is not None:
            traced.append((constant, row, list(values.shape)))
        elif values.size > MOST:
            raise SystemExit(f"{constant.name}: {values.shape} comes from no tensor")
    return sorted(traced, key=lambda found: _is_tuned(found[1][0], found[2]))


def _is_tuned(key: str, shape: list[int]) -> bool:
    return len(shape) == 2 and TUNED.match(key) is not None


def _opened(model: Any, entries: list[list[Any]]) -> dict[str, str]:
    """Make inputs of the constants that LoRAs change, so that their strength needs no new session.

    Returns {tensor's name: name in the graph}.
    """
    from onnx import TensorProto, helper

    places = {start: (key, shape) for key, _, start, shape in entries if _is_tuned(key, shape)}
    found: dict[str, str] = {}
    kept = []
    for constant in model.graph.initializer:
        start = next((int(entry.value) // 4 for entry in constant.external_data if entry.key == "offset"), None)
        if start not in places:
            kept.append(constant)
            continue
        key, shape = places[start]
        found[key] = constant.name
        model.graph.input.append(helper.make_tensor_value_info(constant.name, TensorProto.FLOAT, shape))
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return found


def _tuner() -> bytes:
    """Return a graph that adds a LoRA to a weight: w + a · b of any sizes."""
    from onnx import TensorProto, helper

    sizes = {"w": ["m", "n"], "a": ["m", "r"], "b": ["r", "n"]}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in sizes.items()]
    output = helper.make_tensor_value_info("tuned", TensorProto.FLOAT, ["m", "n"])
    node = helper.make_node("Gemm", ["a", "b", "w"], ["tuned"])
    graph = helper.make_graph([node], "tuner", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    return bytes(model.SerializeToString())


def _traced(key: str, tensor: np.ndarray, values: np.ndarray) -> list[str] | None:
    if np.array_equal(tensor.ravel(), values.ravel()):
        return [key, "as it is"]
    if tensor.ndim == 2 and np.array_equal(tensor.T, values):
        return [key, "transposed"]
    return None


def engine() -> None:
    """Write `engine.zip`: ONNX Runtime Web as one classic script and its wasm, gzipped, with licence and hashes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": PACKAGES}))
        subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=folder, check=True)
        package = folder / "node_modules" / "onnxruntime-web"
        (folder / "entry.js").write_text('export * from "onnxruntime-web/wasm";')
        esbuild = shutil.which("esbuild", path=folder / "node_modules" / ".bin")
        script = subprocess.run(
            [str(esbuild), "entry.js", "--bundle", "--minify", "--format=iife", "--global-name=ort", "--target=es2022",
             "--charset=ascii", "--legal-comments=none", '--define:import.meta.url="blob:null/live"'],
            cwd=folder, check=True, capture_output=True,
        ).stdout  # fmt: skip
        wasm = (package / "dist" / WASM).read_bytes()
        about = {
            "package": "onnxruntime-web", "version": PACKAGES["onnxruntime-web"], "licence": "MIT",
            "wasm": WASM, "wasm_sha256": hashlib.sha256(wasm).hexdigest(),
            "script_sha256": hashlib.sha256(script).hexdigest(),
        }  # fmt: skip
    files = {
        "about.json": json.dumps(about, indent=1).encode(), "LICENSE": LICENCE.encode(),
        "ort.js.gz": _squeezed(script), "ort.wasm.gz": _squeezed(wasm),
    }  # fmt: skip
    _zip(OUT / "engine.zip", files, zipfile.ZIP_STORED)


def _squeezed(data: bytes) -> bytes:
    """Return `data` as gzip, in minutes instead of a second, and 4 % smaller."""
    from zopfli.gzip import compress

    return bytes(compress(data, numiterations=ROUNDS, blocksplittingmax=0))


def _zip(path: Path, files: Mapping[str, bytes], method: int) -> None:
    """Write a zip whose bytes depend on its files alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method, compresslevel=9) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method, 9)
    path.write_bytes(buffer.getvalue())
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB: " + ", ".join(f"{k} {len(v)}" for k, v in files.items()))


def main() -> None:
    """Make what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["graphs", "engine"])
    parser.add_argument("--pipeline", type=Path, default=SOURCE / "pocket", help="a model of the pocket's shape")
    asked = parser.parse_args()
    if asked.what == "graphs":
        graphs(asked.pipeline)
    else:
        engine()


if __name__ == "__main__":
    main()
