"""A folder of shards, opened: the index of its walks, and O(1) frames from a node-local memory map.

The shards are read once per node and modality, verified, decoded, and laid out as one row of bytes per frame under
`cache/<dataset hash>/<modality>/` (`gaitlab.data.frame_map`); every process of the node then maps the same pages.

Labels are verified at every opening. The first one of a node takes the sha256 of whole shards and keeps a checksum of what their labels
are; the next ones compare that, in milliseconds, and look at whole shards again only where it differs.
"""

import contextlib
import errno
import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from gaitlab.data.coding import Shape, decode_rows, row_bytes
from gaitlab.data.frame_map import FrameMap, build, is_map, open_map
from gaitlab.data.schema import LABELS, MANIFEST, data_hash, read_manifest
from gaitlab.home import cache as node_cache
from gaitlab.home import write_whole


class Store:
    """Opens what `gaitlab.data.ingest` wrote.

    index: one row per walk, columns `key dataset subject session conditions view take split role source` and
    `<modality>_frames` (0 where a walk lacks the modality).
    """

    def __init__(self, root: str | Path, *, cache: Path | None = None) -> None:
        self.root = Path(root).expanduser().resolve()
        self.manifest: dict[str, Any] = read_manifest(self.root)
        self.hash: str = self.manifest["hash"]
        self.modalities: list[str] = sorted(self.manifest["modalities"])
        self._cache = Path(cache) if cache is not None else None

    def __repr__(self) -> str:
        walks = sum(part.manifest["walks"] for part in self.parts)
        return f"{type(self).__name__} {self.root}: {walks} walks of {', '.join(self.modalities)}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent to another process, it is opened anew there."""
        return partial(Store, cache=self._cache), (self.root,)

    @property
    def parts(self) -> "list[Store]":
        """The data sets that it is of; several in `gaitlab.data.joined`."""
        return [self]

    @cached_property
    def index(self) -> pd.DataFrame:
        """Read from the shards' small columns, and verified; no pixels are decoded."""
        table = self._labels([*LABELS, *(f"{m}_frames" for m in self.modalities)])
        self._verify(table)
        frame = table.to_pandas()
        frame["conditions"] = [tuple(conditions) for conditions in frame["conditions"]]
        if len(frame) != self.manifest["walks"]:
            raise ValueError(f"{self.root} holds {len(frame)} walks, its manifest says {self.manifest['walks']}; ingest it again")
        return frame

    @property
    def _on_node(self) -> Path:
        """Folder of what this node keeps of the data set."""
        return (self._cache or node_cache()) / self.hash

    def _labels(self, names: Sequence[str]) -> pa.Table:
        """Columns of all walks."""
        tables = []
        for shard in self.manifest["shards"]:
            path = self.root / shard["file"]
            self._check_size(shard)
            try:
                with pq.ParquetFile(path, memory_map=True) as file:
                    tables.append(file.read(columns=names, use_threads=False))
            except (pa.ArrowException, OSError) as error:
                raise ValueError(_corrupt(path, str(error).splitlines()[0])) from None
        return pa.concat_tables(tables)

    def _verify(self, labels: pa.Table) -> None:
        """ValueError unless these are the labels of shards that have the manifest's sha256, and the manifest is theirs."""
        written = pa.BufferOutputStream()
        with pa.ipc.new_stream(written, labels.schema) as stream:
            stream.write_table(labels)
        now = hashlib.sha256(written.getvalue()).hexdigest()
        known = None
        with contextlib.suppress(OSError):  # a cache that cannot be written keeps nothing
            manifest = hashlib.sha256((self.root / MANIFEST).read_bytes()).hexdigest()
            known = self._on_node / f"labels-{manifest[:16]}.sha256"
            if known.read_text() == now:
                return
        for shard in self.manifest["shards"]:
            self._content(shard)
        if data_hash(self._labels(["checksum"])["checksum"].to_pylist(), self.manifest["modalities"]) != self.hash:
            raise ValueError(f"{self.root / MANIFEST} is damaged (its hash is of other walks); ingest the data set again")
        if known:
            with contextlib.suppress(OSError):
                known.parent.mkdir(parents=True, exist_ok=True)
                write_whole(known, now)

    def map_bytes(self, modality: str) -> int:
        """That the memory map of a modality will take on this node; 0 where it is there."""
        facts = self.manifest["modalities"][modality]
        there = bool(self.hash) and is_map(self._on_node / modality)
        return 0 if there else int(facts["frames"]) * row_bytes(tuple(facts["shape"]), facts["packed"])

    def frames(self, modality: str) -> FrameMap:
        """The memory map of one modality; built by the first process of a node that asks, in one pass over the shards."""
        if modality not in self.modalities:
            raise ValueError(f"{self.root.name} has no {modality!r}; it has {', '.join(self.modalities)}")
        facts = self.manifest["modalities"][modality]
        shape, packed = tuple(facts["shape"]), facts["packed"]
        cache = self._on_node
        folder = cache / modality
        if not is_map(folder):
            cache.mkdir(parents=True, exist_ok=True)
            with FileLock(cache / f"{modality}.lock"):
                if not is_map(folder):
                    try:
                        build(folder, self._rows(modality, shape, packed), shape, packed)
                    except OSError as error:
                        if error.errno == errno.ENOSPC:
                            raise ValueError(f"no space left for the memory map in {cache}; free some, or set GAITLAB_HOME") from None
                        raise
        return open_map(folder, shape, packed)

    def _rows(self, modality: str, shape: Shape, packed: bool) -> Iterator[np.ndarray]:
        """Of a frame map, uint8 `[t, bytes]` of every walk in index order, from shards whose checksum is right."""
        for shard in self.manifest["shards"]:
            path = self.root / shard["file"]
            file = self.verified(shard)
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=[modality, f"{modality}_coding", f"{modality}_frames"])
                if table.num_columns != 3:
                    raise ValueError(_corrupt(path, f"it lacks the columns of {modality}"))
                data, codings, frames = table.columns
                for i, count in enumerate(frames.to_pylist()):
                    coding = codings[i].as_py()
                    yield decode_rows(data[i].as_buffer(), coding, count, shape, packed) if count else np.empty((0, 0), np.uint8)

    def verified(self, shard: dict[str, Any]) -> pq.ParquetFile:
        """One entry of the manifest's `shards`, opened from bytes that have the size and the sha256 the manifest says."""
        return pq.ParquetFile(pa.BufferReader(self._content(shard)))

    def _content(self, shard: dict[str, Any]) -> pa.Buffer:
        self._check_size(shard)
        path = self.root / shard["file"]
        with pa.memory_map(str(path)) as source:
            content = source.read_buffer()
        if hashlib.sha256(content).hexdigest() != shard["sha256"]:
            raise ValueError(_corrupt(path, "its sha256 is not the manifest's"))
        return content

    def _check_size(self, shard: dict[str, Any]) -> None:
        path = self.root / shard["file"]
        if not path.is_file():
            raise ValueError(_corrupt(path, "it is missing"))
        if path.stat().st_size != shard["bytes"]:
            raise ValueError(_corrupt(path, f"it has {path.stat().st_size} bytes instead of {shard['bytes']}"))


def _corrupt(path: Path, why: str) -> str:
    return f"shard {path} is corrupt: {why}; copy it again or ingest the data set again"
