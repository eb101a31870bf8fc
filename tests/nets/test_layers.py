"""Packed frames, pooling, heads and exact batch norm against slow twins."""

import pytest
import torch
from torch.nn import functional as F

from gaitlab.nn.blocks import SpaceTimeConv, TimeConv
from gaitlab.nn.frames import across_time, pack, temporal_max, temporal_mean
from gaitlab.nn.heads import BNNeck, PartLinear
from gaitlab.nn.pooling import horizontal_pyramid
from gaitlab.nn.syncnorm import ExactNorm

UNEQUAL, EQUAL = [3, 1, 4, 2], [3, 3]


@pytest.mark.parametrize("sizes", [UNEQUAL, EQUAL])
@pytest.mark.parametrize("channels", [1, 3])
def test_pack_and_temporal_max(sizes: list[int], channels: int) -> None:
    clip = torch.rand(len(sizes), max(sizes), channels, 4, 5)
    frames = pack(clip, sizes)
    assert torch.equal(frames, torch.cat([clip[i, :size] for i, size in enumerate(sizes)]))
    expected = torch.stack([clip[i, :size].amax(0) for i, size in enumerate(sizes)])
    assert torch.equal(temporal_max(frames, sizes), expected)
    torch.testing.assert_close(temporal_mean(frames, sizes), torch.stack([c[:size].mean(0) for c, size in zip(clip, sizes, strict=True)]))


@pytest.mark.parametrize("sizes", [UNEQUAL, EQUAL])
def test_temporal_convolutions_stop_at_the_borders_of_walks(sizes: list[int]) -> None:
    frames = torch.rand(sum(sizes), 3, 6, 4)
    time, both = TimeConv(3), SpaceTimeConv(3, 5, 2)
    walks = [walk.transpose(0, 1)[None] for walk in frames.split(sizes)]
    by_time = torch.cat([F.conv3d(walk, time.weight, padding=(1, 0, 0))[0].transpose(0, 1) for walk in walks])
    by_both = torch.cat([F.conv3d(walk, both.weight, stride=(1, 2, 2), padding=1)[0].transpose(0, 1) for walk in walks])
    torch.testing.assert_close(time(frames, sizes), by_time)
    torch.testing.assert_close(both(frames, sizes), by_both)


def test_a_longer_reach_needs_a_wider_gap() -> None:
    kernel = torch.rand(1, 1, 5)
    frames = torch.rand(sum(UNEQUAL), 1)
    ours = across_time(lambda x: F.conv1d(x.transpose(1, 2), kernel, padding=2).transpose(1, 2), frames, UNEQUAL, reach=2)
    alone = torch.cat([F.conv1d(walk.T[None], kernel, padding=2)[0].T for walk in frames.split(UNEQUAL)])
    torch.testing.assert_close(ours, alone)


def test_horizontal_pyramid_by_loop() -> None:
    maps = torch.rand(2, 3, 8, 5)
    expected = []
    for count in (4, 1):
        for i in range(count):
            strip = maps[:, :, i * 8 // count : (i + 1) * 8 // count].flatten(2)
            expected.append(strip.mean(2) + strip.amax(2))
    torch.testing.assert_close(horizontal_pyramid(maps, (4, 1)), torch.stack(expected, 1))


def test_part_linear_and_neck_by_loop() -> None:
    x, linear, neck = torch.rand(6, 3, 4), PartLinear(3, 4, 5), BNNeck(3, 4, 7)
    torch.nn.init.normal_(neck.norm.weight, 1, 0.1)
    expected = torch.stack([x[:, p] @ linear.weight[p] for p in range(3)], 1)
    torch.testing.assert_close(linear(x), expected)
    features, logits = neck(x)
    for p in range(3):
        for c in range(4):
            column = x[:, p, c]
            scale, shift = neck.norm.weight[c * 3 + p], neck.norm.bias[c * 3 + p]
            expected[:, p, c] = (column - column.mean()) / (column.var(correction=0) + 1e-5).sqrt() * scale + shift
        unit = F.normalize(expected[:, p, :4], dim=1)
        torch.testing.assert_close(features[:, p], unit)
        torch.testing.assert_close(logits[:, p], unit @ F.normalize(neck.weight[p], dim=0))


@pytest.mark.parametrize("shape", [(7, 3), (4, 3, 5, 2)])
def test_exact_norm_is_batch_norm(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64) * 2 + 5
    plain = (torch.nn.BatchNorm1d if len(shape) == 2 else torch.nn.BatchNorm2d)(3).double()
    exact = ExactNorm(3).double()
    torch.nn.init.normal_(plain.weight)
    exact.load_state_dict(plain.state_dict())
    seed = torch.randn_like(x)
    results = []
    for norm in (plain, exact):
        y = x.clone().requires_grad_()
        out = norm(y)
        out.backward(seed)
        results.append([out, y.grad, norm.weight.grad, norm.bias.grad, *norm.buffers(), norm.eval()(x)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)  # the sums run in float32 within a frame


def test_exact_norm_keeps_its_digits_over_many_frames() -> None:
    x = torch.rand(200, 8, 64, 44, generator=torch.Generator().manual_seed(0)) * 0.1 + 1
    x = x.to(memory_format=torch.channels_last)
    norm = ExactNorm(8, momentum=1.0)
    norm(x)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_mean.double(), x.double().mean((0, 2, 3)), rtol=1e-6, atol=0)
    torch.testing.assert_close(norm.running_var.double(), x.double().var((0, 2, 3)), rtol=1e-5, atol=0)
