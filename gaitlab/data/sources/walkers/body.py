"""Flesh, clothes and bags on the 27 joints: joints -> capsules.

Every radius and offset is metres on a body of 1.7 m and grows with stature; `girth` holds one factor per body region.
"""

from dataclasses import dataclass, replace

import numpy as np

from gaitlab.data.sources.render import Capsules
from gaitlab.data.sources.walkers.skeleton import joint

REGIONS = ("head", "neck", "shoulder", "chest", "waist", "hip", "thigh", "shank", "ankle", "arm", "hand", "foot")
STATURE = 1.7

Point = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Coat:
    """thickness: m added to trunk, arms and thighs; length: hem below the hips, in thigh lengths; flare: m the hem's radius
    exceeds the hips'; hood: m added to neck and nape."""

    thickness: float = 0.03
    length: float = 0.7
    flare: float = 0.03
    hood: float = 0.03


@dataclass(frozen=True, kw_only=True)
class Bag:
    """kind: backpack, or shoulder bag at the left (`l`) or right (`r`) hip; size: factor on its lengths; drop: m that it hangs lower."""

    kind: str = "backpack"
    size: float = 1.0
    drop: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A dressed body: girth factors `[12]` in the order of `REGIONS`, belly (m forward of the waist), stature (m)."""

    girth: np.ndarray
    belly: float = 0.02
    stature: float = STATURE
    coat: Coat | None = None
    bag: Bag | None = None


def capsules(joints: np.ndarray, figure: Figure) -> Capsules:
    """Joints `[t, 27, 3]` m -> the capsules of `figure` on them."""
    body = _Builder(joints, figure)
    _flesh(body)
    if figure.coat is not None:
        _coat(body, figure.coat)
    if figure.bag is not None:
        _bag(body, figure.bag)
    return body.done()


def average() -> Figure:
    """The body in which recorded walkers are drawn."""
    return Figure(girth=np.ones(len(REGIONS)))


class _Builder:
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


def _flesh(b: _Builder) -> None:
    g, u = b.girth, b.unit
    # trunk: two columns from the hips over the waist to the chest, bars across, belly and bottom
    waist_width, chest_width = 0.055 * u * g["waist"], 0.075 * u * g["chest"]
    waist, chest = b["spine1"] * 0.6 + b["spine2"] * 0.4, b["chest"] - b.up * 0.02 * u
    mid_hip = (b["l_hip"] + b["r_hip"]) / 2
    for side, sign in (("l", 1.0), ("r", -1.0)):
        hip = b[f"{side}_hip"] * 0.8 + mid_hip * 0.2 + b.up * 0.03 * u
        at_waist = waist + sign * waist_width * b.hip_left
        at_chest = chest + sign * chest_width * b.chest_left + 0.01 * u * b.chest_front
        shoulder = b[f"{side}_shoulder"]
        b.add("trunk", hip, at_waist, 0.1 * g["hip"], 0.09 * g["waist"])
        b.add("trunk", at_waist, at_chest, 0.09 * g["waist"], 0.1 * g["chest"])
        b.add("trunk", at_chest, shoulder - b.up * 0.02 * u, 0.085 * g["chest"], 0.05 * g["shoulder"])
        slope = shoulder * 0.85 + b["neck1"] * 0.15 - b.up * 0.01 * u
        b.add("trunk", slope, b["neck1"] + b.up * 0.03 * u, 0.045 * g["shoulder"], 0.05 * g["neck"])
        bottom = hip - 0.02 * u * b.hip_front - b.up * 0.05 * u
        b.add("trunk", bottom, mid_hip, 0.085 * g["hip"], 0.09 * g["hip"])
        _limbs(b, side)
    b.add("trunk", chest, b["neck1"], 0.095 * g["chest"], 0.06 * g["neck"])
    front = waist + (b.figure.belly + 0.01) * u * b.hip_front
    b.add("trunk", front, front - b.up * 0.06 * u, 0.085 * g["waist"], 0.09 * g["waist"])
    # head: a neck, a skull and a face
    crown = b["head_top"] + 0.015 * u * b.chest_front
    b.add("neck", b["neck1"], b["neck2"], 0.058 * g["neck"], 0.052 * g["neck"])
    b.add("head", crown - b.up * 0.01 * u, b["neck2"] + b.up * 0.03 * u + 0.02 * u * b.chest_front, 0.085 * g["head"], 0.062 * g["head"])
    b.add(
        "head",
        crown + 0.03 * u * b.chest_front - b.up * 0.035 * u,
        crown - 0.02 * u * b.chest_front - b.up * 0.02 * u,
        0.07 * g["head"],
        0.083 * g["head"],
    )


def _limbs(b: _Builder, side: str) -> None:
    g, u = b.girth, b.unit
    hip, knee, ankle, ball, toe, shoulder, elbow, wrist, hand = (
        b[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "ball", "toe", "shoulder", "elbow", "wrist", "hand")
    )
    calf = knee * 0.68 + ankle * 0.32
    sole = ball - ankle
    level = sole * np.array([1.0, 1.0, 0.0])
    level = level / np.sqrt(np.square(level).sum(-1, keepdims=True) + 1e-6)
    heel = ankle - 0.3 * sole - 0.02 * u * level - b.up * 0.035 * u
    b.add(f"{side}_thigh", hip, knee, 0.088 * g["thigh"], 0.056 * g["thigh"])
    b.add(f"{side}_shank", knee, calf, 0.053 * g["shank"], 0.056 * g["shank"])
    b.add(f"{side}_calf", calf, ankle, 0.056 * g["shank"], 0.036 * g["ankle"])
    b.add(f"{side}_foot", heel, ball, 0.034 * g["foot"], 0.032 * g["foot"])
    b.add(f"{side}_foot", ankle, ball, 0.038 * g["ankle"], 0.03 * g["foot"])
    b.add(f"{side}_toes", ball, toe, 0.032 * g["foot"], 0.024 * g["foot"])
    b.add(f"{side}_arm", shoulder - b.up * 0.01 * u, elbow, 0.047 * g["arm"], 0.04 * g["arm"])
    b.add(f"{side}_forearm", elbow, wrist, 0.04 * g["arm"], 0.027 * g["arm"])
    b.add(f"{side}_hand", wrist, hand, 0.032 * g["hand"], 0.025 * g["hand"])


COVER = {"trunk": 1.0, "l_arm": 0.8, "r_arm": 0.8, "l_forearm": 0.6, "r_forearm": 0.6, "l_thigh": 0.3, "r_thigh": 0.3}
"""Share of a coat's thickness on each part."""


