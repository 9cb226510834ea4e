import struct
import zlib
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from denoisecli.errors import MediaError
from denoisecli.media.files import whole_file
from denoisecli.media.images import open_picture, save_png

GREY = np.full((8, 12, 3), 120, np.uint8)


def chunks(path: Path) -> list[tuple[str, bytes]]:
    data, at, found = path.read_bytes(), 8, []
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        found.append((data[at + 4 : at + 8].decode(), data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def test_text_comes_back_in_the_right_chunks(tmp_path):
    text = {"parameters": "a house\nSteps: 20, RNG: CPU", "prompt": '{"3": {}}', "note": "ᾱ 日本"}
    path = save_png(GREY, tmp_path / "x.png", text)
    with Image.open(path) as image:
        assert image.text == text
    kinds = {body.split(b"\0")[0].decode(): kind for kind, body in chunks(path) if kind in ("tEXt", "iTXt", "zTXt")}
    assert kinds == {"parameters": "tEXt", "prompt": "tEXt", "note": "iTXt"}


def test_the_same_picture_gives_the_same_bytes(tmp_path):
    once, twice = (save_png(Image.fromarray(GREY), tmp_path / name, {"a": "b"}) for name in ("1.png", "2.png"))
    assert once.read_bytes() == twice.read_bytes()


def test_nothing_half_written_gets_the_name(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), whole_file(path) as partial:
        partial.write_text("half")
        assert partial.name == ".x.part.txt"
        raise RuntimeError
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["x.txt"]


@pytest.mark.parametrize("place", ["nowhere/x.png", "file/x.png"])
def test_a_place_that_cannot_be_written_is_said(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match=r"x\.png cannot be written"):
        save_png(GREY, tmp_path / place)


def test_a_phone_picture_stands_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (40, 20)).save(tmp_path / "x.jpg", exif=exif)
    assert open_picture(tmp_path / "x.jpg").size == (20, 40)


def exif_block(tag, kind, value):
    """An EXIF block, little-endian, that turns by a quarter and has one more tag of any type."""
    end = 8 + 2 + 2 * 12 + 4  # where a value of eight bytes stands
    own = struct.pack("<I", end) if kind in (5, 10, 12) else value[:4].ljust(4, b"\0")
    entries = [(0x0112, 3, 1, struct.pack("<HH", 6, 0)), (tag, kind, 1, own)]
    body = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in sorted(entries))
    head = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries))
    return head + body + struct.pack("<I", 0) + struct.pack("<II", 7, 2)


@pytest.mark.parametrize("kind", range(14))
@pytest.mark.parametrize("tag", [0x010F, 0x011A, 0x8769, 0x9000, 0x8298, 0xFFFF])
def test_a_turned_picture_with_any_tag_of_any_type(tmp_path, tag, kind):
    """Writing such EXIF back fails in Pillow in many ways; only the turn is read."""
    Image.new("RGB", (40, 20)).save(tmp_path / "x.jpg", exif=exif_block(tag, kind, b"72\0\0"))
    assert open_picture(tmp_path / "x.jpg").size == (20, 40)


@pytest.mark.parametrize(("orientation", "corner"), [(1, 0), (2, 2), (3, 5), (4, 3), (5, 0), (6, 3), (7, 5), (8, 2)])
def test_every_orientation(tmp_path, orientation, corner):
    """The upper left pixel of the upright picture is this one of 0 1 2 / 3 4 5. Source: the EXIF standard, tag 274."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.arange(0, 60, 10, np.uint8).reshape(2, 3)).save(tmp_path / "x.png", exif=exif)
    assert np.asarray(open_picture(tmp_path / "x.png"))[0, 0, 0] == 10 * corner


@pytest.mark.parametrize(
    ("values", "grey"),
    [
        pytest.param([0.0, 0.5, 1.5], [0, 128, 255], id="a highlight above 1"),
        pytest.param([0.0, 100.0, 255.0], [0, 100, 255], id="0 to 255"),
        pytest.param([0.0, 0.5, 1.0], [0, 128, 255], id="0 to 1"),
    ],
)
def test_pictures_of_floats(tmp_path, values, grey):
    Image.fromarray(np.array([values], np.float32)).save(tmp_path / "x.tif")
    assert np.asarray(open_picture(tmp_path / "x.tif"))[0, :, 0].tolist() == grey


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_a_transparent_grey_becomes_white(tmp_path, depth):
    """Only pixels of the very value, before 16 bits are cut to 8."""
    pixels = np.array([[123, 124, 200]], depth)
    Image.fromarray(pixels).save(tmp_path / "x.png", transparency=123)
    scale = 257 if depth == np.uint16 else 1
    wanted = [255, round(124 / scale), round(200 / scale)]
    assert np.asarray(open_picture(tmp_path / "x.png"))[0, :, 0].tolist() == wanted


@pytest.mark.parametrize(
    ("image", "value"),
    [
        pytest.param(Image.new("L", (4, 4), 100), (100, 100, 100), id="grey"),
        pytest.param(Image.new("1", (4, 4), 1), (255, 255, 255), id="one bit"),
        pytest.param(Image.new("RGBA", (4, 4), (255, 0, 0, 0)), (255, 255, 255), id="transparent"),
        pytest.param(Image.new("LA", (4, 4), (0, 128)), (127, 127, 127), id="grey, half transparent"),
        pytest.param(Image.fromarray(np.full((4, 4), 257 * 40, np.uint16)), (40, 40, 40), id="16 bit"),
        pytest.param(Image.new("P", (4, 4), 0), (0, 0, 0), id="palette"),
    ],
)
def test_any_mode_becomes_rgb(tmp_path, image, value):
    image.save(tmp_path / "x.png")
    opened = open_picture(tmp_path / "x.png")
    assert opened.mode == "RGB"
    assert np.abs(np.asarray(opened)[0, 0].astype(int) - value).max() <= 1


OLD_PILLOW = pytest.mark.skipif(PIL.__version__ < "13", reason="Pillow 12 cannot read the YCbCr TIFFs that it writes")


@pytest.mark.parametrize("mode", ["CMYK", pytest.param("YCbCr", marks=OLD_PILLOW), "F", "I"])
def test_other_modes_open_too(tmp_path, mode):
    Image.new("L", (4, 4), 128).convert(mode).save(tmp_path / "x.tiff")
    assert open_picture(tmp_path / "x.tiff").mode == "RGB"


def bomb(path: Path, width: int, height: int) -> Path:
    """Write a PNG that claims to be width × height."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


@pytest.mark.parametrize("side", [9_000, 12_000, 30_000])
def test_a_decompression_bomb_is_refused(tmp_path, side):
    with pytest.raises(MediaError, match="at most 64 million"):
        open_picture(bomb(tmp_path / "bomb.png", side, side))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        pytest.param(b"", "not a picture", id="empty"),
        pytest.param(b"<html></html>", "not a picture", id="html"),
        pytest.param(None, "is not there", id="missing"),
        pytest.param("folder", "is not a file", id="folder"),
        pytest.param("cut", "cannot be read", id="cut off"),
    ],
)
def test_what_is_no_picture_is_said(tmp_path, content, match):
    path = tmp_path / "x.png"
    if content == "folder":
        path.mkdir()
    elif content == "cut":
        rng = np.random.default_rng(0)
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:3000])
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=match) as error:
        open_picture(path)
    assert str(path) in error.value.message
