"""The embedded benchmark: identities x sessions x conditions x takes x views, every walk a function of its name."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import numpy as np

from gaitlab.data.source import SourceConfig, Walk
from gaitlab.walkers.people import Event, Wardrobe, event
from gaitlab.walkers.scene import seen
from gaitlab.walkers.sensors.observe import MODALITIES, Station
from gaitlab.within import Count, Natural, Within

VERSION = 5
"""Raised with every change that alters a pixel."""

CONDITIONS = ("normal", "bag", "clothing", "carrying", "umbrella", "uniform", "occlusion", "night")
"""SUSTech1K's eight (Shen et al., CVPR 2023)."""
LONGEST = 6.0
"""Seconds in which nobody walks as far as the sensors stand from the middle of the walk."""
LOUDEST = 10.0
"""Strength of segmentation noise that leaves something of a walk."""
Degrees = Annotated[int, Within(0, 359)]
"""Whole ones of a full turn."""
CHANGES = ("lower", "upper")
"""That garment is another one than the person's own; for data with a wardrobe."""


@dataclass(frozen=True, kw_only=True)
class Generated(SourceConfig):
    """What is common to all generated data sets: who walks, and what the sensors are like."""

    name: str = "walkers"
    seed: Natural = 0
    train_subjects: Natural = 120
    validation_subjects: Natural = 10
    test_subjects: Natural = 50
    """Test identities never depend on how many there are of the other splits."""
    frames: tuple[Annotated[int, Within(2)], Annotated[int, Within(2)]] = (30, 40)
    """Fewest and most frames of a walk."""
    fps: Annotated[float, Within(above=0, most=1000)] = 25.0
    modalities: tuple[str, ...] = MODALITIES
    """What is stored; skeleton maps are drawn from joints when they are asked for."""
    segmentation_noise: Annotated[float, Within(0, LOUDEST)] = 1.0
    """Strength; 0 = clean silhouettes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train_subjects + self.validation_subjects + self.test_subjects == 0:
            raise ValueError("no identities: set train_subjects, validation_subjects or test_subjects above 0")
        if self.frames[0] > self.frames[1]:
            raise ValueError(f"{type(self).__name__}.frames is the fewest and the most; it is {self.frames[0]} {self.frames[1]}")
        if self.frames[1] > LONGEST * self.fps:
            raise ValueError(f"{self.frames[1]} frames at {self.fps:g} fps walk into the sensors; set frames for {LONGEST:g} s or less")
        if not self.modalities or not set(self.modalities) <= set(MODALITIES) or len(set(self.modalities)) < len(self.modalities):
            raise ValueError(f"modalities are some of {', '.join(MODALITIES)}, each once; not {', '.join(self.modalities) or 'none'}")

    def people(self) -> Iterator[tuple[str, str]]:
        """(split, subject) of everybody."""
        for split, size in (("train", self.train_subjects), ("validation", self.validation_subjects), ("test", self.test_subjects)):
            for number in range(1, size + 1):
                yield split, f"{split}{number:05d}"

    def station(self, walk: Walk) -> Station:
        """Where the sensors stand that see this walk."""
        raise NotImplementedError

    def wears(self) -> Wardrobe:
        """Whose clothes people wear."""
        return "day"

    def event(self, walk: Walk) -> Event:
        """The walk itself, before any sensor: joints, body and the truth about its pace."""
        return event(self.seed, walk.subject, walk.session, walk.conditions, walk.take, self.frames, self.fps, self.wears())

    def load(self, walk: Walk) -> dict[str, np.ndarray]:
        moment, station, noise = self.event(walk), self.station(walk), self.segmentation_noise
        return seen(walk, moment.joints, moment.body, station, fps=self.fps, seed=self.seed, noise=noise, modalities=self.modalities)

    def frame_rates(self) -> dict[str, float]:
        return dict.fromkeys(self.modalities, self.fps)

    def checksum(self) -> str:
        parameters = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(f"{type(self).__name__} {VERSION} {parameters}".encode()).hexdigest()

    def stale(self, checksum: str) -> bool:
        return checksum != self.checksum()


@dataclass(frozen=True, kw_only=True)
class WalkersSource(Generated):
    """People on a stage. A take is one walk seen from all sides at once, as in CASIA-B; noise differs between views."""

    sessions: Count = 2
    """Days; clothes, girths and motion drift from one to the next."""
    takes: Count = 2
    """Plain walks of each session."""
    condition_takes: Count = 1
    """Walks of each session in every other condition."""
    views: tuple[Degrees, ...] = (0, 36, 72, 108, 144, 180)
    """Azimuths in degrees: 0 sees the front, 90 the left side, 180 the back."""
    conditions: tuple[str, ...] = CONDITIONS
    """normal is a plain walk; with + several at once, e.g. bag+night."""
    wardrobe: Wardrobe = "day"
    """day: every day other clothes of the ordinary kind; own: each person's own garments, which `upper` and `lower` replace."""

    def __post_init__(self) -> None:
        super().__post_init__()
        known = CONDITIONS + (CHANGES if self.wardrobe == "own" else ())
        for word in (word for condition in self.conditions for word in condition.split("+")):
            if word not in known:
                raise ValueError(f"walkers know the conditions {', '.join(known)}; not {word!r}")
        if not (self.views and self.conditions):
            raise ValueError("walkers need at least one view and one condition")
        if len(set(self.views)) < len(self.views) or len({condition_words(c) for c in self.conditions}) < len(self.conditions):
            raise ValueError("views and conditions may be named only once each")

    def wears(self) -> Wardrobe:
        return self.wardrobe

    def walks(self) -> Sequence[Walk]:
        return [
            Walk(
                subject=subject,
                session=str(session),
                conditions=condition_words(condition),
                view=f"{view:03d}",
                take=str(take),
                split=split,
                source=f"seed {self.seed}",
            )
            for split, subject in self.people()
            for session in range(1, self.sessions + 1)
            for condition in self.conditions
            for take in range(1, (self.condition_takes if condition_words(condition) else self.takes) + 1)
            for view in self.views
        ]

    def station(self, walk: Walk) -> Station:
        return Station.at(float(walk.view))


def condition_words(condition: str) -> tuple[str, ...]:
    """The words of a walk's `conditions`: normal is (), bag+night is ("bag", "night")."""
    return tuple(sorted({word for word in condition.split("+") if word != "normal"}))
