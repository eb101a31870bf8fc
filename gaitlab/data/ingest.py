"""A source -> a folder of shards with its manifest.

The unit of work is a shard: a pure function of the source and a list of walks, so that the files are byte for byte the same
whether one process writes them, several, or a Ray cluster (`gaitlab.cluster.ingest.ray_map`). Everything is built in
`<root>.partial-<host>-<pid>` and renamed into place at the end; an error, a kill or a full disk leaves nothing behind that looks finished.
"""

import errno
import hashlib
import json
import os
import platform
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gaitlab.data.coding import Shape, encode
from gaitlab.data.schema import MANIFEST, ROLES, SPLITS, VERSION, shard_schema
from gaitlab.data.source import SourceConfig, Walk
from gaitlab.data.store import Store
from gaitlab.types import Modality

WALKS_PER_GROUP = 1000
"""A subject is one row group; one with more walks (the anonymous `probe` of GREW and HID) is several."""
ZSTD_LEVEL = 9
PROBLEMS = 20
"""Problems that are listed before an ingest gives up."""
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
    """What became of a `ShardJob`: facts for the manifest, or problems and no file.

    shapes: modality -> the frame shapes met; frames: modality -> frames; binary: modality -> all walks are binary.
    """

    file: str
    problems: tuple[str, ...] = ()
    rows: int = 0
    bytes: int = 0
    sha256: str = ""
    checksums: tuple[str, ...] = ()
    shapes: dict[str, Shape] | None = None
    frames: dict[str, int] | None = None
    binary: dict[str, bool] | None = None


Run = Callable[[Callable[[ShardJob], ShardInfo], Sequence[ShardJob]], Iterable[ShardInfo]]
"""How shards are computed: a map whose results may come in any order."""


def serial(function: Callable[[ShardJob], ShardInfo], jobs: Sequence[ShardJob]) -> Iterator[ShardInfo]:
    """One after the other, here."""
    return map(function, jobs)


def processes(n: int) -> Run:
    """On `n` fresh processes of this machine."""

    def run(function: Callable[[ShardJob], ShardInfo], jobs: Sequence[ShardJob]) -> Iterator[ShardInfo]:
        with ProcessPoolExecutor(n, mp_context=get_context("spawn")) as pool:
            yield from pool.map(function, jobs)

    return run


