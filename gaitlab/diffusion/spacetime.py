"""A U-Net on clips whose frames see each other by attention: the factorised space-time network of "Video Diffusion Models" (Ho et al.,
NeurIPS 2022), sized as in the pretraining of gait backbones.

Every level has two blocks of 3x3 convolutions on frames, linear attention over a frame's pixels, and attention over each pixel's frames.
Time step and condition set scale and shift in every block.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaitlab.diffusion.unet import time_embedding

HEADS, HEAD = 8, 32
BUCKETS, FAR = 32, 32
"""Frames that lie up to `FAR` apart have a bias of their own, in `BUCKETS` classes, finer nearby (Raffel et al., "T5", JMLR 2020)."""


class RootMeanSquare(nn.Module):
    """Channels of every pixel at length sqrt(c), then a gain each."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1) * (self.gain * self.gain.numel() ** 0.5).view(-1, 1, 1)


class ChannelNorm(nn.Module):
    """Channels of every pixel at mean 0 and variance 1, then a gain each."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, dim=1, unbiased=False, keepdim=True)
        return (x - mean) * (variance + 1e-5).rsqrt() * self.gain.view(-1, 1, 1)


class Block(nn.Module):
    """Frames `f c h w` -> `f c_out h w`: two convolutions beside a shortcut. What it is told, `f c_told`, scales and shifts the first."""

    def __init__(self, c_in: int, c_out: int, c_told: int = 0) -> None:
        super().__init__()
        self.told = nn.Linear(c_told, 2 * c_out) if c_told else None
        self.first, self.second = nn.Conv2d(c_in, c_out, 3, padding=1), nn.Conv2d(c_out, c_out, 3, padding=1)
        self.first_norm, self.second_norm = RootMeanSquare(c_out), RootMeanSquare(c_out)
        self.shortcut = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        y = self.first_norm(self.first(x))
        if self.told is not None:
            scale, shift = self.told(F.silu(told))[:, :, None, None].chunk(2, 1)
            y = y * (scale + 1) + shift
        y = self.second_norm(self.second(F.silu(y)))
        return F.silu(y) + self.shortcut(x)


class LinearAttention(nn.Module):
    """Each frame's pixels see each other, at a cost linear in their number (Shen et al., "Efficient Attention", WACV 2021)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.qkv = nn.Conv2d(channels, 3 * HEADS * HEAD, 1, bias=False)
        self.out = nn.Conv2d(HEADS * HEAD, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).flatten(2).unflatten(1, (3, HEADS, HEAD)).unbind(1)
        context = k.softmax(3) @ v.transpose(2, 3)
        seen = context.transpose(2, 3) @ (q.softmax(2) * HEAD**-0.5)
        return x + self.out(seen.flatten(1, 2).unflatten(2, x.shape[2:]))


