"""What the configs of a model folder may say, checked before a library acts on them. No torch.

A folder from elsewhere names classes, files and numbers. Names are single path parts and known libraries; numbers lie
between bounds that no model of today comes near, so that neither a loop nor an array becomes endless. What else may be
wrong with a value shows when diffusers or transformers builds the part from it, and is told as theirs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from denoisecli.errors import ModelError
from denoisecli.safe_files import BadName, check_regular, plain_name, read_file, why

MOST_CONFIG = 64_000_000  # bytes; the largest are the vocabularies of language models
MOST_FILES = 10_000  # in a part of a model
MOST_ITEMS = 100_000  # in a list
MOST_LAYERS = 1000  # of a part in blocks, counted as if each were as deep as the deepest: SDXL has 60
BLOCKS = ("block_out_channels", "down_block_types", "up_block_types")
AGAIN = "Download the model again."

Check = Callable[[Any], bool]


def read_table(path: Path) -> dict[str, Any]:
    """Return a JSON table of a model folder. Raises ModelError where it is none, or cannot be read."""
    try:
        value = json.loads(read_file(path, MOST_CONFIG).decode("utf-8"))
    except OSError as error:
        raise ModelError(f"{path} {why(error)}.", AGAIN) from None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ModelError(f"{path} is not a JSON table.", AGAIN)
    return value


def table_if_any(path: Path) -> dict[str, Any]:
    """Return a JSON table, empty where it is none or not there."""
    try:
        return read_table(path)
    except ModelError:
        return {}


def parts_of(path: Path) -> list[Path]:
    """Return the folders that a model_index.json names, whether they are there or not.

    Raises ModelError where one is more than a single name in the model's own folder: nothing else is looked at then.
    """
    index = path / "model_index.json"
    found = []
    for name, value in read_table(index).items() if index.exists() else ():
        if not isinstance(value, list) or len(value) != 2 or not value[0] or all(map(_is_number, value)):
            continue  # a setting of the pipeline, or a part that is left out
        try:
            plain_name(name)
        except BadName as error:
            raise ModelError(f"{index} names a part {name[:80]!r}, which {error}.", "Choose another model.") from None
        if "/" in name:
            raise ModelError(
                f"{index} names a part {name[:80]!r}, which is not a folder in it.", "Choose another model."
            )
        if not (isinstance(value[0], str) and isinstance(value[1], str)):
            raise ModelError(f"{index}: {name}: {_shown(value)} is not a library and a class.", AGAIN)
        found.append(path / name)
    return found


def files_of(part: Path) -> list[Path]:
    """Return the files in a part, those of its subfolders too; hidden ones and links that lead nowhere are none.

    No folder is entered through a link.

    Raises ModelError where there are more than any model has.
    """
    found: list[Path] = []
    left, seen = [part], 0
    while left:
        for entry in _entries(left.pop()):
            if entry.name.startswith("."):  # what systems and tools keep beside files, such as ._unet of macOS
                continue
            seen += 1
            if seen > MOST_FILES:
                raise ModelError(
                    f"{part} holds more than {MOST_FILES:,} files.", "That is not a model; choose another."
                )
            if entry.is_dir():
                left += [] if entry.is_symlink() else [entry]
            elif entry.exists():
                found.append(entry)
    return found


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ModelError(f"{folder} {why(error)}.", "Choose another model.") from None


def check_configs(path: Path) -> None:
    """Raise ModelError, naming file and key, where a config of the folder says what no model says."""
    _check_values(path / "model_index.json", "")
    _check_libraries(path / "model_index.json")
    for part in parts_of(path):
        check_part(part)


def check_part(path: Path) -> None:
    """Raise ModelError, naming file and key, where a config of one part says what no model says."""
    for file in files_of(path):
        _check_file(file)


def _check_file(file: Path) -> None:
    try:
        check_regular(file.stat(), file)
    except OSError as error:
        raise ModelError(f"{file} {why(error)}.", AGAIN) from None
    name = file.name
    if name == "adapter_config.json":
        raise ModelError(f"{file}: a model that is an adapter for another one is not loaded here.", "Merge it first.")
    if name in ("config.json", "scheduler_config.json"):
        _check_values(file, "")
        _check_depth(file)
    elif name == "tokenizer_config.json":
        _check_tokenizer(file)
    elif name == "vocab.json":
        if not read_table(file):
            raise ModelError(f"{file} holds no vocabulary: it is empty.", AGAIN)
    elif ".safetensors.index." in name:
        _check_index(file)


def _check_index(file: Path) -> None:
    """Refuse an index of sharded weights that names anything but .safetensors files beside it."""
    shards = read_table(file).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise ModelError(f"{file}: weight_map: it lists no weights.", AGAIN)
    for name in {repr(name): name for name in shards.values()}.values():
        problem = _no_shard(file.parent, name)
        if problem:
            shown = repr(name if isinstance(name, str) else type(name).__name__)[:120]
            raise ModelError(f"{file}: weight_map: {shown} {problem}.", "Only .safetensors files beside it are read.")


def _no_shard(folder: Path, name: object) -> str:
    """Return why this is no name of a weights file in the folder, or nothing."""
    try:
        plain = plain_name(name)
    except BadName as error:
        return str(error)
    if "/" in plain or not plain.endswith(".safetensors"):
        return "is not a .safetensors file of that folder"
    return "" if (folder / plain).is_file() else "is not there"


def _check_tokenizer(file: Path) -> None:
    """Refuse a tokenizer that is to be read from elsewhere, or whose length is no length."""
    table = read_table(file)
    for key in ("vocab_file", "merges_file", "tokenizer_file", "spm_file"):
        if table.get(key) is not None:
            raise ModelError(f"{file}: {key}: the tokenizer's files are those beside it.", "Take the key out.")
    length = table.get("model_max_length")
    if length is not None and (isinstance(length, bool) or not isinstance(length, (int, float)) or not length > 2):
        raise ModelError(f"{file}: model_max_length: {_shown(length)} is not the length of a prompt.", AGAIN)


def _check_libraries(index: Path) -> None:
    """Refuse parts whose class is to come from anything but diffusers and transformers."""
    table = read_table(index)
    for part in parts_of(index.parent):
        library, kind = table[part.name]
        if library not in ("diffusers", "transformers") and not _pipeline_module(library):
            what = f"is to come from {library[:80]!r}, code of its own, which denoisecli never runs"
            raise ModelError(f"{index}: {part.name}: {kind[:80]} {what}.", "Choose another model.")
        if not kind.isidentifier() or kind.startswith("_"):
            raise ModelError(f"{index}: {part.name}: {kind[:80]!r} is not the name of a class.", AGAIN)
        if "Pipeline" in kind or (part / "model_index.json").exists():  # whose own parts nobody would have looked at
            raise ModelError(f"{index}: {part.name} is a whole pipeline, not a part of one.", "Choose another model.")


def _pipeline_module(name: str) -> bool:
    """Return whether diffusers has a folder of this name among its pipelines: safety checkers come from there."""
    spec = find_spec("diffusers")
    roots = list(spec.submodule_search_locations or ()) if spec else []
    return name.isidentifier() and any((Path(root) / "pipelines" / name).is_dir() for root in roots)


def _check_values(file: Path, prefix: str, table: dict[str, Any] | None = None) -> None:
    for key, value in (read_table(file) if table is None else table).items():
        where = f"{prefix}{key}"
        if (rule := RULES.get(key)) is not None:
            if not (rule[0](value) or (value is None and key not in ALWAYS_SAID)):
                raise ModelError(f"{file}: {where}: {_shown(value)} is not {rule[1]}.", AGAIN)
        elif isinstance(value, dict):
            _check_values(file, f"{where}.", value)
        elif not all(map(_plain, _numbers(value))):
            raise ModelError(f"{file}: {where}: {_shown(value)} is not a number that a model has.", AGAIN)


def _check_depth(file: Path) -> None:
    """Refuse layers that are few in each key and too many in all blocks together: each is built before it is missed."""
    table = read_table(file)
    per_block = max(_numbers(table.get("layers_per_block")), default=1)
    inside = max(_numbers(table.get("transformer_layers_per_block")), default=1)
    lists = [value for key in BLOCKS if isinstance(value := table.get(key), list)]
    blocks = max(map(len, lists), default=1)
    if (layers := int(per_block * max(inside, 1) * blocks)) > MOST_LAYERS:
        what = f"{layers:,} layers in {blocks} blocks are more than a model has"
        raise ModelError(f"{file}: layers_per_block: {what}.", AGAIN)


def _numbers(value: Any) -> Iterator[int | float]:
    """Yield the numbers in a value, however deep its lists are."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, list):
            left += item
        elif _is_number(item):
            yield item


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _plain(number: float) -> bool:
    return abs(number) <= 1e12 and math.isfinite(number)


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."


