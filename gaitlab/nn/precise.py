"""Numbers that are summed and compared are no halves."""

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """float32 of what autocast made bfloat16 or float16; float64 stays."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
