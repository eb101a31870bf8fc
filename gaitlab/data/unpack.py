"""Stored frames to pixels, centre-cropped: bits `[..., bytes]` (np.packbits, first pixel = highest bit) become uint8 {0, 255}, joints
become skeleton maps, and bytes stay what they are."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from gaitlab.data import skeletons
from gaitlab.data.buffers import Buffers

_EIGHT = (np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1) * 255).view(np.float64).ravel()
"""The eight pixels of every byte, bit-cast to one 8-byte number: a look-up moves eight pixels at a time."""


@dataclass(frozen=True)
class Layout:
    """How the frames of a clip are stored. shape: (c, h, w). packed: one bit per pixel. drawn: they are joints, and a clip shows
    their maps."""

    shape: tuple[int, int, int]
    packed: bool
    drawn: bool = False

    def __post_init__(self) -> None:
        if self.drawn and self.shape != skeletons.PACKED:
            raise ValueError(f"skeleton maps are drawn from joints of {skeletons.PACKED} bytes a frame; here they are {self.shape}")

    @property
    def seen(self) -> tuple[int, int, int]:
        """(c, h, w) of a clip's frame before the crop."""
        return (2, skeletons.SIZE, skeletons.SIZE) if self.drawn else self.shape


def columns(width: int, kept: int | None) -> slice:
    """Columns that the centre crop from `width` to `kept` keeps: 10 on either side go from 64 to 44."""
    if kept is None:
        return slice(0, width)
    if kept > width:
        raise ValueError(f"a clip cannot keep {kept} of {width} columns: give width {width} or less, or None for all")
    return slice((width - kept) // 2, (width - kept) // 2 + kept)


def pixels(stored: Tensor, layout: Layout, width: int | None, buffers: Buffers, numbers: Tensor | None = None) -> Tensor:
    """Clips uint8 `[n, t, c, h, width]` of stored frames, uint8 `[n, t, bytes]` on any device; maps look at the frames' `numbers
    [n, t]` where those are not in order."""
    if not layout.drawn:
        return unpack(stored, layout.shape, layout.packed, width, buffers)
    joints = unpack(stored, layout.shape, layout.packed, None, buffers)
    return skeletons.maps(skeletons.unpack(joints), columns(skeletons.SIZE, width), numbers)


def unpack(stored: Tensor, shape: tuple[int, int, int], packed: bool, width: int | None, buffers: Buffers) -> Tensor:
    """Frames uint8 `[..., c, h, width]` of stored ones, uint8 `[..., bytes]` on any device; packed pixels become 0 and 255.

    shape: (c, h, w) as stored. On the CPU the result lies in one of `buffers`.
    """
    crop = columns(shape[2], width)
    if not packed:
        return stored.unflatten(-1, shape)[..., crop].contiguous()
    if stored.device.type == "cpu":
        return _unpack_cpu(stored, shape, crop, buffers)
    return unpack_by_shifts(stored, shape, crop)


def unpack_by_shifts(stored: Tensor, shape: tuple[int, int, int], crop: slice) -> Tensor:
    """How a GPU unpacks."""
    shift = torch.arange(7, -1, -1, dtype=torch.uint8, device=stored.device)
    pixels = (stored.unsqueeze(-1) >> shift & 1).flatten(-2)[..., : shape[0] * shape[1] * shape[2]]
    return pixels.unflatten(-1, shape)[..., crop] * 255


def _unpack_cpu(stored: Tensor, shape: tuple[int, int, int], crop: slice, buffers: Buffers) -> Tensor:
    """Rows of 64 pixels lose their margins while they are bits (eight times less to move); other widths as pixels."""
    bits, (c, h, w), kept = stored.contiguous().numpy(), shape, crop.stop - crop.start
    cut = w == 64 and 32 <= kept < 64 and kept % 4 == 0 and c * h % 2 == 0 and bits.size > 0
    if cut:
        bits = _crop_bits(bits, crop.start, kept)
    bits = bits.reshape(-1, bits.shape[-1])
    pixels = buffers.empty((len(bits), 8 * bits.shape[1]), torch.uint8)
    if len(bits):
        cv2.LUT(bits, _EIGHT, pixels.numpy().view(np.float64))
    if cut:
        return pixels.view(*stored.shape[:-1], c, h, kept)
    return pixels[:, : c * h * w].unflatten(-1, shape)[..., crop].contiguous().unflatten(0, stored.shape[:-1])


def _crop_bits(bits: np.ndarray, start: int, kept: int) -> np.ndarray:
    """Bits start..start+kept-1 of every 64-bit row, one row after the other: uint8 `[row pairs, kept / 4]`.

    Two rows make a record of whole bytes. The upper row is written to its beginning as 8 bytes, then the record's last 8 bytes,
    which hold the upper row's end and the lower row, go over what overlaps.
    """
    rows = np.ascontiguousarray(bits).view(np.uint64).reshape(-1, 2)
    pairs, size = len(rows), kept // 4
    upper, lower = rows[:, 0].byteswap(), rows[:, 1].byteswap()
    lower <<= np.uint64(start)
    lower >>= np.uint64(64 - kept)
    lower |= (upper >> np.uint64(64 - start - kept)) << np.uint64(kept)
    upper <<= np.uint64(start)
    out = np.empty(pairs * size, np.uint8)
    np.ndarray(pairs, np.uint64, out, 0, (size,))[:] = upper.byteswap(True)
    np.ndarray(pairs, np.uint64, out, size - 8, (size,))[:] = lower.byteswap(True)
    return out.reshape(pairs, size)
