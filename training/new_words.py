"""Teach a finished, softened model words that it lacks, from pictures of them, without unlearning the others.

    python -m training.new_words grow --pipeline src/denoisecli/pocket --out build/pocket/new
    python -m training.new_words train --latents build/pocket/latents --out build/pocket/new

A chain from nothing needs no such lap: its scenes have all words of the grammar. This one starts from a model whose
words are followed by a share of the gap alone (`training.soften`), so the truth is not what it is to guess:

    eps' = base + s · share(t) · (eps − base)

where something new is told of a picture; on average that is base + s · share · gap. The base is the old model's guess
of what it knows of the caption where a colour or a side is told, and its guess without words where a landmark is: it
knows nothing of that scene then. Where nothing new is told the old model's own guess is what is to be learnt, also if
the picture shows something new: else a church of which no colour is told would take that of those seen in one. Scenes
are told as `training.wording` tells them, in the caption's form and in others. `model/` has the averaged weights and
the grown tokenizer; a run that was killed goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import copy
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from training.captions import KEY
from training.denoiser import X0_CAP, Noiser, stratified_levels
from training.latents import load_latents
from training.memories import Memories
from training.models import tokenize
from training.runs import Lap, add_lap_options, device
from training.sampling import Sampler
from training.soften import errors_with_gap, share
from training.synonyms import EMBEDDING, WORD_ENDS, grow_tokenizer, known_words, update_json, whole_words
from training.wording import Scene, caption, other_words, part_of

if TYPE_CHECKING:
    from torch import Tensor

    from training.captions import Attributes

NEW: dict[str, dict[str, str]] = {
    "landmark": {"church": "cottage", "bridge": "castle", "boat": "windmill"},
    "side": {"left": "on", "right": "at"},
    "colour": {"red": "golden", "blue": "clear"},
}
"""Words to learn, by attribute, each with the known word that its embedding starts near. White is one of the sky's."""
NEAR = 0.5  # the spread of the start around that word, in standard deviations of the table
OFTEN = 2.5  # how often a picture of something new is drawn, for one of what the old model knows
SIDE = 0.5  # how often a side is told that could be
EMPTY, SAME = 0.1, 0.6  # how often nothing is told, and a scene in the caption's own form


def grow(folder: Path, teach: Sequence[str] = tuple(NEW), seed: int = 0) -> None:
    """Give a pipeline's tokenizer and text encoder the new words of some attributes, untaught; those it has stay."""
    had = whole_words(folder)
    words = {word: known for name in teach for word, known in NEW[name].items() if word not in had}
    tokens = grow_tokenizer(folder / "tokenizer", list(words))
    path = folder / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    table, generator = tensors[EMBEDDING], torch.Generator().manual_seed(seed)
    grown = table.new_zeros(len(tokens), table.shape[1])
    grown[: len(table)] = table
    for word, known in words.items():
        near = table[tokens[known + WORD_ENDS]]
        grown[tokens[word + WORD_ENDS]] = near + NEAR * table.float().std() * torch.randn(
            near.shape, generator=generator
        )
    save_file(tensors | {EMBEDDING: grown}, path, metadata={"format": "pt"})
    update_json(folder / "text_encoder" / "config.json", vocab_size=len(tokens))


Known = Mapping[str, Sequence[str]]
"""The grammar as far as the old model has words for it."""


def shows_new(words: Attributes, known: Known) -> bool:
    """Whether a picture shows what the old model was never taught. Old ones stood left and right as well."""
    return words.landmark not in known["landmark"] or bool(words.colour and "colour" not in known)


def known_part(scene: Scene, known: Known) -> Scene:
    """What the old model knows of a scene: all but colour and side, or nothing of one whose landmark it never saw."""
    if scene.get("landmark", KEY.landmark) not in known["landmark"]:
        return {}
    return {name: words for name, words in scene.items() if words in known.get(name, ())}


