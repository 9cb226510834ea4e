"""Colours as eyes see them: contrast, differences, and what is left of them without one kind of cone."""

import numpy as np
from numpy.typing import NDArray

from denoisecli.figures.theme import RGB

# What linear RGB becomes for people without L, M or S cones. Machado, Oliveira & Fernandes 2009, table of severity 1.0.
EYES = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = TO_XYZ.sum(axis=1)  # D65


def linear(colour: RGB) -> NDArray[np.float64]:
    """Return linear RGB, 0..1, of sRGB (IEC 61966-2-1)."""
    share = np.array(colour) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(colour: RGB, eyes: str = "usual") -> NDArray[np.float64]:
    """Return CIE L*a*b* of a colour as `eyes` see it."""
    xyz = TO_XYZ @ np.clip(EYES[eyes] @ linear(colour), 0, 1) / WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(a: RGB, b: RGB, eyes: str = "usual") -> float:
    """Return ΔE*ab (CIE 1976): 2.3 is just seen, 10 at a glance."""
    return float(np.linalg.norm(lab(a, eyes) - lab(b, eyes)))


def contrast(a: RGB, b: RGB) -> float:
    """Return the contrast ratio, 1..21, of WCAG 2: relative luminances, and 5 % of stray light."""
    dark, light = sorted(float(TO_XYZ[1] @ linear(colour)) for colour in (a, b))
    return (light + 0.05) / (dark + 0.05)
