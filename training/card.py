"""Write MODEL_CARD.md and its pictures from an evaluation.

python -m training.card --pipeline src/denoisecli/pocket --evaluation build/pocket/evaluation
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from denoisecli.config.samplers import SAMPLERS
from training.captions import GRAMMAR, HELD_OUT, KEY, LEFT_OUT
from training.export import digests
from training.synonyms import SYNONYMS, known_words, whole_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PICTURES = {"key": (768, 80), "guidance": (960, 80), "random-3": (1024, 78)}
"""Contact sheets the card shows: width in pixels and WebP quality."""

TEXT = """\
# The pocket model

A text-to-image latent diffusion model that fits in a Python wheel. It draws small painted scenes, runs on a laptop's
CPU in about a second, and has the same parts as Stable Diffusion, so that whatever works on one works on the other. It
is for learning, for tests and for demonstrations; it is not a general image generator.

![The default prompt with twelve seeds, 20 steps, guidance 5](card/key.webp)

*"{caption}": twelve seeds, 20 DDIM steps, guidance 5.*

## Parts

| part | what | size |
| --- | --- | --- |
| text encoder | CLIP text model, 128 wide, 2 layers, 32 tokens | {text_mb:.1f} MB |
| denoiser | UNet2DConditionModel {channels}, one layer a block, attention but on the first level | {unet_mb:.1f} MB |
| autoencoder | AutoencoderTiny, 8×, 4 latent channels, encoder {encoder} wide, decoder {decoder} | {vae_mb:.1f} MB |
| scheduler | DDIM; 1,000 levels, betas 0.00085 to 0.012, linear in their square root; predicts ε | |

Pictures are 256 × 256, latents 4 × 32 × 32. Weights are float16 safetensors.

## The words it knows

{form}

{vocabulary}

The captions it learnt from have this form, one in ten was empty. A later lap taught its text encoder that phrases may
come in any order, in part, and in short ("tower" for "stone tower"). A boat floats before the terrain, or lies on the
field. These words are read as others:

{synonyms}

Any other word is split into letters: it does no harm, and it means nothing. Two LoRAs add what the base model has
never seen, "{lora_style}" (style) and "{lora_object}" (landmark); they are in `loras/`.

## Data

{data}

## Training

{training}

## How good it is

The judge is a small CNN trained on renders to read the attributes off a picture; on renders it has not seen it is
right {probe:.1%} of the time. {captions} random captions, one seed each, 20 DDIM steps; a sample counts when the judge
reads what the caption says, and what it does not tell counts for nothing. One caption is {step:.1%}, so differences
of a few per cent are noise.

{accuracy}

*Fréchet* is the distance to renders of the same captions in 16 principal features of the judge: the first row is the
floor. *Told apart* is how often a linear classifier on the judge's features tells new samples from new renders (50 % is
chance).

![Random captions at guidance 3](card/random-3.webp)

### With few steps, many steps, and guidance

