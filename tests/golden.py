"""Golden pictures: compared by decoded pixels with a tolerance; `pytest … --update-golden` renews them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FAILED = Path(__file__).parents[1] / "build" / "golden"
FAR = 24  # levels of 255 that a pixel may be off


def check_golden(path: Path, picture: object, *, update: bool, mean: float = 0.5, far_share: float = 0.0005) -> None:
    """Check that `picture` looks like the file at `path`; with `update` it becomes that file.

    mean: levels of 255 that it may be off on average; far_share: how many pixels may be further off than FAR.
    """
    got = np.asarray(picture)
    if update:
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(got).save(path, optimize=True)
        return
    want = np.asarray(Image.open(path).convert("RGB"))
    assert got.shape == want.shape, f"{path.name}: {got.shape} instead of {want.shape}"
    off = np.abs(got.astype(int) - want)
    far = (off.max(-1) > FAR).mean()
    if off.mean() > mean or far > far_share:
        FAILED.mkdir(parents=True, exist_ok=True)
        strip = np.hstack([want, got, np.minimum(off * 4, 255).astype(np.uint8)])
        Image.fromarray(strip).save(FAILED / path.name)
        pytest.fail(f"{path.name}: off by {off.mean():.2f} on average, {far:.2%} far; see {FAILED / path.name}")