def ingest(
    source: SourceConfig,
    root: str | Path,
    *,
    run: Run = serial,
    subjects_per_shard: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Store:
    """Writes all walks of `source` under `root` and opens it.

    subjects_per_shard: default 1/16 of the subjects, at most 50. overwrite: replace what lies in `root`, once the new one is whole.
    """
    root = Path(root).expanduser().absolute()
    if root.exists() and not (root.is_dir() and overwrite) and (root.is_file() or any(root.iterdir())):
        raise ValueError(f"{root} is there already; choose another folder, or say --overwrite to replace it")
    walks = sorted(source.walks(), key=lambda walk: (walk.subject, walk.key))
    _check(walks)
    modalities = _modalities(source, walks)
    groups = list(_groups(walks))
    per_shard = subjects_per_shard or max(1, min(50, -(-len(groups) // 16)))
    root.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(root)
    partial = root.with_name(f"{root.name}.partial-{platform.node()}-{os.getpid()}")
    with _no_space(root):
        try:
            partial.mkdir()
            jobs = [
                ShardJob(source, tuple(groups[i : i + per_shard]), modalities, str(partial), f"part-{i // per_shard:05d}.parquet")
                for i in range(0, len(groups), per_shard)
            ]
            infos = _collect(run(write_shard, jobs), jobs, f"ingest {source.name}", progress)
            manifest = _manifest(source, walks, infos)
            (partial / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
            _move(partial, root, overwrite)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return Store(root)


def write_shard(job: ShardJob) -> ShardInfo:
    """Loads, codes and writes the walks of one shard; a pure function of the job. Bad walks come back as problems."""
    path = Path(job.folder) / job.file
    schema = shard_schema(job.modalities)
    problems: list[str] = []
    checksums: list[str] = []
    shapes: dict[str, Shape] = {}
    frames: Counter[str] = Counter()
    binary: dict[str, bool] = {}
    try:
        with pq.ParquetWriter(path, schema, compression="zstd", compression_level=ZSTD_LEVEL, use_dictionary=False) as writer:
            for group in job.groups:
                rows = []
                for walk in group:
                    try:
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
                                problems.append(_unequal(m, shapes[m], shape, walk.source or walk.key))
                            frames[m] += row[f"{m}_frames"]
                            binary[m] = binary.get(m, True) and row[f"{m}_coding"] == "bits"
                    checksums.append(row["checksum"])
                    rows.append(row)
                if not problems:
                    writer.write_table(pa.Table.from_pylist(rows, schema), row_group_size=len(rows))
        if problems:
            return ShardInfo(job.file, tuple(problems))
        content = path.read_bytes()
    except OSError as error:
        if error.errno in NO_SPACE:
            return ShardInfo(job.file, (f"no space left on the device of {path.parent.parent}",))
        raise
    digest = hashlib.sha256(content).hexdigest()
    return ShardInfo(job.file, (), len(checksums), len(content), digest, tuple(checksums), shapes, dict(frames), binary)


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


def _check(walks: Sequence[Walk]) -> None:
    """Facts that need no pixels."""
    if not walks:
        raise ValueError("the source has no walks")
    problems = []
    for key, count in Counter(walk.key for walk in walks).items():
        if count > 1:
            names = [walk.source or walk.key for walk in walks if walk.key == key]
            problems.append(f"duplicate walk {key}: {', '.join(names)}")
    for walk in walks:
        if walk.split not in SPLITS or walk.role not in ROLES:
            problems.append(f"{walk.key}: split {walk.split!r} and role {walk.role!r}; known are {SPLITS} and {ROLES}")
        if walk.conditions != tuple(sorted(set(walk.conditions))):
            problems.append(f"{walk.key}: conditions {walk.conditions} are not a sorted set")
    _complain(problems)


def _modalities(source: SourceConfig, walks: Sequence[Walk]) -> tuple[str, ...]:
    """Columns that the shards have: what the walks' files are named by, or, for a generator, what its first walk holds."""
    names = {m for walk in walks for m in walk.files} & set(get_args(Modality))
    names = names or set(source.load(walks[0]))
    if unknown := names - set(get_args(Modality)):
        raise ValueError(f"unknown modality {', '.join(sorted(unknown))}; known are {', '.join(get_args(Modality))}")
    return tuple(sorted(names))


def _groups(walks: Sequence[Walk]) -> Iterator[tuple[Walk, ...]]:
    start = 0
    for i in range(1, len(walks) + 1):
        if i == len(walks) or walks[i].subject != walks[start].subject or i - start == WALKS_PER_GROUP:
            yield tuple(walks[start:i])
            start = i


def _collect(results: Iterable[ShardInfo], jobs: Sequence[ShardJob], title: str, progress: bool) -> list[ShardInfo]:
    infos: list[ShardInfo] = []
    problems: list[str] = []
    walks_of = {job.file: sum(map(len, job.groups)) for job in jobs}
    with progress_bar(title, sum(walks_of.values()), progress) as advance:
        for info in results:
            infos.append(info)
            problems += info.problems
            if len(problems) >= PROBLEMS:
                break
            advance(walks_of[info.file])
    if not problems:
        for m in jobs[0].modalities:
            shapes = [(info.shapes[m], info.file) for info in infos if info.shapes and m in info.shapes]
            problems += [_unequal(m, shapes[0][0], shape, file) for shape, file in shapes if shape != shapes[0][0]]
    _complain(problems)
    return sorted(infos, key=lambda info: info.file)


def _manifest(source: SourceConfig, walks: Sequence[Walk], infos: Sequence[ShardInfo]) -> dict[str, Any]:
    digest = hashlib.sha256("\n".join([f"schema {VERSION}", *sorted(c for info in infos for c in info.checksums)]).encode())
    modalities: dict[str, Any] = {}
    for info in infos:
        assert info.shapes is not None and info.frames is not None and info.binary is not None
        for m, shape in info.shapes.items():
            facts = modalities.setdefault(m, {"shape": list(shape), "packed": True, "frames": 0})
            facts["packed"] &= info.binary[m]
            facts["frames"] += info.frames[m]
    splits = {}
    for split in SPLITS:
        of_split = [walk.subject for walk in walks if walk.split == split]
        splits[split] = {"walks": len(of_split), "subjects": len(set(of_split))}
    return {
        "schema": VERSION,
        "dataset": source.name,
        "hash": digest.hexdigest()[:32],
        "walks": len(walks),
        "splits": splits,
        "modalities": modalities,
        "shards": [{"file": i.file, "sha256": i.sha256, "bytes": i.bytes, "rows": i.rows} for i in infos],
        "source": {"kind": type(source).__name__, "checksum": source.checksum()},
        "created": {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "host": platform.node()},
    }


def _move(partial: Path, root: Path, overwrite: bool) -> None:
    """Renames the finished folder into place; the old one disappears only then."""
    old = root.with_name(f"{partial.name}-old")
    if overwrite and root.exists():
        os.replace(root, old)
    os.replace(partial, root)
    shutil.rmtree(old, ignore_errors=True)


def _remove_stale(root: Path) -> None:
    """Deletes partial folders that a killed ingest on this machine left."""
    prefix = f"{root.name}.partial-{platform.node()}-"
    for path in root.parent.glob(f"{prefix}*"):
        pid = path.name.removeprefix(prefix).removesuffix("-old")
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _no_space(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise ValueError(f"no space left on the device of {root.parent}") from None
        raise


def _unequal(modality: str, first: Shape, shape: Shape, name: str) -> str:
    return (
        f"{name}: {modality} frames are {'x'.join(map(str, shape))}, those of other walks {'x'.join(map(str, first))} (c x h x w)"
    )


def _complain(problems: Sequence[str]) -> None:
    if len(problems) == 1:
        raise ValueError(problems[0])
    if problems:
        shown = "".join(f"\n  {problem}" for problem in problems[:PROBLEMS])
        more = f"\n  ... and {len(problems) - PROBLEMS} more" if len(problems) > PROBLEMS else ""
        raise ValueError(f"{len(problems)} problems, nothing was written:{shown}{more}")


@contextmanager
def progress_bar(title: str, total: int, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Yields `advance(walks)`: a bar with rate and time left on a terminal, a line every ten seconds elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if shown and console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("walks"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(title, total=total)
            yield lambda walks: bar.advance(task, walks)
        return
    start = last = time.monotonic()
    done = 0

    def advance(walks: int) -> None:
        nonlocal done, last
        done += walks
        now = time.monotonic()
        if shown and (now - last > 10 or (done == total and now - start > 1)):
            last = now
            console.print(f"{title}: {done} of {total} walks, {done / (now - start):.0f}/s")

    yield advance
