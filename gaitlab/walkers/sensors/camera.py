"""Pinhole camera -> raw masks of a body -> segmentation noise -> the pretreatment of real frames -> 64x64 silhouettes.

A body's image under a distant camera is a union of hulls of two discs; each covers one span of columns in a row of pixels
(`outlines`). Noise acts on the raw picture, before the person is cropped out, as it does in real data.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit

from gaitlab.data.frames import align
from gaitlab.walkers.sensors.capsules import Capsules

MARGIN = 6
"""Pixels around the person on the raw mask, for noise that grows."""
SPARE = 8
"""Empty columns beside it."""


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Looks at `(0, 0, aim)` from `distance` metres. azimuth (degrees): 0 sees a walker's front, 90 the left side, 180 the
    back. elevation (degrees): above the horizon. focal, width, height: pixels of its picture."""

    azimuth: float = 90.0
    elevation: float = 4.0
    distance: float = 7.0
    aim: float = 0.85
    focal: float = 500.0
    width: int = 320
    height: int = 240

    def __post_init__(self) -> None:
        if not 2.0 <= self.distance < np.inf:
            raise ValueError(f"camera.distance is {self.distance} m; a walker needs 2 m or more")
        if not -80 <= self.elevation <= 80:
            raise ValueError(f"camera.elevation is {self.elevation} degrees; it lies between -80 and 80")
        if not (np.isfinite(self.azimuth) and np.isfinite(self.aim)):
            raise ValueError(f"camera.azimuth (degrees) and aim (m) are numbers; they are {self.azimuth} and {self.aim}")
        if not all(0 < value < np.inf for value in (self.focal, self.width, self.height)):
            raise ValueError("camera.focal, width and height are pixels, above 0")

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points `[..., 3]` m -> image x (right), y (down) in units of the focal length, and depth in metres."""
        turn, lift = np.radians(self.azimuth), np.radians(self.elevation)
        ct, st, cl, sl = (round(float(value), 9) for value in (np.cos(turn), np.sin(turn), np.cos(lift), np.sin(lift)))
        x, y, z = points[..., 0], points[..., 1], points[..., 2] - self.aim
        towards = x * ct + y * st
        depth = self.distance - (towards * cl + z * sl)
        if not (depth > 0.1).all():
            raise ValueError(f"people come within 0.1 m of the camera; give shorter walks or move the camera away (now {self.distance} m)")
        return (y * ct - x * st) / depth, (towards * sl - z * cl) / depth, depth


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Segmentation noise.

    edge: SD by which an outline wanders, as a share of the person's height. hole: share of frames with a hole or a bite.
    blob: share of frames where background sticks to the person. blot: size of holes and blobs, 1 is some 2 to 8 % of the person's height.
    limb: share of walks that lose a limb for a few frames. thing: share of walks whose umbrella is not taken for a part of the person.
    dark: share of limbs that are not told from the background for half of the walk or all of it. frame: share of frames that are lost.
    """

    edge: float = 0.006
    hole: float = 0.05
    blob: float = 0.02
    blot: float = 1.0
    limb: float = 0.1
    thing: float = 0.7
    dark: float = 0.0
    frame: float = 0.01

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0.0 <= value <= (3.0 if name == "blot" else 1.0) or (name == "blot" and value == 0):
                raise ValueError(f"noise.{name} is a share, 0 to 1 (blot: above 0, up to 3); it is {value}")

    def scaled(self, strength: float) -> "Noise":
        """The same noise, `strength` times as much; the size of blots stays."""
        return Noise(blot=self.blot, **{name: min(1.0, strength * value) for name, value in vars(self).items() if name != "blot"})


NIGHT = Noise(edge=0.014, hole=0.6, blob=0.3, blot=2.2, limb=0.5, dark=0.25, frame=0.04)
"""What darkness leaves of a camera's segmentation."""

CLEAN = Noise().scaled(0)

_LIMBS = (("l_forearm", "l_hand"), ("r_forearm", "r_hand"), ("l_foot", "l_toes"), ("r_foot", "r_toes"), ("head",), ("l_shank", "l_calf"))
_DARK = (*_LIMBS, ("r_shank", "r_calf"), ("l_arm",), ("r_arm",), ("l_thigh",), ("r_thigh",))


def silhouettes(
    body: Capsules, camera: Camera, noise: Noise, rng: np.random.Generator, *, occluder: Capsules | None = None, size: int = 64
) -> np.ndarray:
    """uint8 `[t, size, size]`, 0 or 255: what `camera` sees of `body`, segmented with `noise`, cropped and centred.

    occluder: hides what is behind it, as long as it stands between camera and body. A frame that shows nobody is all 0.
    """
    masks = raw_masks(body, camera, noise, rng, occluder=occluder)
    out = np.zeros((len(masks), size, size), np.uint8)
    with _portable():
        for i, (mask, width) in enumerate(zip(masks, _whole_widths(masks, size), strict=True)):
            aligned = align(mask[:, :width], size)
            if aligned is not None:
                np.greater(aligned, 127, out=out[i].view(bool))
    return np.negative(out, out=out)


