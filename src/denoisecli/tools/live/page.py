"""The live page as one file: the deck's shared modules and style, the model and its engine, and the words around them.

The file is windows-1252, in which every byte but a few is one letter: what is stored takes 1.6 % more than itself,
where base64 takes a third. Text and scripts are ASCII with escapes, so that hashes and words hold in it.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from denoisecli import glossary
from denoisecli.config.samplers import SAMPLERS as KNOWN
from denoisecli.figures.facts import settings_line
from denoisecli.interop import own_chunk
from denoisecli.lora.built_in import INSTEAD_OF
from denoisecli.media import page as pages
from denoisecli.metrics import DETAIL_COMMITTED, LAYOUT_COMMITTED
from denoisecli.runs.summary import named

from . import pack

if TYPE_CHECKING:
    from denoisecli.config.base import Lora, SamplingConfig
    from denoisecli.labs.sample.config import SampleConfig
    from denoisecli.media.page import Look

    from .loras import Carried

HERE = Path(__file__).parent
SHIFT, ESCAPE, BEHIND = 42, b"=", 64
REACH = 2.9  # range of the pocket model's finished pictures (denoisecli.scale), until a page knows one of its own
MOST_MEMORY = 9  # that zlib takes
FORBIDDEN = (0, 13, 60)  # NUL, CR and "<", which HTML reads otherwise
TERMS = (
    "state",
    "canvas",
    "guess",
    "drawn ×",
    "latent",
    "cfg",
    "t",
    "σ",
    "ᾱ",
    "SNR",
    "layout",
    "detail",
    "fixed",
    "seed",
)
SAMPLERS = {name: KNOWN[name].label for name in ("ddim", "euler", "dpmpp_2m")}
GRAMMAR = {
    "landmark": ("lighthouse", "castle", "windmill", "cottage", "pine tree", "stone tower", "church", "bridge", "boat"),
    "terrain": ("rocky cliff", "grassy hill", "small island", "sand dune"),
    "time": ("dusk", "dawn", "noon", "night"),
    "sky": ("dramatic golden clouds", "clear sky", "soft white clouds", "dark storm clouds"),
    "foreground": ("crashing waves", "calm sea", "field of flowers", "snowy field"),
    "style": ("oil painting", "watercolor", "pencil sketch", "pixel art", "flat poster"),
}
"""The captions that the pocket model was trained with, see training/captions.py."""
OTHER_STYLE = {"oil painting": "pencil sketch"}


@dataclass(frozen=True)
class Kept:
    """A picture for browsers in which the model does not run: its WebP and what stands on it."""

    coded: bytes
    caption: str


def live_html(
    config: SampleConfig, packs: Mapping[str, bytes], tokenizer: Path, look: Look, kept: Sequence[Kept] = (),
    *, exact: bool = False, sliders: Sequence[Carried] = (), added: Sequence[Lora] = (),
) -> bytes:  # fmt: skip
    """Return the page; the same config and model give the same bytes.

    packs: of `pack.packed`. tokenizer: a folder with vocab.json and merges.txt. kept: the run as pictures.
    sliders: LoRAs whose strength the page changes; added: those that are in the packs.
    """
    engine = pack.engine()
    stored = {"engine": engine.script, "wasm": engine.wasm}
    stored |= {f"font/{number}": zipped(font) for number, font in enumerate(look.fonts.values())}
    stored |= {name: zipped(data) for name, data in packs.items()}
    stored |= {f"lora/{number}": zipped(lora.packed) for number, lora in enumerate(sliders)}
    data = page_data(config, tokenizer, kept, exact=exact, sliders=sliders, added=added)
    data["fonts"] = [{"family": family, "weight": str(weight)} for family, weight in look.fonts]
    data["stored"] = {
        name: {"sha256": hashlib.sha256(coded).hexdigest(), "length": len(coded)} for name, coded in stored.items()
    }
    style = _css(pages.style(replace(look, fonts={})) + (HERE / "style.css").read_text(encoding="utf-8"))
    script = _js(pages.script(HERE / "page.js"))
    pictures = {f"kept/{number}": one.coded for number, one in enumerate(kept)}
    text = Template((HERE / "template.html").read_text(encoding="utf-8")).substitute(
        policy=_policy(style, script), scheme="dark" if look.dark else "light",
        title=_ascii(config.prompt or "live deck"),
        style=style, script=script, data=_json(data), blobs=_json({"pictures": {}, "arrays": {}}),
        noscript="This page draws itself: switch JavaScript on to see the run.", stored="\0",
    )  # fmt: skip
    head, tail = text.encode("ascii").split(b"\0")
    return head + b"\n".join(_element(name, coded) for name, coded in {**pictures, **stored}.items()) + tail


def zipped(data: bytes) -> bytes:
    """Return `data` gzipped: rounded weights hardly repeat, and take fewer bytes where no repeats are looked for."""
    ways = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY)
    coders = [zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS, MOST_MEMORY, way) for way in ways]
    return min((coder.compress(data) + coder.flush() for coder in coders), key=len)


def page_data(
    config: SampleConfig, tokenizer: Path, kept: Sequence[Kept],
    *, exact: bool, sliders: Sequence[Carried] = (), added: Sequence[Lora] = (),
) -> dict[str, Any]:  # fmt: skip
    """Return what the page's script reads."""
    from denoisecli.diffusion.vocabulary import pieces_of, words_in
    from denoisecli.labs.fork.config import ForkConfig
    from denoisecli.labs.sample.config import SampleConfig
    from denoisecli.labs.walk.config import WalkConfig
    from denoisecli.lora.file import names_of

    labs = {"sample": SampleConfig(), "fork": ForkConfig(), "walk": WalkConfig()}
    files = [*(lora.file for lora in config.loras), *(lora.file for lora in sliders)]
    vocabulary = json.loads((tokenizer / "vocab.json").read_text(encoding="utf-8"))
    merges = (tokenizer / "merges.txt").read_text(encoding="utf-8").strip().split("\n")[1:]
    pieces = sorted(pieces_of(config.model))
    models, about = pack.graphs().models, pack.engine().about
    side, length = models["unet"]["sample_size"], models["text_encoder"]["max_position_embeddings"]
    return {
        "title": config.prompt, "settings": _settings(config), "command": None, "note": None,
        "config": _keys(config), "defaults": {lab: _keys(default) for lab, default in labs.items()}, "grammar": GRAMMAR,
        "other_words": _other(config.prompt), "extra_words": words_in(names_of(files)),
        "side": side, "size": side * 2 ** sum(1 for blocks in models["vae"]["num_decoder_blocks"] if blocks != 0),
        "offset": models["scheduler"]["steps_offset"], "schedule": base64.b64encode(pack.graphs().schedule).decode(),
        "tokenizer": {"vocab": vocabulary, "merges": merges, "length": length, "pieces": pieces},
        "worker": (HERE / "worker.js").read_text(encoding="utf-8"), "weights": "float16" if exact else "int8",
        "engine": f"ONNX Runtime Web {about['version']}", "sampler_names": SAMPLERS,
        "loras": [lora.model_dump() for lora in added], "sliders": [_slider(lora) for lora in sliders],
        "own": _own(config), "reach": REACH,
        "terms": glossary.terms(*TERMS),
        "captions": glossary.captions("settling"),
        "thresholds": [{"value": LAYOUT_COMMITTED, "role": "amber"}, {"value": DETAIL_COMMITTED, "role": "teal"}],
        "kept": [{"name": f"kept/{number}", "caption": one.caption} for number, one in enumerate(kept)],
    }  # fmt: skip


