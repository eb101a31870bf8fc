"""Modalities whose frames are vectors of numbers (`types.VECTORS`): float32, kept in shards as the bytes of "pixels" without loss."""

import numpy as np
import torch
from torch import Tensor

BYTES = 4
"""Of a number: little-endian float32."""


def pack(vectors: np.ndarray) -> np.ndarray:
    """Finite numbers `[t, d]` -> uint8 `[t, d, 1, 4]`. ValueError for anything else."""
    if vectors.ndim != 2 or not np.issubdtype(vectors.dtype, np.floating) or not np.isfinite(vectors).all():
        raise ValueError(f"{vectors.dtype} of shape {vectors.shape} is not [frames, numbers] of finite numbers")
    return np.ascontiguousarray(vectors, "<f4").view(np.uint8).reshape(*vectors.shape, 1, BYTES)


def unpack(packed: Tensor) -> Tensor:
    """uint8 `[..., d, 1, 4]` -> float32 `[..., d]`."""
    return packed.contiguous().view(torch.float32).flatten(-3)
