"""The feed for data larger than a node: a person's walks are blocks in Ray's object store, shared and spilled by the cluster.

Draws, frame numbers, transforms and unpacking are those of `gaitlab.data.feed`; only where frames come from differs, so both
feeds give the same batches.
"""

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
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
WALKS = 32
"""Of one person, or of nobody, in a block at most: who draws single walks fetches no more than that for one."""


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """Walks in the object store; small, picklable, and good on every worker as long as the process that loaded it lives.

    layouts: per stored modality. refs: Arrow tables of one row, whose cell of a modality holds the frames of the block's walks, in index
    order, as rows of a frame map. starts: int64, the index's row that each block begins with, rising.
    """

    layouts: dict[str, Layout]
    refs: list[ray.ObjectRef]
    starts: np.ndarray

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
        split: str = "train",
        draw: Draw = "subjects",
        targets: Sequence[str] = (),
    ) -> "RayFeed":
        """The feed of one worker; of `store` it needs the index only."""
        frames = _BlockFrames(store, self, {spec.modality for spec in clips.values()})
        return RayFeed(store, clips, p=p, k=k, seed=seed, rank=rank, world=world, split=split, draw=draw, targets=targets, frames=frames)


class RayFeed(Feed):
    """`gaitlab.data.feed.Feed` on blocks that `load` has put into the object store."""

    @staticmethod
    def load(store: Store, clips: Mapping[str, ClipSpec], splits: Sequence[str] = ("train",)) -> Blocks:
        """Reads the shards of `store` (whose path every node sees) with Ray Data, once; call it on the driver."""
        layouts: dict[str, Layout] = {}
        for modality in sorted({stored_modality(store, spec.modality) for spec in clips.values()}):
            facts = store.manifest["modalities"][modality]
            layouts[modality] = Layout(tuple(facts["shape"]), facts["packed"])
        wanted, first, shards, starts = store.index["split"].isin(splits).to_numpy(), 0, [], list[int]()
        for part in store.parts:
            for i, shard in enumerate(part.manifest["shards"]):
                if wanted[first : first + shard["rows"]].any():
                    shards.append({"root": str(part.root), "shard": i, "first": first})
                    cuts = _cuts(pq.read_metadata(part.root / shard["file"]))
                    starts += [first + row for _, _, row, walks in cuts if wanted[first + row : first + row + walks].any()]
                first += shard["rows"]
        data = ray.data.from_items(shards, override_num_blocks=len(shards))
        packed = data.map_batches(lambda batch: _pack(batch, layouts, splits), batch_size=None, batch_format="numpy")
        packed.context.target_max_block_size = 1  # one row a block of the store
        packed.context.execution_options.preserve_order = True
        packed.context.enable_progress_bars = False
        refs = _blocks(packed)
        if len(refs) != len(starts):
            raise RuntimeError(f"Ray Data made {len(refs)} blocks instead of {len(starts)}")
        return Blocks(layouts=layouts, refs=refs, starts=np.array(starts, np.int64))

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


def _pack(shards: dict[str, np.ndarray], layouts: dict[str, Layout], splits: Sequence[str]) -> Generator[pa.Table]:
    """Shards -> one row for every `WALKS` walks of one person, or of nobody, that are not all of other splits."""
    for root, number, first in zip(shards["root"], shards["shard"], shards["first"], strict=True):
        store = Store(root)
        file = store.verified(store.manifest["shards"][number])
        there = [m for m in layouts if m in store.modalities]
        columns = ["split", *(f"{m}{suffix}" for m in there for suffix in ("", "_frames", "_coding"))]
        read, table = -1, pa.table({})
        for group, start, row, walks in _cuts(file.metadata):
            if group != read:
                read, table = group, file.read_row_group(group, columns=columns)
            block = table.slice(start, walks)
            if not set(splits).isdisjoint(block["split"].to_pylist()):
                cells = {m: _cell(block, m, layouts[m]) if m in there else b"" for m in layouts}
                yield pa.table({"first": [int(first) + row], **{m: pa.array([cell], pa.large_binary()) for m, cell in cells.items()}})


def _cuts(shard: pq.FileMetaData) -> Iterator[tuple[int, int, int, int]]:
    """Blocks of a shard: the row group (of one person), the walk of it and that of the shard that it begins with, its walks."""
    row = 0
    for group in range(shard.num_row_groups):
        walks = shard.row_group(group).num_rows
        yield from ((group, start, row + start, min(WALKS, walks - start)) for start in range(0, walks, WALKS))
        row += walks


def _cell(block: pa.Table, m: str, layout: Layout) -> Any:
    """Bytes of all its walks' frames of a modality."""
    cells = zip(block[m], block[f"{m}_coding"].to_pylist(), block[f"{m}_frames"].to_pylist(), strict=True)
    frames = [decode_rows(data.as_buffer(), coding, t, layout.shape, layout.packed) for data, coding, t in cells if t]
    return np.concatenate(frames).data if frames else b""


class _BlockFrames:
    """Frames out of the object store, a block at a time."""

    def __init__(self, store: Store, blocks: Blocks, modalities: Iterable[str]) -> None:
        self._blocks, index = blocks, store.index
        self._stored = {m: stored_modality(store, m) for m in modalities}
        self._layouts = {m: replace(blocks.layouts[name], drawn=name != m) for m, name in self._stored.items()}
        counts = {m: index[f"{m}_frames"].to_numpy(np.int64) for m in blocks.layouts}
        self._offsets = {m: np.cumsum(count) - count for m, count in counts.items()}

    def layout(self, modality: str) -> Layout:
        return self._layouts[modality]

    def gather(self, modality: str, rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        layout, modality = self._layouts[modality], self._stored[modality]
        size = row_bytes(layout.shape, layout.packed)
        out, offsets = np.zeros((*numbers.shape, size), np.uint8), self._offsets[modality]
        of = np.searchsorted(self._blocks.starts, rows, "right") - 1
        wanted = np.unique(of)
        for number, block in zip(wanted, ray.get([self._blocks.refs[number] for number in wanted]), strict=True):
            first = self._blocks.starts[number]
            if block["first"][0].as_py() != first:
                raise RuntimeError(f"the object store's block of walk {first} holds walk {block['first'][0].as_py()}; load the data again")
            frames = np.frombuffer(block[modality][0].as_buffer(), np.uint8).reshape(-1, size)
            for i in np.flatnonzero(of == number):
                seen = numbers[i][numbers[i] >= 0]
                out[i, : len(seen)] = frames[offsets[rows[i]] - offsets[first] + seen]
        return out
