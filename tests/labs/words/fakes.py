"""A run whose words nobody heard: maps made by hand over the scene of `tests.figures.fakes`."""

import numpy as np

from denoisecli.labs.words.config import WordsConfig
from denoisecli.labs.words.numbers import described, paired
from denoisecli.trace import Trace
from tests.figures.fakes import PROMPT, fake_run

SIDE = 16


def words_run(seeds: int = 2, steps: int = 8, prompt: str = PROMPT, negative: str = "people, rain"):
    """Return a trace and its pictures: hills below, the sun at its spot from the third step on, oil hardly at all."""
    trace, pictures = fake_run(seeds, steps, prompt=prompt)
    y, x = np.mgrid[0 : 1 : SIDE * 1j, 0 : 1 : SIDE * 1j]
    maps = np.zeros((seeds, steps, 4, SIDE, SIDE))
    for seed in range(seeds):
        spot = 0.25 + 0.4 * seed / max(1, seeds - 1)
        for step in range(steps):
            where = spot if step > 2 else 1 - spot
            sun = np.exp(-((x - where) ** 2 + (y - 0.3) ** 2) / 0.02)
            maps[seed, step] = [
                0.02 + 0.1 * (y > 0.6), 0.02 + 0.12 * sun, 0.02 + 0.06 * (y < 0.5), 0.01 + 0.01 * x,
            ]  # fmt: skip
    texts = ["hills", "sun", "cloud", "oil"]
    rows = [_row(text, k) for k, text in enumerate(texts)]
    trace.arrays["words"] = maps.astype(np.float16)
    arrays = [(trace["words"], False)]
    if negative:
        rows += [_row(text, k, negative=True) for k, text in enumerate(negative.split(", "))]
        trace.arrays["negative_words"] = maps[:, :, 2:].astype(np.float16)
        arrays.append((trace["negative_words"], True))
    config = WordsConfig(
        prompt=prompt, negative_prompt=negative, seeds=[run["seed"] for run in trace.record["runs"]], steps=steps
    )
    record = trace.record | {
        "config": config.model_dump(mode="json"),
        "words": described(rows, arrays),
        "word_pairs": paired(rows, trace["words"]),
        "words_rest": {"share": [0.5] * steps, "other": [0.1] * steps},
        "words_pool": ["up_blocks.0"],
    }
    return Trace("words", trace.arrays, record), pictures


def _row(text, token, *, negative=False):
    return {"text": text, "occurrence": 0, "tokens": [token + 1], "negative": negative, "concept": False, "share": []}
