"""From an experiment's data config to an open store; the source is ingested first if nothing lies there yet."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gaitlab.data.store import Store
from gaitlab.experiment import DataConfig
from gaitlab.home import home


def shard_folder(data: DataConfig) -> Path:
    """Absolute folder of the shards. A generated set's name ends in its parameters' checksum, so that it is never stale."""
    name = f"{data.root}-{data.make.checksum()[:8]}" if data.make else data.root
    path = Path(name).expanduser()
    return path if path.is_absolute() or (path / "manifest.json").exists() else home() / "data" / path


def open_data(data: DataConfig, *, run: Callable[..., Any] | None = None) -> Store:
    """The store of `data`. `run` maps the ingest's work (see `gaitlab.data.ingest`); ValueError when there is nothing to open or make."""
    folder = shard_folder(data)
    if data.make and not (folder / "manifest.json").exists():
        from gaitlab.data.ingest import ingest, processes

        print(f"making {data.root} in {folder}", flush=True)
        return ingest(data.make, folder, run=run or processes(os.cpu_count() or 1))
    return Store(folder)