@contextmanager
def _portable() -> Iterator[None]:
    """OpenCV without Intel's library, whose resizing differs between processors; its own is integer arithmetic."""
    used = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)
    try:
        yield
    finally:
        cv2.ipp.setUseIPP(used)


def raw_masks(body: Capsules, camera: Camera, noise: Noise, rng: np.random.Generator, *, occluder: Capsules | None = None) -> np.ndarray:
    """The part of each picture around the person, uint8 `[t, h, w]`, 0 or 255; the person at the top left, `SPARE` columns at the right."""
    x, y, r, depth = _discs(body, camera)
    left, top = (np.floor((side - r).min((1, 2), keepdims=True)) - MARGIN for side in (x, y))
    x, y = x - left, y - top
    wide, high = (np.ceil((side + r).max((1, 2))) + MARGIN for side in (x, y))
    tall = high.mean() - 2 * MARGIN
    masks = np.zeros((len(x), int(high.max()), int(wide.max()) + SPARE), np.uint8)
    wander = _wander(*masks.shape[:2], noise.edge * tall, rng)
    _fill(masks, x, y, r, ~_lost(body, noise, rng), wander, 255)
    for share, value, nearest in ((noise.hole, 0, 0.0), (noise.blob, 255, 0.6)):
        _blots(masks, _drawn_blots(wide, share, nearest, tall * noise.blot, tall, rng), value)
    if occluder is not None:
        x, y, r, near = _discs(occluder, camera)
        before = near.mean(2) < np.median(depth.mean(2), axis=1, keepdims=True)  # capsules nearer than the middle of the body
        _fill(masks, x - left, y - top, r, before, np.zeros_like(wander), 0)
    return masks


@njit(cache=True)
def _whole_widths(masks, size):  # type: ignore[no-untyped-def]
    """Columns to hand to the pretreatment, which cuts the scaled width off to whole pixels: a loss that whole pictures are too wide to
    feel. Among the spare columns some make it next to nothing."""
    frames, rows, columns = masks.shape
    out = np.empty(frames, np.int64)
    for t in range(frames):
        first, last = 0, rows - 1
        while first < last and not masks[t, first].any():
            first += 1
        while last > first and not masks[t, last].any():
            last -= 1
        high = last - first + 1
        out[t] = columns
        for width in range(columns - SPARE, columns + 1):
            if width * size % high < out[t] * size % high:
                out[t] = width
    return out


