"""Transforms of silhouette clips: one parameter draw per clip, for all its frames; a batch at once, on its device.

Affine map and perspective act before the crop, then flip, rotation, erasing, part dilation and part blur after it, as in
OpenGait (Fan et al., CVPR 2023) and GaitSSB (Fan et al., T-PAMI 2023). The geometric ones compose to one homography per clip and
one bilinear resampling from the uncropped frame, so pixels are interpolated once and nothing is lost at the crop's edge.
"""

import math
from dataclasses import dataclass

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
    """Drawn parameters of n clips of cropped size `h w`; coordinates are pixel centres, (0, 0) the first pixel.

    warped: bool `[n]`. source: float64 `[n, 3, 3]`, position (x, y, 1) in the cropped frame -> position in the uncropped one,
    flip included. flip: bool `[n]`, of the clips that are not warped. erased, dilated, blurred: bool `[n]`.
    u: float64 `[n, 28]` in [0, 1), what everything is made of.
    """

    h: int
    w: int
    warped: np.ndarray
    source: np.ndarray
    flip: np.ndarray
    erased: np.ndarray
    dilated: np.ndarray
    blurred: np.ndarray
    u: np.ndarray

    def of(self, part: slice | np.ndarray) -> "Transforms":
        """Those of some of the clips."""
        happens = (self.erased[part], self.dilated[part], self.blurred[part])
        return Transforms(self.h, self.w, self.warped[part], self.source[part], self.flip[part], *happens, self.u[part])

    def box(self, i: int) -> tuple[slice, slice]:
        """Rows and columns that are erased from clip i."""
        area, aspect, y, x = self.u[i, 18:22]
        area = (AREA[0] + area * (AREA[1] - AREA[0])) * self.h * self.w
        aspect = ASPECT[0] + aspect * (ASPECT[1] - ASPECT[0])
        tall = min(max(round(math.sqrt(area * aspect)), 1), self.h)
        wide = min(max(round(math.sqrt(area / aspect)), 1), self.w)
        top, left = int(y * (self.h - tall + 1)), int(x * (self.w - wide + 1))
        return slice(top, top + tall), slice(left, left + wide)

    def kernel(self, i: int) -> np.ndarray:
        """Structuring element of clip i's dilation."""
        return KERNELS[int(self.u[i, 22] * len(KERNELS))]

    def dilated_rows(self, i: int) -> slice:
        """Band of rows in which clip i is dilated."""
        return self._band(*self.u[i, 23:25])

    def blurred_rows(self, i: int) -> slice:
        """Band of rows in which clip i is blurred."""
        return self._band(*self.u[i, 25:27])

    def _band(self, top: float, bottom: float) -> slice:
        return slice(round((TOP[0] + top * (TOP[1] - TOP[0])) * self.h), round((BOTTOM[0] + bottom * (BOTTOM[1] - BOTTOM[0])) * self.h))


def draw(n: int, augment: Augment, size: tuple[int, int], width: int | None, rng: np.random.Generator) -> Transforms:
    """Parameters for n clips of frames `size` (h, w) cropped to `width`."""
    h, w = size
    crop = columns(w, width)
    kept = crop.stop - crop.start
    u = rng.random((n, 28))
    happens = dict(zip(vars(augment), (u[:, :7] < np.array(list(vars(augment).values()))).T, strict=True))
    warped = happens["affine"] | happens["perspective"] | happens["rotate"]
    source = np.zeros((n, 3, 3))
    todo = np.flatnonzero(warped)
    if len(todo):
        moves = u[todo, 7:17] * CORNER
        degrees = np.where(happens["rotate"][todo], (2 * u[todo, 17] - 1) * MAX_DEGREES, 0.0)
        perspective = _perspective(moves[:, :4] * happens["perspective"][todo, None], h, w)
        affine = _affine(moves[:, 4:] * happens["affine"][todo, None], h, w)
        source[todo] = affine @ perspective @ _uncrop(happens["flip"][todo], crop, w) @ _rotation(degrees, h, kept)
    flip = happens["flip"] & ~warped
    return Transforms(h, kept, warped, source, flip, happens["erase"], happens["dilate"], happens["blur"], u)


# -- maps from an output position to where its pixel comes from --------------------------------------------------------


def _perspective(moves: np.ndarray, h: int, w: int) -> np.ndarray:
    """The trapezoid whose corners lie `moves * w` (top left, top right, bottom left, bottom right) further in fills the frame."""
    a, b, c, d = (moves * w).T
    scale = (w - a - b) / (w - c - d)  # of the bottom edge; 1 at the top
    out = np.zeros((len(moves), 3, 3))
    out[:, 0] = np.stack([(w - a - b) / w, (c * scale - a) / h, a], 1)
    out[:, 1, 1] = scale
    out[:, 2, 1] = (scale - 1) / h
    out[:, 2, 2] = 1
    return out


def _affine(moves: np.ndarray, h: int, w: int) -> np.ndarray:
    """Three corners (top left, top right, bottom left), each moved in by `moves` (shares of a side, x y x y x y), fill the frame."""
    x, y = moves[:, 0::2] * w, moves[:, 1::2] * h
    out = np.zeros((len(moves), 3, 3))
    out[:, 0] = np.stack([(w - x[:, 1] - x[:, 0]) / w, (x[:, 2] - x[:, 0]) / h, x[:, 0]], 1)
    out[:, 1] = np.stack([(y[:, 1] - y[:, 0]) / w, (h - y[:, 2] - y[:, 0]) / h, y[:, 0]], 1)
    out[:, 2, 2] = 1
    return out


def _rotation(degrees: np.ndarray, h: int, w: int) -> np.ndarray:
    """Counter-clockwise on the screen, about the true centre of the frame."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    x, y = (w - 1) / 2, (h - 1) / 2
    out = np.zeros((len(degrees), 3, 3))
    out[:, 0] = np.stack([cos, -sin, x - cos * x + sin * y], 1)
    out[:, 1] = np.stack([sin, cos, y - sin * x - cos * y], 1)
    out[:, 2, 2] = 1
    return out


def _uncrop(flip: np.ndarray, crop: slice, w: int) -> np.ndarray:
    """Position in the cropped frame, flipped or not, -> position in the uncropped one."""
    out = np.zeros((len(flip), 3, 3))
    out[:, 0, 0] = np.where(flip, -1, 1)
    out[:, 0, 2] = np.where(flip, crop.stop - 1, crop.start)
    out[:, 1, 1] = out[:, 2, 2] = 1
    return out


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
    horizontal, vertical = (left + 1 - x, x - left), (top + 1 - y, y - top)
    first = (top * (w + 2) + left).to(torch.int32)
    index = torch.empty(m, h * width, 4, dtype=torch.int32, device=device)
    weight = torch.empty(m, h * width, 4, device=device)
    for corner, (dy, dx) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        torch.add(first, dy * (w + 2) + dx, out=index[..., corner])
        torch.mul(vertical[dy], horizontal[dx], out=weight[..., corner])
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
    for i in np.flatnonzero(transforms.flip).tolist():
        clips[i] = clips[i].flip(-1)
    for i in np.flatnonzero(transforms.erased).tolist():
        rows, columns = transforms.box(i)
        clips[i, ..., rows, columns] = 0
    for i in np.flatnonzero(transforms.dilated).tolist():
        band = clips[i, ..., transforms.dilated_rows(i), :]
        band.copy_(_dilate(band, transforms.kernel(i)))
    for i in np.flatnonzero(transforms.blurred).tolist():
        band = clips[i, ..., transforms.blurred_rows(i), :]
        band.copy_(_blur(band))


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
