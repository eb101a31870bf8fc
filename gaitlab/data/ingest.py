"""A source -> a folder of shards with its manifest.

The unit of work is a shard: a pure function of the source and a list of walks, so that the files are byte for byte the same
whether one process writes them, several, or a Ray cluster (`gaitlab.cluster.ingest.ray_map`). Everything is built in
`<root>.partial-<host>-<pid>` and renamed into place at the end; an error, a kill or a full disk leaves nothing that looks finished.
"""

import errno
import os
import platform
import shutil
import signal
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, get_args

import numpy as np

from gaitlab.data.progress import progress_bar
from gaitlab.data.schema import MANIFEST, ROLES, SPLITS, VERSION, data_hash
from gaitlab.data.sheet import ROWS, SHEET, draw_sheet
from gaitlab.data.source import SourceConfig, Walk
from gaitlab.data.store import Store
from gaitlab.data.writing import NO_SPACE, PROBLEMS, ShardInfo, ShardJob, noted, unequal, write_shard
from gaitlab.home import write_plain
from gaitlab.types import Modality

WALKS_PER_GROUP = 1000
"""A subject is one row group; one with more walks (the anonymous `probe` of GREW and HID) is several."""


ShardMap = Callable[[Callable[[ShardJob], ShardInfo], Sequence[ShardJob]], Generator[ShardInfo, None, None]]
"""How shards are computed: a map whose results may come in any order; closing it stops the work."""


def serial(function: Callable[[ShardJob], ShardInfo], jobs: Sequence[ShardJob]) -> Generator[ShardInfo, None, None]:
    """One after the other, here."""
    yield from map(function, jobs)


def processes(n: int) -> ShardMap:
    """On `n` fresh processes of this machine."""

    def run(function: Callable[[ShardJob], ShardInfo], jobs: Sequence[ShardJob]) -> Generator[ShardInfo, None, None]:
        pool = ProcessPoolExecutor(min(n, len(jobs)), mp_context=get_context("spawn"), initializer=_end_with_parent)
        try:
            yield from pool.map(function, jobs)
        except BrokenProcessPool:
            raise ValueError("a worker process of the ingest died (out of memory?); try fewer workers") from None
        finally:
            pool.shutdown(cancel_futures=True)

    return run if n > 1 else serial


