"""The index of runs as a file: what it holds, what it replaces, how large it gets."""

import io
import json
import os
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from denoisecli.errors import RunFolderError, UsageError
from denoisecli.media.picture_file import PictureFile, write_pictures
from denoisecli.report import Report
from denoisecli.tools.gallery.tool import make_gallery, place_of, thumbnail
from tests.hand_made import hand_made_run


def make(root, path=None, **keys):
    return make_gallery([root], path or root / "index.html", Report(), theme="dark", **keys)


def data_of(path):
    text = path.read_text(encoding="utf-8")
    return [json.loads(found) for found in re.findall(r'<script type="application/json" id="\w+">(.*?)</script>', text)]


def grey(*shape):
    levels = np.arange(np.prod(shape), dtype=np.float64).reshape(*shape, 1, 1, 1) * 255 / max(1, np.prod(shape) - 1)
    return np.broadcast_to(levels, (*shape, 24, 32, 3)).astype(np.uint8)


def test_same_runs_same_bytes_and_ours_is_replaced(tmp_path):
    hand_made_run(tmp_path / "sample" / "a", "sample", "prompt=a mill", film=False)
    first = make(tmp_path).read_bytes()
    assert make(tmp_path).read_bytes() == first
    hand_made_run(tmp_path / "sample" / "b", "sample", film=False)
    data, _ = data_of(make(tmp_path))
    assert {run["folder"] for run in data["runs"]} == {"sample/a", "sample/b"}


def test_no_thumbnail_takes_gigabytes(tmp_path, monkeypatch):
    """A WebP of one colour has 400 kB at 13,000 pixels a side; reading it took 3.6 GB."""
    monkeypatch.setattr(PictureFile, "picture", lambda *_: pytest.fail("it was read"))
    run = hand_made_run(tmp_path / "a", "sample", film=False)
    with zipfile.ZipFile(run / "pictures.zip", "w") as archive:
        archive.writestr("index.json", json.dumps({"views": {"final": {"shape": [1, 8001, 8000, 3]}}}))
        archive.writestr("final/0000.webp", b"")
    thumbnail(run, 64)


def test_a_page_of_others_is_left_alone(tmp_path):
    hand_made_run(tmp_path / "a", film=False)
    (tmp_path / "index.html").write_text("<h1>mine</h1>")
    with pytest.raises(RunFolderError, match="did not write it"):
        make(tmp_path)
    assert make(tmp_path, force=True).read_text(encoding="utf-8").count("mine") == 0


def test_no_runs(tmp_path):
    with pytest.raises(UsageError, match="no runs in"):
        make(tmp_path)


def test_several_folders_are_one_list_the_newest_first(tmp_path):
    for name, created in [("a/old", "2025"), ("a/older", "2024"), ("b/new", "2026")]:
        hand_made_run(tmp_path / name, film=False, created=f"{created}-01-01T00:00:00+00:00")
    data, _ = data_of(make_gallery([tmp_path / "a", tmp_path / "b"], tmp_path / "i.html", Report(), theme="dark"))
    assert [run["folder"] for run in data["runs"]] == ["b/new", "a/old", "a/older"]
    assert data["title"] == "Runs in a, b"


def test_runs_themselves_are_named_and_left_as_they_are(tmp_path, monkeypatch):
    runs = [hand_made_run(tmp_path / "sample" / name, film=False) for name in "abcd"]
    assert place_of(runs) == tmp_path / "sample"
    assert place_of([tmp_path]) == tmp_path
    monkeypatch.chdir(runs[0])
    assert place_of([Path()]).resolve() == tmp_path / "sample"
    data, _ = data_of(make_gallery(runs, tmp_path / "i.html", Report(), theme="dark"))
    assert data["title"] == "Runs"


@pytest.mark.parametrize("cfg", [float("nan"), float("inf"), 10**400, -(10**400)], ids=["nan", "inf", "huge", "-huge"])
def test_one_odd_number_spoils_no_page(tmp_path, cfg):
    hand_made_run(tmp_path / "good", film=False)
    odd = hand_made_run(tmp_path / "odd", film=False) / "trace.json"
    record = json.loads(odd.read_text())
    record["config"]["cfg"] = cfg
    odd.write_text(json.dumps(record))
    data, _ = data_of(make(tmp_path))
    assert {run["folder"]: type(run["config"]["cfg"]) for run in data["runs"]} == {"good": float, "odd": str}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every name is text")
def test_a_folder_whose_name_is_no_text(tmp_path):
    run = hand_made_run(tmp_path / os.fsdecode(b"caf\xe9"), film=False)
    (run / "page.html").write_text("")
    data, _ = data_of(make(tmp_path))
    assert data["runs"][0]["href"] == "./caf%E9/page.html"


@pytest.mark.parametrize(
    ("views", "corner", "four"),
    [
        pytest.param({"canvas": grey(2, 5)}, 4 / 9, False, id="a deck of two: the first finished picture"),
        pytest.param({"canvas": grey(4, 3)}, 2 / 11, True, id="a deck of four"),
        pytest.param({"guess": grey(1, 3), "final": grey(9)}, 0.0, True, id="a walk"),
        pytest.param({"final": grey(3, 2)}, 0.0, True, id="ranks"),
    ],
)
def test_thumbnails(tmp_path, views, corner, four):
    write_pictures(tmp_path / "pictures.zip", views)
    picture = np.asarray(Image.open(io.BytesIO(thumbnail(tmp_path, 64))).convert("RGB"))
    assert picture.shape == ((48, 64, 3) if four else (24, 32, 3))
    assert abs(int(picture[2, 2, 0]) - 255 * corner) < 8
    assert (picture[-3, -3, 0] > 245) == four


def test_damaged_and_missing_pictures(tmp_path):
    (tmp_path / "pictures.zip").write_bytes(b"PK no zip")
    assert thumbnail(tmp_path, 64) is None
    assert thumbnail(tmp_path / "none", 64) is None


def test_a_thousand_runs_stay_a_small_file(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (1, 1, 64, 128, 3), np.uint8)
    for number in range(1000):
        config = {"prompt": f"mill {number}", "cfg": number}
        folder = tmp_path / f"{number:04}"
        folder.mkdir()
        record = {"schema": "denoisecli/trace/1", "lab": "sample", "config": config}
        (folder / "trace.json").write_text(json.dumps(record))
        write_pictures(folder / "pictures.zip", {"canvas": noise[..., number % 64 :, :][..., :64, :]})
    path = make(tmp_path)
    data, blobs = data_of(path)
    assert (len(data["runs"]), len(blobs["pictures"])) == (1000, 1000)
    assert path.stat().st_size < 8_000_000  # pictures of noise are the largest that there are
