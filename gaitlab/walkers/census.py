"""Do sampled people walk as measured people do? `python -m gaitlab.walkers.census` prints both.

A thousand people, two days each, two walks a day; mean and spreads between people, from day to day and from walk to walk are told apart
by an analysis of variance. Segments are bone lengths over the head-top height of the walk.
"""

import sys

import numpy as np
import pandas as pd

from gaitlab.walkers.people import CADENCE, RATIOS, SPEED, STRIDE, event
from gaitlab.walkers.skeleton import BONES, bones_of, joint

THIGH = (0.247, 0.026, 0.014, 0.014)
"""Fore-aft excursion of the thigh, m: how far the knee swings about the hip, peak to peak, in the first harmonic: recorded walks (CMU)
of the measured stride come to 0.245 so."""
SEGMENTS = {"knee": 0.010, "ankle": 0.010, "elbow": 0.010, "wrist": 0.010, "hip": 0.003, "shoulder": 0.007}
"""SD between 14 people of the ratios whose means are `people.RATIOS`."""


def census(people: int = 1000, seed: int = 0) -> pd.DataFrame:
    """A row for each quantity; columns given and sampled, of mean and the three spreads (NaN: not given)."""
    walks = np.array([[[_measured(seed, i, day, take) for take in "12"] for day in "12"] for i in range(people)])
    names = ["speed, m/s", "cadence, Hz", "stride, m", "thigh, m", *(f"{bone} / height" for bone in RATIOS)]
    given = [SPEED, CADENCE, STRIDE, THIGH, *((RATIOS[bone], SEGMENTS[bone], np.nan, np.nan) for bone in RATIOS)]
    found = [levels(walks[..., i]) for i in range(len(names))]
    parts = ("mean", "people", "days", "walks")
    columns = {
        (part, kind): [row[i] for row in rows] for i, part in enumerate(parts) for kind, rows in (("given", given), ("sampled", found))
    }
    return pd.DataFrame(columns, index=names)


def levels(x: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, and SD between people, days and walks, of `[people, days, walks]`."""
    _, d, w = x.shape
    walk = x.var(2, ddof=1).mean()
    day = max(0.0, x.mean(2).var(1, ddof=1).mean() - walk / w)
    person = max(0.0, x.mean((1, 2)).var(ddof=1) - day / d - walk / (d * w))
    return float(x.mean()), float(person**0.5), float(day**0.5), float(walk**0.5)


def _measured(seed: int, number: int, day: str, take: str) -> list[float]:
    moment = event(seed, f"census{number:05d}", day, (), take, (30, 30), 25.0)
    bones = np.linalg.norm(bones_of(moment.joints[0]), axis=-1)
    height = moment.joints[:, joint("head_top"), 2].max()
    ratios = [bones[BONES.index(f"l_{bone}")] / height for bone in RATIOS]
    return [moment.speed, moment.cadence, moment.stride, thigh_excursion(moment.joints, moment.cadence, 25.0), *ratios]


def thigh_excursion(joints: np.ndarray, cadence: float, fps: float) -> float:
    """Metres, mean of both sides, of joints `[t, 27, 3]` that walk along x at `cadence` strides a second."""
    turn = 2 * np.pi * cadence / fps * np.arange(len(joints))
    basis = np.stack([np.ones(len(turn)), np.cos(turn), np.sin(turn)], 1)
    swing = [joints[:, joint(f"{side}_knee"), 0] - joints[:, joint(f"{side}_hip"), 0] for side in "lr"]
    waves = np.linalg.lstsq(basis, np.stack(swing, 1), rcond=None)[0]
    return float(2 * np.hypot(waves[1], waves[2]).mean())


if __name__ == "__main__":
    print(census(int(sys.argv[1]) if len(sys.argv) > 1 else 1000).to_string(float_format="%.3f", na_rep="-"))
