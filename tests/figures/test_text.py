import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from denoisecli.figures.text import FONTS, Type, clean, draw_text, line_mask, measure, shorten, shorten_list, wrap

INTER, MONO = Type(size=24), Type("JetBrainsMono-Regular", 24)


def ink(text: str, style: Type = INTER) -> np.ndarray:
    return np.asarray(line_mask(text, style)) > 96


@pytest.mark.parametrize("style", [INTER, MONO])
@pytest.mark.parametrize(("marked", "plain"), [("ᾱ", "α"), ("x̂", "x")])
def test_marks_stand_over_their_letter(style, marked, plain):
    style = style.at(96)
    above = ink(marked, style) & ~ink(plain, style)
    columns, letter = np.nonzero(above.any(0))[0], np.nonzero(ink(plain, style).any(0))[0]
    rows, letter_rows = np.nonzero(above.any(1))[0], np.nonzero(ink(plain, style).any(1))[0]
    assert abs(columns.mean() - letter.mean()) <= 2.5
    assert rows.max() < letter_rows.min()
    assert measure(marked, style) == pytest.approx(measure(plain, style))


def test_a_composed_letter_is_drawn_as_its_parts():
    assert (ink(unicodedata.normalize("NFC", "ᾱ")) == ink("α\u0304")).all()


def test_subscripts_are_small_and_low():
    plain, low = np.nonzero(ink("t").any(1))[0], np.nonzero(ink("ₜ").any(1))[0]
    assert low.max() > plain.max()
    assert np.ptp(low) < np.ptp(plain)


@pytest.mark.parametrize("character", "tσᾱε√×·−→ΔŁßñЖя₀ₜ–…’“")
def test_every_sign_the_figures_use_is_in_the_fonts(character):
    for style in (INTER, MONO, Type("InterDisplay-Medium", 24)):
        assert not (
            ink(character, style).shape == ink("□", style).shape and (ink(character, style) == ink("□", style)).all()
        )


def test_tabular_digits_have_one_width():
    style = Type("InterDisplay-SemiBold", 100, tabular=True)
    assert len({measure(digit, style) for digit in "0123456789"}) == 1


def test_pairs_are_kerned():
    assert measure("AV", INTER) < measure("A", INTER) + measure("V", INTER)


@given(st.text(max_size=60))
def test_cleaned_text_has_no_controls(text):
    assert not [c for c in clean(text) if unicodedata.category(c)[0] == "C" or c in "\n\t\r"]


@given(st.text(max_size=80), st.integers(60, 400), st.integers(1, 4))
def test_wrapped_text_fits(text, width, most):
    lines = wrap(text, INTER, width, most)
    assert len(lines) <= most
    assert all(measure(line, INTER) <= width + measure("…", INTER) for line in lines)


def test_wrapping_keeps_every_word_where_there_is_room():
    text = "a lighthouse on a rocky cliff at dusk"
    assert " ".join(wrap(text, INTER, 200, 20)) == text


def test_long_text_ends_in_an_ellipsis():
    lines = wrap("word " * 200, INTER, 300, 3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert shorten("a lighthouse", INTER, 80).endswith("…")
    assert shorten("short", INTER, 800) == "short"


def test_a_list_loses_whole_parts():
    said = "DDIM · 20 steps · cfg 7.5"
    assert shorten_list(said, INTER, measure(said, INTER)) == said
    assert shorten_list(said, INTER, measure(said, INTER) - 1) == "DDIM · 20 steps"
    assert shorten_list(said, INTER, measure("DDIM · 2", INTER)) == "DDIM"
    assert shorten_list(said, INTER, measure("DDI", INTER)).endswith("…")


def test_a_word_without_spaces_is_broken():
    assert all(measure(line, INTER) <= 200 for line in wrap("x" * 200, INTER, 200, 50))


def test_right_aligned_text_ends_where_it_should():
    image = Image.new("RGB", (300, 60))
    draw_text(image, (250, 40), "0.111", MONO, (255, 255, 255), "right")
    assert 245 <= np.nonzero(np.asarray(image).any((0, 2)))[0].max() <= 250


def test_fonts_are_small_and_licensed():
    files = list(FONTS.iterdir())
    assert sum(file.stat().st_size for file in files) < 1_000_000
    assert {f"{family}-LICENSE.txt" for family in ("Inter", "JetBrainsMono")} <= {file.name for file in files}
    assert all("SIL Open Font License" in file.read_text() for file in FONTS.glob("*LICENSE.txt"))
