"""What people wear and carry: drawn for a condition, put on as capsules, and held by hands that then do not swing.

Every measure is metres on a body of 1.7 m and grows with stature. Things belong to a day, not to a person, except for the
garments of a person's own wardrobe.
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from gaitlab.walkers.figure import Bag, Builder, Coat, Figure, Load, Trousers, Umbrella
from gaitlab.walkers.skeleton import PARENTS, bones_of, joint

Wardrobe = Literal["day", "own"]
"""day: ordinary clothes, others every day, as `girth` draws them. own: the person's garments, the same on all days."""


UNIFORM = np.array([0, 0, 1.25, 1.2, 1.3, 1.15, 1.15, 1.35, 0, 1.4, 0, 0])
"""Girth of the one jacket and the one pair of trousers, in the order of `figure.REGIONS`; 0: bare. Cloth follows the body by `FIT`."""
FIT = 0.35

# -- what is drawn for a condition -------------------------------------------------------------------------------------


def dressed(figure: Figure, conditions: tuple[str, ...], rng: np.random.Generator) -> Figure:
    """`figure` with what `conditions` put on it and into its hands, drawn from `rng`."""
    u = rng.random(16)
    if "clothing" in conditions and u[0] < 0.7:
        length, hood = 0.3 + 0.45 * u[2], 0.05 * max(0.0, 2 * u[4] - 1)
        figure = replace(figure, coat=Coat(thickness=0.016 + 0.016 * u[1], length=length, flare=0.01 + 0.03 * u[3], hood=hood))
    elif "clothing" in conditions:
        skirt = Coat(thickness=0.012 + 0.012 * u[1], length=0.8 + 0.4 * u[2], flare=0.05 + 0.06 * u[3], hood=0.0)
        figure = replace(figure, coat=skirt)
    if "uniform" in conditions:
        girth = np.where(UNIFORM > 0, FIT * figure.girth + (1 - FIT) * UNIFORM, figure.girth)
        figure = replace(figure, girth=girth)
    if "bag" in conditions:
        kind = ("backpack", "backpack", "l", "r")[int(4 * u[5])]
        figure = replace(figure, bag=Bag(kind=kind, size=0.8 + 0.45 * u[6], drop=0.12 * u[7] - 0.02))
    if "umbrella" in conditions:
        figure = replace(figure, umbrella=Umbrella(hand="lr"[int(2 * u[8])], reach=0.42 + 0.16 * u[9], shaft=0.55 + 0.15 * u[10]))
    if "carrying" in conditions:
        free = "l" if figure.umbrella is None or figure.umbrella.hand == "r" else "r"
        kind = "box" if u[11] < 0.5 and figure.umbrella is None else free if figure.umbrella else "lr"[int(2 * u[12])]
        figure = replace(figure, load=Load(kind=kind, size=0.8 + 0.4 * u[13]))
    return figure


def own_garments(upper: np.random.Generator, lower: np.random.Generator) -> tuple[Coat, Trousers]:
    """A jacket and trousers; a quarter of all jackets reach down to the thighs, a quarter have no sleeves."""
    u, v = upper.random(3), lower.random()
    length = 0.1 + 0.5 * u[1] if u[1] > 0.75 else 0.0
    jacket = Coat(thickness=0.004 + 0.03 * u[0], length=length, flare=0.03, hood=0.0, sleeves=bool(u[2] > 0.25))
    return jacket, Trousers(width=0.002 + 0.035 * v)


# -- held --------------------------------------------------------------------------------------------------------------

_HELD = {  # directions of upper arm, forearm, palm and fingers: forwards, outwards, upwards
    "box": ((-0.1, 0.2, -1.0), (1.0, -0.1, -0.15), (1.0, -0.1, -0.15), (1.0, -0.6, 0.0)),
    "case": ((0.02, 0.12, -1.0), (0.06, 0.04, -1.0), (0.06, 0.04, -1.0), (0.06, 0.04, -1.0)),
    "umbrella": ((0.35, 0.25, -1.0), (0.75, -0.1, 0.8), (0.75, -0.1, 0.8), (0.3, -0.1, 1.0)),
}


