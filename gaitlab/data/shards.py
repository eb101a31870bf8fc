"""From an experiment's data config to an open store; the source is ingested first if nothing lies there yet."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from filelock import FileLock

from gaitlab.config import FREE, Config
from gaitlab.data.draws import Draw
from gaitlab.data.ingest import ShardMap, ingest, processes
from gaitlab.data.joined import JoinedStore
from gaitlab.data.schema import MANIFEST, read_manifest
from gaitlab.data.source import SourceConfig
from gaitlab.data.store import Store
from gaitlab.home import home
from gaitlab.within import Count


@dataclass(frozen=True, kw_only=True)
class DataConfig(Config):
    """Where the walks lie and how a batch is drawn from them."""

    root: str = field(metadata=FREE)
    """Folder of shards (what `pipelines/ingest.py` wrote). A relative path is looked for under $GAITLAB_HOME/data."""
    make: SourceConfig | None = field(default=None, metadata=FREE)
    """Source that is ingested into `root` when nothing lies there yet."""
    subjects_per_batch: Count = 8
    """P: identities of a batch."""
    walks_per_subject: Count = 4
    """K: walks of each identity."""
    draw: Draw = "subjects"
    """subjects: P identities and K walks of each; walks: P x K walks whoever they are of, each once an epoch (training without labels)."""
    more: tuple[str, ...] = field(default=(), metadata=FREE)
    """Folders of further shards whose training walks are learnt from as well; tests stay with those of `root`."""
    feed: Literal["local", "ray"] = field(default="local", metadata=FREE)
    """local: node-local memory map; ray: blocks of walks in Ray's object store, for data larger than a node."""


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


def open_data(data: DataConfig, *, run: ShardMap | None = None) -> Store:
    """The store of `data`. `run` maps the work of an ingest; ValueError when there is nothing to open or make."""
    folder = shard_folder(data)
    if data.make and not (folder / MANIFEST).exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):  # ranks, and runs side by side, wait for the first
            if not (folder / MANIFEST).exists():
                print(f"making {data.root} in {folder}", flush=True)
                return ingest(data.make, folder, run=run or processes(os.cpu_count() or 1))
    return Store(folder)


def open_training(data: DataConfig, *, run: ShardMap | None = None, first: Store | None = None) -> Store:
    """What is learnt from: the store of `data` (`first`, if it is open), joined with its `more`. ValueError for sets that do not join."""
    first = first or open_data(data, run=run)
    return JoinedStore([first, *(open_data(replace(data, root=root, make=None)) for root in data.more)]) if data.more else first
