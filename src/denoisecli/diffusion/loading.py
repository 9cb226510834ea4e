"""Build a diffusers pipeline from checked files. Reached only when a model is needed: it imports torch."""

from __future__ import annotations

import gzip
import json
import logging
import re
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from denoisecli.errors import ModelError, UsageError, is_of_memory

from . import gguf, weights
from .blame import one_line
from .mapped import given_back
from .model_configs import files_of, read_table
from .model_parts import UNUSED, marks, used_parts
from .prompts import words_of
from .quiet import made_up_weights, quiet, silent
from .single_file import LAYOUT_SD1, LAYOUT_SDXL, OPENS, layout_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

if find_spec("torchao"):  # which diffusers imports where it is there, and which tells what of it is for other cards
    with silent():
        import diffusers.quantizers.auto  # noqa: F401

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

# What diffusers and transformers say that is no news here.


def choose(device: str = "auto", dtype: str = "auto") -> tuple[torch.device, torch.dtype]:
    """Return the device and dtype that the words mean here. Raises UsageError where they cannot be had."""
    place = _device(device)
    if dtype == "auto":
        return place, torch.float16 if place.type == "cuda" else torch.float32
    if dtype not in DTYPES:
        raise UsageError(f"There is no dtype {dtype!r}.", f"Choose one of: auto, {', '.join(DTYPES)}.")
    return place, DTYPES[dtype]


def _device(name: str) -> torch.device:
    usable = [kind for kind, here in _AVAILABLE.items() if here()]
    if name == "auto":
        return torch.device(usable[0])
    try:
        place = torch.device(name)
    except (RuntimeError, ValueError):
        raise UsageError(f"There is no device {name!r}.", f"Usable here: auto, {', '.join(usable)}.") from None
    if place.type not in usable or (place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count()):
        raise UsageError(f"The device {name!r} is not available here.", f"Usable: auto, {', '.join(usable)}.")
    return place


_AVAILABLE: dict[str, Callable[[], bool]] = {
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
    "cpu": lambda: True,
}


def load_pipeline(path: Path, dtype: torch.dtype, quantisation: Any = None) -> Any:
    """Return the pipeline of a diffusers folder or single file, without the network and without foreign code.

    quantisation: diffusers' configuration of it, for a folder.
    """
    problem = ""
    with quiet(), made_up_weights() as made_up:
        try:
            with given_back(_weights_files(path)):
                pipe = _pipeline(path, dtype, quantisation)
            for name in ("tokenizer", "tokenizer_2", "tokenizer_3"):
                _check_tokenizer(pipe, name, path)
        except ModelError:
            raise
        except Exception as error:  # whatever diffusers meets in a strange model is a model error
            if is_of_memory(error):
                raise
            problem = one_line(error)
    if problem:
        raise ModelError(f"{path} cannot be loaded: {problem}")
    if empty := _without_weights(pipe) or next(iter(made_up), None):
        raise ModelError(f"{path} lacks weights that its configs ask for, such as {empty}.")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _pipeline(path: Path, dtype: torch.dtype, quantisation: Any) -> Any:
    if path.suffix == gguf.SUFFIX:
        return _from_gguf(path, dtype)
    return _from_file(path, dtype) if path.is_file() else _from_folder(path, dtype, quantization_config=quantisation)


def _weights_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [file for part in used_parts(path) for file in files_of(part) if file.suffix == ".safetensors"]


def _check_tokenizer(pipe: Any, name: str, path: Path) -> None:
    """Bound the prompt by what the text encoder takes, and raise ModelError where the two do not fit together.

    A tokenizer whose config names no length has transformers' stand-in for "endless", 10^30.
    """
    tokenizer = words_of(getattr(pipe, name, None))
    config = getattr(getattr(pipe, name.replace("tokenizer", "text_encoder"), None), "config", None)
    if tokenizer is None or config is None:
        return
    most = getattr(config, "max_position_embeddings", None)
    if most is not None and tokenizer.model_max_length > most:
        tokenizer.model_max_length = most
    tokens = tokenizer("a picture").input_ids
    words = getattr(config, "vocab_size", None) or config.get_text_config().vocab_size
    if not tokens or not all(0 <= token < words for token in tokens):
        raise ModelError(f"{path}: its {name} gives words that its text encoder does not have.", "Download it again.")


