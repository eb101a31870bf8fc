"""The Gaussian noise process (Ho et al., "Denoising Diffusion Probabilistic Models", NeurIPS 2020). It knows nothing of a network."""

import math

import torch
from torch import Tensor


def cosine_alpha_bar(steps: int, offset: float = 0.008) -> Tensor:
    """float64 `[steps + 1]`, how much of the signal's power is left after t = 0..steps steps: 1 at 0, falling to nearly 0.

    Nichol & Dhariwal, "Improved DDPM", ICML 2021, eq. 17: cos^2 of a quarter turn, no single step losing more than 0.999.
    """
    if steps < 1:
        raise ValueError(f"a noise process has at least one step; not {steps}")
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    curve = torch.cos((t + offset) / (1 + offset) * math.pi / 2).square()
    beta = (1 - curve[1:] / curve[:-1]).clamp(max=0.999)
    return torch.cat([torch.ones(1, dtype=torch.float64), (1 - beta).cumprod(0)])


def q_sample(x0: Tensor, t: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """x_t of the clean `x0` `n ...` after `t` int64 `n` steps: sqrt(a_t) x0 + sqrt(1 - a_t) noise, with a = `alpha_bar` `[steps + 1]`."""
    left = alpha_bar.to(x0.device)[t].view(-1, *[1] * (x0.dim() - 1))
    return left.sqrt().to(x0.dtype) * x0 + (1 - left).sqrt().to(x0.dtype) * noise
