"""The deck as a package: films and posters inside, every relation kept, timing that starts and repeats the film."""

import posixpath
import re
import shutil
import subprocess
import sys
import zipfile
from xml.etree import ElementTree as ET

import pptx
import pytest
from PIL import Image

from denoisecli.errors import MediaError
from denoisecli.media.ffmpeg import ffmpeg_path
from denoisecli.media.video import write_video
from denoisecli.tools.slides import pptx as module
from denoisecli.tools.slides.film_reader import film_frame, film_info
from denoisecli.tools.slides.pptx import Look, Slide, is_untouched, places, write
from tests.hand_made import flat_frames

P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
LOOK = Look("0f1115", "eceae4", "9aa0ab", ("f2b950", "58c4b4"))
ODD = 'a "quoted" <b>&amp; ünïcode 猫\x00\x1b]0;x\x07 \ud800 ]]> lighthouse'


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_video(flat_frames((320, 180)), tmp_path_factory.mktemp("film") / "film.mp4", 10)


def slide(film, size=(320, 180), title="a lighthouse", notes="notes"):
    details = ("DDIM", "20 steps")
    return Slide(film, size, 1.0, Image.new("RGB", size), title, ("sample", *details), title, details, notes, LOOK)


def parts(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_every_part_is_well_formed_and_every_relation_leads_somewhere(film, tmp_path):
    found = parts(write([slide(film), slide(film, title=ODD, notes=ODD)], tmp_path / "talk.pptx", ODD))
    for name, body in found.items():
        if name.endswith((".xml", ".rels")):
            tree = ET.fromstring(body)
        if name.endswith(".rels"):
            base = posixpath.dirname(posixpath.dirname(name))
            for relation in tree.iter(RELATIONS):
                target = relation.get("Target")
                place = target[1:] if target.startswith("/") else posixpath.normpath(posixpath.join(base, target))
                assert relation.get("TargetMode") == "External" or place in found, f"{name}: {target}"
    types = found["[Content_Types].xml"].decode()
    for name in found:
        extension = name.rpartition(".")[2]
        assert f'PartName="/{name}"' in types or f'Extension="{extension}"' in types or name.startswith("[")


def test_film_is_embedded_once_as_it_is(film, tmp_path):
    found = parts(write([slide(film), slide(film)], tmp_path / "talk.pptx"))
    films = [body for name, body in found.items() if name.endswith(".mp4")]
    assert films == [film.read_bytes()]


def test_film_starts_with_its_slide_and_repeats(film, tmp_path):
    found = parts(write([slide(film)], tmp_path / "talk.pptx"))
    page = ET.fromstring(found["ppt/slides/slide1.xml"])
    assert [child.tag for child in page] == [f"{P}{name}" for name in ("cSld", "clrMapOvr", "timing")]
    picture = next(page.iter(f"{P}pic")).find(f"{P}nvPicPr/{P}cNvPr")
    assert {target.get("spid") for target in page.iter(f"{P}spTgt")} == {picture.get("id")}
    command = next(page.iter(f"{P}cmd"))
    assert (command.get("type"), command.get("cmd")) == ("call", "playFrom(0.0)")
    assert command.find(f"{P}cBhvr/{P}cTn").get("dur") == "1000"
    assert next(page.iter(f"{P}cMediaNode")).find(f"{P}cTn").get("repeatCount") == "indefinite"
    begins = [cond.get("evt") for cond in page.iter(f"{P}cond") if cond.get("evt")]
    assert begins == ["onBegin", "onPrev", "onNext"]  # with the slide, not with a click
    identifiers = [node.get("id") for node in page.iter(f"{P}cTn")]
    assert len(set(identifiers)) == len(identifiers)


def test_powerpoint_reads_back_what_was_said(film, tmp_path):
    path = write([slide(film, title="a “lighthouse”", notes="line 1\nline 2")], tmp_path / "talk.pptx", "My talk")
    deck = pptx.Presentation(str(path))
    assert deck.slide_width / deck.slide_height == pytest.approx(16 / 9, rel=1e-3)
    first, second = deck.slides
    assert first.shapes.title.text == "My talk"
    assert second.shapes.title.text == "a “lighthouse”"
    assert second.notes_slide.notes_text_frame.text == "line 1\nline 2"
    film_shape = next(shape for shape in second.shapes if shape.name == "Film")
    assert film_shape._element.nvPicPr.cNvPr.get("descr") == "Film: a “lighthouse”. sample, DDIM, 20 steps."


def test_no_title_slide_unless_asked(film, tmp_path):
    assert len(pptx.Presentation(str(write([slide(film)], tmp_path / "talk.pptx"))).slides) == 1


@pytest.mark.parametrize(
    "size", [(1920, 1080), (1280, 720), (1080, 1080), (1080, 1920), (2560, 1080), (640, 480), (7680, 320)], ids=str
)
def test_parts_stay_on_the_slide_and_apart(size):
    where = places(size)
    width, height = 13.333 * 72, 7.5 * 72
    boxes = [where.film, where.caption, where.details]
    for box in boxes:
        assert box.left >= 0
        assert box.top >= 0
        assert box.left + box.width <= width + 0.01
        assert box.top + box.height <= height + 0.01
    for a, b in [(0, 1), (0, 2), (1, 2)]:
        apart_x = boxes[a].left + boxes[a].width <= boxes[b].left + 0.01
        apart_y = boxes[a].top + boxes[a].height <= boxes[b].top + 0.01
        assert apart_x or apart_y
    assert where.film.width / where.film.height == pytest.approx(size[0] / size[1], rel=1e-3)


def test_an_unchanged_deck_is_ours_a_changed_one_is_not(film, tmp_path):
    path = write([slide(film)], tmp_path / "talk.pptx")
    assert is_untouched(path)
    deck = pptx.Presentation(str(path))
    deck.slides[0].shapes.title.text = "mine now"
    deck.save(str(path))
    assert not is_untouched(path)


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04", b"a letter"], ids=["empty", "torn zip", "text"])
def test_no_deck_is_not_ours(raw, tmp_path):
    path = tmp_path / "talk.pptx"
    path.write_bytes(raw)
    assert not is_untouched(path)


def test_without_python_pptx(monkeypatch, tmp_path, film):
    monkeypatch.setitem(sys.modules, "pptx", None)
    with pytest.raises(MediaError, match=r'need python-pptx.*\n.*pip install "denoisecli\[slides\]"'):
        write([slide(film)], tmp_path / "talk.pptx")
    assert list(tmp_path.iterdir()) == []


def test_xml_has_no_illegal_characters():
    assert re.fullmatch(r"a b", module._legal("a\x00\x0b\ud800\ufffe b"))


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
@pytest.mark.slow
def test_libreoffice_shows_every_slide(film, tmp_path):
    path = write([slide(film), slide(film, (320, 320), title=ODD)], tmp_path / "talk.pptx", "My talk")
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    command = ["soffice", profile, "--headless", "--convert-to", "pdf", "--outdir", str(tmp_path), str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    pages = re.findall(rb"/Type\s*/Page\b", (tmp_path / "talk.pdf").read_bytes())
    assert len(pages) == 3


# The films that go in


def test_film_is_looked_into(film):
    info = film_info(film)
    assert (info.size, info.duration_s) == ((320, 180), 1.0)
    assert film_frame(film, 0.0).mean() < 5
    assert film_frame(film, 0.5).mean() == pytest.approx(255 * 5 / 9, abs=3)


@pytest.mark.parametrize(
    "title", ["Duration: 00:00:1.2.3", "Duration: 99999999:00:00.0", "0 fps", "x\n  Duration: 9:9:9"]
)
def test_a_title_is_not_taken_for_what_ffmpeg_says(film, tmp_path, title):
    more = ["-c", "copy", "-metadata", f"title={title}", str(tmp_path / "x.mp4")]
    subprocess.run([ffmpeg_path(), "-v", "error", "-i", str(film), *more], check=True)
    assert film_info(tmp_path / "x.mp4") == film_info(film)
    assert film_frame(tmp_path / "x.mp4", 0.5).mean() == pytest.approx(255 * 5 / 9, abs=3)


@pytest.mark.parametrize(
    ("share", "before_s", "after_s", "frame"),
    [
        pytest.param(0.95, 0, 0.3, 6, id="the last before the lesson"),
        pytest.param(0.05, 0.2, 0, 2, id="the first after the title"),
        pytest.param(0.5, 0.2, 0.3, 5, id="between them"),
        pytest.param(0.95, 3, 3, 9, id="no room for cards"),
    ],
)
def test_a_still_picture_is_no_card(film, share, before_s, after_s, frame):
    assert film_frame(film, share, before_s, after_s).mean() == pytest.approx(255 * frame / 9, abs=3)


@pytest.mark.parametrize("raw", [None, b"", b"not a film"], ids=["missing", "empty", "text"])
def test_no_film(raw, tmp_path):
    path = tmp_path / "film.mp4"
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(MediaError, match=r"film\.mp4 is not"):
        film_info(path)
