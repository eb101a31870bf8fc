"""Recorded walks (motion capture) past the walkers' sensors: real motion with the walkers' flesh, clothes, things and noise.

For the CMU database (mocap.cs.cmu.edu, created with funding from NSF EIA-0196217) a subject's number stands for one fixed skeleton,
so bone lengths and girths are drawn anew for each clip around the recorded or the mean body.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from gaitlab.data.schema import SPLITS
from gaitlab.data.source import SourceConfig, Walk
from gaitlab.walkers.body import capsules
from gaitlab.walkers.figure import REGIONS, STATURE, average
from gaitlab.walkers.garments import carry_pose, dressed
from gaitlab.walkers.mocap.acclaim import from_folder
from gaitlab.walkers.mocap.recording import RATES, Recording, check_walks, from_npz
from gaitlab.walkers.people import DAY, girths, stream
from gaitlab.walkers.scene import seen
from gaitlab.walkers.sensors.capsules import Capsules
from gaitlab.walkers.sensors.observe import MODALITIES, Station
from gaitlab.walkers.skeleton import BONES, bones_of, chain, face_forward, joint
from gaitlab.walkers.source import CONDITIONS, LOUDEST, VERSION, Degrees, condition_words
from gaitlab.within import Natural, Within

BONE_JITTER = 0.012
"""Relative SD of a bone pair's length between days (a third of the spread between people)."""
Rate = Annotated[float, Within(*RATES)]
"""Frames per second of a recording."""
LEAST_WAY = 0.2
"""Metres that a walker moves in a window."""
GIRTH_JITTER = 0.06
"""The same of a mean body's girth."""


