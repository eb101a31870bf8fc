"""Every network: shapes, gradients, and walks that do not know of each other."""

import pytest
import torch

from gaitlab.backbones.backbone import BackboneConfig
from gaitlab.backbones.deepgaitv2 import DeepGaitV2Config
from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.backbones.gaitset import GaitSetConfig

NARROW = (4, 6, 8, 10)
CONFIGS = {
    "gaitset": GaitSetConfig(channels=(4, 6, 8)),
    "gaitset-two-channels": GaitSetConfig(channels=(4, 6, 8), in_channels=2, bins=(4, 1)),
    "gaitbase": GaitBaseConfig(channels=NARROW),
    "gaitbase-reduced": GaitBaseConfig(channels=(4, 6, 8), layers=(1, 2, 1), strides=(1, 2, 2), stem_stride=2, bins=(8, 2), in_channels=3),
    "deepgaitv2-2d": DeepGaitV2Config(mode="2d", channels=NARROW),
    "deepgaitv2-p3d": DeepGaitV2Config(mode="p3d", channels=NARROW, layers=(1, 2, 1, 1)),
    "deepgaitv2-3d": DeepGaitV2Config(mode="3d", channels=NARROW, in_channels=2),
}


def clips(config: BackboneConfig, n: int, t: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, t, config.in_channels, 64, 44, generator=torch.Generator().manual_seed(seed))  # type: ignore[attr-defined]


@pytest.fixture(params=list(CONFIGS))
def config(request: pytest.FixtureRequest) -> BackboneConfig:
    torch.manual_seed(0)
    return CONFIGS[request.param]


def test_a_walk_in_a_batch_is_the_walk_alone(config: BackboneConfig) -> None:
    net = config.build()
    net(clips(config, 2, 3), torch.tensor([3, 3]))  # statistics that are not the initial ones
    net.eval()
    lengths = torch.tensor([2, 5, 1, 3])
    clip = clips(config, 4, 5)
    with torch.no_grad():
        together = net(clip, lengths)
        alone = torch.cat([net(walk[None, :length], length[None]) for walk, length in zip(clip, lengths, strict=True)])
    assert together.shape == (4, net.parts, net.channels)
    assert (together - alone).abs().max() <= 1e-5 * alone.abs().max()


def test_padding_reaches_nothing_in_training(config: BackboneConfig) -> None:
    net = config.build()
    clip, lengths = clips(config, 3, 4), torch.tensor([4, 2, 3])
    first = net(clip, lengths)
    for walk, length in zip(clip, lengths, strict=True):
        walk[length:] = 1e6
    assert torch.equal(net(clip, lengths), first)


def test_every_parameter_gets_a_gradient(config: BackboneConfig) -> None:
    net = config.build()
    net(clips(config, 3, 3), torch.tensor([3, 2, 3])).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_gaitset_ignores_the_order_of_frames_and_p3d_does_not() -> None:
    for name, ignores in (("gaitset", True), ("gaitbase", True), ("deepgaitv2-p3d", False), ("deepgaitv2-3d", False)):
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
