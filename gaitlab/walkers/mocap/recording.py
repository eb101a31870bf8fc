"""Recorded joints in memory, and their reader for npz files.

An npz holds `joints [sum T, 27, 3]` m, z up (`gaitlab.walkers.skeleton` has the order), `offsets [clips+1]`,
`subject [clips]`, `clip [clips]`, `parents [27]`, `joint_names [27]`, `fps`.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import numpy as np

from gaitlab.walkers.skeleton import BONES, JOINTS, PARENTS, bones_of, joint

LEAST_PATH = 1.0
"""Metres; the pelvis of a clip that stays nearer to its start is on no walk."""
FASTEST = 10.0
"""m/s; a pelvis that is faster from one frame to the next is no person's, or not in metres."""
LEG = (0.3, 1.5)
"""Metres: thigh and shank of the shortest and the tallest."""
RATES = (10.0, 10_000.0)
"""Hz: frame rates at which walks are recorded."""

HELD = {
    "joints": ("f", 3, "floats [frames, 27, 3]"),
    "offsets": ("iu", 1, "integers [clips + 1]"),
    "subject": ("Uiu", 1, "text [clips]"),
    "clip": ("Uiu", 1, "text [clips]"),
    "joint_names": ("U", 1, "text [27]"),
    "parents": ("iu", 1, "integers [27]"),
    "fps": ("fiu", 0, "one number"),
}
"""Key of an npz -> numpy's kinds, dimensions, and the same in words."""


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
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as file:
            held = {key: np.asarray(file[key]) for key in HELD if key in file.files}
    except Exception as error:
        raise ValueError(f"{str(path)!r} is no readable npz of joints: {' '.join(str(error).split())}") from error
    if missing := HELD.keys() - held.keys():
        raise ValueError(f"{str(path)!r} lacks {', '.join(sorted(missing))}")
    for key, (kinds, dimensions, words) in HELD.items():
        if held[key].dtype.kind not in kinds or held[key].ndim != dimensions:
            raise ValueError(f"{str(path)!r} holds {key} of shape {held[key].shape}, {held[key].dtype}, not {words}")
    absent = [name for name in JOINTS if name not in held["joint_names"]]
    if absent:
        raise ValueError(f"{str(path)!r} lacks the joints {', '.join(absent)}")
    if list(held["joint_names"]) != JOINTS or tuple(held["parents"]) != PARENTS:
        raise ValueError(f"{str(path)!r} has other joints than {' '.join(JOINTS)}, or in another order")
    if not RATES[0] <= held["fps"] <= RATES[1]:
        raise ValueError(f"{str(path)!r} has the frame rate {held['fps']}; it must be {RATES[0]:g} to {RATES[1]:g} Hz")
    joints, offsets = held["joints"], held["offsets"].astype(np.int64)
    if len(offsets) < 2 or offsets[0] != 0 or (np.diff(offsets) < 2).any():
        raise ValueError(f"{str(path)!r} needs offsets 0, end of clip 1, end of clip 2, ..., clips of 2 frames or more")
    if joints.shape != (offsets[-1], len(JOINTS), 3):
        raise ValueError(f"{str(path)!r} holds joints of shape {joints.shape}, not [{offsets[-1]}, {len(JOINTS)}, 3] as its offsets say")
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


def check_walks(clip: np.ndarray, fps: float, where: str) -> None:
    """Refuses joints `[t, 27, 3]` m that stay in place, that fly, or that are no body."""
    if not np.isfinite(clip).all():
        frame, which, _ = (int(i) for i in np.argwhere(~np.isfinite(clip))[0])
        raise ValueError(f"{where}: {JOINTS[which]} is not finite in frame {frame}; leave the clip out")
    lengths = np.linalg.norm(bones_of(clip), axis=-1)
    if (lengths < 1e-3).any():
        frame, bone = (int(i) for i in np.argwhere(lengths < 1e-3)[0])
        raise ValueError(f"{where}: in frame {frame} {JOINTS[bone + 1]} lies on {JOINTS[PARENTS[bone + 1]]}; leave the clip out")
    leg = float(lengths[:, [BONES.index("l_knee"), BONES.index("l_ankle")]].sum(-1).mean())
    if not LEG[0] <= leg <= LEG[1]:
        raise ValueError(f"{where}: a leg is {leg:.3g} m long; joints must be in metres")
    floor = clip[:, joint("pelvis"), :2]
    step = np.sqrt(np.square(np.diff(floor, axis=0)).sum(-1))
    if step.max() * fps > FASTEST:
        raise ValueError(
            f"{where}: the pelvis moves {step.max():.3g} m from frame {step.argmax()} to the next at {fps:g} Hz; leave the clip out"
        )
    way = float(np.sqrt(np.square(floor - floor[0]).sum(-1)).max())
    if way < LEAST_PATH:
        raise ValueError(f"{where} holds no walk: the pelvis stays within {way:.2f} m of its start; leave the clip out")
