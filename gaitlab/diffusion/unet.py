"""A small U-Net on clips, told how noisy they are; what else it is told is a list of modules that its maps pass through.

Widths, depth and norm are our default: no source states CoD2's. Clips of one length; every level has two blocks on its way down and
two on its way up, each a 3x3 convolution of the frames, a convolution over three frames, group norm, the time embedding and SiLU.
"""

import math
from collections.abc import Callable, Sequence
from itertools import count

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaitlab.nn.blocks import TimeConv

GROUPS = 8


def time_embedding(t: Tensor, channels: int) -> Tensor:
    """Sines and cosines of the time steps `n`, periods 2 pi to 10,000 * 2 pi (Vaswani et al., NeurIPS 2017): `n channels`."""
    frequency = torch.exp(-math.log(10_000.0) * torch.arange(channels // 2, device=t.device) / (channels // 2))
    angle = t.float()[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], 1)


class ClipBlock(nn.Module):
    """Frames `f c h w` of clips `frames` long -> the same with `c_out` channels."""

    def __init__(self, c_in: int, c_out: int, c_time: int) -> None:
        super().__init__()
        self.space = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
        self.time = TimeConv(c_out)
        self.norm = nn.GroupNorm(min(GROUPS, c_out), c_out)
        self.told = nn.Linear(c_time, c_out)

    def forward(self, x: Tensor, sizes: Sequence[int], t: Tensor) -> Tensor:
        x = self.norm(self.time(self.space(x), sizes))
        told = self.told(t).repeat_interleave(sizes[0], 0)
        return F.silu(x + told[:, :, None, None])


class Level(nn.Module):
    """Two blocks, and between them whatever the maps have to pass through."""

    def __init__(self, c_in: int, c_out: int, c_time: int) -> None:
        super().__init__()
        self.first, self.second = ClipBlock(c_in, c_out, c_time), ClipBlock(c_out, c_out, c_time)

    def forward(self, x: Tensor, sizes: Sequence[int], t: Tensor, between: Callable[[Tensor], Tensor]) -> Tensor:
        return self.second(between(self.first(x, sizes, t)), sizes, t)


class UNet(nn.Module):
    """Clips `n t c h w` in, clips of as many channels out.

    patch: side of the squares of pixels that are folded into channels at the door (pixel-unshuffle): 2 quarters the work.
    places: channels of the maps where `control` gets them: in each level on the way down, in the bottom one, and on the way up.
    """

    def __init__(self, channels: int, widths: Sequence[int], patch: int = 1) -> None:
        super().__init__()
        if len(widths) < 2 or any(width % GROUPS for width in widths):
            raise ValueError(f"widths name at least two levels, each a multiple of {GROUPS}; they are {tuple(widths)}")
        inner, c_time = channels * patch**2, 4 * widths[0]
        self.patch, self.base = patch, widths[0]
        self.embed = nn.Sequential(nn.Linear(self.base, c_time), nn.SiLU(), nn.Linear(c_time, c_time))
        *outer, bottom = widths
        self.down = nn.ModuleList(Level(a, b, c_time) for a, b in zip((inner, *outer), outer, strict=False))
        self.bottom = Level(outer[-1], bottom, c_time)
        self.up = nn.ModuleList(Level(a + b, b, c_time) for a, b in zip((bottom, *outer[:0:-1]), outer[::-1], strict=True))
        self.out = nn.Conv2d(outer[0], inner, 3, padding=1)
        self.places = (*outer, bottom, *outer[::-1])

    def forward(self, clips: Tensor, t: Tensor, control: Callable[[int, Tensor], Tensor] = lambda place, maps: maps) -> Tensor:
        """clips: `n t c h w`, sides divisible by `patch`; t: int64 `n`. control: (number of the place, maps `f c h w`) -> maps."""
        n, frames = clips.shape[:2]
        sizes, place = [frames] * n, count()
        x = F.pixel_unshuffle(clips.flatten(0, 1), self.patch)
        if x.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last)
        time = self.embed(time_embedding(t, self.base).to(clips.dtype))

        def between(maps: Tensor) -> Tensor:
            return control(next(place), maps)

        skips = []
        for level in self.down:
            skips.append(level(x, sizes, time, between))
            x = F.max_pool2d(skips[-1], 2)
        x = self.bottom(x, sizes, time, between)
        for level in self.up:
            skip = skips.pop()
            x = level(torch.cat([F.interpolate(x, size=skip.shape[2:]), skip], 1), sizes, time, between)
        return F.pixel_shuffle(self.out(x), self.patch).unflatten(0, (n, frames))
