"""Frames of a walk <-> the bytes of one cell of a shard, without loss.

Pixels are written column by column (`t c w h`): people stand upright, so runs are long and the shard's zstd finds them. Binary
frames take one bit per pixel. Plain numpy reads them; `data`, `t` and `(c, h, w)` are the columns m, m_frames and m_shape:

    pixels = np.frombuffer(data, np.uint8)                                                              # m_coding "bytes"
    pixels = 255 * np.unpackbits(pixels.reshape(t, -1), axis=1, count=c * h * w)                        # m_coding "bits"
    frames = pixels.reshape(t, c, w, h).swapaxes(2, 3)                                                  # uint8 t c h w
"""

import numpy as np

Shape = tuple[int, int, int]
"""(c, h, w) of a frame."""


def is_binary(frames: np.ndarray) -> bool:
    """True iff every value is 0 or 255."""
    return not ((frames + np.uint8(1)) > 1).any()


def row_bytes(shape: Shape, packed: bool) -> int:
    """Bytes of one frame: one bit per pixel, rounded up, when packed, else one byte."""
    pixels = shape[0] * shape[1] * shape[2]
    return (pixels + 7) // 8 if packed else pixels


def encode(frames: np.ndarray) -> tuple[bytes, str]:
    """uint8 `[t, c, h, w]` -> (bytes, coding)."""
    columns = np.ascontiguousarray(frames.swapaxes(2, 3)).reshape(len(frames), -1)
    if is_binary(frames):
        return np.packbits(columns, axis=1).tobytes(), "bits"
    return columns.tobytes(), "bytes"


def decode(data: bytes, coding: str, frames: int, shape: Shape) -> np.ndarray:
    """uint8 `[t, c, h, w]`."""
    c, h, w = shape
    if coding not in ("bits", "bytes"):
        raise ValueError(f"unknown coding {coding!r}; this gaitlab reads bits and bytes")
    pixels = np.frombuffer(data, np.uint8)
    if pixels.size != frames * row_bytes(shape, coding == "bits"):
        raise ValueError(f"{pixels.size} bytes are not {frames} frames of {c}x{h}x{w} in {coding}")
    if coding == "bits":
        pixels = np.unpackbits(pixels.reshape(frames, -1), axis=1, count=c * h * w) * np.uint8(255)
    return pixels.reshape(frames, c, w, h).swapaxes(2, 3)


def decode_rows(data: bytes, coding: str, frames: int, shape: Shape, packed: bool) -> np.ndarray:
    """The frames as rows of a frame map, uint8 `[t, bytes]`: `np.packbits` of the flattened `c h w` frame, or its pixels."""
    pixels = np.ascontiguousarray(decode(data, coding, frames, shape)).reshape(frames, -1)
    return np.packbits(pixels, axis=1) if packed else pixels
