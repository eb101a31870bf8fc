"""A dressed body as a value, what can be worn and carried, and the builder that makes capsules of it.

Every radius and offset is metres on a body of 1.7 m and grows with stature; `girth` holds one factor per body region.
"""

from dataclasses import dataclass

import numpy as np

from gaitlab.walkers.sensors.capsules import Capsules
from gaitlab.walkers.skeleton import joint

REGIONS = ("head", "neck", "shoulder", "chest", "waist", "hip", "thigh", "shank", "ankle", "arm", "hand", "foot")
STATURE = 1.7

Point = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Coat:
    """Anything that hangs over trunk and thighs. thickness: added to trunk, arms and thighs; length: hem below the hips, in thigh
    lengths, 0 for none; flare: what the hem's radius exceeds the hips' by; hood: added to neck and nape; sleeves: they are as thick as the
    rest, else bare."""

    thickness: float = 0.03
    length: float = 0.7
    flare: float = 0.03
    hood: float = 0.03
    sleeves: bool = True


@dataclass(frozen=True, kw_only=True)
class Trousers:
    """width: added to shanks and calves, half of it to the thighs."""

    width: float = 0.01


@dataclass(frozen=True, kw_only=True)
class Bag:
    """kind: backpack, or shoulder bag at the left (`l`) or right (`r`) hip; size: factor on its lengths; drop: that it hangs lower."""

    kind: str = "backpack"
    size: float = 1.0
    drop: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """kind: box held before the body with both hands, or case in the left (`l`) or right (`r`) hand; size: factor on its lengths."""

    kind: str = "box"
    size: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Umbrella:
    """hand: `l` or `r`; reach: radius of the canopy; shaft: from the hand to its top."""

    hand: str = "r"
    reach: float = 0.5
    shaft: float = 0.65


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A dressed body: girth factors `[12]` in the order of `REGIONS`, belly (m forward of the waist), stature (m), and what is worn
    and carried."""

    girth: np.ndarray
    belly: float = 0.02
    stature: float = STATURE
    coat: Coat | None = None
    trousers: Trousers | None = None
    bag: Bag | None = None
    load: Load | None = None
    umbrella: Umbrella | None = None


def average() -> Figure:
    """The body in which recorded walkers are drawn."""
    return Figure(girth=np.ones(len(REGIONS)))


class Builder:
    """Collects capsules; knows the axes of trunk and pelvis."""

    def __init__(self, joints: np.ndarray, figure: Figure) -> None:
        self.joints, self.figure, self.unit = joints, figure, figure.stature / STATURE
        self.girth = dict(zip(REGIONS, figure.girth, strict=True))
        self.up = np.array([0.0, 0.0, 1.0])
        self.chest_left, self.chest_front = self._axes("l_shoulder", "r_shoulder")
        self.hip_left, self.hip_front = self._axes("l_hip", "r_hip")
        self.ends: list[tuple[Point, Point]] = []
        self.radii: list[tuple[float, float]] = []
        self.parts: list[str] = []

    def _axes(self, left: str, right: str) -> tuple[Point, Point]:
        """Unit vectors `[t, 3]`: leftwards between the two joints, and level to the front."""
        across = self[left] - self[right]
        across = across / np.sqrt(np.square(across).sum(-1, keepdims=True))
        front = np.stack([across[:, 1], -across[:, 0], np.zeros(len(across))], -1)
        return across, front / np.sqrt(np.square(front).sum(-1, keepdims=True))

    def __getitem__(self, name: str) -> Point:
        return self.joints[:, joint(name)]

    def add(self, part: str, a: Point, b: Point, ra: float, rb: float) -> None:
        self.ends.append((a, b))
        self.radii.append((ra * self.unit, rb * self.unit))
        self.parts.append(part)

    def done(self) -> Capsules:
        ends = np.stack([np.stack(pair, axis=1) for pair in self.ends], axis=1)
        return Capsules(np.round(ends, 4), np.round(np.array(self.radii), 4), tuple(self.parts))
