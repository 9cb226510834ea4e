"""Files that are written whole, and places that are tried before the work that they are to hold."""

import errno
import tempfile

import pytest

from denoisecli.errors import MediaError
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.media.files import check_place
from denoisecli.report import Report
from denoisecli.tools.gallery.tool import make_gallery
from denoisecli.tools.live.tool import make_live
from denoisecli.tools.slides.tool import check_target


def test_a_place_is_tried_and_left_as_it_was(tmp_path):
    check_place(tmp_path / "a" / "b" / "talk.pptx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: make_live(SampleConfig(), path, Report()), id="live"),
        pytest.param(lambda path: check_target(path.with_suffix(".pptx"), force=False), id="slides, lecture"),
        pytest.param(lambda path: make_gallery([path.parent], path, Report(), theme="dark"), id="gallery"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_any_work(tmp_path, monkeypatch, make):
    """Root may write everywhere, so the disk is one that may only be read."""

    def refuse(**_how):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(MediaError, match=rf"read-only file system, in {tmp_path}") as raised:
        make(tmp_path / "made.html")
    assert "-o" in raised.value.hint
