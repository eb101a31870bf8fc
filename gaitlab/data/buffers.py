"""Memory of batches that are no longer used, used again: fresh pages cost the kernel more than their pixels cost us."""

import sys
import threading
from math import prod

import numpy as np
import torch
from torch import Tensor


class Buffers:
    """Hands out uninitialised CPU tensors; their memory comes back by itself once no tensor, array or view refers to it."""

    def __init__(self, keep: int = 24) -> None:
        self._keep, self._arrays, self._lock = keep, list[np.ndarray](), threading.Lock()

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """A tensor that shares memory with no living one."""
        count = prod(shape) * dtype.itemsize
        with self._lock:
            for i in range(len(self._arrays)):
                # 2 references: the list's and getrefcount's own argument.
                if count <= self._arrays[i].nbytes <= 2 * count and sys.getrefcount(self._arrays[i]) <= 2:
                    return _view(self._arrays[i], count, shape, dtype)
            array = np.empty(count, np.uint8)
            self._arrays = [*self._arrays[-self._keep + 1 :], array]
            return _view(array, count, shape, dtype)


def _view(array: np.ndarray, count: int, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(array[:count]).view(dtype).view(shape)
