"""Teach the text encoder that a scene may be told in any order, in part, and in short.

    python -m training.wording states --pipeline build/pocket/model --out build/pocket/wording
    python -m training.wording train --pipeline build/pocket/model --out build/pocket/wording

Captions have one form, so a model that learnt from them alone takes the place of a word for a part of what it says:
"oil painting, a lighthouse on a rocky cliff" has no lighthouse. Cross-attention takes tokens as a set, so nothing but
the text encoder stands in the way. `states` keeps what the denoiser guesses on guided runs of captions, whole and in
part; `train` fits the text encoder until other wordings of the same scene lead to the same guesses, and until their
words are embedded as in the caption. The denoiser stays as it is, and captions of the one form go on meaning what they
meant: a part of each batch is these. Both go on where they were killed; `text_encoder/` has the averaged weights.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from training.captions import GRAMMAR, HELD_OUT, KEY, LEFT_OUT, random_attributes
from training.denoiser import X0_CAP, Noiser
from training.grid import build_solver
from training.models import MAX_TOKENS, tokenize
from training.runs import Lap, add_lap_options, device, save_whole
from training.sampling import Sampler, starting_noise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

SHORT: dict[str, tuple[str, ...]] = {
    "pine tree": ("tree", "pine"),
    "stone tower": ("tower",),
    "rocky cliff": ("cliff",),
    "grassy hill": ("hill", "small hill"),
    "small island": ("island",),
    "sand dune": ("dune", "sand"),
    "clear sky": ("clear",),
    "soft white clouds": ("white clouds", "soft clouds", "clouds"),
    "dramatic golden clouds": ("golden clouds", "dramatic clouds", "golden sky"),
    "dark storm clouds": ("storm clouds", "dark clouds", "storm", "storm sky"),
    "crashing waves": ("waves", "crashing sea", "storm sea"),
    "calm sea": ("sea",),
    "field of flowers": ("flowers", "flowers field"),
    "snowy field": ("snowy",),
    "oil painting": ("oil", "painting", "oil sketch"),
    "watercolor": ("watercolor painting", "watercolor sketch"),
    "pencil sketch": ("sketch", "pencil"),
    "pixel art": ("pixel", "art pixel"),
    "flat poster": ("poster",),
}
"""What a scene's words may shrink to. Synonyms are read as these words (`training.synonyms`)."""
WHOLE, SAME, BRIEF = 0.5, 0.3, 0.25  # how often all is told, in the caption's own form, and a phrase in short
STEPS, SCALES = 10, (1.0, 3.0, 5.0, 7.5)
RUNS = 16  # side by side, a file
AGAIN = {"of", "white"}
"""Words that may come twice in a caption, so that one cannot be paired with the other's place."""
GUESSES, WORDS, KEPT = 2000.0, 0.3, 8.0
"""What errors weigh: of guesses, of words' embeddings in other forms, and of those in the caption's own."""

Scene = dict[str, str]
"""Some of a scene's attributes, in the grammar's order."""


def draw_scene(rng: np.random.Generator) -> Scene:
    """The key scene or any other, whole or a part of it; now and then with words that only LoRAs know."""
    scene = (KEY if rng.random() < 0.1 else random_attributes(rng)).told
    if rng.random() < 0.08:
        name = str(rng.choice(list(HELD_OUT)))
        scene[name] = HELD_OUT[name]
    return part_of(scene, rng)


