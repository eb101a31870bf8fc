"""Who works in a run's folder: processes that train share it, and what moves its files has it alone.

Locks of the operating system, which end with their process: kill -9 leaves none behind.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

LOCK = "in-use.lock"


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