class Attention(nn.Module):
    """Rows `b l c` of positions that see each other; rotated and biased by their places, where these are given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(channels, 3 * HEADS * HEAD, bias=False)
        self.out = nn.Linear(HEADS * HEAD, channels, bias=False)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor] | None = None, bias: Tensor | None = None) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, HEADS, HEAD)).permute(2, 0, 3, 1, 4).unbind(0)
        if turn is not None:
            q, k = rotated(q, *turn), rotated(k, *turn)
        return self.out(F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).flatten(2))


class OverTime(nn.Module):
    """Frames `f c h w` of clips of `frames`: each pixel's frames see each other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.attention = ChannelNorm(channels), Attention(channels)

    def forward(self, x: Tensor, frames: int, turn: tuple[Tensor, Tensor], bias: Tensor) -> Tensor:
        f, c, h, w = x.shape
        rows = self.norm(x).view(f // frames, frames, c, h * w).permute(0, 3, 1, 2).flatten(0, 1)
        seen = self.attention(rows, turn, bias.to(rows.dtype))
        return x + seen.view(f // frames, h * w, frames, c).permute(0, 2, 3, 1).reshape(f, c, h, w)


class OverSpace(nn.Module):
    """Frames `f c h w`: each frame's pixels see each other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.attention = ChannelNorm(channels), Attention(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attention(self.norm(x).flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, x.shape[2:])


class Level(nn.Module):
    """Two blocks, attention over space, attention over time."""

    def __init__(self, c_in: int, c_out: int, c_told: int) -> None:
        super().__init__()
        self.first, self.second = Block(c_in, c_out, c_told), Block(c_out, c_out, c_told)
        self.space, self.time = LinearAttention(c_out), OverTime(c_out)

    def forward(self, x: Tensor, told: Tensor, frames: int, turn: tuple[Tensor, Tensor], bias: Tensor) -> Tensor:
        return self.time(self.space(self.second(self.first(x, told), told)), frames, turn, bias)


class Bottom(nn.Module):
    """Attention over space and over time between two blocks."""

    def __init__(self, channels: int, c_told: int) -> None:
        super().__init__()
        self.first, self.second = Block(channels, channels, c_told), Block(channels, channels, c_told)
        self.space, self.time = OverSpace(channels), OverTime(channels)

    def forward(self, x: Tensor, told: Tensor, frames: int, turn: tuple[Tensor, Tensor], bias: Tensor) -> Tensor:
        return self.second(self.time(self.space(self.first(x, told)), frames, turn, bias), told)


class SpaceTimeUNet(nn.Module):
    """Clips `n t c h w` in, clips of as many channels out; a condition `n condition` beside the time step.

    width: channels of the first level; multipliers: of each level, the sides halve from one to the next. At width 32, 64, 128, multipliers
    1-2-4, 4 channels and a condition of 256 it has 3,655,316, 11,576,084 and 40,215,572 parameters, as published.
    """

    def __init__(self, channels: int = 4, width: int = 64, multipliers: Sequence[int] = (1, 2, 4), condition: int = 256) -> None:
        super().__init__()
        widths = [width, *(width * m for m in multipliers)]
        c_time = 4 * width
        c_told = c_time + condition
        self.width, self.halvings = width, len(multipliers) - 1
        self.bias = nn.Embedding(BUCKETS, HEADS)
        self.frequencies = nn.Parameter(10_000.0 ** (-torch.arange(0, HEAD, 2) / HEAD), requires_grad=False)
        """Of the rotations; they are not learnt, and part of the published count."""
        self.embed = nn.Sequential(nn.Linear(width, c_time), nn.GELU(), nn.Linear(c_time, c_time))
        self.null = nn.Parameter(torch.randn(condition))
        """What a condition is replaced by where there is none."""
        self.door, self.door_time = nn.Conv2d(channels, width, 7, padding=3), OverTime(width)
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(Level(a, b, c_told) for a, b in pairs)
        self.shrink = nn.ModuleList(nn.Conv2d(b, b, 4, 2, 1) for _, b in pairs[:-1])
        self.bottom = Bottom(widths[-1], c_told)
        self.up = nn.ModuleList(Level(2 * b, a, c_told) for a, b in reversed(pairs))
        self.grow = nn.ModuleList(nn.ConvTranspose2d(a, a, 4, 2, 1) for a, _ in pairs[:0:-1])
        self.last, self.out = Block(2 * width, width), nn.Conv2d(width, channels, 1)

    def forward(self, clips: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """clips: `n t c h w`, sides divisible by 2 at each halving; t: int64 `n`; condition: `n c`, `null` where there is none."""
        n, frames, _, height, width = clips.shape
        if (height | width) % 2**self.halvings:
            raise ValueError(f"{self.halvings} halvings do not divide maps of {height} x {width}")
        turn, bias = self._places(frames)
        told = torch.cat([self.embed(time_embedding(t, self.width).to(clips.dtype)), condition], 1).repeat_interleave(frames, 0)
        x = self.door_time(self.door(clips.flatten(0, 1)), frames, turn, bias)
        door, skips = x, []
        for i, level in enumerate(self.down):
            skips.append(x := level(x, told, frames, turn, bias))
            x = self.shrink[i](x) if i < self.halvings else x
        x = self.bottom(x, told, frames, turn, bias)
        for i, level in enumerate(self.up):
            x = level(torch.cat([x, skips.pop()], 1), told, frames, turn, bias)
            x = self.grow[i](x) if i < self.halvings else x
        return self.out(self.last(torch.cat([x, door], 1), told)).unflatten(0, (n, frames))

    def _places(self, frames: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Rotation of each frame, cosines and sines `t d`, and the bias of each pair of frames, `heads t t`."""
        place = torch.arange(frames, device=self.frequencies.device)
        angle = (place[:, None] * self.frequencies).repeat_interleave(2, 1)
        return (angle.cos(), angle.sin()), self.bias(bucket(place[:, None] - place[None])).permute(2, 0, 1)


def bucket(apart: Tensor) -> Tensor:
    """int64 distances to other frames -> classes: half of them for either direction, of these half exact, half growing by the logarithm."""
    half, exact = BUCKETS // 2, BUCKETS // 4
    far = apart.abs()
    grown = exact + (torch.log(far.clamp(min=1) / exact) / math.log(FAR / exact) * (half - exact)).long()
    return (apart < 0) * half + torch.where(far < exact, far, grown.clamp(max=half - 1))


def rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """`... t d` with each pair of channels turned by its frame's angle (Su et al., "RoFormer", 2021)."""
    pairs = x.unflatten(-1, (-1, 2))
    turned = torch.stack([-pairs[..., 1], pairs[..., 0]], -1).flatten(-2)
    return x * cosine.to(x.dtype) + turned * sine.to(x.dtype)
