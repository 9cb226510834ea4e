"""Our words, each with the field's word for it and one sentence: what pages, films, docs and slides say it with.

`docs/glossary.md` is made from this (`tests/test_glossary.py`), so a word is explained once. `TERMS["layout"].means` is
the sentence for a caption or a tooltip.
"""

from __future__ import annotations

from typing import NamedTuple


class Term(NamedTuple):
    """A word. field: what papers and libraries call it, "" where they say the same; means: one sentence."""

    field: str
    means: str


GROUPS: dict[str, dict[str, Term]] = {
    "What a run goes through": {
        "noise": Term("ε, Gaussian noise", "Random numbers, drawn from the seed, that a run starts from."),
        "seed": Term("", "The number that the starting noise is drawn from: the same seed, the same noise."),
        "step": Term("", "One call of the sampler, which takes one state to the next with less noise."),
        "state": Term("x_t, a latent", "What the sampler holds between two steps; state 0 is noise, the last the picture."),
        "progress": Term("", "How much of the run is behind a state: its number divided by the number of steps, 0 to 1."),
        "latent": Term(
            "latent, z", "The small array of channels that the model works on, shown as it is, before any decoder."
        ),
        "canvas": Term("decoded x_t", "The state as the decoder shows it: what the sampler holds, with all its noise."),
        "guess": Term(
            "predicted x₀, pred_original_sample",
            "The finished picture as the model predicts it from this state, decoded.",
        ),
        "timestep": Term("t", "The model's own clock: high is noise, 0 is the picture."),
        "σ": Term("noise level, sigma", "How much noise there is for one part of picture, √((1−ᾱ)/ᾱ); 0 is the picture."),
        "ᾱ": Term("alpha_bar, alphas_cumprod", "The share of the picture in a state's variance: 0 is noise, 1 the picture."),
        "SNR": Term("signal-to-noise ratio", "Picture against noise, ᾱ/(1−ᾱ), in decibels; at 0 dB both are equal."),
        "schedule": Term("noise schedule", "Which noise level each state has, from the first to the last."),
        "sampler": Term("scheduler (diffusers), solver", "The rule that makes the next state out of this one and the guess."),
        "denoiser": Term("U-Net, transformer", "The network that predicts the noise in a state."),
        "decoder": Term("VAE, autoencoder", "The network that makes pixels of latents."),
        "drawn ×0.21": Term(
            "", "This guess reaches beyond what pictures have, so its latents were made smaller before it was drawn."
        ),
    },
    "How a picture settles": {
        "layout": Term("low spatial frequencies", "What is where: waves of fewer than 4 cycles across the picture."),
        "detail": Term("high spatial frequencies", "Edges and texture: waves of 4 cycles across the picture and more."),
        "distance": Term(
            "relative L2 error", "How far the guess is from the finished picture: 0 is the same, 1 is as wrong as grey."
        ),
        "fixed": Term(
            "committed",
            "From this state on the guess stays close to the finished picture: layout within 0.5, detail within 0.25.",
        ),
        "clipped": Term("saturated pixels", "The share of pixels in which red, green or blue is 0 or 255."),
        "contrast": Term("RMS contrast", "How far light and dark are apart: the standard deviation of luma."),
        "saturation": Term("HSV saturation", "How strong the colours are, 0 for grey."),
        "sameness": Term(
            "mean pairwise correlation", "How alike the seeds' pictures are: 1 are equal, 0 have nothing in common."
        ),
    },
    "Guidance": {
        "cfg": Term("guidance scale, classifier-free guidance", "How many times a step takes what the prompt changes; 1 is no guidance, 0 no prompt."),
        "uncond": Term("unconditional prediction", "What the model predicts from the state alone, or from the negative prompt."),
        "cond": Term("conditional prediction", "What the model predicts with the prompt."),
        "guided": Term("ε̂", "uncond + cfg·(cond − uncond): the prediction that the sampler gets."),
        "cond − uncond": Term("guidance difference", "What the prompt changes in this step, before cfg multiplies it."),
        "scale": Term("guidance scale", "The cfg of the present step, where it changes from step to step."),
        "anatomy": Term("", "One step taken apart: without the prompt, with it, guided, and the difference."),
        "guidance interval": Term("limited interval guidance", "The part of the run in which a step is guided at all."),
    },
    "Walks": {
        "walk": Term("latent interpolation", "Pictures between two starting noises (or prompts, scales), each a full run."),
        "frame": Term("", "One picture of a walk, the end of a full run of its own."),
        "leg": Term("segment", "The part of a walk between two neighbouring ends."),
        "end": Term("keyframe", "A point of a walk that was asked for: a seed, a prompt, a scale."),
        "share": Term("interpolation parameter t", "Where on its leg a frame is: 0 the first end, 1 the second."),
        "slerp": Term("spherical interpolation", "The way along a sphere: every point between two noises is as large as they are."),
        "jump": Term("frame difference", "How different two neighbouring frames of a walk are."),
        "pacing": Term("arc-length parametrisation", "Where on the way the frames are: evenly, or so that all jumps are alike."),
        "map": Term("", "The plane through the ends' noises, with the walk drawn on it."),
    },
    "Words": {
        "word": Term("token span", "A word or phrase of the prompt, put together from the tokens that the model reads."),
        "attention": Term(
            "cross-attention probability", "How much a place of the picture looks at a word; over all words and the rest 1."
        ),
        "a word's place": Term(
            "thresholded attention map (DAAM)", "Where a word's map lies above 0.4 of its range, from its least to its most."
        ),
        "found": Term("", "The state from which a word's place overlaps its final one by 0.6 or more."),
        "rest": Term(
            "attention sink", "What no word gets: the start, the end and the padding of the text, often the larger part."
        ),
        "hardly speaks": Term("", "A word whose peak stays below 0.4 of the loudest word's."),
        "concept": Term("", "A word that is not in the prompt and is looked for all the same; the picture never reads it."),
    },
    "LoRA": {
        "LoRA": Term("low-rank adaptation", "A small file that changes a model: for each layer two thin matrices, B and A."),
        "ΔW": Term("weight update", "What a LoRA adds to a layer's weights: B·A, times its strength."),
        "rank": Term("", "How many columns B has, which is how many independent changes a layer can get."),
        "spectrum": Term("singular values", "How strong each of a layer's changes is, the largest first."),
        "energy": Term("squared Frobenius norm", "The share of a change that is kept: the kept σ² divided by all."),
        "error": Term(
            "relative Frobenius error", "What is lost of a change, ‖ΔW − ΔW_r‖ / ‖ΔW‖; no matrix of that rank is nearer."
        ),
        "numbers": Term("parameters", "How many numbers B and A hold together."),
        "file": Term("", "How large the cut LoRA is on the disk."),
        "cut": Term("rank truncation", "A LoRA with only its strongest changes, up to a rank."),
    },
    "What is made": {
        "lab": Term("", "A command that makes one kind of run and shows one thing about diffusion."),
        "run": Term("", "A folder with a config, its record, its arrays and what was drawn of them."),
        "deck": Term("", "The run of `sample`: every state of several seeds in three views, side by side."),
        "sheet": Term("contact sheet", "One picture of a whole run: rows are seeds (scales, frames, ranks), columns states."),
        "strip": Term("filmstrip", "The row of small pictures on a page, one for each state, which is also a slider."),
        "rail": Term("sidebar", "The column of a film beside the pictures: prompt, settings and curves."),
        "view": Term("", "One way to show a state: canvas, guess or latent."),
        "hero": Term("headline figure", "The one large number of a film, and the words behind it."),
        "playhead": Term("", "The mark on a timeline or a curve at the state that is shown."),
        "seam": Term("before/after slider", "The line between two pictures that lie on each other; drag it."),
        "trace": Term("run log, metadata", "The record of a run, `trace.json`: settings, levels, measured numbers, files."),
        "pack": Term("batch", "Samples of several runs that are sampled together."),
    },
}  # fmt: skip

