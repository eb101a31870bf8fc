"""Every network: shapes, gradients, and walks that do not know of each other."""

from dataclasses import replace

import pytest
import torch

from gaitlab.backbones.backbone import BackboneConfig
from gaitlab.backbones.deepgaitv2 import DeepGaitV2Config
from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.backbones.gaitgl import GaitGLConfig
from gaitlab.backbones.gaitpart import GaitPartConfig
from gaitlab.backbones.gaitset import GaitSetConfig
from gaitlab.backbones.plain import PlainConfig
from gaitlab.backbones.skeletongaitpp import SkeletonGaitPPConfig
from gaitlab.backbones.smplgait import SMPLGaitConfig

NARROW = (4, 6, 8, 10)
CONFIGS = {
    "gaitset": GaitSetConfig(channels=(4, 6, 8)),
    "gaitset-two-channels": GaitSetConfig(channels=(4, 6, 8), in_channels=2, bins=(4, 1)),
    "gaitbase": GaitBaseConfig(channels=NARROW),
    "gaitbase-reduced": GaitBaseConfig(
        channels=(4, 6, 8), layers=(1, 2, 1), strides=(1, 2, 2), stem_stride=2, bins=(8, 2), in_channels=3, set_pooling="max+mean"
    ),
    "deepgaitv2-2d": DeepGaitV2Config(mode="2d", channels=NARROW),
    "deepgaitv2-p3d": DeepGaitV2Config(mode="p3d", channels=NARROW, layers=(1, 2, 1, 1)),
    "deepgaitv2-3d": DeepGaitV2Config(mode="3d", channels=NARROW, in_channels=2),
    "plain": PlainConfig(channels=(4, 6, 8), strips=(1, 1, 1), pool_after=(1, 2)),
    "plain-four-scales": PlainConfig(channels=(4, 6, 8, 10), strips=(1, 2, 1, 4), pool_after=(1, 2, 3), bins=(8, 2, 1), in_channels=3),
    "gaitpart": GaitPartConfig(channels=(4, 4, 8, 8), strips=(1, 1, 4, 8), pool_after=(2, 3)),
    "gaitgl": GaitGLConfig(stem=(4,), channels=(6, 8, 8)),
    "gaitgl-large": GaitGLConfig(stem=(4, 4), channels=(6, 6, 8, 8, 10, 10), pool_after=2, strips=2, in_channels=2),
    "smplgait": SMPLGaitConfig(channels=(4, 6, 8), strips=(1, 1, 1), pool_after=(1, 2), hidden=(8, 10)),
    "skeletongaitpp": SkeletonGaitPPConfig(channels=(8, 10, 12, 14), layers=(1, 2, 1, 1), squeeze=4),
}
SHAPES = {"smpl": (85,), "skeleton": (2, 64, 44)}
"""Of a frame of a companion."""


def clips(config: BackboneConfig, n: int, t: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, t, config.in_channels, 64, 44, generator=torch.Generator().manual_seed(seed))


def companions(config: BackboneConfig, n: int, t: int, seed: int = 1) -> list[torch.Tensor]:
    return [torch.rand(n, t, *SHAPES[role], generator=torch.Generator().manual_seed(seed)) for role in config.companions]


@pytest.fixture(params=list(CONFIGS))
def config(request: pytest.FixtureRequest) -> BackboneConfig:
    torch.manual_seed(0)
    return CONFIGS[request.param]


def test_a_walk_in_a_batch_is_the_walk_alone(config: BackboneConfig) -> None:
    net = config.build()
    net(clips(config, 2, 3), torch.tensor([3, 3]), *companions(config, 2, 3))  # statistics that are not the initial ones
    net.eval()
    lengths = torch.tensor([2, 7, 1, 3, 4])
    clip, others = clips(config, 5, 7), companions(config, 5, 7)
    with torch.no_grad():
        together = net(clip, lengths, *others)
        walks = zip(clip, *others, strict=True)
        alone = [net(*_alone(walk, length)) for walk, length in zip(walks, lengths, strict=True)]
    alone = torch.cat(alone)
    assert together.shape == (5, net.parts, net.channels)
    assert (together - alone).abs().max() <= 1e-5 * alone.abs().max()


