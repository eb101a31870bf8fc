"""What lies in a shard: one Parquet row per walk, one row group per subject, and a manifest beside the shards.

Columns of a walk: `key dataset subject session conditions view take split role source checksum`, and for every modality `m`

    m           large_binary   all frames of the walk, coded (`gaitlab.data.coding`); null where the walk lacks the modality
    m_frames    int32          number of frames, 0 where it lacks it
    m_shape     list<int32>    (c, h, w) of a frame
    m_coding    string         how to read the bytes

A reader that asks for some columns touches no bytes of the others. Subjects are sorted, a subject is never split between
row groups, and shards are named in that order, so the rows of all shards one after the other are the index of the data set.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from gaitlab.home import read_plain

VERSION = 1
MANIFEST = "_manifest.json"  # readers of Parquet folders pass over names that begin with an underscore

WALK = pa.schema(
    [
        ("key", pa.string()),
        ("dataset", pa.string()),
        ("subject", pa.string()),
        ("session", pa.string()),
        ("conditions", pa.list_(pa.string())),
        ("view", pa.string()),
        ("take", pa.string()),
        ("split", pa.string()),
        ("role", pa.string()),
        ("source", pa.string()),
        ("checksum", pa.string()),
    ]
)
LABELS = tuple(name for name in WALK.names if name != "checksum")
"""Columns of an index that say what a walk is."""
SPLITS = ("train", "validation", "test")
ROLES = ("", "probe", "gallery")


def shard_schema(modalities: Iterable[str]) -> pa.Schema:
    """Arrow schema of a shard that holds `modalities`."""
    fields = list(WALK)
    for m in sorted(modalities):
        fields += [
            pa.field(m, pa.large_binary()),
            pa.field(f"{m}_frames", pa.int32()),
            pa.field(f"{m}_shape", pa.list_(pa.int32())),
            pa.field(f"{m}_coding", pa.string()),
        ]
    return pa.schema(fields, metadata={"gaitlab.schema": str(VERSION)})


def data_hash(checksums: Iterable[str], modalities: Mapping[str, Mapping[str, Any]]) -> str:
    """Name of a data set's content: 32 hex digits of the walks' checksums, whatever their order and division into files, and of the rates
    of its modalities where these differ, since they decide which frames are of one moment. modalities: the manifest's."""
    rates = {modality: facts["fps"] for modality, facts in modalities.items() if "fps" in facts}
    paired = [f"{modality} {rate:g} fps" for modality, rate in sorted(rates.items())] if len(set(rates.values())) > 1 else []
    return hashlib.sha256("\n".join([f"schema {VERSION}", *paired, *sorted(checksums)]).encode()).hexdigest()[:32]


def read_manifest(root: Path) -> dict[str, Any]:
    """The manifest of a finished folder of shards."""
    if not root.exists():
        raise ValueError(f"{root} does not exist; write it with `python pipelines/ingest.py`, or name a folder that it wrote")
    if not (root / MANIFEST).is_file():
        raise ValueError(f"{root} is no folder of shards: it has no {MANIFEST}; write one with `python pipelines/ingest.py`")
    try:
        manifest = read_plain(root / MANIFEST)
        version = manifest["schema"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{root / MANIFEST} is damaged ({error}); ingest the data set again") from None
    if version != VERSION:
        raise ValueError(f"{root} has schema version {version}, this gaitlab reads version {VERSION}; ingest the data set again")
    if wrong := _fault(manifest):
        raise ValueError(f"{root / MANIFEST} is damaged ({wrong}); ingest the data set again")
    return manifest


def _fault(manifest: dict[str, Any]) -> str:
    """What is wrong with the facts that readers rely on, or ""."""
    try:
        if not re.fullmatch("[0-9a-f]{32}", manifest["hash"]):
            return f"hash {manifest['hash']!r}"
        for modality, facts in manifest["modalities"].items():
            if len(facts["shape"]) != 3 or not all(n > 0 for n in facts["shape"]) or not isinstance(facts["packed"], bool):
                return f"modality {modality}"
            if not facts.get("fps", 1) > 0:
                return f"{facts['fps']} frames of {modality} per second"
        for shard in manifest["shards"]:
            if Path(shard["file"]).name != shard["file"] or not isinstance(shard["sha256"], str) or shard["bytes"] < 0:
                return f"shard {shard['file']!r}"
        if manifest["walks"] != sum(shard["rows"] for shard in manifest["shards"]) or not manifest["walks"]:
            return f"{manifest['walks']} walks in {len(manifest['shards'])} shards"
    except KeyError as error:
        return f"it has no {error}"
    except (TypeError, AttributeError) as error:
        return str(error)
    return ""
