"""A pack taken in: its runs among those of gaitlab's home, each whole or not at all.

All parts are looked at before anything is written. Then everything goes into a folder of its own beside the runs, and from there run by
run into place; killed and repeated, it completes. Nothing is unpickled. Of two states of one run the further one stays.
"""

import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from filelock import FileLock

from gaitlab.home import as_written, home, read_plain, write_whole
from gaitlab.runs import checkpoint, claim
from gaitlab.runs.folder import CONFIG, OUTCOME, run_folder
from gaitlab.runs.pack import FORMAT, MANIFEST, PART, proper

CURVES = Path("spool/metrics.jsonl")
"""Points that no store has yet, a line of JSON each."""


@dataclass(frozen=True)
class Unpacked:
    """runs: their ids. also: the pack's other files, by their names, where they lie now. said: a line for each run."""

    runs: tuple[str, ...]
    also: dict[str, Path] = field(default_factory=dict)
    said: tuple[str, ...] = ()


def is_pack(folder: Path) -> bool:
    """Whether the folder is a pack, be it a half-written one."""
    return (folder / MANIFEST).exists() or any(PART.fullmatch(path.name) for path in folder.glob("part-*"))


def unpack(folder: Path) -> Unpacked:
    """Take in the pack. ValueError, and nothing is changed, if it is half-written, incomplete or damaged."""
    about = _manifest(folder)
    parts = [folder / part["name"] for part in about["parts"]]
    for part, path in zip(about["parts"], parts, strict=True):
        _check_part(path, part)
    name = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()[:16]
    fresh, kept = home() / f"unpacking-{name}", home() / "packs" / name
    with FileLock(home() / "unpacking.lock"):
        for left in home().glob("unpacking-*/"):  # by a process that was killed
            shutil.rmtree(left)
        try:
            fresh.mkdir()
            _extract(parts, fresh, about, folder)
            said = [_into_place(fresh / "runs" / run, run) for run in about["runs"]]
            if about["also"]:
                shutil.rmtree(kept, ignore_errors=True)
                kept.parent.mkdir(exist_ok=True)
                (fresh / "also").rename(kept)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return Unpacked(tuple(about["runs"]), {name: kept / name for name in about["also"]}, tuple(said))


# -- the pack ----------------------------------------------------------------------------------------------------------


def _manifest(folder: Path) -> dict[str, Any]:
    """What `pack.json` says. ValueError unless it is whole and of our format."""
    path = folder / MANIFEST
    if not path.exists():
        raise ValueError(f"{folder} is half a pack: {MANIFEST} is missing, which is written last; copy it, or pack again")
    try:
        about = read_plain(path)
        names = [part["name"] for part in about["parts"]]
        fine = all(isinstance(run, str) and proper(run) and "/" not in run and not run.startswith(".") for run in about["runs"])
        fine = fine and all(proper(name) for name in about["also"]) and all(PART.fullmatch(name) for name in names)
        fine = fine and all(isinstance(part["size"], int) and isinstance(part["sha256"], str) for part in about["parts"])
        version = about["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error}); copy it again") from None
    if version != FORMAT:
        raise ValueError(
            f"{path} is of format {version}, and this gaitlab reads {FORMAT}; it was written by gaitlab {about.get('gaitlab')}"
        )
    if not fine:
        raise ValueError(f"{path} names runs or parts that cannot be; it was not written by gaitlab")
    return about


def _check_part(path: Path, part: dict[str, Any]) -> None:
    if not path.is_file():
        raise ValueError(f"{path} is missing; the pack is incomplete, copy it again")
    if (size := path.stat().st_size) != part["size"]:
        raise ValueError(f"{path} has {size} bytes instead of {part['size']}; the pack is cut, copy it again")
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != part["sha256"]:
            raise ValueError(f"{path} is damaged: its sha256 is another than in {MANIFEST}; copy it again")


