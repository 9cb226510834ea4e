"""Golden pictures: compared by decoded pixels with a tolerance; `pytest tests/figures --update-golden` renews them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

GOLDEN = Path(__file__).parent / "golden"
FAILED = Path(__file__).parents[2] / "build" / "golden"
MEAN, FAR, FAR_SHARE = 0.5, 24, 0.0005  # levels of 255; how far a pixel may be off; how many may be further off


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden pictures anew")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """Return a check that a picture looks like `golden/NAME.png`."""

    def check(name: str, picture: object) -> None:
        got, path = np.asarray(picture), GOLDEN / f"{name}.png"
        if request.config.getoption("--update-golden", default=False):
            GOLDEN.mkdir(exist_ok=True)
            Image.fromarray(got).save(path, optimize=True)
            return
        want = np.asarray(Image.open(path).convert("RGB"))
        assert got.shape == want.shape, f"{name}: {got.shape} instead of {want.shape}"
        off = np.abs(got.astype(int) - want)
        far = (off.max(-1) > FAR).mean()
        if off.mean() > MEAN or far > FAR_SHARE:
            FAILED.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.hstack([want, got, np.minimum(off * 4, 255).astype(np.uint8)])).save(
                FAILED / f"{name}.png"
            )
            pytest.fail(f"{name}: off by {off.mean():.2f} on average, {far:.2%} far; see {FAILED / name}.png")

    return check
