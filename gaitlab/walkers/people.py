"""Who walks, and how on a given day: identity -> session -> take, as a table of numbers and their spreads.

Motion is bone directions as Fourier series over the stride: the mean of recorded people plus principal components of how people
differ (`fit.py`), plus how clips of one person differ. Speed, cadence and stride have the spreads measured on marker data
of 25 people on two days (between people / day to day / trial to trial). Statures belong to sessions, not to people: height is
no gait. Mean bone ratios are of the recorded people, their spreads of 14 people.
"""

from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from zlib import crc32

import numpy as np

from gaitlab.walkers.body import capsules
from gaitlab.walkers.figure import REGIONS, STATURE, Figure
from gaitlab.walkers.fit import TABLE, waves
from gaitlab.walkers.garments import Wardrobe, carry_pose, dressed, own_garments
from gaitlab.walkers.sensors.capsules import Capsules
from gaitlab.walkers.skeleton import ARMS, BONES, FEET, SHAFTS, THIGHS, TRUNK, chain, joint

# mean, SD between people, day to day, trial to trial
CADENCE = (0.87, 0.085, 0.044, 0.025)
"""Stride rate in Hz."""
STRIDE = (1.13, 0.080, 0.046, 0.038)
"""Stride length in metres."""
SPEED = (0.98, 0.123, 0.084, 0.050)
"""m/s: cadence times stride, which go together as far as it takes to give the measured spreads of speed (`_pace`)."""
RATIOS = {"knee": 0.243, "ankle": 0.269, "elbow": 0.181, "wrist": 0.113, "hip": 0.089, "shoulder": 0.120}
"""Mean length of a bone over head-top height, of 14 people; the other bones are those of the recorded ones."""
HEADING, TURNING = 3.0, 5.0
"""SD of the path's direction (degrees), and of what it turns on the way (degrees a metre)."""
START = (0.15, 0.1)
"""SD of where a walk is met, forwards and sideways (metres): nothing that tells people apart."""
STRIDE_OVER_REACH = 1.8
"""Stride length over the ankle's fore-aft excursion about the pelvis, in the recorded walks (1.76 to 2.03)."""

THIGH_SWING = 0.74
"""Factor on the thighs' share of the swing."""

BONE_SD = {
    "knee": 0.047, "ankle": 0.041, "ball": 0.05, "toe": 0.05, "hip": 0.034, "shoulder": 0.058, "elbow": 0.055, "wrist": 0.088,
    "palm": 0.06, "hand": 0.06, "spine": 0.03, "neck": 0.06, "head": 0.03,
}  # fmt: skip
"""Relative SD between people of each pair of bones (thigh, shank, foot, toes, half hip, half shoulder, upper arm, forearm, ...)."""
UPRIGHT = ("l_knee", "l_ankle", "spine1", "spine2", "chest", "neck1", "neck2", "head_top")
GIRTH_SD = 0.13
"""Relative SD of a person's overall girth; regions differ by another `REGION_SD`."""
REGION_SD = 0.07
DAY = {"motion": 0.55, "bones": 0.3, "girth": 0.5, "region": 0.9}
"""Day-to-day SD over the SD between people; regions change most, with what is worn."""
TAKE = {"motion": 0.25, "girth": 0.15}
"""The same from walk to walk of a day."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One walk past all cameras: joints `[t, 27, 3]` m and the dressed body; and the truth about it, that cues are measured against.

    speed m/s, cadence (strides) Hz, stride m, start: where the pelvis is in the first frame, (x, y) m. proportions: log bone lengths
    over stature `[26]`. motion: Fourier series of the bones' directions `[11, 26, 3]`, with what clothes and bags do to them.
    """

    joints: np.ndarray
    figure: Figure
    speed: float
    cadence: float
    stride: float
    start: tuple[float, float]
    proportions: np.ndarray
    motion: np.ndarray

    @cached_property
    def body(self) -> Capsules:
        """The capsules that all sensors of all views see."""
        return capsules(self.joints, self.figure)

    @property
    def stature(self) -> float:
        """Metres."""
        return self.figure.stature


def stream(*words: str | int) -> np.random.Generator:
    """A generator that depends on nothing but the words."""
    return np.random.default_rng([crc32(str(word).encode()) for word in words])


@cache
def table() -> dict[str, np.ndarray]:
    with np.load(TABLE, allow_pickle=False) as file:
        return {name: file[name].astype(np.float64) for name in file.files}