class Lessons:
    """Draws scenes with their latents, and how each is told. Nothing is shown or told of what is not to be taught."""

    def __init__(
        self,
        folder: Path,
        rng: np.random.Generator,
        known: Known,
        teach: Sequence[str] = tuple(NEW),
        often: float = OFTEN,
    ) -> None:
        data = load_latents(folder)
        self.latents, self.words, self.rng = torch.from_numpy(data.latents), data.words, rng
        self.known, self.teach, self.new = known, teach, often
        shares = np.array([self._often(one) for one in data.words]) * ~data.held_out
        self.often = shares / shares.sum()
        self.held = [row for row in np.flatnonzero(data.held_out) if self._often(data.words[row])]

    def draw(self, count: int) -> tuple[Tensor, list[Scene | None]]:
        """Latents (count, 4, 32, 32), and what is told of each; None is nothing."""
        rows = self.rng.choice(len(self.often), count, p=self.often)
        return self.latents[rows].float().to(device()), [self._scene(self.words[row]) for row in rows]

    def _scene(self, words: Attributes) -> Scene | None:
        """A picture's scene, whole or in part."""
        if self.rng.random() < EMPTY:
            return None
        scene = part_of(self.told(words), self.rng)
        if "side" not in self.known and self.rng.random() >= SIDE:
            scene.pop("side", None)
        return scene

    def told(self, words: Attributes) -> Scene:
        """All that is told of a scene: of colour and side nothing unless they are known or to be taught."""
        return {name: one for name, one in words.told.items() if name in self.known or name in self.teach}

    def _often(self, words: Attributes) -> float:
        """How often a picture is drawn."""
        untaught = {name for name in ("landmark", "colour") if name not in self.teach}
        strange = words.landmark not in self.known["landmark"] and "landmark" in untaught
        if strange or (words.colour and "colour" not in self.known and "colour" in untaught):
            return 0.0
        return self.new if shows_new(words, self.known) else 1.0

    def tell(self, scene: Scene | None) -> str:
        """The text of a scene, as captions have it or in other words."""
        if scene is None:
            return ""
        return caption(scene) if self.rng.random() < SAME else other_words(scene, self.rng)


