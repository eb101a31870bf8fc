"""Identity classification of part features."""

from torch import Tensor
from torch.nn import functional as F

from gaitlab.nn.precise import at_least_float32


def part_cross_entropy(logits: Tensor, subject: Tensor, *, scale: float = 16.0, smoothing: float = 0.1) -> Tensor:
    """Label-smoothed cross-entropy of logits `n p k` times `scale`, in float32; mean over labelled walks and parts.

    subject: int64 `n`, -1 = unlabelled (left out). Without a labelled walk the loss is 0.
    """
    labels = subject[:, None].expand(logits.shape[:2]).reshape(-1)
    scaled = scale * at_least_float32(logits).flatten(0, 1)
    total = F.cross_entropy(scaled, labels, label_smoothing=smoothing, ignore_index=-1, reduction="sum")
    return total / (labels >= 0).sum().clamp(min=1)