def _without_weights(pipe: Any) -> str | None:
    """Return the name of a parameter for which the model's files had nothing, or None."""
    parts = ((name, part) for name, part in pipe.components.items() if isinstance(part, torch.nn.Module))
    named = (f"{name}.{key}" for name, part in parts for key, value in part.named_parameters() if value.is_meta)
    return next(named, None)


def _from_gguf(path: Path, dtype: torch.dtype) -> Any:
    """Return the pipeline of the folder beside the file, its transformer from the file."""
    import diffusers

    folder = gguf.check(path)
    name = "transformer" if (folder / "transformer").is_dir() else "unet"
    kind = getattr(diffusers, read_table(folder / "model_index.json")[name][1])
    if not hasattr(kind, "from_single_file"):
        raise ModelError(f"{path}: diffusers reads no GGUF files of a {kind.__name__}.", "Take the model's folder.")
    how = diffusers.GGUFQuantizationConfig(compute_dtype=dtype)
    denoiser = kind.from_single_file(
        str(path), config=str(folder), subfolder=name, quantization_config=how, **_dtype_argument(dtype)
    )
    return _from_folder(folder, dtype, **{name: denoiser})


def _from_folder(path: Path, dtype: torch.dtype, **more: Any) -> Any:
    named = marks(path)
    one = len({*named.values()}) == 1 and set(named) == _with_weights(path)
    own = {} if one else {name: _marked(path, name, mark).to(dtype) for name, mark in named.items()}
    return _used_alone().from_pretrained(
        path,
        **_dtype_argument(dtype),
        **own,
        **more,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        variant=next(iter(named.values())) if one else None,
        low_cpu_mem_usage=find_spec("accelerate") is not None,
    )


def _used_alone() -> Any:
    """Return diffusers' pipeline class that looks at no part which no lab uses."""
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline

    class Used(DiffusionPipeline):  # type: ignore[misc]
        @classmethod
        def load_config(cls, *args: Any, **kwargs: Any) -> Any:
            told = super().load_config(*args, **kwargs)
            return {key: [None, None] if key in UNUSED and isinstance(value, list) else value
                    for key, value in told.items()}  # fmt: skip

    Used.__name__, Used.__module__ = "DiffusionPipeline", DiffusionPipeline.__module__  # so the folder names the class
    return Used


def _with_weights(path: Path) -> set[str]:
    return {part.name for part in used_parts(path) if any(file.suffix == ".safetensors" for file in files_of(part))}


def _marked(path: Path, name: str, mark: str) -> Any:
    """Return a part whose weights are marked otherwise than those beside it. Raises ModelError for an unknown class."""
    import diffusers
    import transformers

    library, kind = read_table(path / "model_index.json")[name]
    known = getattr({"diffusers": diffusers, "transformers": transformers}.get(library), kind, None)
    if known is None:
        what = f"{path}: the weights of its {name} are marked {mark!r}, and its class {kind} is none that we can ask."
        raise ModelError(what, f"Rename them to end without .{mark}.")
    return known.from_pretrained(path / name, variant=mark, use_safetensors=True, local_files_only=True)


def _from_file(path: Path, dtype: torch.dtype) -> Any:
    import diffusers

    layout = layout_of(path)
    ours = layout in OPENS.values()
    own = {"tokenizer": clip_tokenizer()} if ours else {}
    if layout == LAYOUT_SDXL:
        own["tokenizer_2"] = clip_tokenizer(pad_token="!")
    kind = getattr(diffusers, json.loads((layout / "model_index.json").read_text(encoding="utf-8"))["_class_name"])
    pipe = kind.from_single_file(path, config=str(layout), local_files_only=True, **own, **_dtype_argument(dtype))
    return _predicting(pipe, weights.read_header(path).keys()) if ours else pipe


