"""Bit-packed frames to pixels: `[..., bytes]` (np.packbits, first pixel = highest bit) to uint8 {0, 255}, centre-cropped."""

import cv2
import numpy as np
import torch
from torch import Tensor

_EIGHT = (np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1) * 255).view(np.float64).ravel()
"""The eight pixels of every byte, bit-cast to one 8-byte number: a look-up moves eight pixels at a time."""


def columns(width: int, kept: int | None) -> slice:
    """Columns that the centre crop from `width` to `kept` keeps: 10 on either side go from 64 to 44."""
    if kept is None:
        return slice(0, width)
    if kept > width:
        raise ValueError(f"a clip cannot keep {kept} of {width} columns: give width {width} or less, or None for all")
    return slice((width - kept) // 2, (width - kept) // 2 + kept)


def unpack(bits: np.ndarray | Tensor, shape: tuple[int, int, int], width: int | None, device: torch.device) -> Tensor:
    """Frames uint8 `[..., c, h, width]` in {0, 255} on `device`, of packed frames `[..., bytes]` of `shape` c h w."""
    crop = columns(shape[2], width)
    if device.type == "cpu":
        return torch.from_numpy(_unpack_numpy(np.asarray(bits), shape, crop))
    if isinstance(bits, np.ndarray):
        bits = torch.from_numpy(bits).to(device, non_blocking=True)
    return _unpack_torch(bits, shape, crop)


def _unpack_torch(bits: Tensor, shape: tuple[int, int, int], crop: slice) -> Tensor:
    shift = torch.arange(7, -1, -1, dtype=torch.uint8, device=bits.device)
    pixels = (bits.unsqueeze(-1) >> shift & 1).flatten(-2)[..., : shape[0] * shape[1] * shape[2]]
    return pixels.unflatten(-1, shape)[..., crop] * 255


def _unpack_numpy(bits: np.ndarray, shape: tuple[int, int, int], crop: slice) -> np.ndarray:
    lead, (c, h, w), kept = bits.shape[:-1], shape, crop.stop - crop.start
    pixels = cv2.LUT(np.ascontiguousarray(bits.reshape(-1, bits.shape[-1])), _EIGHT).view(np.uint8)
    pixels = pixels[:, : c * h * w].reshape(*lead, c, h, w)
    return pixels if kept == w else np.ascontiguousarray(pixels[..., crop])
