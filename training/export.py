"""Write the trained parts as a diffusers pipeline folder in float16, and check that it loads.

    python -m training.export --autoencoder build/pocket/autoencoder/autoencoder \
        --denoiser build/pocket/denoiser/weights.safetensors --out src/denoisecli/pocket
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline

from training.denoiser import build_model
from training.models import SIZES, build_scheduler
from training.tokenizer import build_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS = ("scheduler", "text_encoder", "tokenizer", "unet", "vae")


def build_pipeline(autoencoder: Path, denoiser: Path, tokenizer: Path, size: str) -> StableDiffusionPipeline:
    """The whole model from its trained parts, in float16."""
    words = build_tokenizer(tokenizer)
    model = build_model(words, size, denoiser)
    pipe = StableDiffusionPipeline(
        vae=AutoencoderTiny.from_pretrained(autoencoder),
        text_encoder=model["text"],
        tokenizer=words,
        unet=model["unet"],
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return pipe.to(torch.float16)


def export(pipe: StableDiffusionPipeline, tokenizer: Path, out: Path) -> None:
    """Replace the pipeline's parts in `out`; whatever else lies there (card, LoRAs) stays."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        folder = Path(scratch) / "pocket"
        pipe.save_pretrained(folder, safe_serialization=True)
        for name in ("vocab.json", "merges.txt"):  # read by older versions of transformers
            shutil.copy(tokenizer / name, folder / "tokenizer" / name)
        _forget_paths(folder)
        _as_float32(folder / "text_encoder" / "config.json")
        for name in PARTS:
            shutil.rmtree(out / name, ignore_errors=True)
            shutil.move(folder / name, out / name)
        shutil.move(folder / "model_index.json", out / "model_index.json")
    for path in [out, *out.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def _forget_paths(folder: Path) -> None:
    """Configs remember the folder they were loaded from; a released model should not."""
    for path in folder.rglob("*.json"):
        config = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(config, dict) and "_name_or_path" in config:
            del config["_name_or_path"]
            path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _as_float32(config: Path) -> None:
    """Let transformers load the text encoder in float32 where nobody names a dtype, as diffusers loads the others.

    It takes the config's dtype then, and half a pipeline in half precision fails at the first product.
    """
    values = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps(values | {"dtype": "float32"}, indent=2) + "\n", encoding="utf-8")


def digests(folder: Path) -> dict[str, tuple[int, str]]:
    """Size in bytes and sha256 of every weights file, by its path in the folder."""
    found = {}
    for path in sorted(folder.rglob("*.safetensors")):
        content = path.read_bytes()
        found[path.relative_to(folder).as_posix()] = (len(content), hashlib.sha256(content).hexdigest())
    return found


def check(folder: Path) -> None:
    """Load the folder as anyone would and take two steps with words it knows and words it does not."""
    pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    for prompt in ("a lighthouse at dusk", "a purple dragon über the sea!"):
        picture = pipe(prompt, num_inference_steps=2, height=256, width=256).images[0]
        if picture.size != (256, 256):
            message = f"{folder} draws {picture.size}, not 256 × 256"
            raise ValueError(message)


def main(argv: Sequence[str] | None = None) -> None:
    """Export, check, and list the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--autoencoder", type=Path, default=Path("build/pocket/autoencoder/autoencoder"))
    parser.add_argument("--denoiser", type=Path, default=Path("build/pocket/denoiser/weights.safetensors"))
    parser.add_argument("--tokenizer", type=Path, default=Path("build/pocket/tokenizer"))
    parser.add_argument("--size", choices=SIZES, default="pocket")
    parser.add_argument("--out", type=Path, default=Path("src/denoisecli/pocket"))
    options = parser.parse_args(argv)
    pipe = build_pipeline(options.autoencoder, options.denoiser, options.tokenizer, options.size)
    export(pipe, options.tokenizer, options.out)
    check(options.out)
    for name, (size, digest) in digests(options.out).items():
        print(f"{size:>10}  {digest}  {name}")


if __name__ == "__main__":
    main()
