"""Data that are to be made, as they will be: the index of a source's walks, and the frames of its first one.

What a protocol or a batch will lack is known from it in a second, before an hour of generating.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from gaitlab.data.schema import LABELS
from gaitlab.data.source import SourceConfig
from gaitlab.data.store import FrameMap, Store
from gaitlab.data.writing import checked_frames


class PlannedStore(Store):
    """What `Store` is, without frames: every walk is taken to be as long as the first, of its modalities and shapes."""

    def __init__(self, source: SourceConfig, root: Path) -> None:
        """root: where the walks will be put. ValueError for a source that has none."""
        walks = sorted(source.walks(), key=lambda walk: (walk.subject, walk.key))
        if not walks:
            raise ValueError("the source has no walks")
        self.root, self.hash, self._cache, rates = root, "", None, source.frame_rates()
        first = {m: checked_frames(frames, m) for m, frames in source.load(walks[0]).items()}
        self.modalities = sorted(first)
        self.manifest: dict[str, Any] = {
            "dataset": source.name,
            "walks": len(walks),
            "modalities": {
                m: {"shape": list(frames.shape[1:]), "packed": not (frames % 255).any(), "frames": len(walks) * len(frames)}
                | ({"fps": rates[m]} if m in rates else {})
                for m, frames in first.items()
            },
        }
        told = {name: [getattr(walk, name) for walk in walks] for name in LABELS if name != "dataset"}
        self._index = pd.DataFrame({**told, "dataset": source.name})
        for m, frames in first.items():
            self._index[f"{m}_frames"] = len(frames)

    @property
    def index(self) -> pd.DataFrame:
        return self._index

    def frames(self, modality: str) -> FrameMap:
        raise ValueError(f"{self.root.name} is not made yet")


@lru_cache(maxsize=4)
def planned_store(source: SourceConfig, root: Path) -> PlannedStore:
    """Once for all that ask in a row: a sweep's trials have the same data."""
    return PlannedStore(source, root)
