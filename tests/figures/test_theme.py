"""The house's colours: words that can be read, roles that can be told apart by all eyes, and one place for both."""

import itertools
import re
from pathlib import Path

import pytest

from denoisecli.errors import UsageError
from denoisecli.figures import theme as theme_module
from denoisecli.figures.theme import DARK, LIGHT, THEMES, Theme, theme_named
from denoisecli.labs.cfg_sweep.figures.facts import ramp
from tests.figures.colour import EYES, contrast, difference

FIGURES = Path(theme_module.__file__).parent
WORDS = ("ink", "quiet", "amber", "teal", "rose")
themes = pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))


@themes
@pytest.mark.parametrize("role", WORDS)
def test_words_can_be_read(theme: Theme, role: str):
    for ground in (theme.ground, theme.panel):
        assert contrast(getattr(theme, role), ground) >= 4.5  # WCAG 2, AA


def test_the_contrast_theme_has_more_of_it():
    assert all(contrast(getattr(THEMES["contrast"], role), THEMES["contrast"].ground) >= 7 for role in WORDS)  # AAA
    assert contrast(THEMES["contrast"].line, THEMES["contrast"].ground) >= 3


@themes
@pytest.mark.parametrize("eyes", EYES)
def test_roles_can_be_told_apart(theme: Theme, eyes: str):
    for a, b in itertools.combinations(WORDS, 2):
        least = 8 if "quiet" in (a, b) else 12
        assert difference(getattr(theme, a), getattr(theme, b), eyes) >= least, (a, b)


@themes
@pytest.mark.parametrize("eyes", EYES)
def test_four_scales_can_be_told_apart(theme: Theme, eyes: str):
    colours = [ramp(theme, share) for share in (0, 1 / 3, 2 / 3, 1)]
    assert min(difference(a, b, eyes) for a, b in itertools.combinations(colours, 2)) >= 8


def test_the_measures_are_those_of_the_books():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert difference((255, 0, 0), (0, 255, 0)) == pytest.approx(170.6, abs=0.1)
    assert difference((163, 119, 49), (135, 130, 49), "deuteranopia") < 10 < difference((163, 119, 49), (135, 130, 49))


COLOUR = re.compile(r"""["']#[0-9a-fA-F]{3,8}["']""")
FACE = re.compile(r"""["'](?:Inter|JetBrains)\w*-\w+["']""")
OWN = {"theme.py", "scene.py"}  # the scene is a picture, not the house's look


@pytest.mark.parametrize("pattern", [COLOUR, FACE], ids=["colours", "typefaces"])
def test_looks_are_named_in_one_place(pattern: re.Pattern[str]):
    drawings = [*FIGURES.glob("*.py"), *FIGURES.parent.glob("labs/*/**/*.py"), *FIGURES.parent.glob("tools/*/*.py")]
    files = [file for file in drawings if file.name not in OWN]
    assert len(files) > 30
    assert [f"{file.name}: {found}" for file in files for found in pattern.findall(file.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    ("name", "want"), [("dark", DARK), ("light", LIGHT), ("drak", 'mean "dark"'), ("sepia", "choose from")]
)
def test_theme_named(name: str, want: object):
    if isinstance(want, str):
        with pytest.raises(UsageError, match=want):
            theme_named(name)
    else:
        assert theme_named(name) is want
