"""Walks -> one shard: a pure function of the source and the list of walks, so that any machine writes the same bytes."""

import errno
import hashlib
import json
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gaitlab.data.coding import Shape, encode
from gaitlab.data.schema import shard_schema
from gaitlab.data.source import SourceConfig, Walk

ZSTD_LEVEL = 9
PROBLEMS = 20
"""Bad walks that are listed before an ingest gives up."""
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class ShardJob:
    """Walks of a shard, one tuple per row group, in the order of its rows."""

    source: SourceConfig
    groups: tuple[tuple[Walk, ...], ...]
    modalities: tuple[str, ...]
    folder: str
    file: str


@dataclass(frozen=True)
class ShardInfo:
    """What became of a `ShardJob`: facts for the manifest, or problems and no file; fatal: no other shard will fare better.

    shapes: modality -> the frame shapes met; frames: modality -> frames; binary: modality -> all walks are binary; said: what
    the source has said about walks -> how many.
    """

    file: str
    problems: tuple[str, ...] = ()
    fatal: bool = False
    rows: int = 0
    bytes: int = 0
    sha256: str = ""
    checksums: tuple[str, ...] = ()
    shapes: dict[str, Shape] = field(default_factory=dict)
    frames: dict[str, int] = field(default_factory=dict)
    binary: dict[str, bool] = field(default_factory=dict)
    said: dict[str, int] = field(default_factory=dict)


def write_shard(job: ShardJob) -> ShardInfo:
    """Loads, codes and writes the walks of one shard; a pure function of the job. Bad walks come back as problems."""
    path = Path(job.folder) / job.file
    schema = shard_schema(job.modalities)
    problems: list[str] = []
    checksums: list[str] = []
    shapes: dict[str, Shape] = {}
    frames: Counter[str] = Counter()
    binary: dict[str, bool] = {}
    said: Counter[str] = Counter()
    try:
        with pq.ParquetWriter(path, schema, compression="zstd", compression_level=ZSTD_LEVEL, use_dictionary=False) as writer:
            for group in job.groups:
                rows = []
                for walk in group:
                    try:
                        with noted(said):
                            row = _row(job, walk)
                    except ValueError as error:
                        problems.append(str(error))
                        if len(problems) >= PROBLEMS:
                            return ShardInfo(job.file, tuple(problems))
                        continue
                    for m in job.modalities:
                        if row[f"{m}_frames"]:
                            shape = row[f"{m}_shape"]
                            if shapes.setdefault(m, shape) != shape:
                                problems.append(unequal(m, shapes[m], shape, walk.source or walk.key))
                            frames[m] += row[f"{m}_frames"]
                            binary[m] = binary.get(m, True) and row[f"{m}_coding"] == "bits"
                    checksums.append(row["checksum"])
                    rows.append(row)
                if not problems:
                    writer.write_table(pa.Table.from_pylist(rows, schema), row_group_size=len(rows))
        if problems:
            return ShardInfo(job.file, tuple(problems))
        with path.open("rb") as written:
            os.fsync(written.fileno())
            content = written.read()
    except OSError as error:
        if error.errno in NO_SPACE:
            return ShardInfo(job.file, (f"no space left on the device of {path.parent.parent}",), fatal=True)
        raise
    return ShardInfo(
        file=job.file,
        rows=len(checksums),
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        checksums=tuple(checksums),
        shapes=shapes,
        frames=dict(frames),
        binary=binary,
        said=dict(said),
    )


@contextmanager
def noted(said: Counter[str]) -> Iterator[None]:
    """Counts what a source says by warnings while it reads a walk, so that it is said once for all of them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    said.update(str(warning.message) for warning in caught if warning.category is UserWarning)


def _row(job: ShardJob, walk: Walk) -> dict[str, Any]:
    name = walk.source or walk.key
    loaded = {m: checked_frames(array, f"{name}, {m}") for m, array in job.source.load(walk).items()}
    if not loaded:
        raise ValueError(f"{name}: the walk has no frames in any modality")
    if unknown := loaded.keys() - set(job.modalities):
        raise ValueError(f"{name}: has {', '.join(sorted(unknown))}, which other walks of this source lack")
    row: dict[str, Any] = {
        "key": walk.key,
        "dataset": job.source.name,
        "subject": walk.subject,
        "session": walk.session,
        "conditions": list(walk.conditions),
        "view": walk.view,
        "take": walk.take,
        "split": walk.split,
        "role": walk.role,
        "source": walk.source,
    }
    digest = hashlib.sha256(json.dumps(row, sort_keys=True).encode())
    for m in job.modalities:
        if m in loaded:
            data, coding = encode(loaded[m])
            shape = loaded[m].shape[1:]
            digest.update(f"{m} {len(loaded[m])} {shape} {coding}".encode() + data)
            row |= {m: data, f"{m}_frames": len(loaded[m]), f"{m}_shape": shape, f"{m}_coding": coding}
        else:
            row |= {m: None, f"{m}_frames": 0, f"{m}_shape": None, f"{m}_coding": None}
    return row | {"checksum": digest.hexdigest()}


def checked_frames(frames: np.ndarray, name: str) -> np.ndarray:
    """`frames` as uint8 `[t, c, h, w]`, or a ValueError that begins with `name`."""
    if frames.dtype != np.uint8:
        raise ValueError(f"{name}: pixels are {frames.dtype}; they must be uint8, 0 to 255")
    if frames.ndim not in (3, 4):
        raise ValueError(f"{name}: shape {frames.shape} is neither [frames, h, w] nor [frames, c, h, w]")
    if 0 in frames.shape:
        raise ValueError(f"{name}: the walk is empty (shape {frames.shape})")
    return frames[:, None] if frames.ndim == 3 else frames


def unequal(modality: str, first: Shape, shape: Shape, name: str) -> str:
    return f"{name}: {modality} frames are {'x'.join(map(str, shape))}, those of other walks {'x'.join(map(str, first))} (c x h x w)"
