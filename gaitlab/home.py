"""Where gaitlab keeps what it makes: shards, runs, the MLflow store, the memory maps; and how its small files are written and read."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

SUM = "sum"
"""Key of a file of ours that holds the checksum of all its other keys."""


def home() -> Path:
    """$GAITLAB_HOME, or ~/gaitlab; absolute, so that a job's temporary working directory does not matter. Created on first use."""
    return _folder(os.environ.get("GAITLAB_HOME") or Path.home() / "gaitlab")


def cache() -> Path:
    """$GAITLAB_CACHE, or the home's `cache`: memory maps of this node. Set it to a local disk where the home is on the network."""
    return _folder(os.environ.get("GAITLAB_CACHE") or home() / "cache")


def check_room(folder: Path, needed: float, what: str) -> None:
    """ValueError, before any work, if nothing can be written into the folder, or less than `needed` bytes, which `what` takes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ValueError(f"nothing can be written into {folder}: {error.strerror}; let GAITLAB_HOME be a folder of yours") from None
    if free < needed:
        sizes = f"{needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are"
        raise ValueError(f"{what} takes about {sizes} free in {folder}; make room, or let GAITLAB_HOME be a folder on another disk")


def sqlite_url(file: Path) -> str:
    """The database `file` as SQLAlchemy, and by it MLflow and Optuna, take it; a `?` or `%` of a path is none of the URL's own."""
    return f"sqlite:///{file}".replace("%", "%25").replace("?", "%3F")


def write_whole(path: Path, text: str) -> None:
    """Write beside `path`, then rename over it: the file is the old one or the new one, also after a power cut."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(text)
            to_disk(file)
            file.close()
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def to_disk(file: IO[Any]) -> None:
    """What was written to the open file is on the disk, and not only on its way."""
    file.flush()
    os.fsync(file.fileno())


def write_plain(path: Path, plain: Mapping[str, Any]) -> None:
    """JSON with a checksum of its content, by `write_whole`."""
    write_whole(path, summed(plain, indent=1))


def read_plain(path: Path) -> dict[str, Any]:
    """What `write_plain` wrote. ValueError if it is no JSON, or other than what was written; files of before have no checksum."""
    return as_written(path.read_text(encoding="utf-8"))


def summed(plain: Mapping[str, Any], indent: int | None = None) -> str:
    """JSON with its checksum."""
    return json.dumps({**plain, SUM: _sum(plain)}, indent=indent)


def as_written(text: str) -> dict[str, Any]:
    """What `summed` made a text of. ValueError as of `read_plain`."""
    plain = json.loads(text)
    if not isinstance(plain, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004  (of a file's content)
    if plain.pop(SUM, None) not in (None, _sum(plain)):
        raise ValueError("its content is not what was written")
    return plain


def _sum(plain: Mapping[str, Any]) -> str:
    as_read = json.loads(json.dumps(plain))
    return hashlib.sha256(json.dumps(as_read, sort_keys=True).encode()).hexdigest()[:16]


def _folder(path: str | Path) -> Path:
    path = Path(path).expanduser().resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path
