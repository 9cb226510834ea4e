"""Pictures of the user's own that a config names: found, told apart by their content, and cut to a size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from denoisecli.digest import file_sha256
from denoisecli.errors import ConfigError
from denoisecli.safe_files import at_home, check_file, why

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]


def picture_path(key: str, image: str, hint: str = "Name a picture that is there.") -> Path:
    """Return the path of a picture that the config names under a key. Raises ConfigError where there is none."""
    path = at_home(image)
    try:
        return check_file(path)
    except IsADirectoryError:
        raise ConfigError(f"{key}: {image} is a folder, not a picture.", "Name one picture in it.") from None
    except FileNotFoundError:
        raise ConfigError(f"{key}: there is no picture at {image}.", hint) from None
    except OSError as error:
        raise ConfigError(f"{key}: {image} {why(error)}.") from None


def picture_sha256(key: str, image: str, hint: str = "Name a picture that is there.") -> str:
    """Return what a picture is by its content. Raises as `picture_path` does."""
    path = picture_path(key, image, hint)
    try:
        return file_sha256(path)
    except OSError as error:
        raise ConfigError(f"{key}: {image} {why(error)}.") from None


def cut(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return the largest middle part of a picture that has the shape of `size`, (width, height), at that size."""
    return picture if picture.size == size else ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def opened(key: str, image: str, size: tuple[int, int]) -> Picture:
    """Return a picture, (H, W, 3) sRGB, cut to a size."""
    from denoisecli.media.images import open_picture

    return np.asarray(cut(open_picture(picture_path(key, image)), size))
