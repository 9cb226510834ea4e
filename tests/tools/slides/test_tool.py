"""Runs into slides: every lab's words and poster, what is refused, whose file is replaced."""

import pptx
import pytest

from denoisecli import registry
from denoisecli.errors import MediaError, NotRecorded, UsageError
from denoisecli.report import Report
from denoisecli.tools.slides import tool as talk
from denoisecli.tools.slides.tool import make_talk, slide_of
from tests.hand_made import MORE, hand_made_run
from tests.told import Told


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return {lab: hand_made_run(root / lab, lab) for lab in MORE}


@pytest.mark.parametrize(
    ("lab", "title", "settings"),
    [
        pytest.param("sample", "a lighthouse on", ("DDIM", "20 steps", "cfg 7.5", "seeds 7, 21, 42, 99"), id="sample"),
        pytest.param("cfg-sweep", "a lighthouse on", ("cfg 1, 7.5", "DDIM", "20 steps", "seed 7"), id="cfg-sweep"),
        pytest.param(
            "walk", "a lighthouse", ("seed 7 → seed 21", "2 frames", "DDIM", "20 steps", "cfg 7.5"), id="walk"
        ),
        pytest.param("noise", "How the lighthouse", ("scaled_linear", "91 noise levels", "seed 7"), id="noise"),
        pytest.param("lora-rank", "style at falling rank", ("rank 1, 4", "3 layers"), id="lora-rank"),
    ],
)
def test_every_lab_has_its_words(runs, lab, title, settings):
    slide = slide_of(runs[lab])
    assert slide.title.startswith(title)
    assert slide.settings == (lab, *settings)
    assert slide.film == runs[lab] / "film.mp4"


@pytest.mark.parametrize("lab", MORE)
def test_poster_is_a_frame_on_the_way(runs, lab):
    """Neither the first frame nor the last: our films of flat grey tell which one it is."""
    grey = slide_of(runs[lab]).poster.getpixel((5, 5))[0]
    share = registry.lab(lab).poster
    assert grey == pytest.approx(255 * int(share * 10) / 9, abs=35)
    assert 20 < grey < 235


def test_notes_tell_how_it_was_made(runs):
    said = slide_of(runs["sample"]).notes
    for words in (
        "layout fixed at state 1, detail at 2",
        "Command: denoisecli sample",
        "load 1.2 s",
        "negative_prompt",
    ):
        assert words in said


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("denoisecli sample -o x", "denoisecli sample -o x"),
        ("denoisecli lecture -o talk.pptx", "denoisecli sample --prompt 'a mill' --steps 6"),
        ("denoisecli batch --vary seed=1-9", "denoisecli sample --prompt 'a mill' --steps 6"),
    ],
    ids=["its own", "lecture", "batch"],
)
def test_notes_name_the_command_that_makes_this_run_alone(tmp_path, typed, said):
    run = hand_made_run(tmp_path / "run", "sample", "prompt=a mill", "steps=6", command=typed)
    assert f"Command: {said}\n" in slide_of(run).notes


def test_slides_follow_the_theme_and_shape_of_their_film(tmp_path):
    run = hand_made_run(tmp_path / "run", "sample", "film.theme=light", "prompt=" + "word " * 200, size=(320, 320))
    slide = slide_of(run)
    assert slide.look.ground == "faf8f3"
    assert slide.caption.endswith("…")
    assert len(slide.details) == 5  # a line each beside a square film


def test_slides_keep_the_order_of_the_runs(runs, tmp_path):
    order = [runs[lab] for lab in ("walk", "sample", "noise")]
    deck = pptx.Presentation(str(make_talk(order, tmp_path / "talk.pptx", Report())))
    titles = [page.shapes.title.text for page in deck.slides]
    assert [title.split()[1] for title in titles] == ["lighthouse", "lighthouse", "the"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("talk.pdf", r"talk\.pdf: slides are written as \.pptx or \.md", id="other suffix"),
        pytest.param("talk", r"talk: slides are written", id="no suffix"),
    ],
)
def test_other_formats_are_refused(runs, tmp_path, name, message):
    with pytest.raises(UsageError, match=message):
        make_talk([runs["noise"]], tmp_path / name, Report())


@pytest.mark.parametrize("name", ["talk.pptx", "talk.md"])
def test_ours_is_replaced_theirs_only_by_force(runs, tmp_path, name):
    path = tmp_path / name
    for _ in range(2):
        make_talk([runs["noise"]], path, Report())
    path.write_bytes(b"a letter to my aunt")
    with pytest.raises(UsageError, match=f"{name} is there, and not as denoisecli wrote it"):
        make_talk([runs["noise"]], path, Report())
    assert path.read_bytes() == b"a letter to my aunt"
    make_talk([runs["noise"]], path, Report(), force=True)
    assert path.stat().st_size > 100


def test_a_folder_in_the_way_is_kept(runs, tmp_path):
    (tmp_path / "talk.md").mkdir()
    with pytest.raises(UsageError, match="is there"):
        make_talk([runs["noise"]], tmp_path / "talk.md", Report(), force=True)


def test_no_run_no_film(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotRecorded, match=r"no trace\.json"):
        slide_of(tmp_path / "empty")
    with pytest.raises(MediaError, match=r"holds no film\.mp4"):
        slide_of(hand_made_run(tmp_path / "run", film=False))


def test_large_films_are_told(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(talk, "LARGE_FILM", 1000)
    monkeypatch.setattr(talk, "LARGE_TALK", 1000)
    heard = Told()
    make_talk([runs["noise"]], tmp_path / "talk.pptx", heard)
    assert len(heard.warnings) == 2
    assert "film.mp4 has 0 MB" in heard.warnings[0]


def test_missing_folder_is_said(runs, tmp_path):
    with pytest.raises(MediaError, match="there is no folder"):
        make_talk([runs["noise"]], tmp_path / "nowhere" / "talk.md", Report())