The share of attributes that the judge reads right, and the share of 16-pixel cells whose texture no render of that
style has{arrow} (`training/texture.py`; one in a thousand of the renders' own). {few} captions, one seed each: one
attribute is up to {few_step:.1%}.

{grid}

### And else

- Autoencoder: PSNR {psnr:.1f} dB on renders it has not seen.
- Diversity: the layouts of different seeds of a caption are {diversity_3:.2f} (guidance 3) and {diversity_7:.2f}
  (guidance 7.5) times as far apart as those of its renders.
- Copies: the median distance from a sample to the nearest training picture is {copy_samples:.4f}, from a fresh render
  it is {copy_fresh:.4f}; it draws new scenes, it does not recall old ones.
- Speed, on {speed_note}: {sample_s:.2f} s for one picture (20 steps, guidance 7.5, decoded), {decode_ms:.0f} ms to
  decode one of a batch of eight.

![Guidance 1, 3, 5, 7.5 and 12 from one starting noise](card/guidance.webp)

*Guidance 1, 3, 5, 7.5 and 12 from one starting noise.*

## Limits

{limits}

## Licence and weights

Code, scenes, captions and weights are the project's own work under Apache-2.0; no photograph, no artist's work and no
third party's weights went into them.

{weights}
"""


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def form_of(known: Mapping[str, Sequence[str]]) -> str:
    """The form of captions, and what may be left out."""
    colour = "**colour** " if "colour" in known else ""
    side = " on the **side**" if "side" in known else ""
    form = f'"a {colour}**landmark** on a **terrain**{side} at **time**, **sky**, **foreground**, **style**"'
    free = " and ".join(name for name in LEFT_OUT if name in known)
    return f"{form}; {free} may be left out" if free else form


def accuracy_table(by_guidance: Mapping[str, Mapping[str, float]]) -> str:
    """One row for each guidance scale; a column for each attribute that any caption tells."""
    names = [name for name in (*GRAMMAR, "mean") if any(name in row for row in by_guidance.values())]
    rows = [["guidance", *names, "Fréchet", "told apart"]]
    for scale, row in by_guidance.items():
        shares = [f"{row[name]:.1%}" for name in names]
        rows.append([scale, *shares, f"{row['frechet']:.1f}", f"{row['telltale']:.0%}"])
    return table(rows)


def few_steps(rows: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]] = ()) -> str:
    """A table for each sampler, steps down and guidance across: attributes read right, cells hatched.

    before: the rows of an earlier model; what was hatched then stands before an arrow.
    """
    found, earlier = ({(row["sampler"], row["steps"], row["cfg"]): row for row in one} for one in (rows, before))

    def cell(key: tuple[str, int, float]) -> str:
        if key not in found:
            return ""
        was = f"{earlier[key]['hatched']:.1%} → " if key in earlier else ""
        return f"{found[key]['right']:.0%}, {was}{found[key]['hatched']:.1%}"

    names, steps, scales = ([*dict.fromkeys(key[place] for key in found)] for place in range(3))
    parts = []
    for name in names:
        lines = [[f"{SAMPLERS[name].label}, steps", *(f"{cfg:g}" for cfg in sorted(scales))]]
        lines += [[str(count), *(cell((name, count, cfg)) for cfg in sorted(scales))] for count in sorted(steps)]
        parts.append(table(lines))
    return "\n\n".join(parts)


def card_text(
    folder: Path,
    result: Mapping[str, Any],
    notes: Mapping[str, str],
    grid: Sequence[Mapping[str, Any]],
    before: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The card, from measurements and from what only people know (`notes`); grid, before: rows of `training.grid`."""
    sizes, counts = digests(folder), [row["captions"] for row in grid]
    unet, vae = (json.loads((folder / part / "config.json").read_text()) for part in ("unet", "vae"))
    megabytes = {name.split("/")[0]: size / 1e6 for name, (size, _) in sizes.items()}
    known = known_words(folder)
    vocabulary = [["attribute", "words"], *([name, ", ".join(words)] for name, words in known.items())]
    tokens = whole_words(folder)
    synonyms = [["word", "read as it"], *([w, ", ".join(others)] for w, others in SYNONYMS.items() if w in tokens)]
    weights = [["file", "bytes", "sha256"], *([f"`{n}`", f"{s:,}", f"`{d}`"] for n, (s, d) in sizes.items())]
    return TEXT.format(
        caption=KEY.caption,
        channels=tuple(unet["block_out_channels"]),
        encoder=vae["encoder_block_out_channels"][0],
        decoder=vae["decoder_block_out_channels"][0],
        text_mb=megabytes["text_encoder"],
        unet_mb=megabytes["unet"],
        vae_mb=megabytes["vae"],
        form=form_of(known),
        vocabulary=table(vocabulary),
        synonyms=table(synonyms),
        lora_style=HELD_OUT["style"],
        lora_object=HELD_OUT["landmark"],
        probe=result["probe"]["mean"],
        captions=result["captions"],
        step=1 / result["captions"],
        accuracy=accuracy_table(result["by_guidance"]),
        few=" to ".join(str(count) for count in dict.fromkeys((min(counts), max(counts)))),
        few_step=1 / (min(counts) * len(known)),
        arrow=", before and after the decoder's last lap" if before else "",
        grid=few_steps(grid, before),
        psnr=result["autoencoder"]["psnr"],
        diversity_3=result["diversity"]["3"],
        diversity_7=result["diversity"]["7.5"],
        copy_samples=result["copies"]["samples"],
        copy_fresh=result["copies"]["new renders"],
        **result["speed"],
        weights=table(weights),
        **notes,
    )


def card_pictures(evaluation: Path, folder: Path) -> None:
    """Shrink the evaluation's contact sheets into the card's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (width, quality) in PICTURES.items():
        with Image.open(evaluation / f"{name}.png") as sheet:
            height = round(sheet.height * width / sheet.width)
            sheet.resize((width, height), Image.Resampling.LANCZOS).save(folder / f"{name}.webp", quality=quality)


def main(argv: Sequence[str] | None = None) -> None:
    """Write the card and its pictures beside the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", type=Path, default=Path("src/denoisecli/pocket"))
    parser.add_argument("--evaluation", type=Path, default=Path("build/pocket/evaluation"))
    parser.add_argument("--notes", type=Path, default=Path(__file__).with_name("card_notes.json"))
    parser.add_argument("--grid", type=Path, default=Path("build/pocket/grid/grid.json"))
    parser.add_argument("--before", type=Path, help="the same of an earlier model")
    options = parser.parse_args(argv)
    result = json.loads((options.evaluation / "evaluation.json").read_text(encoding="utf-8"))
    notes = json.loads(options.notes.read_text(encoding="utf-8"))
    grid, before = (json.loads(path.read_text()) if path else [] for path in (options.grid, options.before))
    text = card_text(options.pipeline, result, notes, grid, before)
    (options.pipeline / "MODEL_CARD.md").write_text(text, encoding="utf-8")
    card_pictures(options.evaluation, options.pipeline / "card")


if __name__ == "__main__":
    main()
