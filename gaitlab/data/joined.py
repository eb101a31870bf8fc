"""Several data sets as one, to learn from: their walks one data set after the other, their people told apart by the data set's name."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from gaitlab.data.coding import row_bytes
from gaitlab.data.frame_map import FrameMap
from gaitlab.data.store import Store


class JoinedStore(Store):
    """What `Store` is, of all walks of `parts`; a modality that one of them lacks has 0 frames in its walks."""

    def __init__(self, parts: Sequence[Store]) -> None:
        """ValueError if two hold the same walks, or a modality in other sizes."""
        self._parts = list(parts)
        self.root = self.parts[0].root
        if len({part.hash for part in self.parts}) < len(self.parts):
            raise ValueError(f"two of the data sets {', '.join(part.root.name for part in self.parts)} hold the same walks; name each once")
        self.hash = hashlib.sha256("\n".join(["joined", *(part.hash for part in self.parts)]).encode()).hexdigest()[:32]
        self.modalities = sorted({modality for part in self.parts for modality in part.modalities})
        self.manifest = {"modalities": {modality: self._facts(modality) for modality in self.modalities}}

    def __reduce__(self) -> tuple[Any, ...]:
        return JoinedStore, (self.parts,)

    @property
    def parts(self) -> list[Store]:
        return self._parts

    @cached_property
    def index(self) -> pd.DataFrame:
        """As `Store.index`; subjects are `dataset/subject`, and "" stays nobody. Of two data sets of one name the second is `dataset-2`:
        who carries the same name in both is not known to be the same person."""
        frames: list[pd.DataFrame] = []
        names = [part.manifest["dataset"] for part in self.parts]
        for i, part in enumerate(self.parts):
            frame = part.index.copy()
            name = names[i] + (f"-{names[:i].count(names[i]) + 1}" if names[i] in names[:i] else "")
            frame["subject"] = [f"{name}/{subject}" if subject else "" for subject in frame["subject"]]
            for modality in self.modalities:
                if modality not in part.modalities:
                    frame[f"{modality}_frames"] = 0
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def frames(self, modality: str) -> FrameMap:
        maps = [part.frames(modality) for part in self.parts if modality in part.modalities]
        facts = self.manifest["modalities"][modality]
        shape, packed = tuple(facts["shape"]), facts["packed"]
        counts = self.index[f"{modality}_frames"].to_numpy(np.int64)
        return FrameMap(_Rows(maps, shape, packed), np.r_[0, np.cumsum(counts)], shape, packed)  # type: ignore[arg-type]

    def _facts(self, modality: str) -> dict[str, Any]:
        there = [(part, part.manifest["modalities"][modality]) for part in self.parts if modality in part.modalities]
        (first, facts), rates = there[0], {other.get("fps") for _, other in there}
        for part, other in there:
            if other["shape"] != facts["shape"]:
                raise ValueError(
                    f"{modality} frames of {first.root.name} are {facts['shape']}, those of {part.root.name} {other['shape']}; "
                    "data sets are joined where they agree: ingest one of them again"
                )
        known = {"fps": facts["fps"]} if len(rates) == 1 and None not in rates else {}  # else clips that follow take equal numbers only
        return {"shape": facts["shape"], "packed": all(other["packed"] for _, other in there), **known}


class _Rows:
    """Rows of several frame maps one after the other, as `numpy.take` and a slice of one map see them."""

    def __init__(self, maps: Sequence[FrameMap], shape: tuple[int, int, int], packed: bool) -> None:
        self._maps, self._packed = maps, packed
        self._starts = np.cumsum([0, *(len(m.data) for m in maps)])
        self._width, self._pixels = row_bytes(shape, packed), int(np.prod(shape))

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self.take(np.arange(*rows.indices(len(self))))

    def take(self, index: np.ndarray, **_: Any) -> np.ndarray:
        """uint8 `[*index.shape, bytes]`; bits become pixels where one of the data sets has grey ones. A row below 0 may be any."""
        index = np.maximum(index, 0)
        of, out = np.searchsorted(self._starts, index, "right") - 1, np.empty((*index.shape, self._width), np.uint8)
        for number in np.unique(of):
            here, m = of == number, self._maps[number]
            rows = np.take(m.data, index[here] - self._starts[number], axis=0)
            out[here] = np.unpackbits(rows, axis=1, count=self._pixels) * np.uint8(255) if m.packed and not self._packed else rows
        return out
