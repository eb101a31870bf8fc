"""What a run has not delivered yet, on disk: points of curves, artifacts, and how it ended. No MLflow here."""

import contextlib
import shutil
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from gaitlab.home import as_written, read_plain, summed, write_plain


class Point(NamedTuple):
    """One value of a curve; time in ms since 1970. final: a result, of which the newest counts whatever its step."""

    key: str
    value: float
    step: int
    time: int
    final: bool = False


class Ending(NamedTuple):
    """How a run ended: FINISHED | FAILED | KILLED | SCHEDULED, and when, in ms since 1970."""

    status: str
    time: int


class Spool:
    """The folder `folder`, made on first use: metrics.jsonl, ending.json, and under artifacts/ the files by their paths in the run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._curves, self._artifacts, self._end = folder / "metrics.jsonl", folder / "artifacts", folder / "ending.json"
        self._lock = threading.Lock()

    def add(self, points: Iterable[Point]) -> None:
        """Append points; on return they outlive the process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._curves.open("a") as file:
            if file.tell():  # a killed process may have cut the last line short
                file.write("\n")
            file.writelines(summed(point._asdict()) + "\n" for point in points)

    def points(self) -> Iterator[Point]:
        """All points, in the order of `add`; a line that a killed process cut short, an empty or a damaged one is passed over."""
        for line in self._curves.read_text().splitlines() if self._curves.exists() else []:
            with contextlib.suppress(ValueError, TypeError):
                yield Point(**as_written(line))

    def clear_points(self) -> None:
        self._curves.unlink(missing_ok=True)

    def put(self, path: str, content: bytes) -> None:
        """The artifact `path`, whole or not at all; replaces an older one."""
        target = self._artifacts / path
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f"unfinished-{uuid.uuid4().hex}"
        unfinished.write_bytes(content)
        with self._lock:
            unfinished.replace(target)

    def read(self, path: str) -> bytes | None:
        """Content of the artifact `path`, None if it is not (or no longer) here."""
        file = self._artifacts / path
        return file.read_bytes() if file.exists() else None

    def hand_over(self, send: Callable[[Path, Path], bool]) -> None:
        """Call `send(file, path in the run)` for every artifact; those for which it is true go, unless replaced meanwhile."""
        for file in sorted(path for path in self._artifacts.rglob("*") if path.is_file()):
            sent = file.stat().st_ino, file.stat().st_mtime_ns
            if send(file, file.relative_to(self._artifacts)):
                with self._lock:
                    if (file.stat().st_ino, file.stat().st_mtime_ns) == sent:
                        file.unlink()

    def end(self, ending: Ending | None) -> None:
        """Keep how the run ended; None: it goes on."""
        if ending is None:
            self._end.unlink(missing_ok=True)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        write_plain(self._end, ending._asdict())

    def ending(self) -> Ending | None:
        """How the run ended; None if it goes on, was killed, or its end is delivered. ValueError for a damaged file."""
        try:
            return Ending(**read_plain(self._end)) if self._end.exists() else None
        except (ValueError, TypeError) as error:
            raise ValueError(f"{self._end} is damaged ({error}); delete it") from None

    def empty(self) -> bool:
        return not any(path.is_file() for path in self.folder.rglob("*"))

    def remove_if_empty(self) -> None:
        if self.empty():
            shutil.rmtree(self.folder, ignore_errors=True)