def _keys(config: SamplingConfig) -> dict[str, Any]:
    """Return what the page may change; seeds as text, since JavaScript's numbers end at 2^53."""
    return {
        "prompt": config.prompt, "negative_prompt": config.negative_prompt, "steps": config.steps,
        "cfg": config.cfg, "sampler": config.sampler, "seeds": [str(seed) for seed in config.seeds],
    }  # fmt: skip


def _settings(config: SampleConfig) -> str:
    return f"{settings_line(config.model_dump(), config.steps)} · {named('seed', config.seeds)}"


def _own(config: SampleConfig) -> dict[str, Any]:
    """Return the settings that a saved picture carries for `denoisecli import`; the page fills in its own."""
    from denoisecli.interop.recipe import Shot

    shot = Shot(config.seeds[0], config.cfg, config.prompt, loras=tuple(config.loras))
    values: dict[str, Any] = json.loads(own_chunk.text(config, shot, config.size or (256, 256)))
    return values


def _other(prompt: str) -> str:
    """Return the prompt in another style, for the fork: what the grammar knows, else a prompt of its own."""
    styles = GRAMMAR["style"]
    for style in styles:
        if style in prompt:
            return prompt.replace(style, OTHER_STYLE.get(style, styles[0]))
    return prompt + ", pencil sketch"


def _slider(lora: Carried) -> dict[str, Any]:
    """Return what the page says of a LoRA; instead: the words of the grammar in whose place its own words stand."""
    place = INSTEAD_OF.get(lora.words, "")
    instead = next((words for words in GRAMMAR.values() if place in words), ())
    return {"file": lora.file, "scale": lora.scale, "name": lora.name, "words": lora.words, "instead": instead}


def _policy(style: str, script: str) -> str:
    return (
        "default-src 'none'; img-src data: blob:; worker-src blob:; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}' 'wasm-unsafe-eval'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _element(name: str, data: bytes) -> bytes:
    return b'<script type="text/plain" id="%s">%s</script>' % (name.encode(), written(data))


def written(data: bytes) -> bytes:
    """Return bytes as letters of windows-1252: each 42 higher, "=" and what HTML forbids as "=" and 64 higher."""
    moved = data.translate(bytes((byte + SHIFT) & 255 for byte in range(256)))
    for byte in (ESCAPE[0], *FORBIDDEN):
        moved = moved.replace(bytes([byte]), ESCAPE + bytes([(byte + BEHIND) & 255]))
    return moved


def _ascii(text: str) -> str:
    return html.escape(text).encode("ascii", "xmlcharrefreplace").decode()


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _js(text: str) -> str:
    """Return a script in ASCII: other letters stand in strings and templates alone, where an escape is the same."""
    units = text.encode("utf-16-be")
    codes = [int.from_bytes(units[k : k + 2], "big") for k in range(0, len(units), 2)]
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)


def _css(text: str) -> str:
    return "".join(letter if ord(letter) < 128 else f"\\{ord(letter):x} " for letter in text)
