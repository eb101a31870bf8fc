"""Diffusion pretraining by its formulas, what its parts see and learn, and the autoencoder below it."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from gaitlab.backbones.gaitbase import GaitBaseConfig
from gaitlab.backbones.skeletongaitpp import SkeletonGaitPPConfig
from gaitlab.diffusion.process import q_sample
from gaitlab.diffusion.schedules import inverted_cosine
from gaitlab.diffusion.weighting import weights
from gaitlab.methods.autoencoder import Autoencoder, AutoencoderConfig
from gaitlab.methods.diffusion_pretrain import DiffusionPretrain, DiffusionPretrainConfig
from gaitlab.rng import Rng
from gaitlab.types import Batch, ClipSpec, Look, Numbers

CLIP = ClipSpec(frames=3)
CONFIG = DiffusionPretrainConfig(
    backbone=GaitBaseConfig(channels=(4, 8), layers=(1, 1), strides=(1, 2), stem_stride=2, bins=(4, 1)),
    clip=CLIP,
    rebuilt=replace(CLIP, order="consecutive", width=None),
    width=8,
    multipliers=(1, 2),
    steps=100,
    unconditional=0.5,
)
SMALL = AutoencoderConfig(repeat=1, width=8, encoder_blocks=(0, 1, 1, 1), decoder_blocks=(1, 1, 1, 0))


class Means(torch.nn.Module):
    """Latents that are means of 8 x 8 pixels: an autoencoder that needs no training."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(4.0))

    def latents(self, frames: Tensor) -> Tensor:
        return self.scale * (torch.nn.functional.avg_pool2d(frames, 8) - 0.5).repeat(1, 4, 1, 1)

    def pixels(self, latents: Tensor) -> Tensor:
        return torch.nn.functional.interpolate(latents.mean(1, keepdim=True) / self.scale + 0.5, scale_factor=8)


def built(**changes: Any) -> DiffusionPretrain:
    torch.manual_seed(0)
    method = replace(CONFIG, **changes).build(0)
    method.autoencoder.put(Means())
    return method


