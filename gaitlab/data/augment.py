"""Transforms of silhouette clips: one parameter draw per clip, for all its frames; a batch at once, on its device.

Affine map and perspective act before the crop, then flip, rotation, erasing, part dilation and part blur after it, as in
OpenGait (Fan et al., CVPR 2023) and GaitSSB (Fan et al., T-PAMI 2023). The geometric ones compose to one homography per clip and
one bilinear resampling from the uncropped frame, so pixels are interpolated once and nothing is lost at the crop's edge.
"""

from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gaitlab.data.unpack import columns
from gaitlab.types import Augment

MAX_DEGREES = 10.0
CORNER = 10 / 64
"""Corners move inwards by up to this share of a side."""
AREA, ASPECT = (0.05, 0.20), (0.3, 3.3)
"""Erased share of the frame, and height : width of the erased box."""
TOP, BOTTOM = (9 / 64, 20 / 64), (39 / 64, 50 / 64)
"""Edges of the band of rows that part dilation and part blur work in, in frame heights."""


def _ellipse(h: int, w: int) -> np.ndarray:
    y = np.arange(h)[:, None] - h // 2
    reach = np.rint(w // 2 * np.sqrt(1 - (y / (h // 2)) ** 2))
    return abs(np.arange(w) - w // 2) <= reach


def _cross(h: int, w: int) -> np.ndarray:
    return (np.arange(h)[:, None] == h // 2) | (np.arange(w) == w // 2)


KERNELS: tuple[np.ndarray, ...] = (
    *(np.ones(size, bool) for size in ((5, 3), (5, 5), (3, 5))),
    *(shape(*size) for shape in (_cross, _ellipse) for size in ((3, 3), (3, 5), (5, 3))),
)
"""Structuring elements of part dilation: rectangles, crosses, ellipses."""


@dataclass(frozen=True)
class Transforms:
    """Drawn parameters of n clips; coordinates are pixel centres, (0, 0) the first pixel.

    warped: bool `[n]`. source: float64 `[n, 3, 3]`, position (x, y, 1) in the cropped frame -> position in the uncropped one,
    flip included. flip: bool `[n]`, of the clips that are not warped. erased, dilated, blurred: bool `[n]`.
    box: int64 `[n, 4]`, top bottom left right. kernel: int64 `[n]`, number of a structuring element.
    band: int64 `[n, 2, 2]`, top and bottom row of dilation and of blur (both within the frame, bottom excluded).
    """

    warped: np.ndarray
    source: np.ndarray
    flip: np.ndarray
    erased: np.ndarray
    box: np.ndarray
    dilated: np.ndarray
    kernel: np.ndarray
    blurred: np.ndarray
    band: np.ndarray

    def of(self, part: slice | np.ndarray) -> "Transforms":
        """Those of some of the clips."""
        return Transforms(*(getattr(self, field.name)[part] for field in fields(self)))


def draw(n: int, augment: Augment, size: tuple[int, int], width: int | None, rng: np.random.Generator) -> Transforms:
    """Parameters for n clips of frames `size` (h, w) cropped to `width`."""
    h, w = size
    crop = columns(w, width)
    kept = crop.stop - crop.start
    u = rng.random((n, 28))
    happens = dict(zip(vars(augment), (u[:, :7] < np.array(list(vars(augment).values()))).T, strict=True))
    warped = happens["affine"] | happens["perspective"] | happens["rotate"]
    source = np.broadcast_to(np.eye(3), (n, 3, 3)).copy()
    todo = np.flatnonzero(warped)
    if len(todo):
        moves = u[todo, 7:17] * CORNER
        affine = np.where(happens["affine"][todo, None, None], _affine(moves[:, 4:], h, w), np.eye(3))
        perspective = np.where(happens["perspective"][todo, None, None], _perspective(moves[:, :4], h, w), np.eye(3))
        degrees = np.where(happens["rotate"][todo], (2 * u[todo, 17] - 1) * MAX_DEGREES, 0.0)
        after = _flip(happens["flip"][todo], kept) @ _rotation(degrees, h, kept)
        source[todo] = affine @ perspective @ _shift(crop.start) @ after
    area = (AREA[0] + u[:, 18] * (AREA[1] - AREA[0])) * h * kept
    aspect = ASPECT[0] + u[:, 19] * (ASPECT[1] - ASPECT[0])
    tall = np.clip(np.rint(np.sqrt(area * aspect)), 1, h).astype(np.int64)
    wide = np.clip(np.rint(np.sqrt(area / aspect)), 1, kept).astype(np.int64)
    top, left = (u[:, 20] * (h - tall + 1)).astype(np.int64), (u[:, 21] * (kept - wide + 1)).astype(np.int64)
    edges = np.stack([TOP[0] + u[:, [22, 24]] * (TOP[1] - TOP[0]), BOTTOM[0] + u[:, [23, 25]] * (BOTTOM[1] - BOTTOM[0])], -1)
    return Transforms(
        warped=warped,
        source=source,
        flip=happens["flip"] & ~warped,
        erased=happens["erase"],
        box=np.stack([top, top + tall, left, left + wide], 1),
        dilated=happens["dilate"],
        kernel=(u[:, 26] * len(KERNELS)).astype(np.int64),
        blurred=happens["blur"],
        band=np.rint(edges * h).astype(np.int64),
    )


# -- maps from an output position to where its pixel comes from --------------------------------------------------------


def _perspective(moves: np.ndarray, h: int, w: int) -> np.ndarray:
    """The quadrilateral whose corners lie `moves * w` (top left, top right, bottom left, bottom right) inside fills the frame."""
    a, b, c, d = (moves * w).T
    one, zero = np.ones_like(a), np.zeros_like(a)
    # x of (0,0), (w,0), (0,h), (w,h) -> a, w-b, c, w-d while y stays: a trapezoid, whose homography is x' = .../g, y' = y s/g.
    ratio = (w - c - d) / (w - a - b)
    g = (1 / ratio - 1) / h
    return np.stack(
        [
            np.stack([(w - b - a) / w, (c / ratio - a) / h, a], 1),
            np.stack([zero, 1 / ratio, zero], 1),
            np.stack([zero, g, one], 1),
        ],
        1,
    )


def _affine(moves: np.ndarray, h: int, w: int) -> np.ndarray:
    """Three corners (top left, top right, bottom left), each moved inwards by `moves` (x, y shares of a side), fill the frame."""
    x, y = moves[:, 0::2] * w, moves[:, 1::2] * h
    zero, one = np.zeros(len(moves)), np.ones(len(moves))
    return np.stack(
        [
            np.stack([(w - x[:, 1] - x[:, 0]) / w, (x[:, 2] - x[:, 0]) / h, x[:, 0]], 1),
            np.stack([(y[:, 1] - y[:, 0]) / w, (h - y[:, 2] - y[:, 0]) / h, y[:, 0]], 1),
            np.stack([zero, zero, one], 1),
        ],
        1,
    )


def _rotation(degrees: np.ndarray, h: int, w: int) -> np.ndarray:
    """Counter-clockwise on the screen, about the true centre of the frame."""
    angle = np.deg2rad(degrees)
    cos, sin, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    x, y = (w - 1) / 2, (h - 1) / 2
    rows = (cos, -sin, x - cos * x + sin * y), (sin, cos, y - sin * x - cos * y), (zero, zero, one)
    return np.stack([np.stack(row, 1) for row in rows], 1)


def _flip(flip: np.ndarray, w: int) -> np.ndarray:
    out = np.broadcast_to(np.eye(3), (len(flip), 3, 3)).copy()
    out[flip, 0] = (-1, 0, w - 1)
    return out


def _shift(x: int) -> np.ndarray:
    return np.array([[1.0, 0, x], [0, 1, 0], [0, 0, 1]])


# -- pixels ------------------------------------------------------------------------------------------------------------


def warp(frames: Tensor, source: np.ndarray, out: Tensor, which: np.ndarray) -> None:
    """Frames uint8 `[m, t, c, h, w]` resampled bilinearly into `out[which]`, uint8 `[n, t, c, h, width]`; outside of a frame is 0.

    All frames of a clip share every pixel's four neighbours and their weights: with pixels as rows and frames as columns of a
    table, an output row is a weighted sum of four table rows.
    """
    m, t, c, h, w = frames.shape
    width, device = out.shape[-1], frames.device
    row = torch.arange(h, dtype=torch.float32, device=device).repeat_interleave(width)
    column = torch.arange(width, dtype=torch.float32, device=device).repeat(h)
    matrix = torch.from_numpy(source.astype(np.float32)).to(device)[..., None]
    # Not a matrix product: its rounding may depend on the number of clips, that is on the number of workers.
    x, y, scale = (matrix[:, i, 0] * column + matrix[:, i, 1] * row + matrix[:, i, 2] for i in range(3))
    # The table has a margin of one zero pixel on every side; a place further outside falls onto the margin.
    x = (x / scale).clamp_(-1, w - 1e-4).add_(1)
    y = (y / scale).clamp_(-1, h - 1e-4).add_(1)
    left, top = x.floor(), y.floor()
    x -= left
    y -= top
    first = (top * (w + 2) + left).to(torch.int32)
    index = torch.empty(m, h * width, 4, dtype=torch.int32, device=device)
    weight = torch.empty(m, h * width, 4, device=device)
    for corner, (dy, dx) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        torch.add(first, dy * (w + 2) + dx, out=index[..., corner])
        torch.mul(y if dy else 1 - y, x if dx else 1 - x, out=weight[..., corner])
    table = torch.zeros(h + 2, w + 2, t * c, device=device)
    for i in range(m):  # one by one, the table stays in the cache
        table[1:-1, 1:-1] = _transposed(frames[i].view(t * c, h * w)).view(h, w, t * c)
        pixels = F.embedding_bag(index[i], table.view(-1, t * c), per_sample_weights=weight[i], mode="sum")
        out[which[i]].view(t * c, h * width).copy_(_transposed(_rounded(pixels)))


def _rounded(x: Tensor) -> Tensor:
    """Non-negative float32 to uint8, half up."""
    x.add_(0.5)
    return x.to(torch.uint8) if x.device.type != "cpu" else torch.from_numpy(x.numpy().astype(np.uint8))  # 4 x torch's speed


def _transposed(x: Tensor) -> Tensor:
    """uint8 `[a, b]` -> contiguous `[b, a]`."""
    return x.t().contiguous() if x.device.type != "cpu" else torch.from_numpy(cv2.transpose(x.numpy()))  # 8 x torch's speed


def finish(clips: Tensor, transforms: Transforms) -> None:
    """Everything but the homography, in place on uint8 `[n, t, c, h, w]`."""
    for i in np.flatnonzero(transforms.flip):
        clips[i] = clips[i].flip(-1)
    for i in np.flatnonzero(transforms.erased):
        top, bottom, left, right = transforms.box[i]
        clips[i, ..., top:bottom, left:right] = 0
    for i in np.flatnonzero(transforms.dilated):
        top, bottom = transforms.band[i, 0]
        clips[i, ..., top:bottom, :] = _dilate(clips[i, ..., top:bottom, :], KERNELS[transforms.kernel[i]])
    for i in np.flatnonzero(transforms.blurred):
        top, bottom = transforms.band[i, 1]
        clips[i, ..., top:bottom, :] = _blur(clips[i, ..., top:bottom, :])


def _dilate(x: Tensor, kernel: np.ndarray) -> Tensor:
    """Maximum over the structuring element, of uint8 `[..., h, w]`."""
    h, w = x.shape[-2:]
    padded = F.pad(x, (kernel.shape[1] // 2, kernel.shape[1] // 2, kernel.shape[0] // 2, kernel.shape[0] // 2))
    out = x.clone()
    for dy, dx in np.argwhere(kernel):
        torch.maximum(out, padded[..., dy : dy + h, dx : dx + w], out=out)
    return out


def _blur(x: Tensor) -> Tensor:
    """3 x 3 binomial filter (mirrored at the edges), binarised again at 0.2, of uint8 `[t, c, h, w]`."""
    line = torch.tensor([0.25, 0.5, 0.25], device=x.device)
    padded = F.pad(x.flatten(0, 1).unsqueeze(1).float(), (1, 1, 1, 1), mode="reflect")
    smooth = F.conv2d(padded, (line[:, None] * line)[None, None])
    return (smooth > 0.2 * 255).view(x.shape).to(torch.uint8) * 255