def _predicting(pipe: Any, names: Collection[str]) -> Any:
    """Give the pipeline the prediction type that the file's marks name, as ComfyUI reads them: `v_pred`, `ztsnr`."""
    if "v_pred" in names:
        options = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": "ztsnr" in names}
        pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, **options)
    return pipe


def clip_tokenizer(**options: str) -> Any:
    """Return CLIP's tokenizer, its vocabulary spelled out from the list of merges as CLIP itself does it.

    options: settings over those of its config.
    The 256 bytes as printable letters, each again as the end of a word, one token for each merge, and two marks.
    Source: https://github.com/openai/CLIP, clip/simple_tokenizer.py.
    """
    from transformers import CLIPTokenizer

    folder = LAYOUT_SD1 / "tokenizer"
    merges = gzip.decompress((folder / "merges.txt.gz").read_bytes()).decode()
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(code) for code in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *merges.replace(" ", "").split("\n")[:-1]]
    vocabulary = {token: i for i, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    with TemporaryDirectory() as scratch:
        (Path(scratch) / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
        (Path(scratch) / "merges.txt").write_text(f"#version: 0.2\n{merges}", encoding="utf-8")
        config = (folder / "tokenizer_config.json").read_text(encoding="utf-8")
        (Path(scratch) / "tokenizer_config.json").write_text(config, encoding="utf-8")
        return CLIPTokenizer.from_pretrained(scratch, local_files_only=True, **options)


def _dtype_argument(dtype: torch.dtype) -> dict[str, torch.dtype]:
    """Return the keyword for the dtype, which diffusers renamed in 0.40."""
    import diffusers

    release = tuple(int(part) for part in diffusers.__version__.split(".")[:2])
    return {"dtype" if release >= (0, 40) else "torch_dtype": dtype}


def download(ref: str) -> Path:
    """Return the cache folder of a hub model, fetching the safetensors that its pipeline needs."""
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline

    fetch = partial(DiffusionPipeline.download, ref, use_safetensors=True, trust_remote_code=False)
    ways = [fetch, partial(fetch, variant="fp16")]  # some repositories hold half precision alone
    return _downloaded(ref, ways, "Check the name and the connection; `denoisecli models` lists what is here.")


def download_part(ref: str) -> Path:
    """Return the cache folder of a hub repository of one part, fetching its config and safetensors."""
    from huggingface_hub import snapshot_download

    files = ["config.json", "diffusion_pytorch_model.safetensors"]
    ways = [partial(snapshot_download, ref, allow_patterns=files)]
    return _downloaded(ref, ways, "Check the name and the connection, or name the folder of one.")


def _downloaded(ref: str, ways: Sequence[Callable[[], Any]], hint: str) -> Path:
    """Return the folder that the first way that works gives. hint: the way out where none does."""
    problem = ""
    with _silent_hub():
        for way in ways:
            try:
                return Path(way())
            except Exception as error:  # network, permission and naming errors are all one to the user
                if is_of_memory(error):
                    raise
                problem = problem or one_line(error)
            if _OFFLINE.search(problem):
                break
    if _OFFLINE.search(problem):
        raise ModelError(f"{ref} is not on this machine, and the hub cannot be reached.", hint)
    raise ModelError(f"{ref} is neither a path here nor a model that the hub would give us: {problem}", hint)


_OFFLINE = re.compile(r"not fully cached locally|[Cc]ouldn't connect|Name or service not known|Connection|timed out")


@contextmanager
def _silent_hub() -> Iterator[None]:
    """Keep what the hub's own libraries log about a download that failed from the terminal: we say it ourselves."""
    from diffusers.utils import logging as diffusers_logging

    level = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        diffusers_logging.set_verbosity(level)
