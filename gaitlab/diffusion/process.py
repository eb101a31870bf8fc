"""The Gaussian noise process (Ho et al., "Denoising Diffusion Probabilistic Models", NeurIPS 2020). It knows neither schedule nor network.

alpha_bar, float `[steps + 1]`, is how much of the signal's power is left at each level t (`schedules`); levels are int64 `n`.
"""

from typing import Literal

import torch
from torch import Tensor

Target = Literal["noise", "clean", "velocity"]
"""What a network predicts: epsilon, x0, or v = sqrt(a) epsilon - sqrt(1 - a) x0 (Salimans & Ho, ICLR 2022)."""


def q_sample(x0: Tensor, t: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """x_t of the clean `x0` `n ...` at level `t`: sqrt(a_t) x0 + sqrt(1 - a_t) noise."""
    signal, spread = _shares(x0, t, alpha_bar)
    return signal * x0 + spread * noise


def target_of(kind: Target, x0: Tensor, t: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """What a network that predicts `kind` should answer, `n ...`."""
    if kind == "noise":
        return noise
    if kind == "clean":
        return x0
    signal, spread = _shares(x0, t, alpha_bar)
    return signal * noise - spread * x0


def parts_of(kind: Target, predicted: Tensor, xt: Tensor, t: Tensor, alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
    """Clean signal and noise that a prediction of `kind` for `xt` comes to, both `n ...`; together they make `xt`."""
    signal, spread = _shares(xt, t, alpha_bar)
    if kind == "noise":
        return (xt - spread * predicted) / signal, predicted
    if kind == "clean":
        return predicted, (xt - signal * predicted) / spread
    return signal * xt - spread * predicted, spread * xt + signal * predicted


def without_condition(condition: Tensor, null: Tensor, drawn: Tensor, share: float) -> Tensor:
    """Conditions `n c`, of which `share` is replaced by `null` `c`: those whose uniform number `drawn` `n` falls below it.

    What guidance needs (Ho & Salimans, "Classifier-Free Diffusion Guidance", 2022).
    """
    return torch.where((drawn < share).view(-1, 1), null.to(condition.dtype), condition)


def _shares(like: Tensor, t: Tensor, alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
    """Factors of signal and noise at each level, `n 1 ...`."""
    left = alpha_bar.to(like.device)[t].view(-1, *[1] * (like.dim() - 1))
    return left.sqrt().to(like.dtype), (1 - left).sqrt().to(like.dtype)
