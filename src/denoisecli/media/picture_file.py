"""The decoded pictures of a run in one file: what `render` draws from again without a model, and what pages carry.

`pictures.zip` holds one WebP for each picture, `<view>/<index>-<index>.webp`, uncompressed beside each other, and
`index.json`: {"views": {"canvas": {"shape": [seed, state, H, W, 3]}}}. Films, sheets and pages of a run are all drawn
from these pictures (37 dB and better from what the decoder gave), so that drawing them again gives the same bytes.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.cores import in_order
from denoisecli.errors import MediaError, NotRecorded
from denoisecli.safe_files import open_file, why
from denoisecli.safe_json import parse

from .files import whole_file
from .formats import open_image, write_image

PICTURES_FILE = "pictures.zip"
INDEX = "index.json"
QUALITY, EFFORT = 90, 3  # 12 kB a picture of 256²; a higher effort saves little and costs twice the time
MOST_SIDE = 16_383  # of a WebP, in pixels
MOST_INDEX, MOST_AXES = 1 << 20, 8  # bytes of index.json; axes of a view
MOST_BYTES = 1 << 28  # of one stored picture: more is no picture of ours
IN_MEMORY = 256 << 20  # bytes of decoded pictures kept at hand, and no more than MOST_KEPT of them
MOST_KEPT = 256

Picture = NDArray[np.uint8]  # (H, W, 3), sRGB
Place = tuple[int, ...]
Code = Callable[[Picture], bytes]


def write_pictures(path: Path, views: Mapping[str, Any], code: Code | None = None) -> Path:
    """Write views, each (…, H, W, 3) uint8, and return `path`; the same pictures give the same bytes.

    A view needs `.shape` and indexing by a whole place alone, so it may read its pictures from a disk. code: what makes
    a picture a WebP, by default `webp`; for those who have it already.
    """
    with writing_pictures(path, {name: tuple(map(int, view.shape)) for name, view in views.items()}) as file:
        for name, view in views.items():
            file.add(name, ((place, view[place]) for place in np.ndindex(*view.shape[:-3])), code or webp)
    return path


@contextlib.contextmanager
def writing_pictures(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[PictureWriter]:
    """Yield a picture file of views of these shapes, (…, H, W, 3), to be filled; whole when the block ends well."""
    with whole_file(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        listed = {name: {"shape": list(shape)} for name, shape in shapes.items()}
        archive.writestr(_entry(INDEX), json.dumps({"views": listed}, indent=1))
        yield PictureWriter(path, archive, dict(shapes))


def webp(picture: Picture, quality: int = QUALITY) -> bytes:
    """Return one picture as WebP. Raises MediaError where it is too large for that."""
    if max(picture.shape[:2]) > MOST_SIDE:
        raise MediaError(
            f"A picture of {picture.shape[1]}×{picture.shape[0]} is too large: {MOST_SIDE} a side at most."
        )
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(picture))
    write_image(image, buffer, "WEBP", quality=quality, method=EFFORT)
    return buffer.getvalue()


class PictureFile(Mapping[str, "View"]):
    """An open pictures.zip: its views by name. Pictures are decoded when they are asked for."""

    def __init__(
        self, path: Path, archive: zipfile.ZipFile, shapes: dict[str, tuple[int, ...]], file: IO[bytes] | None = None
    ) -> None:
        self.path, self.shapes, self._archive, self._file = path, shapes, archive, file
        largest = max((int(np.prod(shape[-3:])) for shape in shapes.values()), default=1)
        self._decoded = lru_cache(maxsize=min(MOST_KEPT, max(1, IN_MEMORY // largest)))(self._decode)

    @classmethod
    def open(cls, path: Path) -> PictureFile:
        """Open the file, no link. Raises NotRecorded where there is none, MediaError where it is damaged."""
        try:
            file = open_file(path, links=False)
        except FileNotFoundError:
            raise NotRecorded(f"{path.parent} holds no {path.name}.", "Make the run again with --force.") from None
        except OSError as error:
            raise MediaError(f"{path} {why(error)}.", "Make the run again with --force.") from None
        with contextlib.ExitStack() as opened:
            opened.callback(file.close)
            with _damage_of(path):
                archive = opened.enter_context(zipfile.ZipFile(file))
                shapes = _shapes(_entry_of(archive, INDEX, MOST_INDEX), len(archive.namelist()))
            opened.pop_all()
            return cls(path, archive, shapes, file)

    def __getitem__(self, name: str) -> View:
        if name not in self.shapes:
            raise NotRecorded(f"{self.path} holds no view {name!r}.", f"It holds: {', '.join(self.shapes)}.")
        return View(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def coded(self, name: str, place: Place) -> bytes:
        """Return one picture as the WebP that the file holds."""
        with _damage_of(self.path):
            return _entry_of(self._archive, _name(name, place), MOST_BYTES)

    def picture(self, name: str, place: Place) -> Picture:
        """Return one picture, (H, W, 3)."""
        return self._decoded(name, place)

    def _decode(self, name: str, place: Place) -> Picture:
        coded = self.coded(name, place)
        with _damage_of(self.path), open_image(io.BytesIO(coded), ["WEBP"]) as image:
            if image.size != tuple(self.shapes[name][-3:-1])[::-1]:
                raise ValueError(f"{_name(name, place)} is {image.width}×{image.height}")
            return np.asarray(image.convert("RGB"))

    def close(self) -> None:
        """Let go of the file."""
        self._archive.close()
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> PictureFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PictureWriter(PictureFile):
    """A picture file in the making. What is in already can be read, by other threads too."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, shapes: dict[str, tuple[int, ...]]) -> None:
        super().__init__(path, archive, shapes)
        self._one_at_a_time = threading.Lock()  # a ZipFile refuses to read in one thread while it writes in another

    def add(self, name: str, pictures: Iterable[tuple[Place, Picture]], code: Code = webp) -> None:
        """Put pictures of a view at their places; each place once."""
        for place, coded in in_order(lambda one: (one[0], code(one[1])), pictures):
            with self._one_at_a_time:
                self._archive.writestr(_entry(_name(name, place)), coded)

    def coded(self, name: str, place: Place) -> bytes:
        """Return one picture as the WebP that the file holds."""
        with self._one_at_a_time:
            return super().coded(name, place)


