"""How far two silhouettes are the same."""

from torch import Tensor


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of two masks, bool of one shape, scalar in [0, 1]; 0 where both are empty."""
    return (a & b).sum() / (a | b).sum().clamp(min=1)
