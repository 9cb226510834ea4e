"""What every film is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
"""One picture of a film, (height, width, 3), sRGB."""
