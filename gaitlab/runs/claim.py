"""Who works in a run's folder: one command trains the run, whose processes share the folder; what moves its files has it alone.

Locks of the operating system, which end with their process: kill -9 leaves none behind.
"""

import fcntl
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

LOCK, TRAINS = "in-use.lock", "trains.lock"


@contextmanager
def trains(folder: Path) -> Iterator[None]:
    """The run is this process's to train until the end of the block. ValueError, which says whose it is, if it is another's.

    Nobody's on a file system without locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / TRAINS).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"run {folder.name} is being trained by {trained_by(folder)}; wait for it, or stop it") from None
        except OSError:
            yield
            return
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()} since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        file.flush()
        yield


def trained_by(folder: Path) -> str:
    """Who trains the run, or was the last who did; to be asked where somebody does."""
    path = folder / TRAINS
    return (path.read_text(encoding="utf-8") if path.exists() else "") or "another process"


def join(folder: Path, store: str) -> TextIO | None:
    """A process trains in the folder until it closes what it gets; waits for one that has it alone. None on a file system without locks.

    store: where the process delivers what it logs, "" if nowhere.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a+", encoding="utf-8")
        fcntl.flock(file, fcntl.LOCK_SH)
        file.truncate(0)
        file.write(store)
        file.flush()
    except OSError:
        return None
    return file


@contextmanager
def alone(folder: Path) -> Iterator[str | None]:
    """None if nobody trains in the folder, which is then the caller's until the end of the block; else where the one who does delivers."""
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            yield file.read()
            return
        yield None


def dead(folder: Path) -> bool:
    """Whether somebody has worked in the folder and nobody does now; False where locks cannot tell."""
    if not (folder / LOCK).exists():
        return False
    try:
        with alone(folder) as other:
            return other is None
    except OSError:
        return False
