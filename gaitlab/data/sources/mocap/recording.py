"""Recorded joints in memory, and their reader for npz files.

An npz holds `joints [sum T, 27, 3]` m, z up (`gaitlab.data.sources.walkers.skeleton` has the order), `offsets [clips+1]`,
`subject [clips]`, `clip [clips]`, `parents [27]`, `joint_names [27]`, `fps`.
"""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import numpy as np

from gaitlab.data.sources.walkers.skeleton import JOINTS, PARENTS, bones_of, joint

LEAST_PATH = 1.0
"""Metres; the pelvis of a clip that stays nearer to its start is on no walk."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """Clips of joints: `clips[i]` is `[t, 27, 3]` m, z up, at `fps` Hz, of person `subjects[i]`; `names[i]` is unique. files: read."""

    clips: tuple[np.ndarray, ...]
    subjects: tuple[str, ...]
    names: tuple[str, ...]
    fps: float
    files: tuple[Path, ...]

    @cached_property
    def bones(self) -> np.ndarray:
        """Mean bone lengths `[26]` m, every person counting once."""
        lengths = np.stack([np.linalg.norm(bones_of(clip[0]), axis=-1) for clip in self.clips])
        who = np.array(self.subjects)
        return np.stack([lengths[who == person].mean(0) for person in sorted(set(self.subjects))]).mean(0)


def chosen(names: Sequence[str], patterns: Sequence[str], where: Path) -> list[int]:
    """Indices of the clips that one of the patterns (all, if there is none) names."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            raise ValueError(f"{where} has no clip {pattern!r}; it has {some}")
    return [i for i, name in enumerate(names) if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


def from_npz(path: Path, patterns: Sequence[str] = ()) -> Recording:
    """Clips of an npz file; ValueError names what is wrong with it."""
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {key: file[key] for key in file.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{str(path)!r} is no readable npz of joints: {error}") from error
    missing = {"joints", "offsets", "subject", "clip", "joint_names", "parents", "fps"} - held.keys()
    if missing:
        raise ValueError(f"{str(path)!r} lacks {', '.join(sorted(missing))}")
    absent = [name for name in JOINTS if name not in held["joint_names"]]
    if absent:
        raise ValueError(f"{str(path)!r} lacks the joints {', '.join(absent)}")
    if list(held["joint_names"]) != JOINTS or tuple(held["parents"]) != PARENTS:
        raise ValueError(f"{str(path)!r} has other joints than {' '.join(JOINTS)}, or in another order")
    if held["fps"].shape != () or not 0 < held["fps"] < np.inf:
        raise ValueError(f"{str(path)!r} has the frame rate {held['fps']}, not one number above 0")
    joints, offsets = held["joints"], held["offsets"]
    if offsets.ndim != 1 or len(offsets) < 2 or offsets[0] != 0 or offsets.dtype.kind not in "iu":
        raise ValueError(f"{str(path)!r} needs offsets 0, end of clip 1, end of clip 2, ...")
    if joints.shape != (offsets[-1], len(JOINTS), 3) or (np.diff(offsets) < 2).any() or not np.isfinite(joints).all():
        expected = f"finite [{offsets[-1]}, {len(JOINTS)}, 3] in clips of 2 frames or more"
        raise ValueError(f"{str(path)!r} holds joints of shape {joints.shape}, not {expected}")
    names, subjects = [*map(str, held["clip"])], [*map(str, held["subject"])]
    if len({*names}) < len(names) or not len(names) == len(subjects) == len(offsets) - 1:
        raise ValueError(f"{str(path)!r} must name each of its {len(offsets) - 1} clips once and give a subject for each")
    kept = chosen(names, patterns, path)
    return Recording(
        clips=tuple(joints[offsets[i] : offsets[i + 1]].astype(np.float64) for i in kept),
        subjects=tuple(subjects[i] for i in kept),
        names=tuple(names[i] for i in kept),
        fps=float(held["fps"]),
        files=(path,),
    )


def check_walks(clip: np.ndarray, where: str) -> None:
    """Refuses joints `[t, 27, 3]` m that stay in place."""
    floor = clip[:, joint("pelvis"), :2]
    way = float(np.sqrt(np.square(floor - floor[0]).sum(-1)).max())
    if way < LEAST_PATH:
        raise ValueError(f"{where} holds no walk: the pelvis stays within {way:.2f} m of its start; leave the clip out")
