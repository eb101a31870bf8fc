"""Folders `ID/TYPE/VIEW` with a partition file -> walks with their split and role.

The partition is the field's JSON: TRAIN_SET and TEST_SET list ids; PROBE_SET and GALLERY_SET, where a data set has them, list
"ID-TYPE-VIEW".
"""

import hashlib
import json
import os
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from gaitlab.data.source import SourceConfig, Walk
from gaitlab.data.sources.datasets import Layout, layout
from gaitlab.within import Natural

LISTED = 20


@dataclass(frozen=True)
class Partition:
    """subject -> split, and "ID-TYPE-VIEW" -> role."""

    splits: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Survey:
    """All that a tree holds under a partition, good and bad.

    problems: folders that cannot be walks, and why. missing: what the partition names in vain, one sentence per kind.
    ignored: ids that it does not name.
    """

    walks: list[Walk]
    problems: list[str]
    missing: list[str]
    ignored: list[str]


@dataclass(frozen=True, kw_only=True)
class TreeSource(SourceConfig):
    """What is common to sources of the form `root/ID/TYPE/VIEW`."""

    name: str = ""
    """Name of the data set; the layout's if not given."""
    root: str
    """Folder of the ids."""
    layout: str = "plain"
    """How folders and files are named: a name from `gaitlab.data.sources.datasets`."""
    partition: str = ""
    """JSON file with TRAIN_SET and TEST_SET; without it every id is for training."""
    allow_missing: bool = False
    """Go on when ids or walks that the partition names are not there."""
    test_ids: Natural = 0
    """Without a partition: this many ids, the last in sorted order, are for testing."""
    validation: Natural = 0
    """Training ids that are drawn and set aside for validation."""
    seed: Natural = 0
    """Of that draw."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "name", self.name or self.layout)

    def files(self, names: Sequence[str]) -> dict[str, str]:
        """modality -> file name, of the sorted file names in a VIEW folder; "" stands for the folder. ValueError when one lacks."""
        raise NotImplementedError

    def survey(self) -> Survey:
        """Looks at every folder, at no file's content. ValueError only when there is no root or no readable partition."""
        how = layout(self.layout)
        root = self._root()
        ids = _folders(root)
        if not ids:
            raise ValueError(f"{root} has no folders; it should hold ID/TYPE/VIEW")
        partition = self._partition(ids)
        walks: list[Walk] = []
        problems: list[str] = []
        for subject in ids:
            if subject in partition.splits:
                for type_name in _folders(root / subject):
                    for view_name in _folders(root / subject / type_name):
                        try:
                            walks.append(self._walk(root, how, partition, subject, type_name, view_name))
                        except ValueError as error:
                            problems.append(f"{subject}/{type_name}/{view_name}: {error}")
        absent_ids = partition.splits.keys() - {walk.subject for walk in walks}
        absent_walks = partition.roles.keys() - {walk.source.replace("/", "-") for walk in walks}
        missing = [self._absent(what, names) for what, names in (("ids", absent_ids), ("walks", absent_walks)) if names]
        return Survey(walks, problems, missing, [subject for subject in ids if subject not in partition.splits])

    def walks(self) -> Sequence[Walk]:
        found = self.survey()
        if found.problems:
            raise ValueError(_lines(found.problems, "walks cannot be used"))
        if not found.walks:
            unnamed = f" of an id in the partition; its ids are {_listed(found.ignored, 3)}" if found.ignored else ""
            raise ValueError(f"{self.root} has no walk ID/TYPE/VIEW{unnamed}")
        if found.missing and not self.allow_missing:
            raise ValueError(f"{'; '.join(found.missing)}; --allow-missing to go on without them")
        for message in found.missing:
            warnings.warn(message, stacklevel=2)
        if found.ignored:
            warnings.warn(f"{len(found.ignored)} ids of {self.root} are in neither set of the partition and are ignored", stacklevel=2)
        return found.walks

    def checksum(self) -> str:
        digest = hashlib.sha256(repr(replace(self, root="", partition="")).encode())
        for walk in sorted(self.survey().walks, key=lambda walk: walk.source):
            digest.update(f"{walk.source} {walk.split} {walk.role}".encode())
            for m, path in sorted(walk.files.items()):
                entries = sorted(Path(path).iterdir()) if os.path.isdir(path) else [Path(path)]
                for entry in entries:
                    stat = entry.stat()
                    digest.update(f"{m} {entry.name} {stat.st_size} {stat.st_mtime_ns}".encode())
        return digest.hexdigest()

    def _walk(self, root: Path, how: Layout, partition: Partition, subject: str, type_name: str, view_name: str) -> Walk:
        folder = root / subject / type_name / view_name
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file() and not entry.name.startswith("."))
        if not names:
            raise ValueError("the folder is empty")
        role = partition.roles.get(f"{subject}-{type_name}-{view_name}", "")
        return Walk(
            subject=subject,
            split=partition.splits[subject],
            role="probe" if how.probe_subject and subject == how.probe_subject else role,
            source=f"{subject}/{type_name}/{view_name}",
            files={m: str(folder / name) if name else str(folder) for m, name in self.files(names).items()},
            **how.parse(type_name, view_name),  # type: ignore[arg-type]
        )

    def _root(self) -> Path:
        root = Path(self.root).expanduser().absolute()
        if not root.is_dir():
            what = "is no folder" if root.exists() else "does not exist"
            raise ValueError(f"{root} {what}; --root is the folder that holds ID/TYPE/VIEW")
        return root

    def _partition(self, ids: Sequence[str]) -> Partition:
        if self.partition and self.test_ids:
            raise ValueError("--test-ids is for data without a partition file; give one or the other")
        if self.partition:
            partition = read_partition(Path(self.partition).expanduser())
        else:
            if not 0 <= self.test_ids <= len(ids):
                raise ValueError(f"--test-ids is {self.test_ids}; there are {len(ids)} ids")
            first_test = len(ids) - self.test_ids
            partition = Partition({subject: "train" if i < first_test else "test" for i, subject in enumerate(ids)})
        train = sorted(s for s in ids if partition.splits.get(s) == "train")
        if not 0 <= self.validation <= len(train):
            raise ValueError(f"--validation is {self.validation}; there are {len(train)} training ids to set aside")
        drawn = np.random.default_rng(self.seed).permutation(len(train))[: self.validation]
        return Partition(dict(partition.splits) | {train[i]: "validation" for i in drawn}, partition.roles)

    def _absent(self, what: str, names: Collection[str]) -> str:
        who = "the partition names" if self.partition else "there are"
        return f"{who} {len(names)} {what} without a walk in {self.root}: {_listed(sorted(names), LISTED)}"


