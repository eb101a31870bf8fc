"""Muon (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024): momentum, made orthogonal, as the step.

torch's own takes matrices only; here a convolution is the matrix of its filters, and one linear map for each part is a stack of matrices.
"""

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of an odd polynomial that, five times over, brings all singular values of 0.01 to 1 near 1."""


class Muon(Optimizer):
    """For parameters of two dimensions or more. A group's `filters`: they are a convolution's, `o i ...`; else `... i o`.

    A step's root mean square is `lr` times 0.2, as AdamW's is about (Liu et al., "Muon is scalable for LLM training", 2025), so that both
    take the same rate and decay.
    """

    def __init__(
        self, params: Iterable[dict[str, Any]], lr: float = 1e-3, momentum: float = 0.95, weight_decay: float = 0.0, iterations: int = 5
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "iterations": iterations, "filters": False})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                ahead = parameter.grad.lerp(momentum, group["momentum"])
                ahead = ahead.flatten(1) if group["filters"] else ahead
                size = 0.2 * max(ahead.shape[-2:]) ** 0.5
                update = orthogonal(ahead, group["iterations"]).reshape(parameter.shape)
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"] * size)
        return loss


def orthogonal(x: Tensor, iterations: int = 5) -> Tensor:
    """The nearest matrix whose singular values are all about 1, of each matrix of a stack `... m n`."""
    a, b, c = NEWTON_SCHULZ
    wide = x.mT if x.shape[-2] > x.shape[-1] else x
    wide = wide / (torch.linalg.matrix_norm(wide, keepdim=True) + 1e-7)
    for _ in range(iterations):
        square = wide @ wide.mT
        wide = a * wide + (b * square + c * square @ square) @ wide
    return wide.mT if x.shape[-2] > x.shape[-1] else wide
