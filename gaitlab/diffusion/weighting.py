"""How much the loss of each noise level counts. Weights are of the squared error of the noise; of other targets they are converted.

Of the same prediction the squared errors of noise, clean signal and velocity differ by a factor that depends on the level alone.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor

from gaitlab.diffusion.process import Target

Weighting = Literal["uniform", "min-snr", "mnp"]
GAMMA = 5.0


def snr(alpha_bar: Tensor) -> Tensor:
    """Signal-to-noise ratio of each level of a schedule; infinite where there is no noise."""
    return alpha_bar / (1 - alpha_bar)


def uniform(ratio: Tensor) -> Tensor:
    return torch.ones_like(ratio)


def min_snr(ratio: Tensor) -> Tensor:
    """min(SNR, gamma) / SNR: low noise counts less (Hang et al., "Efficient Diffusion Training via Min-SNR Weighting", ICCV 2023)."""
    return (GAMMA / ratio).clamp(max=1)


def mnp(ratio: Tensor) -> Tensor:
    """min(1, gamma / SNR, gamma SNR): so does high noise. Only its intent is published ("Diffusion Pretraining for Gait Recognition in the
    Wild", ICLR 2025 submission); the formula is our default, symmetric in log SNR."""
    return torch.minimum(GAMMA / ratio, GAMMA * ratio).clamp(max=1)


WEIGHTINGS: Mapping[Weighting, Callable[[Tensor], Tensor]] = {"uniform": uniform, "min-snr": min_snr, "mnp": mnp}


def weights(kind: Weighting, alpha_bar: Tensor, target: Target = "noise") -> Tensor:
    """float64 `[steps + 1]`, what the squared error of `target` counts at each level; 0 at level 0, which is never drawn."""
    ratio = snr(alpha_bar[1:])
    of_target = {"noise": torch.ones_like(ratio), "clean": ratio, "velocity": ratio / (1 + ratio)}[target]
    return torch.cat([torch.zeros_like(alpha_bar[:1]), WEIGHTINGS[kind](ratio) * of_target])
