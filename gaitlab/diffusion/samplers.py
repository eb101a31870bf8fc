"""From noise to samples: ancestral (Ho et al., NeurIPS 2020) and DDIM (Song et al., ICLR 2021), and guidance (Ho & Salimans, 2022)."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gaitlab.diffusion.process import Target, parts_of

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""(x_t `n ...`, t int64 `n`) -> what the network predicts, `n ...`."""


def levels(steps: int, visits: int) -> list[int]:
    """`visits` levels of a process of so many steps, evenly from the last one down to 1."""
    if not 1 <= visits <= steps:
        raise ValueError(f"a process of {steps} steps is walked back in 1 to {steps}; not {visits}")
    return torch.linspace(steps, 1, visits, dtype=torch.float64).round().long().tolist() if visits > 1 else [steps]


def sample(
    denoise: Denoiser,
    xt: Tensor,
    alpha_bar: Tensor,
    noise: Callable[[int], Tensor],
    *,
    visits: int | None = None,
    eta: float = 1.0,
    kind: Target = "noise",
    start: int | None = None,
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Walk `xt` `n ...` of level `start` (the last) back; yields (level reached, x there, the clean signal as predicted).

    noise: level -> standard normal like xt. visits: levels on the way (all). eta: 1 is ancestral, 0 DDIM, which draws nothing.
    """
    last = len(alpha_bar) - 1 if start is None else start
    way = levels(last, visits or last)
    for level, reached in zip(way, [*way[1:], 0], strict=True):
        t = torch.full((len(xt),), level, device=xt.device)
        x0, eps = parts_of(kind, denoise(xt, t), xt, t, alpha_bar)
        here, there = float(alpha_bar[level]), float(alpha_bar[reached])
        spread = eta * ((1 - there) / (1 - here) * (1 - here / there)) ** 0.5
        xt = there**0.5 * x0 + max(0.0, 1 - there - spread**2) ** 0.5 * eps
        if spread and reached:
            xt = xt + spread * noise(reached)
        yield reached, xt, x0


def guided(conditional: Denoiser, unconditional: Denoiser, scale: float) -> Denoiser:
    """Predictions moved away from what is predicted without the condition, by `scale`; 1 is no guidance."""
    if scale == 1:
        return conditional

    def denoise(xt: Tensor, t: Tensor) -> Tensor:
        without = unconditional(xt, t)
        return without + scale * (conditional(xt, t) - without)

    return denoise
