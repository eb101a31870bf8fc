"""Residual blocks on packed frames `f c h w` (He et al., CVPR 2016; P3D: Qiu et al., ICCV 2017).

Every block takes `(frames, sizes)` (see `frames.py`). The spatial stride sits in the first convolution; time is never strided.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from gaitlab.nn.frames import across_time
from gaitlab.nn.syncnorm import FrameNorm


class TimeConv(nn.Conv3d):
    """3x1x1 convolution over time. Runs as a 2D convolution over (frame, pixel), which needs no copy of channels-last frames."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, (3, 1, 1), padding=(1, 0, 0), bias=False)

    def forward(self, frames: Tensor, sizes: Sequence[int]) -> Tensor:  # type: ignore[override]
        return across_time(self._mix, frames, sizes)

    def _mix(self, clips: Tensor) -> Tensor:
        """`b t c h w` -> the same."""
        h, w = clips.shape[3:]
        grid = clips.permute(0, 1, 3, 4, 2).flatten(2, 3).permute(0, 3, 1, 2)  # b c t (h w), channels last
        mixed = F.conv2d(grid, self.weight.squeeze(4), padding=(1, 0))
        return mixed.permute(0, 2, 3, 1).unflatten(2, (h, w)).permute(0, 1, 4, 2, 3)


class SpaceTimeConv(nn.Conv3d):
    """3x3x3 convolution over packed frames, spatial stride only."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__(c_in, c_out, 3, stride=(1, stride, stride), padding=1, bias=False)

    def forward(self, frames: Tensor, sizes: Sequence[int]) -> Tensor:  # type: ignore[override]
        return across_time(self.mix, frames, sizes)

    def mix(self, clips: Tensor) -> Tensor:
        """`b t c h w` -> the same with `c_out` channels, clips of one length."""
        return super().forward(clips.transpose(1, 2)).transpose(1, 2)


class Shortcut(nn.Sequential):
    """1x1 convolution and batch norm, where the residual's shape differs from the block's input.

    The pixels that the stride keeps are taken first: oneDNN's strided 1x1 convolution of channels-last maps with fewer than 8 channels
    writes past its memory in the backward pass (torch 2.13, CPU).
    """

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__(nn.Conv2d(c_in, c_out, 1, bias=False), FrameNorm(c_out))
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input[..., :: self.stride, :: self.stride])


class Block2D(nn.Module):
    """conv-BN-ReLU-conv-BN, plus the input, ReLU; frame by frame."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = FrameNorm(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.bn2 = FrameNorm(c_out)
        self.shortcut = Shortcut(c_in, c_out, stride) if stride != 1 or c_in != c_out else nn.Identity()

    def forward(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        y = F.relu_(self.bn1(self.conv1(x)))
        return F.relu_(self.bn2(self.conv2(y)) + self.shortcut(x))


class BlockP3D(Block2D):
    """A 2D block with a residual 3x1x1 convolution over time behind its first convolution."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__(c_in, c_out, stride)
        self.time = TimeConv(c_out)
        self.time_bn = FrameNorm(c_out)

    def forward(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        y = F.relu_(self.bn1(self.conv1(x)))
        y = F.relu_(self.time_bn(self.time(y, sizes)) + y)
        return F.relu_(self.bn2(self.conv2(y)) + self.shortcut(x))


class Block3D(nn.Module):
    """The 2D block with 3x3x3 convolutions."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = SpaceTimeConv(c_in, c_out, stride)
        self.bn1 = FrameNorm(c_out)
        self.conv2 = SpaceTimeConv(c_out, c_out, 1)
        self.bn2 = FrameNorm(c_out)
        self.shortcut = Shortcut(c_in, c_out, stride) if stride != 1 or c_in != c_out else nn.Identity()

    def forward(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        y = F.relu_(self.bn1(self.conv1(x, sizes)))
        return F.relu_(self.bn2(self.conv2(y, sizes)) + self.shortcut(x))


class Stem(nn.Sequential):
    """3x3 convolution, batch norm, ReLU, frame by frame."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__(nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False), FrameNorm(c_out), nn.ReLU(inplace=True))


class Stage(nn.ModuleList):
    """`depth` blocks of one width; the first one strides."""

    def __init__(self, block: type[Block2D] | type[Block3D], c_in: int, c_out: int, depth: int, stride: int) -> None:
        super().__init__([block(c_in if i == 0 else c_out, c_out, stride if i == 0 else 1) for i in range(depth)])

    def forward(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        for block in self:
            x = block(x, sizes)
        return x
