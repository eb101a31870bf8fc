"""A folder of shards, opened: the index of its walks, and O(1) frames from a node-local memory map.

The shards are read once per node and modality, verified, decoded, and laid out as one row of bytes per frame under
`cache/<dataset hash>/<modality>/`; every process of the node then maps the same pages.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from gaitlab.data.coding import decode_rows, row_bytes
from gaitlab.data.schema import WALK, read_manifest
from gaitlab.home import cache as node_cache


@dataclass(frozen=True)
class FrameMap:
    """All frames of one modality: walk i owns rows `offsets[i]:offsets[i+1]` of `data`.

    data: uint8 `[F, bytes per frame]`, a read-only memory map.
    shape: (c, h, w) of a frame. packed: a row holds `np.packbits` of the flattened frame, whose values are 0 and 255;
    otherwise a row holds one byte per pixel.
    """

    data: np.ndarray
    offsets: np.ndarray
    shape: tuple[int, int, int]
    packed: bool

    def walk(self, row: int) -> np.ndarray:
        """uint8 `[t, c, h, w]`, values 0..255."""
        rows = np.asarray(self.data[self.offsets[row] : self.offsets[row + 1]])
        if self.packed:
            rows = np.unpackbits(rows, axis=1, count=int(np.prod(self.shape))) * np.uint8(255)
        return rows.reshape(len(rows), *self.shape)


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
        """Read from the shards' small columns; no pixels are touched."""
        names = [name for name in WALK.names if name != "checksum"] + [f"{m}_frames" for m in self.modalities]
        tables = []
        for shard in self.manifest["shards"]:
            path = self.root / shard["file"]
            self._check_size(shard)
            try:
                with pq.ParquetFile(path, memory_map=True) as file:
                    tables.append(file.read(columns=names, use_threads=False))
            except (pa.ArrowException, OSError) as error:
                raise ValueError(_corrupt(path, str(error).splitlines()[0])) from None
        frame = pa.concat_tables(tables).to_pandas()
        frame["conditions"] = [tuple(conditions) for conditions in frame["conditions"]]
        if len(frame) != self.manifest["walks"]:
            raise ValueError(f"{self.root} holds {len(frame)} walks, its manifest says {self.manifest['walks']}; ingest it again")
        return frame

    def map_bytes(self, modality: str) -> int:
        """That the memory map of a modality will take on this node; 0 where it is there."""
        facts = self.manifest["modalities"][modality]
        there = bool(self.hash) and ((self._cache or node_cache()) / self.hash / modality).exists()
        return 0 if there else int(facts["frames"]) * row_bytes(tuple(facts["shape"]), facts["packed"])

    def frames(self, modality: str) -> FrameMap:
        """The memory map of one modality; built by the first process of a node that asks, in one pass over the shards."""
        if modality not in self.modalities:
            raise ValueError(f"{self.root.name} has no {modality!r}; it has {', '.join(self.modalities)}")
        cache = (self._cache or node_cache()) / self.hash
        folder = cache / modality
        if not folder.exists():
            cache.mkdir(parents=True, exist_ok=True)
            with FileLock(cache / f"{modality}.lock"):
                if not folder.exists():
                    self._build(modality, folder)
        return _open_map(folder)

    def _build(self, modality: str, folder: Path) -> None:
        facts = self.manifest["modalities"][modality]
        shape, packed = tuple(facts["shape"]), facts["packed"]
        partial = folder.with_name(f"{modality}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        counts: list[int] = []
        try:
            partial.mkdir()
            with open(partial / "data.bin", "wb") as out:
                for data, coding, count in self._walks(modality):
                    counts.append(count)
                    if count:
                        out.write(decode_rows(data, coding, count, shape, packed).data)
            np.save(partial / "offsets.npy", np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))
            (partial / "meta.json").write_text(json.dumps({"shape": shape, "packed": packed, "frames": sum(counts)}))
            os.replace(partial, folder)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise ValueError(f"no space left for the memory map in {folder.parent}; free some, or set GAITLAB_HOME") from None
            raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _walks(self, modality: str) -> Iterator[tuple[bytes, str, int]]:
        """(bytes, coding, frames) of every walk, in index order, from shards whose checksum is right."""
        for shard in self.manifest["shards"]:
            path = self.root / shard["file"]
            file = self.verified(shard)
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=[modality, f"{modality}_coding", f"{modality}_frames"])
                if table.num_columns != 3:
                    raise ValueError(_corrupt(path, f"it lacks the columns of {modality}"))
                data, codings, frames = table.columns
                for i, count in enumerate(frames.to_pylist()):
                    yield data[i].as_buffer() if count else b"", codings[i].as_py(), count

    def verified(self, shard: dict[str, Any]) -> pq.ParquetFile:
        """One entry of the manifest's `shards`, opened from bytes that have the size and the sha256 the manifest says."""
        self._check_size(shard)
        path = self.root / shard["file"]
        with pa.memory_map(str(path)) as source:
            content = source.read_buffer()
        if hashlib.sha256(content).hexdigest() != shard["sha256"]:
            raise ValueError(_corrupt(path, "its sha256 is not the manifest's"))
        return pq.ParquetFile(pa.BufferReader(content))

    def _check_size(self, shard: dict[str, Any]) -> None:
        path = self.root / shard["file"]
        if not path.is_file():
            raise ValueError(_corrupt(path, "it is missing"))
        if path.stat().st_size != shard["bytes"]:
            raise ValueError(_corrupt(path, f"it has {path.stat().st_size} bytes instead of {shard['bytes']}"))


def _corrupt(path: Path, why: str) -> str:
    return f"shard {path} is corrupt: {why}; copy it again or ingest the data set again"


def _open_map(folder: Path) -> FrameMap:
    path = folder / "data.bin"
    try:
        meta = json.loads((folder / "meta.json").read_text())
        shape, packed, frames = tuple(meta["shape"]), meta["packed"], meta["frames"]
        width = row_bytes(shape, packed)
        offsets = np.load(folder / "offsets.npy")
        if path.stat().st_size != frames * width or offsets[-1] != frames:
            raise ValueError("sizes do not agree")  # noqa: TRY301  (said in full below)
        data = np.asarray(np.memmap(path, np.uint8, "r", shape=(frames, width))) if frames else np.zeros((0, width), np.uint8)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ValueError(f"memory map {folder} is damaged ({error}); delete that folder and it is built again") from None
    return FrameMap(data, offsets, shape, packed)
