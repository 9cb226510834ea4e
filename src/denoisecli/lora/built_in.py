"""The LoRAs that the embedded model brings along, by name: pocket/woodcut-print; `pocket` is the first of them."""

from __future__ import annotations

from pathlib import Path

from denoisecli.errors import ModelError

FOLDER = Path(__file__).parents[1] / "pocket" / "loras"
INSTEAD_OF = {"hot-air balloon": "lighthouse", "woodcut print": "oil painting"}
"""The words of the default prompt in whose place each LoRA's own words stand."""


def names(folder: Path = FOLDER) -> list[str]:
    """Return the names of the built-in LoRAs."""
    return [f"pocket/{path.stem}" for path in sorted(folder.glob("*.safetensors"))]


def is_built_in(ref: str) -> bool:
    """Return whether `ref` names a built-in LoRA rather than a file."""
    return ref == "pocket" or ref.startswith("pocket/")


def lora_path(ref: str, folder: Path = FOLDER) -> Path:
    """Return the file that `ref` names: a path, `pocket` (the first built-in LoRA) or `pocket/NAME`.

    Raises ModelError for a built-in name that there is not. A path is not looked at.
    """
    if not is_built_in(ref):
        return Path(ref).expanduser()
    held = names(folder)
    if not held:
        raise ModelError("The pocket model has no LoRA of its own here.", "Name a file: --lora style.safetensors")
    name = held[0] if ref == "pocket" else ref
    if name not in held:
        raise ModelError(f'The pocket model has no LoRA "{name.partition("/")[2]}".', f"It has: {', '.join(held)}.")
    return folder / f"{name.partition('/')[2]}.safetensors"


def name_of(file: str) -> str | None:
    """Return the built-in name of a LoRA that another tool calls by its file alone; None where it is none of ours."""
    name = f"pocket/{file.removesuffix('.safetensors')}"
    return name if name in names() else None


def with_words(prompt: str, words: str) -> str:
    """Return a prompt that holds a LoRA's own words: in the place of others of their kind, else at its end."""
    if not words or words.lower() in prompt.lower():
        return prompt
    place = INSTEAD_OF.get(words, "")
    return prompt.replace(place, words, 1) if place and place in prompt else f"{prompt}, {words}"
