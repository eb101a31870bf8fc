"""Randomness of a method: every number is a function of (seed, step, its name, the walk's place in the global batch).

So a batch that is divided among workers, or computed in parts, draws what one process draws for all of it, and a resumed run what
the run that was never stopped would have drawn.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class Rng:
    """Random numbers of one step for `n` walks. A draw has a name; two draws of one name are the same numbers.

    places: of these walks in the global batch. Numbers are equal on all machines but for `normal`, where it is the device's generator.
    """

    def __init__(self, seed: int, step: int, places: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.seed, self.step, self.device = seed, step, torch.device(device)
        self._places = np.asarray(places, np.int64)

    def __len__(self) -> int:
        return len(self._places)

    def part(self, start: int, stop: int) -> "Rng":
        """For the walks start..stop-1 of these."""
        return Rng(self.seed, self.step, self._places[start:stop], self.device)  # type: ignore[arg-type]

    def uniform(self, name: str, *shape: int) -> Tensor:
        """float32 `n ...` in [0, 1)."""
        return self._placed(self._numpy(name).random((self._reach, *shape), np.float32))

    def integers(self, name: str, low: int, high: int, *shape: int) -> Tensor:
        """int64 `n ...`, low to high, both included."""
        drawn = self._numpy(name).random((self._reach, *shape))
        return self._placed(low + (drawn * (high - low + 1)).astype(np.int64))

    def normal(self, name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Standard normal `n ...`; each walk by a generator of its own, so that a rank draws its share only."""
        out = torch.empty(len(self), *shape, dtype=dtype, device=self.device)
        generator = torch.Generator(self.device)
        words = self._numpy(name).integers(2**63, size=self._reach)[self._places]
        for walk, word in zip(out, words, strict=True):
            walk.normal_(generator=generator.manual_seed(int(word)))
        return out

    @property
    def _reach(self) -> int:
        """Places up to the last of these walks."""
        return int(self._places.max(initial=-1)) + 1

    def _numpy(self, name: str) -> np.random.Generator:
        """Gives the places' numbers one after the other."""
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, self.step, zlib.crc32(name.encode())])))

    def _placed(self, drawn: np.ndarray) -> Tensor:
        return torch.from_numpy(drawn[self._places]).to(self.device)
