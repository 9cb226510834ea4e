"""The deck as Markdown: relative films, nothing of a prompt taken for markup, ours known from theirs."""

import re
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from PIL import Image

from denoisecli.tools.slides.markdown import escaped, is_untouched, write
from denoisecli.tools.slides.pptx import Look, Slide

LOOK = Look("0f1115", "eceae4", "9aa0ab")
ODD = [
    "a *bold* _move_ `code` [link](http://x) <img src=x onerror=alert(1)>",
    "# heading --- rule | table $math$ ~~gone~~ @cite ^sup^ :::",
    "&lt;b&gt; \\n trailing \\",
    "1. a list\n- of\n\nlines",
]


def slide(film, title="a lighthouse", notes="notes"):
    return Slide(film, (320, 180), 1.0, Image.new("RGB", (2, 2)), title, ("DDIM", "cfg 7.5"), title, (), notes, LOOK)


def written(tmp_path, **words):
    film = tmp_path / "my runs" / "50% “é”" / "film.mp4"
    film.parent.mkdir(parents=True)
    film.touch()
    (tmp_path / "talks").mkdir()
    return film, write([slide(film, **words)], tmp_path / "talks" / "talk.md")


def test_film_is_found_from_the_deck(tmp_path):
    film, path = written(tmp_path)
    source = re.search(r'<video src="([^"]+)"', path.read_text(encoding="utf-8"))[1]
    assert not source.startswith("/")
    assert (path.parent / unquote(source)).resolve() == film.resolve()


def test_video_starts_and_repeats(tmp_path):
    tag = re.search(r"<video[^>]*>", written(tmp_path)[1].read_text(encoding="utf-8"))[0]
    assert {"autoplay", "data-autoplay", "loop", "muted", "playsinline"} <= set(tag.split())


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_words_stay_words(text):
    html = MarkdownIt().render(f"## {escaped(text)}")
    shown = re.fullmatch(r"<h2>(.*)</h2>\n", html)[1]
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        shown = shown.replace(entity, character)
    assert shown == " ".join(text.split())


def test_notes_cannot_leave_their_comment(tmp_path):
    text = written(tmp_path, notes="--> <script>alert(1)</script> --!> denoisecli --seed 7")[1].read_text(
        encoding="utf-8"
    )
    assert text.count("-->") == 1
    assert "--!>" not in text
    assert "denoisecli --seed 7" in text


def test_front_matter_is_yaml_whatever_the_title(tmp_path):
    from ruamel.yaml import YAML

    _, path = written(tmp_path, title='a "q": {x} \\ # é')
    head = path.read_text(encoding="utf-8").split("---\n")[1]
    assert YAML(typ="safe").load(head)["title"] == 'a "q": {x} \\ # é'


def test_an_unchanged_deck_is_ours_a_changed_one_is_not(tmp_path):
    _, path = written(tmp_path)
    assert is_untouched(path)
    path.write_text(path.read_text(encoding="utf-8") + "\nmy own slide\n", encoding="utf-8")
    assert not is_untouched(path)
