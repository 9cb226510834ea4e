"""Fonts of the machine: found, preferred, shaped; and the box where there is none."""

import shutil

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import features

from denoisecli.figures import system_fonts, text
from denoisecli.figures.text import FONTS, Type, clean, line_mask, measure, undrawable

STYLE = Type(size=40)
EM = 1000


def font(path, widths):
    """Write a font whose characters are filled boxes of these widths in thousandths of an em; 0 is a space."""
    names = {character: f"u{ord(character):05X}" for character in widths}
    glyphs = {".notdef": box(500, 100)} | {
        names[one]: box(width) if width else TTGlyphPen(None).glyph() for one, width in widths.items()
    }
    builder = FontBuilder(EM, isTTF=True)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupCharacterMap({ord(one): name for one, name in names.items()})
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics({".notdef": (600, 50)} | {names[one]: (w + 100, 50) for one, w in widths.items()})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)


def box(width, height=700):
    pen = TTGlyphPen(None)
    pen.moveTo((50, 0))
    for point in ((50, height), (50 + width, height), (50 + width, 0)):
        pen.lineTo(point)
    pen.closePath()
    return pen.glyph()


def forget():
    """Forget which fonts there are, and what was drawn with them."""
    for module in (system_fonts, text):
        for one in vars(module).values():
            if hasattr(one, "cache_clear"):
                one.cache_clear()


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A folder that holds all fonts of this machine; none at first."""
    monkeypatch.setattr(system_fonts, "folders", lambda: [tmp_path / "fonts", tmp_path / "no such folder"])
    (tmp_path / "fonts" / "deeper").mkdir(parents=True)
    forget()
    yield tmp_path / "fonts" / "deeper"
    forget()


def ink(said):
    return np.asarray(line_mask(said, STYLE)) > 96


def runs(said):
    """The pixel columns of each connected piece of ink, as widths from the left."""
    columns = np.flatnonzero(np.diff(np.r_[0, ink(said).any(axis=0).astype(int), 0]))
    return (columns[1::2] - columns[::2]).tolist()


def test_without_fonts_there_are_boxes(machine):
    assert (ink("a灯b") == ink("a□b")).all()
    assert undrawable("灯台, 灯 ok") == "灯台"
    assert undrawable("a lighthouse ᾱ xₜ, здравствуй □") == ""


def test_a_font_of_the_machine_draws_what_ours_lack(machine):
    font(machine / "any.ttf", {"灯": 900, "台": 300})
    assert undrawable("灯台塔") == "塔"
    assert runs("灯台") == [pytest.approx(36, abs=1), pytest.approx(12, abs=1)]
    assert measure("灯台", STYLE) == pytest.approx((1000 + 400) * STYLE.size / EM, rel=0.02)
    assert measure("a灯", STYLE) > measure("a", STYLE)


def test_our_own_fonts_come_first(machine):
    before = ink("ᾱ x̂₀ A")
    font(machine / "any.ttf", {"ᾱ": 900, "A": 900, "α": 900})
    assert (ink("ᾱ x̂₀ A") == before).all()


def test_upright_sans_serifs_are_preferred(machine):
    font(machine / "AAA-BoldItalic.ttf", {"灯": 900})
    font(machine / "ZZZ-Regular.ttf", {"灯": 600})
    assert runs("灯") == [pytest.approx(24, abs=1)]
    font(machine / "NotoSansCJK-Regular.ttf", {"灯": 300})
    forget()
    assert runs("灯") == [pytest.approx(12, abs=1)]


def test_damaged_files_are_passed_over(machine):
    (machine / "AAA.ttf").write_bytes(b"no font")
    (machine / "AAB.otf").write_bytes(b"")
    shutil.copy(FONTS / "README.md", machine / "AAC.ttc")
    font(machine / "any.ttf", {"灯": 900})
    assert undrawable("灯") == ""


@pytest.mark.skipif(not features.check("raqm"), reason="Pillow has no text shaping here")
def test_scripts_from_right_to_left_go_so_across_spaces(machine):
    font(machine / "any.ttf", {"א": 900, "ב": 300, "ג": 600, " ": 0})
    assert runs("אב ג") == [pytest.approx(width, abs=1) for width in (24, 12, 36)]
    wide, then = runs("□"), runs("□ אב")
    assert then == [*wide, pytest.approx(12, abs=1), pytest.approx(36, abs=1)]


def test_composed_syllables_stay_whole(machine):
    font(machine / "any.ttf", {"한": 900})
    assert runs("한") == [pytest.approx(36, abs=1)]
    assert undrawable("글") == "글"


def test_selectors_of_a_shape_draw_nothing(machine):
    assert clean("❤\ufe0f!") == "❤!"
