"""A moving body as tapered capsules: each is the convex hull of two balls."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Capsules:
    """Axes: x forward (the walking direction), y left, z up.

    ends: float `[t, c, 2, 3]` m. radii: `[c, 2]` m, one per end. parts: c names (`l_shank`), for noise that loses one.
    """

    ends: np.ndarray
    radii: np.ndarray
    parts: tuple[str, ...]