class View:
    """A view of a picture file, indexed like an array (…, H, W, 3) by whole numbers from the left."""

    def __init__(self, file: PictureFile, name: str, place: Place = ()) -> None:
        self.file, self.name, self.place = file, name, place

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return self.file.shapes[self.name][len(self.place) :]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | Place) -> Any:
        """Return a picture, or the view of all pictures below this index."""
        place = self.place
        for step in (index,) if isinstance(index, int | np.integer) else index:
            length = self.file.shapes[self.name][len(place)]
            if not -length <= step < length:
                raise IndexError(f"{self.name} has {length} at axis {len(place)}, not {step}")
            place = (*place, int(step) % length)
        if len(place) == len(self.file.shapes[self.name]) - 3:
            return self.file.picture(self.name, place)
        return View(self.file, self.name, place)

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def coded(self, *place: int) -> bytes:
        """Return the picture at `place` as WebP."""
        return self.file.coded(self.name, (*self.place, *place))

    def array(self) -> NDArray[np.uint8]:
        """Return all of it in memory."""
        found = np.empty(self.shape, np.uint8)
        for place in np.ndindex(*self.shape[:-3]):
            found[place] = self[place]
        return found


class Encoded:
    """Pictures in memory, (…, H, W, 3) uint8, that a page takes as it takes a View's."""

    def __init__(self, pictures: NDArray[np.uint8]) -> None:
        self.pictures, self.shape = pictures, pictures.shape

    def __getitem__(self, place: Any) -> Any:
        return self.pictures[place]

    def coded(self, *place: int) -> bytes:
        """Return the picture at `place` as WebP."""
        return webp(self.pictures[place])


@contextlib.contextmanager
def _damage_of(path: Path) -> Iterator[None]:
    """Turn whatever zipfile, its decompressors and Pillow raise on a strange file into our word for it."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - they raise a dozen kinds, of which few are documented
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise MediaError(f"{path} is damaged: {said}.", "Make the run again with --force.") from None


def _entry_of(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Return an entry of at most `most` bytes; zipfile gives no more than the entry says that it has."""
    if archive.getinfo(name).file_size > most:
        raise ValueError(f"{name} is larger than {most} bytes")
    return archive.read(name)


def _name(view: str, place: Place) -> str:
    return f"{view}/{'-'.join(f'{step:04d}' for step in place)}.webp"


def _entry(name: str) -> zipfile.ZipInfo:
    """Return an entry that says nothing of when it was written."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o644 << 16
    return entry


def _shapes(text: bytes, entries: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every view that the index names; there cannot be more pictures than entries."""
    index = parse(text)
    views = index.get("views") if isinstance(index, dict) else None
    if not isinstance(views, dict):
        raise ValueError(f"{INDEX} names no views")
    found = {str(name): _shape(str(name), view["shape"]) for name, view in views.items()}
    if sum(math.prod(shape[:-3]) for shape in found.values()) > entries:
        raise ValueError(f"{INDEX} names more pictures than there are")
    return found


def _shape(name: str, sides: Any) -> tuple[int, ...]:
    whole = isinstance(sides, list) and all(isinstance(side, int) and side >= 1 for side in sides)
    if not whole or not 4 <= len(sides) <= MOST_AXES or sides[-1] != 3 or max(sides[-3:-1]) > MOST_SIDE:
        raise ValueError(f"{name} has the shape {str(sides)[:80]}")
    return tuple(sides)
