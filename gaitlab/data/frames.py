"""Raw grey frame -> crop-and-centre, the pretreatment that the field's data sets share.

Rows are cropped to the silhouette, the height is scaled to `size` keeping the ratio, and a window `size` wide is cut around
the column where the cumulative sum passes half, zeros beyond the image. (Also known from Chao et al., GaitSet, AAAI 2019.)
"""

from typing import Literal

import cv2
import numpy as np

MIN_SUM = 10_000
"""Frames whose pixels sum to this or less show nobody."""
INTERPOLATION = {"cubic": cv2.INTER_CUBIC, "area": cv2.INTER_AREA}


def align(frame: np.ndarray, size: int = 64, *, interpolation: Literal["cubic", "area"] = "cubic") -> np.ndarray | None:
    """uint8 `[h, w]`, person bright on black -> uint8 `[size, size]`; None when the frame shows nobody.

    interpolation: cubic, or area (CCPG).
    """
    rows = frame.sum(axis=1, dtype=np.int64)
    if rows.sum() <= MIN_SUM:
        return None
    filled = np.flatnonzero(rows)
    body = frame[filled[0] : filled[-1] + 1]
    width = int(body.shape[1] * size / body.shape[0])
    if width == 0:
        return None
    body = cv2.resize(body, (width, size), interpolation=INTERPOLATION[interpolation])
    mass = body.sum(axis=0, dtype=np.int64).cumsum()
    centre = int(np.searchsorted(mass, mass[-1] / 2, side="right"))
    out = np.zeros((size, size), np.uint8)
    left = centre - size // 2
    start, stop = max(left, 0), min(left + size, width)
    out[:, start - left : stop - left] = body[:, start:stop]
    return out
