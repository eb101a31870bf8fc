"""The data set of walkers: identities x sessions x conditions x takes x views, every walk a function of its name."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from gaitlab.data.source import SourceConfig, Walk
from gaitlab.data.sources.render import Camera, Noise, silhouettes
from gaitlab.data.sources.walkers.body import capsules
from gaitlab.data.sources.walkers.people import event, stream

VERSION = 2
"""Raised with every change that alters a pixel."""

CONDITIONS = ("normal", "bag", "clothing")


@dataclass(frozen=True, kw_only=True)
class WalkersSource(SourceConfig):
    """Embedded benchmark. As in CASIA-B a take is one walk seen by all cameras at once; noise differs between cameras.

    Test identities never depend on how many there are of the other splits.
    """

    name: str = "walkers"
    seed: int = 0
    train_subjects: int = 120
    validation_subjects: int = 10
    test_subjects: int = 50
    sessions: int = 2
    """Days; clothes, girths and motion drift from one to the next."""
    takes: int = 2
    """Walks of each session in each condition."""
    views: tuple[int, ...] = (0, 36, 72, 108, 144, 180)
    """Azimuths in degrees: 0 sees the front, 90 the left side, 180 the back."""
    conditions: tuple[str, ...] = CONDITIONS
    frames: tuple[int, int] = (30, 40)
    """Fewest and most frames of a walk."""
    fps: float = 25.0
    segmentation_noise: float = 1.0
    """Strength; 0 = clean silhouettes."""

    def __post_init__(self) -> None:
        for word in self.conditions:
            if word not in CONDITIONS:
                raise ValueError(f"walkers know the conditions {', '.join(CONDITIONS)}; not {word!r}")
        for field in ("train_subjects", "validation_subjects", "test_subjects"):
            if getattr(self, field) < 0:
                raise ValueError(f"{field} is {getattr(self, field)}; give 0 or more")
        if self.train_subjects + self.validation_subjects + self.test_subjects == 0:
            raise ValueError("no identities: set train_subjects, validation_subjects or test_subjects above 0")
        if min(self.sessions, self.takes, len(self.views), len(self.conditions)) < 1:
            raise ValueError("walkers need at least one session, take, view and condition")
        if len(set(self.views)) < len(self.views) or len(set(self.conditions)) < len(self.conditions):
            raise ValueError("views and conditions may be named only once each")
        if not 1 <= self.frames[0] <= self.frames[1]:
            raise ValueError(f"frames is (fewest, most), 1 or more; it is {self.frames}")
        if not (self.fps > 0 and self.segmentation_noise >= 0):
            raise ValueError("fps must be above 0 and segmentation_noise 0 or more")

    def walks(self) -> Sequence[Walk]:
        sizes = {"train": self.train_subjects, "validation": self.validation_subjects, "test": self.test_subjects}
        return [
            Walk(
                subject=f"{split}{number:05d}",
                session=str(session),
                conditions=() if condition == "normal" else (condition,),
                view=f"{view:03d}",
                take=str(take),
                split=split,
                source=f"seed {self.seed}",
            )
            for split, size in sizes.items()
            for number in range(1, size + 1)
            for session in range(1, self.sessions + 1)
            for condition in self.conditions
            for take in range(1, self.takes + 1)
            for view in self.views
        ]

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        moment = event(self.seed, walk.subject, walk.session, walk.conditions, walk.take, self.frames, self.fps)
        noise = Noise().scaled(self.segmentation_noise)
        seen = silhouettes(capsules(moment.joints, moment.figure), Camera(azimuth=float(walk.view)), noise, stream(self.seed, walk.key))
        return {"silhouette": seen}

    def checksum(self) -> str:
        parameters = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(f"walkers {VERSION} {parameters}".encode()).hexdigest()
