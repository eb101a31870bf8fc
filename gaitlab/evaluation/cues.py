"""Single cues that no recogniser should get far with: embeddings `[n, 1, d]` like any other, for `evaluate`."""

import numpy as np

from gaitlab.data.store import Store


def width(store: Store, rows: np.ndarray) -> np.ndarray:
    """Mean width of a walk's silhouettes in pixels / 64, float32 `[n, 1, 1]`; one's width is its area over the rows that it covers."""
    frames = store.frames("silhouette")
    out = np.empty((len(rows), 1, 1), np.float32)
    for i, row in enumerate(rows):
        across = (frames.walk(int(row))[:, 0] > 0).sum(2)  # t h
        covered = np.maximum((across > 0).sum(1), 1)
        out[i] = (across.sum(1) / covered).mean() / 64
    return out
