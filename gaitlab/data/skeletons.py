"""2D keypoints of a person: how they lie in a store, and the skeleton maps that a network sees.

A store holds joints, 102 bytes a frame; maps of 8,192 bytes are drawn where they are used, a batch at a time. The maps are
SkeletonGait's (Fan et al., AAAI 2024): hips in the middle of a square of 128 pixels, height of the joints scaled to 128 / 1.5,
a Gaussian of 8 pixels around every joint (channel 0) and limb (channel 1) times its score, cropped to the figure's rows, 64x64.
"""

import math
from typing import overload

import numpy as np
import torch
from torch import Tensor

JOINTS = (
    "nose", "l_eye", "r_eye", "l_ear", "r_ear", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist",
    "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle",
)  # fmt: skip
"""COCO's 17, in COCO's order."""
LIMBS = (
    (0, 1), (0, 2), (1, 3), (2, 4), (0, 5), (0, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12), (11, 12), (11, 13), (13, 15),
    (12, 14), (14, 16),
)  # fmt: skip
"""Those of PoseConv3D (Duan et al., CVPR 2022); the paper does not list its own."""
PACKED = (3, len(JOINTS), 2)
"""Shape of a frame of packed joints."""
SIZE = 64
"""Rows and columns of a map."""

SQUARE, HEIGHT, SIGMA = 128, 128 / 1.5, 8.0
"""Pixels: side of the square that maps are drawn on, height of the joints on it, SD of the Gaussians."""
SUPPORT = 3 * SIGMA
"""Rows above and below the joints that belong to the figure; our default."""

_PER_PIXEL, _OFFSET, _FULL = 32, 512, 65535


# -- as stored ---------------------------------------------------------------------------------------------------------


def pack(joints: np.ndarray) -> np.ndarray:
    """Joints `[t, 17, 3]` (x right, y down, in pixels of the picture; score 0..1) -> uint8 `[t, 3, 17, 2]`.

    The last axis is the high and the low byte of a number: x and y in steps of 1/32 pixel from -512 on, the score in steps of
    1/65535. A joint that is not detected, or lies outside of -512..1535 (scale large pictures down), is all 0.
    """
    fixed = np.rint(joints * (_PER_PIXEL, _PER_PIXEL, _FULL) + (_OFFSET * _PER_PIXEL, _OFFSET * _PER_PIXEL, 0))
    kept = ((fixed >= 0) & (fixed <= _FULL)).all(-1) & (fixed[..., 2] > 0)
    fixed[~kept] = 0
    return fixed.astype(">u2").swapaxes(1, 2).copy().view(np.uint8).reshape(-1, *PACKED)


@overload
def unpack(packed: np.ndarray) -> np.ndarray: ...
@overload
def unpack(packed: Tensor) -> Tensor: ...
def unpack(packed: np.ndarray | Tensor) -> np.ndarray | Tensor:
    """uint8 `[..., 3, 17, 2]` -> float32 `[..., 17, 3]`; a joint that was not detected has score 0 (and a place of no meaning)."""
    if isinstance(packed, Tensor):
        numbers = packed[..., 0].float() * 256 + packed[..., 1]
        x, y, score = numbers.unbind(-2)
        return torch.stack([x / _PER_PIXEL - _OFFSET, y / _PER_PIXEL - _OFFSET, score / _FULL], -1)
    return unpack(torch.tensor(packed)).numpy()


# -- as maps -----------------------------------------------------------------------------------------------------------