def _end_with_parent() -> None:
    """In a worker: Ctrl-C ends it without a traceback, and it does not outlive a parent that was killed."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    def watch() -> None:
        if parent := parent_process():
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def ingest(
    source: SourceConfig,
    root: str | Path,
    *,
    run: ShardMap = serial,
    subjects_per_shard: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Store:
    """Writes all walks of `source` under `root` and opens it.

    subjects_per_shard: default 1/16 of the subjects, at most 50. overwrite: replace the shards in `root`, once the new ones are whole.
    """
    root = Path(root).expanduser().absolute()
    _remove_stale(root)
    _check_target(root, overwrite)
    walks = sorted(source.walks(), key=lambda walk: (walk.subject, walk.key))
    _check(walks)
    modalities = _modalities(source, walks)
    groups = list(_groups(walks))
    per_shard = subjects_per_shard or max(1, min(50, -(-len(groups) // 16)))
    root.parent.mkdir(parents=True, exist_ok=True)
    partial = root.with_name(f"{root.name}.partial-{platform.node()}-{os.getpid()}")
    with _no_space(root):
        try:
            partial.mkdir()
            _draw(source, walks, partial / SHEET)
            jobs = [
                ShardJob(source, tuple(groups[i : i + per_shard]), modalities, str(partial), f"part-{i // per_shard:05d}.parquet")
                for i in range(0, len(groups), per_shard)
            ]
            infos = _collect(run(write_shard, jobs), jobs, f"ingest {source.name}", progress)
            manifest = _manifest(source, walks, infos)
            write_plain(partial / MANIFEST, manifest)
            _move(partial, root, overwrite)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    for text, count in manifest["source"]["said"].items():
        warnings.warn(f"{text} ({count} walks)", stacklevel=2)
    return Store(root)


def _draw(source: SourceConfig, walks: Sequence[Walk], path: Path) -> None:
    """A sheet of a few walks from everywhere among them; what is wrong with one of these is an error before the work begins."""
    chosen = [walks[i] for i in np.linspace(0, len(walks) - 1, min(ROWS, len(walks))).astype(int)]
    with noted(Counter()):
        rows = [(walk.source or walk.key, source.shown(walk)) for walk in chosen]
    if rows := [(name, pictures) for name, pictures in rows if len(pictures)]:
        draw_sheet(rows, path)


def _check_target(root: Path, overwrite: bool) -> None:
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return
    if not (root / MANIFEST).is_file():
        raise ValueError(f"{root} is there already and is no folder of shards; choose another --out")
    if not overwrite:
        raise ValueError(f"{root} is there already; choose another --out, or say --overwrite to replace it")


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


def _collect(results: Generator[ShardInfo, None, None], jobs: Sequence[ShardJob], title: str, progress: bool) -> list[ShardInfo]:
    infos: list[ShardInfo] = []
    problems: list[str] = []
    walks_of = {job.file: sum(map(len, job.groups)) for job in jobs}
    with closing(results), progress_bar(title, sum(walks_of.values()), progress) as advance:
        for info in results:
            infos.append(info)
            problems += info.problems
            if info.fatal:
                _complain(info.problems)
            if len(problems) >= PROBLEMS:
                break
            advance(walks_of[info.file])
    if not problems:
        for m in jobs[0].modalities:
            shapes = [(info.shapes[m], info.file) for info in infos if m in info.shapes]
            problems += [unequal(m, shapes[0][0], shape, file) for shape, file in shapes if shape != shapes[0][0]]
    _complain(problems)
    return sorted(infos, key=lambda info: info.file)


def _manifest(source: SourceConfig, walks: Sequence[Walk], infos: Sequence[ShardInfo]) -> dict[str, Any]:
    modalities: dict[str, Any] = {}
    for info in infos:
        for m, shape in info.shapes.items():
            facts = modalities.setdefault(m, {"shape": list(shape), "packed": True, "frames": 0})
            facts["packed"] &= info.binary[m]
            facts["frames"] += info.frames[m]
    for m, fps in source.frame_rates().items():
        if m in modalities:
            modalities[m]["fps"] = fps
    said = sum((Counter(info.said) for info in infos), Counter[str]())
    splits = {}
    for split in SPLITS:
        of_split = [walk.subject for walk in walks if walk.split == split]
        splits[split] = {"walks": len(of_split), "subjects": len(set(of_split))}
    return {
        "schema": VERSION,
        "dataset": source.name,
        "hash": data_hash((checksum for info in infos for checksum in info.checksums), modalities),
        "walks": len(walks),
        "splits": splits,
        "modalities": modalities,
        "shards": [{"file": i.file, "sha256": i.sha256, "bytes": i.bytes, "rows": i.rows} for i in infos],
        "source": {"kind": type(source).__name__, "checksum": source.checksum(), "said": dict(sorted(said.items()))},
        "created": {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "host": platform.node()},
    }


def _move(partial: Path, root: Path, overwrite: bool) -> None:
    """Renames the finished folder into place; the old one disappears only then."""
    old = root.with_name(f"{partial.name}-old")
    if overwrite and root.exists():
        os.replace(root, old)
    try:
        os.replace(partial, root)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise ValueError(f"{root} was written by somebody else in the meantime; nothing was replaced") from None
        raise
    shutil.rmtree(old, ignore_errors=True)


def _remove_stale(root: Path) -> None:
    """Deletes partial folders that a killed ingest on this machine left; shards that it was just replacing are put back."""
    prefix = f"{root.name}.partial-{platform.node()}-"
    for path in root.parent.glob(f"{prefix}*"):
        pid = path.name.removeprefix(prefix).removesuffix("-old")
        if pid.isdigit() and not _alive(int(pid)):
            if path.name.endswith("-old") and not root.exists():
                os.replace(path, root)
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


def _complain(problems: Sequence[str]) -> None:
    if len(problems) == 1:
        raise ValueError(problems[0])
    if problems:
        shown = "".join(f"\n  {problem}" for problem in problems[:PROBLEMS])
        more = f"\n  ... and {len(problems) - PROBLEMS} more" if len(problems) > PROBLEMS else ""
        raise ValueError(f"{len(problems)} problems, nothing was written:{shown}{more}")