TERMS: dict[str, Term] = {word: term for group in GROUPS.values() for word, term in group.items()}
"""Every word, by itself."""


ALSO = {
    "t": "timestep",
    "drawn ×": "drawn ×0.21",
    "singular values": "spectrum",
    "energy kept": "energy",
    "change to the next": "jump",
    "guess's error": "distance",
}
"""What stands on pages, where a number's name is short or says more than our word: the word that explains it."""

UNITS = {
    "state": "a count",
    "t": "a count",
    "σ": "a ratio",
    "ᾱ": "0 to 1",
    "SNR": "decibels, dB",
    "layout": "distance, 0 to 1",
    "detail": "distance, 0 to 1",
    "fixed": "a state",
    "cfg": "a factor",
    "scale": "a factor",
    "cond − uncond": "root mean square, in units of the noise",
    "clipped": "% of the pixels",
    "contrast": "0 to 1",
    "saturation": "%",
    "sameness": "a correlation",
    "distance": "a ratio",
    "attention": "%, over all words and the rest 100",
    "found": "a state",
    "frame": "a count",
    "change to the next": "root mean square, 0 to 1",
    "rank": "a count",
    "numbers": "a count",
    "energy kept": "%",
    "error": "%",
    "file": "bytes",
    "drawn ×": "a factor",
    "guess's error": "a ratio",
}
"""The unit of the numbers that pages show."""


class Caption(NamedTuple):
    """What a chart says. line: high and low in a few words, for films; text: that, and why it matters, for pages."""

    line: str
    text: str


