"""Runs as a folder of parts that any medium carries: what another machine needs to go on with them, or to look at them.

The parts are one tar, cut. `pack.json` is written last and has their sizes and hashes, so a folder without it is no pack. No gzip:
weights do not compress (9 % of a checkpoint at level 1), and are nearly all of it.
"""

import hashlib
import os
import re
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from gaitlab import __version__
from gaitlab.home import home, to_disk, write_plain
from gaitlab.runs import checkpoint
from gaitlab.runs.folder import OUTCOME, has_config, run_folder

FORMAT = 1
MANIFEST = "pack.json"
PART = re.compile(r"part-\d{4,}")
LEAST = 1024
_LEFT_OUT = re.compile(r"\..*|.*\.lock|.*\.partial|unfinished-.*|checkpoint_manager_snapshot\.json|step-\d{8}(\.pt)?")
"""Names of what is not packed, and of the folders: locks, what a killed process left, Ray's state, other checkpoints."""
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


@dataclass(frozen=True)
class Packed:
    """What `pack` wrote. size: in bytes."""

    parts: int
    files: int
    size: int


def pack(runs: Sequence[str], folder: Path, *, part_size: int = 16 * 2**20, also: Mapping[str, Path] = {}) -> Packed:
    """Write the runs' folders to `folder`, in parts of at most `part_size` bytes; also: more files by their names in the pack.

    Of the checkpoints there are the newest and the best, of a finished run the one that is used. Runs may go on meanwhile. ValueError,
    and nothing is left, for a run that is none, a damaged checkpoint, a folder that holds something else.
    """
    runs = list(dict.fromkeys(runs))
    _check(runs, folder, part_size, also)
    there = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    parts, files = _Parts(folder, part_size), 0
    try:
        parts.remove()  # those of a pack that was killed
        with tarfile.open(fileobj=parts, mode="w|") as tar:  # type: ignore[call-overload]  # all that it asks for is write
            for name, path in also.items():
                with path.open("rb") as other:
                    _add(tar, f"also/{name}", other)
            for run in runs:
                for name, file in _files(run_folder(run)):
                    _add(tar, f"runs/{run}/{name}", file)
                    files += 1
        parts.close()
        listed = [{"name": name, "size": size, "sha256": sha} for name, size, sha in parts.written]
        about = {"format": FORMAT, "gaitlab": __version__, "created": int(time.time() * 1000), "runs": runs, "also": list(also)}
        write_plain(folder / MANIFEST, about | {"parts": listed})
        _to_disk(folder / MANIFEST)
        _to_disk(folder)
    except BaseException:
        parts.remove()
        if not there:
            folder.rmdir()
        raise
    return Packed(len(parts.written), files + len(also), sum(size for _, size, _ in parts.written))


def size_of(text: str) -> int:
    """Bytes of `16M`, `1G`, `64K` or a plain number. ValueError for anything else."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text.strip().upper())
    if not match:
        raise ValueError(f"--part-size takes bytes, or a number with K, M or G, e.g. 16M, not {text!r}")
    return int(match[1]) * _UNITS.get(match[2], 1)


def proper(name: str) -> bool:
    """Whether a name in a pack stays inside the folder that it is relative to."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and str(path) == name


def _check(runs: Sequence[str], folder: Path, part_size: int, also: Mapping[str, Path]) -> None:
    if not runs:
        raise ValueError("name the runs to pack")
    for run in runs:
        if Path(run).name != run or not has_config(run_folder(run)):
            raise ValueError(f"no run {run!r} in {home() / 'runs'}")
    if part_size < LEAST:
        raise ValueError(f"parts of {part_size} bytes are too small; the least is {LEAST}")
    for name, path in also.items():
        if not proper(name) or not path.is_file():
            raise ValueError(f"cannot pack {path} as {name!r}: it is no file, or the name leaves the pack")
    check_place(folder)


def check_place(folder: Path) -> None:
    """ValueError if a pack cannot be written there."""
    held = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if folder.exists() and (not folder.is_dir() or not all(PART.fullmatch(name) for name in held)):
        what = "holds a pack" if MANIFEST in held else "is not empty" if held else "is no folder"
        raise ValueError(f"{folder} {what}; name a new folder")


def _files(folder: Path) -> Iterator[tuple[str, BinaryIO]]:
    """Names in the pack and files of a run's folder, open: what trains meanwhile may delete and replace them.

    Checkpoints are opened before all else, so the curves reach as far as they.
    """
    with ExitStack() as stack:
        for _ in range(5):
            try:
                kept = [stack.enter_context(path.open("rb")) for path in _checkpoints(folder)]
                break
            except FileNotFoundError:  # a newer one has come
                continue
        else:
            raise ValueError(f"the checkpoints in {folder} come and go too fast to be packed; stop the run, or try again")
        for file in kept:
            try:
                checkpoint.check_sums(file)
            except ValueError as error:
                raise ValueError(f"{error}; delete it, and what came before it is packed") from None
            yield Path(file.name).name, file
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not path.is_symlink() and not any(_LEFT_OUT.fullmatch(part) for part in name.parts):
            try:
                with path.open("rb") as file:
                    yield name.as_posix(), file
            except FileNotFoundError:  # delivered meanwhile
                continue


def _checkpoints(folder: Path) -> list[Path]:
    """The newest and the best of a run; of a finished one the best, else the newest. FileNotFoundError if they go meanwhile."""
    found = checkpoint.found(folder)
    if not found:
        return []
    newest = max(found)
    try:
        best = checkpoint.read(found[newest])["best"]["step"]
    except ValueError as error:
        if not found[newest].exists():
            raise FileNotFoundError from None
        raise ValueError(f"{error}; delete it, and what came before it is packed") from None
    if best not in found:
        return [found[newest]]
    return [found[best]] if (folder / OUTCOME).exists() else [found[step] for step in sorted({best, newest})]


def _add(tar: tarfile.TarFile, name: str, file: BinaryIO) -> None:
    about = os.fstat(file.fileno())
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime = about.st_size, int(about.st_mtime)  # of one that grows, what is there now
    file.seek(0)
    tar.addfile(entry, file)


class _Parts:
    """A file in parts of at most `size` bytes, each on the disk before the next one begins."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder, size
        self.written: list[tuple[str, int, str]] = []  # name, bytes, sha256
        self._file: BinaryIO | None = None
        self._hash, self._room = hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest:
            if not self._room:
                self.close()
                self._file = (self.folder / f"part-{len(self.written) + 1:04d}").open("wb")
                self._hash, self._room = hashlib.sha256(), self.size
            assert self._file is not None
            some, rest = rest[: self._room], rest[self._room :]
            self._file.write(some)
            self._hash.update(some)
            self._room -= len(some)
        return len(data)

    def close(self) -> None:
        """End the part that is being written."""
        if self._file is not None:
            to_disk(self._file)
            self._file.close()
            self.written.append((Path(self._file.name).name, self.size - self._room, self._hash.hexdigest()))
            self._file, self._room = None, 0

    def remove(self) -> None:
        if self._file is not None:
            self._file.close()
        for path in self.folder.glob("part-*"):
            path.unlink()


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
