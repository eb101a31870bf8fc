"""Noise schedules: how much of a signal's power is left after so many steps. They know neither process nor network."""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor

Schedule = Literal["linear", "cosine", "inverted-cosine"]
OFFSET = 0.008
MOST = 0.999
"""No step takes more of the power."""


def linear(steps: int) -> Tensor:
    """float64 `[steps + 1]`, 1 at 0: of 1,000 steps the first takes 1e-4 of the power, the last 0.02 (Ho et al., DDPM, NeurIPS 2020).

    Of fewer steps each takes as much more.
    """
    of = 1000 / _checked(steps)
    return _after((torch.linspace(1e-4, 0.02, steps, dtype=torch.float64) * of).clamp(max=MOST))


def cosine(steps: int) -> Tensor:
    """float64 `[steps + 1]`, 1 at 0: cos^2 of a quarter turn (Nichol & Dhariwal, "Improved DDPM", ICML 2021, eq. 17)."""
    u = torch.arange(_checked(steps) + 1, dtype=torch.float64) / steps
    return _along(torch.cos((u + OFFSET) / (1 + OFFSET) * math.pi / 2).square())


def inverted_cosine(steps: int) -> Tensor:
    """float64 `[steps + 1]`, 1 at 0: the cosine's inverse function, which lingers between clean and lost (Hudson et al., SODA, CVPR 2024).

    94.7 % of 1,000 steps leave between a tenth and nine tenths of the power; of the cosine's, 59.5 %.
    """
    u = torch.arange(_checked(steps) + 1, dtype=torch.float64) / steps
    return _along(2 * (1 + OFFSET) / math.pi * torch.arccos(u.sqrt()) - OFFSET)


SCHEDULES: Mapping[Schedule, Callable[[int], Tensor]] = {"linear": linear, "cosine": cosine, "inverted-cosine": inverted_cosine}


def _along(curve: Tensor) -> Tensor:
    """The schedule that falls as the curve does."""
    return _after((1 - curve[1:] / curve[:-1]).clamp(max=MOST))


def _after(beta: Tensor) -> Tensor:
    """What is left after steps that take `beta` each."""
    return torch.cat([torch.ones(1, dtype=torch.float64), (1 - beta).cumprod(0)])


def _checked(steps: int) -> int:
    if steps < 1:
        raise ValueError(f"a noise process has at least one step; not {steps}")
    return steps