CAPTIONS: dict[str, Caption] = {
    "settling": Caption(
        "low = close to the final picture",
        "High: the guess is far from the final picture. Low: it is nearly there. The curve that falls first is decided "
        "first.",
    ),
    "alpha_bar": Caption(
        "high = mostly picture, low = mostly noise",
        "High: mostly picture. Low: mostly noise. Where the curve is steep, the picture drowns fast.",
    ),
    "guess_error": Caption(
        "high = the guess is wrong",
        "High: the guess is wrong. The more noise, the less of the detail can be guessed.",
    ),
    "clipped": Caption(
        "high = burnt out",
        "High: many pixels are burnt out, black or fully bright. Too much guidance shows here first.",
    ),
    "contrast": Caption(
        "high = harsher picture", "High: harsh light and shade. Low: flat. Guidance raises it with its scale."
    ),
    "saturation": Caption(
        "high = more vivid", "High: vivid colours. Low: greyish ones. Guidance raises it with its scale."
    ),
    "sameness": Caption(
        "high = seeds alike",
        "High: all seeds give nearly the same picture. Guidance trades variety for obedience to the prompt.",
    ),
    "distance": Caption(
        "high = changed more",
        "High: the guess is far from the one at the first scale. It shows how much the scale changes the picture.",
    ),
    "gap": Caption(
        "high = prompt matters",
        "High: the prompt changes the prediction a lot in this step. Guidance multiplies this difference by cfg.",
    ),
    "strongest_tenth": Caption(
        "high = in few places",
        "High: the prompt acts in few places. 10 % would be evenly over the picture.",
    ),
    "scale": Caption("the scale of each step", "The guidance scale of each step, as the schedule sets it."),
    "change": Caption(
        "peaks = jumps, flat = an even glide",
        "High: the picture jumps between two frames. Low and flat: it glides. At a jump one thing becomes another.",
    ),
    "rank": Caption(
        "high energy, low error = a good copy",
        "High energy and low error: a good copy. Where the curves go flat, more rank buys nothing.",
    ),
    "file": Caption(
        "much energy in a small file = a good cut",
        "High energy at a small size is a good cut. Where energy is flat and size still rises, rank is wasted.",
    ),
    "rank_picture": Caption(
        "low distance = the same picture",
        "Low distance: the cut paints the same picture as the whole LoRA, whatever energy it lost.",
    ),
    "strength": Caption(
        "low = like the full LoRA",
        "High: far from the picture at full strength. Low: like it.",
    ),
    "spectrum": Caption(
        "tall = directions that matter", "Tall bars are directions that matter. The cut keeps those in amber."
    ),
    "finding": Caption(
        "high = the word is where it ends",
        "High: the word's place is nearly its final one. Where a curve stays above the line, the word found its place.",
    ),
    "spectra": Caption("bright = directions that matter", "Bright cells are directions that matter in that block."),
    "blocks": Caption(
        "long = much of the change, amber = kept",
        "A long bar is a block that the LoRA changes much; amber is what the cut keeps of it.",
    ),
    "energy": Caption(
        "high = little is lost",
        "High: nearly all of the change is kept. Where a curve goes flat, more rank buys nothing.",
    ),
    "fork": Caption(
        "high = a change still decides",
        "High: a change at this state still decides the picture. Where a curve crosses one half, that part is settled.",
    ),
    "compare": Caption(
        "high = the two runs differ",
        "High: the two runs differ. Where the curve leaves 0, they part.",
    ),
}


def terms(*names: str) -> list[dict[str, str]]:
    """Return what these names mean, {name, word, meaning, unit}, as pages read them."""
    rows = []
    for name in names:
        meaning = TERMS[ALSO.get(name, name)].means
        rows.append({"name": name, "word": name, "meaning": meaning, "unit": UNITS.get(name, "")})
    return rows


def captions(*names: str) -> dict[str, str]:
    """Return what pages write under these charts, by name."""
    return {name: CAPTIONS[name].text for name in names}


def caption_line(name: str) -> str:
    """Return what films write under this chart."""
    return CAPTIONS[name].line


def page() -> str:
    """Return docs/glossary.md."""
    lines = [
        "# Glossary",
        "",
        "Our words, what papers and libraries call the same, and what they mean. Made from `glossary.py`.",
    ]
    for title, terms in GROUPS.items():
        lines += ["", f"## {title}", "| we say | the field says | means |", "| --- | --- | --- |"]
        lines += [f"| **{word}** | {term.field} | {term.means} |" for word, term in terms.items()]
    lines += ["", "## The charts", "| chart | what high and low mean |", "| --- | --- |"]
    lines += [f"| **{name.replace('_', ' ')}** | {caption.text} |" for name, caption in CAPTIONS.items()]
    return "\n".join(lines) + "\n"