def _coat(b: _Builder, coat: Coat) -> None:
    """Thicker trunk and sleeves, and a skirt whose hem follows the thighs half-way."""
    for c, part in enumerate(b.parts):
        padding = coat.hood if part == "neck" else coat.thickness * COVER.get(part, 0.0)
        b.radii[c] = (b.radii[c][0] + padding * b.unit, b.radii[c][1] + padding * b.unit)
    at_hip = 0.1 * b.girth["hip"] + coat.thickness
    hem_radius = at_hip + coat.flare - 0.03
    drop = (1 + coat.length) * np.sqrt(np.square(b["l_knee"] - b["l_hip"]).sum(-1, keepdims=True)) - 0.3 * b.unit
    mid_hip, mid_knee = (b["l_hip"] + b["r_hip"]) / 2, (b["l_knee"] + b["r_knee"]) / 2
    hems = []
    for side in ("l", "r"):
        hip = b[f"{side}_hip"]
        swing = (b[f"{side}_knee"] - hip) * 0.6 + (mid_knee - mid_hip) * 0.4
        hem = hip * 0.9 + mid_hip * 0.1 + drop * swing / np.sqrt(np.square(swing).sum(-1, keepdims=True))
        b.add("coat", hip * 0.8 + mid_hip * 0.2, hem, at_hip, hem_radius)
        hems.append(hem)
    b.add("coat", mid_hip, (hems[0] + hems[1]) / 2, at_hip, hem_radius)
    b.add("coat", hems[0], hems[1], hem_radius, hem_radius)


def _bag(b: _Builder, bag: Bag) -> None:
    u, s = b.unit, bag.size
    if bag.kind == "backpack":
        back = b["chest"] - (0.14 + 0.04 * s) * u * b.chest_front - b.up * bag.drop * u
        for sign in (1.0, -1.0):
            top = back + sign * 0.08 * s * u * b.chest_left + b.up * 0.04 * s * u
            low = top - b.up * 0.26 * s * u - 0.015 * u * b.chest_front
            b.add("bag", top, low, 0.075 * s, 0.095 * s)
        b.add("bag", low, low + 0.16 * s * u * b.chest_left, 0.095 * s, 0.095 * s)
        return
    sign = 1.0 if bag.kind == "l" else -1.0
    hang = b[f"{bag.kind}_hip"] + sign * (0.13 + 0.05 * s) * u * b.hip_left - b.up * bag.drop * u
    front, rear = hang + 0.12 * s * u * b.hip_front, hang - 0.14 * s * u * b.hip_front
    b.add("bag", front, rear, 0.07 * s, 0.07 * s)
    b.add("bag", front - b.up * 0.09 * s * u, rear - b.up * 0.09 * s * u, 0.075 * s, 0.075 * s)
    b.add("bag", front * 0.5 + rear * 0.5, b[f"{bag.kind}_shoulder"] + b.up * 0.04 * u, 0.02, 0.02)


def with_clothes(figure: Figure, condition: tuple[str, ...], rng: np.random.Generator) -> Figure:
    """`figure` dressed for a condition; the coat and the bag are drawn from `rng`: they belong to a session, not to a person."""
    draws = rng.random(8)
    if "clothing" in condition:
        figure = replace(
            figure,
            coat=Coat(
                thickness=0.016 + 0.016 * draws[0],
                length=0.3 + 0.45 * draws[1],
                flare=0.01 + 0.03 * draws[2],
                hood=0.05 * max(0.0, 2 * draws[3] - 1),
            ),
        )
    if "bag" in condition:
        kind = ("backpack", "backpack", "l", "r")[int(4 * draws[4])]
        figure = replace(figure, bag=Bag(kind=kind, size=0.8 + 0.45 * draws[5], drop=0.12 * draws[6] - 0.02))
    return figure
