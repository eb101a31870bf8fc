"""Fits the motion table `gait.npz` to recorded walks: `python -m gaitlab.walkers.fit cmu_walks.npz`.

The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF EIA-0196217.

Each clip is turned to walk along x; each bone's unit direction becomes a Fourier series over the stride (least squares; the
stride rate is the one with the least residual; phase 0 is the left thigh's). A person is the mean of his or her clips,
and enters a second time mirrored, half a stride later, so that the mean walk is symmetric. The table holds the mean series
and the principal components of people about it (in units of one standard deviation) and of a person's clips about the person.
"""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

from gaitlab.walkers.skeleton import BONES, MIRROR, bones_of, face_forward

HARMONICS = 5
TABLE = Path(__file__).with_name("gait.npz")


def waves(phase: np.ndarray) -> np.ndarray:
    """`[t]` radians -> `[t, 11]`: 1, cos, sin, cos 2, sin 2, ..."""
    turns = phase[:, None] * np.arange(1, HARMONICS + 1)
    return np.concatenate([np.ones((len(phase), 1)), np.stack([np.cos(turns), np.sin(turns)], -1).reshape(len(phase), -1)], 1)


def shifted(series: np.ndarray, phase: float) -> np.ndarray:
    """The series `[11, ...]` of f(. + phase)."""
    out = series.copy()
    for h in range(1, HARMONICS + 1):
        a, b = series[2 * h - 1], series[2 * h]
        c, s = np.cos(h * phase), np.sin(h * phase)
        out[2 * h - 1], out[2 * h] = a * c + b * s, b * c - a * s
    return out


def series_of(joints: np.ndarray, fps: float) -> tuple[np.ndarray, float]:
    """Joints of a clip `[t, 27, 3]` -> bone series `[11, 26, 3]`, stride rate in Hz."""
    bones = bones_of(face_forward(joints))
    directions = bones / np.linalg.norm(bones, axis=-1, keepdims=True)
    flat = directions.reshape(len(joints), -1)
    time = np.arange(len(joints)) / fps
    best: tuple[float, float] = (np.inf, 0.0)
    for rate in np.arange(0.6, 1.3, 0.005):
        basis = waves(2 * np.pi * rate * time)
        residual = np.square(flat - basis @ np.linalg.lstsq(basis, flat, rcond=None)[0]).sum()
        best = min(best, (float(residual), float(rate)))
    basis = waves(2 * np.pi * best[1] * time)
    series = np.linalg.lstsq(basis, flat, rcond=None)[0].reshape(-1, len(BONES), 3)
    thigh = series[:, BONES.index("l_knee"), 0]
    return shifted(series, float(np.arctan2(thigh[2], thigh[1]))), best[1]


def mirrored(series: np.ndarray) -> np.ndarray:
    """The walk seen in a mirror, half a stride later."""
    other = series[:, MIRROR[1:] - 1] * np.array([1, -1, 1])
    return shifted(other, np.pi)


def components(rows: np.ndarray, keep: int) -> np.ndarray:
    """Principal components `[keep, ...]` of rows `[n, ...]` about 0, each times its standard deviation."""
    flat = rows.reshape(len(rows), -1)
    _, sd, axes = np.linalg.svd(flat / np.sqrt(len(rows)), full_matrices=False)
    return (sd[:keep, None] * axes[:keep]).reshape(keep, *rows.shape[1:])


def fit(path: Path) -> dict[str, np.ndarray]:
    """The table: mean `[11, 26, 3]`, people `[12, 11, 26, 3]`, clips `[6, 11, 26, 3]`, bones `[26]` m at 1 m head-top height."""
    recorded = np.load(path, allow_pickle=False)
    starts = recorded["offsets"]
    clips = np.stack([series_of(recorded["joints"][a:b], float(recorded["fps"]))[0] for a, b in pairwise(starts)])
    who = recorded["subject"]
    names = sorted(set(who))
    people = np.stack([clips[who == name].mean(0) for name in names])
    people = np.concatenate([people, np.stack([mirrored(person) for person in people])])
    mean = people.mean(0)
    within = np.concatenate([clips[who == name] - clips[who == name].mean(0) for name in names if (who == name).sum() > 1])
    within = np.concatenate([within, np.stack([mirrored(clip) for clip in within])])
    ratio = recorded["bone_lengths"][:, 1:] / recorded["head_top_height"][:, None]
    ratio = np.stack([ratio[who == name].mean(0) for name in names]).mean(0)
    ratio = (ratio + ratio[MIRROR[1:] - 1]) / 2
    people_sd = components(people - mean, 12)
    return {"mean": mean, "people": people_sd, "clips": components(within, 6), "bones": ratio}


if __name__ == "__main__":
    table = fit(Path(sys.argv[1]))
    mean, people, within, bones = (table[name].astype(np.float16) for name in ("mean", "people", "clips", "bones"))
    np.savez_compressed(TABLE, mean=mean, people=people, clips=within, bones=bones)
    print(f"{TABLE}: {TABLE.stat().st_size} bytes")
