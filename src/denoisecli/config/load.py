"""Layers of settings into one checked config: defaults < files < environment < flags and --set.

Every value remembers where it came from, so that an error can say `configs/x.yaml:7: steps: ...`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from denoisecli.errors import ConfigError
from denoisecli.registry import CONFIGS
from denoisecli.safe_files import open_file, why
from denoisecli.safe_text import brief, count_in, is_text, safe, shown

from .base import LabConfig
from .fields import did_you_mean
from .samplers import SAMPLERS
from .yaml import MAX_BYTES, Document, read_documents, read_value

OTHER_VARIABLES = {"runs_dir"}
MOST_SHOWN = 100  # characters of a setting that is said again
MOST_FAULTS = 50  # of one config that are told: each costs a look at every key there is
ENV_PREFIX = "DENOISECLI_"
Config = TypeVar("Config", bound=LabConfig)
Key = tuple[str | int, ...]


@dataclass
class Layer:
    """Settings from one place: nested `values`, and `where` each key was written."""

    values: dict[str, Any]
    where: dict[Key, str] = field(default_factory=dict)
    source: str = ""


def load_configs(lab: type[Config], files: Iterable[str] = (), overrides: Iterable[Layer] = ()) -> list[Config]:
    """Return one config for each document in `files` (`-` is stdin), or the lab's default where there is none.

    Raises ConfigError naming file, line and key.
    """
    documents = [document for name in files for document in documents_in(name)]
    bases = [Layer(dict(d.data), d.where, d.source) for d in documents] or [Layer({}, source="built-in default")]
    overrides = list(overrides)
    return [build(lab, [base, environment(lab), *overrides]) for base in bases]


def load_any(files: Iterable[str]) -> list[LabConfig]:
    """Return the configs of `files`, each for the lab that its own `lab:` key names."""
    documents = [document for name in files for document in documents_in(name)]
    layers = [Layer(dict(d.data), d.where, d.source) for d in documents]
    return [build(lab_named(layer), [layer]) for layer in layers]


def lab_named(layer: Layer) -> type[LabConfig]:
    """Return the config class that `lab:` in this layer names; raises ConfigError where it names none."""
    name = layer.values.get("lab")
    place = layer.where.get(("lab",), layer.source)
    if name is None:
        raise ConfigError(f"{layer.source}: lab: which lab is this for? Add one of: {', '.join(CONFIGS)}.")
    if not isinstance(name, str) or name not in CONFIGS:
        guess = did_you_mean(shown(name).strip("'"), list(CONFIGS)) or f" (want {', '.join(CONFIGS)})"
        raise ConfigError(f"{place}: lab: {shown(name)} is not a lab{guess}")
    config: type[LabConfig] = CONFIGS[name]
    return config


def build(lab: type[Config], layers: list[Layer]) -> Config:
    """Merge `layers`, later ones first, and check the result. Raises ConfigError with one line for each fault."""
    values: dict[str, Any] = {}
    where: dict[Key, str] = {}
    for layer in layers:
        _merge(values, layer.values)
        where |= {(): layer.source} | layer.where if layer.values else {}
    named = values.get("lab", lab.model_fields["lab"].default)
    if named != lab.model_fields["lab"].default:
        wanted = lab.model_fields["lab"].default
        if isinstance(named, str) and named in CONFIGS:
            hint = f"Run `denoisecli {named}` with it, or change the key."
        else:
            hint = f"Labs are: {', '.join(CONFIGS)}."
        text = shown(named).strip("'")
        raise ConfigError(f'{_place(where, ("lab",))}: lab: this config is for "{text}", not "{wanted}".', hint)
    try:
        return lab.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_sentences(lab, error, where))) from None


def environment(lab: type[LabConfig], environ: Mapping[str, str] = os.environ) -> Layer:
    """Return the settings that DENOISECLI_<KEY> variables give; `__` goes one level down (DENOISECLI_FILM__THEME)."""
    layer = Layer({}, source="environment")
    for name, text in sorted(environ.items()):
        path = name.removeprefix(ENV_PREFIX).lower().split("__")
        if name.startswith(ENV_PREFIX) and path[0] in lab.model_fields and path[0] != "lab":
            _set(layer, tuple(path), read_setting(lab, tuple(path), text, name), name)
    return layer


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return a sentence for each DENOISECLI_ variable that is a setting of no lab, and so does nothing."""
    known = {key for lab in CONFIGS.values() for key in lab.model_fields} - {"lab"}
    given = {name: name.removeprefix(ENV_PREFIX).lower() for name in sorted(environ) if name.startswith(ENV_PREFIX)}
    unknown = {name: key for name, key in given.items() if key.partition("__")[0] not in known | OTHER_VARIABLES}
    film = {key for lab in CONFIGS.values() for key in keys_at(lab, ("film",))} if unknown else set()
    wanted = {key: key for key in known} | {f"film_{key}": f"film__{key}" for key in film}
    sentences = []
    for name, key in unknown.items():
        close = get_close_matches(key.partition("__")[0], wanted, n=1)
        guess = f"; did you mean {ENV_PREFIX}{wanted[close[0]].upper()}?" if close else ""
        sentences.append(f"the variable {name} is not a setting and does nothing{guess}")
    return sentences