def _discs(body: Capsules, camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of the ends, float `[t, c, 2]`: centres x, y and radii of their images in pixels of the camera's picture, and depths in metres."""
    x, y, depth = camera.project(body.ends)
    return x * camera.focal + camera.width / 2, y * camera.focal + camera.height / 2, body.radii * (camera.focal / depth), depth


@njit(cache=True)
def outlines(x0, y0, r0, x1, y1, r1, rows, left, right):  # type: ignore[no-untyped-def]
    """Writes the left and right border (pixels) of the hull of two discs on the middle of each of `rows` rows; returns the rows it
    reaches, first and one behind the last. Borders of rows outside are not written.

    The hull is bounded by arcs of both discs and their two common tangents, whose unit normal n has n . (c1 - c0) = r0 - r1.
    """
    first = max(0, int(np.floor(min(y0 - r0, y1 - r1))))
    stop = min(rows, int(np.ceil(max(y0 + r0, y1 + r1))))
    for row in range(first, stop):
        left[row], right[row] = 1e9, -1e9
        for x, y, r in ((x0, y0, r0), (x1, y1, r1)):
            fall = row + 0.5 - y
            half = r * r - fall * fall
            if half > 0:
                half = np.sqrt(half)
                left[row], right[row] = min(left[row], x - half), max(right[row], x + half)
    dx, dy = x1 - x0, y1 - y0
    length = np.sqrt(dx * dx + dy * dy)
    along = (r0 - r1) / length if length > 1e-9 else 2.0
    if abs(along) < 1:  # else one disc lies in the other
        ux, uy, across = dx / length, dy / length, np.sqrt(1 - along * along)
        for side in (across, -across):
            nx, ny = along * ux - side * uy, along * uy + side * ux
            ax, ay, bx, by = x0 + r0 * nx, y0 + r0 * ny, x1 + r1 * nx, y1 + r1 * ny
            slope = (bx - ax) / (by - ay) if abs(by - ay) > 1e-9 else 0.0
            for row in range(max(first, int(np.ceil(min(ay, by) - 0.5))), min(stop, int(np.floor(max(ay, by) - 0.5)) + 1)):
                at = ax + (row + 0.5 - ay) * slope
                left[row], right[row] = min(left[row], at), max(right[row], at)
    return first, stop


@njit(cache=True)
def _fill(masks, x, y, r, seen, wander, value):  # type: ignore[no-untyped-def]
    """Sets the pixels that capsules cover, `x y r [t, c, 2]`, their borders moved outwards by `wander [2, t, h]` pixels."""
    frames, rows, columns = masks.shape
    left, right = np.empty(rows), np.empty(rows)
    for t in range(frames):
        for c in range(x.shape[1]):
            if seen[t, c]:
                first, stop = outlines(x[t, c, 0], y[t, c, 0], r[t, c, 0], x[t, c, 1], y[t, c, 1], r[t, c, 1], rows, left, right)
                for row in range(first, stop):
                    if right[row] > left[row]:
                        begin = max(0, int(np.ceil(left[row] - wander[0, t, row] - 0.5)))
                        end = min(columns, int(np.ceil(right[row] + wander[1, t, row] - 0.5)))
                        for column in range(begin, end):
                            masks[t, row, column] = value


# -- noise -------------------------------------------------------------------------------------------------------------


def _wander(frames: int, rows: int, sd: float, rng: np.random.Generator) -> np.ndarray:
    """Outward shift of the left and right border, float32 `[2, t, rows]` pixels, smooth over seven rows or so, cut at 2.5 SD."""
    steps = rng.standard_normal((2, frames, rows + 6), dtype=np.float32)
    total = np.zeros((2, frames, rows), np.float32)
    for shift in range(7):
        total += steps[..., shift : shift + rows]
    return np.clip(total * np.float32(7**-0.5), -2.5, 2.5) * np.float32(sd)


def _lost(body: Capsules, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    """bool `[t, c]`: capsules that the segmentation misses: one limb for 2-6 frames in a share `noise.limb` of the walks, an umbrella in a
    share `noise.thing`, and a share `noise.dark` of all limbs for long."""
    frames = len(body.ends)
    lost = np.zeros((frames, len(body.parts)), bool)
    happens, limb, length, start = rng.random(), rng.integers(len(_LIMBS)), rng.integers(2, 7), rng.random()
    if happens < noise.limb:
        first = int(start * frames)
        lost[first : first + length, np.isin(body.parts, _LIMBS[limb])] = True
    if rng.random() < noise.thing:
        lost[:, np.isin(body.parts, ("umbrella",))] = True
    for parts, (share, begin, length) in zip(_DARK, rng.random((len(_DARK), 3)), strict=True):
        if share < noise.dark:
            first, stop = int(begin * frames / 2), int((1 + begin + length) * frames / 2)
            lost[first:stop, np.isin(body.parts, parts)] = True
    return lost


def _drawn_blots(wide: np.ndarray, share: float, nearest: float, size: float, tall: float, rng: np.random.Generator) -> np.ndarray:
    """Ellipses (frame, row, column, half height, half width) `[k, 5]` in a `share` of the frames: centred anywhere on the person
    (`nearest` 0) or near the border, at `nearest` of the half width and beyond. wide: `[t]` columns of the person and the margins."""
    u = rng.random((len(wide), 5))
    at = np.flatnonzero(u[:, 0] < share)
    u = u[at]
    sideways = np.where(u[:, 1] < 0.5, -1, 1) * (nearest + (1 - nearest) * np.abs(2 * u[:, 1] - 1))
    row, column = MARGIN + u[:, 2] * tall, wide[at] / 2 * (1 + 0.8 * sideways)
    return np.stack([at, row, column, (0.02 + 0.06 * u[:, 3]) * size, (0.01 + 0.04 * u[:, 4]) * size], 1)


@njit(cache=True)
def _blots(masks, blots, value):  # type: ignore[no-untyped-def]
    """Sets the pixels of ellipses `[k, 5]`."""
    for k in range(len(blots)):
        frame, row, column, high, wide = int(blots[k, 0]), blots[k, 1], blots[k, 2], blots[k, 3], blots[k, 4]
        for i in range(max(0, int(row - high)), min(masks.shape[1], int(row + high) + 2)):
            for j in range(max(0, int(column - wide)), min(masks.shape[2], int(column + wide) + 2)):
                if ((i + 0.5 - row) / high) ** 2 + ((j + 0.5 - column) / wide) ** 2 < 1:
                    masks[frame, i, j] = value
