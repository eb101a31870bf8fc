"""Scratch folders of Ray's workers, which Ray kills instead of letting them end: each has a lock, and the next worker of the node removes
those whose process is gone."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX, LOCK = "gaitlab-worker-", "in-use.lock"


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder of this process in $TMPDIR, gone at the end of the block or, after a kill, when the next one is asked for."""
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Remove folders of dead processes of this user."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError):  # in use, another user's, or going
            if path.parent.stat().st_uid != os.getuid():
                continue
            with path.open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path.parent, ignore_errors=True)
