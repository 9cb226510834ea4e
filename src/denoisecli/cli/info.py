"""`denoisecli models` and `denoisecli doctor`: what is on this machine."""

from __future__ import annotations

import platform
from dataclasses import asdict

import typer

from denoisecli import __version__

from .app import app
from .options import Json
from .streams import print_json, print_line
from .terminal import plain

PACKAGES = ["torch", "diffusers", "transformers", "peft", "safetensors", "numpy", "pillow", "imageio-ffmpeg"]


@app.command()
def models(json: Json = False) -> None:
    """List the models on this machine: size and hash."""
    from denoisecli.diffusion.models import list_models

    rows = list_models()
    if json:
        for row in rows:
            print_json({**asdict(row), "path": str(row.path)})
        return
    width = max((len(row.ref) for row in rows), default=0)
    for row in rows:
        about = f"{row.ref:<{width}}  {row.family:<8}  {row.bytes / 1e6:>8.1f} MB  sha256 {row.sha256[:12]}"
        print_line(plain(about))


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
    from denoisecli.diffusion.models import POCKET, check, identity
    from denoisecli.errors import ModelError

    try:
        check("pocket")
        return f"sha256 {identity('pocket')[:12]} at {POCKET}"
    except ModelError as error:
        return f"missing: {error.message} {error.hint}"
    except OSError as error:
        return f"missing: {error}"
