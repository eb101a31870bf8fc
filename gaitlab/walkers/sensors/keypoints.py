"""What a 2D pose estimator makes of a walk: 27 joints in space -> COCO's 17 on the camera's picture, with its typical errors.

Errors wander over time, are larger for joints that are hidden (by the body itself or by what stands before it) and for people
who are small on the picture, and differ between joints as annotators do (the sigmas of COCO's keypoint evaluation).
Sizes of the errors are our defaults.
"""

import numpy as np

from gaitlab.data.skeletons import pack
from gaitlab.walkers.sensors.camera import Camera
from gaitlab.walkers.sensors.capsules import Capsules

JITTER = 0.012
"""SD of an average visible joint, as a share of the person's height on the picture."""
SMALL = 60.0
"""Pixels of height at which a person is so small that the share is 1.4 times as large."""
MEMORY = 0.7
"""Correlation of errors from frame to frame."""
HIDDEN = 1.6
"""Hidden joints jitter by this factor more."""
SCORES = (0.90, 0.45, 0.08)
"""Mean score of visible and of hidden joints, and SD of both."""
MISSED = (0.004, 0.06)
"""Share of frames in which a visible, a hidden joint is not found."""
SWAPPED = 0.004
"""Share of frames at which left and right leg begin to be confused, for 2-5 frames."""

# In the chain of 27 (`walkers.skeleton`): shoulders, elbows, wrists, hips, knees, ankles, each left and right.
CHAIN = [17, 22, 18, 23, 19, 24, 1, 6, 2, 7, 3, 8]
NECK, TOP = 15, 16
# Nose, eyes, ears: forward, left and up from the upper neck, in lengths from there to the top of the spine (some 0.1 m).
_FACE = np.array([(1.1, 0, 1.1), (0.76, 0.3, 1.32), (0.76, -0.3, 1.32), (0.05, 0.8, 0.9), (0.05, -0.8, 0.9)])[..., None]
_SIGMA = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 68.0
# A joint is hidden when it lies behind the middle of these two: ears for the face, a diagonal of the trunk for arms, else its pair.
_BEFORE = [3, 3, 3, 3, 3, 5, 5, 5, 5, 5, 5, 11, 11, 13, 13, 15, 15]
_BEFORE_TOO = [4, 4, 4, 4, 4, 6, 6, 12, 12, 12, 12, 12, 12, 14, 14, 16, 16]
_BEHIND, _BESIDE = 0.05, 0.12  # m: deeper than that middle, and no further from it sideways
_LEGS, _LEGS_SWAPPED = [13, 14, 15, 16], [14, 13, 16, 15]


def keypoints(
    joints: np.ndarray, camera: Camera, strength: float, rng: np.random.Generator, occluder: Capsules | None = None
) -> np.ndarray:
    """Joints `[t, 27, 3]` m -> packed keypoints uint8 `[t, 3, 17, 2]` (`gaitlab.data.skeletons`) in pixels of the camera's picture.

    strength: factor on all errors; 0 gives exact places with score 1.
    """
    if strength < 0:
        raise ValueError(f"the strength of keypoint noise is 0 or more; it is {strength}")
    x, y, depth = camera.project(coco(joints))
    out = np.empty((*x.shape, 3))
    out[..., 0], out[..., 1], out[..., 2] = x * camera.focal + camera.width / 2, y * camera.focal + camera.height / 2, 1.0
    if strength > 0:
        hidden = _behind_body(x, depth)
        if occluder is not None:
            hidden |= _behind(occluder, camera, x, y, depth)
        _err(out, hidden, strength, rng)
    return pack(out)


def coco(joints: np.ndarray) -> np.ndarray:
    """Joints `[t, 27, 3]` m -> COCO's 17 `[t, 17, 3]` m; the face looks where the shoulders face."""
    out = np.empty((len(joints), 17, 3))
    out[:, 5:] = joints[:, CHAIN]
    neck, up, left = joints[:, NECK], joints[:, TOP] - joints[:, NECK], out[:, 5] - out[:, 6]
    size = np.sqrt(_dot(up, up))
    left = left - up * (_dot(left, up) / (size * size))
    left *= size / np.sqrt(_dot(left, left))
    forward = (left[:, [1, 2, 0]] * up[:, [2, 0, 1]] - left[:, [2, 0, 1]] * up[:, [1, 2, 0]]) / size
    out[:, :5] = neck[:, None] + _FACE[:, 0] * forward[:, None] + _FACE[:, 1] * left[:, None] + _FACE[:, 2] * up[:, None]
    return out


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, :1] * b[:, :1] + a[:, 1:2] * b[:, 1:2] + a[:, 2:] * b[:, 2:]


def _behind_body(x: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """bool `[t, 17]`: behind the person's own body."""
    before = (depth.take(_BEFORE, 1) + depth.take(_BEFORE_TOO, 1)) / 2
    beside = (x.take(_BEFORE, 1) + x.take(_BEFORE_TOO, 1)) / 2
    return (depth - before > _BEHIND) & (np.abs(x - beside) * depth < _BESIDE)


def _behind(occluder: Capsules, camera: Camera, x: np.ndarray, y: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """bool `[t, 17]`: behind one of the occluder's capsules, whose image is taken for a band of linearly growing width."""
    cx, cy, near = camera.project(occluder.ends)
    radius = occluder.radii / near
    dx, dy = (end[:, None, :, 1] - end[:, None, :, 0] for end in (cx, cy))
    px, py = x[..., None] - cx[:, None, :, 0], y[..., None] - cy[:, None, :, 0]
    along = np.clip((px * dx + py * dy) / np.maximum(dx * dx + dy * dy, 1e-12), 0, 1)
    ax, ay = px - along * dx, py - along * dy
    reach = radius[:, None, :, 0] + along * (radius[:, None, :, 1] - radius[:, None, :, 0])
    return ((ax * ax + ay * ay < reach * reach) & (near.min(-1)[:, None] < depth[..., None])).any(-1)


def _err(out: np.ndarray, hidden: np.ndarray, strength: float, rng: np.random.Generator) -> None:
    """Errors on keypoints `[t, 17, 3]`, in place."""
    frames = len(out)
    wander = _wandering(rng.standard_normal(out.shape))
    luck, runs = rng.random((frames, 18)), rng.integers(2, 6, frames)
    tall = np.ptp(out[..., 1], axis=1)
    jitter = (strength * JITTER * np.sqrt(tall * tall + SMALL * SMALL))[:, None] * _SIGMA
    jitter *= 1 + (HIDDEN - 1) * hidden
    out[..., :2] += jitter[..., None] * wander[..., :2]
    seen, unseen, spread = SCORES
    score = 1 - min(strength, 1.0) * (1 - np.where(hidden, unseen, seen)) + min(strength, 1.0) * spread * wander[..., 2]
    missed = luck[:, :17] < strength * np.where(hidden, MISSED[1], MISSED[0])
    out[..., 2] = np.where(missed, 0.0, np.clip(score, 0.05, 1.0))
    for start in np.flatnonzero(luck[:, 17] < strength * SWAPPED):
        run = out[start : start + runs[start]]
        run[:, _LEGS] = run[:, _LEGS_SWAPPED]


def _wandering(noise: np.ndarray) -> np.ndarray:
    """White noise `[t, ...]` -> noise of the same SD that remembers `MEMORY` of the frame before; in place, by doubling steps."""
    noise[1:] *= np.sqrt(1 - MEMORY**2)
    memory, step = MEMORY, 1
    while step < len(noise) and memory > 1e-6:
        noise[step:] += memory * noise[:-step]
        memory, step = memory * memory, 2 * step
    return noise
