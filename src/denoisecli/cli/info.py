"""`denoisecli models` and `denoisecli doctor`: what is on this machine."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from denoisecli import __version__

from . import complete
from .app import app
from .options import Json
from .streams import print_json, print_line
from .terminal import plain

PACKAGES = ["torch", "diffusers", "transformers", "peft", "safetensors", "numpy", "pillow", "imageio-ffmpeg"]


Ref = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time on 3.10
    typer.Argument(metavar="MODEL", help="Tell of this one: its words, its LoRAs.", autocompletion=complete.models),
]
Add = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--add", metavar="DIR", help="Look there for models too, from now on: ~/ComfyUI/models, A1111's."),
]
Forget = Annotated[Optional[str], typer.Option("--forget", metavar="DIR", help="No longer look there.")]  # noqa: UP045


@app.command(short_help="List the models on this machine: family, size.")
def models(ref: Ref = None, add: Add = None, forget: Forget = None, json: Json = False) -> None:
    """List the models on this machine: family, size and hash; of one of them, what it knows.

    A checkpoint in a folder that was added can be named by its file's name alone.
    """
    from denoisecli.diffusion import model_folders
    from denoisecli.diffusion.models import list_models

    if forget is not None:
        print_line(plain(f"{model_folders.forget(forget)} is forgotten."))
        return
    if ref is not None:
        _tell_of(ref, json=json)
        return
    if add is None:
        _list_known(list_models(), json=json)
    for folder in [model_folders.add(add)] if add is not None else model_folders.folders():
        _list_found(folder, model_folders.found_in(folder), json=json)


def _list_known(rows: list[Any], *, json: bool) -> None:
    from denoisecli.diffusion.memory import size

    width = max((len(row.ref) for row in rows), default=0)
    for row in rows:
        found = _memory(row.path)
        if json:
            print_json({**asdict(row), "path": str(row.path), "memory": [one.record() for one in found]})
            continue
        about = f"{row.ref:<{width}}  {row.family:<8}  {row.bytes / 1e6:>8.1f} MB  sha256 {row.sha256[:12]}"
        needs = ", ".join(f"{size(one.needs('full'))} in {one.dtype}" for one in found)
        print_line(plain(f"{about}  needs {needs}" if needs else about))


def _memory(path: Path) -> list[Any]:
    """Return what a model needs for one picture of its own size, on the CPU and on a card; nothing where unknown."""
    from denoisecli.diffusion.memory import Saving, Work, needs
    from denoisecli.errors import ModelError
    from denoisecli.labs.loading import native_size

    try:
        return list(needs(path, Work(native_size(path)), Saving()))
    except ModelError:
        return []


def _list_found(folder: Path, found: list[Any], *, json: bool) -> None:
    """Print what lies in an added folder, by family; what the labs do not open is marked."""
    if json:
        for one in found:
            row = {"ref": str(one.path), "path": str(one.path), "bytes": one.bytes, "family": one.kind}
            print_json(row | {"sha256": None, "opens": one.opens})
        return
    print_line(plain(f"{folder}: {len(found)} files" if found else f"{folder}: nothing"))
    width = max((len(one.kind) for one in found), default=0)
    for one in found:
        name = one.path.relative_to(folder).as_posix()
        mark = "" if one.opens or one.kind == "lora" else "  (not opened by itself)"
        print_line(plain(f"  {one.kind:<{width}}  {one.bytes / 1e6:>8.1f} MB  {name}{mark}"))


def _tell_of(ref: str, *, json: bool) -> None:
    """Print one model: where it lies, what it is, which words it knows and which LoRAs it brings along."""
    from denoisecli.diffusion.memory import needs_in_words
    from denoisecli.diffusion.model_checks import check
    from denoisecli.diffusion.models import identity
    from denoisecli.diffusion.references import locate
    from denoisecli.diffusion.vocabulary import synonyms_of, words_of
    from denoisecli.labs.loading import native_size
    from denoisecli.lora import built_in

    check(ref)
    path, words, synonyms = locate(ref), words_of(ref), synonyms_of(ref)
    width, height = native_size(path)
    loras = built_in.names() if ref == "pocket" else []
    memory = _memory(path)
    if json:
        print_json({"ref": ref, "path": str(path), "sha256": identity(ref), "size": [width, height], "words": words,
                    "synonyms": synonyms, "loras": loras, "memory": [one.record() for one in memory]})  # fmt: skip
        return
    print_line(plain(f"{ref}  {width}×{height}  sha256 {identity(ref)[:12]}  {path}"))
    for line in needs_in_words(memory):
        print_line(plain(line))
    heading = "It knows these words:" if synonyms else "It knows these words, and no others:"
    _list_words(heading, words)
    _list_words("It reads these as the word before them, and knows no others:", synonyms)
    if loras:
        print_line(f"LoRAs, for loras: and lora-rank: {', '.join(loras)}")


def _list_words(heading: str, table: Mapping[str, Sequence[str]]) -> None:
    """Print a table of words below its heading; nothing of an empty one."""
    if table:
        print_line(heading)
    for name, listed in table.items():
        print_line(plain(f"  {name:<10}  {', '.join(listed)}"))


@app.command("help")
def help_(
    ctx: typer.Context,
    words: Annotated[Optional[list[str]], typer.Argument(metavar="COMMAND")] = None,  # noqa: UP045
) -> None:
    """Show what a command does, as --help behind it."""
    place: Any = ctx.find_root()
    for word in words or []:
        group = place.command
        command = group.get_command(place, word) if hasattr(group, "list_commands") else None
        if command is None:
            from denoisecli.config.fields import did_you_mean
            from denoisecli.errors import UsageError

            known = group.list_commands(place) if hasattr(group, "list_commands") else []
            guess = did_you_mean(word, known) or "."
            raise UsageError(f'There is no command "{word}"{guess}', "See: denoisecli help")
        place = type(place)(command, info_name=word, parent=place)
    print_line(place.get_help())


@app.command()
def doctor(json: Json = False) -> None:
    """Check packages, device, ffmpeg, built-in model."""
    found = {"denoisecli": __version__, "python": platform.python_version()}
    found |= {name: _version(name) for name in PACKAGES}
    found |= {"device": _device(), "ffmpeg": _ffmpeg(), "pocket model": _pocket()}
    if json:
        print_json(found)
    else:
        width = max(map(len, found))
        for name, value in found.items():
            print_line(plain(f"{name:<{width}}  {value}"))
    if any(value.startswith("missing") for name, value in found.items() if name != "peft"):
        raise typer.Exit(1)


def _version(package: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def _device() -> str:
    try:
        import torch
    except ImportError:
        return "missing torch"
    if torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name(0)})"
    return "mps" if torch.backends.mps.is_available() else f"cpu ({torch.get_num_threads()} threads)"


def _ffmpeg() -> str:
    import imageio_ffmpeg

    try:
        return f"{imageio_ffmpeg.get_ffmpeg_version()} at {imageio_ffmpeg.get_ffmpeg_exe()}"
    except RuntimeError as error:
        return f"missing: {error}"


def _pocket() -> str:
    from denoisecli.diffusion.model_checks import check
    from denoisecli.diffusion.models import identity
    from denoisecli.diffusion.references import POCKET
    from denoisecli.errors import ModelError

    try:
        check("pocket")
        return f"sha256 {identity('pocket')[:12]} at {POCKET}"
    except ModelError as error:
        return f"missing: {error.message} {error.hint}"
    except OSError as error:
        return f"missing: {error}"