def batch(n: int = 8, t: int = 3) -> Batch:
    frames = torch.rand(n, t, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    clips = {"gait": frames[..., 10:54], "rebuilt": 1 - frames}
    return Batch(clips, dict.fromkeys(clips, torch.full((n,), t)), torch.arange(n) // 2, torch.arange(n))


RNG = Rng(3, 5, range(8))


@pytest.mark.parametrize("pooling", ["mean", "max", "mean+max"])
def test_the_objective_by_its_formula(pooling: Any) -> None:
    method, seen = built(pooling=pooling), batch()
    losses = method(seen, RNG)
    left = inverted_cosine(100)
    features = method.backbone(seen.clips["gait"], seen.lengths["gait"])
    condition = {"mean": features.mean(1), "max": features.max(1).values, "mean+max": features.mean(1) + features.max(1).values}[pooling]
    dropped, t = RNG.uniform("unconditional") < 0.5, RNG.integers("level", 1, 100)
    assert 0 < int(dropped.sum()) < 8
    errors = []
    for i in range(8):
        clean = method.autoencoder.latents(seen.clips["rebuilt"][i])[None]
        noise = RNG.normal("noise", *clean.shape[1:])[i : i + 1]
        told = method.denoiser.null[None] if dropped[i] else condition[i : i + 1]
        xt = q_sample(clean, t[i : i + 1], noise, left)
        errors.append((method.denoiser(xt, t[i : i + 1], told) - noise).square().mean())
    wanted = torch.stack([weights("mnp", left)[t[i]].float() * error for i, error in enumerate(errors)]).mean()
    torch.testing.assert_close(losses.terms["denoising"], wanted)
    of_band = [torch.stack([e for e, level in zip(errors, t, strict=True) if (level - 1) // 25 == band]).mean() for band in (0, 3)]
    torch.testing.assert_close(losses.watch["error/band_1"], of_band[0].detach())
    torch.testing.assert_close(losses.watch["error/band_4"], of_band[1].detach())


def test_the_autoencoder_stays_what_it_is_and_the_rest_learns() -> None:
    method = built()
    method(batch(), RNG).total().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.parameters() if p.requires_grad)
    assert method.autoencoder.scale.grad is None
    assert not any(name.startswith("autoencoder") for name in method.state_dict())
    groups = list(method.param_groups())
    assert {id(p) for group in groups for p in group["params"]} == {id(p) for p in method.parameters() if p.requires_grad}
    assert groups[1]["lr"] == 1e-4
    with pytest.raises(AttributeError, match="waits for an autoencoder: let a Transfer of init"):
        CONFIG.build(0)(batch(), RNG)


def test_latents_of_other_channels_are_named() -> None:
    with pytest.raises(ValueError, match=r"latents have 4 channels: --method.latent-channels 4"):
        built(latent_channels=5)(batch(), RNG)


def test_the_feature_is_of_one_clip_and_the_target_of_the_other() -> None:
    method, seen = built(unconditional=0.0).eval(), batch()
    loss = method(seen, RNG).total()
    for role in ("gait", "rebuilt"):
        changed = replace(seen, clips=seen.clips | {role: seen.clips[role].roll(1, 0)})
        assert method(changed, RNG).total() != loss
        assert torch.equal(method.condition(changed), method.condition(seen)) is (role == "rebuilt")
    alone = built(unconditional=1.0).eval()
    assert torch.equal(
        alone(replace(seen, clips=seen.clips | {"gait": seen.clips["gait"].roll(1, 0)}), RNG).total(), alone(seen, RNG).total()
    )


def test_clips_of_a_walk() -> None:
    two = CONFIG.clips()
    assert (two["gait"].follows, two["rebuilt"].follows) == (None, None)
    assert (two["rebuilt"].order, two["rebuilt"].width) == ("consecutive", None)
    same = replace(CONFIG, same_clip=True).clips()
    assert same["rebuilt"] == replace(CONFIG.clip, width=None, follows="gait")
    maps = replace(CONFIG, clip=replace(CLIP, modality="range")).clips()
    assert {spec.modality for spec in maps.values()} == {"range"}
    assert CONFIG.test_clips().keys() == {"gait"}


def test_what_there_is_to_see() -> None:
    method, seen = built(steps=8).eval(), batch()
    with torch.no_grad():
        looks = method.look(seen, RNG)
        again = method.look(seen, RNG)
    assert list(looks) == ["denoised", "samples", "walking", "pairs"]
    denoised, samples, pairs = looks["denoised"], looks["samples"], looks["pairs"]
    assert isinstance(denoised, Look)
    assert isinstance(samples, Look)
    assert isinstance(pairs, Numbers)
    assert list(denoised.rows) == ["clip", "rebuilt", "level 2", "level 4", "level 6"]
    assert list(samples.rows) == ["clip", "guidance 1", "guidance 2", "guidance 4"]
    for row in (*denoised.rows.values(), *samples.rows.values()):
        assert row.shape == (4, 3, 64, 64)
        assert row.min() >= 0
        assert row.max() <= 1
    condition = method.condition(seen).detach()
    distance: dict[bool, list[float]] = {True: [], False: []}
    for i in range(8):
        for j in range(8):
            if i != j:
                cosine = float(torch.nn.functional.cosine_similarity(condition[i], condition[j], dim=0))
                distance[i // 2 == j // 2].append(1 - cosine)
    assert pairs.values["one_person"] == pytest.approx(sum(distance[True]) / len(distance[True]), abs=1e-5)
    assert pairs.values["two_people"] == pytest.approx(sum(distance[False]) / len(distance[False]), abs=1e-5)
    assert torch.equal(again["samples"].rows["guidance 2"], samples.rows["guidance 2"])  # type: ignore[union-attr]


def test_it_learns_to_denoise() -> None:
    method, losses = built(), []
    optimiser = torch.optim.AdamW([{**group, "lr": 1e-2} for group in method.param_groups()])
    for step in range(20):
        loss = method(batch(), Rng(0, step, range(8))).total()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss))
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


# -- the autoencoder -----------------------------------------------------------------------------------------------------


def test_published_sizes() -> None:
    with torch.device("meta"):
        taesd = AutoencoderConfig().build(0)
    sides = [sum(p.numel() for p in part.parameters()) for part in (taesd.network.encoder, taesd.network.decoder)]
    assert sides == [1_222_532, 1_222_531]


def test_latents_and_back() -> None:
    torch.manual_seed(0)
    method = replace(SMALL, repeat=3, latent_channels=5).build(0)
    frames = torch.rand(2, 1, 64, 32)
    latents = method.latents(frames)
    assert latents.shape == (2, 5, 8, 4)
    torch.testing.assert_close(method.network.encode(frames.repeat(1, 3, 1, 1) * 2 - 1).latents, latents)
    assert method.pixels(latents).shape == frames.shape
    with pytest.raises(ValueError, match="44 pixels wide do not become latents"):
        method.latents(torch.rand(1, 1, 64, 44))


def test_an_autoencoder_learns_frames_and_latents_of_unit_spread() -> None:
    torch.manual_seed(0)
    method = replace(SMALL, width=16, spread_weight=0.03, latent_channels=2).build(0)
    optimiser = torch.optim.Adam(method.parameters(), lr=3e-3)
    for step in range(60):
        losses = method(discs(step), Rng(0, step, range(8)))
        optimiser.zero_grad()
        losses.total().backward()
        optimiser.step()
    assert float(losses.watch["overlap"]) > 0.75
    latents = method.latents(discs(1000).clips["gait"].flatten(0, 1)).detach()
    variance, mean = torch.var_mean(latents, (0, 2, 3))
    assert ((variance > 0.3) & (variance < 3)).all()
    assert mean.abs().max() < 0.7


def discs(seed: int) -> Batch:
    rng = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    centre, radius = torch.randint(16, 48, (8, 2, 2), generator=rng), torch.randint(6, 16, (8, 2), generator=rng)
    inside = (x - centre[..., 0, None, None]) ** 2 + (y - centre[..., 1, None, None]) ** 2 < radius[..., None, None] ** 2
    clips = {"gait": inside[:, :, None].float()}
    return Batch(clips, {"gait": torch.full((8,), 2)}, torch.arange(8), torch.arange(8))


def test_a_walk_is_embedded_as_it_is_alone() -> None:
    torch.manual_seed(0)
    method: Autoencoder = SMALL.build(0)
    clip, lengths = torch.rand(2, 4, 1, 64, 64), torch.tensor([4, 2])
    both = method.embed(Batch({"gait": clip}, {"gait": lengths}, lengths, lengths))
    alone = method.embed(Batch({"gait": clip[1:, :2]}, {"gait": lengths[1:]}, lengths[1:], lengths[1:]))
    assert both.shape == (2, 64, 4)
    torch.testing.assert_close(both[1:], alone)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: replace(CONFIG, backbone=SkeletonGaitPPConfig()), "a backbone with one input; this one also takes"),
        (lambda: replace(CONFIG, unconditional=1.5), "unconditional"),
        (lambda: replace(CONFIG, unconditional=float("nan")), "unconditional"),
        (lambda: replace(CONFIG, rebuilt=replace(CONFIG.rebuilt, width=44)), "44 pixels wide do not become latents, which stand for 8"),
        (lambda: replace(CONFIG, rebuilt=replace(CONFIG.rebuilt, frames=None)), "rebuilt.frames is one number"),
        (lambda: replace(SMALL, decoder_blocks=(1, 1)), "name as many sizes"),
        (lambda: replace(SMALL, clip=ClipSpec(frames=4, width=60)), "60 pixels wide"),
    ],
)
def test_what_does_not_fit(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_sampling_walks_to_the_distribution_of_its_condition() -> None:
    """With a denoiser that knows the clean latents of each condition, samples are those; guidance 1 is no guidance."""
    method, clean = built(), torch.randn(3, 2, 4, 8, 8, generator=torch.Generator().manual_seed(4))
    null = method.denoiser.null

    class Knows(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.null = null

        def forward(self, xt: Tensor, t: Tensor, condition: Tensor) -> Tensor:
            left = method.alpha_bar[t].view(-1, 1, 1, 1, 1)
            return (xt - left.sqrt() * clean * condition[:, :1, None, None, None]) / (1 - left).sqrt()

    method.denoiser = Knows()  # type: ignore[assignment]
    noise, told = torch.randn(3, 2, 4, 8, 8), torch.ones(3, 8)
    torch.testing.assert_close(method.sample(noise, told, visits=10), clean, rtol=1e-3, atol=1e-3)
    with torch.no_grad():
        null.zero_()
    torch.testing.assert_close(method.sample(noise, told, guidance=2.0, visits=10), 2 * clean, rtol=1e-3, atol=1e-3)