def _bone_ratios(rng: np.random.Generator) -> np.ndarray:
    """Standard normal per bone `[26]` times its relative SD, equal on both sides."""
    draws = {group: rng.standard_normal() * sd for group, sd in BONE_SD.items()}
    return np.array([draws[bone[2:] if bone[1] == "_" else bone.rstrip("12").replace("chest", "spine").split("_")[0]] for bone in BONES])


def girths(rng: np.random.Generator, overall: float = 1.0, region: float = 1.0) -> np.ndarray:
    """Log girth `[12]`: a common part and one per region, times the factors; head, hands and feet vary less."""
    reach = np.array([0.35 if name in ("head", "hand", "foot", "ankle") else 1.0 for name in REGIONS])
    return reach * (overall * GIRTH_SD * rng.standard_normal() + region * REGION_SD * rng.standard_normal(len(REGIONS)))


def _motion(rng: np.random.Generator) -> np.ndarray:
    """Deviation of a person's series from the mean walk `[11, 26, 3]`; draws are cut at 2 SD."""
    people = table()["people"]
    return np.tensordot(np.clip(rng.standard_normal(len(people)), -2, 2), people, 1)


def _pace(rng: np.random.Generator, level: int) -> np.ndarray:
    """Deviation of (cadence, stride) at a level: 1 person, 2 day, 3 trial; correlated so that their product spreads as speed does."""
    a, b, both = (of[level] / of[0] for of in (CADENCE, STRIDE, SPEED))
    together = min(0.95, max(-0.95, (both**2 - a**2 - b**2) / (2 * a * b)))
    u, v = rng.standard_normal(2)
    return np.array([CADENCE[level] * u, STRIDE[level] * (together * u + np.sqrt(1 - together**2) * v)])


@lru_cache(maxsize=4)
def event(
    seed: int,
    subject: str,
    session: str,
    conditions: tuple[str, ...],
    take: str,
    frames: tuple[int, int],
    fps: float,
    wardrobe: Wardrobe = "day",
) -> Event:
    """The walk with this name: a function of its arguments alone, kept while its views are drawn one after the other."""
    what = "+".join(conditions)
    person, day = stream(seed, subject), stream(seed, subject, session)
    trial = stream(seed, subject, session, what, take)
    clothes = stream(seed, subject, session, what, "clothes")
    bones = np.exp(_bone_ratios(person) + DAY["bones"] * _bone_ratios(day))
    girth = girths(person) + girths(day, DAY["girth"], DAY["region"]) + girths(trial, TAKE["girth"], TAKE["girth"])
    belly = 0.015 + 0.014 * person.standard_normal() + 0.006 * day.standard_normal()
    series = table()["mean"] + _motion(person) + DAY["motion"] * _motion(day) + TAKE["motion"] * _motion(trial)
    cadence, stride = np.array([CADENCE[0], STRIDE[0]]) + _pace(person, 1) + _pace(day, 2) + _pace(trial, 3)
    stature = STATURE * (1 + 0.03 * day.standard_normal())
    figure = Figure(girth=np.exp(girth), belly=float(np.clip(belly, -0.01, 0.06)), stature=stature)
    if wardrobe == "own":
        figure = _in_own_clothes(figure, seed, subject, conditions)
    figure = dressed(figure, conditions, clothes)
    series = _encumbered(series, figure, conditions, clothes)

    lengths = _mean_bones() * bones
    lengths = lengths * stature / _height(lengths)
    cadence, stride = max(0.5, float(cadence)), max(0.6, float(stride))
    series = _with_stride(series, lengths, stride)
    count = int(trial.integers(frames[0], frames[1] + 1))
    phase = 2 * np.pi * (trial.random() + cadence * np.arange(count) / fps)
    joints, way = walk(series, lengths, phase, stride)
    joints = _on_path(carry_pose(joints, figure), way, *trial.standard_normal(4))
    start = (float(joints[0, 0, 0]), float(joints[0, 0, 1]))
    return Event(
        joints=joints,
        figure=figure,
        speed=cadence * stride,
        cadence=cadence,
        stride=stride,
        start=start,
        proportions=np.log(lengths / stature),
        motion=series,
    )


def _mean_bones() -> np.ndarray:
    """Lengths `[26]` at a head-top height of 1."""
    lengths: np.ndarray = table()["bones"].copy()
    for i, bone in enumerate(BONES):
        lengths[i] = RATIOS.get(bone[2:], lengths[i]) if bone[1] == "_" else lengths[i]
    return lengths


