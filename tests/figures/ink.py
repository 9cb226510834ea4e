"""Where words land: a watch over everything that is drawn, for tests that no word is small, cut off or written over.

Words are followed through copies and crops of images, so a frame that is a copy of its still parts knows their words.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from PIL import Image

from denoisecli.figures import text as words
from denoisecli.figures.boxes import Box


@dataclass(frozen=True)
class Word:
    """A line of text as drawn: the box of its ink on its image, and the size of its type in pixels."""

    said: str
    size: float
    box: Box


class Watch:
    """What was found. `cut`: words that lie partly outside of their image; `clashes`: pairs whose ink overlaps."""

    def __init__(self) -> None:
        self.words: list[Word] = []
        self.cut: list[Word] = []
        self.clashes: list[tuple[str, str]] = []
        self._masks: dict[int, tuple[str, float, Image.Image]] = {}
        self._on: dict[int, tuple[Image.Image, list[Word]]] = {}

    def mask(self, said: str, style: words.Type, mask: Image.Image) -> None:
        self._masks[id(mask)] = said, style.size, mask

    def paste(self, image: Image.Image, corner: object, mask: object) -> None:
        found = self._masks.get(id(mask))
        if found is None or not isinstance(corner, tuple):
            return
        said, size, coverage = found
        ink = coverage.point([255 * (level > 90) for level in range(256)]).getbbox()
        if ink is None:
            return
        left, top, right, bottom = ink
        word = Word(said, size, Box(corner[0] + left, corner[1] + top, right - left, bottom - top))
        if not Box(0, 0, *image.size).contains(word.box):
            self.cut.append(word)
        here = self._on.setdefault(id(image), (image, []))[1]
        self.clashes += [(other.said, said) for other in here if other.box.overlaps(word.box) and other != word]
        here.append(word)
        self.words.append(word)

    def copied(self, image: Image.Image, other: Image.Image, dx: int = 0, dy: int = 0) -> None:
        whole = Box(0, 0, *other.size)
        moved = [Word(word.said, word.size, word.box.moved(dx, dy)) for word in self._on.get(id(image), (image, []))[1]]
        self._on[id(other)] = other, [word for word in moved if word.box.overlaps(whole)]


@contextmanager
def watched() -> Iterator[Watch]:
    """Watch everything that is drawn inside the block."""
    watch = Watch()
    paste, copy, crop, line_mask = Image.Image.paste, Image.Image.copy, Image.Image.crop, words.line_mask

    def _line_mask(said: str, style: words.Type) -> Image.Image:
        mask = line_mask(said, style)
        watch.mask(said, style, mask)
        return mask

    def _paste(self: Image.Image, im: object, box: object = None, mask: object = None) -> None:
        watch.paste(self, box, mask)
        paste(self, im, box, mask)

    def _copy(self: Image.Image) -> Image.Image:
        watch.copied(self, found := copy(self))
        return found

    def _crop(self: Image.Image, box: tuple[int, int, int, int] | None = None) -> Image.Image:
        found = crop(self, box)
        if box is not None:
            watch.copied(self, found, -box[0], -box[1])
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "line_mask", _line_mask)
        for name, replacement in (("paste", _paste), ("copy", _copy), ("crop", _crop)):
            patch.setattr(Image.Image, name, replacement)
        yield watch
