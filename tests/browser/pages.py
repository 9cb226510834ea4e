"""Pages of runs that took no model: handmade decks, and real noise runs."""

from pathlib import Path

from denoisecli.config.noise import SCHEDULES, NoiseConfig
from denoisecli.diffusion.forward import schedule_named
from denoisecli.figures.pages import noise, sample
from denoisecli.labs.noise import clean_picture, forward_trace
from denoisecli.labs.pages import page_of
from denoisecli.media.page import write_page
from denoisecli.media.picture_file import PictureFile, write_pictures
from tests.figures.fakes import PROMPT, fake_run

COMMAND = "denoisecli sample --seed 7 --seed 21 --seed 42"


def deck_page(folder: Path, theme: str = "dark", prompt: str = PROMPT, seeds: int = 3, steps: int = 8) -> Path:
    trace, pictures = fake_run(seeds, steps, prompt=prompt)
    with PictureFile(write_pictures(folder / "pictures.zip", pictures)) as stored:
        made = page_of(sample.sample_page(trace, stored.shapes), stored, theme, COMMAND)
    return write_page(folder / "page.html", made)


def noise_page(folder: Path, theme: str = "dark", size: tuple[int, int] = (96, 64)):
    config = NoiseConfig(size=size, frames=2)
    tables = {name: schedule_named(name) for name in SCHEDULES}
    schedule = tables[config.compared[0]]
    trace = forward_trace(config, clean_picture(config), [schedule], [schedule.paced(2, "t")])
    body = noise.noise_page(trace, tables)
    return write_page(folder / "page.html", page_of(body, {}, theme, "denoisecli noise")), trace