def _alone(walk: tuple[torch.Tensor, ...], length: torch.Tensor) -> list[torch.Tensor]:
    clip, *others = (part[None, :length] for part in walk)
    return [clip, length[None], *others]


def test_padding_reaches_nothing_in_training(config: BackboneConfig) -> None:
    net = config.build()
    torch.manual_seed(1)  # of dropout
    clip, lengths, others = clips(config, 3, 4), torch.tensor([4, 2, 3]), companions(config, 3, 4)
    first = net(clip, lengths, *others)
    for padded in (clip, *others):
        for walk, length in zip(padded, lengths, strict=True):
            walk[length:] = 1e6
    torch.manual_seed(1)
    assert torch.equal(net(clip, lengths, *others), first)


def test_every_parameter_gets_a_gradient(config: BackboneConfig) -> None:
    net = config.build()
    net(clips(config, 3, 7), torch.tensor([7, 2, 3]), *companions(config, 3, 7)).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_sets_ignore_the_order_of_frames_and_sequences_do_not() -> None:
    ignoring = {
        "gaitset": True,
        "gaitbase": True,
        "plain": True,
        "deepgaitv2-p3d": False,
        "deepgaitv2-3d": False,
        "gaitpart": False,
        "gaitgl": False,
    }
    for name, ignores in ignoring.items():
        torch.manual_seed(0)
        net = CONFIGS[name].build().eval()
        clip, length = clips(CONFIGS[name], 1, 6), torch.tensor([6])
        with torch.no_grad():
            assert torch.allclose(net(clip, length), net(clip[:, [4, 0, 5, 2, 1, 3]], length), rtol=1e-4, atol=1e-5) is ignores, name


def test_other_input_sizes_and_what_does_not_fit() -> None:
    net = GaitBaseConfig(channels=NARROW).build()
    assert net(torch.rand(1, 2, 1, 128, 88), torch.tensor([2])).shape == (1, 16, 10)
    with pytest.raises(ValueError, match="16 strips do not divide a feature map of 10 rows"):
        net(torch.rand(1, 2, 1, 40, 44), torch.tensor([2]))
    with pytest.raises(ValueError, match="1 to 2 frames"):
        net(torch.rand(1, 2, 1, 64, 44), torch.tensor([3]))
    with pytest.raises(ValueError, match="one value per stage"):
        GaitBaseConfig(layers=(1, 1))


def test_what_cannot_be_built_or_seen_is_named() -> None:
    with pytest.raises(ValueError, match="16 does not divide 8"):
        SkeletonGaitPPConfig(channels=(8, 8, 8, 8))
    with pytest.raises(ValueError, match="at least one convolution"):
        GaitGLConfig(stem=())
    config = CONFIGS["skeletongaitpp"]
    with pytest.raises(ValueError, match=r"of two sizes \(64x44 and 64x64\)"):
        config.build()(clips(config, 1, 2), torch.tensor([2]), torch.rand(1, 2, 2, 64, 64))


@pytest.mark.parametrize("power", [6.5, 12.0, 40.0])
def test_gaitgls_mean_has_a_gradient_at_any_power(power: float) -> None:
    """Rows without a single bright pixel too; in float64, where no power underflows, it is the plain formula."""
    config = replace(CONFIGS["gaitgl"], power=power)  # type: ignore[type-var]
    torch.manual_seed(0)
    net = config.build()
    maps = torch.rand(2, 3, 4, 5)
    maps[:, :, 1] = 0
    maps[:, :, 2] = 1e-6
    net._generalised_mean(maps.requires_grad_()).sum().backward()  # type: ignore[operator]
    assert net.power.grad.isfinite().all()  # type: ignore[union-attr]
    assert maps.grad is not None
    assert maps.grad.isfinite().all()
    exact = maps.detach().double().clamp(min=1e-6).requires_grad_()
    p = torch.tensor(power, dtype=torch.float64, requires_grad=True)
    exact.pow(p).mean(3).pow(1 / p).sum().backward()
    torch.testing.assert_close(net.power.grad[0].double(), p.grad, rtol=1e-3, atol=1e-6)  # type: ignore[index]
    bright = maps.detach() > 1e-5
    torch.testing.assert_close(maps.grad[bright].double(), exact.grad[bright], rtol=1e-4, atol=1e-7)  # type: ignore[index]
