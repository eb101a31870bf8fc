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
from gaitlab.data.planned import planned_store
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
    """Source that is ingested when nothing lies in `root` yet, a plain name then: walks are made under $GAITLAB_HOME/data only."""
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
    if (named := named_folder(data)) is not None:
        return named
    root = Path(data.root).expanduser()
    return home() / "data" / (f"{root}-{data.make.checksum()[:8]}" if data.make and _plain(data.root) else root)


def named_folder(data: DataConfig) -> Path | None:
    """The folder that `root` names as it is, if it holds shards."""
    root = Path(data.root).expanduser()
    return next((folder for folder in (root.absolute(), home() / "data" / root) if (folder / MANIFEST).exists()), None)


def _plain(root: str) -> bool:
    """Whether it is a name, and no path."""
    return Path(root).name == root and root != ".."


def makes_others(data: DataConfig) -> bool:
    """Whether `make` would generate other walks than those that lie in the folder, and that `open_data` opens all the same."""
    folder = shard_folder(data)
    if data.make is None or not (folder / MANIFEST).exists():
        return False
    source = read_manifest(folder)["source"]
    return bool(source["kind"] == type(data.make).__name__ and data.make.stale(source["checksum"]))


def open_data(data: DataConfig, *, run: ShardMap | None = None, make: bool = True) -> Store:
    """The store of `data`. `run` maps the work of an ingest; ValueError when there is nothing to open or make.

    make: False makes nothing, whatever the config says; for configs that somebody else wrote.
    """
    folder = shard_folder(data)
    if data.make and not (folder / MANIFEST).exists():
        _may_be_made(data, folder, make)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):  # ranks, and runs side by side, wait for the first
            if not (folder / MANIFEST).exists():
                print(f"making {data.root} in {folder}", flush=True)
                return ingest(data.make, folder, run=run or processes(os.cpu_count() or 1))
    return Store(folder)


def expected_data(data: DataConfig) -> Store:
    """The store, or, where it is to be made yet, its index as it will be. ValueError where `open_data` would raise one at once."""
    folder = shard_folder(data)
    if data.make is None or (folder / MANIFEST).exists():
        return Store(folder)
    _may_be_made(data, folder, True)
    return planned_store(data.make, folder)


def _may_be_made(data: DataConfig, folder: Path, make: bool) -> None:
    """ValueError, which says what to type, if not."""
    if not make:
        raise ValueError(f"no shards in {folder}, and a test makes none; --root SHARDS names others, --resume RUN makes its own")
    if not _plain(data.root):
        raise ValueError(
            f"no shards in {data.root}; walks are made under a plain name in {home() / 'data'} only: --data.root NAME, or write them with "
            f"python pipelines/ingest.py {data.make.name if data.make else 'SOURCE'} --out {data.root}"
        )


def open_training(data: DataConfig, *, run: ShardMap | None = None, first: Store | None = None) -> Store:
    """What is learnt from: the store of `data` (`first`, if it is open), joined with its `more`. ValueError for sets that do not join."""
    first = first or open_data(data, run=run)
    return JoinedStore([first, *(open_data(replace(data, root=root, make=None)) for root in data.more)]) if data.more else first
