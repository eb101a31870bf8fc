"""Where gaitlab keeps what it makes: shards, runs, the MLflow store, the memory maps."""

import os
import shutil
import tempfile
from pathlib import Path


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


def write_whole(path: Path, text: str) -> None:
    """Write beside `path`, then rename over it: the file is the old one or the new one."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(text)
            file.close()
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _folder(path: str | Path) -> Path:
    path = Path(path).expanduser().resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path
