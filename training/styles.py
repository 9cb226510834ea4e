"""The styles: how a clean scene becomes a painting, a drawing or a print.

Paper, canvas and hatching sit at the same place in every picture: they are the material, not the subject, and a small
model can learn a fixed grain by heart, where it would smear a random one. Hatching has a period of 8 pixels, the
footprint of one latent, for the same reason. A style gets the clean picture and `subject`, a 0..1 mask of the landmark,
so that it can keep the landmark's edges.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from training.canvas import GRAIN, ROUGH, SIZE, SMOOTH, Array, X, Y, blur, lookup, mix, rgb, smoothstep, warp

if TYPE_CHECKING:
    from collections.abc import Callable

PAPER = rgb(250, 246, 236)
BORDER = np.minimum(np.minimum(X, SIZE - 1 - X), np.minimum(Y, SIZE - 1 - Y))
TORN = BORDER + 3.5 * lookup(SMOOTH, X * 1.4, Y * 1.4) + 1.2 * lookup(ROUGH, X * 1.7, Y * 1.7)
GREY = np.array([0.3, 0.58, 0.12], np.float32)


def kuwahara(picture: Array, radius: int) -> Array:
    """Replace each pixel by the mean of its least varied quadrant (Kuwahara et al. 1976): flat areas, kept edges."""
    window = (radius + 1, radius + 1)
    mean = cv2.blur(picture, window)
    grey = picture.mean(2)
    variance = cv2.blur(grey * grey, window) - cv2.blur(grey, window) ** 2
    half = (radius + 1) // 2
    best, least = mean, np.full_like(variance, np.inf)
    for dy in (-half, half):
        for dx in (-half, half):
            moved = np.roll(variance, (dy, dx), (0, 1))
            better = moved < least
            best = np.where(better[..., None], np.roll(mean, (dy, dx), (0, 1)), best)
            least = np.minimum(least, moved)
    return np.asarray(best, np.float32)


def set_off(picture: Array, subject: Array, gap: float = 0.13) -> Array:
    """Lift or lower the landmark until its median grey differs by `gap` from what is around it: it drowns at night."""
    grey, ring = picture @ GREY, (blur(subject, 9) > 0.08) & (subject < 0.1)
    if not ring.any() or not (subject > 0.5).any():
        return picture
    found = float(np.median(grey[subject > 0.5]) - np.median(grey[ring]))
    if abs(found) >= gap:
        return picture
    return np.clip(picture + (math.copysign(gap, found) - found) * subject[..., None], 0, 1)


def _stroke_angle(picture: Array) -> Array:
    """The direction of brush strokes: along the edges, and where there are none along a fixed gentle swirl."""
    grey = blur(picture @ GREY, 1.6)
    gx, gy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    tensor = blur(np.dstack([gx * gx - gy * gy, 2 * gx * gy]), 5)
    rest = 0.5 * lookup(SMOOTH, X * 0.9, Y * 0.9)
    tensor = tensor + 4e-4 * np.dstack([-np.cos(2 * rest), -np.sin(2 * rest)])
    return np.asarray(0.5 * np.arctan2(tensor[..., 1], tensor[..., 0]) + math.pi / 2, np.float32)


def oil_painting(picture: Array, subject: Array) -> Array:
    """Smeared along the strokes, with the relief of the bristles, in warm full colour."""
    angle = _stroke_angle(picture)
    dx, dy = np.cos(angle), np.sin(angle)
    grain = lookup(GRAIN, X, Y)
    layers = np.dstack([kuwahara(picture, 3), grain])
    smear = layers.copy()
    for sign in (1, -1):
        for step in range(1, 5):
            smear += warp(layers, X + sign * step * 1.7 * dx, Y + sign * step * 1.7 * dy)
    smear /= 9
    paint, bristle = kuwahara(smear[..., :3], 2), smear[..., 3]
    paint = mix(paint, picture, 0.25 + 0.5 * subject)
    relief = bristle - np.roll(bristle, (1, 1), (0, 1))
    paint = paint * (1 + 0.05 * np.clip(bristle, -2, 2) + 0.06 * np.clip(relief, -2, 2))[..., None]
    grey = paint.mean(2, keepdims=True)
    return np.clip(grey + (paint - grey) * 1.14, 0, 1)


def watercolor(picture: Array, subject: Array) -> Array:
    """Pale washes with darker rims on white paper, torn at the border."""
    wobble = lookup(ROUGH, X * 1.5, Y * 1.5)
    wash = warp(picture, X + 1.3 * wobble, Y + 1.3 * lookup(ROUGH, Y * 1.5, X * 1.5))
    wash = mix(kuwahara(wash, 3), wash, subject * 0.6)
    rim = np.clip((blur(wash, 4) - wash).mean(2), 0, 0.2)
    tint = np.clip(wash, 0.03, 1) ** 0.62
    tint = tint + (tint - tint.mean(2, keepdims=True)) * 0.32
    tint = tint * (1 - 0.9 * rim + 0.022 * wobble)[..., None]
    tint = mix(tint, PAPER, np.clip(0.15 + 0.05 * lookup(SMOOTH, X, Y), 0, 0.4))
    return np.clip(mix(PAPER, tint, smoothstep(7, 12, TORN)), 0, 1)


def _tones(picture: Array, subject: Array) -> tuple[Array, Array]:
    """Grey tones stretched to 0..1, and the strength of outlines 0..1; the subject is always outlined."""
    soft = blur(kuwahara(picture, 3), 0.8)
    grey = soft @ GREY
    low, high = np.percentile(grey, (1, 99))
    tone = np.clip((grey - low) / (high - low + 1e-3), 0, 1)
    # The subject is set off from what is behind it: dark on light, light on dark.
    behind = blur(tone, 14)
    tone = mix(tone, np.clip(tone + np.where(behind < 0.5, 0.34, -0.16), 0, 1), subject * 0.9)
    edge = np.hypot(cv2.Sobel(tone, cv2.CV_32F, 1, 0), cv2.Sobel(tone, cv2.CV_32F, 0, 1))
    rim = np.hypot(cv2.Sobel(blur(subject, 1.0), cv2.CV_32F, 1, 0), cv2.Sobel(blur(subject, 1.0), cv2.CV_32F, 0, 1))
    return np.asarray(tone, np.float32), np.maximum(smoothstep(0.3, 1.0, edge), smoothstep(0.6, 1.6, rim))


def pencil_sketch(picture: Array, subject: Array) -> Array:
    """Graphite: firm outlines, hatching that thickens with the dark, on cream paper."""
    tone, outline = _tones(picture, subject)
    tone = np.clip(tone * 0.8 + 0.14 + 0.5 * (float(picture.mean()) - 0.5), 0, 1)  # night stays darker than noon
    dark = 1 - tone
    hatch = 0.5 + 0.5 * np.cos((X + Y) * 2 * math.pi / 8)
    ink = 0.42 * dark + 0.34 * dark * hatch * smoothstep(0.1, 0.6, dark)
    ink = np.maximum(ink, outline * 0.86) * smoothstep(1, 9, TORN)
    return np.clip((0.965 - ink)[..., None] * np.float32([1.0, 0.985, 0.955]), 0, 1)


def pixel_art(picture: Array, subject: Array) -> Array:
    """32 × 32 blocks in a reduced palette; a block is one latent wide."""
    apart = set_off(picture, subject, 0.2)
    small = cv2.resize(mix(kuwahara(apart, 3), apart, subject), (32, 32), interpolation=cv2.INTER_AREA)
    crisp = small + 0.55 * (small - cv2.GaussianBlur(small, (0, 0), 1.0))
    grey = crisp.mean(2, keepdims=True)
    rich = np.clip((grey + (crisp - grey) * 1.3 - 0.5) * 1.1 + 0.5, 0, 1)
    palette = np.clip(np.round(np.sqrt(rich) * 10) / 10, 0, 1) ** 2
    return np.asarray(np.repeat(np.repeat(palette, 8, 0), 8, 1), np.float32)


def flat_poster(picture: Array, subject: Array) -> Array:
    """A screen print: few flat tones, strong colour, a cream margin."""
    flat = mix(kuwahara(kuwahara(picture, 4), 3), kuwahara(picture, 2), subject)
    lab = cv2.cvtColor(flat, cv2.COLOR_RGB2LAB)
    lab[..., 0] = np.clip((np.floor(lab[..., 0] / 15) * 15 + 8.5) * 1.05, 0, 100)
    lab[..., 1:] = np.round(lab[..., 1:] * 1.3 / 12) * 12
    print_ = np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1)
    print_ = cv2.medianBlur((print_ * 255).astype(np.uint8), 5).astype(np.float32) / 255
    return mix(rgb(248, 240, 222), blur(print_, 0.6), smoothstep(9, 10.5, BORDER))


def woodcut_print(picture: Array, subject: Array) -> Array:
    """Only for the LoRA: black ink on warm paper, cut in level lines that swell with the dark."""
    tone, outline = _tones(picture, subject)
    line = 0.5 + 0.5 * np.cos(Y * 2 * math.pi / 8)
    ink = smoothstep(-0.12, 0.12, (1 - tone) * 1.0 - 0.06 - line * 0.9)
    ink = np.maximum(ink, outline) * smoothstep(6, 8, TORN)
    return mix(rgb(238, 214, 168), rgb(34, 26, 28), np.clip(ink, 0, 1))


PAINT: dict[str, Callable[[Array, Array], Array]] = {
    "oil painting": oil_painting,
    "watercolor": watercolor,
    "pencil sketch": pencil_sketch,
    "pixel art": pixel_art,
    "flat poster": flat_poster,
    "woodcut print": woodcut_print,
}