def part_of(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene whole, or some of it. What is told of the landmark is told with it or not at all."""
    if rng.random() < WHOLE:
        return scene
    free = [name for name in scene if name not in LEFT_OUT]
    kept = set(rng.choice(free, int(rng.integers(1, len(free))), replace=False).tolist())
    kept |= set(LEFT_OUT) if "landmark" in kept else set()
    return {name: words for name, words in scene.items() if name in kept}


def caption(scene: Scene) -> str:
    """The scene in the one form that captions have, less what is left out."""
    place = [f"a {_coloured(scene)}"] if "landmark" in scene else []
    if "terrain" in scene:
        place.append(f"on a {scene['terrain']}")
    if "side" in scene:
        place.append(f"on the {scene['side']}")
    if "time" in scene:
        place.append(f"at {scene['time']}")
    rest = [scene[name] for name in ("sky", "foreground", "style") if name in scene]
    return ", ".join(([" ".join(place)] if place else []) + rest).removeprefix("on ").removeprefix("at ")


def _coloured(scene: Scene) -> str:
    return f"{scene['colour']} {scene['landmark']}" if "colour" in scene else scene["landmark"]


def other_words(scene: Scene, rng: np.random.Generator) -> str:
    """The scene in another order, with other words in between, each phrase now and then in short."""
    said = {name: _brief(words, rng) for name, words in scene.items()}
    style = said.pop("style", None)
    parts = _parts(said, rng)
    rng.shuffle(parts)
    text = ""
    for part in parts:
        text += (_one(rng, ", ", ", ", " ", " , ") if text else "") + part
    if style is None or not text:
        return text or str(style)
    forms = ("a {style} of {text}", "{style} of {text}", "{style}, {text}", "{text}, {style}", "{text} {style}")
    return _one(rng, *forms, "{text} at {style}").format(style=style, text=text)


def _parts(said: Scene, rng: np.random.Generator) -> list[str]:
    """What is told apart from each other: the place, now and then with the time or the foreground, and the others."""
    terrain, hour, foreground, side = (said.get(name) for name in ("terrain", "time", "foreground", "side"))
    landmark = _coloured(said) if "landmark" in said else ""
    place = _one(rng, "a ", "a ", "") + landmark if landmark else ""
    if terrain and landmark and rng.random() < 0.15:
        place = f"a {terrain} {_one(rng, ',', 'at', '')} {place}"
    elif terrain:
        place += (_one(rng, " on a ", " on ", " at a ", " , ") if landmark else _one(rng, "a ", "")) + terrain
    found = [said["sky"]] if "sky" in said else []
    if side and place and rng.random() < 0.6:
        place += _one(rng, " on the ", " on the ", " at the ", " , ", " ") + side
    elif side:
        found.append(_one(rng, "on the ", "") + side)
    if hour and place and rng.random() < 0.5:
        place += _one(rng, " at ", " at a ", " , ") + hour
    elif hour:
        found.append(_one(rng, "at ", "at a ", "") + hour)
    if foreground and place and rng.random() < 0.4:
        place += _one(rng, " at a ", " at ", " on a ", " on ", " , ") + foreground
    elif foreground:
        found.append(_one(rng, "", "", "at a ", "at ", "on a ", "a ") + foreground)
    return [*found, place] if place else found


def _brief(words: str, rng: np.random.Generator) -> str:
    return _one(rng, *SHORT[words]) if words in SHORT and rng.random() < BRIEF else words


def _one(rng: np.random.Generator, *choices: str) -> str:
    return choices[int(rng.integers(len(choices)))]


def aligned(tokens: Sequence[int], right: Sequence[int], words: set[int], end: int) -> list[tuple[int, int]]:
    """Pairs of places, in `tokens` and in `right`, of the same word, of the first token, and of those behind the end.

    words: tokens that stand for something, each once in a caption at most.
    """
    ends = tokens.index(end), right.index(end)
    places = {token: place for place, token in enumerate(right[: ends[1]]) if token in words}
    pairs = [(0, 0)] + [(at, places[token]) for at, token in enumerate(tokens[: ends[0]]) if token in places]
    return pairs + [(at, min(MAX_TOKENS - 1, at - ends[0] + ends[1])) for at in range(ends[0], MAX_TOKENS)]


@torch.no_grad()
def keep_states(options: argparse.Namespace) -> None:
    """Write the files that are missing: x_t, t, and eps with words, of guided runs; scenes say which words."""
    sampler = Sampler.from_folder(options.pipeline)
    empty = sampler.embed([""])
    for number in range(options.files):
        path = options.out / "states" / f"{number:03}.pt"
        if path.exists():
            continue
        rng = np.random.default_rng((17, options.seed, number))
        scenes, rows = [draw_scene(rng) for _ in range(RUNS)], []
        context = torch.cat([empty.expand(RUNS, -1, -1), sampler.embed([caption(scene) for scene in scenes])])
        solver = build_solver("ddim")
        solver.set_timesteps(STEPS)
        x_t = starting_noise([int(seed) for seed in rng.integers(1 << 31, size=RUNS)]).to(device())
        scale = torch.tensor(rng.choice(SCALES, RUNS)).float().to(device())[:, None, None, None]
        for t in solver.timesteps:
            uncond, cond = sampler.unet(torch.cat([x_t, x_t]), t, context).sample.chunk(2)
            rows.append({"x_t": x_t.half().cpu(), "eps": cond.half().cpu(), "t": t.expand(RUNS)})
            x_t = solver.step(uncond + scale * (cond - uncond), t, x_t).prev_sample
        save_whole({name: torch.cat([row[name] for row in rows]) for name in rows[0]} | {"scenes": scenes}, path)
        print(f"{path.name}: {RUNS * STEPS} states", flush=True)


class Wording(Lap):
    """The run: the text encoder, and what it is to lead to."""

    def __init__(self, options: argparse.Namespace) -> None:
        sampler = Sampler.from_folder(options.pipeline)
        self.tokenizer, self.unet = sampler.tokenizer, sampler.unet.requires_grad_(False)
        self.before, self.text = sampler.text.requires_grad_(False), copy.deepcopy(sampler.text)
        super().__init__(self.text.requires_grad_(True), options, betas=(0.9, 0.99))
        self.weight = Noiser(device()).in_x0 / X0_CAP
        known = {word for phrases in (*GRAMMAR.values(), HELD_OUT.values()) for one in phrases for word in one.split()}
        numbers = [self.tokenizer(word).input_ids[1:-1] for word in known - AGAIN]
        self.words = {one[0] for one in numbers if len(one) == 1}
        self.files = [torch.load(path, weights_only=True) for path in sorted((options.out / "states").glob("*.pt"))]

    def rows(self, number: int, count: int, rng: np.random.Generator) -> dict[str, Any]:
        """Some states of a file, with their scenes."""
        kept = self.files[number]
        chosen = rng.choice(len(kept["t"]), count, replace=False)
        part = {name: kept[name][chosen].to(device()) for name in ("x_t", "eps", "t")}
        return part | {"scenes": [kept["scenes"][row % RUNS] for row in chosen]}

    def guesses(self, rows: Mapping[str, Any], texts: Sequence[str]) -> Tensor:
        """Mean squared error in x0 of the guesses that `texts` lead to, by `X0_CAP`, for each state."""
        context = self.text(tokenize(self.tokenizer, list(texts)).to(device())).last_hidden_state
        x_t = rows["x_t"].float().contiguous(memory_format=torch.channels_last)
        eps = self.unet(x_t, rows["t"], context).sample
        return self.weight[rows["t"]] * (eps - rows["eps"].float()).square().mean((1, 2, 3))

    def embeddings(self, scenes: Sequence[Scene], texts: Sequence[str]) -> Tensor:
        """Mean squared error of what embeds the words, the first token and those behind the end, for each text."""
        captions, told = (tokenize(self.tokenizer, list(one)) for one in (map(caption, scenes), texts))
        with torch.no_grad():
            right = self.before(captions.to(device())).last_hidden_state
        found, end = self.text(told.to(device())).last_hidden_state, self.tokenizer.eos_token_id
        errors = []
        for row, (ours, theirs) in enumerate(zip(told.tolist(), captions.tolist(), strict=True)):
            here, there = zip(*aligned(ours, theirs, self.words, end), strict=True)
            errors.append((found[row, list(here)] - right[row, list(there)]).square().mean())
        return torch.stack(errors)

    def loss(self) -> Tensor:
        """Errors of guesses at some states, and of what embeds the words of other texts."""
        rows = self.rows(int(self.rng.integers(1, len(self.files))), self.options.batch, self.rng)
        loss = GUESSES * self.guesses(rows, [self._told(scene) for scene in rows["scenes"]]).mean()
        scenes = [draw_scene(self.rng) for _ in range(self.options.texts)]
        texts = [self._told(scene) for scene in scenes]
        same = torch.tensor([caption(scene) == text for scene, text in zip(scenes, texts, strict=True)]).to(device())
        return loss + (self.embeddings(scenes, texts) * torch.where(same, KEPT, WORDS)).mean()

    def _told(self, scene: Scene) -> str:
        return caption(scene) if self.rng.random() < SAME else other_words(scene, self.rng)

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Errors on the first file, of guesses and of embeddings: captions as they are, and told in other words."""
        rng = np.random.default_rng(self.options.seed)
        rows = self.rows(0, min(64, RUNS * STEPS), rng)
        scenes = rows["scenes"]
        tellings = {"caption": [*map(caption, scenes)], "other": [other_words(scene, rng) for scene in scenes]}
        found = {}
        for name, texts in tellings.items():
            found[name] = float(self.guesses(rows, texts).mean())
            found[f"{name}_words"] = float(self.embeddings(scenes, texts).mean())
        return found

    def keep(self) -> None:
        """Write the text encoder with the averaged weights."""
        copy.deepcopy(self.text).half().save_pretrained(self.options.out / "text_encoder")


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of this stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("states", "train"))
    parser.add_argument("--pipeline", type=Path, default=Path("build/pocket/model"))
    parser.add_argument("--out", type=Path, default=Path("build/pocket/wording"))
    parser.add_argument("--files", type=int, default=20, help=f"of {RUNS * STEPS} states")
    parser.add_argument("--texts", type=int, default=64, help="texts a step, for their words alone")
    add_lap_options(parser, steps=520, batch=12, lr=6e-4, decay=0.99, every=120)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Keep states, or train on them."""
    options = parse(argv)
    if options.what == "states":
        keep_states(options)
    else:
        lap = Wording(options)
        lap.run(lap.loss, lap.measure, lap.keep, hold=0.1)


if __name__ == "__main__":
    main()