class Enlarging(Lap):
    """The run: the model that grows, and the one that it was."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.sampler = Sampler.from_folder(options.out / "start")
        self.before = nn.ModuleDict({"unet": self.sampler.unet, "text": self.sampler.text}).requires_grad_(False)
        super().__init__(copy.deepcopy(self.before).requires_grad_(True), options)
        self.known = known_words(options.pipeline)
        self.lessons = Lessons(options.latents, self.rng, self.known, options.teach, options.often)
        self.memories = Memories(options.memories, self.rng) if options.memories else None
        self.noiser = Noiser(device())
        self.weight = self.noiser.in_x0.sqrt()  # between errors in eps, which lie at low noise, and in x0

    def contexts(self, text: nn.Module, texts: Sequence[str]) -> Tensor:
        """Contexts (n, 32, 128)."""
        return text(tokenize(self.sampler.tokenizer, list(texts)).to(device()))[0]

    @torch.no_grad()
    def wanted(self, x_t: Tensor, eps: Tensor, t: Tensor, scenes: Sequence[Scene | None]) -> Tensor:
        """The eps (n, 4, 32, 32) to learn of pictures with noise eps, of each of which a scene or nothing is told."""
        old = [known_part(scene or {}, self.known) for scene in scenes]
        base = self.before["unet"](x_t, t, self.contexts(self.before["text"], [*map(caption, old)])).sample.float()
        wide = torch.tensor([scene.get("landmark") in NEW["landmark"] for scene in old], device=device())
        if self.options.narrow < 1 and wide.any():
            nothing = self.contexts(self.before["text"], [""]).expand(int(wide.sum()), -1, -1)
            uncond = self.before["unet"](x_t[wide], t[wide], nothing).sample.float()
            base[wide] = torch.lerp(uncond, base[wide], self.options.narrow)
        new = torch.tensor([(scene or {}) != known for scene, known in zip(scenes, old, strict=True)], device=device())
        kept = torch.where(new, self.options.gap * share(t), 0.0)
        return torch.lerp(base, eps, kept[:, None, None, None])

    def loss(self) -> Tensor:
        """The error on a batch of pictures, and on some of what is to be remembered."""
        x0, scenes = self.lessons.draw(self.options.batch)
        t, eps = stratified_levels(len(x0), device()), torch.randn_like(x0)
        x_t, texts = self.noiser.add(x0, eps, t), [self.lessons.tell(scene) for scene in scenes]
        kept, told = self.memories.draw(self.options.remember) if self.memories else ({}, [])
        with torch.autocast(device().type, torch.bfloat16, enabled=self.options.half):
            wanted = self.wanted(x_t, eps, t, scenes)
            found = self.guess([(x_t, t, texts), *remembered(kept, told)])
        loss = (self.weight[t] * (found[: len(x0)] - wanted).square().mean((1, 2, 3))).mean()
        return loss + self.forgotten(found[len(x0) :], kept).mean() if kept else loss

    def guess(self, parts: Sequence[tuple[Tensor, Tensor, Sequence[str]]]) -> Tensor:
        """eps (n, 4, 32, 32) of all parts, each x_t, t and texts, in one batch."""
        x_t, t = (torch.cat([part[place] for part in parts]) for place in (0, 1))
        context = self.contexts(self.module["text"], [text for part in parts for text in part[2]])
        return self.module["unet"](x_t.contiguous(memory_format=torch.channels_last), t, context).sample.float()

    def forgotten(self, found: Tensor, kept: Mapping[str, Tensor]) -> Tensor:
        """Squared errors (n,) of both guesses at what is remembered and, `GAP` times, of the gap between them.

        In x0, since that is what guidance multiplies, and weighing what pictures do where the cap is.
        """
        uncond, cond = found.chunk(2)
        error = errors_with_gap(uncond - kept["uncond"], cond - kept["uncond"] - kept["gap"])
        return self.noiser.in_x0[kept["t"]] / X0_CAP**0.5 * error

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Errors on held-out pictures at t = 150 … 950, old and new by what is told, and of what is remembered."""
        rows = self.lessons.held[: self.options.validate]
        scenes = [self.lessons.told(self.lessons.words[row]) for row in rows]
        x0 = self.lessons.latents[rows].float().to(device())
        eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(9)).to(device())
        t = (torch.arange(len(rows), device=device()) % 5) * 200 + 150
        x_t, texts = self.noiser.add(x0, eps, t), [*map(caption, scenes)]
        new = torch.tensor([known_part(scene, self.known) != scene for scene in scenes], device=device())
        error = torch.cat([self._error(x_t[at], eps[at], t[at], scenes[at], texts[at]) for at in _slices(len(rows))])
        found = {name: float(error[rows].mean()) for name, rows in {"old": ~new, "new": new}.items() if rows.any()}
        if self.memories:
            held = self.memories.held[:: max(1, len(self.memories.held) // self.options.validate)]
            parts = [self.memories.rows(held[at]) for at in _slices(len(held))]
            lost = [self.forgotten(self.guess(remembered(*part)), part[0]) for part in parts]
            found["forgotten"] = float(torch.cat(lost).mean())
        return found

    def _error(self, x_t: Tensor, eps: Tensor, t: Tensor, scenes: Sequence[Scene], texts: Sequence[str]) -> Tensor:
        wanted = self.wanted(x_t, eps, t, scenes)
        return self.weight[t] * (self.guess([(x_t, t, texts)]) - wanted).square().mean((1, 2, 3))

    def keep(self) -> None:
        """Write the model with the averaged weights."""
        for name, part in (("unet", "unet"), ("text_encoder", "text")):
            copy.deepcopy(self.module[part]).half().save_pretrained(self.options.out / "model" / name)


def remembered(kept: Mapping[str, Tensor], told: Sequence[str]) -> list[tuple[Tensor, Tensor, Sequence[str]]]:
    """What to guess anew of some memories: without words, then with them."""
    return [(kept["x_t"], kept["t"], texts) for texts in ([""] * len(told), told)] if told else []


def _slices(count: int) -> list[slice]:
    return [slice(start, start + 32) for start in range(0, count, 32)]


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of this stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("grow", "train"))
    parser.add_argument(
        "--pipeline",
        type=Path,
        default=Path("src/denoisecli/pocket"),
        help="to grow from; new is what it has no words for",
    )
    parser.add_argument("--latents", type=Path, default=Path("build/pocket/latents-scenes"))
    parser.add_argument("--out", type=Path, default=Path("build/pocket/new"))
    parser.add_argument(
        "--teach", nargs="+", choices=NEW, default=list(NEW), help="attributes whose new words to learn"
    )
    parser.add_argument(
        "--often", type=float, default=OFTEN, help="draw of a picture of something new, for 1 of others"
    )
    parser.add_argument("--gap", type=float, default=1.0, help="share of the new words' gap, beside that of its level")
    parser.add_argument(
        "--narrow", type=float, default=1.0, help="share of the gap that new landmarks keep that are known already"
    )
    parser.add_argument(
        "--memories", type=Path, nargs="+", default=[], help="folders of `training.memories`, not to be forgotten"
    )
    parser.add_argument("--remember", type=int, default=4, help="states of them a step and worker")
    parser.add_argument(
        "--half", action="store_true", help="compute in bfloat16: a third faster where the processor has it"
    )
    parser.add_argument("--validate", type=int, default=160, help="held-out pictures to measure on")
    add_lap_options(parser, steps=6000, batch=16, lr=3e-4, decay=0.998, every=240)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Copy the model and give it the words; or teach them."""
    options = parse(argv)
    if options.what == "train":
        lap = Enlarging(options)
        lap.run(lap.loss, lap.measure, lap.keep, hold=0.2)
        return
    for name in ("start", "model"):
        if not (options.out / name).exists():
            partial = options.out / f"{name}.partial"
            shutil.copytree(options.pipeline, partial, dirs_exist_ok=True)
            grow(partial, options.teach)
            partial.rename(options.out / name)


if __name__ == "__main__":
    main()