def _extract(parts: Sequence[Path], to: Path, about: dict[str, Any], folder: Path) -> None:
    """Files of the runs and the others, nothing else, below `to`."""
    allowed, others = [("runs", run) for run in about["runs"]], {f"also/{name}" for name in about["also"]}
    try:
        with tarfile.open(fileobj=_Joined(parts), mode="r|") as tar:  # type: ignore[call-overload]  # all that it asks for is read
            for entry in tar:
                parents = PurePosixPath(entry.name).parts[:2]
                known = parents in allowed or entry.name in others
                if not entry.isreg() or not proper(entry.name) or not known:
                    raise ValueError(f"the pack {folder} holds {entry.name!r}, which is no file of its runs; nothing is taken in")
                tar.extract(entry, to, filter="data")
    except tarfile.TarError as error:
        raise ValueError(f"the pack {folder} cannot be read ({error}); pack again") from None
    if missing := [run for run in about["runs"] if not (to / "runs" / run / CONFIG).exists()]:
        raise ValueError(f"the pack {folder} lacks the run {missing[0]}; pack again")
    if missing := [name for name in about["also"] if not (to / "also" / name).exists()]:
        raise ValueError(f"the pack {folder} lacks {missing[0]}; pack again")


class _Joined:
    """The parts as one file, read from its beginning."""

    def __init__(self, parts: Sequence[Path]) -> None:
        self._bytes = self._chunks(parts)
        self._rest = b""

    def read(self, size: int) -> bytes:
        read = [self._rest]
        length = len(self._rest)
        while length < size and (more := next(self._bytes, b"")):
            read.append(more)
            length += len(more)
        whole = b"".join(read)
        self._rest = whole[size:]
        return whole[:size]

    @staticmethod
    def _chunks(parts: Sequence[Path]) -> Iterator[bytes]:
        for path in parts:
            file: BinaryIO
            with path.open("rb") as file:
                while some := file.read(2**20):
                    yield some


# -- into place --------------------------------------------------------------------------------------------------------


def _into_place(fresh: Path, run: str) -> str:
    """Move a run's folder among the others, or what it has more than the one that is there; the line about it."""
    here = run_folder(run)
    if not here.exists():
        here.parent.mkdir(parents=True, exist_ok=True)
        fresh.rename(here)
        return f"{run}: new"
    with claim.alone(here) as trains_into:
        if trains_into is not None:
            return f"{run}: a process trains in the one that is here, which is left as it is"
        if (here / CONFIG).exists() and _plain(here / CONFIG) != _plain(fresh / CONFIG):
            return f"{run}: the one that is here has another config and is left as it is"
        ours, theirs = _progress(here), _progress(fresh)
        if theirs < ours:
            return f"{run}: the one that is here is further and is left as it is"
        if theirs == ours:
            return f"{run}: {_compared(here, fresh)}"
        _take_over(fresh, here)
        return f"{run}: further than the one that was here"


def _progress(folder: Path) -> tuple[bool, int]:
    """Whether the run is finished, and its newest checkpoint's step."""
    finished = (folder / OUTCOME).exists()
    return finished, 0 if finished else max(checkpoint.found(folder), default=0)


def _compared(here: Path, fresh: Path) -> str:
    if (fresh / OUTCOME).exists() and _plain(here / OUTCOME) != _plain(fresh / OUTCOME):
        return "the one that is here has other figures and is left as it is"
    return "here already"


def _plain(path: Path) -> Any:
    """A file of JSON, to be compared; of a damaged one its text."""
    try:
        return read_plain(path)
    except ValueError:
        return path.read_text(errors="replace")


def _take_over(fresh: Path, here: Path) -> None:
    """File by file; last come those that say how far the run is, so that it is done again if it is cut short."""
    if (here / CURVES).exists() and (fresh / CURVES).exists():
        write_whole(fresh / CURVES, _joined_curves((here / CURVES).read_text(), (fresh / CURVES).read_text()))
    newest = max(checkpoint.found(fresh).values(), default=None)
    files = [path for path in fresh.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: (path == newest, path.name == OUTCOME)):
        target = here / path.relative_to(fresh)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)


def _joined_curves(ours: str, theirs: str) -> str:
    """Ours, and of theirs what ours lack: results, and points of other steps."""
    lines = [line for line in ours.splitlines() if _point(line)]
    there = {_point(line) for line in lines}
    lines += [line for line in theirs.splitlines() if (point := _point(line)) and (point[2] or point not in there)]
    return "".join(f"{line}\n" for line in lines)


def _point(line: str) -> tuple[str, int, bool] | None:
    """Curve, step, whether it is a result; None for a line that a killed process cut short, or that is damaged."""
    try:
        plain = as_written(line)
        return str(plain["key"]), int(plain["step"]), bool(plain.get("final"))
    except (ValueError, KeyError, TypeError):
        return None
