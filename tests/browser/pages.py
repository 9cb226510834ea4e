"""Pages of runs that took no model: handmade decks and sweeps, and real noise runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from denoisecli.labs.cfg_sweep import page as cfg_sweep
from denoisecli.labs.cfg_sweep.config import CfgSweepConfig
from denoisecli.labs.cfg_sweep.numbers import sameness_rows, sweep_rows
from denoisecli.labs.cfg_sweep.scales import swept_scales
from denoisecli.labs.fork import page as fork
from denoisecli.labs.fork.numbers import record as forks_of
from denoisecli.labs.lora_rank import page as lora_rank
from denoisecli.labs.lora_rank.figures.pictures import Painted
from denoisecli.labs.lora_rank.matrix import bolt, cut_matrix
from denoisecli.labs.noise import page as noise
from denoisecli.labs.noise.config import SCHEDULES, NoiseConfig
from denoisecli.labs.noise.lab import clean_picture, forward_trace
from denoisecli.labs.pages import page_of
from denoisecli.labs.pictures import Pictures
from denoisecli.labs.sample import page as sample
from denoisecli.labs.walk import page as walk
from denoisecli.labs.words import page as words
from denoisecli.media.page import write_page
from denoisecli.media.picture_file import Encoded, PictureFile, write_pictures
from denoisecli.process.forward import schedule_named
from denoisecli.report import Report
from denoisecli.runs.folder import RunFolder
from denoisecli.tools.gallery.tool import make_gallery
from denoisecli.trace import Trace
from tests.figures.fakes import PROMPT, blurred, fake_run, scene
from tests.hand_made import hand_made_run
from tests.labs.lora_rank.figures.fakes import subject_file
from tests.labs.noise.figures.fakes import noise_trace
from tests.labs.walk.figures.fakes import record
from tests.labs.words.fakes import words_run

HOSTILE = "</script><img src=x onerror=\"document.title='run'\"> <!--<script> & \u2028 “quotes”"
SIZES = [(390, 844), (820, 1180), (1280, 860), (1920, 1080), (1024, 600)]
COMMAND = "denoisecli sample --seed 7 --seed 21 --seed 42"


def deck_page(folder: Path, theme: str = "dark", prompt: str = PROMPT, seeds: int = 3, steps: int = 8) -> Path:
    trace, pictures = fake_run(seeds, steps, prompt=prompt)
    with PictureFile.open(write_pictures(folder / "pictures.zip", pictures)) as stored:
        made = page_of(sample.sample_page(trace, stored.shapes), stored, theme, COMMAND)
    return write_page(folder / "page.html", made)


def words_page(folder: Path, theme: str = "dark", prompt: str = PROMPT, seeds: int = 2, **keys) -> Path:
    """Write the page of words that nobody heard; keys: of `words_run`."""
    trace, pictures = words_run(seeds, prompt=prompt, **keys)
    with PictureFile.open(write_pictures(folder / "pictures.zip", pictures)) as stored:
        made = page_of(words.words_page(trace, stored.shapes), stored, theme, "denoisecli words --seed 7 --seed 21")
    return write_page(folder / "page.html", made)


def fork_page(folder: Path, theme: str = "dark", prompt: str = PROMPT, seeds: int = 2, steps: int = 8) -> Path:
    """Write the page of forks whose pictures go over into those of other words, the layout later than the detail."""
    trace, pictures = fake_run(seeds, steps, prompt=prompt)
    at, kept = [0, 2, 4, 6], pictures["guess"][:, -1].astype(np.float64)
    other = fake_run(seeds, steps, prompt="another")[1]["guess"][::-1, -1, :, ::-1].astype(np.float64)
    by_band = {"layout": [1, 0.9, 0.6, 0.2], "detail": [1, 0.7, 0.4, 0.1]}
    share = {band: np.array(row)[:, None] * np.linspace(1, 0.9, seeds) for band, row in by_band.items()}
    ends = [kept + (other - kept) * row.mean() for row in share["layout"]]
    finals = np.array(ends).round().astype(np.uint8)
    trace.lab = "fork"
    trace.record |= forks_of(at, share, steps, np.array(by_band["layout"])[:, None] * np.ones(seeds), 2 * seeds)
    trace.record |= {"branches": at, "config": trace.record["config"] | {"lab": "fork", "to": {"prompt": "a mill"}}}
    with PictureFile.open(write_pictures(folder / "pictures.zip", pictures | {"final": finals})) as stored:
        made = page_of(fork.fork_page(trace, stored.shapes), stored, theme, "denoisecli fork --to 'a mill'")
    return write_page(folder / "page.html", made)


def gallery_page(folder: Path, theme: str = "dark", prompt: str = PROMPT) -> Path:
    """Write the index of four decks, a noise run without pictures, and a run that failed; return its path."""
    decks = {
        "plain": (1, 7.5, "ddim"),
        "strong": (1, 12, "ddim"),
        "four # & more": (4, 3, "euler"),
        "weak": (1, 1, "ddim"),
    }
    for number, (name, (seeds, cfg, sampler)) in enumerate(decks.items()):
        trace, pictures = fake_run(seeds, 6, prompt=prompt)
        settings = [f"prompt={prompt}", f"seeds={[7, 21, 42, 99][:seeds]}", f"cfg={cfg}"]
        run = hand_made_run(
            folder / "runs" / "sample" / name, "sample", *settings, f"sampler={sampler}", film=False,
            runs=trace.record["runs"], created=f"2026-02-0{number + 1}T10:00:00+00:00",
        )  # fmt: skip
        stretched = np.clip(pictures["canvas"] * (0.6 + cfg / 16), 0, 255).astype(np.uint8)
        write_pictures(run / "pictures.zip", {"canvas": stretched})
        (run / "page.html").write_text(f"<title>{number}</title>", encoding="utf-8")
    hand_made_run(folder / "runs" / "noise" / "sea", "noise", film=False)
    RunFolder(folder / "runs" / "walk" / "a-lake-0a1b2c3d", "0a1b2c3d").fail("The disk is full.", "Free some.")
    return make_gallery([folder / "runs"], folder / "runs" / "index.html", Report(), theme=theme)


def noise_page(folder: Path, theme: str = "dark", size: tuple[int, int] = (96, 64)):
    config = NoiseConfig(size=size, frames=2)
    tables = {name: schedule_named(name) for name in SCHEDULES}
    schedule = tables[config.compared[0]]
    trace = forward_trace(config, clean_picture(config), [schedule], [schedule.paced(2, "t")])
    body = noise.noise_page(trace, tables)
    return write_page(folder / "page.html", page_of(body, {}, theme, "denoisecli noise")), trace


def guess_page(folder: Path, theme: str = "dark", frames: int = 5, *, guess: bool = True):
    """Write the page of a noise run with a model beside it; return (path, trace). guess: or its latents alone."""
    trace = noise_trace(size=(96, 64), frames=frames, guess=True)
    if not guess:
        del trace.arrays["guess_pictures"]
    body = noise.noise_page(trace, {name: schedule_named(name) for name in SCHEDULES})
    shown = {name: Encoded(stack) for name, stack in noise.model_pictures(trace).items()}
    return write_page(folder / "page.html", page_of(body, shown, theme, "denoisecli noise --guess")), trace


def sweep_page(folder: Path, theme: str = "dark", prompt: str = PROMPT, seeds: int = 1, steps: int = 8, **keys):
    """Write the page of a sweep whose guidance stretches the colours; return (path, trace, pictures).

    keys: of the config; every scale has the same noise, and what it adds grows with the state.
    """
    config = CfgSweepConfig(prompt=prompt, seeds=list(range(1, seeds + 1)), steps=steps, **keys)
    trace, pictures = guided_run(config, swept_scales(config))
    with PictureFile.open(write_pictures(folder / "pictures.zip", pictures)) as stored:
        made = page_of(cfg_sweep.sweep_page(trace, stored.shapes), stored, theme, "denoisecli cfg-sweep --seed 1")
    return write_page(folder / "page.html", made), trace, pictures


def guided_run(config: CfgSweepConfig, scales):
    """Return a trace and pictures that no model made: (scale, seed) on the first axis, taken apart at the third."""
    plain, drawn = fake_run(len(config.seeds), config.steps, prompt=config.prompt)
    strengths = [np.append(1, np.cumsum(scale.steps) / np.arange(1, config.steps + 1)) for scale in scales]
    gains = [1 + 0.09 * (strength - 1) for strength in strengths]  # one a state

    def swept(stack, axes):
        shape = (1, -1) + (1,) * axes
        return np.concatenate([stack * gain[: stack.shape[1]].reshape(shape) for gain in gains])

    guess = swept(drawn["guess"] - 110.0, 3).clip(-110, 145) + 110
    canvas = np.concatenate([drawn["canvas"]] * len(scales))
    canvas[:, -1] = guess[:, -1]
    x0, x_t = swept(plain.x0, 3), np.concatenate([plain.x_t] * len(scales))
    x_t[:, -1] = swept(plain.x_t, 3)[:, -1]
    cond = x_t[:, :-1] - x0
    pull = 0.05 * np.abs(plain.x0[:, -1:, :1]) * np.linspace(0.4, 1, config.steps)[:, None, None, None]
    uncond = cond - np.concatenate([pull] * len(scales))
    for index, scale in enumerate(scales):
        rows = slice(index * len(config.seeds), (index + 1) * len(config.seeds))
        off = np.array(scale.steps) == 1
        uncond[rows, off] = cond[rows, off]
    arrays = {name: plain[name] for name in ("sigmas", "alpha_bars", "timesteps")}
    arrays |= {"x_t": x_t, "x0": x0, "eps_cond": np.float32(cond), "eps_uncond": np.float32(uncond)}
    trace = Trace("cfg-sweep", arrays, plain.record | {"config": config.model_dump(mode="json")})
    shown = Pictures(canvas, guess.astype(np.uint8), {})
    trace.record["runs"] = sweep_rows(trace, shown, scales, config.seeds)
    trace.record["sameness"] = sameness_rows(trace, scales, len(config.seeds))
    trace.record["scales"] = [scale.record for scale in scales]
    apart = min(2, len(scales) - 1)
    trace.record["anatomy"] = {"sample": apart * len(config.seeds), "scale": apart}
    halves = {"uncond": drawn["guess"][0, :-1] // 2 + 40, "cond": drawn["guess"][0, :-1]}
    pictures = {"canvas": canvas, "guess": shown.guess, **halves, "guided": shown.guess[apart * len(config.seeds), :-1]}
    return trace, pictures


def matrix_page(folder: Path, theme: str = "dark", matrix: np.ndarray | None = None) -> Path:
    """Write the toy's page: the bolt, or another matrix."""
    matrix = bolt() if matrix is None else matrix
    subject = cut_matrix("bolt", matrix, (min(matrix.shape),))
    return write_page(folder / "page.html", page_of(lora_rank.matrix_page(subject), {}, theme, "denoisecli lora-rank"))