def read_partition(path: Path) -> Partition:
    """Checked content of a partition file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        train, test = (_names(content, key) for key in ("TRAIN_SET", "TEST_SET"))
        sets = {role: _names(content, key) if key in content else [] for key, role in (("GALLERY_SET", "gallery"), ("PROBE_SET", "probe"))}
    except OSError as error:
        raise ValueError(f"partition {path}: cannot be read ({error.strerror})") from None
    except KeyError as error:
        raise ValueError(f"partition {path}: has no {error.args[0]}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"partition {path}: is not a JSON object of lists ({error})") from None
    for one, other, what in ((train, test, "TRAIN_SET and TEST_SET"), (sets["gallery"], sets["probe"], "GALLERY_SET and PROBE_SET")):
        if both := sorted(set(one) & set(other)):
            raise ValueError(f"partition {path}: {', '.join(both[:LISTED])} in both {what}")
    splits = dict.fromkeys(train, "train") | dict.fromkeys(test, "test")
    return Partition(splits, {name: role for role, names in sets.items() for name in names})


def _names(content: Mapping[str, object], key: str) -> list[str]:
    names = content[key]
    if not isinstance(names, list) or not all(isinstance(name, (str, int)) for name in names):
        raise TypeError(f"{key} is no list of names")
    return list(map(str, names))


def _listed(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _folders(folder: Path) -> list[str]:
    """Names of the folders in `folder`. ValueError for a link to nothing, which may have been one."""
    broken = [entry.path for entry in os.scandir(folder) if entry.is_symlink() and not os.path.exists(entry.path)]
    if broken:
        raise ValueError(f"{broken[0]} is a link to {os.readlink(broken[0])!r}, which is not there")
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def _lines(problems: Sequence[str], title: str) -> str:
    if len(problems) == 1:
        return problems[0]
    more = [f"... and {len(problems) - LISTED} more"] if len(problems) > LISTED else []
    return "\n  ".join([f"{len(problems)} {title}:", *problems[:LISTED], *more])
