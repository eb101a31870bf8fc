"""The P x K feed for data larger than a node: every subject is one block in Ray's object store, shared and spilled by the cluster.

Draws, frame numbers, transforms and unpacking are those of `gaitlab.data.feed`; only where frames come from differs, so both
feeds give the same batches.
"""

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import torch

from gaitlab.data.clips import stored_modality
from gaitlab.data.coding import decode_rows, row_bytes
from gaitlab.data.draws import Draw
from gaitlab.data.feed import Feed, ahead
from gaitlab.data.store import Store
from gaitlab.data.unpack import Layout
from gaitlab.types import Batch, ClipSpec

AHEAD = 3
"""Batches that are fetched while one is in use."""


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """A split in the object store; small, picklable, and good on every worker as long as the process that loaded it lives.

    layouts: per stored modality. refs: subject -> Arrow table of one row, whose cell of a modality holds the frames of all walks
    of the subject, in index order, as rows of a frame map.
    """

    layouts: dict[str, Layout]
    refs: dict[str, ray.ObjectRef]
    split: str

    def __call__(
        self,
        store: Store,
        clips: Mapping[str, ClipSpec],
        *,
        p: int,
        k: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        draw: Draw = "subjects",
        targets: Sequence[str] = (),
    ) -> "RayFeed":
        """The feed of one worker; of `store` it needs the index only."""
        frames = _BlockFrames(store, self, {spec.modality for spec in clips.values()})
        return RayFeed(
            store, clips, p=p, k=k, seed=seed, rank=rank, world=world, split=self.split, draw=draw, targets=targets, frames=frames
        )


class RayFeed(Feed):
    """`gaitlab.data.feed.Feed` on blocks that `load` has put into the object store."""

    @staticmethod
    def load(root: str | Path, clips: Mapping[str, ClipSpec], split: str = "train") -> Blocks:
        """Reads the shards under `root` (a path that every node sees) with Ray Data, once; call it on the driver."""
        store = Store(root)
        layouts: dict[str, Layout] = {}
        for modality in sorted({stored_modality(store, spec.modality) for spec in clips.values()}):
            facts = store.manifest["modalities"][modality]
            layouts[modality] = Layout(tuple(facts["shape"]), facts["packed"])
        shard_of = np.repeat(np.arange(len(store.manifest["shards"])), [shard["rows"] for shard in store.manifest["shards"]])
        needed = np.unique(shard_of[store.index["split"] == split])
        shards = [{"root": str(store.root), "shard": int(i)} for i in needed]
        data = ray.data.from_items(shards, override_num_blocks=len(shards))
        packed = data.map_batches(lambda batch: _pack(batch, layouts, split), batch_size=None, batch_format="numpy")
        packed.context.target_max_block_size = 1  # one row, that is one subject, a block
        packed.context.execution_options.preserve_order = True
        packed.context.enable_progress_bars = False
        refs = _blocks(packed)
        names = list(dict.fromkeys(store.index.loc[store.index["split"] == split, "subject"]))
        if len(refs) != len(names):
            raise RuntimeError(f"Ray Data made {len(refs)} blocks of {len(names)} subjects")
        return Blocks(layouts=layouts, refs=dict(zip(names, refs, strict=True)), split=split)

    def batches(self, start: int, stop: int, device: torch.device) -> Iterator[Batch]:
        """Batches of the steps start..stop-1; the blocks of the next ones are fetched while one is in use."""
        return ahead(lambda step: self.batch(step, device), start, stop, AHEAD)


def _blocks(data: ray.data.Dataset) -> list[ray.ObjectRef]:
    """The computed blocks of `data`; a task's ValueError is raised as what it is, without Ray Data's pages of traceback."""
    log = logging.getLogger("ray.data")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        return data.materialize().to_arrow_refs()
    except ray.exceptions.RayTaskError as error:
        if not isinstance(error, ValueError):
            raise
        raise ValueError(str(error.cause).splitlines()[0]) from None
    finally:
        log.setLevel(level)


def _pack(shards: dict[str, np.ndarray], layouts: dict[str, Layout], split: str) -> Generator[pa.Table]:
    """Shards -> one row per subject that has walks of the split."""
    for root, number in zip(shards["root"], shards["shard"], strict=True):
        store = Store(root)
        file = store.verified(store.manifest["shards"][number])
        columns = ["subject", "split", *(f"{m}{suffix}" for m in layouts for suffix in ("", "_frames", "_coding"))]
        subject: str | None = None
        used, frames = False, {m: list[np.ndarray]() for m in layouts}
        for group in range(file.num_row_groups + 1):
            table = file.read_row_group(group, columns=columns) if group < file.num_row_groups else None
            if table is None or table["subject"][0].as_py() != subject:
                if used:
                    yield _row(str(subject), frames)
                subject, used, frames = table and table["subject"][0].as_py(), False, {m: [] for m in layouts}
            if table is not None:
                used |= split in table["split"].to_pylist()
                for m, layout in layouts.items():
                    cells = zip(table[m], table[f"{m}_coding"].to_pylist(), table[f"{m}_frames"].to_pylist(), strict=True)
                    frames[m] += [decode_rows(data.as_buffer(), coding, t, layout.shape, layout.packed) for data, coding, t in cells if t]


def _row(subject: str, frames: Mapping[str, list[np.ndarray]]) -> pa.Table:
    cells = {m: pa.array([np.concatenate(walks).data if walks else b""], pa.large_binary()) for m, walks in frames.items()}
    return pa.table({"subject": [subject], **cells})


class _BlockFrames:
    """Frames out of the object store, a subject's block at a time."""

    def __init__(self, store: Store, blocks: Blocks, modalities: Iterable[str]) -> None:
        self._refs, index = blocks.refs, store.index
        self._stored = {m: stored_modality(store, m) for m in modalities}
        self._layouts = {m: replace(blocks.layouts[name], drawn=name != m) for m, name in self._stored.items()}
        self._subject = index["subject"].to_numpy(dtype=object)
        change = np.flatnonzero(self._subject[1:] != self._subject[:-1]) + 1
        self._first = np.repeat(np.r_[0, change], np.diff(np.r_[0, change, len(self._subject)]))
        counts = {m: index[f"{m}_frames"].to_numpy(np.int64) for m in blocks.layouts}
        self._offsets = {m: np.cumsum(count) - count for m, count in counts.items()}

    def layout(self, modality: str) -> Layout:
        return self._layouts[modality]

    def gather(self, modality: str, rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        layout, modality = self._layouts[modality], self._stored[modality]
        size = row_bytes(layout.shape, layout.packed)
        out = np.zeros((*numbers.shape, size), np.uint8)
        names = list(dict.fromkeys(self._subject[rows]))
        offsets = self._offsets[modality]
        for name, block in zip(names, ray.get([self._refs[name] for name in names]), strict=True):
            _check(block, name)
            frames = np.frombuffer(block[modality][0].as_buffer(), np.uint8).reshape(-1, size)
            for i in np.flatnonzero(self._subject[rows] == name):
                wanted = numbers[i][numbers[i] >= 0]
                out[i, : len(wanted)] = frames[offsets[rows[i]] - offsets[self._first[rows[i]]] + wanted]
        return out


def _check(block: Any, name: str) -> None:
    if block["subject"][0].as_py() != name:
        raise RuntimeError(f"the object store's block of {name!r} holds {block['subject'][0].as_py()!r}; load the data again")