def lora_page(folder: Path, theme: str = "dark", prompt: str = PROMPT, *, paints: bool = True, layers: int = 3):
    """Write the page of a LoRA file that nobody trained: five cuts, four strengths, seven blocks.

    Returns (path, body, pictures).
    """
    subject = subject_file()
    rows = [{"rank": 4**k, **row, "distance_by_seed": {"7": 1 - row["energy"], "21": 0.8 - 0.8 * row["energy"]}}
            for k, row in enumerate(subject.rows)]  # fmt: skip
    subject = replace(subject, rows=tuple(rows))
    rng = np.random.default_rng(0)
    values = {f"down {k} attn": np.sort(rng.random(16))[::-1] for k in range(layers)}
    given = {row["rule"]: dict.fromkeys(values, min(16, 1 + 3 * k)) for k, row in enumerate(rows)}
    sweep = [{"rule": f"scale-{scale:g}", "scale": scale, "distance_to_full": abs(1 - scale), "distance_by_seed": None}
             for scale in (0, 0.5, 1, 1.5)]  # fmt: skip
    labels = ["off", *(row["rule"] for row in rows), "whole", *(row["rule"] for row in sweep)]
    pictures = np.stack([[_styled(seed, k / len(labels)) for seed in (7, 21)] for k in range(len(labels))])
    painted = Painted(
        prompt, "a style · DDIM · 20 steps", ("7", "21"), dict(zip(labels, pictures, strict=True)), 16, 6_000_000
    )
    piece = replace(cut_matrix("up 0 attn2_to_k", rng.normal(size=(12, 20)), (1, 4, 12)), whole=(320, 768))
    body = lora_rank.file_page(
        subject,
        lora_rank.Layers(values, given),
        piece,
        painted if paints else None,
        [*rows, *sweep] if paints else rows,
    )
    with PictureFile.open(write_pictures(folder / "pictures.zip", {"final": pictures})) as stored:
        made = page_of(body, stored, theme, "denoisecli lora-rank --lora pocket")
    return write_page(folder / "page.html", made), body, pictures