def settings(lab: type[LabConfig], pairs: Iterable[str]) -> Layer:
    """Return the settings of `--set key.path=value` pairs; values are YAML, but for text taken as it stands."""
    layer = Layer({}, source="--set")
    for pair in pairs:
        path, equals, text = pair.partition("=")
        name = f"--set {brief(pair, MOST_SHOWN)}"
        if not equals or not path.strip():
            raise ConfigError(f"{name}: want KEY=VALUE, such as --set film.size=1080x1080")
        key = tuple(path.strip().split("."))
        _set(layer, key, read_setting(lab, key, text, name), name)
    return layer


def flags(**values: Any) -> Layer:
    """Return the settings of named flags, film__theme for film.theme; None means not given (an explicit 0 is kept)."""
    layer = Layer({}, source="command line")
    for key, value in values.items():
        if value is not None:
            path = tuple(key.split("__"))
            _set(layer, path, value, "--seed" if key == "seeds" else f"--{path[-1]}")
    return layer


def read_setting(lab: type[LabConfig], key: tuple[str, ...], text: str, where: str) -> Any:
    """Read one value; a prompt such as `dusk: a study` is text although YAML would see a mapping in it."""
    if not is_text(text):
        raise ConfigError(f"{where}: is not text in UTF-8")
    field = field_at(lab, key)
    return text if field is not None and field.annotation is str else read_value(text, where)


_PICTURE = (
    "Settings inside a picture are read by denoisecli import; one to drown is given with denoisecli noise --image."
)
_MODEL = "A model is given with --model, a LoRA to denoisecli lora-rank with --lora."
NO_CONFIGS = dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"), _PICTURE)
NO_CONFIGS |= dict.fromkeys((".safetensors", ".ckpt", ".pt", ".bin", ".gguf"), _MODEL)
"""What is handed over where a config belongs, by suffix, and where it does belong."""


def documents_in(name: str) -> list[Document]:
    """Return the YAML documents of a config file; `-` is stdin. Raises ConfigError."""
    if name == "-":
        return read_documents(sys.stdin.buffer.read(MAX_BYTES + 1), "<stdin>")
    path = Path(name)
    if hint := NO_CONFIGS.get(path.suffix.lower()):
        raise ConfigError(f"{name} is no config file.", hint)
    try:
        with open_file(path, handed=True) as file:  # a shell's <(command) is a pipe, and ends
            return read_documents(file.read(MAX_BYTES + 1), name)
    except FileNotFoundError:
        hint = "Write one with: denoisecli config init LAB > config.yaml"
        if path.suffix.lower() not in (".yaml", ".yml"):
            hint = "A prompt is given with --prompt. A config is written with: denoisecli config init LAB > config.yaml"
        raise ConfigError(f"{name}: there is no such config file.", hint) from None
    except OSError as error:
        raise ConfigError(f"{name}: {why(error)}.") from None


def _set(layer: Layer, path: tuple[str, ...], value: Any, where: str) -> None:
    place = layer.values
    for depth, key in enumerate(path[:-1]):
        place = place.setdefault(key, {})
        if not isinstance(place, dict):
            raise ConfigError(f"{where}: {'.'.join(path[: depth + 1])} has a value already, so it has no parts")
    place[path[-1]] = value
    layer.where[tuple(map(safe, path))] = where


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping):
            held = into.get(key)
            into[key] = dict(held) if isinstance(held, Mapping) else {}
            _merge(into[key], value)
        else:
            into[key] = value


def _place(where: Mapping[Key, str], key: Key) -> str:
    """Return where the value at `key`, or the closest one around it, was written."""
    for length in range(len(key), -1, -1):
        if key[:length] in where:
            return where[key[:length]]
    return "config"


def _sentences(lab: type[BaseModel], error: ValidationError, where: Mapping[Key, str]) -> list[str]:
    """Return one line for each fault, those of a file in the order of its lines; of very many the first."""
    faults = sorted(_faults(lab, error), key=lambda row: _line_of(_place(where, row[0])))
    said = [f"{_place(where, key)}: {_dotted(key)}: {_said(lab, key, fault)}" for key, fault in faults[:MOST_FAULTS]]
    left = len(faults) - len(said)
    return said + ([f"... and {left:,} fault{'s' * (left != 1)} more"] if left else [])