@dataclass(frozen=True, kw_only=True)
class MocapSource(SourceConfig):
    """Clips cut into windows without overlap; take "07_01-2" is the second window of clip 07_01.

    Session "1" is a subject's first clip (the first half of its windows, when there is only one clip), session "2" all the rest, so
    that the walkers' protocols hold: the same motion in other clothes is in the gallery's session, never among the probes.
    """

    root: str
    """An npz file (see recording.py), or a folder of .asf and .amc files as the CMU database publishes them."""
    name: str = "mocap"
    prefix: str = "cmu"
    """Subject 07 becomes cmu07."""
    clips: tuple[str, ...] = ()
    """Names of the clips to use, e.g. 07_01 "35_*"; all if not given."""
    amc_fps: Rate = 120.0
    """Frame rate of .amc files, which do not tell it."""
    views: tuple[Degrees, ...] = tuple(range(0, 181, 18))
    """Azimuths in degrees: 0 sees the front, 90 the left side, 180 the back."""
    conditions: tuple[str, ...] = CONDITIONS
    """normal is the walk as it is; with + several at once, e.g. bag+night."""
    modalities: tuple[str, ...] = MODALITIES
    window: Annotated[int, Within(2)] = 30
    """Least frames of a take, after resampling."""
    fps: Rate = 25.0
    body: Literal["own", "mean"] = "own"
    """own: the recorded bone lengths; mean: one skeleton for all, so that only motion differs."""
    girths: Literal["mean", "drawn"] = "mean"
    """mean: one girth profile for all; drawn: one of the generator's for each subject (recordings hold none)."""
    segmentation_noise: Annotated[float, Within(0, LOUDEST)] = 1.0
    """Strength; 0 = clean silhouettes and joints."""
    seed: Natural = 0
    split: str = "test"

    def __post_init__(self) -> None:
        super().__post_init__()
        for word in (word for condition in self.conditions for word in condition.split("+")):
            if word not in CONDITIONS:
                raise ValueError(f"mocap knows the conditions {', '.join(CONDITIONS)}; not {word!r}")
        for word in self.modalities:
            if word not in MODALITIES:
                raise ValueError(f"mocap knows the modalities {', '.join(MODALITIES)}; not {word!r}")
        meant = {"views": self.views, "modalities": self.modalities, "conditions": [condition_words(c) for c in self.conditions]}
        for field, values in meant.items():
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{field} must name at least one, each only once; they are {getattr(self, field)}")
        if self.split not in SPLITS:
            raise ValueError(f"split is one of {', '.join(SPLITS)}; not {self.split!r}")

    def frame_rates(self) -> dict[str, float]:
        return dict.fromkeys(self.modalities, self.fps)

    def recording(self) -> Recording:
        return read(self.root, self.clips, self.amc_fps)

    def walks(self) -> Sequence[Walk]:
        recording = self.recording()
        return [
            Walk(
                subject=f"{self.prefix}{subject}",
                session=session,
                conditions=condition_words(condition),
                view=f"{view:03d}",
                take=f"{clip}-{window}",
                split=self.split,
                source=f"{Path(self.root).name}:{clip}",
            )
            for i, (subject, clip) in enumerate(zip(recording.subjects, recording.names, strict=True))
            for window, session in enumerate(self._sessions(recording, i), 1)
            for condition in self.conditions
            for view in self.views
        ]

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        joints, body = event(self, walk.subject, walk.session, walk.conditions, walk.take)
        station, noise = Station.at(float(walk.view)), self.segmentation_noise
        return seen(walk, joints, body, station, fps=self.fps, seed=self.seed, noise=noise, modalities=self.modalities)

    def checksum(self) -> str:
        digest = hashlib.sha256(f"{VERSION} {replace(self, root='')!r}".encode())
        for file in self.recording().files:
            digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()

    def windows(self, recording: Recording, i: int) -> list[tuple[int, int]]:
        """First and stop frame of each take of clip i: as many equal parts of at least `window` frames as fit, at least one."""
        frames = int((len(recording.clips[i]) - 1) * self.fps / recording.fps) + 1
        edges = np.linspace(0, frames, max(1, frames // self.window) + 1).astype(int)
        return [(int(a), int(b)) for a, b in pairwise(edges)]

    def _sessions(self, recording: Recording, i: int) -> list[str]:
        """The session of each window of clip i."""
        subject, count = recording.subjects[i], len(self.windows(recording, i))
        if recording.subjects.index(subject) != i:
            return ["2"] * count
        first = -(-count // 2) if recording.subjects.count(subject) == 1 else count
        return ["1"] * first + ["2"] * (count - first)


@lru_cache(maxsize=2)
def read(root: str, clips: tuple[str, ...] = (), amc_fps: float = 120.0) -> Recording:
    """The walks in an npz file or a folder of .asf and .amc files; ValueError names what is wrong."""
    path = Path(root).expanduser()
    if path.is_dir():
        recording = from_folder(path, clips, amc_fps)
    elif path.suffix.lower() in (".asf", ".amc"):
        raise ValueError(f"{root!r} is one file of several: give the folder of the .asf and .amc files as --root")
    elif path.is_file():
        recording = from_npz(path, clips)
    else:
        raise ValueError(f"no recording at {root!r}: give an npz file of joints, or a folder of .asf and .amc files")
    for name, clip in zip(recording.names, recording.clips, strict=True):
        check_walks(clip, recording.fps, f"clip {name} of {root!r}")
    return recording


@lru_cache(maxsize=4)
def event(source: MocapSource, subject: str, session: str, conditions: tuple[str, ...], take: str) -> tuple[np.ndarray, Capsules]:
    """Joints `[t, 27, 3]` m and the dressed body of a walk; kept while its views are drawn one after the other."""
    recording, seed = source.recording(), source.seed
    clip, _, window = take.rpartition("-")
    i = recording.names.index(clip)
    start, stop = source.windows(recording, i)[int(window) - 1]
    joints = _resampled(recording.clips[i], recording.fps, source.fps)[start:stop]
    if np.ptp(joints[:, joint("pelvis"), :2], axis=0).max() < LEAST_WAY:
        raise ValueError(f"clip {clip} stands still from {start / source.fps:.1f} to {stop / source.fps:.1f} s; leave it out with --clips")
    joints = face_forward(joints)
    day = stream(seed, subject, session, clip)
    joints = _reboned(joints, recording.bones if source.body == "mean" else None, day)
    if source.girths == "drawn":
        girth = girths(stream(seed, subject, "girth")) + girths(day, DAY["girth"], DAY["region"])
    else:
        girth = GIRTH_JITTER * (day.standard_normal() + 0.6 * day.standard_normal(len(REGIONS)))
    stature = STATURE * _leg(np.linalg.norm(bones_of(joints[0]), axis=-1)) / _leg(recording.bones)
    figure = replace(average(), girth=np.exp(girth), stature=stature)
    figure = dressed(figure, conditions, stream(seed, subject, session, clip, "+".join(conditions), "clothes"))
    joints = np.round(carry_pose(joints, figure), 4)
    return joints, capsules(joints, figure)


def _resampled(joints: np.ndarray, fps: float, target: float) -> np.ndarray:
    """Joints at `target` Hz, linear between recorded frames."""
    at = np.arange(int((len(joints) - 1) * target / fps) + 1) * fps / target
    before = np.minimum(at.astype(int), len(joints) - 2)
    share = (at - before)[:, None, None]
    return joints[before] * (1 - share) + joints[before + 1] * share


def _reboned(joints: np.ndarray, wanted: np.ndarray | None, day: np.random.Generator) -> np.ndarray:
    """The same motion on jittered bone lengths: `wanted [26]` m, or the joints' own. The pelvis stays."""
    bones = bones_of(joints)
    lengths = np.linalg.norm(bones, axis=-1)
    pairs = {bone.split("_")[-1]: 1 + BONE_JITTER * day.standard_normal() for bone in BONES}
    jitter = np.array([pairs[bone.split("_")[-1]] for bone in BONES])
    rebuilt = chain(bones / lengths[..., None], (lengths.mean(0) if wanted is None else wanted) * jitter) + joints[:, :1]
    rebuilt[..., 2] -= np.percentile(rebuilt[..., 2].min(1), 5)
    return rebuilt


def _leg(lengths: np.ndarray) -> float:
    """Thigh and shank in metres, of bone lengths `[26]`."""
    return float(lengths[BONES.index("l_knee")] + lengths[BONES.index("l_ankle")])