def maps(joints: Tensor, columns: slice = slice(0, SIZE), numbers: Tensor | None = None) -> Tensor:
    """Joints float32 `[n, t, 17, 3]` of n clips -> uint8 `[n, t, 2, 64, columns]`, channels joints and limbs, on their device.

    numbers: int `[n, t]`, which frames of the walk these are, where a clip has them in another order. A joint that a frame lacks is
    taken from the clip's nearest frames in time that have it (`imputed`); a frame that lacks all is 0.
    Every value is made by elementwise float32 sums and a table, so it depends neither on the device nor on the batch.
    """
    n, t = joints.shape[:2]
    place, top, step = _normalised(joints)
    place, score = (part.flatten(0, 1) for part in _imputed_in_time(place, joints[..., 2], numbers))
    faint = -score.double().log().float()  # as a distance: score * exp(-d) = exp(-(d - log score))
    row = (torch.arange(SIZE, device=joints.device) + 0.5) * step[..., :1].reshape(-1, 1) + top.reshape(-1, 1)
    column = (torch.arange(SIZE, device=joints.device) + 0.5 - SIZE / 2) * step[..., 1:].reshape(-1, 1)
    column = column[:, columns]
    ends = torch.tensor(LIMBS, device=joints.device).t()
    (first, second), fainter = (place.index_select(1, end) for end in ends), torch.maximum(*(faint.index_select(1, end) for end in ends))
    out = torch.empty(n * t, 2, SIZE, column.shape[1], dtype=torch.uint8, device=joints.device)
    # On a CPU, as many frames at a time as stay in the cache and below the 32,768 elements from which torch wakes its threads.
    many = max(1, 32_767 // (SIZE * column.shape[1])) if joints.device.type == "cpu" else 4096
    for start in range(0, n * t, many):
        part = slice(start, start + many)
        out[part, 0] = _bright(_nearest_joint(column[part], row[part], place[part], faint[part]))
        out[part, 1] = _bright(_nearest_limb(column[part], row[part], first[part], second[part], fainter[part]))
    return out.view(n, t, *out.shape[1:])


_UNIT = SIGMA * math.sqrt(2)
"""Pixels of the square in a unit of all that follows: a Gaussian is exp(-distance^2)."""


def _normalised(joints: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Places `[n, t, 17, 2]` about the hips, in units; the crop's first row `[n, t]` and the units per row and column `[n, t, 2]`."""
    xy, seen = joints[..., :2], joints[..., 2:] > 0
    anything = seen.any(-2)
    least = xy.where(seen, torch.inf).amin(-2).where(anything, 0)
    most = xy.where(seen, -torch.inf).amax(-2).where(anything, 0)
    left, right = (seen[..., j, :] for j in (11, 12))
    first, second = (xy[..., j, :] for j in (11, 12))
    hips = torch.where(left, torch.where(right, (first + second) / 2, first), torch.where(right, second, (least + most) / 2))
    scale = HEIGHT / (most - least)[..., 1].clamp(min=1)
    low, high = ((edge - hips)[..., 1] * scale for edge in (least, most))
    top = (low + (SQUARE / 2 - SUPPORT)).floor().clamp(0, SQUARE)
    bottom = (high + (SQUARE / 2 + SUPPORT)).ceil().clamp(0, SQUARE)
    size = torch.stack([bottom - top, ((bottom - top) / 2).ceil() * 2], -1)  # columns: as many as rows, evenly about the hips
    place = ((xy - hips.unsqueeze(-2)) * scale[..., None, None] / _UNIT).where(seen, 0)
    return place, (top - SQUARE / 2) / _UNIT, size / (SIZE * _UNIT)


def _imputed_in_time(place: Tensor, score: Tensor, numbers: Tensor | None) -> tuple[Tensor, Tensor]:
    """`imputed` on frames brought into the order of their numbers, and back."""
    if numbers is None:
        return imputed(place, score)
    walk, order = torch.arange(len(numbers), device=numbers.device)[:, None], torch.argsort(numbers, dim=1, stable=True)
    place, score = imputed(place[walk, order], score[walk, order])
    back = order.argsort(1)
    return place[walk, back], score[walk, back]


def imputed(place: Tensor, score: Tensor) -> tuple[Tensor, Tensor]:
    """Places `[n, t, 17, 2]` and scores `[n, t, 17]` where frames that lack a joint (score 0) have the mean of the nearest frame before
    and the nearest after that have it. Frames without any joint stay so, as do joints that a clip never shows."""
    frames = score.shape[1]
    number = torch.arange(frames, device=score.device)[:, None]
    seen = score > 0
    before = torch.where(seen, number, -1).cummax(1).values
    after = torch.where(seen, number, frames).flip(1).cummin(1).values.flip(1)
    before, after = torch.where(before < 0, after, before), torch.where(after == frames, before, after)
    before, after = (index.clamp(0, frames - 1) for index in (before, after))
    after = torch.where(seen.any(-1, keepdim=True), after, number)
    before = torch.where(seen.any(-1, keepdim=True), before, number)
    score = (score.gather(1, before) + score.gather(1, after)) / 2
    before, after = (index.unsqueeze(-1).expand_as(place) for index in (before, after))
    return (place.gather(1, before) + place.gather(1, after)) / 2, score


def _nearest_joint(column: Tensor, row: Tensor, place: Tensor, faint: Tensor) -> Tensor:
    """Least squared distance, plus `faint [f, 17]`, of the pixels `[f, h, w]` at `column [f, w]` and `row [f, h]` to a joint of
    `place [f, 17, 2]`."""
    dx, dy = column[:, None] - place[..., :1], row[:, None] - place[..., 1:]
    across, down = (dx * dx + faint.unsqueeze(-1)).unsqueeze(2), (dy * dy).unsqueeze(3)
    best = across[:, 0] + down[:, 0]
    here = torch.empty_like(best)
    for j in range(1, place.shape[1]):
        torch.minimum(best, torch.add(across[:, j], down[:, j], out=here), out=best)
    return best


def _nearest_limb(column: Tensor, row: Tensor, first: Tensor, second: Tensor, faint: Tensor) -> Tensor:
    """The same to a limb, the segment between the places `first` and `second [f, 17, 2]`.

    With p a pixel and d the vector from end a to end b, s = (p - a) . d / d^2 and q = s cut to 0..1, the squared distance is
    (p - a)^2 + d^2 q (q - 2 s); all but q is a sum of a row's and a column's term.
    """
    d = second - first
    length = (d[..., 0] * d[..., 0] + d[..., 1] * d[..., 1]).clamp(min=1e-9)[..., None, None]
    dx, dy = (column[:, None] - first[..., :1]).unsqueeze(2), (row[:, None] - first[..., 1:]).unsqueeze(3)
    along_x, along_y = dx * (d[..., 0, None, None] / length), dy * (d[..., 1, None, None] / length)
    across, down = dx * dx + faint[..., None, None], dy * dy
    best = torch.full((len(row), row.shape[1], column.shape[1]), torch.inf, device=row.device)
    s, q = torch.empty_like(best), torch.empty_like(best)
    for i in range(first.shape[1]):
        torch.clamp(torch.add(along_x[:, i], along_y[:, i], out=s), 0, 1, out=q)
        torch.sub(q, s, alpha=2, out=s).mul_(q).mul_(length[:, i])
        torch.minimum(best, s.add_(torch.add(across[:, i], down[:, i], out=q)), out=best)
    return best


_STEPS = 650
"""Table entries per unit of squared distance; a value is off by at most 255 / 650 / 2."""
_TABLE = np.rint(255 * np.exp(-np.arange(4096) / _STEPS)).astype(np.uint8)


def _bright(distance: Tensor) -> Tensor:
    """round(255 exp(-distance)), uint8; `distance` is used up."""
    index = distance.mul_(_STEPS).add_(0.5).clamp_(0, len(_TABLE) - 1)
    if distance.device.type == "cpu":
        return torch.from_numpy(_TABLE.take(index.numpy().astype(np.uint16)))
    return torch.from_numpy(_TABLE).to(distance.device)[index.long()]
