"""Golden pictures of figures."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.golden import check_golden

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """Return a check that a picture looks like `golden/NAME.png`."""
    update = request.config.getoption("--update-golden")
    return lambda name, picture: check_golden(GOLDEN / f"{name}.png", picture, update=update)
