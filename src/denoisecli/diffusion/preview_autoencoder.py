"""A small autoencoder beside the model's own, which draws the states of a run: near enough, for a part of the time.

It is an AutoencoderTiny of the model's latent space, such as TAESD (madebyollin/taesd, taesdxl, taesd3, taef1 on the
hub): a config names it (`decode.preview`), or the model's folder holds it under `preview/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from denoisecli.errors import ModelError, is_of_memory

from . import weights
from .model_configs import check_part, files_of, read_table
from .references import locate_part

if TYPE_CHECKING:
    from pathlib import Path

    import torch

FOLDER = "preview"
KIND = "AutoencoderTiny"
HINT = "Name the folder of one, or its id on the hub, such as madebyollin/taesd."


def found(model: Path, ref: str | None) -> Path | None:
    """Return the folder of the small autoencoder that `ref` names, else of that in a model's folder; None for none.

    Raises ModelError where a named one is not there, or where its files are of something else, pickled or cut short.
    """
    if ref is not None:
        return named(ref)
    own = model / FOLDER
    return _checked(own) if (own / "config.json").is_file() else None


def named(ref: str) -> Path:
    """Return the folder of a small autoencoder by its path or hub id, checked."""
    try:
        return _checked(locate_part(ref))
    except ModelError as error:
        raise ModelError(f"decode.preview: {error.message}", error.hint or HINT) from None


def identity(ref: str) -> str:
    """Return the sha256 that stands for the small autoencoder `ref`: that of its config and weights."""
    folder = named(ref)
    return weights.hashed(_files(folder), root=folder)


def load(folder: Path, channels: int, scale_factor: int, device: torch.device, dtype: torch.dtype) -> Any:
    """Return the small autoencoder of a folder. Raises ModelError where a model's latents are not what it decodes.

    channels: of the model's latents; scale_factor: by how much its pictures are larger than they.
    """
    from diffusers import AutoencoderTiny

    from .blame import one_line
    from .quiet import quiet

    try:
        with quiet():
            vae = AutoencoderTiny.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    except Exception as error:  # whatever diffusers meets in strange files is a model error
        if is_of_memory(error):
            raise
        problem = one_line(error)
    else:
        own = vae.config.upsampling_scaling_factor ** (len(vae.config.decoder_block_out_channels) - 1)
        if (vae.config.latent_channels, own) == (channels, scale_factor):
            return vae.to(device, dtype).eval()
        problem = (
            f"it makes {own}×{own} pixels of {vae.config.latent_channels} channels, the model's own autoencoder "
            f"{scale_factor}×{scale_factor} of {channels}"
        )
    raise ModelError(f"{folder} cannot draw this model's states: {problem}.", HINT)


def _checked(folder: Path) -> Path:
    """Return the folder of a small autoencoder. Raises ModelError where it is none, pickled, or cut short."""
    told = read_table(folder / "config.json").get("_class_name")
    if told != KIND:
        raise ModelError(f"{folder} is no small autoencoder ({KIND}): its config.json says {str(told)[:80]!r}.", HINT)
    check_part(folder)
    files = _files(folder)
    if not any(file.suffix == ".safetensors" for file in files):
        raise ModelError(f"{folder} holds no .safetensors weights.", HINT)
    for file in files:
        if file.suffix == ".safetensors":
            weights.read_header(file)
    return folder


def _files(folder: Path) -> list[Path]:
    return [file for file in files_of(folder) if file.suffix in (".safetensors", ".json")]
