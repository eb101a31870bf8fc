"""From an experiment's data config to an open store; the source is ingested first if nothing lies there yet."""

import os
from pathlib import Path

from filelock import FileLock

from gaitlab.data.ingest import Run, ingest, processes
from gaitlab.data.schema import MANIFEST, read_manifest
from gaitlab.data.store import Store
from gaitlab.experiment import DataConfig
from gaitlab.home import home


def shard_folder(data: DataConfig) -> Path:
    """Absolute folder of the shards: `root` itself, `$GAITLAB_HOME/data/root`, or where the source's walks are put.

    The last one's name ends in the checksum of the source's parameters, so that it is never stale.
    """
    root = Path(data.root).expanduser()
    for folder in (root.absolute(), home() / "data" / root):
        if (folder / MANIFEST).exists():
            return folder
    return home() / "data" / (f"{root}-{data.make.checksum()[:8]}" if data.make else root)


def makes_others(data: DataConfig) -> bool:
    """Whether `make` would generate other walks than those that lie in the folder, and that `open_data` opens all the same."""
    folder = shard_folder(data)
    if data.make is None or not (folder / MANIFEST).exists():
        return False
    source = read_manifest(folder)["source"]
    return bool(source["kind"] == type(data.make).__name__ and data.make.stale(source["checksum"]))


def open_data(data: DataConfig, *, run: Run | None = None) -> Store:
    """The store of `data`. `run` maps the work of an ingest; ValueError when there is nothing to open or make."""
    folder = shard_folder(data)
    if data.make and not (folder / MANIFEST).exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):  # ranks, and runs side by side, wait for the first
            if not (folder / MANIFEST).exists():
                print(f"making {data.root} in {folder}", flush=True)
                return ingest(data.make, folder, run=run or processes(os.cpu_count() or 1))
    return Store(folder)
