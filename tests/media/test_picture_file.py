import json
import zipfile

import numpy as np
import pytest

from denoisecli.errors import MediaError, NotRecorded
from denoisecli.media.picture_file import PictureFile, webp, write_pictures


def ramps(*shape):
    """Smooth pictures (…, H, W, 3), each of another brightness."""
    lead, (height, width, _) = shape[:-3], shape[-3:]
    found = np.empty(shape, np.uint8)
    for number, place in enumerate(np.ndindex(*lead)):
        found[place] = (np.linspace(0, 127, width)[None, :, None] + np.linspace(0, 64, height)[:, None, None]).astype(
            np.uint8
        ) + np.uint8(10 * number)
    return found


@pytest.fixture
def stored(tmp_path):
    views = {"canvas": ramps(2, 3, 32, 48, 3), "guess": ramps(3, 16, 16, 3)}
    return views, write_pictures(tmp_path / "pictures.zip", views)


def test_pictures_come_back(stored):
    views, path = stored
    with PictureFile.open(path) as found:
        assert set(found) == {"canvas", "guess"}
        assert found["canvas"].shape == (2, 3, 32, 48, 3)
        assert np.shape(found["canvas"][1]) == (3, 32, 48, 3)
        for name, view in views.items():
            assert np.abs(found[name].array().astype(int) - view).mean() < 2  # WebP's own error


@pytest.mark.parametrize("index", [(1, 2), (-1, -1), (np.int64(1), 2)], ids=str)
def test_indexing_is_an_arrays(stored, index):
    with PictureFile.open(stored[1]) as found:
        canvas = found["canvas"]
        assert np.array_equal(canvas[index], canvas.array()[index])
        assert np.array_equal(canvas[index[0]][index[1]], canvas[index])
        assert len(list(canvas[0])) == 3


def test_an_index_beyond_the_end_is_an_error(stored):
    with PictureFile.open(stored[1]) as found, pytest.raises(IndexError, match="canvas has 3 at axis 1"):
        found["canvas"][0, 3]


def test_the_coded_picture_is_a_webp(stored):
    with PictureFile.open(stored[1]) as found:
        coded = found["canvas"][1].coded(2)
    assert coded[:4] == b"RIFF"
    assert coded[8:12] == b"WEBP"
    assert coded == webp(stored[0]["canvas"][1, 2])


def test_the_same_pictures_give_the_same_bytes(stored, tmp_path):
    again = write_pictures(tmp_path / "again.zip", stored[0])
    assert again.read_bytes() == stored[1].read_bytes()


def test_a_view_may_be_lazy(tmp_path):
    class Lazy:
        shape = (40, 8, 8, 3)
        asked = 0

        def __getitem__(self, place):
            Lazy.asked += 1
            return np.full((8, 8, 3), place[0], np.uint8)

    with PictureFile.open(write_pictures(tmp_path / "pictures.zip", {"final": Lazy()})) as found:
        assert Lazy.asked == 40
        assert abs(int(found["final"][39].mean()) - 39) <= 1


def test_what_is_not_there_is_told(stored, tmp_path):
    with pytest.raises(NotRecorded, match="holds no pictures.zip"):
        PictureFile.open(tmp_path / "none" / "pictures.zip")
    with PictureFile.open(stored[1]) as found, pytest.raises(NotRecorded, match="no view 'latent'"):
        found["latent"]


def _rewritten(path, target, **replaced):
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, replaced.get(name, old.read(name)))
    return target


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("index.json", b"{", id="no JSON"),
        pytest.param("index.json", b'{"views": {"canvas": {"shape": [1, -2, 8, 8, 3]}}}', id="negative"),
        pytest.param("index.json", b'{"views": []}', id="list"),
        pytest.param("canvas/0000-0000.webp", b"RIFF....WEBP", id="torn picture"),
    ],
)
def test_a_damaged_file_is_one_sentence(stored, tmp_path, name, content):
    path = _rewritten(stored[1], tmp_path / "torn.zip", **{name: content})
    with pytest.raises((MediaError, NotRecorded), match=r"torn\.zip"), PictureFile.open(path) as found:
        found["canvas"][0, 0]


def test_a_picture_of_another_size_than_the_index_says_is_refused(stored, tmp_path):
    index = json.dumps({"views": {"canvas": {"shape": [2, 3, 64, 64, 3]}}}).encode()
    path = _rewritten(stored[1], tmp_path / "other.zip", **{"index.json": index})
    with PictureFile.open(path) as found, pytest.raises(MediaError, match="48×32"):
        found["canvas"][0, 0]


def test_a_file_that_is_no_zip(tmp_path):
    path = tmp_path / "pictures.zip"
    path.write_bytes(b"not a zip")
    with pytest.raises(MediaError, match="damaged"):
        PictureFile.open(path)
