"""Recorded walks (motion capture) as silhouettes: real motion, drawn with the walkers' flesh, clothes and cameras.

Input is an npz of joints (`gaitlab.data.sources.walkers.skeleton` has the order): `joints [sum T, 27, 3]` m, z up; `offsets
[clips+1]`; `subject [clips]`, `clip [clips]`, `parents [27]`, `joint_names [27]`, `fps`. For the CMU database
(mocap.cs.cmu.edu, created with funding from NSF EIA-0196217) a subject's number stands for one fixed skeleton, so bone lengths
and girths are drawn anew for each session around the recorded or the mean body.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from gaitlab.data.source import SourceConfig, Walk
from gaitlab.data.sources.render import Camera, Noise, silhouettes
from gaitlab.data.sources.walkers.body import REGIONS, STATURE, Figure, average, capsules, with_clothes
from gaitlab.data.sources.walkers.people import stream
from gaitlab.data.sources.walkers.skeleton import BONES, JOINTS, PARENTS, bones_of, chain, face_forward
from gaitlab.data.sources.walkers.source import CONDITIONS, VERSION

BONE_JITTER = 0.012
"""Relative SD of a bone pair's length between sessions (a third of the spread between people)."""
GIRTH_JITTER = 0.06


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Clips of joints: `clips[i]` is `[t, 27, 3]` m at `fps` Hz."""

    clips: tuple[np.ndarray, ...]
    subjects: tuple[str, ...]
    names: tuple[str, ...]
    fps: float


@dataclass(frozen=True, kw_only=True)
class MocapSource(SourceConfig):
    """Session = clip, take = a window of it, cut without overlap.

    role: "gallery" for the normal walks of a subject's first clip (of its first window, when there is only one clip), "" for
    the same motion in other clothes, "probe" for all the rest.
    """

    root: str
    """The npz file."""
    name: str = "mocap"
    prefix: str = "cmu"
    """Subject 07 becomes cmu07."""
    views: tuple[int, ...] = tuple(range(0, 181, 18))
    """Azimuths in degrees: 0 sees the front, 90 the left side, 180 the back."""
    conditions: tuple[str, ...] = CONDITIONS
    window: int = 30
    """Least frames of a take, after resampling."""
    fps: float = 25.0
    body: Literal["own", "mean"] = "own"
    """own: the recorded bone lengths; mean: one skeleton for all, so that only motion differs."""
    segmentation_noise: float = 1.0
    seed: int = 0
    split: str = "test"

    def __post_init__(self) -> None:
        for word in self.conditions:
            if word not in CONDITIONS:
                raise ValueError(f"mocap knows the conditions {', '.join(CONDITIONS)}; not {word!r}")
        if self.window < 2 or self.fps <= 0 or self.segmentation_noise < 0:
            raise ValueError("window must be 2 or more, fps above 0 and segmentation_noise 0 or more")

    def walks(self) -> Sequence[Walk]:
        recording = read(self.root)
        out = []
        for i, (subject, clip) in enumerate(zip(recording.subjects, recording.names, strict=True)):
            windows = self._windows(recording, i)
            alone = recording.subjects.count(subject) == 1
            first = recording.subjects.index(subject) == i
            for take in range(1, len(windows) + 1):
                enrolled = first and (take == 1 or not alone)
                for condition in self.conditions:
                    role = "probe" if not enrolled else "gallery" if condition == "normal" else ""
                    out += [
                        Walk(
                            subject=f"{self.prefix}{subject}",
                            session=clip,
                            conditions=() if condition == "normal" else (condition,),
                            view=f"{view:03d}",
                            take=str(take),
                            split=self.split,
                            role=role,
                            source=f"{Path(self.root).name}:{clip}",
                        )
                        for view in self.views
                    ]
        return out

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        recording = read(self.root)
        i = recording.names.index(walk.session)
        start, stop = self._windows(recording, i)[int(walk.take) - 1]
        joints = face_forward(_resampled(recording.clips[i], recording.fps, self.fps)[start:stop])
        day = stream(self.seed, walk.subject, walk.session)
        joints = _reboned(joints, recording, self.body, day)
        girth = np.exp(GIRTH_JITTER * (day.standard_normal() + 0.6 * day.standard_normal(len(REGIONS))))
        stature = STATURE * _leg(joints) / _leg(np.stack([clip[0] for clip in recording.clips]))
        figure: Figure = replace(average(), girth=girth, stature=stature)
        figure = with_clothes(figure, walk.conditions, stream(self.seed, walk.subject, walk.session, "clothes"))
        noise = Noise().scaled(self.segmentation_noise)
        camera = Camera(azimuth=float(walk.view))
        return {"silhouette": silhouettes(capsules(np.round(joints, 4), figure), camera, noise, stream(self.seed, walk.key))}

    def checksum(self) -> str:
        read(self.root)
        parameters = f"{VERSION} {replace(self, root='')!r}"
        return hashlib.sha256(Path(self.root).read_bytes() + parameters.encode()).hexdigest()

    def _windows(self, recording: Recording, i: int) -> list[tuple[int, int]]:
        """First and stop frame of each take of clip i: as many equal parts of at least `window` frames as fit, at least one."""
        frames = int((len(recording.clips[i]) - 1) * self.fps / recording.fps) + 1
        edges = np.linspace(0, frames, max(1, frames // self.window) + 1).astype(int)
        return [(int(a), int(b)) for a, b in pairwise(edges)]


@lru_cache(maxsize=2)
def read(path: str) -> Recording:
    """The recording in an npz file; ValueError names what is wrong with it."""
    if not Path(path).is_file():
        raise ValueError(f"no recording at {path!r}: give an npz file of joints (see gaitlab/data/sources/mocap.py)")
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {key: file[key] for key in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path!r} is no readable npz of joints: {error}") from error
    missing = {"joints", "offsets", "subject", "clip", "joint_names", "parents", "fps"} - held.keys()
    if missing:
        raise ValueError(f"{path!r} lacks {', '.join(sorted(missing))}")
    absent = [name for name in JOINTS if name not in held["joint_names"]]
    if absent:
        raise ValueError(f"{path!r} lacks the joints {', '.join(absent)}")
    if list(held["joint_names"]) != JOINTS or tuple(held["parents"]) != PARENTS:
        raise ValueError(f"{path!r} has other joints than {' '.join(JOINTS)}, or in another order")
    joints, offsets = held["joints"].astype(np.float64), held["offsets"]
    if joints.shape != (offsets[-1], len(JOINTS), 3) or (np.diff(offsets) < 2).any() or not np.isfinite(joints).all():
        expected = f"finite [{offsets[-1]}, {len(JOINTS)}, 3] in clips of 2 frames or more"
        raise ValueError(f"{path!r} holds joints of shape {joints.shape}, not {expected}")
    clips = tuple(joints[a:b] for a, b in pairwise(offsets))
    names = tuple(map(str, held["clip"]))
    if len({*names}) < len(names) or len(names) != len(clips) or len(held["subject"]) != len(clips):
        raise ValueError(f"{path!r} must name each of its {len(clips)} clips once and give a subject for each")
    return Recording(clips=clips, subjects=tuple(map(str, held["subject"])), names=names, fps=float(held["fps"]))


def _resampled(joints: np.ndarray, fps: float, target: float) -> np.ndarray:
    """Joints at `target` Hz, linear between recorded frames."""
    at = np.arange(int((len(joints) - 1) * target / fps) + 1) * fps / target
    before = np.minimum(at.astype(int), len(joints) - 2)
    share = (at - before)[:, None, None]
    return joints[before] * (1 - share) + joints[before + 1] * share


def _reboned(joints: np.ndarray, recording: Recording, body: str, day: np.random.Generator) -> np.ndarray:
    """The same motion on other bone lengths: jittered recorded ones, or jittered means of all clips. The pelvis stays."""
    bones = bones_of(joints)
    lengths = np.linalg.norm(bones, axis=-1)
    wanted = _mean_bones(recording) if body == "mean" else lengths.mean(0)
    pairs = {bone.split("_")[-1]: 1 + BONE_JITTER * day.standard_normal() for bone in BONES}
    wanted = wanted * np.array([pairs[bone.split("_")[-1]] for bone in BONES])
    rebuilt = chain(bones / lengths[..., None], wanted) + joints[:, :1]
    rebuilt[..., 2] -= np.percentile(rebuilt[..., 2].min(1), 5)
    return rebuilt


def _mean_bones(recording: Recording) -> np.ndarray:
    """Mean bone lengths `[26]` m of a recording's people, each counting once."""
    people = sorted(set(recording.subjects))
    of = {p: [clip for clip, s in zip(recording.clips, recording.subjects, strict=True) if s == p] for p in people}
    return np.mean([np.mean([np.linalg.norm(bones_of(clip[0]), axis=-1) for clip in of[p]], axis=0) for p in people], axis=0)


def _leg(joints: np.ndarray) -> float:
    """Mean leg length in metres, thigh and shank, of joints `[..., 27, 3]`."""
    lengths = np.linalg.norm(bones_of(joints), axis=-1).reshape(-1, len(BONES)).mean(0)
    return float(lengths[BONES.index("l_knee")] + lengths[BONES.index("l_ankle")])