def carry_pose(joints: np.ndarray, figure: Figure) -> np.ndarray:
    """Joints `[t, 27, 3]` m with the arms that hold something aimed at it; bone lengths stay. Generated and recorded walks alike."""
    holding = {}
    if figure.load is not None:
        holding = {"l": "box", "r": "box"} if figure.load.kind == "box" else {figure.load.kind: "case"}
    if figure.umbrella is not None:
        holding[figure.umbrella.hand] = "umbrella"
    if not holding:
        return joints
    bones, joints = bones_of(joints), joints.copy()
    across = joints[:, joint("l_shoulder")] - joints[:, joint("r_shoulder")]
    across = across * np.array([1.0, 1.0, 0.0])
    across /= np.sqrt(np.square(across).sum(-1, keepdims=True))
    front = np.stack([across[:, 1], -across[:, 0], np.zeros(len(across))], -1)
    for side, pose in holding.items():
        out = across if side == "l" else -across
        for name, (forward, outward, upward) in zip(("elbow", "wrist", "palm", "hand"), _HELD[pose], strict=True):
            j = joint(f"{side}_{name}")
            aim = forward * front + outward * out + upward * np.array([0.0, 0.0, 1.0])
            length = np.sqrt(np.square(bones[:, j - 1]).sum(-1, keepdims=True))
            joints[:, j] = joints[:, PARENTS[j]] + aim / np.sqrt(np.square(aim).sum(-1, keepdims=True)) * length
    return joints


# -- put on ------------------------------------------------------------------------------------------------------------

COVER = {"trunk": 1.0, "l_arm": 0.8, "r_arm": 0.8, "l_forearm": 0.6, "r_forearm": 0.6, "l_thigh": 0.3, "r_thigh": 0.3}
"""Share of a coat's thickness on each part."""


def dress(b: Builder, figure: Figure) -> None:
    """Adds to a body the capsules of what `figure` wears and carries."""
    if figure.trousers is not None:
        for c, part in enumerate(b.parts):
            _pad(b, c, figure.trousers.width * {"thigh": 0.5, "shank": 1.0, "calf": 1.0}.get(part[2:], 0.0))
    if figure.coat is not None:
        _coat(b, figure.coat)
    if figure.bag is not None:
        _bag(b, figure.bag)
    if figure.load is not None:
        _load(b, figure.load)
    if figure.umbrella is not None:
        _umbrella(b, figure.umbrella)


def _pad(b: Builder, c: int, thickness: float) -> None:
    b.radii[c] = (b.radii[c][0] + thickness * b.unit, b.radii[c][1] + thickness * b.unit)


def _coat(b: Builder, coat: Coat) -> None:
    """Thicker trunk and sleeves, and a skirt whose hem follows the thighs half-way."""
    for c, part in enumerate(b.parts):
        bare = not coat.sleeves and part[2:] in ("arm", "forearm")
        _pad(b, c, coat.hood if part == "neck" else 0.0 if bare else coat.thickness * COVER.get(part, 0.0))
    if coat.length <= 0:
        return
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


def _bag(b: Builder, bag: Bag) -> None:
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


def _load(b: Builder, load: Load) -> None:
    u, s = b.unit, load.size
    if load.kind == "box":
        middle = (b["l_wrist"] + b["r_wrist"]) / 2 + (0.02 + 0.05 * s) * u * b.chest_front + 0.04 * u * b.up
        for up, ahead in ((-0.06, -0.05), (-0.06, 0.05), (0.06, -0.05), (0.06, 0.05)):
            at = middle + up * s * u * b.up + ahead * s * u * b.chest_front
            b.add("load", at - 0.13 * s * u * b.chest_left, at + 0.13 * s * u * b.chest_left, 0.085 * s, 0.085 * s)
        return
    grip = b[f"{load.kind}_hand"]
    for down in (0.1, 0.19, 0.28, 0.36):
        at = grip - down * s * u * b.up
        b.add("load", at + 0.2 * s * u * b.hip_front, at - 0.2 * s * u * b.hip_front, 0.065, 0.065)


def _umbrella(b: Builder, umbrella: Umbrella) -> None:
    """Shaft and canopy: a flat cap of spokes, with a ring between top and rim that closes it."""
    u = b.unit
    grip = b[f"{umbrella.hand}_hand"]
    top = grip + umbrella.shaft * u * (0.97 * b.up - 0.12 * b.chest_front)
    b.add("umbrella", grip - 0.12 * u * b.up, top, 0.012, 0.012)
    rims = []
    for angle in np.arange(6) * np.pi / 3:
        spread = round(float(np.cos(angle)), 9) * b.chest_front + round(float(np.sin(angle)), 9) * b.chest_left
        rims.append(top + umbrella.reach * u * spread - 0.15 * u * b.up)
        b.add("umbrella", top, rims[-1], 0.05, 0.03)
    for one, other in zip(rims, rims[1:] + rims[:1], strict=True):
        b.add("umbrella", one, other, 0.03, 0.03)
        b.add("umbrella", 0.45 * top + 0.55 * one, 0.45 * top + 0.55 * other, 0.05, 0.05)
