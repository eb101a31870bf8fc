"""Sequences per second from a store to a batch: 100 people x 12 walks x 52-68 binary frames of 64 x 64, P x K = 8 x 4, 30 frames."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.utils.data import DataLoader, Dataset

from gaitlab.data.draws import Subjects, pk_rows
from gaitlab.data.feed import Feed
from gaitlab.data.ingest import ingest
from gaitlab.data.source import SourceConfig, Walk
from gaitlab.data.store import Store
from gaitlab.types import Augment, ClipSpec

CPU = torch.device("cpu")
P, K, FRAMES = 8, 4, 30
CROP = ClipSpec(frames=FRAMES)
AUGMENTED = ClipSpec(frames=FRAMES, augment=Augment(perspective=0.2, flip=0.2, rotate=0.2))


@dataclass(frozen=True, kw_only=True)
class Blobs(SourceConfig):
    """Swinging blobs with a ragged edge; only their number and size matter here."""

    name: str = "blobs"

    def walks(self) -> list[Walk]:
        return [Walk(subject=f"{s:03d}", view=f"{v:03d}", source=f"{s}/{v}") for s in range(100) for v in range(12)]

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([int(walk.subject), int(walk.view)])
        t = int(rng.integers(52, 69))
        y, x = np.mgrid[:64, :64]
        swing = 6 * np.sin(np.arange(t)[:, None, None] / 4 + rng.random())
        edge = rng.normal(1, 0.1, (t, 64, 64))
        inside = ((y - 32) / 30) ** 2 + ((x - 32 - swing * (y - 20) / 44) / 10) ** 2 < edge
        return {"silhouette": inside.astype(np.uint8) * np.uint8(255)}

    def checksum(self) -> str:
        return "blobs-100x12"


class _Walks(Dataset[tuple[torch.Tensor, int]]):
    """What one writes without gaitlab: the shards as one table in memory, frames picked and unpacked walk by walk."""

    def __init__(self, store: Store, label: np.ndarray) -> None:
        files = [store.root / shard["file"] for shard in store.manifest["shards"]]
        table = pa.concat_tables([pq.read_table(file, columns=["silhouette", "silhouette_frames"], partitioning=None) for file in files])
        self._data, self._frames = table["silhouette"].combine_chunks(), table["silhouette_frames"].to_numpy()
        self._label, self._rng = label, np.random.default_rng(0)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        t = int(self._frames[row])
        bits = np.frombuffer(self._data[row].as_buffer(), np.uint8).reshape(t, 512)
        chosen = bits[self._rng.choice(t, FRAMES, replace=t < FRAMES)]
        pixels = np.unpackbits(chosen, axis=1).reshape(FRAMES, 1, 64, 64).swapaxes(2, 3)[..., 10:54]  # stored column by column
        return torch.from_numpy(np.ascontiguousarray(pixels * np.uint8(255))), int(self._label[row])


def feed() -> Iterator[dict[str, Any]]:
    """The rows of this benchmark, one process and one thread."""
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(ingest(Blobs(), Path(folder) / "shards", progress=False).root, cache=Path(folder) / "cache")
            crop, augmented = (Feed(store, {"gait": spec}, p=P, k=K, seed=0) for spec in (CROP, AUGMENTED))
            yield _row("feed/crop", lambda step: crop.uint8(step, CPU), goal=60_000, what="uint8, cropped to 64x44")
            yield _row("feed/crop-float", lambda step: crop.batch(step, CPU), what="float32")
            yield _row("feed/augmented", lambda step: augmented.uint8(step, CPU), goal=6_000, what="perspective, flip, rotate at 0.2")
            yield _row("feed/augmented-float", lambda step: augmented.batch(step, CPU), what="float32")
            yield _row("feed/pyarrow-dataloader", _plain(store), what="pyarrow table in memory, torch DataLoader, uint8, crop only")
            yield _row("feed/floor", _floor(store), what="copying as many packed frames and as many pixels, nothing else")
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])


def _plain(store: Store) -> Callable[[int], object]:
    subjects = Subjects.of(store.index, "train")
    draws = [pk_rows(subjects, P, K, 0, step).tolist() for step in range(2000)]
    loader = iter(DataLoader(_Walks(store, subjects.label), batch_sampler=draws))
    return lambda step: next(loader)


def _floor(store: Store) -> Callable[[int], object]:
    data = np.asarray(store.frames("silhouette").data)
    rows = np.random.default_rng(0).integers(0, len(data), (64, P * K * FRAMES))
    packed, pixels = np.empty((P * K * FRAMES, 512), np.uint8), np.zeros((2, P * K * FRAMES, 64 * 44), np.uint8)

    def copy(step: int) -> None:
        np.take(data, rows[step % 64], axis=0, out=packed, mode="clip")
        np.copyto(pixels[0], pixels[1])

    return copy


def _row(name: str, make: Callable[[int], object], *, what: str, goal: int | None = None, repeats: int = 9) -> dict[str, Any]:
    """Median over repeats of about 0.15 s each, after a warm-up."""
    start = time.perf_counter()
    count = 0
    while count < 10 or time.perf_counter() - start < 0.15:
        make(count)
        count += 1
    rates = []
    for repeat in range(1, repeats + 1):
        start = time.perf_counter()
        for step in range(repeat * count, (repeat + 1) * count):
            make(step)
        rates.append(count * P * K / (time.perf_counter() - start))
    row: dict[str, Any] = {"name": name, "value": round(statistics.median(rates)), "unit": "sequences/s"}
    return row | ({"goal": goal} if goal else {}) | {"best": round(max(rates)), "worst": round(min(rates)), "what": what}