def _whole(low: int, high: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _number(low: float, high: float) -> Check:
    def fits(value: Any) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high

    return fits


def _list(check: Check, least: int = 1, most: int = 64) -> Check:
    return lambda value: isinstance(value, list) and least <= len(value) <= most and all(map(check, value))


def _either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def _word(*words: str) -> Check:
    return lambda value: isinstance(value, str) and value in words


def _shard(value: Any) -> bool:
    return isinstance(value, str) and "/" not in value and "\\" not in value and value.endswith(".safetensors")


_SIDE, _LAYERS, _WIDTH = _whole(1, 4096), _whole(0, 1000), _whole(1, 1_000_000)
_LISTED_LAYERS = _either(_LAYERS, _list(_LAYERS), _list(_either(_LAYERS, _list(_LAYERS))))
_LISTED_WIDTHS = _either(_WIDTH, _list(_WIDTH), _list(_either(_WIDTH, _list(_WIDTH))))

RULES: dict[str, tuple[Check, str]] = {
    # schedulers
    "num_train_timesteps": (_whole(1, 100_000), "a whole number from 1 to 100000"),
    "beta_start": (_number(0, 1), "a number from 0 to 1"),
    "beta_end": (_number(0, 1), "a number from 0 to 1"),
    "trained_betas": (_list(_number(0, 1), 1, MOST_ITEMS), "a list of numbers from 0 to 1"),
    "steps_offset": (_whole(0, 100_000), "a whole number from 0 to 100000"),
    "solver_order": (_whole(1, 5), "a whole number from 1 to 5"),
    "prediction_type": (
        _word("epsilon", "v_prediction", "sample", "flow_prediction", "velocity", "trigflow"),
        'one of "epsilon", "v_prediction", "sample", "flow_prediction", "trigflow"',
    ),
    "lambda_min_clipped": (_number(-math.inf, 1e3), "a number, or -Infinity"),  # which is what diffusers writes
    "timestep_spacing": (_word("leading", "linspace", "trailing"), 'one of "leading", "linspace", "trailing"'),
    "shift": (_number(1e-6, 1e6), "a positive number"),
    # sizes
    "sample_size": (_either(_SIDE, _list(_SIDE, 2, 2)), "a whole number from 1 to 4096 or a pair of them"),
    "in_channels": (_WIDTH, "a whole number above 0"),
    "out_channels": (_WIDTH, "a whole number above 0"),
    "latent_channels": (_WIDTH, "a whole number above 0"),
    "block_out_channels": (_list(_WIDTH), "a list of whole numbers above 0"),
    "encoder_block_out_channels": (_list(_WIDTH), "a list of whole numbers above 0"),
    "decoder_block_out_channels": (_list(_WIDTH), "a list of whole numbers above 0"),
    "layers_per_block": (_LISTED_LAYERS, "a whole number up to 1000, or a list of them"),
    "transformer_layers_per_block": (_LISTED_LAYERS, "a whole number up to 1000, or a list of them"),
    "num_encoder_blocks": (_list(_LAYERS), "a list of whole numbers up to 1000"),
    "num_decoder_blocks": (_list(_LAYERS), "a list of whole numbers up to 1000"),
    "num_layers": (_LAYERS, "a whole number up to 1000"),
    "num_single_layers": (_LAYERS, "a whole number up to 1000"),
    "num_hidden_layers": (_LAYERS, "a whole number up to 1000"),
    "num_decoder_layers": (_LAYERS, "a whole number up to 1000"),
    "num_attention_heads": (_LISTED_WIDTHS, "a whole number above 0, or a list of them"),
    "attention_head_dim": (_LISTED_WIDTHS, "a whole number above 0, or a list of them"),
    "cross_attention_dim": (_LISTED_WIDTHS, "a whole number above 0, or a list of them"),
    "patch_size": (_either(_whole(1, 1024), _list(_whole(1, 1024))), "a whole number from 1 to 1024"),
    "norm_num_groups": (_WIDTH, "a whole number above 0"),
    "hidden_size": (_WIDTH, "a whole number above 0"),
    "intermediate_size": (_WIDTH, "a whole number above 0"),
    "projection_dim": (_WIDTH, "a whole number above 0"),
    "d_model": (_WIDTH, "a whole number above 0"),
    "d_ff": (_WIDTH, "a whole number above 0"),
    "vocab_size": (_whole(1, 10_000_000), "a whole number from 1 to 10000000"),
    "max_position_embeddings": (_whole(3, 10_000_000), "a whole number from 3 to 10000000"),
    # what latents are multiplied with
    "scaling_factor": (_number(1e-6, 1e6), "a positive number"),
    "shift_factor": (_number(-1e6, 1e6), "a number"),
    # where else weights are to be looked for
    "transformers_weights": (_shard, "the name of a .safetensors file beside it"),
}
"""Config key to (check, what is wanted in words)."""

ALWAYS_SAID = {"num_train_timesteps", "beta_start", "beta_end", "prediction_type", "in_channels", "latent_channels",
               "block_out_channels", "scaling_factor", "vocab_size", "hidden_size"}  # fmt: skip
"""Keys that are left out or have a value; null stands for "not said" in the others."""