def _faults(lab: type[BaseModel], error: ValidationError) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Yield (key, fault). A fault of several keys together names one first: it is that key's."""
    for found in error.errors(include_url=False):
        fault: dict[str, Any] = dict(found)
        key = fault["loc"] or (_sentence(lab, fault).partition(": ")[0],)
        yield (key if fault["loc"] or key[0] in lab.model_fields else ()), fault


def _said(lab: type[BaseModel], key: Key, fault: dict[str, Any]) -> str:
    """Return the sentence of a fault, without the key where that was named in it."""
    sentence = _sentence(lab, fault)
    return sentence if key == fault["loc"] else sentence.partition(": ")[2]


def _line_of(place: str) -> int:
    """Return the line in "file:line", 0 for any other place."""
    return count_in(place.rpartition(":")[2]) or 0


def _dotted(loc: Key) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".") or "config"


def _sentence(lab: type[BaseModel], error: dict[str, Any]) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        *place, key = error["loc"]
        known = keys_at(lab, tuple(place))
        deeper = [f"{block}.{key}" for block in known if key in keys_at(lab, (*place, block))]
        guess = did_you_mean(str(key), known) or (f'; did you mean "{deeper[0]}"?' if deeper else "")
        return f"unknown key{guess or ' (known here: ' + ', '.join(known) + ')'}"
    if kind == "missing":
        return "is missing: it has no default"
    if kind == "value_error":
        return str(context["error"])
    if kind in ("greater_than_equal", "less_than_equal", "greater_than", "less_than"):
        return f"{shown(value)} is out of range (want {_bounds(lab, error['loc'])})"
    words = {
        "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number",
        "string_type": "text", "finite_number": "a finite number", "tuple_type": "a list", "bool_type": "true or false",
        "model_type": "a block of keys", "model_attributes_type": "a block of keys",
    }  # fmt: skip
    if kind in words:
        known = keys_at(lab, error["loc"]) if kind.startswith("model") else []
        wanted = f" (want {', '.join(known)})" if known else ""
        if kind == "tuple_type" and isinstance(value, (str, int, float)):
            wanted = f" (want [{brief(str(value), 40)}])"
        return f"{shown(value)} is not {words[kind]}{wanted}"
    if kind in _LENGTHS:
        return _LENGTHS[kind].format(**{"actual_length": len(value)} | context)
    return f"{error['msg']} (got {shown(value)})"


_LENGTHS = {
    "string_too_short": "is empty",
    "string_too_long": "{actual_length} characters are too many (at most {max_length})",
    "too_short": "is empty",
    "too_long": "{actual_length} entries are too many (at most {max_length})",
}
"""What is said of a text or a list of a wrong length, by pydantic's name of the fault."""


def _bounds(lab: type[BaseModel], loc: Key) -> str:
    """Return the range of the field at `loc` in words: 1 to 1000; at least 0; more than 0, at most 1."""
    field = field_at(lab, loc)
    parts = [*_metadata_in(field.annotation), *field.metadata] if field else []  # the field's own come last and count
    limits = {name: getattr(part, name) for part in parts for name in ("ge", "gt", "le", "lt") if hasattr(part, name)}
    if "ge" in limits and "le" in limits:
        return f"{limits['ge']} to {limits['le']}"
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    return ", ".join(f"{words[name]} {limit}" for name, limit in limits.items())


def _metadata_in(annotation: Any) -> list[Any]:
    """Return what is said of the values inside a type: the elements of a list, the X of `X | None`."""
    found = [part for arg in getattr(annotation, "__args__", ()) for part in _metadata_in(arg)]
    for part in getattr(annotation, "__metadata__", ()):
        found += part.metadata if isinstance(part, FieldInfo) else [part]
    return found


def keys_at(model: type[BaseModel], loc: Key) -> list[str]:
    """Return the keys that the part of the config at `loc` knows."""
    if not loc:
        return list(model.model_fields)
    field = field_at(model, loc)
    found = _model_in(field.annotation) if field else None
    return list(found.model_fields) if found else []


def field_at(model: type[BaseModel], loc: Key) -> FieldInfo | None:
    """Return the field at a path such as ("loras", 0, "scale"), or None where there is none."""
    field: FieldInfo | None = None
    inside: type[BaseModel] | None = model
    for part in loc:
        if isinstance(part, int):
            continue
        field = inside.model_fields.get(part) if inside else None
        if field is None:
            return None
        inside = _model_in(field.annotation)
    return field


def choices_at(lab: type[LabConfig], loc: Key) -> list[str]:
    """Return the values that the key at `loc` may have where they are a list; nothing where anything else goes."""
    field = field_at(lab, loc)
    if field is None:
        return []
    if loc == ("sampler",):
        return list(SAMPLERS)
    marks = [*field.metadata, *_metadata_in(field.annotation)]
    known = [word for mark in marks for word in getattr(getattr(mark, "func", None), "known", ())]
    return known or (["true", "false"] if field.annotation is bool else [])


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in getattr(annotation, "__args__", ()) if (m := _model_in(a))), None)
