"""What a run began with: `record.json` in its folder, for a store that does not have the run yet, and for tables where no store is."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from gaitlab.home import as_written, write_plain

RECORD = "record.json"


class Record(TypedDict):
    """name: of the experiment. parent: id of the run it is a child of. params: the config, flat. start: ms since 1970."""

    name: str
    parent: str | None
    tags: dict[str, str]
    params: NotRequired[dict[str, str]]
    start: NotRequired[int]


def keep_record(record: Record, folder: Path) -> None:
    """Into the run's folder, for good."""
    folder.mkdir(parents=True, exist_ok=True)
    write_plain(folder / RECORD, record)


def kept_record(folder: Path) -> Record | None:
    """What `keep_record` put there; None for runs that are older than it. ValueError if it is damaged."""
    path = folder / RECORD
    return from_text(path.read_text(encoding="utf-8"), path) if path.exists() else None


def as_text(record: Record) -> str:
    return json.dumps(record, indent=2)


def from_text(text: str, path: Path) -> Record:
    """The record that lay at `path`. ValueError if it is none."""
    try:
        plain = as_written(text)
        parent = plain.get("parent")
        record: Record = {"name": str(plain["name"]), "parent": parent and str(parent), "tags": _texts(plain["tags"])}
        if "params" in plain:
            record["params"] = _texts(plain["params"])
        if "start" in plain:
            record["start"] = int(plain["start"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error})") from None
    return record


def _texts(plain: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in plain.items()}
