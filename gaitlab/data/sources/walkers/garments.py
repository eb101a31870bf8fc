"""What people wear and carry: drawn for a condition, put on as capsules, and held by hands that then do not swing.

Every measure is metres on a body of 1.7 m and grows with stature. Things belong to a day, not to a person, except for the
garments of a person's own wardrobe.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from gaitlab.data.sources.walkers.skeleton import PARENTS, bones_of, joint

if TYPE_CHECKING:
    from gaitlab.data.sources.walkers.body import Builder, Figure

Wardrobe = Literal["day", "own"]
"""day: ordinary clothes, others every day, as `girth` draws them. own: the person's garments, the same on all days."""


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


UNIFORM = {
    "trunk": 0.125, "l_arm": 0.066, "r_arm": 0.066, "l_forearm": 0.052, "r_forearm": 0.052, "l_thigh": 0.092, "r_thigh": 0.092,
    "l_shank": 0.07, "r_shank": 0.07, "l_calf": 0.064, "r_calf": 0.064,
}  # fmt: skip
"""Radius of the one uniform on each part; cloth follows the body by `FIT`."""
FIT = 0.35

# -- what is drawn for a condition -------------------------------------------------------------------------------------


def dressed(figure: "Figure", conditions: tuple[str, ...], rng: np.random.Generator) -> "Figure":
    """`figure` with what `conditions` put on it and into its hands, drawn from `rng`."""
    u = rng.random(16)
    if "clothing" in conditions and u[0] < 0.7:
        length, hood = 0.3 + 0.45 * u[2], 0.05 * max(0.0, 2 * u[4] - 1)
        figure = replace(figure, coat=Coat(thickness=0.016 + 0.016 * u[1], length=length, flare=0.01 + 0.03 * u[3], hood=hood))
    elif "clothing" in conditions:
        skirt = Coat(thickness=0.012 + 0.012 * u[1], length=0.8 + 0.4 * u[2], flare=0.05 + 0.06 * u[3], hood=0.0)
        figure = replace(figure, coat=skirt)
    if "uniform" in conditions:
        figure = replace(figure, uniform=True)
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
    return Coat(thickness=0.004 + 0.03 * u[0], length=length, flare=0.03, hood=0.0, sleeves=bool(u[2] > 0.25)), Trousers(width=0.002 + 0.035 * v)


# -- held --------------------------------------------------------------------------------------------------------------

_HELD = {  # directions of upper arm, forearm, palm and fingers: forwards, outwards, upwards
    "box": ((0.15, 0.2, -1.0), (1.0, -0.25, 0.1), (1.0, -0.25, 0.1), (1.0, -0.25, 0.1)),
    "case": ((0.02, 0.12, -1.0), (0.06, 0.04, -1.0), (0.06, 0.04, -1.0), (0.06, 0.04, -1.0)),
    "umbrella": ((0.35, 0.25, -1.0), (0.75, -0.1, 0.8), (0.75, -0.1, 0.8), (0.3, -0.1, 1.0)),
}


def carry_pose(joints: np.ndarray, figure: "Figure") -> np.ndarray:
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
        b.add("umbrella", one, other, 0.03, 0.03)
