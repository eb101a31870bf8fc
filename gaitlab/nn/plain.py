"""Plain convolutions frame by frame, as in GaitSet's line of networks: 3x3 without bias, leaky ReLU, now and then a 2x2 max-pool."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from gaitlab.nn.pooling import rows_each


class PlainLayers(nn.ModuleList):
    """`channels[i]` filters of 3x3 (the first 5x5) in convolution i, each with a leaky ReLU; a max-pool behind convolutions `pool_after`
    (counted from 1). Convolution i works on `strips[i]` horizontal strips by themselves (focal convolution, Fan et al., "GaitPart",
    CVPR 2020)."""

    def __init__(self, c_in: int, channels: Sequence[int], strips: Sequence[int], pool_after: Sequence[int]) -> None:
        if len(channels) != len(strips):
            raise ValueError(f"channels and strips name one value per convolution each: {tuple(channels)}, {tuple(strips)}")
        widths = zip((c_in, *channels), channels, strict=False)
        kernels = (5, *[3] * (len(channels) - 1))
        super().__init__(nn.Conv2d(a, b, k, padding=k // 2, bias=False) for (a, b), k in zip(widths, kernels, strict=True))
        self.strips, self.pool_after = tuple(strips), tuple(pool_after)

    def forward(self, frames: Tensor) -> Tensor:
        """Packed frames `f c h w` -> maps `f c h w`."""
        for i, conv in enumerate(self):
            frames = by_strips(conv, frames, self.strips[i])
            if i + 1 in self.pool_after:
                frames = F.max_pool2d(frames, 2)
            frames = F.leaky_relu_(frames)  # behind the max-pool, with which it commutes
        return frames


def by_strips(conv: nn.Module, frames: Tensor, strips: int) -> Tensor:
    """`conv` on each of `strips` horizontal strips of `f c h w` alone; a view of channels-last frames, not a copy."""
    if strips == 1:
        return conv(frames)
    f, c, h, w = frames.shape
    cut = frames.permute(0, 2, 3, 1).reshape(f * strips, rows_each(frames, strips), w, c).permute(0, 3, 1, 2)
    out = conv(cut)
    return out.permute(0, 2, 3, 1).reshape(f, h, w, out.shape[1]).permute(0, 3, 1, 2)
