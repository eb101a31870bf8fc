"""The gait energy image (Han & Bhanu, TPAMI 2006): a walk's mean silhouette, compared as it is. The baseline without training."""

import numpy as np

from gaitlab.data.store import Store
from gaitlab.types import Modality


def gei(store: Store, rows: np.ndarray, *, modality: Modality = "silhouette", width: int = 44) -> np.ndarray:
    """float32 `[n, 1, h * width]`, 0 to 1: one part, the mean of all frames of each of `rows`, centre columns.

    Of range views the occupancy is averaged (where any beam returned), so that a LiDAR's image can be held against a camera's.
    An embedding like any other: `evaluate(gei(store, rows), store.index.iloc[rows], protocol)` is its table.
    """
    if modality not in ("silhouette", "range"):
        raise ValueError(f"a gait energy image is made of silhouettes or of range views, not of {modality!r}")
    frames = store.frames(modality)
    _, height, full = frames.shape
    if width > full:
        raise ValueError(f"{modality} frames are {full} columns wide; give a width of at most {full}, not {width}")
    empty = [row for row in rows if frames.offsets[row] == frames.offsets[row + 1]]
    if empty:
        raise ValueError(f"{len(empty)} walks have no {modality} frames, e.g. {store.index['key'].iloc[empty[0]]}; leave their rows out")
    left = (full - width) // 2
    out = np.empty((len(rows), 1, height * width), np.float32)
    for i, row in enumerate(rows):
        walk = frames.walk(int(row))[:, 0, :, left : left + width]
        mean = (walk > 0).mean(0, dtype=np.float32) if modality == "range" else walk.mean(0, dtype=np.float32) / 255
        out[i, 0] = mean.ravel()
    return out