def _styled(seed: int, share: float) -> np.ndarray:
    """Return a scene whose colours fall into fewer and fewer steps."""
    levels = 12 - 9 * share
    return np.uint8(np.round(scene(seed) * levels) / levels * 255)


def walk_page(folder: Path, theme: str = "dark", prompt: str = PROMPT, *, back: bool = True, drawn=None, **keys):
    """Write the page of a walk between drawn scenes, three seeds and 13 frames; return (path, pictures).

    drawn: by how much the guesses of each column were scaled to be drawn, (column, row).
    """
    found = record(prompt=prompt, **keys)
    count = len(found["runs"])
    largest = {"even": 0.5, "perceptual": 0.34}
    found["walk"]["jumps"] = {name: {"frames": count, "largest": jump} for name, jump in largest.items()}
    found["sheet"] = {"frames": sorted({0, *range(0, count, 2), count - 1}), "states": [0, 2, 4]}
    if drawn:
        found["sheet"]["drawn_scale"] = drawn
    ends = [scene(seed) for seed in (7, 21, 42, 7)]
    places = [run["leg"] + run["share"] for run in found["runs"]]
    clean = [(1 - at % 1) * ends[int(at)] + at % 1 * ends[min(int(at) + 1, 3)] for at in places]
    final = np.array([np.uint8(picture * 255) for picture in clean])
    columns = [clean[frame] for frame in found["sheet"]["frames"]]
    guess = np.array([[np.uint8(blurred(one, cycles).clip(0, 1) * 255) for cycles in (2, 6)] for one in columns])
    shown = {"final": final, "guess": guess}
    with PictureFile.open(write_pictures(folder / "pictures.zip", shown)) as stored:
        body = walk.walk_page(Trace("walk", {}, found), stored.shapes, back=back)
        made = page_of(body, stored, theme, "denoisecli walk --seed 7 --seed 21 --seed 42")
    return write_page(folder / "page.html", made), shown
