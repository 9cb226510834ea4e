"""One film of every kind, drawn from runs that were never made: a table for what must hold of all of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from denoisecli.figures.theme import FilmStyle
from denoisecli.labs.cfg_sweep.figures.anatomy import anatomy_frames
from denoisecli.labs.cfg_sweep.figures.film import sweep_frames
from denoisecli.labs.lora_rank.figures.blocks import file_frames
from denoisecli.labs.lora_rank.figures.matrix import matrix_frames
from denoisecli.labs.lora_rank.figures.pictures import rank_frames, scale_frames
from denoisecli.labs.lora_rank.matrix import bolt, cut_matrix
from denoisecli.labs.noise.figures.film import NoiseDrawing
from denoisecli.labs.sample.figures.deck import deck_frames
from denoisecli.labs.sample.figures.single_view import view_frames
from denoisecli.labs.walk.figures.cross_fade import SideBySide, fade_frames
from denoisecli.labs.walk.figures.facts import walk_facts
from denoisecli.labs.walk.figures.film import WalkDrawing
from denoisecli.tools.compare.film import Versus, versus_frames
from denoisecli.tools.compare.states import compare
from tests.figures.fakes import PROMPT, fake_run, scene
from tests.labs.cfg_sweep.figures.fakes import STEPS, fake_anatomy, fake_sweep
from tests.labs.lora_rank.figures.fakes import painted, subject_file
from tests.labs.noise.figures.fakes import noise_trace
from tests.labs.walk.figures.fakes import record


@dataclass(frozen=True)
class Case:
    """What a film is drawn of. seeds: or scales, ends, ranks, blocks; size: of the pictures, (height, width)."""

    seeds: int = 3
    steps: int = 4
    size: tuple[int, int] = (64, 64)
    prompt: str = PROMPT


Frames = Iterator[np.ndarray]
Film = Callable[[FilmStyle, Case], Frames]


def deck(style: FilmStyle, case: Case) -> Frames:
    return deck_frames(*fake_run(case.seeds, case.steps, case.size, case.prompt), style)


def view(style: FilmStyle, case: Case) -> Frames:
    trace, pictures = fake_run(case.seeds, case.steps, case.size, case.prompt)
    return view_frames("guess", trace, pictures, style)


def latent(style: FilmStyle, case: Case) -> Frames:
    trace, pictures = fake_run(case.seeds, case.steps, case.size, case.prompt)
    return view_frames("latent", trace, pictures, style)


def noise(style: FilmStyle, case: Case) -> Frames:
    drawing = NoiseDrawing(noise_trace(size=case.size[::-1], frames=case.steps + 1), style)
    return (drawing.frame(index) for index in range(case.steps + 1))


def noises(style: FilmStyle, case: Case) -> Frames:
    names = ("scaled_linear", "cosine", "karras", "rectified_flow", "zero_snr", "linear")[: max(2, min(6, case.seeds))]
    drawing = NoiseDrawing(noise_trace(names, case.size[::-1], case.steps + 1), style)
    return (drawing.frame(index) for index in range(case.steps + 1))


def noise_latent(style: FilmStyle, case: Case) -> Frames:
    drawing = NoiseDrawing(noise_trace(size=case.size[::-1], frames=case.steps + 1, guess=True), style)
    return (drawing.frame(index) for index in range(case.steps + 1))


def sweep(style: FilmStyle, case: Case, rows: tuple[str, ...] = ("guess",), seeds: int = 1) -> Frames:
    labels = ("1", "7.5", "12→3", "3", "2", "4", "5", "6", "8", "9", "10", "15")[: max(1, min(12, case.seeds))]
    trace, pictures = fake_sweep(labels, seeds, prompt=case.prompt, guidance_interval=[0.25, 0.75], size=case.size)
    return sweep_frames(trace, pictures, style, rows)


def sweep_rows(style: FilmStyle, case: Case) -> Frames:
    return sweep(style, case, ("canvas", "guess"), 2)


def anatomy(style: FilmStyle, case: Case) -> Frames:
    trace, pictures = fake_sweep(prompt=case.prompt, negative_prompt="blurry", size=case.size)
    return anatomy_frames(trace, fake_anatomy(pictures, (True, False, True, True)[:STEPS]), style)


def walk(style: FilmStyle, case: Case, kind: str = "seeds") -> Frames:
    ends = max(2, min(12, case.seeds))
    if kind == "prompts":
        facts = walk_facts(record(("prompt 1", "prompt 2", "prompt 3"), case.steps + 1, kind))
    else:
        facts = walk_facts(record([f"seed {7 * k}" for k in range(ends)], case.steps + 1, prompt=case.prompt))
    shown = [_picture(end, case) for end in range(len(facts.course.names))]
    return WalkDrawing(facts, lambda frame: _picture(frame, case), shown, style).frames(range(case.steps + 1))


def walk_prompts(style: FilmStyle, case: Case) -> Frames:
    return walk(style, case, "prompts")


def fade(style: FilmStyle, case: Case) -> Frames:
    facts = walk_facts(record(frames=case.steps + 1, prompt=case.prompt))
    ends = [_picture(end, case) for end in range(3)]
    return fade_frames(SideBySide(facts, lambda frame: _picture(frame, case), ends), range(case.steps + 1), style)


def rank_toy(style: FilmStyle, case: Case) -> Frames:
    ranks = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)[: max(1, min(10, case.seeds))]
    return matrix_frames(cut_matrix("bolt", bolt(), ranks), style)


def rank_file(style: FilmStyle, case: Case) -> Frames:
    return file_frames(subject_file(max(1, min(14, case.seeds))), style)


def rank_pictures(style: FilmStyle, case: Case) -> Frames:
    return rank_frames(painted(min(case.seeds, 6)), subject_file().rows, style)


def rank_scales(style: FilmStyle, case: Case) -> Frames:
    return scale_frames(painted(min(case.seeds, 6)), subject_file().rows, style)


def versus(style: FilmStyle, case: Case) -> Frames:
    runs = [fake_run(case.seeds, case.steps, case.size, words) for words in (case.prompt, "a storm at sea")]
    for (trace, _), sampler in zip(runs, ("ddim", "dpmpp_2m_karras"), strict=True):
        trace.record["config"] |= {"sampler": sampler, "seeds": list(range(case.seeds))}
    (a, shown_a), (b, shown_b) = runs
    found = compare(a, b)
    return versus_frames(Versus(found, shown_a, shown_b, (case.prompt, "a storm at sea"), style.theme), style)


def _picture(number: int, case: Case) -> np.ndarray:
    return (scene(number, *case.size) * 255).astype(np.uint8)


FILMS: dict[str, Film] = {
    film.__name__: film
    for film in (
        deck, view, latent, noise, noises, noise_latent, sweep, sweep_rows, anatomy, walk, walk_prompts, fade, rank_toy,
        rank_file, rank_pictures, rank_scales, versus,
    )
}  # fmt: skip
