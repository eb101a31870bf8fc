"""Folders `ID/TYPE/VIEW` and a partition file -> walks with their split and role."""

import hashlib
import os
import re
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gaitlab.data.source import SourceConfig, Walk
from gaitlab.data.sources.datasets import Layout, layout
from gaitlab.data.sources.partition import LISTED, Partition, composed, listed, read_partition
from gaitlab.types import VECTORS
from gaitlab.within import Natural

SYSTEM = {
    *("lost+found", "$recycle.bin", "recycler", "system volume information", "__macosx", "@eadir", "@recycle", "@tmp"),
    *("#recycle", "#snapshot", "thumbs.db", "desktop.ini"),
}
"""Names in small letters of what disks, archives and servers put among data; what begins with a dot is passed over, too."""
SHOWN = 6
"""Frames of a walk on a contact sheet."""


@dataclass(frozen=True)
class Survey:
    """All that a tree holds under a partition, good and bad.

    problems: folders that cannot be walks, and why. missing: what the partition names in vain, one sentence per kind.
    ignored: ids that it does not name. named: the ids that it does. odd: what may be meant so.
    """

    walks: list[Walk]
    problems: list[str]
    missing: list[str]
    ignored: list[str]
    named: list[str]
    odd: list[str]


@dataclass(frozen=True, kw_only=True)
class TreeSource(SourceConfig):
    """What is common to sources of the form `root/ID/TYPE/VIEW`."""

    name: str = ""
    """Name of the data set; the layout's if not given."""
    root: str
    """Folder of the ids."""
    layout: str = "plain"
    """How folders and files are named: a name of `sources.datasets`."""
    partition: str = ""
    """JSON of TRAIN_SET and TEST_SET; without it all are for training."""
    allow_missing: bool = False
    """Go on when ids or walks that the partition names are not there."""
    test_ids: Natural = 0
    """Without a partition: so many of the last ids (10 after 9) are for testing."""
    validation: Natural = 0
    """Training ids that are drawn and set aside for validation."""
    seed: Natural = 0
    """Of that draw."""
    invert: bool = False
    """Silhouettes are dark on bright."""
    label: tuple[str, ...] = ()
    """Values that are the person, if there are several: 15, or #c08080."""

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
        folders = {composed(name): name for name in _folders(root)}
        if not folders:
            raise ValueError(f"{root} has no folders; it should hold ID/TYPE/VIEW")
        named = read_partition(Path(self.partition).expanduser()) if self.partition else Partition(dict.fromkeys(folders, "train"))
        views = {subject: _views(root / folder) for subject, folder in folders.items() if subject in named.splits}
        first = next((folder for of in views.values() for folder in of), None)
        if first and (self.test_ids or self.validation) and (high := _too_high(root, first)):  # else their number would be said to be wrong
            raise ValueError(f"{first}: {high}")
        partition = self._partition(named, sorted((subject for subject in views if views[subject]), key=natural))
        walks: list[Walk] = []
        problems = _one_person_twice(root)
        for subject in sorted(views):
            for folder in views[subject]:
                try:
                    walks.append(self._walk(root, how, partition, folder))
                except ValueError as error:
                    problems.append(f"{listed([str(folder.relative_to(root))])}: {error}")
        absent_ids = named.splits.keys() - {walk.subject for walk in walks}
        absent_walks = partition.roles.keys() - {walk.source.replace("/", "-") for walk in walks}
        missing = [self._absent(what, names) for what, names in (("ids", absent_ids), ("walks", absent_walks)) if names]
        ignored = [subject for subject in sorted(folders) if subject not in named.splits]
        return Survey(walks, gathered(problems), missing, ignored, sorted(named.splits), _alike(folders))

    def walks(self) -> Sequence[Walk]:
        found = self.survey()
        if found.problems:
            raise ValueError(_lines(found.problems, "walks cannot be used"))
        if not found.walks:
            unnamed = f" of an id in the partition; its ids are {listed(found.ignored, 3)}, the partition names {listed(found.named, 3)}"
            raise ValueError(f"{self.root} has no walk ID/TYPE/VIEW{unnamed if found.ignored else self._too_low()}")
        if found.missing and not self.allow_missing:
            raise ValueError(f"{'; '.join(found.missing)}; --allow-missing to go on without them")
        for message in found.missing + found.odd:
            warnings.warn(message, stacklevel=2)
        if found.ignored:
            warnings.warn(f"{len(found.ignored)} ids of {self.root} are in neither set of the partition and are ignored", stacklevel=2)
        return found.walks

    def shown(self, walk: Walk) -> Sequence[np.ndarray]:
        loaded = {m: frames for m, frames in self.load(walk).items() if m not in VECTORS}
        if not loaded:
            return []
        frames = loaded.get("silhouette", next(iter(loaded.values())))
        chosen = frames[np.linspace(0, len(frames) - 1, min(SHOWN, len(frames))).astype(int)]
        return [frame if frame.ndim == 2 else frame[:3].transpose(1, 2, 0) if len(frame) > 2 else frame[0] for frame in chosen]

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

    def _walk(self, root: Path, how: Layout, partition: Partition, folder: Path) -> Walk:
        names = files_in(folder)
        if not names:
            raise ValueError(_too_high(root, folder) or "the folder is empty")
        if not str(folder).isprintable():
            raise ValueError("the folder's name has characters that cannot be printed; rename it")
        subject, type_name, view_name = map(composed, folder.relative_to(root).parts)
        role = partition.roles.get(f"{subject}-{type_name}-{view_name}", "")
        split = partition.splits[subject]
        if role and split != "test":
            raise ValueError(f"is {role} in the partition, and its id is for training")
        return Walk(
            subject=subject,
            split=split,
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

    def _too_low(self) -> str:
        """A hint where the files lie one level above those of walks."""
        inner = [folder for subject in _folders(self._root()) for folder in sorted((self._root() / subject).iterdir()) if folder.is_dir()]
        return f"; {inner[0]} holds files, no folders: is --root one level too low?" if inner and files_in(inner[0]) else ""

    def _partition(self, named: Partition, ids: Sequence[str]) -> Partition:
        """What is named, with ids for testing and validation where the command line asks for them. ids: those with walks, in order."""
        if self.partition and self.test_ids:
            raise ValueError("--test-ids is for data without a partition file; give one or the other")
        if self.test_ids > len(ids):
            raise ValueError(f"--test-ids is {self.test_ids}; there are {len(ids)} ids with walks")
        splits = dict(named.splits) | dict.fromkeys(ids[len(ids) - self.test_ids :], "test")
        train = sorted(subject for subject in ids if splits[subject] == "train")
        if self.validation > len(train):
            raise ValueError(f"--validation is {self.validation}; there are {len(train)} training ids to set aside")
        drawn = np.random.default_rng(self.seed).permutation(len(train))[: self.validation]
        return Partition(splits | {train[i]: "validation" for i in drawn}, named.roles)

    def _absent(self, what: str, names: Collection[str]) -> str:
        who = "the partition names" if self.partition else "there are"
        return f"{who} {len(names)} {what} without a walk in {self.root}: {listed(sorted(names))}"


def _too_high(root: Path, folder: Path) -> str:
    """What to say of a walk's folder that holds no files, but folders; "" of another."""
    if files_in(folder) or not _folders(folder):
        return ""
    ids = _folders(root)
    better = root / ids[0] if len(ids) == 1 else "the folder that holds ID/TYPE/VIEW"
    return f"holds folders, no files: --root is one level too high, give {better}"


def natural(name: str) -> list[tuple[int, str]]:
    """What sorts names as people count: 9 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def files_in(folder: Path) -> list[str]:
    """Names of the files in a folder, sorted; nothing that hides or that a system has put there."""
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_file() and _of_data(entry.name))


def gathered(problems: Sequence[str]) -> list[str]:
    """`NAME: REASON`, one of each reason, and how many more there are."""

    def reason(problem: str) -> str:
        return problem.partition(": ")[2] or problem

    counts = Counter(map(reason, problems))
    first = {reason(problem): problem for problem in reversed(problems)}
    return [f"{problem} (and {counts[why] - 1} more like this)" if counts[why] > 1 else problem for why, problem in reversed(first.items())]


def _folders(folder: Path) -> list[str]:
    """Names of the folders in `folder`. ValueError for a link to nothing, which may have been one."""
    broken = [entry.path for entry in os.scandir(folder) if entry.is_symlink() and not os.path.exists(entry.path)]
    if broken:
        raise ValueError(f"{broken[0]} is a link to {os.readlink(broken[0])!r}, which is not there")
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and _of_data(entry.name))


def _of_data(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in SYSTEM


def _views(subject: Path) -> list[Path]:
    return [subject / type_name / view for type_name in _folders(subject) for view in _folders(subject / type_name)]


def _one_person_twice(root: Path) -> list[str]:
    """Ids that are links to other ids, or whose names look the same to everybody but the disk."""
    names, here = _folders(root), os.path.realpath(root)
    real = {name: os.path.realpath(root / name) for name in names if os.path.islink(root / name)}
    links = [f"{name}: is a link to {os.path.basename(path)}" for name, path in real.items() if os.path.dirname(path) == here]
    forms = [f"{name}: is there twice, in two forms of Unicode" for name, count in Counter(map(composed, names)).items() if count > 1]
    return [f"{problem}; one person would be two" for problem in links] + forms


def _alike(ids: Mapping[str, str]) -> list[str]:
    """A sentence where ids differ in zeros and spaces only."""
    groups: dict[str, list[str]] = {}
    for name in sorted(ids):
        groups.setdefault(name.strip().lstrip("0").lower(), []).append(name)
    alike = [f"{name!r}" for names in groups.values() if len(names) > 1 for name in names]
    return [f"ids that look alike are taken for several people: {listed(alike, 6)}"] if alike else []


def _lines(problems: Sequence[str], title: str) -> str:
    if len(problems) == 1:
        return problems[0]
    more = [f"... and {len(problems) - LISTED} more"] if len(problems) > LISTED else []
    return "\n  ".join([f"{len(problems)} {title}:", *problems[:LISTED], *more])