def _in_own_clothes(figure: Figure, seed: int, subject: str, conditions: tuple[str, ...]) -> Figure:
    """A person's jacket and trousers, or, under the conditions upper and lower, the other ones."""
    upper, lower = ("other " + word if word in conditions else word for word in ("upper", "lower"))
    coat, trousers = own_garments(stream(seed, subject, upper), stream(seed, subject, lower))
    return replace(figure, coat=coat, trousers=trousers)


def _height(lengths: np.ndarray) -> float:
    """Legs, trunk and head as one line, in metres: what a stature scales. 0.14 is heel and skull beyond the joints."""
    return float(lengths[[BONES.index(bone) for bone in UPRIGHT]].sum()) + 0.14


def _encumbered(series: np.ndarray, figure: Figure, conditions: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """What clothes and bags do to the walk: less arm swing in a coat and beside a bag, a forward lean under a backpack, a lean back
    with a box before the belly. Arms that hold something are aimed at it later (`carry_pose`)."""
    series = series.copy()
    damp, lean = rng.random(2)
    swing = np.ones(len(BONES))
    if "clothing" in conditions:
        swing[ARMS] *= 0.6 + 0.3 * damp
    if figure.bag is not None and figure.bag.kind == "backpack":
        swing[ARMS] *= 0.75 + 0.25 * damp
        series[0, TRUNK, 0] += 0.03 + 0.06 * lean
    elif figure.bag is not None:
        swing[ARMS & np.array([bone.startswith(figure.bag.kind + "_") for bone in BONES])] *= 0.3 + 0.4 * damp
    if figure.load is not None and figure.load.kind == "box":
        series[0, TRUNK, 0] -= 0.02 + 0.06 * lean
    series[1:] *= swing[:, None]
    return series


def _directions(series: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Series `[11, 26, 3]` at phases `[t]` -> unit bone directions `[t, 26, 3]`."""
    bones = (waves(phase) @ series.reshape(len(series), -1)).reshape(len(phase), -1, 3)
    return bones / np.sqrt(np.square(bones).sum(-1, keepdims=True))


def _with_stride(series: np.ndarray, lengths: np.ndarray, stride: float) -> np.ndarray:
    """Leg swing scaled to a stride of so many metres: the tangents of thigh and shank lean are multiplied (short steps have
    straighter knees), and the feet's motion about their mean. Thighs swing less than in the recorded walks, which are faster than the
    measured ones; `census` holds that against the measured excursion."""
    phase = 2 * np.pi * np.arange(24) / 24
    series = series.copy()
    series[1:, THIGHS, 0] *= THIGH_SWING
    for _ in range(2):
        ankles = chain(_directions(series, phase), lengths)[:, [joint("l_ankle"), joint("r_ankle")], 0]
        swing = np.clip(stride / (STRIDE_OVER_REACH * np.ptp(ankles, axis=0).mean()), 0.6, 1.5)
        series[1:, SHAFTS, 0] *= swing
        series[1:, FEET] *= swing
    return series


def walk(series: np.ndarray, lengths: np.ndarray, phase: np.ndarray, stride: float) -> tuple[np.ndarray, np.ndarray]:
    """Joints `[t, 27, 3]` m of a walk on the spot, facing x, the lowest foot on the floor; and how far along its path the pelvis is,
    `[t]` m, 0 in the middle of the walk: its speed is even."""
    joints = chain(_directions(series, phase), lengths)
    joints[..., 2] -= joints[..., 2].min(1, keepdims=True) - 0.02
    return joints, (phase - (phase[0] + phase[-1]) / 2) / (2 * np.pi) * stride


def _on_path(joints: np.ndarray, way: np.ndarray, heading: float, turning: float, forward: float, sideways: float) -> np.ndarray:
    """The walk along a path that begins and bends as four standard normal numbers say; an arc, mid-walk near the origin."""
    bend = np.radians(TURNING) * turning
    angle = np.radians(HEADING) * heading + bend * way
    c, s = np.round(np.cos(angle), 9), np.round(np.sin(angle), 9)
    step = np.diff(way, prepend=way[0])
    x, y = np.cumsum(step * c), np.cumsum(step * s)
    x, y = x - x[len(x) // 2] + START[0] * forward, y - y[len(y) // 2] + START[1] * sideways
    c, s = c[:, None], s[:, None]
    level = np.stack([joints[..., 0] * c - joints[..., 1] * s + x[:, None], joints[..., 0] * s + joints[..., 1] * c + y[:, None]], -1)
    return np.round(np.concatenate([level, joints[..., 2:]], -1), 4)
